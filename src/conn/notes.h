/* notes.h - what a stream is sent of the people in its channels, beside what is published there:
 * snapshots when a subscription begins, and what others see of the stream itself. On the shard's
 * thread. */
#ifndef FF_CONN_NOTES_H
#define FF_CONN_NOTES_H

#include "conn/stream.h"

/* Queues the notes that the router has for the stream: to be called after each join and
 * subscription, behind what says that it has begun. */
void notes_put(struct stream *s);
/* What others see of the stream's user from now on: minified JSON, or empty (nothing is said).
 * ERR_NOMEM: nothing has changed. */
int notes_set_info(struct stream *s, struct str json) FF_USE_RESULT;
/* fanfare.reads for each of the `n` names that is a channel's: who has read how far in it. To be
 * called when the stream is subscribed to them; all together are bounded. Without memory the
 * stream ends. */
void notes_put_reads(struct stream *s, const struct str *names, unsigned n);
/* The stream ends, and has left the router. */
void notes_drop(struct stream *s);

#endif
