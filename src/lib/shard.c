/* One shard: a thread with its reactor, HTTP daemon and clients. */
#include "lib/gateway.h"

#include "base/clock.h"
#include "lib/durable.h"

#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* Whatever comes in thousands at once is worked off in portions of about a
 * millisecond, and everybody else has their turn between them. */
#define DELIVERIES_US 2000
#define TASKS_PER_TURN 256
#define TIMERS_PER_TURN 128
#define WRITES_PER_TURN 512
#define BURIALS_PER_TURN 64

/* ---- the loop ---- */

/* Deadlines count from when something happened, not from before the wait. */
static void on_wake(void *ctx)
{
    struct shard *s = ctx;

    s->env.now_ms = clock_mono_ms();
}

/* Only wakes: work() empties the mailboxes in its own order. */
static void on_deliveries(struct rt_source *src, uint32_t events)
{
    struct shard *s =
        (struct shard *)(void *)((char *)src - offsetof(struct shard, deliveries_src));

    (void)events;
    mailbox_clear(s->deliveries);
}

static void on_tasks(struct rt_source *src, uint32_t events)
{
    struct shard *s = (struct shard *)(void *)((char *)src - offsetof(struct shard, tasks_src));

    (void)events;
    mailbox_clear(s->tasks);
}

static void fire(struct wheel_timer *t, void *ctx)
{
    (void)ctx;
    if (t->kind < STREAM_TIMER_KINDS) {
        stream_timer_fired(t);
    } else if (t->kind == LISTENER_TIMER) {
        listener_timer_fired(t);
    } else if (t->kind == TIDY_TIMER) {
        tidy_timer_fired(t);
    } else if (t->kind == ENTRY_TIMER) {
        entry_timer_fired(t);
    } else if (t->kind == LOG_TIMER) {
        durable_timer_fired(t);
    } else if (t->kind == PEOPLE_TIMER) {
        people_timer_fired(t);
    } else {
        http_timer_fired(t);
    }
}

static int wait_ms(struct shard *s)
{
    int64_t wheel;
    int http;

    if (mailbox_pending(s->deliveries) || mailbox_pending(s->tasks) || conn_env_waits(&s->env) ||
        listeners_wait(s) || entries_wait(s)) {
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

/* Looks for work without sleeping, as long as that has paid lately. */
static bool look(struct shard *s, uint64_t since, int *events)
{
    uint32_t us = busy_for(&s->busy, (uint32_t)s->opt->o.busy_poll);
    bool found = false;

    if (!us) {
        return false;
    }
    do {
        *events = reactor_wait(s->reactor, 0);
        found = *events != 0 || mailbox_pending(s->deliveries) || mailbox_pending(s->tasks);
    } while (!found && clock_mono_us() - since < us && sched_yield() == 0);
    busy_looked(&s->busy, found);
    return found;
}

static int doze(struct shard *s, int ms)
{
    bool deliveries = mailbox_rest(s->deliveries);
    bool tasks = mailbox_rest(s->tasks);
    int events = reactor_wait(s->reactor, deliveries && tasks ? ms : 0);

    mailbox_awake(s->deliveries);
    mailbox_awake(s->tasks);
    return events;
}

static void wait_for_work(struct shard *s)
{
    int ms = wait_ms(s);
    int events = 0;
    uint64_t since;

    if (ms == 0) {
        events = reactor_wait(s->reactor, 0);
    } else {
        since = clock_mono_us();
        if (!look(s, since, &events)) {
            events = doze(s, ms);
            if (events > 0) {
                busy_slept(&s->busy, clock_mono_us() - since, (uint32_t)s->opt->o.busy_poll);
            }
        }
    }
    if (events < 0) {
        log_error(s->gw->log, "epoll_wait failed");
    }
}

static void serve_http(struct shard *s)
{
    if (reactor_crowded(s->reactor)) { /* their events may stand behind thousands of others */
        listeners_look(s);
        http_server_look(&s->http);
    }
    listeners_run(s);
    entries_run(s);
    http_server_run(&s->http);
}

/* Not while clients wait to be written to: messages pile up once in the
 * mailbox, which pushes back on publishers, instead of in every queue. */
static void deliver_some(struct shard *s)
{
    uint64_t since;

    if (s->behind || !mailbox_pending(s->deliveries)) {
        return;
    }
    since = clock_mono_us();
    do {
        deliveries_run(s, CORE_RUN_MAX);
    } while (mailbox_pending(s->deliveries) && clock_mono_us() - since < DELIVERIES_US);
}

static void work(struct shard *s)
{
    if (!s->stopping) {
        serve_http(s);
    } else {
        entries_run(s);
        if (s->http.again) { /* an answer that waited for another shard or the store */
            http_server_run(&s->http);
        }
    }
    deliver_some(s);
    conn_env_replay_some(&s->env);
    mailbox_drain(s->tasks, TASKS_PER_TURN);
    wheel_advance_some(s->wheel, s->env.now_ms, TIMERS_PER_TURN, fire, NULL);
    conn_env_flush_some(&s->env, WRITES_PER_TURN, BURIALS_PER_TURN);
    tidy_look(s);
    s->behind = s->env.dirty.first != NULL;
}

static void turn(struct shard *s)
{
    s->env.now_ms = clock_mono_ms();
    wait_for_work(s);
    work(s);
}

static bool finished(struct shard *s)
{
    /* Until all have stopped, one may still send a visit here. */
    return s->stopping && s->env.clients.count == 0 &&
           atomic_load(&s->gw->stopping) == s->gw->running &&
           atomic_load(&s->gw->shared.visits) == 0 && !s->http.again &&
           !mailbox_pending(s->deliveries) && !mailbox_pending(s->tasks);
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
    entries_stop(s);
    conn_env_end_all(&s->env, 1001, "gateway stopped");
}

/* The end of its turn does the work (conn_env_flush). */
static void slow_answer(struct mail *m, void *ctx)
{
    struct shard *s = ctx;

    (void)m;
    atomic_store(&s->slow_asked, false);
}

static void slow_wake_others(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    for (unsigned i = 0; i < gw->nshards; i++) {
        struct shard *s = &gw->shards[i];
        if (i != shard && !atomic_exchange(&s->slow_asked, true)) {
            mailbox_push(s->tasks, &s->slow_mail);
        }
    }
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
    s->env.total = &gw->slow_total;
    s->env.loads = &gw->loads;
    gw->slow_total.shards = gw->nshards;
    gw->slow_total.wake_others = slow_wake_others;
    gw->slow_total.ctx = gw;
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
    s->slow_mail.run = slow_answer;
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
    s->deliveries_src.on_event = on_deliveries;
    s->tasks_src.on_event = on_tasks;
    if (wheel_new(clock_mono_ms(), &s->wheel) != 0 || conn_env_init(&s->env) != 0 ||
        entries_init(s) != 0) {
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
    if (s->index == 0) {
        durable_start_timer(s);
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
        deliveries_run(s, 0);
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
        entries_fini(s);
    }
    conn_env_fini(&s->env);
    wheel_free(s->wheel);
    mailbox_free(s->deliveries);
    mailbox_free(s->tasks);
    reactor_free(s->reactor);
    opt_version_unref(s->opt);
}
