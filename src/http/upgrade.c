/* The WebSocket path: the opening handshake (RFC 6455 4.2). */
#include "http/spares.h"
#include "http/stream_query.h"
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

/* libmicrohttpd gives the socket over; it is duplicated, and libmicrohttpd's
 * own descriptor closed at once (without TLS that shuts nothing down). */
static void upgraded(void *cls, struct MHD_Connection *connection, void *req_cls, const char *extra,
                     size_t extra_len, MHD_socket sock, struct MHD_UpgradeResponseHandle *urh)
{
    struct stream_start *st = cls;
    struct http_server *srv = st->srv;
    struct request *rq = req_cls;
    int fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);

    if (fd < 0 && spares_spend(srv)) {
        fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);
    }
    (void)connection;
    rq->start = NULL;
    wheel_stop(&st->hc->timer);
    if (fd < 0) {
        refuse_begun(srv, sock);
    }
    (void)MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
    srv->again = true;
    if (fd >= 0) {
        st->intro.fd = fd;
        st->hc->detached = true;
        if (ws_open(&srv->ws, &st->intro, (struct str){extra, extra_len}) != 0) {
            log_error(srv->env->log, "out of memory: a stream was not started");
            st->hc->detached = false;
        }
    }
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
                 peer_text(&rq->hc->peer, peer), "status", num_text(status, (uint64_t)a->status),
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
    if (!stream_may_start(rq, &result) || stream_start_new(rq, false, &st, &result) != 0) {
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
