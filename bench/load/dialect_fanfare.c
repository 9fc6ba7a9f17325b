/* dialect_fanfare.c - the gateway itself, by SSE and by WebSocket. */
#include "dialects.h"
#include "peers.h"

#include <string.h>

enum { OPENING, OPEN };

static void add_query(const struct sub *s, struct buf *out)
{
    uint32_t first = s->index * s->plan->per_client;
    switch (s->plan->topology) {
    case TOPOLOGY_ONE:
        buf_addf(out, "?channel=%s", s->plan->channel);
        if (s->plan->with_users) {
            buf_addf(out, "&userId=u%u", s->index);
        }
        break;
    case TOPOLOGY_USERS:
        buf_addf(out, "?userId=u%u", s->index);
        break;
    case TOPOLOGY_CHANNELS:
        for (uint32_t i = 0; i < s->plan->per_client; i++) {
            buf_addf(out, "%cchannel=c%u", i == 0 ? '?' : '&', first + i);
        }
        break;
    case TOPOLOGY_PATTERNS:
        buf_addf(out, "?channel=room.%u.*", s->index);
        break;
    case TOPOLOGY_WIDE:
        buf_adds(out, "?channel=wide.*");
        break;
    }
}

/* ---- publications ---- */

static void add_publication(const struct plan *pl, const struct msg *m, struct buf *out)
{
    buf_adds(out, pl->topology == TOPOLOGY_USERS ? "{\"userId\":\"" : "{\"channel\":\"");
    peer_add_target(pl, m, out);
    buf_adds(out, "\",\"data\":");
    buf_add(out, m->data, m->len);
    buf_adds(out, "}");
}

static void fanfare_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    const char *path = pl->publish_path != NULL ? pl->publish_path : "/broadcast";
    struct buf body = {0};
    for (unsigned i = 0; i < k; i++) {
        add_publication(pl, &m[i], &body);
        if (k > 1) {
            buf_adds(&body, "\n");
        }
    }
    http_post(pl, path, k > 1 ? "application/x-ndjson" : "application/json", body.p, body.len, out);
    buf_free(&body);
}

static long fanfare_answer(const struct plan *pl, const char *p, size_t n, unsigned *accepted)
{
    (void)pl;
    int status;
    const char *body;
    size_t len;
    size_t used = http_answer(p, n, &status, &body, &len);
    if (used == 0) {
        return 0;
    }
    if (status != 200) {
        return -1;
    }
    *accepted = 1;
    if (peer_begins(body, len, "{\"results\":")) {
        /* The sums stand at the end: ],"accepted":2,"refused":0} */
        const char *end = body + len;
        const char *sum = memrchr(body, ']', len);
        if (sum == NULL || !peer_begins(sum, (size_t)(end - sum), "],\"accepted\":") ||
            !peer_begins(end - 13, 13, ",\"refused\":0}")) {
            return -1;
        }
        *accepted = 0;
        for (sum += 13; sum < end && *sum >= '0' && *sum <= '9'; sum++) {
            *accepted = *accepted * 10 + (unsigned)(*sum - '0');
        }
    }
    return (long)used;
}

/* ---- SSE ---- */

static void sse_open(struct sub *s)
{
    struct buf out = {0};
    s->state = OPENING;
    buf_addf(&out, "GET %s", s->plan->sub_path != NULL ? s->plan->sub_path : "/events");
    add_query(s, &out);
    buf_addf(&out, " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", s->plan->host);
    if (s->plan->after != NULL) {
        buf_addf(&out, "Last-Event-ID: %s\r\n", s->plan->after);
    }
    buf_adds(&out, "\r\n");
    sub_send(s, out.p, out.len);
    buf_free(&out);
}

/* The answer's head; of a refusal the whole answer. */
static size_t take_head(struct sub *s, const char *p, size_t n, int wanted)
{
    int status;
    size_t used = http_head(p, n, &status);
    if (used == 0) {
        return 0;
    }
    if (status == wanted) {
        s->state = OPEN;
        return used;
    }
    const char *body;
    size_t len;
    used = http_answer(p, n, &status, &body, &len);
    if (used > 0) {
        sub_refused(s, p, used);
    }
    return used;
}

static const char *fanfare_position(const char *p, size_t n, size_t *len)
{
    static const char member[] = "\"cursor\":\"";
    const char *at = memmem(p, n, member, sizeof(member) - 1);
    if (at == NULL) {
        return NULL;
    }
    at += sizeof(member) - 1;
    const char *end = memchr(at, '"', (size_t)(p + n - at));
    *len = end != NULL ? (size_t)(end - at) : 0;
    return end != NULL ? at : NULL;
}

/* The number behind the last '-' of the cursor in this member. */
static uint64_t cursor_of(const char *data, size_t len, const char *member)
{
    const char *p = memmem(data, len, member, strlen(member)), *end = data + len;
    uint64_t seq = 0;
    if (p != NULL) {
        p = memchr(p, '-', (size_t)(end - p));
    }
    for (p = p != NULL ? p + 1 : end; p < end && *p >= '0' && *p <= '9'; p++) {
        seq = seq * 10 + (uint64_t)(*p - '0');
    }
    return seq;
}

/* Messages after the cursor `from` up to and including `to` may be missing. Nobody
 * else publishes, so that is how many. */
static void take_gap(struct sub *s, const char *data, size_t len)
{
    uint64_t from = cursor_of(data, len, "\"from\":\""), to = cursor_of(data, len, "\"to\":\"");
    if (to < from) {
        sub_fail(s, "a gap that ends before it begins: %.*s", (int)len, data);
    }
    sub_gap_of(s, data, len, to - from);
}

/* data is the JSON text of a control event. */
static void take_control(struct sub *s, const char *data, size_t len)
{
    if (peer_begins(data, len, "{\"type\":\"fanfare.synced\"")) {
        sub_ready(s);
    } else if (peer_begins(data, len, "{\"type\":\"fanfare.gap\"")) {
        take_gap(s, data, len);
    } else if (peer_begins(data, len, "{\"type\":\"fanfare.refused\"")) {
        sub_refused(s, data, len);
    }
}

static void take_envelope(struct sub *s, const char *data, size_t len)
{
    if (peer_begins(data, len, "{\"type\":\"fanfare.")) {
        take_control(s, data, len);
    } else {
        sub_message(s, data, len);
    }
}

static size_t sse_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == OPENING) {
        return take_head(s, p, n, 200);
    }
    const char *data;
    size_t len;
    size_t used = sse_event(p, n, &data, &len);
    if (used > 0 && data != NULL) {
        take_envelope(s, data, len);
    }
    return used;
}

/* ---- WebSocket ---- */

static void ws_start(struct sub *s)
{
    struct buf path = {0};
    s->state = OPENING;
    buf_adds(&path, s->plan->sub_path != NULL ? s->plan->sub_path : "/ws");
    add_query(s, &path);
    if (s->plan->after != NULL) {
        buf_addf(&path, "&after=%s", s->plan->after);
    }
    buf_add(&path, "", 1);
    ws_open(s, path.p, "");
    buf_free(&path);
}

static size_t ws_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == OPENING) {
        return take_head(s, p, n, 101);
    }
    unsigned opcode;
    const char *data;
    size_t len;
    size_t used = ws_frame(p, n, &opcode, &data, &len);
    if (used > 0 && !ws_control(s, opcode, data, len)) {
        take_envelope(s, data, len);
    }
    return used;
}

#define ALL_TOPOLOGIES                                                     \
    (1U << TOPOLOGY_ONE | 1U << TOPOLOGY_USERS | 1U << TOPOLOGY_CHANNELS | \
     1U << TOPOLOGY_PATTERNS | 1U << TOPOLOGY_WIDE)

const struct dialect dialect_fanfare_sse = {
    .name = "fanfare-sse",
    .open = sse_open,
    .unit = sse_unit,
    .publish = fanfare_publish,
    .answer = fanfare_answer,
    .position = fanfare_position,
    .pipeline = true,
    .more_in_one = true,
    .topologies = ALL_TOPOLOGIES,
};

const struct dialect dialect_fanfare_ws = {
    .name = "fanfare-ws",
    .open = ws_start,
    .unit = ws_unit,
    .publish = fanfare_publish,
    .answer = fanfare_answer,
    .position = fanfare_position,
    .pipeline = true,
    .more_in_one = true,
    .topologies = ALL_TOPOLOGIES,
};
