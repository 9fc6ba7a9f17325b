#include "http/asking.h"
#include "http/request_private.h"

#include "base/clock.h"
#include "http/detach.h"
#include "http/op_publish.h"
#include "http/spares.h"
#include "http/stream_query.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* One MHD_run takes one pipelined request a connection: run it until it has
 * nothing left, but let the rest of the shard have its turn. */
#define RUNS_PER_TURN 64
#define RUN_US 1000
/* One MHD_run may have thousands of requests that are ready. */
#define STARTS_PER_TURN 32

/* ---- connections ---- */

static bool make_room(struct http_server *srv, int fd)
{
    size_t n = srv->nconns ? srv->nconns : 64;
    struct http_conn **v;

    while (n <= (size_t)fd) {
        n *= 2;
    }
    if (n == srv->nconns) {
        return true;
    }
    v = realloc(srv->conns, n * sizeof(struct http_conn *));
    if (!v) {
        return false;
    }
    for (size_t i = srv->nconns; i < n; i++) {
        v[i] = NULL;
    }
    srv->conns = v;
    srv->nconns = n;
    return true;
}

static void add(struct http_server *srv, const struct http_arrival *a, struct http_secure *secure)
{
    struct http_conn *hc = make_room(srv, a->fd) ? calloc(1, sizeof(*hc)) : NULL;

    if (!hc) {
        log_error(srv->env->log, "out of memory: a connection is closed");
        limits_leave(&srv->shared->limits, &a->peer, a->over);
        close(a->fd);
        if (secure) {
            secure->closed(secure);
        }
        return;
    }
    if (srv->conns[a->fd]) {
        conn_free(srv->conns[a->fd]); /* libmicrohttpd closed it without a word */
    }
    hc->srv = srv;
    hc->fd = a->fd;
    hc->peer = a->peer;
    hc->over = a->over;
    hc->nameless = a->nameless;
    hc->secure = secure;
    srv->conns[a->fd] = hc;
    srv->open_conns++;
    metrics_inc(srv->env->metrics, METRIC_HTTP_OPEN);
    conn_deadline(hc, HTTP_TIMER_HEADER, srv->env->opt->header_timeout);
    srv->again = true;
    if (MHD_add_connection(srv->mhd, a->fd, a->addr, a->addr_len) != MHD_YES &&
        srv->conns[a->fd] == hc) {
        conn_free(hc); /* the socket is closed already */
    }
}

void http_server_add(struct http_server *srv, const struct http_arrival *a)
{
    add(srv, a, NULL);
}

void http_server_add_secure(struct http_server *srv, const struct http_arrival *a,
                            struct http_secure *secure)
{
    struct sockaddr any = {.sa_family = AF_UNIX}; /* what the descriptor is */
    struct http_arrival pair = *a;

    pair.addr = &any;
    pair.addr_len = sizeof(sa_family_t);
    add(srv, &pair, secure);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *srv = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct http_conn *hc = info ? srv->conns[info->connect_fd] : NULL;
        if (hc) {
            hc->mhd = c;
            *socket_context = hc;
        }
    } else if (*socket_context) {
        conn_free(*socket_context);
        *socket_context = NULL;
    }
}

/* ---- requests ---- */

static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *hc = info ? info->socket_context : NULL;

    /* libmicrohttpd would now parse the query into its small pool, where a long
     * one finds no room. We read the raw target; this is its own buffer, so the
     * rest may be taken away. (Without effect if a version has parsed before.) */
    const char *query = strchr(uri, '?');
    struct request *rq;

    (void)cls;
    if (!hc) {
        return NULL;
    }
    if (hc->timer.kind == HTTP_TIMER_IDLE) {
        conn_deadline(hc, HTTP_TIMER_HEADER, hc->srv->env->opt->header_timeout);
    }
    hc->answered = false;
    rq = request_new(hc, c, uri);
    if (query) {
        ((char *)(uintptr_t)query)[1] = '\0';
    }
    return rq;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **req_cls)
{
    struct request *rq = *req_cls;

    (void)cls;
    (void)c;
    (void)url;
    return rq ? request_step(rq, method, version, upload, upload_len) : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **req_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct request *rq = *req_cls;

    (void)cls;
    (void)c;
    if (rq) {
        if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && !rq->hc->detached) {
            conn_idle(rq->hc);
        }
        request_free(rq);
        *req_cls = NULL;
    }
}

/* Nothing but its log says that libmicrohttpd refused a head for its size, not even whose. */
static void note_head(struct http_server *srv, const char *text)
{
    if (strstr(text, "response code is 431") || strstr(text, "response code is 414")) {
        metrics_inc(srv->env->metrics, METRIC_LIMITED_SIZES);
        if (conn_env_may_log(srv->env, LOG_KIND_SIZE)) {
            log_warn(srv->env->log, "request over a limit", "limit", "max-header");
        }
    }
}

/* Peers cause most of these lines, at will. */
static void on_log(void *cls, const char *fmt, va_list ap)
{
    struct http_server *srv = cls;
    char text[256];
    size_t n;

    vsnprintf(text, sizeof(text), fmt, ap);
    note_head(srv, text);
    if (!log_enabled(srv->env->log, LOG_DEBUG_LVL)) {
        return;
    }
    /* Of sockets that are none of TCP: unix paths, and the pairs that TLS has. */
    if (strstr(text, "TCP_NODELAY") || strstr(text, "TCP_CORK") || strstr(text, "push the data")) {
        return;
    }
    n = strlen(text);
    while (n && text[n - 1] == '\n') {
        text[--n] = '\0';
    }
    log_debug(srv->env->log, "http", "detail", text);
}

/* ---- the daemon ---- */

static void on_mhd_event(struct rt_source *src, uint32_t events)
{
    struct http_server *srv =
        (struct http_server *)(void *)((char *)src - offsetof(struct http_server, mhd_src));

    (void)events;
    srv->again = true;
}

static size_t no_unescape(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls;
    (void)c;
    return strlen(s); /* we read the raw target ourselves */
}

static struct MHD_Daemon *start_daemon(struct http_server *srv)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    size_t pool = (size_t)srv->env->opt->max_header + 4096;

    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, srv, MHD_OPTION_EXTERNAL_LOGGER, on_log, srv,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, srv, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, srv, MHD_OPTION_NOTIFY_CONNECTION, on_connection, srv,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, srv, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool,
        MHD_OPTION_CONNECTION_LIMIT, 10000000u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
}

static int watch_daemon(struct http_server *srv)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(srv->mhd, MHD_DAEMON_INFO_EPOLL_FD);

    if (!info || info->epoll_fd < 0) {
        return ERR_SYSTEM;
    }
    srv->mhd_fd = info->epoll_fd;
    srv->mhd_src.on_event = on_mhd_event;
    return reactor_add(srv->env->reactor, srv->mhd_fd, EPOLLIN, &srv->mhd_src);
}

int http_server_init(struct http_server *srv, struct errmsg *why)
{
    int rc;

    srv->line_end = &srv->line;
    srv->postings_end = &srv->postings;
    srv->dummy = detach_dummy();
    if (srv->dummy < 0) {
        return errmsg_set(why, ERR_SYSTEM, "no descriptor left for an HTTP server");
    }
    spares_keep(srv);
    if (srv->starved) {
        return errmsg_set(why, ERR_SYSTEM, "no descriptor left for an HTTP server");
    }
    rc = json_doc_new(&srv->doc);
    if (rc == 0) {
        rc = json_doc_new(&srv->batch);
    }
    if (rc == 0) {
        rc = ws_shard_init(&srv->ws, srv->env);
    }
    srv->ws.auth = srv->shared->auth;
    srv->ws.hook = srv->shared->asks & ASKS_SUBSCRIBE ? srv->shared->hook : NULL;
    srv->ws.tasks = srv->shared->tasks[srv->env->shard];
    srv->ws.outstanding = &srv->shared->visits;
    srv->ws.publish = op_publish;
    srv->ws.publish_ctx = srv;
    if (rc == 0) {
        const struct opt_list *l = &srv->env->opt->trusted_proxy;
        rc = cidr_set_make(l->items, l->n, &srv->proxies);
    }
    if (rc != 0) {
        return errmsg_set(why, rc, "out of memory");
    }
    srv->mhd = start_daemon(srv);
    if (!srv->mhd || watch_daemon(srv) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "libmicrohttpd could not be started");
    }
    return 0;
}

void http_server_fini(struct http_server *srv)
{
    if (srv->mhd) {
        stream_line_move(srv, UINT_MAX); /* libmicrohttpd ends none that is suspended */
        reactor_del(srv->env->reactor, srv->mhd_fd);
        MHD_stop_daemon(srv->mhd);
        srv->mhd = NULL;
    }
    for (size_t i = 0; i < srv->nconns; i++) {
        if (srv->conns[i]) {
            conn_free(srv->conns[i]);
        }
    }
    free(srv->conns);
    srv->conns = NULL;
    srv->nconns = 0;
    op_publish_drop(srv);
    cidr_set_fini(&srv->proxies);
    ws_shard_fini(&srv->ws);
    json_doc_free(srv->doc);
    json_doc_free(srv->batch);
    srv->doc = srv->batch = NULL;
    while (spares_spend(srv)) {
    }
    if (srv->dummy >= 0) {
        close(srv->dummy);
        srv->dummy = -1;
    }
}

/* Until MHD_run has something to do. */
static int mhd_timeout(struct http_server *srv)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (srv->again || srv->ending) {
        return 0;
    }
    if (MHD_get_timeout(srv->mhd, &ms) != MHD_YES) {
        return -1;
    }
    return ms > 1000 ? 1000 : (int)ms;
}

/* Nobody tells when there are descriptors again. */
#define STARVED_MS 100

int http_server_timeout(struct http_server *srv)
{
    int ms = srv->line ? 0 : mhd_timeout(srv);

    return srv->starved && (ms < 0 || ms > STARVED_MS) ? STARVED_MS : ms;
}

void http_server_look(struct http_server *srv)
{
    srv->again = true;
}

void http_server_run(struct http_server *srv)
{
    uint64_t since = 0;

    spares_keep(srv);
    srv->starts = STARTS_PER_TURN;
    stream_line_move(srv, srv->starts);
    for (int i = 0; i < RUNS_PER_TURN && mhd_timeout(srv) == 0; i++) {
        if (i == 0) {
            since = clock_mono_us();
        } else if (clock_mono_us() - since >= RUN_US) {
            return;
        }
        srv->again = false;
        MHD_run(srv->mhd);
    }
}

void http_server_released(struct http_server *srv, const struct stream *s)
{
    struct http_conn *hc = s->owner;

    limits_leave(&srv->shared->limits, &s->peer, LIMIT_NONE);
    if (hc) { /* the fallback: libmicrohttpd may have its connection back, and end it */
        hc->parked = false;
        conn_ending(hc);
        MHD_resume_connection(hc->mhd);
    }
}
