/* The WebSocket path: the opening handshake (RFC 6455 4.2). */
#include "http/asking.h"
#include "http/spares.h"
#include "http/stream_query.h"
#include "http/throttle.h"
#include "proto/problem.h"
#include "proto/wsframe.h"
#include "proto/wshandshake.h"
#include "ws/session.h"

#include <fcntl.h>

/* The handshake is over, so the refusal comes as a Close frame. */
static void refuse_begun(struct http_server *srv, MHD_socket sock)
{
    struct strbuf close_frame = STRBUF_INIT;

    if (conn_env_may_log(srv->env, LOG_KIND_RESOURCE)) {
        log_error(srv->env->log, "no descriptor for a stream: raise the limit of open files");
    }
    metrics_inc(srv->env->metrics, METRIC_STREAMS_REFUSED);
    wsframe_add_close(&close_frame, 1013, STR_LIT("no descriptor is left; come back later"));
    if (!strbuf_failed(&close_frame)) {
        (void)!send(sock, close_frame.data, close_frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    strbuf_fini(&close_frame);
}

/* Plain: duplicated, since libmicrohttpd will close its own (which shuts nothing down). */
static bool take_socket(struct http_server *srv, MHD_socket sock, struct stream_intro *intro)
{
    intro->fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);
    if (intro->fd < 0 && spares_spend(srv)) {
        intro->fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);
    }
    if (intro->fd < 0) {
        refuse_begun(srv, sock);
    }
    return intro->fd >= 0;
}

/* TLS: `sock` is one end of a pair. What lies in it comes before what was not put in yet. */
static bool take_secure(struct http_conn *hc, MHD_socket sock, struct stream_intro *intro,
                        struct strbuf *early)
{
    char buf[4096];
    ssize_t n;

    while ((n = recv(sock, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
        strbuf_add(early, buf, (size_t)n);
    }
    return hc->secure->take(hc->secure, early, &intro->fd, &intro->tls);
}

static void start(struct stream_start *st, const struct strbuf *early)
{
    int rc = ERR_NOMEM;

    if (strbuf_failed(early)) {
        stream_intro_drop(&st->intro);
    } else {
        rc = ws_open(&st->srv->ws, &st->intro, strbuf_str(early));
    }
    st->hc->detached = rc == 0;
    if (rc == 0) {
        throttle_taken(st);
    } else {
        log_error(st->srv->env->log, "out of memory: a stream was not started");
    }
}

/* libmicrohttpd gives the socket over; its own descriptor is closed at once. */
static void upgraded(void *cls, struct MHD_Connection *connection, void *req_cls, const char *extra,
                     size_t extra_len, MHD_socket sock, struct MHD_UpgradeResponseHandle *urh)
{
    struct stream_start *st = cls;
    struct http_server *srv = st->srv;
    struct request *rq = req_cls;
    struct strbuf early = STRBUF_INIT;
    bool taken;

    (void)connection;
    rq->start = NULL;
    wheel_stop(&st->hc->timer);
    if (extra_len) {
        strbuf_add(&early, extra, extra_len);
    }
    taken = st->hc->secure ? take_secure(st->hc, sock, &st->intro, &early)
                           : take_socket(srv, sock, &st->intro);
    (void)MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
    srv->again = true;
    if (taken) {
        start(st, &early);
    }
    strbuf_fini(&early);
    stream_start_free(st);
}

static void read_handshake(struct request *rq, struct ws_request *out)
{
    *out = (struct ws_request){
        .method = str_of(rq->method),
        .http_version = str_of(rq->version),
        .upgrade = request_header(rq, "Upgrade", NULL),
        .connection = request_header(rq, "Connection", NULL),
        .version = request_header(rq, "Sec-WebSocket-Version", NULL),
        .protocol = request_header(rq, "Sec-WebSocket-Protocol", NULL),
    };
    out->key = request_header(rq, "Sec-WebSocket-Key", &out->key_lines);
}

static enum MHD_Result refuse_handshake(struct request *rq, const struct ws_answer *a)
{
    const char *code = a->status == 426   ? "upgrade_required"
                       : a->status == 405 ? "method_not_allowed"
                                          : "bad_handshake";
    char peer[PEER_TEXT_MAX], status[NUM_LEN];
    struct MHD_Response *r;

    if (conn_env_may_log(rq->srv->env, LOG_KIND_HANDSHAKE)) {
        log_info(rq->srv->env->log, "WebSocket handshake refused", "peer",
                 peer_text(&rq->client, peer), "status", num_text(status, (uint64_t)a->status),
                 "detail", a->detail);
    }
    problem_add(&rq->out, a->status, code, str_of(a->detail));
    r = respond_buffer(&rq->out);
    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", "application/problem+json");
    if (a->status == 426) {
        respond_header(r, "Upgrade", "websocket");
        respond_header(r, "Connection", "Upgrade");
        respond_header(r, "Sec-WebSocket-Version", "13");
    }
    return respond_with(rq, a->status, r);
}

enum MHD_Result get_ws(struct request *rq)
{
    struct ws_request req;
    struct ws_answer answer;
    struct stream_start *st;
    struct MHD_Response *r;
    enum MHD_Result result;

    read_handshake(rq, &req);
    ws_handshake(&req, &answer);
    if (answer.status != 101) {
        return refuse_handshake(rq, &answer);
    }
    if (!asking_channels(rq, &result) || !stream_may_start(rq, &result) ||
        stream_start_new(rq, false, &st, &result) != 0) {
        return result;
    }
    r = MHD_create_response_for_upgrade(upgraded, st);
    if (!r) {
        stream_start_free(st);
        return respond_nomem(rq);
    }
    respond_header(r, "Upgrade", "websocket");
    respond_header(r, "Sec-WebSocket-Accept", answer.accept);
    if (answer.subprotocol) {
        respond_header(r, "Sec-WebSocket-Protocol", WS_SUBPROTOCOL);
    }
    rq->start = st; /* until upgraded() runs: the client may vanish before */
    return respond_with(rq, 101, r);
}
