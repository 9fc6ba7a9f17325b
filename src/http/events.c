/* GET /events: an SSE stream starts. */
#include "http/asking.h"
#include "http/detach.h"
#include "http/spares.h"
#include "http/stream_query.h"
#include "http/throttle.h"
#include "sse/stream.h"

#include <unistd.h>

/* The headers are out, so the refusal comes as an event. */
static ssize_t refuse_begun(struct http_server *srv, char *buf, size_t max)
{
    struct strbuf text = STRBUF_INIT;
    ssize_t n = 0;

    if (conn_env_may_log(srv->env, LOG_KIND_RESOURCE)) {
        log_error(srv->env->log, "no descriptor for a stream: raise the limit of open files");
    }
    add_refusal(srv->env, "no_descriptors", 0, &text);
    if (!strbuf_failed(&text) && text.len <= max) {
        memcpy(buf, text.data, text.len);
        n = (ssize_t)text.len;
    }
    strbuf_fini(&text);
    return n;
}

/* With TLS the descriptor that was taken is only a socket pair's. */
static bool take_secure(struct http_conn *hc, struct stream_intro *intro)
{
    close(intro->fd);
    if (!hc->secure->take(hc->secure, NULL, &intro->fd, &intro->tls)) {
        conn_ending(hc);
        return false;
    }
    return true;
}

/* The headers are out: the connection becomes a stream. */
static ssize_t begin_stream(struct stream_start *st, char *buf, size_t max)
{
    struct http_server *srv = st->srv;
    struct http_conn *hc = st->hc;
    int fd;

    st->done = true;
    srv->again = true;
    if (srv->shared->detach) {
        fd = detach_socket(hc->mhd, srv->dummy);
        if (fd < 0 && spares_spend(srv)) {
            fd = detach_socket(hc->mhd, srv->dummy);
        }
    } else {
        fd = detach_park(hc->mhd);
    }
    if (fd < 0) {
        return refuse_begun(srv, buf, max);
    }
    wheel_stop(&hc->timer);
    st->intro.fd = fd;
    if (hc->secure && !take_secure(hc, &st->intro)) {
        return 0;
    }
    hc->detached = true;
    hc->parked = !srv->shared->detach;
    if (!hc->parked) {
        conn_ending(hc);
    }
    st->intro.owner = hc->parked ? hc : NULL;
    if (sse_open(srv->env, &st->intro) != 0) {
        log_error(srv->env->log, "out of memory: a stream was not started");
        hc->detached = false;
        if (hc->parked) {
            hc->parked = false;
            conn_ending(hc);
            MHD_resume_connection(hc->mhd);
        }
    } else {
        throttle_taken(st);
    }
    return 0;
}

static ssize_t reader(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct stream_start *st = cls;

    (void)pos;
    return st->done ? MHD_CONTENT_READER_END_OF_STREAM : begin_stream(st, buf, max);
}

static void add_stream_headers(struct MHD_Response *r)
{
    respond_header(r, "Content-Type", "text/event-stream");
    respond_header(r, "Cache-Control", "no-store, no-transform");
    respond_header(r, "X-Accel-Buffering", "no");
    respond_header(r, "Connection", "close");
}

enum MHD_Result get_events(struct request *rq)
{
    struct stream_start *st;
    struct MHD_Response *r;
    enum MHD_Result result;

    if (!asking_channels(rq, &result) || !stream_may_start(rq, &result) ||
        stream_start_new(rq, true, &st, &result) != 0) {
        return result;
    }
    if (rq->head) {
        stream_start_free(st);
        strbuf_reset(&rq->out);
        r = respond_buffer(&rq->out);
    } else {
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 512, reader, st, stream_start_free);
        if (!r) {
            stream_start_free(st);
        }
    }
    if (!r) {
        return respond_nomem(rq);
    }
    /* No chunks: the stream's bytes are the same for all, and delimited by the
     * end of the connection (RFC 9112 6.3). */
    (void)MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    add_stream_headers(r);
    return respond_with(rq, 200, r);
}
