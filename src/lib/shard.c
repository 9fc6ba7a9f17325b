/* One shard: a thread with its reactor, HTTP daemon and clients. */
#include "lib/gateway.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* So that a flood of messages leaves turns for sockets and timers. */
#define DELIVERIES_PER_TURN 4096
#define TASKS_PER_TURN 256

/* A message's node in the mailbox of one shard. */
struct delivery {
    struct mail mail;
    struct message *message;
    size_t size;
};
_Static_assert(sizeof(struct delivery) <= PORT_LINK_SIZE, "core/ports.h has room for it");

/* ---- deliveries ---- */

static void deliver(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct delivery *d = (struct delivery *)(void *)m;
    size_t size = d->size; /* router_deliver may free the message, and d with it */
    uint64_t n = router_deliver(s->gw->router, s->index, d->message, &s->sink);

    atomic_fetch_sub_explicit(&s->backlog_bytes, size, memory_order_relaxed);
    metrics_add(&s->metrics, METRIC_DELIVERED, n);
}

static void port_lock(void *ctx)
{
    struct fanfare *gw = ctx;

    pthread_mutex_lock(&gw->log_order);
}

static void port_unlock(void *ctx)
{
    struct fanfare *gw = ctx;

    pthread_mutex_unlock(&gw->log_order);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct fanfare *gw = ctx;
    struct delivery *d = link;

    d->mail.run = deliver;
    d->message = m;
    d->size = size;
    atomic_fetch_add_explicit(&gw->shards[shard].backlog_bytes, size, memory_order_relaxed);
    mailbox_push(gw->deliveries[shard], &d->mail);
}

static bool port_full(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    return mailbox_depth(gw->deliveries[shard]) >=
               atomic_load_explicit(&gw->max_backlog, memory_order_relaxed) ||
           atomic_load_explicit(&gw->shards[shard].backlog_bytes, memory_order_relaxed) >=
               atomic_load_explicit(&gw->max_backlog_bytes, memory_order_relaxed);
}

static void port_settle(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    struct mailbox *mb = gw->deliveries[shard];
    uint32_t n = mailbox_depth(mb);

    if (n) { /* not what comes meanwhile: publishers may be faster than we are */
        mailbox_drain(mb, n);
    }
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    return mailbox_pending(gw->deliveries[shard]);
}

struct core_ports shard_ports(struct fanfare *gw)
{
    return (struct core_ports){gw,        port_lock,   port_unlock, port_post,
                               port_full, port_settle, port_pending};
}

/* ---- the loop ---- */

/* Deadlines count from when something happened, not from before the wait. */
static void on_wake(void *ctx)
{
    struct shard *s = ctx;

    s->env.now_ms = clock_mono_ms();
}

static void on_mail(struct rt_source *src, uint32_t events)
{
    (void)src; /* only wakes: turn() empties the mailboxes in its own order */
    (void)events;
}

static void fire(struct wheel_timer *t, void *ctx)
{
    (void)ctx;
    if (t->kind < STREAM_TIMER_KINDS) {
        stream_timer_fired(t);
    } else if (t->kind == LISTENER_TIMER) {
        listener_timer_fired(t);
    } else {
        http_timer_fired(t);
    }
}

static int wait_ms(struct shard *s)
{
    int64_t wheel;
    int http;

    if (mailbox_pending(s->deliveries) || mailbox_pending(s->tasks) || s->env.dirty) {
        return 0;
    }
    http = s->stopping ? -1 : http_server_timeout(&s->http);
    wheel = wheel_next_ms(s->wheel, s->env.now_ms);
    if (wheel > 60000) {
        wheel = 60000;
    }
    if (s->stopping && (wheel < 0 || wheel > 10)) {
        wheel = 10; /* the other shards' visits end without a word to us */
    }
    if (http < 0) {
        return (int)wheel;
    }
    return wheel < 0 || http < wheel ? http : (int)wheel;
}

static void turn(struct shard *s)
{
    s->env.now_ms = clock_mono_ms();
    if (reactor_wait(s->reactor, wait_ms(s)) < 0) {
        log_error(s->gw->log, "epoll_wait failed");
    }
    if (!s->stopping) {
        http_server_run(&s->http);
    }
    mailbox_drain(s->deliveries, DELIVERIES_PER_TURN);
    mailbox_drain(s->tasks, TASKS_PER_TURN);
    wheel_advance(s->wheel, s->env.now_ms, fire, NULL);
    conn_env_flush(&s->env);
}

static bool finished(struct shard *s)
{
    /* Until all have stopped, one may still send a visit here. */
    return s->stopping && s->env.clients.count == 0 &&
           atomic_load(&s->gw->stopping) == s->gw->running &&
           atomic_load(&s->gw->shared.visits) == 0 && !mailbox_pending(s->deliveries) &&
           !mailbox_pending(s->tasks);
}

static void *run(void *arg)
{
    struct shard *s = arg;
    char name[16];

    snprintf(name, sizeof(name), "fanfare-%u", s->index);
    pthread_setname_np(pthread_self(), name);
    while (!finished(s)) {
        turn(s);
        if (s->stopping) {
            conn_env_close_all(&s->env, "gateway stopped");
            conn_env_flush(&s->env);
        }
    }
    return NULL;
}

/* ---- life ---- */

static void stop(struct mail *m, void *ctx)
{
    struct shard *s = ctx;

    (void)m;
    s->stopping = true;
    atomic_fetch_add(&s->gw->stopping, 1);
    listeners_stop(s);
    conn_env_end_all(&s->env, 1001, "gateway stopped");
}

static void wire(struct shard *s)
{
    struct fanfare *gw = s->gw;

    s->sink = conn_env_sink(&s->env);
    s->env.shard = s->index;
    s->env.epoch = gw->shared.epoch;
    s->env.reactor = s->reactor;
    s->env.wheel = s->wheel;
    s->env.router = gw->router;
    s->env.metrics = &s->metrics;
    s->env.log = gw->log;
    s->env.opt = &s->opt->o;
    s->env.hooks = gateway_hooks(s);
    s->env.now_ms = clock_mono_ms();
    s->http.shared = &gw->shared;
    s->http.env = &s->env;
    gw->servers[s->index] = &s->http;
    gw->tasks[s->index] = s->tasks;
    gw->deliveries[s->index] = s->deliveries;
}

int shard_init(struct shard *s, struct fanfare *gw, unsigned index, struct errmsg *why)
{
    int rc;

    s->gw = gw;
    s->index = index;
    s->http.dummy = -1;
    s->stop_mail.run = stop;
    s->opt = opt_version_ref(gw->opt);
    rc = reactor_new(&s->reactor, why);
    if (rc == 0) {
        rc = mailbox_new(s, &s->deliveries, why);
    }
    if (rc == 0) {
        rc = mailbox_new(s, &s->tasks, why);
    }
    if (rc != 0) {
        return rc;
    }
    s->deliveries_src.on_event = on_mail;
    s->tasks_src.on_event = on_mail;
    if (wheel_new(clock_mono_ms(), &s->wheel) != 0 || conn_env_init(&s->env) != 0) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    reactor_on_wake(s->reactor, on_wake, s);
    wire(s);
    if (reactor_add(s->reactor, mailbox_fd(s->deliveries), EPOLLIN, &s->deliveries_src) != 0 ||
        reactor_add(s->reactor, mailbox_fd(s->tasks), EPOLLIN, &s->tasks_src) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "epoll cannot be set up");
    }
    return http_server_init(&s->http, why);
}

int shard_start(struct shard *s, struct errmsg *why)
{
    int rc = listeners_start(s, why);

    if (rc != 0) {
        return rc;
    }
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "a thread could not be started");
    }
    s->running = true;
    s->gw->running++;
    return 0;
}

void shard_ask_stop(struct shard *s)
{
    if (s->running) {
        mailbox_push(s->tasks, &s->stop_mail);
    }
}

void shard_join(struct shard *s)
{
    if (s->running) {
        pthread_join(s->thread, NULL);
        s->running = false;
    }
}

void shard_empty(struct shard *s)
{
    if (s->deliveries) {
        mailbox_drain(s->deliveries, 0);
    }
    if (s->tasks) {
        mailbox_drain(s->tasks, 0);
    }
}

void shard_fini(struct shard *s)
{
    if (!s->gw) {
        return;
    }
    if (s->reactor) {
        listeners_stop(s);
        http_server_fini(&s->http);
    }
    conn_env_fini(&s->env);
    wheel_free(s->wheel);
    mailbox_free(s->deliveries);
    mailbox_free(s->tasks);
    reactor_free(s->reactor);
    opt_version_unref(s->opt);
}
