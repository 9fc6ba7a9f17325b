#include "store/queue.h"

#include "base/clock.h"

#include <time.h>

/* Bytes that are worth a transaction of their own. */
#define ENOUGH (256u << 10)

int queue_init(struct queue *q)
{
    pthread_condattr_t attr;

    *q = (struct queue){.state = QUEUE_WORKS};
    if (pthread_mutex_init(&q->lock, NULL) != 0) {
        return ERR_NOMEM;
    }
    if (pthread_condattr_init(&attr) != 0) {
        (void)pthread_mutex_destroy(&q->lock);
        return ERR_NOMEM;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&q->more, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (rc != 0) {
        (void)pthread_mutex_destroy(&q->lock);
        return ERR_NOMEM;
    }
    return 0;
}

void queue_fini(struct queue *q)
{
    (void)pthread_cond_destroy(&q->more);
    (void)pthread_mutex_destroy(&q->lock);
}

/* Lock held. */
static void wake(struct queue *q)
{
    if (q->asleep) {
        q->asleep = false;
        (void)pthread_cond_signal(&q->more);
    }
}

int queue_admit(struct queue *q, size_t bytes, size_t limit, uint64_t seq, uint64_t reserved)
{
    int rc = 0;

    pthread_mutex_lock(&q->lock);
    if (q->state == QUEUE_FAILS) {
        rc = ERR_STORE;
    } else if (q->state == QUEUE_WORKS && seq > reserved) {
        q->wanted = seq > q->wanted ? seq : q->wanted;
        wake(q);
        rc = ERR_BUSY;
    } else if (q->bytes > 0 && (bytes > limit || q->bytes > limit - bytes)) {
        rc = ERR_BUSY; /* (what is larger than the whole bound goes alone) */
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

void queue_put(struct queue *q, struct record *first, struct record *last, size_t bytes)
{
    last->next = NULL;
    pthread_mutex_lock(&q->lock);
    if (q->first) {
        q->last->next = first;
    } else {
        q->first = first;
    }
    q->last = last;
    q->bytes += bytes;
    q->new_bytes += bytes;
    wake(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_stop(struct queue *q, uint64_t stop_ms)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    q->stop_ms = stop_ms;
    wake(q);
    pthread_mutex_unlock(&q->lock);
}

bool queue_failing(struct queue *q, struct errmsg *why)
{
    pthread_mutex_lock(&q->lock);
    bool failing = q->state != QUEUE_WORKS;
    if (why) {
        if (failing) {
            *why = q->why;
        } else {
            why->text[0] = '\0';
        }
    }
    pthread_mutex_unlock(&q->lock);
    return failing;
}

/* Lock held. Publishers wake nobody meanwhile. */
static void gather(struct queue *q, unsigned ms)
{
    struct timespec pause = {0, (long)ms * 1000000};

    pthread_mutex_unlock(&q->lock);
    (void)nanosleep(&pause, NULL);
    pthread_mutex_lock(&q->lock);
}

void queue_take(struct queue *q, uint64_t until_ms, unsigned gather_ms, bool stopping,
                struct queue_turn *out)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};

    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->wanted && q->stopping == stopping && clock_mono_ms() < until_ms) {
        q->asleep = true;
        (void)pthread_cond_timedwait(&q->more, &q->lock, &until);
    }
    q->asleep = false;
    if (gather_ms && q->first && !q->wanted && !q->stopping && q->new_bytes < ENOUGH) {
        gather(q, gather_ms);
    }
    *out = (struct queue_turn){.first = q->first,
                               .last = q->last,
                               .bytes = q->new_bytes,
                               .wanted = q->wanted,
                               .stopping = q->stopping,
                               .stop_ms = q->stop_ms};
    q->first = q->last = NULL;
    q->new_bytes = 0;
    q->wanted = 0;
    pthread_mutex_unlock(&q->lock);
}

bool queue_empty(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool empty = !q->first;
    pthread_mutex_unlock(&q->lock);
    return empty;
}

size_t queue_done(struct queue *q, size_t bytes)
{
    pthread_mutex_lock(&q->lock);
    size_t left = q->bytes -= bytes;
    pthread_mutex_unlock(&q->lock);
    return left;
}

void queue_set_state(struct queue *q, enum queue_state state, const struct errmsg *why)
{
    pthread_mutex_lock(&q->lock);
    q->state = state;
    if (why) {
        q->why = *why;
    }
    pthread_mutex_unlock(&q->lock);
}
