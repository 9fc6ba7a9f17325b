/* dialect_pushpin.c - pushpin, by SSE and by WebSocket. Publications are items of a
 * request to its control port, which closes the connection after each answer. */
#include "dialects.h"
#include "peers.h"

/* JSON within a JSON string: only quotes and backslashes need care in it. */
static void add_escaped(struct buf *out, const char *text, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            buf_add(out, text + from, i - from);
            buf_adds(out, "\\");
            from = i;
        }
    }
    buf_add(out, text + from, len - from);
}

/* Items with `before` and `after` around the message's data. */
static void publish(const struct plan *pl, const struct msg *m, unsigned k, const char *before,
                    const char *after, struct buf *out)
{
    struct buf body = {0};
    buf_adds(&body, "{\"items\":[");
    for (unsigned i = 0; i < k; i++) {
        buf_adds(&body, i == 0 ? "{\"channel\":\"" : ",{\"channel\":\"");
        peer_add_target(pl, &m[i], &body);
        buf_adds(&body, before);
        add_escaped(&body, m[i].data, m[i].len);
        buf_adds(&body, after);
    }
    buf_adds(&body, "]}");
    http_post(pl, pl->publish_path != NULL ? pl->publish_path : "/publish/", "application/json",
              body.p, body.len, out);
    buf_free(&body);
}

/* An answer is for all items of a request; there is one request at a time. */
static unsigned asked;

static long pushpin_answer(const struct plan *pl, const char *p, size_t n, unsigned *accepted)
{
    long used = peer_answer(pl, p, n, accepted);
    if (used > 0) {
        *accepted = asked;
    }
    return used;
}

/* ---- SSE ---- */

static void sse_open(struct sub *s)
{
    peer_sse_open(s, "/events", "?channels=");
}

static void sse_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    asked = k;
    publish(pl, m, k, "\",\"formats\":{\"http-stream\":{\"content\":\"data: ", "\\n\\n\"}}}", out);
}

/* ---- WebSocket ---- */

static void ws_start(struct sub *s)
{
    peer_ws_open(s, "/ws", "?channels=", true);
}

static size_t ws_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == PEER_OPENING) {
        return peer_head(s, p, n, 101);
    }
    const char *data;
    size_t len;
    size_t used = peer_ws_message(s, p, n, &data, &len);
    if (used == 0 || data == NULL) {
        return used;
    }
    if (peer_begins(data, len, "joined")) {
        sub_ready(s);
    } else {
        sub_message(s, data, len);
    }
    return used;
}

static void ws_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    asked = k;
    publish(pl, m, k, "\",\"formats\":{\"ws-message\":{\"content\":\"", "\"}}}", out);
}

const struct dialect dialect_pushpin_sse = {
    .name = "pushpin-sse",
    .open = sse_open,
    .unit = peer_chunked_sse,
    .publish = sse_publish,
    .answer = pushpin_answer,
    .more_in_one = true,
    .batch_only = true,
    .one_each = true,
    .topologies = PEER_TOPOLOGIES,
};

const struct dialect dialect_pushpin_ws = {
    .name = "pushpin-ws",
    .open = ws_start,
    .unit = ws_unit,
    .publish = ws_publish,
    .answer = pushpin_answer,
    .more_in_one = true,
    .batch_only = true,
    .one_each = true,
    .topologies = PEER_TOPOLOGIES,
};
