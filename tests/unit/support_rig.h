/* support_rig.h - one shard without threads, sockets or a clock of its own, for
 * tests of the floors from conn upwards.
 *
 * Time is `rig.now`, moved by rig_pass(); clients are socketpairs, so what was
 * flushed can be read at once: nothing here waits. */
#ifndef FF_TESTS_SUPPORT_RIG_H
#define FF_TESTS_SUPPORT_RIG_H

#include "base/clock.h"
#include "conn/stream.h"
#include "core/people.h"
#include "rt/mailbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIG_EPOCH 123456 /* "2n9c" in base 36 */
#define RIG_EPOCH_TEXT "2n9c"

struct rig {
    struct conn_env env;
    struct options opt;
    struct metrics metrics;
    struct core_sink sink;
    struct mailbox *deliveries;
    uint64_t now;
    uint64_t people_due; /* when router_people_run is to be called */
    unsigned connected, disconnected, released, received;
    bool takes;      /* the answer of the `received` hook */
    char reason[64]; /* of the last disconnection */
    char got[256];   /* the last thing received */
    bool full;       /* the router's `full` port */
    bool quiet_timers;
    void (*other_timer)(struct wheel_timer *t);
    void (*on_released)(struct rig *r, const struct stream *s);
    void (*on_disconnected)(struct rig *r, const struct stream *s);
};

/* ---- the core's ports ---- */

struct rig_delivery {
    struct mail mail;
    struct message *message;
};

static inline void rig_lock(void *ctx)
{
    (void)ctx;
}

static inline void rig_deliver(struct mail *m, void *ctx)
{
    struct rig *r = ctx;
    struct rig_delivery *d = (struct rig_delivery *)(void *)m;
    uint64_t n = router_deliver(r->env.router, 0, &d->message, 1, &r->sink);

    metrics_add(&r->metrics, METRIC_DELIVERED, n);
}

static inline void rig_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct rig *r = ctx;
    struct rig_delivery *d = link;

    (void)shard;
    (void)size;
    d->mail.run = rig_deliver;
    d->message = m;
    mailbox_push(r->deliveries, &d->mail);
}

static inline bool rig_full(void *ctx, unsigned shard)
{
    (void)shard;
    return ((struct rig *)ctx)->full;
}

static inline void rig_settle(void *ctx, unsigned shard)
{
    (void)shard;
    mailbox_drain(((struct rig *)ctx)->deliveries, 0);
}

static inline bool rig_pending(void *ctx, unsigned shard)
{
    (void)shard;
    return mailbox_pending(((struct rig *)ctx)->deliveries);
}

static inline uint64_t rig_mono_ms(void *ctx)
{
    return ((struct rig *)ctx)->now;
}

static inline uint64_t rig_real_ms(void *ctx)
{
    (void)ctx;
    return clock_real_ms();
}

static inline void rig_due(void *ctx, uint64_t due_ms)
{
    ((struct rig *)ctx)->people_due = due_ms;
}

/* ---- hooks ---- */

static inline void rig_on_connected(void *ctx, const struct stream *s)
{
    (void)s;
    ((struct rig *)ctx)->connected++;
}

static inline void rig_on_disconnected(void *ctx, const struct stream *s, const char *reason)
{
    struct rig *r = ctx;

    r->disconnected++;
    snprintf(r->reason, sizeof(r->reason), "%s", reason ? reason : "(none)");
    if (r->on_disconnected) {
        r->on_disconnected(r, s);
    }
}

static inline bool rig_on_received(void *ctx, const struct stream *s, struct str json)
{
    struct rig *r = ctx;

    (void)s;
    r->received++;
    snprintf(r->got, sizeof(r->got), "%.*s", (int)json.len, json.p);
    return r->takes;
}

static inline void rig_on_released(void *ctx, const struct stream *s)
{
    struct rig *r = ctx;

    r->released++;
    if (r->on_released) {
        r->on_released(r, s);
    }
}

/* ---- life ---- */

static inline void rig_set(struct rig *r, const char *name, const char *value)
{
    struct errmsg why = {""};

    cr_assert_eq(options_set(&r->opt, name, value, OPT_FROM_SET, &why), 0, "%s", why.text);
}

/* With this store under the log, or NULL. */
static inline struct rig *rig_new_on(struct core_store *store)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct conn_env *env;
    struct errmsg why = {""};
    struct core_ports ports;
    struct router_keep keep;

    cr_assert_not_null(r);
    env = &r->env;
    ports = (struct core_ports){.ctx = r,
                                .lock = rig_lock,
                                .unlock = rig_lock,
                                .post = rig_post,
                                .full = rig_full,
                                .settle = rig_settle,
                                .pending = rig_pending,
                                .mono_ms = rig_mono_ms,
                                .real_ms = rig_real_ms,
                                .due = rig_due};
    r->now = 1000000;
    r->people_due = UINT64_MAX;
    cr_assert_eq(options_init(&r->opt), 0);
    rig_set(r, "send-buffer", "0");
    cr_assert_eq(reactor_new(&env->reactor, &why), 0);
    cr_assert_eq(wheel_new(r->now, &env->wheel), 0);
    cr_assert_eq(mailbox_new(r, &r->deliveries, &why), 0);
    cr_assert_eq(router_new(1, RIG_EPOCH, 42, &ports, &env->router), 0);
    keep = (struct router_keep){&r->opt, store, &r->metrics};
    cr_assert_eq(router_keep(env->router, &keep), 0);
    cr_assert_eq(router_people(env->router, &r->opt), 0);
    cr_assert_eq(conn_env_init(env), 0);
    env->epoch = RIG_EPOCH;
    env->metrics = &r->metrics;
    env->opt = &r->opt;
    env->now_ms = r->now;
    env->hooks = (struct conn_hooks){.ctx = r,
                                     .connected = rig_on_connected,
                                     .disconnected = rig_on_disconnected,
                                     .received = rig_on_received,
                                     .released = rig_on_released};
    r->sink = conn_env_sink(env);
    return r;
}

static inline struct rig *rig_new(void)
{
    return rig_new_on(NULL);
}

static inline void rig_fire(struct wheel_timer *t, void *ctx)
{
    struct rig *r = ctx;

    if (t->kind < STREAM_TIMER_KINDS) {
        stream_timer_fired(t);
    } else if (r->other_timer) {
        r->other_timer(t);
    }
}

/* What the first shard's timers do. */
static inline void rig_timers(struct rig *r)
{
    wheel_advance(r->env.wheel, r->now, rig_fire, r);
    if (r->now >= r->people_due) {
        r->people_due = router_people_run(r->env.router);
    }
}

/* One turn of a shard's loop. */
static inline void rig_turn(struct rig *r)
{
    r->env.now_ms = r->now;
    cr_assert_geq(reactor_wait(r->env.reactor, 0), 0);
    mailbox_drain(r->deliveries, 0);
    rig_timers(r);
    (void)conn_env_replay_some(&r->env);
    conn_env_flush(&r->env);
}

/* Lets `ms` go by in steps of the wheel. */
static inline void rig_pass(struct rig *r, uint64_t ms)
{
    uint64_t end = r->now + ms;

    while (r->now < end) {
        r->now = r->now + WHEEL_TICK_MS < end ? r->now + WHEEL_TICK_MS : end;
        rig_turn(r);
    }
}

static inline void rig_free(struct rig *r)
{
    conn_env_close_all(&r->env, "end of test");
    conn_env_flush(&r->env);
    mailbox_drain(r->deliveries, 0);
    cr_assert_eq(r->env.clients.count, 0);
    cr_assert_eq(r->connected, r->disconnected);
    cr_assert_eq(r->released, r->disconnected);
    cr_assert_eq(r->env.held.here, 0, "nothing is held for nobody");
    cr_assert_eq(r->env.held.share, 0);
    cr_assert_null(r->env.slow);
    conn_env_fini(&r->env);
    router_free(r->env.router);
    mailbox_free(r->deliveries);
    wheel_free(r->env.wheel);
    reactor_free(r->env.reactor);
    options_fini(&r->opt);
    free(r);
}

static inline uint64_t rig_metric(const struct rig *r, enum metric id)
{
    return atomic_load(&r->metrics.v[id]);
}

/* ---- publishing ---- */

static inline struct envelope rig_envelope(enum target_kind kind, const char *json)
{
    return (struct envelope){.kind = kind,
                             .type = STR_LIT("message"),
                             .id = STR_LIT("id-1"),
                             .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
                             .data = str_of(json)};
}

/* As if it had been received at that time. */
static inline struct cursor rig_publish_at(struct rig *r, enum target_kind kind, const char *target,
                                           const char *json, uint64_t at_ms)
{
    struct str name = str_of(target);
    struct publication p = {.envelope = rig_envelope(kind, json),
                            .targets = target ? &name : NULL,
                            .count = 1,
                            .now_ms = at_ms,
                            .mono_ms = r->now};
    struct publish_result res;
    struct publish_verdict verdict;

    p.envelope.epoch = RIG_EPOCH;
    cr_assert_eq(router_publish(r->env.router, &p, &res, &verdict), 0);
    return res.cursor;
}

static inline struct cursor rig_publish_kind(struct rig *r, enum target_kind kind,
                                             const char *target, const char *json)
{
    return rig_publish_at(r, kind, target, json, clock_real_ms());
}

static inline struct cursor rig_publish(struct rig *r, const char *channel, const char *json)
{
    return rig_publish_kind(r, TARGET_CHANNEL, channel, json);
}

/* ---- the client's end ---- */

struct rig_pair {
    int ours; /* goes to the stream */
    int peer; /* the client's */
};

static inline struct rig_pair rig_socketpair(void)
{
    int v[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, v), 0);
    return (struct rig_pair){v[0], v[1]};
}

/* Appends what has arrived. True at the end of the stream. */
static inline bool rig_read(int fd, struct strbuf *out)
{
    char buf[16384];

    for (;;) {
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n > 0) {
            strbuf_add(out, buf, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            return true;
        } else {
            return false;
        }
    }
}

/* Reads and lets the shard write, until nothing more comes. */
static inline bool rig_read_all(struct rig *r, int fd, struct strbuf *out)
{
    size_t before;
    bool end;

    do {
        before = out->len;
        end = rig_read(fd, out);
        rig_turn(r);
    } while (!end && out->len != before);
    return end;
}

/* What has arrived, as text; the caller frees it. */
static inline char *rig_text(struct rig *r, int fd)
{
    struct strbuf sb = STRBUF_INIT;
    char *text;

    rig_turn(r);
    (void)rig_read_all(r, fd, &sb);
    text = strbuf_steal(&sb, NULL);
    cr_assert_not_null(text);
    return text;
}

/* Reads and forgets. True at the end of the stream. */
static inline bool rig_drop(struct rig *r, int fd)
{
    struct strbuf sb = STRBUF_INIT;
    bool end;

    rig_turn(r);
    end = rig_read_all(r, fd, &sb);
    strbuf_fini(&sb);
    return end;
}

static inline void rig_send(int fd, const void *p, size_t n)
{
    cr_assert_eq(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* How often `needle` stands in `text`. */
static inline unsigned rig_count(const char *text, const char *needle)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, needle)) != NULL; p += strlen(needle)) {
        n++;
    }
    return n;
}

#endif
