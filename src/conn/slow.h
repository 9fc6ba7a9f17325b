/* slow.h - clients whose socket takes no more, and what becomes of them.
 *
 * Such a client lags from the moment the socket is full until its queue is
 * empty. It then has a little memory of its own and stands in a list of its
 * shard; one that keeps up has neither. */
#ifndef FF_CONN_SLOW_H
#define FF_CONN_SLOW_H

#include "conn/gap.h"
#include "conn/outbuf.h"

#include <stdatomic.h>

struct conn_env;
struct stream;

/* From so many waiting messages on superseded ones are looked for, and again
 * when twice as many wait as were left. */
#define SLOW_COMPACT_MIN 16

/* Of a client that lags. */
struct stream_slow {
    struct stream_slow *next, **link; /* in env->slow */
    struct stream *s;
    uint64_t since_ms; /* monotonic */
    uint32_t compact_at;
    struct gap gap;
};

/* What is held for slow clients, over all shards (--client-queues-total). */
struct slow_total {
    _Atomic int64_t bytes;
    unsigned shards;
    /* Lets the other shards run conn_env_flush, soon. */
    void (*wake_others)(void *ctx, unsigned shard);
    void *ctx;
};

/* The socket took no more: the stream lags. */
void slow_blocked(struct stream *s);
/* Nothing waits any more, or the stream ends: it lags no longer. */
void slow_caught_up(struct stream *s);
/* `next` is about to be queued to a stream that lags. */
void slow_before_put(struct stream *s, struct outbuf *next);
/* The queue is over its bound and the socket takes no more: makes room for
 * `next` by the policies. False: the client is to be closed. */
bool slow_make_room(struct stream *s, struct outbuf *next);
/* Counts and logs that the client is closed for being slow; `because` may be
 * NULL. */
void slow_say_closed(const struct stream *s, const char *because);
/* When nobody is left to be written to: adds to the total what has changed, and
 * over the bound has clients closed; their queues must be empty then. */
void slow_settle(struct conn_env *env, void (*close)(struct stream *s));

#endif
