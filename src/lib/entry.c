#include "lib/entry.h"

#include "base/clock.h"
#include "http/spares.h"
#include "lib/admit.h"
#include "lib/pump.h"
#include "proto/proxyhdr.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A turn's share for each of the two lines. */
#define RUN_US 1000
/* How long a peer may take to close after we did: closing first would reset what it has not
 * read yet. */
#define LINGER_MS 1000
/* What the pair keeps in each direction. */
#define PAIR_BUFFER 65536
/* A TLS connection that is no stream has these beside its own. */
#define PAIR_DESCRIPTORS 2

#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct entry_room {
    struct tls_scratch scratch;
    char chunk[PUMP_CHUNK];
};

enum entry_state {
    ENTRY_PROXY,
    ENTRY_FIRST, /* of the first byte is seen whether it is TLS */
    ENTRY_HANDSHAKE,
    ENTRY_HTTP,
    ENTRY_LINGER, /* our side is shut down */
    ENTRY_GONE    /* waits for libmicrohttpd, or for its burial */
};

struct entry {
    struct rt_source net; /* first */
    struct rt_source pair;
    struct shard *shard;
    struct entry *next, **link; /* in all */
    struct entry *next_ready;
    struct wheel_timer timer;
    struct http_secure secure;
    struct accepted a;
    struct pump pump;
    enum entry_state state;
    bool ready;   /* stands in a line */
    bool counted; /* its place in the limits is still ours */
    bool with_http;
};

static struct entry *entry_of(struct http_secure *sec)
{
    return (struct entry *)(void *)((char *)sec - offsetof(struct entry, secure));
}

/* ---- lines ---- */

static void line_add(struct entry_line *l, struct entry *e)
{
    if (!l->first) {
        l->end = &l->first;
    }
    e->next_ready = NULL;
    *l->end = e;
    l->end = &e->next_ready;
}

static struct entry *line_take(struct entry_line *l)
{
    struct entry *e = l->first;

    l->first = e->next_ready;
    e->ready = false;
    return e;
}

static void ready(struct entry *e)
{
    struct entries *all = &e->shard->entries;

    if (!e->ready) {
        e->ready = true;
        line_add(e->state == ENTRY_HTTP || e->state == ENTRY_LINGER ? &all->busy : &all->shaking,
                 e);
    }
}

static void on_net(struct rt_source *src, uint32_t events)
{
    (void)events;
    ready((struct entry *)(void *)src);
}

static void on_pair(struct rt_source *src, uint32_t events)
{
    (void)events;
    ready((struct entry *)(void *)((char *)src - offsetof(struct entry, pair)));
}

/* ---- the end ---- */

static void close_watched(struct entry *e, int *fd)
{
    if (*fd >= 0) {
        reactor_del(e->shard->reactor, *fd);
        close(*fd);
        *fd = -1;
    }
}

static void uncount(struct entry *e)
{
    struct limits *l = &e->shard->gw->shared.limits;

    if (e->counted) {
        e->counted = false;
        limits_leave(l, &e->a.peer, e->a.over);
    }
    if (e->a.tls) {
        e->a.tls = false;
        limits_let_go(l, PAIR_DESCRIPTORS);
    }
}

/* Its memory stays until libmicrohttpd has let go of it, and the turn is over. */
static void end(struct entry *e)
{
    if (e->state == ENTRY_GONE) {
        return;
    }
    if (e->state < ENTRY_HTTP) {
        metrics_dec(&e->shard->metrics, METRIC_ENTERING);
    }
    wheel_stop(&e->timer);
    if (e->pump.tls) {
        struct rt_transport *t = tls_session_transport(e->pump.tls);
        t->ops->free(t);
        e->pump.tls = NULL;
    }
    pump_drop(&e->pump);
    close_watched(e, &e->a.fd);
    close_watched(e, &e->pump.pair);
    uncount(e);
    e->state = ENTRY_GONE;
    ready(e);
}

static void bury(struct entry *e)
{
    *e->link = e->next;
    if (e->next) {
        e->next->link = e->link;
    }
    free(e->secure.certificate);
    free(e);
}

static void set_timer(struct entry *e, uint64_t ms)
{
    e->timer.kind = ENTRY_TIMER;
    wheel_start(e->shard->wheel, &e->timer, e->shard->env.now_ms, ms);
}

/* Everything is written: waits a little for the peer. */
static void linger(struct entry *e)
{
    if (e->state < ENTRY_HTTP) {
        metrics_dec(&e->shard->metrics, METRIC_ENTERING);
    }
    e->state = ENTRY_LINGER;
    set_timer(e, LINGER_MS);
    ready(e);
}

static void look_for_end(struct entry *e)
{
    char *waste = e->shard->entries.room->chunk;

    for (int i = 0; i < 4; i++) {
        ssize_t n = recv(e->a.fd, waste, PUMP_CHUNK, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n == 0 || (n < 0 && errno != EINTR)) {
            end(e);
            return;
        }
    }
    ready(e);
}

/* ---- failures ---- */

static void log_failure(struct entry *e, const char *what, const char *why)
{
    struct shard *s = e->shard;
    bool proxy = e->state == ENTRY_PROXY;
    char peer[PEER_TEXT_MAX];

    metrics_inc(&s->metrics, proxy ? METRIC_PROXY_FAILED : METRIC_TLS_FAILED);
    if (!conn_env_may_log(&s->env, proxy ? LOG_KIND_PROXY : LOG_KIND_TLS)) {
        return;
    }
    if (proxy) { /* one that is trusted: the operator's to mend */
        log_warn(s->gw->log, what, "peer", peer_text(&e->a.peer, peer), "because", why);
    } else {
        log_info(s->gw->log, what, "peer", peer_text(&e->a.peer, peer), "because", why);
    }
}

static void answer_plain_http(struct entry *e)
{
    static const char body[] =
        "{\"type\":\"urn:fanfare:problem:https_only\",\"title\":\"Bad Request\",\"status\":400,"
        "\"code\":\"https_only\",\"detail\":\"this port speaks HTTPS; use an https:// URL\"}\n";
    char text[400];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof(body) - 1, body);

    log_failure(e, "TLS handshake failed", "plain HTTP on a TLS port");
    (void)!send(e->a.fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(e->a.fd, SHUT_WR);
    linger(e);
}

void entry_timer_fired(struct wheel_timer *t)
{
    struct entry *e = (struct entry *)(void *)((char *)t - offsetof(struct entry, timer));

    if (e->state == ENTRY_PROXY) {
        log_failure(e, "PROXY header refused", "it did not come in time");
    } else if (e->state < ENTRY_HTTP) {
        log_failure(e, "TLS handshake failed", "it was not finished in time");
    }
    end(e);
}

/* ---- with HTTP ---- */

static bool take(struct http_secure *sec, struct strbuf *early, int *fd, struct rt_transport **tls)
{
    struct entry *e = entry_of(sec);

    if (e->state != ENTRY_HTTP || !pump_finish(&e->pump, e->shard->entries.room->chunk)) {
        return false;
    }
    if (early && e->pump.hold) {
        strbuf_add(early, e->pump.hold + e->pump.hold_off, e->pump.hold_len);
    }
    *fd = e->a.fd;
    *tls = tls_session_transport(e->pump.tls);
    reactor_del(e->shard->reactor, e->a.fd); /* the stream watches it */
    e->a.fd = -1;
    e->pump.tls = NULL;
    end(e);
    return true;
}

static void closed(struct http_secure *sec)
{
    struct entry *e = entry_of(sec);

    e->with_http = false;
    if (e->state == ENTRY_HTTP) { /* nobody else looks whether the answer is taken */
        set_timer(e, e->shard->env.opt->body_timeout);
    }
    ready(e);
}

static int make_pair(struct entry *e, int pair[2])
{
    int size = PAIR_BUFFER / 2; /* the kernel doubles it */

    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        if (errno != EMFILE || !spares_spend(&e->shard->http)) {
            return ERR_SYSTEM;
        }
        e->a.over = e->a.over == LIMIT_NONE ? LIMIT_DESCRIPTORS : e->a.over;
    }
    for (int i = 0; i < 2; i++) {
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    e->pair.on_event = on_pair;
    if (reactor_add(e->shard->reactor, pair[0], EVENTS, &e->pair) != 0) {
        close(pair[0]);
        close(pair[1]);
        return ERR_SYSTEM;
    }
    return 0;
}

static void start_http(struct entry *e)
{
    struct shard *s = e->shard;
    struct http_arrival arrival;
    int pair[2];

    metrics_inc(&s->metrics, METRIC_TLS_HANDSHAKES);
    metrics_add(&s->metrics, METRIC_TLS_RESUMED, tls_session_resumed(e->pump.tls));
    if (tls_session_certificate(e->pump.tls, &e->secure.certificate) != 0) {
        log_failure(e, "TLS handshake failed", "client certificate: it has no usable name");
        end(e);
        return;
    }
    e->secure.certificate_end = tls_session_certificate_end(e->pump.tls);
    if (make_pair(e, pair) != 0) {
        if (conn_env_may_log(&s->env, LOG_KIND_RESOURCE)) {
            log_error(s->gw->log,
                      "no descriptor for a TLS connection: raise the limit of open files");
        }
        end(e);
        return;
    }
    wheel_stop(&e->timer);
    metrics_dec(&s->metrics, METRIC_ENTERING);
    e->pump.pair = pair[0];
    e->state = ENTRY_HTTP;
    e->secure.take = take;
    e->secure.closed = closed;
    e->with_http = true;
    e->counted = false; /* its place is the HTTP connection's */
    ready(e);
    arrival = admit_arrival(&e->a);
    arrival.fd = pair[1];
    http_server_add_secure(&s->http, &arrival, &e->secure);
}

static void carry(struct entry *e)
{
    struct rt_transport *t = tls_session_transport(e->pump.tls);

    switch (pump_run(&e->pump, e->shard->entries.room->chunk)) {
    case PUMP_WAITS:
        break;
    case PUMP_MORE:
        ready(e);
        break;
    case PUMP_OVER:
        if (t->ops->shutdown(t) == 0) {
            linger(e);
        } else if (errno != EAGAIN) {
            end(e);
        }
        break;
    case PUMP_BROKEN:
        end(e);
        break;
    }
}

/* ---- before HTTP ---- */

static void shake_hands(struct entry *e)
{
    struct rt_transport *t = tls_session_transport(e->pump.tls);
    struct errmsg why;

    switch (tls_session_handshake(e->pump.tls, &why)) {
    case TLS_DONE:
        start_http(e);
        break;
    case TLS_AGAIN:
        if (t->waiting && t->ops->flush(t) < 0) {
            log_failure(e, "TLS handshake failed", "connection lost");
            end(e);
        }
        break;
    case TLS_MORE:
        ready(e);
        break;
    case TLS_FAILED:
        log_failure(e, "TLS handshake failed", why.text);
        (void)t->ops->flush(t); /* an alert */
        (void)shutdown(e->a.fd, SHUT_WR);
        linger(e);
        break;
    }
}

/* Peeks. False: nothing more can be done now. */
static bool peek(struct entry *e, void *buf, size_t size, size_t *len)
{
    ssize_t n = recv(e->a.fd, buf, size, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        *len = (size_t)n;
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) { /* a health check, say */
        end(e);
    }
    return false;
}

static void look_at_first_byte(struct entry *e)
{
    struct shard *s = e->shard;
    size_t n;
    char c;

    if (!peek(e, &c, 1, &n)) {
        return;
    }
    if (c >= 'A' && c <= 'Z') { /* a method; a handshake begins with 22 */
        answer_plain_http(e);
        return;
    }
    if (tls_session_new(s->opt->tls, e->a.fd, &s->entries.room->scratch, &e->pump.tls) != 0) {
        log_error(s->gw->log, "out of memory: a connection is closed");
        end(e);
        return;
    }
    e->state = ENTRY_HANDSHAKE;
    shake_hands(e);
}

/* Without TLS: the connection is as if it had come without a header. */
static void give_to_http(struct entry *e)
{
    struct http_arrival arrival = admit_arrival(&e->a);

    reactor_del(e->shard->reactor, e->a.fd);
    e->a.fd = -1;
    e->counted = false;
    http_server_add(&e->shard->http, &arrival);
    end(e);
}

static void read_proxy_header(struct entry *e)
{
    char buf[PROXYHDR_MAX];
    struct proxyhdr h;
    struct errmsg why;
    size_t n;

    if (!peek(e, buf, sizeof(buf), &n)) {
        return;
    }
    switch (proxyhdr_parse((struct str){buf, n}, &h, &why)) {
    case PROXYHDR_MORE:
        return;
    case PROXYHDR_BAD:
        log_failure(e, "PROXY header refused", why.text);
        end(e);
        return;
    case PROXYHDR_DONE:
        break;
    }
    (void)!recv(e->a.fd, buf, h.length, MSG_DONTWAIT);
    e->a.nameless = !h.named;
    if (h.named) {
        e->a.peer = peer_of_addr(&h.client);
        if (!admit_named(e->shard, &e->a)) {
            end(e);
            return;
        }
    }
    if (e->a.tls) {
        e->state = ENTRY_FIRST;
        look_at_first_byte(e);
    } else {
        give_to_http(e);
    }
}

static void step(struct entry *e)
{
    switch (e->state) {
    case ENTRY_PROXY:
        read_proxy_header(e);
        break;
    case ENTRY_FIRST:
        look_at_first_byte(e);
        break;
    case ENTRY_HANDSHAKE:
        shake_hands(e);
        break;
    case ENTRY_HTTP:
        carry(e);
        break;
    case ENTRY_LINGER:
        look_for_end(e);
        break;
    case ENTRY_GONE:
        if (!e->with_http && !e->ready) {
            bury(e);
        }
        break;
    }
}

void entry_begin(struct shard *s, const struct accepted *a)
{
    struct entry *e = calloc(1, sizeof(*e));
    uint64_t ms = s->env.opt->handshake_timeout;
    int one = 1;

    if (!e) {
        log_error(s->gw->log, "out of memory: a connection is closed");
        admit_give_up(s, a);
        return;
    }
    e->shard = s;
    e->a = *a;
    e->pump.pair = -1;
    e->state = a->proxied ? ENTRY_PROXY : ENTRY_FIRST;
    e->counted = true;
    e->net.on_event = on_net;
    e->next = s->entries.all;
    e->link = &s->entries.all;
    if (e->next) {
        e->next->link = &e->next;
    }
    s->entries.all = e;
    metrics_inc(&s->metrics, METRIC_ENTERING);
    if (a->tls) {
        limits_hold(&s->gw->shared.limits, PAIR_DESCRIPTORS);
        (void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    /* Those over a limit are only told so: others wait for their place. */
    set_timer(e, a->over != LIMIT_NONE && ms > LINGER_MS ? LINGER_MS : ms);
    if (reactor_add(s->reactor, a->fd, EVENTS, &e->net) != 0) {
        end(e);
    }
}

/* ---- the shard's turn ---- */

static void run_line(struct entry_line *l)
{
    uint64_t since;

    if (!l->first) {
        return;
    }
    since = clock_mono_us();
    do {
        step(line_take(l));
    } while (l->first && clock_mono_us() - since < RUN_US);
}

void entries_run(struct shard *s)
{
    run_line(&s->entries.busy);
    run_line(&s->entries.shaking);
}

bool entries_wait(const struct shard *s)
{
    return s->entries.busy.first || s->entries.shaking.first;
}

int entries_init(struct shard *s)
{
    s->entries.room = malloc(sizeof(*s->entries.room));
    return s->entries.room ? 0 : ERR_NOMEM;
}

void entries_stop(struct shard *s)
{
    for (struct entry *e = s->entries.all; e; e = e->next) {
        if (e->state < ENTRY_HTTP) {
            end(e);
        }
    }
}

void entries_fini(struct shard *s)
{
    while (s->entries.all) {
        struct entry *e = s->entries.all;
        if (e->state == ENTRY_HTTP && pump_finish(&e->pump, s->entries.room->chunk)) {
            struct rt_transport *t = tls_session_transport(e->pump.tls);
            (void)t->ops->shutdown(t);
        }
        e->ready = true; /* in no line from now on */
        end(e);
        bury(e);
    }
    free(s->entries.room);
    s->entries = (struct entries){0};
}
