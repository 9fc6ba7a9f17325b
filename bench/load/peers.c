/* peers.c - what the dialects of other servers share. */
#include "peers.h"

#include <stdlib.h>
#include <string.h>

bool peer_begins(const char *p, size_t n, const char *text)
{
    size_t len = strlen(text);
    return n >= len && memcmp(p, text, len) == 0;
}

/* ---- names ---- */

void peer_add_names(const struct sub *s, struct buf *out)
{
    uint32_t first = s->index * s->plan->per_client;
    switch (s->plan->topology) {
    case TOPOLOGY_ONE:
        buf_adds(out, s->plan->channel);
        break;
    case TOPOLOGY_USERS:
        buf_addf(out, "u%u", s->index);
        break;
    case TOPOLOGY_CHANNELS:
        for (uint32_t i = 0; i < s->plan->per_client; i++) {
            buf_addf(out, "%sc%u", i == 0 ? "" : ",", first + i);
        }
        break;
    case TOPOLOGY_PATTERNS:
        buf_addf(out, "room.%u.*", s->index);
        break;
    case TOPOLOGY_WIDE:
        buf_adds(out, "wide.*");
        break;
    }
}

void peer_add_target(const struct plan *pl, const struct msg *m, struct buf *out)
{
    switch (pl->topology) {
    case TOPOLOGY_ONE:
        buf_adds(out, pl->channel);
        return;
    case TOPOLOGY_USERS:
        buf_adds(out, "u");
        break;
    case TOPOLOGY_CHANNELS:
        buf_adds(out, "c");
        break;
    case TOPOLOGY_PATTERNS:
        buf_adds(out, "room.");
        break;
    case TOPOLOGY_WIDE:
        buf_adds(out, "wide.");
        break;
    }
    buf_addu(out, m->target);
    if (pl->topology == TOPOLOGY_PATTERNS) {
        buf_adds(out, ".x");
    }
}

/* ---- subscribing ---- */

static void add_path(const struct sub *s, const char *path, const char *query, struct buf *out)
{
    buf_adds(out, s->plan->sub_path != NULL ? s->plan->sub_path : path);
    buf_adds(out, query);
}

void peer_sse_open(struct sub *s, const char *path, const char *query)
{
    struct buf out = {0};
    s->state = PEER_OPENING;
    buf_adds(&out, "GET ");
    add_path(s, path, query, &out);
    peer_add_names(s, &out);
    buf_addf(&out, " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", s->plan->host);
    sub_send(s, out.p, out.len);
    buf_free(&out);
}

void peer_ws_open(struct sub *s, const char *path, const char *query, bool names)
{
    struct buf full = {0};
    s->state = PEER_OPENING;
    add_path(s, path, query, &full);
    if (names) {
        peer_add_names(s, &full);
    }
    buf_add(&full, "", 1);
    ws_open(s, full.p, "");
    buf_free(&full);
}

size_t peer_head(struct sub *s, const char *p, size_t n, int wanted)
{
    int status;
    size_t used = http_head(p, n, &status);
    if (used == 0) {
        return 0;
    }
    if (status == wanted) {
        s->state = PEER_OPEN;
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

/* ---- publishing ---- */

void peer_post(const struct plan *pl, const struct msg *m, const char *path, const char *key,
               struct buf *out)
{
    struct buf full = {0};
    buf_adds(&full, pl->publish_path != NULL ? pl->publish_path : path);
    if (key != NULL || pl->topology != TOPOLOGY_ONE) {
        buf_adds(&full, "?");
        buf_adds(&full, key != NULL ? key : "to");
        buf_adds(&full, "=");
        peer_add_target(pl, m, &full);
    }
    buf_add(&full, "", 1);
    http_post(pl, full.p, "application/json", m->data, m->len, out);
    buf_free(&full);
}

long peer_answer(const struct plan *pl, const char *p, size_t n, unsigned *accepted)
{
    (void)pl;
    int status;
    const char *body;
    size_t len;
    size_t used = http_answer(p, n, &status, &body, &len);
    if (used == 0) {
        return 0;
    }
    if (status < 200 || status > 299) {
        return -1;
    }
    *accepted = 1;
    return (long)used;
}

/* ---- pieces ---- */

size_t peer_chunk(const char *p, size_t n, const char **data, size_t *len)
{
    const char *eol = memchr(p, '\n', n);
    if (eol == NULL) {
        return 0;
    }
    size_t head = (size_t)(eol - p) + 1;
    size_t size = strtoul(p, NULL, 16);
    if (size + 2 > n - head) {
        return 0;
    }
    *data = p + head;
    *len = size;
    return head + size + 2;
}

/* Valid until the next unit, as what the generator receives is. */
static struct buf joined;

size_t peer_join(struct sub *s, const struct pieces *how, const char *p, size_t n,
                 const char **data, size_t *len)
{
    size_t used = how->next(s, p, n, data, len);
    if (used == 0 || *len == 0 || how->whole(*data, *len)) {
        return used;
    }
    joined.len = 0;
    buf_add(&joined, *data, *len);
    do {
        size_t more = how->next(s, p + used, n - used, data, len);
        if (more == 0) {
            return 0;
        }
        used += more;
        buf_add(&joined, *data, *len);
    } while (!how->whole(joined.p, joined.len));
    *data = joined.p;
    *len = joined.len;
    return used;
}

size_t peer_ws_message(struct sub *s, const char *p, size_t n, const char **data, size_t *len)
{
    unsigned opcode;
    size_t used = ws_frame(p, n, &opcode, data, len);
    if (used > 0 && ws_control(s, opcode, *data, *len)) {
        *data = NULL;
        *len = 0;
        return used;
    }
    if (used == 0 || (p[0] & 0x80) != 0) {
        return used;
    }
    joined.len = 0;
    buf_add(&joined, *data, *len);
    bool last = false;
    while (!last) {
        size_t more = ws_frame(p + used, n - used, &opcode, data, len);
        if (more == 0) {
            return 0;
        }
        if (!ws_control(s, opcode, *data, *len)) {
            buf_add(&joined, *data, *len);
            last = (p[used] & 0x80) != 0;
        }
        used += more;
    }
    *data = joined.p;
    *len = joined.len;
    return used;
}

/* ---- SSE in chunks ---- */

static size_t next_chunk(struct sub *s, const char *p, size_t n, const char **data, size_t *len)
{
    size_t used = peer_chunk(p, n, data, len);
    if (used > 0 && *len == 0) {
        sub_refused(s, p, used);
    }
    return used;
}

static bool whole_events(const char *data, size_t len)
{
    return len >= 2 && data[len - 1] == '\n' && data[len - 2] == '\n';
}

size_t peer_chunked_sse(struct sub *s, const char *p, size_t n)
{
    static const struct pieces chunks = {next_chunk, whole_events};
    if (s->state == PEER_OPENING) {
        return peer_head(s, p, n, 200);
    }
    const char *data;
    size_t len;
    size_t used = peer_join(s, &chunks, p, n, &data, &len);
    if (used == 0) {
        return 0;
    }
    while (len > 0) {
        const char *text;
        size_t text_len;
        size_t event = sse_event(data, len, &text, &text_len);
        if (event == 0) {
            sub_fail(s, "an event without its end: %.*s", (int)(len < 300 ? len : 300), data);
        }
        if (text != NULL && peer_begins(text, text_len, "{\"n\":")) {
            sub_message(s, text, text_len);
        } else if (memmem(data, event, "joined", 6) != NULL) {
            sub_ready(s);
        }
        data += event;
        len -= event;
    }
    return used;
}

size_t peer_plain_ws(struct sub *s, const char *p, size_t n)
{
    if (s->state == PEER_OPENING) {
        size_t used = peer_head(s, p, n, 101);
        if (s->state == PEER_OPEN) {
            sub_ready(s);
        }
        return used;
    }
    unsigned opcode;
    const char *data;
    size_t len;
    size_t used = ws_frame(p, n, &opcode, &data, &len);
    if (used > 0 && !ws_control(s, opcode, data, len)) {
        sub_message(s, data, len);
    }
    return used;
}
