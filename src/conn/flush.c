/* What ends a turn: clients are written to, told of a drain, and buried. */
#include "conn/load.h"
#include "conn/replays.h"
#include "conn/slow.h"
#include "conn/stream.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

/* Once all is written: tells the peer of the end. TLS has one more thing to write for that. */
static void shut_down(struct stream *s)
{
    int rc = s->tls ? s->tls->ops->shutdown(s->tls) : shutdown(s->fd, SHUT_WR);

    if (rc != 0 && s->tls && errno == EAGAIN) {
        s->blocked = 1;
        return;
    }
    s->shut = 1;
    if (rc != 0) {
        stream_kill(s, "closed");
    }
}

/* Whoever wants to know whose it was, and what it was subscribed to, is told now. */
static void say_leaves(struct stream *s)
{
    struct conn_env *env = s->env;

    if (!s->left && env->hooks.leaves) {
        env->hooks.leaves(env->hooks.ctx, s, s->end_reason);
    }
    s->left = 1;
}

static void flush(struct stream *s)
{
    if (!s->blocked && !stream_write_queue(s)) {
        return;
    }
    if (s->read_paused && s->q.bytes <= STREAM_REPLY_BACKLOG / 2) {
        s->read_paused = 0;
        s->ops->resume(s);
    }
    if (s->replays && !s->q.n) {
        replays_ready(s);
    }
    if (s->ending && s->member.joined) {
        say_leaves(s);
        load_drop(s);
        router_leave(s->env->router, &s->member);
    }
    if (s->ending && !s->q.n && !s->shut && !(s->tls && s->tls->waiting)) {
        shut_down(s);
    }
}

static void bury(struct stream *s)
{
    struct conn_env *env = s->env;

    metrics_dec(env->metrics,
                s->ops->transport == TRANSPORT_WS ? METRIC_CLIENTS_WS : METRIC_CLIENTS_SSE);
    metrics_inc(env->metrics, METRIC_DISCONNECTS);
    say_leaves(s);
    stream_log(s, LOG_DEBUG_LVL, "client disconnected", "reason", s->end_reason);
    env->hooks.disconnected(env->hooks.ctx, s, s->end_reason);
    reactor_del(env->reactor, s->fd);
    stream_release(s);
    env->hooks.released(env->hooks.ctx, s);
    s->ops->free(s);
}

static struct stream *take_first(struct stream_list *l)
{
    struct stream *s = l->first;

    l->first = s->next_dirty;
    if (!l->first) {
        l->end = &l->first;
    }
    return s;
}

/* At once: a farewell would have to be read, and until it is, the rest of a
 * message be kept. */
static void close_for_memory(struct stream *s)
{
    if (!s->ending) {
        metrics_inc(s->env->metrics, METRIC_MEMORY_CLOSED);
        slow_say_closed(s, "client-queues-total");
    }
    stream_kill(s, "slow client");
    outq_clear(&s->q, s->ops->transport, false);
}

void conn_env_drain(struct conn_env *env, uint64_t over_ms)
{
    env->draining = true;
    env->drain_ms = over_ms;
}

/* Tells up to `max` of them. */
static void drain_some(struct conn_env *env, unsigned max)
{
    const struct clients *c = &env->clients;

    for (; env->draining && env->drain_next < c->nslots && max; env->drain_next++) {
        struct stream *s = c->slots[env->drain_next];
        if (s) {
            stream_ask_to_leave(s);
            max--;
        }
    }
}

/* Who waits to be written to does not wait for burials: each costs more than a
 * write, and thousands may leave at once. */
bool conn_env_flush_some(struct conn_env *env, unsigned writes, unsigned burials)
{
    drain_some(env, writes);
    for (; env->dirty.first && writes; writes--) {
        struct stream *s = take_first(&env->dirty);
        s->is_dirty = 0;
        if (!s->dead) {
            flush(s);
        }
        if (s->dead && !s->is_dirty) { /* else killed by the flush, and at the end of the list */
            s->is_dirty = 1;           /* in no other list any more */
            stream_list_add(&env->dead, s);
        }
    }
    for (; env->dead.first && burials; burials--) {
        bury(take_first(&env->dead));
    }
    if (!env->dirty.first) { /* what waits now waits for slow clients */
        slow_settle(env, close_for_memory);
    }
    return env->dirty.first || env->dead.first ||
           (env->draining && env->drain_next < env->clients.nslots);
}

/* A handler may make more streams dirty (it may publish): go on until none is. */
void conn_env_flush(struct conn_env *env)
{
    while (conn_env_flush_some(env, UINT_MAX, UINT_MAX)) {
    }
}
