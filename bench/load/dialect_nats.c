/* dialect_nats.c - nats-server: subscribers by WebSocket, the publisher by TCP.
 *
 * What comes through the WebSocket is a stream of NATS protocol; a frame holds as
 * many messages as the server had, and need not end where one ends. */
#include "dialects.h"
#include "peers.h"

#include <string.h>

static const char hello[] = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\","
                            "\"version\":\"0\",\"protocol\":1,\"headers\":false}\r\n";

static void send_text(struct sub *s, const char *text, size_t len)
{
    struct buf out = {0};
    ws_put(&out, 2, text, len);
    sub_send(s, out.p, out.len);
    buf_free(&out);
}

/* ---- subscribers ---- */

static void nats_open(struct sub *s)
{
    peer_ws_open(s, "/", "", false);
}

/* All at once; the PONG tells that the server has read it to the end. */
static void subscribe(struct sub *s)
{
    struct buf names = {0}, text = {0};
    peer_add_names(s, &names);
    buf_adds(&text, hello);
    unsigned sid = 0;
    for (const char *at = names.p, *end = names.p + names.len; at < end; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma != NULL ? comma : end) - at);
        buf_adds(&text, "SUB ");
        buf_add(&text, at, len);
        buf_addf(&text, " %u\r\n", ++sid);
        at += len;
    }
    buf_adds(&text, "PING\r\n");
    send_text(s, text.p, text.len);
    buf_free(&names);
    buf_free(&text);
}

/* Length of one operation with its payload, 0 if incomplete; *payload is NULL if it
 * has none. */
static size_t operation(const char *p, size_t n, const char **payload, size_t *len)
{
    *payload = NULL;
    const char *eol = memchr(p, '\n', n);
    if (eol == NULL) {
        return 0;
    }
    size_t line = (size_t)(eol - p) + 1;
    if (!peer_begins(p, line, "MSG ")) {
        return line;
    }
    size_t size = 0;
    const char *digit = memrchr(p, ' ', line);
    for (digit++; *digit >= '0' && *digit <= '9'; digit++) {
        size = size * 10 + (size_t)(*digit - '0');
    }
    if (size + 2 > n - line) {
        return 0;
    }
    *payload = eol + 1;
    *len = size;
    return line + size + 2;
}

static bool whole_operations(const char *data, size_t len)
{
    while (len > 0) {
        const char *payload;
        size_t payload_len;
        size_t used = operation(data, len, &payload, &payload_len);
        if (used == 0) {
            return false;
        }
        data += used;
        len -= used;
    }
    return true;
}

static size_t next_frame(struct sub *s, const char *p, size_t n, const char **data, size_t *len)
{
    unsigned opcode;
    size_t used = ws_frame(p, n, &opcode, data, len);
    if (used > 0 && ws_control(s, opcode, *data, *len)) {
        *len = 0;
    }
    return used;
}

static void take_operation(struct sub *s, const char *line, size_t len)
{
    if (peer_begins(line, len, "PING")) {
        send_text(s, "PONG\r\n", 6);
    } else if (peer_begins(line, len, "PONG")) {
        sub_ready(s);
    } else if (peer_begins(line, len, "-ERR")) {
        sub_refused(s, line, len);
    }
}

static size_t nats_unit(struct sub *s, const char *p, size_t n)
{
    static const struct pieces frames = {next_frame, whole_operations};
    if (s->state == PEER_OPENING) {
        size_t used = peer_head(s, p, n, 101);
        if (s->state == PEER_OPEN) {
            subscribe(s);
        }
        return used;
    }
    const char *data;
    size_t len;
    size_t used = peer_join(s, &frames, p, n, &data, &len);
    while (used > 0 && len > 0) {
        const char *payload;
        size_t payload_len;
        size_t one = operation(data, len, &payload, &payload_len);
        if (payload != NULL) {
            sub_message(s, payload, payload_len);
        } else {
            take_operation(s, data, one);
        }
        data += one;
        len -= one;
    }
    return used;
}

/* ---- publisher ---- */

enum { MOST_ASKED = 1 << 16 };

/* How many messages each PING that has no PONG yet stands behind; and whether the
 * server wants a PONG itself. */
static struct {
    unsigned count[MOST_ASKED];
    unsigned first, next;
    bool pong;
} asked;

static void nats_publisher_open(const struct plan *pl, struct buf *out)
{
    (void)pl;
    asked.first = asked.next = 0;
    asked.count[asked.next++ % MOST_ASKED] = 0;
    buf_adds(out, hello);
    buf_adds(out, "PING\r\n");
}

static void nats_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    if (asked.pong) {
        asked.pong = false;
        buf_adds(out, "PONG\r\n");
    }
    for (unsigned i = 0; i < k; i++) {
        buf_adds(out, "PUB ");
        peer_add_target(pl, &m[i], out);
        buf_adds(out, " ");
        buf_addu(out, m[i].len);
        buf_adds(out, "\r\n");
        buf_add(out, m[i].data, m[i].len);
        buf_adds(out, "\r\n");
    }
    buf_adds(out, "PING\r\n");
    asked.count[asked.next++ % MOST_ASKED] = k;
}

static long nats_answer(const struct plan *pl, const char *p, size_t n, unsigned *accepted)
{
    (void)pl;
    const char *eol = memchr(p, '\n', n);
    if (eol == NULL) {
        return 0;
    }
    size_t len = (size_t)(eol - p) + 1;
    if (peer_begins(p, len, "-ERR")) {
        return -1;
    }
    if (peer_begins(p, len, "PONG")) {
        *accepted = asked.count[asked.first++ % MOST_ASKED];
    } else if (peer_begins(p, len, "PING")) {
        asked.pong = true;
    }
    return (long)len;
}

const struct dialect dialect_nats_ws = {
    .name = "nats-ws",
    .open = nats_open,
    .unit = nats_unit,
    .publisher_open = nats_publisher_open,
    .publish = nats_publish,
    .answer = nats_answer,
    .pipeline = true,
    .more_in_one = true,
    .topologies = PEER_TOPOLOGIES | 1U << TOPOLOGY_PATTERNS,
};
