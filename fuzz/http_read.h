/* http_read.h - a client's half of HTTP/1.1, as strict as what the gateway
 * promises to write. */
#ifndef FF_FUZZ_HTTP_READ_H
#define FF_FUZZ_HTTP_READ_H

#include "fuzz.h"

#include "proto/json.h"
#include "sse_read.h"
#include "support_wsclient.h"

#include <strings.h>

struct answer {
    int status;
    struct str type; /* Content-Type */
    struct str body;
    bool has_length;
    size_t length;
};

static inline bool answer_header(struct answer *a, struct str name, struct str value)
{
    char number[16];

    if (name.len == 12 && strncasecmp(name.p, "Content-Type", 12) == 0) {
        FUZZ_CHECK(a->type.len == 0, "two types");
        a->type = value;
    } else if (name.len == 14 && strncasecmp(name.p, "Content-Length", 14) == 0) {
        FUZZ_CHECK(!a->has_length && value.len && value.len < sizeof(number), "two lengths");
        snprintf(number, sizeof(number), "%.*s", FUZZ_STR(value));
        a->has_length = true;
        a->length = strtoul(number, NULL, 10);
    }
    return true;
}

/* The head that `s` begins with, which moves behind it; false if it is not whole. */
static inline bool answer_head(struct str *s, struct answer *a)
{
    const char *end = s->len ? memmem(s->p, s->len, "\r\n\r\n", 4) : NULL;
    bool first = true;

    *a = (struct answer){.status = 0};
    if (!end) {
        return false;
    }
    while (s->p < end + 2) {
        const char *crlf = memmem(s->p, s->len, "\r\n", 2);
        struct str line = {s->p, (size_t)(crlf - s->p)};
        FUZZ_CHECK(utf8_printable(line), "%.*s", FUZZ_STR(line));
        if (first) {
            FUZZ_CHECK(line.len > 13 && memcmp(line.p, "HTTP/1.", 7) == 0, "%.*s", FUZZ_STR(line));
            a->status = atoi(line.p + 9);
            FUZZ_CHECK(a->status >= 100 && a->status <= 599 && line.p[12] == ' ', "%.*s",
                       FUZZ_STR(line));
            first = false;
        } else {
            const char *colon = memchr(line.p, ':', line.len);
            FUZZ_CHECK(colon && colon > line.p && colon[1] == ' ', "%.*s", FUZZ_STR(line));
            size_t n = (size_t)(colon - line.p);
            (void)answer_header(a, (struct str){line.p, n},
                                (struct str){colon + 2, line.len - n - 2});
        }
        s->p += line.len + 2;
        s->len -= line.len + 2;
    }
    s->p += 2;
    s->len -= 2;
    return true;
}

/* A body of JSON: its syntax, and that a problem says what the status line says. */
static inline void answer_json(struct json_doc *doc, const struct answer *a)
{
    const struct json_limits lim = {.max_depth = 100, .tree_depth = 2, .max_nodes = 100000};
    const struct json_node *root, *n;
    struct json_error err;
    uint64_t status = 0;

    if (!str_starts(a->type, STR_LIT("application/"))) {
        return;
    }
    FUZZ_CHECK(json_parse(doc, a->body, &lim, &root, &err) == 0, "%s: %.*s", err.text,
               FUZZ_STR(a->body));
    FUZZ_CHECK(!json_duplicate(root), "%.*s", FUZZ_STR(a->body));
    if (str_eqz(a->type, "application/problem+json")) {
        n = json_get(root, "status");
        FUZZ_CHECK(n && json_uint(n, 599, &status) && (int)status == a->status);
        n = json_get(root, "detail");
        FUZZ_CHECK(n && n->text.len > 0 && utf8_printable(n->text), "%.*s", FUZZ_STR(a->body));
    } else {
        FUZZ_CHECK(a->status < 400, "%d", a->status);
    }
}

/* Events so far; the last one may be under way. */
static inline void answer_events(struct json_doc *doc, struct str s)
{
    const struct json_limits lim = {.max_depth = 100, .tree_depth = 1, .max_nodes = 1000};
    const struct json_node *root;
    struct json_error err;
    struct sse_event e;

    while (sse_next(&s, &e)) {
        FUZZ_CHECK(json_parse(doc, e.data, &lim, &root, &err) == 0, "%s: %.*s", err.text,
                   FUZZ_STR(e.data));
        FUZZ_CHECK(root->type == JSON_OBJECT, "%.*s", FUZZ_STR(e.data));
    }
}

/* Frames so far. */
static inline void answer_frames(struct json_doc *doc, struct str s)
{
    const struct json_limits lim = {.max_depth = 100, .tree_depth = 1, .max_nodes = 1000};
    const struct json_node *root;
    struct json_error err;
    struct wsc_got g;
    size_t at = 0;

    while (s.len && wsc_next(s, &at, &g)) {
        if (g.opcode == 1) {
            FUZZ_CHECK(json_parse(doc, g.payload, &lim, &root, &err) == 0, "%s: %.*s", err.text,
                       FUZZ_STR(g.payload));
        }
    }
}

/* All answers of a connection. `heads`: some may be to HEAD, without their body. */
static inline unsigned answers_check(struct json_doc *doc, struct str s, bool heads)
{
    unsigned n = 0;
    struct answer a;

    while (s.len && answer_head(&s, &a)) {
        n++;
        if (a.status == 101) {
            answer_frames(doc, s);
            return n;
        }
        if (str_eqz(a.type, "text/event-stream") && !a.has_length) {
            answer_events(doc, s);
            return n;
        }
        if (a.status == 100) {
            continue;
        }
        if (a.status >= 400 && a.type.len == 0 && !heads) {
            /* libmicrohttpd's own. Version 0.9.75 writes the head of some of them twice (no Host,
             * a wrong Content-Length); the connection ends behind them in any case. */
            return n;
        }
        FUZZ_CHECK(a.has_length || a.status == 204 || a.status == 304 || heads, "no length");
        if (heads) {
            return n;
        }
        FUZZ_CHECK(a.length <= s.len, "%zu of %zu bytes", s.len, a.length);
        a.body = (struct str){s.p, a.length};
        s.p += a.length;
        s.len -= a.length;
        answer_json(doc, &a);
    }
    FUZZ_CHECK(s.len == 0 || heads, "no whole answer: %.*s", FUZZ_STR(s));
    return n;
}

#endif
