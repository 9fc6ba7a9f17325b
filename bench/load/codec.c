/* codec.c - HTTP, SSE and WebSocket framing, as far as dialects share it. */
#include "dialect.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_UNIT = 1 << 20 };

/* ---- HTTP ---- */

size_t http_head(const char *p, size_t n, int *status)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    *status = 0;
    if (n >= 12 && memcmp(p, "HTTP/1.", 7) == 0) {
        for (int i = 9; i < 12; i++) {
            *status = *status * 10 + (p[i] - '0');
        }
    }
    return (size_t)(end - p) + 4;
}

/* The value of a header in the head [p, p+n), or NULL; *len without the CR. */
static const char *header(const char *p, size_t n, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *end = p + n;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (eol == NULL) {
            return NULL;
        }
        if ((size_t)(eol - p) > name_len && p[name_len] == ':' &&
            strncasecmp(p, name, name_len) == 0) {
            p += name_len + 1;
            while (p < eol && (*p == ' ' || *p == '\t')) {
                p++;
            }
            *len = (size_t)(eol - p) - (eol > p && eol[-1] == '\r');
            return p;
        }
        p = eol + 1;
    }
    return NULL;
}

/* A number in base 10 or 16 at the front of [p, p+n). */
static size_t number(const char *p, size_t n, unsigned base)
{
    size_t value = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)p[i];
        unsigned digit = c - '0';
        if (digit > 9) {
            digit = (c | 32) - 'a' + 10;
        }
        if (digit >= base || value > MAX_UNIT) {
            break;
        }
        value = value * base + digit;
    }
    return value;
}

/* Length of a chunked body with its end, 0 if incomplete. */
static size_t chunked(const char *p, size_t n, const char **body, size_t *body_len)
{
    size_t at = 0;
    *body = NULL;
    *body_len = 0;
    for (;;) {
        const char *eol = memchr(p + at, '\n', n - at);
        if (eol == NULL) {
            return 0;
        }
        size_t size = number(p + at, n - at, 16);
        at = (size_t)(eol - p) + 1;
        if (n - at < size + 2) {
            return 0;
        }
        if (size == 0) {
            return at + 2;
        }
        if (*body == NULL) {
            *body = p + at;
            *body_len = size;
        }
        at += size + 2;
    }
}

size_t http_answer(const char *p, size_t n, int *status, const char **body, size_t *body_len)
{
    size_t head = http_head(p, n, status);
    if (head == 0) {
        return 0;
    }
    size_t len = 0;
    const char *value = header(p, head, "Content-Length", &len);
    *body = p + head;
    *body_len = 0;
    if (value != NULL) {
        *body_len = number(value, len, 10);
        return n - head >= *body_len ? head + *body_len : 0;
    }
    value = header(p, head, "Transfer-Encoding", &len);
    if (value != NULL && len >= 7 && strncasecmp(value + len - 7, "chunked", 7) == 0) {
        size_t used = chunked(p + head, n - head, body, body_len);
        return used > 0 ? head + used : 0;
    }
    return head;
}

void http_post(const struct plan *pl, const char *path, const char *type, const char *body,
               size_t len, struct buf *out)
{
    buf_adds(out, "POST ");
    buf_adds(out, path);
    buf_adds(out, " HTTP/1.1\r\nHost: ");
    buf_adds(out, pl->host);
    buf_adds(out, "\r\nContent-Type: ");
    buf_adds(out, type);
    buf_adds(out, "\r\nContent-Length: ");
    buf_addu(out, len);
    buf_adds(out, "\r\n\r\n");
    buf_add(out, body, len);
}

/* ---- SSE ---- */

size_t sse_event(const char *p, size_t n, const char **data, size_t *len)
{
    *data = NULL;
    *len = 0;
    size_t at = 0;
    for (;;) {
        const char *eol = memchr(p + at, '\n', n - at);
        if (eol == NULL) {
            return 0;
        }
        const char *line = p + at;
        size_t line_len = (size_t)(eol - line) - (eol > line && eol[-1] == '\r');
        at = (size_t)(eol - p) + 1;
        /* The end, or a comment between events. */
        if (line_len == 0 || (line == p && line[0] == ':')) {
            return at;
        }
        if (*data == NULL && line_len > 5 && memcmp(line, "data:", 5) == 0) {
            size_t skip = line_len > 5 && line[5] == ' ' ? 6 : 5;
            *data = line + skip;
            *len = line_len - skip;
        }
    }
}

/* ---- WebSocket ---- */

size_t ws_frame(const char *p, size_t n, unsigned *opcode, const char **payload, size_t *len)
{
    const unsigned char *u = (const unsigned char *)p;
    if (n < 2) {
        return 0;
    }
    *opcode = u[0] & 15;
    size_t head = 2, size = u[1] & 127;
    if (size == 126) {
        head = 4;
        if (n < head) {
            return 0;
        }
        size = (size_t)u[2] << 8 | u[3];
    } else if (size == 127) {
        head = 10;
        if (n < head) {
            return 0;
        }
        size = 0;
        for (int i = 2; i < 10; i++) {
            size = size << 8 | u[i];
        }
    }
    if (size > n - head) {
        return 0;
    }
    *payload = p + head;
    *len = size;
    return head + size;
}

void ws_put(struct buf *out, unsigned opcode, const char *payload, size_t len)
{
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t n = 2;
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        n = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) {
            head[2 + i] = (unsigned char)(len >> (56 - 8 * i));
        }
        n = 10;
    }
    /* The key: four zeros, already there. */
    buf_add(out, head, n + 4);
    buf_add(out, payload, len);
}

bool ws_control(struct sub *s, unsigned opcode, const char *payload, size_t len)
{
    struct buf out = {0};
    switch (opcode) {
    case 9:
        ws_put(&out, 10, payload, len);
        sub_send(s, out.p, out.len);
        buf_free(&out);
        return true;
    case 10:
        return true;
    case 8:
        sub_refused(s, payload, len);
        return true;
    default:
        return false;
    }
}

void ws_open(struct sub *s, const char *path, const char *extra)
{
    struct buf out = {0};
    buf_addf(&out,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n",
             path, s->plan->host, extra);
    sub_send(s, out.p, out.len);
    buf_free(&out);
}
