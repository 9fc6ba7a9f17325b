/* Writing JSON text: strings, and values without their white space. */
#include "proto/json.h"

#include "base/utf8.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The byte after the string whose opening quote is at `p`. */
static const char *string_end(const char *p, const char *end)
{
    p++;
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote) {
            break;
        }
        const char *slash = memchr(p, '\\', (size_t)(quote - p));
        if (!slash) {
            return quote + 1;
        }
        p = slash + 2; /* over the escaped byte, which may be the quote */
    }
    return end;
}

/* The next run of bytes that are kept: from the first byte that is no white
 * space to the next white space outside a string. */
struct str json_next_run(const char **at, const char *end)
{
    const char *p = *at;

    while (p < end && is_space(*p)) {
        p++;
    }
    const char *start = p;
    while (p < end && !is_space(*p)) {
        p = *p == '"' ? string_end(p, end) : p + 1;
    }
    *at = p;
    return (struct str){start, (size_t)(p - start)};
}

size_t json_minified_len(struct str raw)
{
    const char *p = raw.p;
    size_t len = 0;

    while (len < raw.len && p < raw.p + raw.len) {
        len += json_next_run(&p, raw.p + raw.len).len;
    }
    return len;
}

char *json_put_minified(char *to, struct str raw)
{
    const char *p = raw.p;

    for (size_t left = raw.len; left > 0; left = (size_t)(raw.p + raw.len - p)) {
        struct str run = json_next_run(&p, raw.p + raw.len);
        memcpy(to, run.p, run.len);
        to += run.len;
    }
    return to;
}

void json_minify(struct strbuf *out, struct str raw)
{
    if (raw.len == 0 || strbuf_reserve(out, raw.len + 1)) {
        return;
    }
    for (const char *p = raw.p; p < raw.p + raw.len;) {
        strbuf_addstr(out, json_next_run(&p, raw.p + raw.len));
    }
}

/* How a byte is written in a string: as it is (0), as a backslash and this
 * letter, or (1) as \u00XX. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 1 : 0;
    }
}

/* The first byte of `s` that must be escaped, or its length. */
static size_t plain_run(struct str s)
{
    size_t i = 0;

    while (i < s.len) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            break;
        }
        i++;
    }
    return i;
}

size_t json_string_len(struct str s)
{
    size_t len = s.len + 2;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            len += escape_of(c) == 1 ? 5 : 1;
        }
    }
    return len;
}

static char *put_escaped(char *to, unsigned char c)
{
    char letter = escape_of(c);

    *to++ = '\\';
    if (letter != 1) {
        *to++ = letter;
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = "0123456789abcdef"[c >> 4];
    to[4] = "0123456789abcdef"[c & 15];
    return to + 5;
}

static char *put_body(char *to, struct str s)
{
    while (s.len > 0) {
        size_t n = plain_run(s);
        memcpy(to, s.p, n);
        to += n;
        if (n == s.len) {
            break;
        }
        to = put_escaped(to, (unsigned char)s.p[n]);
        s.p += n + 1;
        s.len -= n + 1;
    }
    return to;
}

char *json_put_string(char *to, struct str s)
{
    *to++ = '"';
    to = put_body(to, s);
    *to++ = '"';
    return to;
}

static void add_body(struct strbuf *out, struct str s)
{
    char esc[6];

    while (s.len > 0) {
        size_t n = plain_run(s);
        strbuf_add(out, s.p, n);
        if (n == s.len) {
            break;
        }
        strbuf_add(out, esc, (size_t)(put_escaped(esc, (unsigned char)s.p[n]) - esc));
        s.p += n + 1;
        s.len -= n + 1;
    }
}

void json_add_string(struct strbuf *out, struct str s)
{
    strbuf_addc(out, '"');
    add_body(out, s);
    strbuf_addc(out, '"');
}

void json_add_lossy(struct strbuf *out, struct str s)
{
    if (utf8_valid(s)) {
        json_add_string(out, s);
        return;
    }
    strbuf_addc(out, '"');
    while (s.len > 0) {
        uint32_t c;
        size_t n = utf8_next(s, &c);
        if (n > 0) {
            add_body(out, (struct str){s.p, n});
        } else {
            strbuf_adds(out, "\xEF\xBF\xBD");
            n = 1;
        }
        s.p += n;
        s.len -= n;
    }
    strbuf_addc(out, '"');
}
