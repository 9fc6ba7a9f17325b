/* pace.h - how fast a client may send: op-rate and op-bytes. One that is over is not read
 * from for a while, so that TCP slows it down; one that goes on for a whole rate-window is
 * closed with 4029. On the shard's thread. */
#ifndef FF_CONN_PACE_H
#define FF_CONN_PACE_H

#include <stdbool.h>
#include <stddef.h>

struct stream;
struct pace; /* made when it is first needed; the transport keeps it */

#define CLOSE_FLOODING 4029

/* May it be read from? If not: its next bytes raise an event, or its ops->resume is called,
 * or it ends. Without memory nothing is limited. */
bool pace_may_read(struct stream *s, struct pace **p);
/* How much should be read at a time, so that it does not go far over: at most `most`. */
size_t pace_chunk(const struct stream *s, size_t most);
/* That came. */
void pace_bytes(struct stream *s, struct pace **p, size_t n);
void pace_message(struct stream *s, struct pace **p);
/* Nothing is left to be read. */
void pace_drained(struct pace *p);
void pace_free(struct pace *p);
/* A timer of kind STREAM_TIMER_PACE. */
struct wheel_timer;
void pace_timer_fired(struct wheel_timer *t);

#endif
