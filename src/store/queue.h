/* queue.h - what waits for the writer thread, and what publishers are told.
 *
 * Internal to store. Any thread; nothing here allocates, or holds its lock for
 * longer than a few instructions. */
#ifndef FF_STORE_QUEUE_H
#define FF_STORE_QUEUE_H

#include "base/err.h"
#include "core/store_port.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum queue_state {
    QUEUE_WORKS,
    QUEUE_FAILS, /* publications are refused */
    QUEUE_GONE   /* everything is let through, nothing is written any more */
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t more; /* on the monotonic clock */
    bool asleep;         /* the writer waits for `more` */
    struct record *first, *last;
    size_t bytes;     /* put, and not done yet */
    size_t new_bytes; /* of these, not taken yet */
    uint64_t wanted;  /* a number that could not be given out; 0: none */
    bool stopping;
    uint64_t stop_ms; /* monotonic: no more attempts after this */
    enum queue_state state;
    struct errmsg why;
};

int queue_init(struct queue *q) FF_USE_RESULT;
void queue_fini(struct queue *q);

/* See core_store: 0, ERR_BUSY, ERR_STORE. */
int queue_admit(struct queue *q, size_t bytes, size_t limit, uint64_t seq, uint64_t reserved)
    FF_USE_RESULT;
void queue_put(struct queue *q, struct record *first, struct record *last, size_t bytes);
void queue_stop(struct queue *q, uint64_t stop_ms);
/* True, with the reason, while it fails or is gone. `why` may be NULL. */
bool queue_failing(struct queue *q, struct errmsg *why);

/* ---- the writer's side ---- */

struct queue_turn {
    struct record *first, *last; /* what was put since the last turn; NULL: nothing */
    size_t bytes;
    uint64_t wanted;
    bool stopping;
    uint64_t stop_ms;
};
/* Waits until there is something new, but not beyond until_ms (monotonic; 0: not
 * at all), and then gather_ms for more to come with it. `stopping` as the caller
 * knows it already. */
void queue_take(struct queue *q, uint64_t until_ms, unsigned gather_ms, bool stopping,
                struct queue_turn *out);
/* Was nothing put since the last turn? */
bool queue_empty(struct queue *q);
/* So many bytes do not wait any more. Returns how many still do. */
size_t queue_done(struct queue *q, size_t bytes);
/* `why` is for the two others than QUEUE_WORKS. */
void queue_set_state(struct queue *q, enum queue_state state, const struct errmsg *why);

#endif
