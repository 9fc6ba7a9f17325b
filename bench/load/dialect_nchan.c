/* dialect_nchan.c - nchan, by SSE and by WebSocket. */
#include "dialects.h"
#include "peers.h"

static void nchan_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    (void)k;
    peer_post(pl, m, "/pub", "id", out);
}

static void sse_open(struct sub *s)
{
    peer_sse_open(s, "/sub", "?id=");
}

static size_t sse_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == PEER_OPENING) {
        return peer_head(s, p, n, 200);
    }
    const char *data;
    size_t len;
    size_t used = sse_event(p, n, &data, &len);
    if (used > 0 && data != NULL) {
        sub_message(s, data, len);
    } else if (used > 0) {
        /* The comment ": hi", which comes first. */
        sub_ready(s);
    }
    return used;
}

static void ws_start(struct sub *s)
{
    peer_ws_open(s, "/sub", "?id=", true);
}

const struct dialect dialect_nchan_sse = {
    .name = "nchan-sse",
    .open = sse_open,
    .unit = sse_unit,
    .publish = nchan_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = PEER_TOPOLOGIES,
};

const struct dialect dialect_nchan_ws = {
    .name = "nchan-ws",
    .open = ws_start,
    .unit = peer_plain_ws,
    .publish = nchan_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = PEER_TOPOLOGIES,
};
