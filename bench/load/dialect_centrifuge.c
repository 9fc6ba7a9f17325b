/* dialect_centrifuge.c - the centrifuge library: JSON by WebSocket, its first
 * protocol. One frame may hold several replies or pushes, one a line. */
#include "dialects.h"
#include "peers.h"

#include <string.h>

enum { METHOD_SUBSCRIBE = 1 };

static void centrifuge_publish(const struct plan *pl, const struct msg *m, unsigned k,
                               struct buf *out)
{
    (void)k;
    peer_post(pl, m, "/publish", "channel", out);
}

static void centrifuge_open(struct sub *s)
{
    peer_ws_open(s, "/connection/websocket", "", false);
}

/* Connects, and subscribes to each channel; the last id is that of the last one. */
static void subscribe(struct sub *s)
{
    struct buf names = {0}, text = {0}, frame = {0};
    peer_add_names(s, &names);
    buf_adds(&text, "{\"id\":1,\"params\":{}}");
    uint32_t id = 1;
    for (const char *at = names.p, *end = names.p + names.len; at < end; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma != NULL ? comma : end) - at);
        id++;
        buf_addf(&text, "\n{\"id\":%u,\"method\":%d,\"params\":{\"channel\":\"", id,
                 METHOD_SUBSCRIBE);
        buf_add(&text, at, len);
        buf_adds(&text, "\"}}");
        at += len;
    }
    s->scratch = id;
    ws_put(&frame, 1, text.p, text.len);
    sub_send(s, frame.p, frame.len);
    buf_free(&names);
    buf_free(&text);
    buf_free(&frame);
}

static void take_line(struct sub *s, const char *line, size_t len)
{
    if (peer_begins(line, len, "{\"result\":{\"channel\":")) {
        sub_message(s, line, len);
        return;
    }
    if (!peer_begins(line, len, "{\"id\":") || memmem(line, len, "\"error\":", 8) != NULL) {
        sub_refused(s, line, len);
        return;
    }
    uint64_t id = 0;
    for (size_t i = 6; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
        id = id * 10 + (uint64_t)(line[i] - '0');
    }
    if (id == s->scratch) {
        sub_ready(s);
    }
}

static size_t centrifuge_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == PEER_OPENING) {
        size_t used = peer_head(s, p, n, 101);
        if (s->state == PEER_OPEN) {
            subscribe(s);
        }
        return used;
    }
    unsigned opcode;
    const char *data;
    size_t len;
    size_t used = ws_frame(p, n, &opcode, &data, &len);
    if (used == 0 || ws_control(s, opcode, data, len)) {
        return used;
    }
    while (len > 0) {
        const char *eol = memchr(data, '\n', len);
        size_t line = eol != NULL ? (size_t)(eol - data) : len;
        if (line > 0) {
            take_line(s, data, line);
        }
        line += eol != NULL;
        data += line;
        len -= line;
    }
    return used;
}

const struct dialect dialect_centrifuge_ws = {
    .name = "centrifuge-ws",
    .open = centrifuge_open,
    .unit = centrifuge_unit,
    .publish = centrifuge_publish,
    .answer = peer_answer,
    .pipeline = true,
    .topologies = PEER_TOPOLOGIES,
};
