/* Accepting connections: they leave the kernel's queue, which is short, as they
 * come, and are handed to HTTP a few a turn, so that a storm of them costs those
 * who are connected little. */
#include "http/spares.h"
#include "lib/admit.h"
#include "lib/entry.h"
#include "lib/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 256
#define STARTS_PER_TURN 32
#define PAUSE_MS 100

/* ---- connections that wait for HTTP ---- */

static bool make_room(struct accept_queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : 64;
    struct accepted *v;

    if (q->n < q->cap) {
        return true;
    }
    v = malloc(cap * sizeof(*v));
    if (!v) {
        return false;
    }
    for (size_t i = 0; i < q->n; i++) {
        v[i] = q->v[(q->head + i) & (q->cap - 1)];
    }
    free(q->v);
    *q = (struct accept_queue){v, cap, 0, q->n};
    return true;
}

static void put(struct shard *s, const struct accepted *a)
{
    struct accept_queue *q = &s->accepted;

    if (!make_room(q)) {
        log_error(s->gw->log, "out of memory: a connection is closed");
        admit_give_up(s, a);
        return;
    }
    q->v[(q->head + q->n++) & (q->cap - 1)] = *a;
}

static struct accepted take(struct accept_queue *q)
{
    struct accepted a = q->v[q->head];

    q->head = (q->head + 1) & (q->cap - 1);
    if (--q->n == 0) { /* a storm's memory is not kept */
        free(q->v);
        *q = (struct accept_queue){0};
    }
    return a;
}

/* ---- accepting ---- */

/* `scarce`: its descriptor is one of the spares. */
static void admit(struct listener *l, struct accepted *a, bool scarce)
{
    struct shard *s = l->shard;

    if (a->from.sa.sa_family == AF_UNIX) {
        a->len = sizeof(sa_family_t); /* its path, if it has one, says nothing */
    }
    a->peer = peer_of(&a->from.sa, a->len);
    a->tls = l->tls;
    a->proxied = s->env.opt->proxy_protocol && http_server_trusts(&s->http, &a->peer);
    if (admit_connection(s, a, scarce)) {
        put(s, a);
    } else {
        admit_give_up(s, a);
    }
}

/* From now on new connections wait in the kernel. */
static void pause_accepting(struct listener *l, enum listener_state state)
{
    l->state = state;
    reactor_del(l->shard->reactor, l->fd);
    l->timer.kind = LISTENER_TIMER;
    wheel_start(l->shard->wheel, &l->timer, l->shard->env.now_ms, PAUSE_MS);
}

static void out_of_resources(struct listener *l, int error)
{
    struct shard *s = l->shard;
    bool files = error == EMFILE || error == ENFILE;

    if (conn_env_may_log(&s->env, LOG_KIND_RESOURCE)) {
        log_error(s->gw->log,
                  files ? "cannot accept connections: raise the limit of open files"
                        : "cannot accept connections: the kernel is out of memory for them",
                  "error", strerror(error));
    }
    /* ENFILE is the whole system's: a descriptor of ours would not help. */
    pause_accepting(l, error == EMFILE ? WAITS_FOR_DESCRIPTOR : WAITS_FOR_TIME);
}

/* With the last descriptor gone one of the spares is given up for one more
 * connection, so that it can be told: *scarce. 0, or the errno of accept4. */
static int accept_one(struct listener *l, struct accepted *a, bool *scarce)
{
    *scarce = false;
    for (;;) {
        *a = (struct accepted){.from = {.sa = {.sa_family = AF_UNIX}}, .len = sizeof(a->from)};
        a->fd = accept4(l->fd, &a->from.sa, &a->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (a->fd >= 0) {
            return 0;
        }
        if (errno == EMFILE && spares_spend(&l->shard->http)) {
            *scarce = true;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return errno;
        }
    }
}

static void accept_some(struct listener *l)
{
    struct accepted a;
    bool scarce;

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int error;
        if (limits_overflow(&l->shard->gw->shared.limits)) {
            pause_accepting(l, WAITS_FOR_PLACE);
            return;
        }
        error = accept_one(l, &a, &scarce);
        if (error == 0) {
            admit(l, &a, scarce);
        } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
            out_of_resources(l, error);
            return;
        } else {
            return;
        }
    }
}

static void on_acceptable(struct rt_source *src, uint32_t events)
{
    (void)events;
    accept_some((struct listener *)(void *)src);
}

static int watch(struct listener *l)
{
    uint32_t events = EPOLLIN;

    if (l->is_unix && l->shard->gw->nshards > 1) {
        events |= EPOLLEXCLUSIVE; /* AF_UNIX has no SO_REUSEPORT: do not wake all */
    }
    return reactor_add(l->shard->reactor, l->fd, events, &l->src);
}

/* ---- the shard's turn ---- */

/* Is there again what the listener waits for? */
static bool may_resume(const struct listener *l)
{
    switch (l->state) {
    case WAITS_FOR_PLACE:
        return !limits_overflow(&l->shard->gw->shared.limits);
    case WAITS_FOR_DESCRIPTOR:
        return l->shard->http.nspare > 0;
    case ACCEPTS:
    case WAITS_FOR_TIME:
        break;
    }
    return false;
}

static void resume(struct listener *l)
{
    if (watch(l) == 0) {
        l->state = ACCEPTS;
        wheel_stop(&l->timer);
    } else {
        l->state = WAITS_FOR_TIME;
        wheel_start(l->shard->wheel, &l->timer, l->shard->env.now_ms, PAUSE_MS);
    }
}

void listener_timer_fired(struct wheel_timer *t)
{
    resume((struct listener *)(void *)((char *)t - offsetof(struct listener, timer)));
}

bool listeners_wait(const struct shard *s)
{
    bool may = s->accepted.n > 0;

    for (unsigned i = 0; s->listeners && i < s->gw->listen.n; i++) {
        may |= may_resume(&s->listeners[i]);
    }
    return may;
}

void listeners_look(struct shard *s)
{
    for (unsigned i = 0; i < s->gw->listen.n; i++) {
        if (s->listeners[i].state == ACCEPTS) {
            accept_some(&s->listeners[i]);
        }
    }
}

void listeners_run(struct shard *s)
{
    for (unsigned i = 0; i < s->gw->listen.n; i++) {
        if (may_resume(&s->listeners[i])) {
            resume(&s->listeners[i]);
        }
    }
    for (int i = 0; i < STARTS_PER_TURN && s->accepted.n; i++) {
        struct accepted a = take(&s->accepted);
        if (a.tls || a.proxied) {
            entry_begin(s, &a);
        } else {
            struct http_arrival arrival = admit_arrival(&a);
            http_server_add(&s->http, &arrival);
        }
    }
}

int listeners_start(struct shard *s, struct errmsg *why)
{
    const struct listen_set *set = &s->gw->listen;

    s->listeners = calloc(set->n ? set->n : 1, sizeof(*s->listeners));
    if (!s->listeners) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    for (unsigned i = 0; i < set->n; i++) {
        struct listener *l = &s->listeners[i];
        l->src.on_event = on_acceptable;
        l->shard = s;
        l->state = WAITS_FOR_TIME; /* not watched yet */
        l->fd = set->points[i].fds[s->index];
        l->is_unix = set->points[i].is_unix;
        l->tls = set->points[i].tls;
        if (watch(l) != 0) {
            return errmsg_set(why, ERR_SYSTEM, "epoll: %s", strerror(errno));
        }
        l->state = ACCEPTS;
    }
    return 0;
}

void listeners_stop(struct shard *s)
{
    for (unsigned i = 0; s->listeners && i < s->gw->listen.n; i++) {
        struct listener *l = &s->listeners[i];
        wheel_stop(&l->timer);
        if (l->shard && l->state == ACCEPTS) {
            reactor_del(s->reactor, l->fd);
        }
    }
    while (s->accepted.n) {
        struct accepted a = take(&s->accepted);
        admit_give_up(s, &a);
    }
    free(s->listeners);
    s->listeners = NULL;
}
