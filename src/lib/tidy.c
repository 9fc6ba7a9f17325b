#include "lib/gateway.h"

#include <malloc.h>
#include <stddef.h>

/* Fewer than so many connections are not worth it. */
#define TIDY_AFTER 64
/* And only when none came or went for so long: it takes up to some
 * milliseconds, which nobody should wait for in a storm. */
#define TIDY_QUIET_MS 250
/* It stops all threads that need memory, so peers must not have it done at will. */
#define TIDY_LEAST_MS 1000

static uint64_t changes(const struct shard *s)
{
    return atomic_load_explicit(&s->metrics.v[METRIC_ACCEPTED], memory_order_relaxed) +
           atomic_load_explicit(&s->metrics.v[METRIC_DISCONNECTS], memory_order_relaxed);
}

static void wait_for_quiet(struct shard *s, uint64_t now)
{
    s->tidy.changes = now;
    s->tidy.shard = s;
    s->tidy.timer.kind = TIDY_TIMER;
    wheel_start(s->wheel, &s->tidy.timer, s->env.now_ms, TIDY_QUIET_MS);
}

void tidy_look(struct shard *s)
{
    uint64_t now = changes(s);

    if (now - s->tidy.done >= TIDY_AFTER && !s->tidy.timer.prev) {
        wait_for_quiet(s, now);
    }
}

void tidy_timer_fired(struct wheel_timer *t)
{
    struct tidy *tidy = (struct tidy *)(void *)((char *)t - offsetof(struct tidy, timer));
    struct shard *s = tidy->shard;
    uint64_t now = changes(s);
    uint64_t last = atomic_load(&s->gw->trimmed_ms);

    if (now != tidy->changes || s->env.now_ms - last < TIDY_LEAST_MS ||
        !atomic_compare_exchange_strong(&s->gw->trimmed_ms, &last, s->env.now_ms)) {
        wait_for_quiet(s, now);
        return;
    }
    tidy->done = now;
    malloc_trim(0);
}
