/* support_http.h - one HTTP server of one shard, fed with socketpairs, without
 * threads and listeners. */
#ifndef FF_TESTS_SUPPORT_HTTP_H
#define FF_TESTS_SUPPORT_HTTP_H

#include "support_rig.h"

#include "base/clock.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* A store that answers when the test says so. */
struct http_store {
    struct core_store port;
    struct record *first, *last;
    unsigned puts; /* messages and barriers, so far */
    int admit;     /* what its `admit` returns */
    bool failed;
};

struct http_rig {
    struct rig *r;
    struct http_store store;
    struct http_server srv;
    struct http_shared shared;
    struct http_server *servers[1];
    struct mailbox *tasks[1], *deliveries[1];
    const struct metrics *metrics[1];
    char *hosts[1];
    enum peer_kind peer_kind; /* whom connections seem to come from */
    unsigned published;
    char published_text[256]; /* "channel type id data" of the last one */
};

static struct http_rig http;

static inline void http_give_out(void *ctx, unsigned shard)
{
    (void)ctx; /* the rig delivers at once */
    cr_assert_eq(shard, 0);
}

static inline void http_on_published(void *ctx, const struct http_published *p)
{
    (void)ctx;
    http.published++;
    snprintf(http.published_text, sizeof(http.published_text), "%.*s %.*s %.*s", (int)p->target.len,
             p->target.p, (int)p->publish->type.len, p->publish->type.p, (int)p->publish->data.len,
             p->publish->data.p);
}

static inline void http_on_released(struct rig *r, const struct stream *s)
{
    (void)r;
    http_server_released(&http.srv, s);
}

static inline int http_store_admit(void *ctx, size_t bytes, uint64_t seq)
{
    (void)bytes;
    (void)seq;
    return ((struct http_store *)ctx)->admit;
}

static inline void http_store_put(void *ctx, struct record *first, struct record *last,
                                  size_t bytes)
{
    struct http_store *st = ctx;

    (void)bytes;
    for (const struct record *rec = first; rec; rec = rec->next) {
        st->puts += rec->kind == RECORD_MESSAGE || rec->kind == RECORD_BARRIER;
    }
    if (st->first) {
        st->last->next = first;
    } else {
        st->first = first;
    }
    st->last = last;
}

static inline bool http_store_failed(void *ctx, struct errmsg *why)
{
    (void)ctx;
    if (http.store.failed) {
        (void)errmsg_set(why, 0, "no space left on \"/var/lib\"");
    }
    return http.store.failed;
}

/* What was put so far is durable, or not. */
static inline void http_store_gives(int rc)
{
    struct record *first = http.store.first;

    http.store.first = http.store.last = NULL;
    if (first) {
        router_stored(http.r->env.router, first, rc);
    }
}

static inline void http_start_on(struct core_store *store)
{
    struct errmsg why = {""};

    http.r = rig_new_on(store);
    http.peer_kind = PEER_INET;
    http.hosts[0] = strdup("192.0.2.1:8080");
    cr_assert_eq(mailbox_new(http.r, &http.tasks[0], &why), 0);
    http.deliveries[0] = http.r->deliveries;
    http.servers[0] = &http.srv;
    http.metrics[0] = &http.r->metrics;
    http.shared = (struct http_shared){
        .router = http.r->env.router,
        .shards = 1,
        .servers = http.servers,
        .tasks = http.tasks,
        .deliveries = http.deliveries,
        .metrics = http.metrics,
        .nmetrics = 1,
        .epoch = RIG_EPOCH,
        .started_ms = clock_mono_ms(),
        .version = "1.2.3",
        .hosts = {http.hosts, 1},
        .detach = true,
        .max_bodies = 1 << 20,
        .give_out = http_give_out,
        .published = http_on_published,
        .wants_published = true,
        .store_failed = store ? http_store_failed : NULL,
        .store_kind = store ? "sqlite" : "memory",
        .store_sync = store ? "always" : NULL,
    };
    cr_assert_eq(limits_init(&http.shared.limits, 1000, 1), 0);
    cr_assert_eq(rates_init(&http.shared.rates, 1), 0);
    http.srv = (struct http_server){.shared = &http.shared, .env = &http.r->env, .dummy = -1};
    cr_assert_eq(http_server_init(&http.srv, &why), 0, "%s", why.text);
    http.r->other_timer = http_timer_fired;
    http.r->on_released = http_on_released;
}

static inline void http_start(void)
{
    http = (struct http_rig){0};
    http_start_on(NULL);
}

/* With a store that publications wait for. */
static inline void http_start_stored(void)
{
    http = (struct http_rig){0};
    http.store.port = (struct core_store){.ctx = &http.store,
                                          .reserved = UINT64_MAX,
                                          .delayed = true,
                                          .waits = true,
                                          .admit = http_store_admit,
                                          .put = http_store_put};
    http_start_on(&http.store.port);
}

static inline void http_turn(void)
{
    struct rig *r = http.r;

    r->env.now_ms = r->now;
    cr_assert_geq(reactor_wait(r->env.reactor, 0), 0);
    http_server_run(&http.srv);
    mailbox_drain(r->deliveries, 0);
    mailbox_drain(http.tasks[0], 0);
    rig_timers(r);
    (void)conn_env_replay_some(&r->env);
    conn_env_flush(&r->env);
}

static inline void http_pass(uint64_t ms)
{
    uint64_t end = http.r->now + ms;

    while (http.r->now < end) {
        http.r->now += 10 * WHEEL_TICK_MS;
        http_turn();
    }
}

static inline void http_stop(void)
{
    conn_env_close_all(&http.r->env, "end of test");
    for (int i = 0; i < 20; i++) {
        http_store_gives(0);
        http_turn();
    }
    http_server_fini(&http.srv);
    cr_assert_eq(atomic_load(&http.shared.limits.connections), 0, "every place was given back");
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    cr_assert_eq(atomic_load(&http.shared.bodies), 0);
    cr_assert_eq(atomic_load(&http.r->metrics.v[METRIC_HTTP_OPEN]), 0);
    limits_fini(&http.shared.limits);
    rates_fini(&http.shared.rates);
    mailbox_free(http.tasks[0]);
    free(http.hosts[0]);
    while (http.store.first) {
        http_store_gives(0);
    }
    rig_free(http.r);
}

/* A new connection; the client's end. */
static inline int http_connect(void)
{
    struct rig_pair p = rig_socketpair();
    struct sockaddr_storage any = {.ss_family = AF_UNIX};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct peer peer = http.peer_kind == PEER_INET ? peer_of((struct sockaddr *)&in, sizeof(in))
                                                   : peer_of(NULL, 0);
    enum limit_kind over = limits_enter(&http.shared.limits, &peer, http.r->opt.max_per_address);
    struct http_arrival a = {.fd = p.ours,
                             .addr = (struct sockaddr *)&any,
                             .addr_len = sizeof(sa_family_t),
                             .peer = peer,
                             .over = over};

    http_server_add(&http.srv, &a);
    return p.peer;
}

/* Lets the server work until nothing more comes; true at the end of the stream. */
static inline bool http_read(int fd, struct strbuf *out)
{
    int quiet = 0;
    bool end = false;

    while (quiet < 4 && !end) {
        size_t before = out->len;
        http_turn();
        end = rig_read(fd, out);
        quiet = out->len == before ? quiet + 1 : 0;
    }
    return end;
}

/* Sends raw bytes on a new connection; the whole answer, to be freed. */
static inline char *http_raw(const char *bytes, size_t n)
{
    struct strbuf sb = STRBUF_INIT;
    int fd = http_connect();
    char *text;

    for (size_t at = 0; at < n;) {
        ssize_t w = send(fd, bytes + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (w > 0) {
            at += (size_t)w;
        } else if (errno != EAGAIN) {
            break; /* refused before its end */
        }
        http_turn();
    }
    (void)http_read(fd, &sb);
    close(fd);
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
    text = strbuf_steal(&sb, NULL);
    return text;
}

/* "GET /path", more header lines (each with its CRLF) and a body or NULL. */
static inline char *http_ask(const char *line, const char *headers, const char *body)
{
    struct strbuf sb = STRBUF_INIT;
    char *text;

    strbuf_addf(&sb, "%s HTTP/1.1\r\n", line);
    if (!headers || !strstr(headers, "Host:")) {
        strbuf_adds(&sb, "Host: localhost:8080\r\n");
    }
    strbuf_adds(&sb, headers ? headers : "");
    if (body) {
        strbuf_addf(&sb, "Content-Length: %zu\r\n", strlen(body));
    }
    strbuf_addf(&sb, "\r\n%s", body ? body : "");
    text = http_raw(sb.data, sb.len);
    strbuf_fini(&sb);
    return text;
}

static inline int http_status(const char *answer)
{
    int status = 0;

    (void)sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

static inline const char *http_body(const char *answer)
{
    const char *p = strstr(answer, "\r\n\r\n");

    return p ? p + 4 : "";
}

/* The answer has this status and, if not NULL, this text. */
static inline void http_is(const char *line, const char *headers, const char *body, int status,
                           const char *text)
{
    char *a = http_ask(line, headers, body);

    cr_assert_eq(http_status(a), status, "%s\n%sgave\n%s", line, headers ? headers : "", a);
    if (text) {
        cr_assert_not_null(strstr(a, text), "%s\n%sgave\n%s\nwithout %s", line,
                           headers ? headers : "", a, text);
    }
    free(a);
}

/* The same, and the answer is a problem of this code. */
static inline void http_problem(const char *line, const char *headers, const char *body, int status,
                                const char *code)
{
    char want[400];
    char *a = http_ask(line, headers, body);

    cr_assert_eq(http_status(a), status, "%s\n%sgave\n%s", line, headers ? headers : "", a);
    cr_assert_not_null(strstr(a, "Content-Type: application/problem+json\r\n"), "%s", a);
    snprintf(want, sizeof(want), "{\"type\":\"urn:fanfare:problem:%s\",\"title\":\"", code);
    cr_assert(str_starts(str_of(http_body(a)), str_of(want)), "%s gave\n%s", line, a);
    snprintf(want, sizeof(want), "\",\"status\":%d,\"code\":\"%s\",\"detail\":\"", status, code);
    cr_assert_not_null(strstr(a, want), "%s gave\n%s", line, a);
    cr_assert_str_eq(a + strlen(a) - 2, "}\n");
    free(a);
}

/* Opens a stream; what came first is in *first (to be freed) if not NULL. */
static inline int http_stream(const char *path, const char *headers, char **first)
{
    struct strbuf out = STRBUF_INIT, in = STRBUF_INIT;
    int fd = http_connect();

    strbuf_addf(&out, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    rig_send(fd, out.data, out.len);
    cr_assert_not(http_read(fd, &in), "%s ended: %s", path, in.data ? in.data : "");
    strbuf_fini(&out);
    if (first) {
        *first = strbuf_steal(&in, NULL);
    }
    strbuf_fini(&in);
    return fd;
}

/* What has come since, to be freed. */
static inline char *http_text(int fd)
{
    struct strbuf in = STRBUF_INIT;

    (void)http_read(fd, &in);
    return strbuf_steal(&in, NULL);
}

/* The JSON text behind `"name":"`, up to the next quotation mark. */
static inline const char *http_member(const char *text, const char *name, char *out, size_t size)
{
    char key[64];
    const char *at;

    snprintf(key, sizeof(key), "\"%s\":\"", name);
    at = strstr(text, key);
    cr_assert_not_null(at, "no %s in %s", name, text);
    snprintf(out, size, "%.*s", (int)strcspn(at + strlen(key), "\""), at + strlen(key));
    return out;
}

#endif
