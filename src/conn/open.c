/* The beginning and the end of a stream. */
#include "base/clock.h"
#include "base/dup.h"
#include "conn/access.h"
#include "conn/load.h"
#include "conn/notes.h"
#include "conn/replays.h"
#include "conn/slow.h"
#include "conn/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static void on_event(struct rt_source *src, uint32_t events)
{
    struct stream *s = STREAM_OF(src, src);

    if (s->dead) {
        return;
    }
    if ((events & EPOLLOUT) && (s->blocked || (s->tls && s->tls->waiting))) {
        s->blocked = 0;
        stream_mark_dirty(s);
    }
    /* With TLS there may be bytes that the socket does not tell of. */
    if (!s->dead && (s->tls || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))) {
        s->ops->readable(s, events);
    }
}

static void tune_socket(const struct stream *s)
{
    const struct options *opt = s->env->opt;
    int one = 1;
    int idle = (int)(opt->heartbeat / 1000);
    unsigned timeout = (unsigned)opt->user_timeout;
    int sndbuf = (int)opt->send_buffer / 2; /* the kernel doubles it */

    if (sndbuf > 0) {
        (void)setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
    }
    if (s->peer.kind == PEER_UNIX) {
        return;
    }
    /* Best effort: a socket without these still works. */
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static void count_open(const struct stream *s)
{
    struct metrics *m = s->env->metrics;
    bool ws = s->ops->transport == TRANSPORT_WS;

    metrics_inc(m, ws ? METRIC_CLIENTS_WS : METRIC_CLIENTS_SSE);
    metrics_inc(m, ws ? METRIC_CONNECTS_WS : METRIC_CONNECTS_SSE);
}

static void close_socket(struct rt_transport *tls, int fd)
{
    if (tls) {
        tls->ops->free(tls);
    }
    close(fd);
}

void stream_intro_drop(const struct stream_intro *intro)
{
    close_socket(intro->tls, intro->fd);
}

void stream_release(struct stream *s)
{
    struct conn_env *env = s->env;

    wheel_stop(&s->timer);
    load_drop(s);
    replays_free(s);
    router_leave(env->router, &s->member);
    if (s->member.id) {
        clients_remove(&env->clients, s->member.id);
    }
    notes_drop(s);
    access_free(s);
    slow_caught_up(s);
    outq_clear(&s->q, s->ops->transport, false);
    intern_put(env->agents, s->agent);
    free(s->meta);
    if (s->tls) {
        held_sub(&env->held, s->tls->counted);
    }
    close_socket(s->tls, s->fd);
}

/* Nothing of the past is wanted: the usual beginning, without a replay. */
static int join(struct stream *s, const struct stream_intro *intro)
{
    struct strbuf out = STRBUF_INIT;
    char cursor[CURSOR_MAX];
    struct cursor top;
    struct str position;
    int rc = router_join(s->env->router, &s->member, STR_NONE, intro->names, intro->nnames, &top);

    if (rc != 0) {
        return rc;
    }
    s->position = top.seq;
    position = (struct str){cursor, cursor_format(top, cursor)};
    stream_add_greeting(s, position, false, &out);
    control_add(&out, s->ops->transport, STR_LIT("fanfare.synced"), position, STR_LIT("{}"));
    if (strbuf_failed(&out)) {
        stream_kill(s, "out of memory");
    } else {
        stream_put_bytes(s, strbuf_str(&out));
    }
    strbuf_fini(&out);
    notes_put(s);
    if (intro->reads) {
        notes_put_reads(s, intro->names, intro->nnames);
    }
    return 0;
}

/* What it may do, and what is known of it by that. */
static int begin_access(struct stream *s, const struct stream_intro *intro)
{
    const struct grant *g = intro->grant;
    struct str meta = g && g->s.meta.len ? g->s.meta : intro->meta;
    struct str info = g && g->s.info.len ? g->s.info : intro->info;
    int rc = access_begin(s, intro->grant);

    for (unsigned i = 0; rc == 0 && i < intro->nsigned; i++) {
        rc = access_add_signed(s, intro->signed_names[i]);
    }
    if (rc == 0 && meta.len) {
        s->meta = str_dup(meta);
        rc = s->meta ? 0 : ERR_NOMEM;
    }
    return rc == 0 && info.len ? notes_set_info(s, info) : rc;
}

int stream_open(struct stream *s, struct conn_env *env, const struct stream_ops *ops,
                const struct stream_intro *intro)
{
    int rc;

    s->src.on_event = on_event;
    s->ops = ops;
    s->env = env;
    s->fd = intro->fd;
    s->tls = intro->tls;
    s->peer = intro->peer;
    s->from_proxy = intro->from_proxy;
    s->owner = intro->owner;
    s->connected_at = clock_real_ms();
    s->active_ms = env->now_ms;
    s->member.shard = (uint16_t)env->shard;
    rc = clients_add(&env->clients, env->shard, &env->rng, s, &s->member.id);
    if (rc != 0) {
        s->member.id = 0;
        goto fail;
    }
    rc = begin_access(s, intro);
    if (rc != 0) {
        goto fail;
    }
    s->agent = intern_get(env->agents, intro->user_agent); /* NULL: not shown */
    tune_socket(s);
    rc = reactor_add(env->reactor, s->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &s->src);
    if (rc != 0) {
        goto fail;
    }
    if (access_stands(s)) { /* else it is not shown anything any more */
        rc = intro->position.kind == POSITION_NONE && !intro->user.len ? join(s, intro)
                                                                       : replays_begin(s, intro);
    }
    if (rc != 0) {
        reactor_del(env->reactor, s->fd);
        goto fail;
    }
    load_adopt(s, intro);
    count_open(s);
    stream_start_beat(s);
    stream_log(s, LOG_DEBUG_LVL, "client connected", NULL, NULL);
    env->hooks.connected(env->hooks.ctx, s);
    access_greeted(s);
    if (env->draining) { /* it came through while the others were being asked */
        stream_ask_to_leave(s);
    }
    return 0;
fail:
    stream_release(s);
    return rc;
}
