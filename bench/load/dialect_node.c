/* dialect_node.c - the servers in Node: ws, socket.io, better-sse. */
#include "dialects.h"
#include "peers.h"

static void node_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    (void)k;
    peer_post(pl, m, "/publish", NULL, out);
}

/* ---- ws ---- */

static void ws_start(struct sub *s)
{
    bool named = s->plan->topology != TOPOLOGY_ONE;
    peer_ws_open(s, "/", named ? "?user=" : "", named);
}

/* ---- socket.io: packets of Engine.IO 4 (first digit) and Socket.IO 5 (second) ---- */

static void io_start(struct sub *s)
{
    peer_ws_open(s, "/socket.io/", "?EIO=4&transport=websocket", false);
}

static void io_send(struct sub *s, const char *packet, size_t len)
{
    struct buf out = {0};
    ws_put(&out, 1, packet, len);
    sub_send(s, out.p, out.len);
    buf_free(&out);
}

/* Connects to the main namespace, and says which rooms it wants. */
static void io_connect(struct sub *s)
{
    struct buf packet = {0};
    buf_adds(&packet, "40");
    if (s->plan->topology != TOPOLOGY_ONE) {
        buf_adds(&packet, "{\"rooms\":\"");
        peer_add_names(s, &packet);
        buf_adds(&packet, "\"}");
    }
    io_send(s, packet.p, packet.len);
    buf_free(&packet);
}

static void io_packet(struct sub *s, const char *data, size_t len)
{
    if (peer_begins(data, len, "42[\"message\",{\"n\":")) {
        sub_message(s, data, len);
    } else if (peer_begins(data, len, "2")) {
        io_send(s, "3", 1);
    } else if (peer_begins(data, len, "0{")) {
        io_connect(s);
    } else if (peer_begins(data, len, "42[\"joined\"")) {
        sub_ready(s);
    } else if (!peer_begins(data, len, "40{")) {
        sub_refused(s, data, len);
    }
}

static size_t io_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == PEER_OPENING) {
        return peer_head(s, p, n, 101);
    }
    unsigned opcode;
    const char *data;
    size_t len;
    size_t used = ws_frame(p, n, &opcode, &data, &len);
    if (used > 0 && !ws_control(s, opcode, data, len)) {
        io_packet(s, data, len);
    }
    return used;
}

/* ---- better-sse ---- */

static void sse_open(struct sub *s)
{
    peer_sse_open(s, "/events", "?channels=");
}

const struct dialect dialect_node_ws = {
    .name = "node-ws",
    .open = ws_start,
    .unit = peer_plain_ws,
    .publish = node_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = 1U << TOPOLOGY_ONE | 1U << TOPOLOGY_USERS,
};

const struct dialect dialect_socketio = {
    .name = "socketio",
    .open = io_start,
    .unit = io_unit,
    .publish = node_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = PEER_TOPOLOGIES,
};

const struct dialect dialect_better_sse = {
    .name = "better-sse",
    .open = sse_open,
    .unit = peer_chunked_sse,
    .publish = node_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = PEER_TOPOLOGIES,
};
