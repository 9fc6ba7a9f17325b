#include "conn/slow.h"

#include "conn/stream.h"

#include <stdlib.h>

/* ---- lagging ---- */

static bool enter(struct stream *s)
{
    struct conn_env *env = s->env;
    struct stream_slow *w = calloc(1, sizeof(*w));

    if (!w) {
        return false;
    }
    w->s = s;
    w->since_ms = env->now_ms;
    w->compact_at = SLOW_COMPACT_MIN;
    w->next = env->slow;
    w->link = &env->slow;
    if (w->next) {
        w->next->link = &w->next;
    }
    env->slow = w;
    s->slow = w;
    s->lagging = 1;
    metrics_inc(env->metrics, METRIC_CLIENTS_SLOW);
    return true;
}

void slow_blocked(struct stream *s)
{
    s->blocked = 1;
    if ((s->lagging || enter(s)) && s->q.n >= s->slow->compact_at && !s->ending) {
        gap_conflate(s, NULL);
    }
}

void slow_caught_up(struct stream *s)
{
    struct stream_slow *w = s->slow;

    if (!w) {
        return;
    }
    gap_forget(&w->gap);
    *w->link = w->next;
    if (w->next) {
        w->next->link = w->link;
    }
    free(w);
    s->slow = NULL;
    s->lagging = 0;
    metrics_dec(s->env->metrics, METRIC_CLIENTS_SLOW);
}

void slow_before_put(struct stream *s, struct outbuf *next)
{
    if (s->q.n >= s->slow->compact_at) {
        gap_conflate(s, next);
    }
}

void slow_say_closed(const struct stream *s, const char *because)
{
    metrics_inc(s->env->metrics, METRIC_SLOW_CLOSED);
    if (conn_env_may_log(s->env, LOG_KIND_SLOW)) {
        stream_log_lag(s, LOG_WARN_LVL, "slow client closed", because);
    }
}

bool slow_make_room(struct stream *s, struct outbuf *next)
{
    /* A client that was asked to leave need not be kept at any price. */
    return s->timer.kind != STREAM_TIMER_LEAVE && (s->lagging || enter(s)) &&
           gap_make_room(s, next);
}

/* ---- over the bound of all together ---- */

static int most_first(const void *a, const void *b)
{
    const struct stream *x = *(const struct stream *const *)a;
    const struct stream *y = *(const struct stream *const *)b;

    return (x->q.bytes < y->q.bytes) - (x->q.bytes > y->q.bytes);
}

/* The streams that lag, those with the most waiting first. Without memory only
 * the first of them. */
static struct stream **list_lagging(struct conn_env *env, struct stream **one, size_t *count)
{
    struct stream **v;
    size_t n = 0;

    for (const struct stream_slow *w = env->slow; w; w = w->next) {
        n++;
    }
    v = malloc(n * sizeof(struct stream *));
    if (!v) {
        v = one;
        n = 1;
        *v = env->slow->s;
    } else {
        n = 0;
        for (const struct stream_slow *w = env->slow; w; w = w->next) {
            v[n++] = w->s;
        }
        qsort(v, n, sizeof(struct stream *), most_first);
    }
    *count = n;
    return v;
}

/* Closes clients of this shard until no more than `low` is held, or this shard
 * holds no more than its part of that. */
static void relieve(struct conn_env *env, int64_t total, int64_t low, unsigned shards,
                    void (*close)(struct stream *s))
{
    int64_t others = total - env->held.share;
    struct stream *one;
    struct stream **v;
    size_t n;

    for (const struct stream_slow *w = env->slow; w; w = w->next) {
        if (w->s->dead) { /* waits to be buried */
            outq_clear(&w->s->q, w->s->ops->transport, false);
        }
    }
    v = list_lagging(env, &one, &n);
    for (size_t i = 0;
         i < n && others + env->held.share > low && env->held.here > (uint64_t)low / shards; i++) {
        if (!v[i]->dead) {
            close(v[i]);
        }
    }
    if (v != &one) {
        free(v);
    }
}

/* Adds what has changed here since the last time; returns the sum. */
static int64_t add_up(struct conn_env *env)
{
    int64_t change = env->held.share - env->held_told;

    env->held_told = env->held.share;
    metrics_add(env->metrics, METRIC_SLOW_BYTES, (uint64_t)change);
    if (!env->total) {
        return env->held.share;
    }
    return change ? atomic_fetch_add_explicit(&env->total->bytes, change, memory_order_relaxed) +
                        change
                  : atomic_load_explicit(&env->total->bytes, memory_order_relaxed);
}

/* From seven eighths of the bound on, shards that hold more than their part of
 * three quarters close clients of theirs. There is always one such shard. */
void slow_settle(struct conn_env *env, void (*close)(struct stream *s))
{
    int64_t limit = (int64_t)env->opt->queues_total;
    int64_t low = limit - limit / 4;
    unsigned shards = env->total ? env->total->shards : 1;
    int64_t total;

    if (!env->slow && env->held.share == env->held_told) {
        return;
    }
    total = add_up(env);
    if (limit == 0 || total <= limit - limit / 8) {
        return;
    }
    if (env->slow && env->held.here > (uint64_t)low / shards) {
        relieve(env, total, low, shards, close);
        (void)add_up(env);
    } else if (env->total) {
        env->total->wake_others(env->total->ctx, env->shard);
    }
}
