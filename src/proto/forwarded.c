#include "proto/forwarded.h"

#include <strings.h>

#define NODE_MAX 128

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- nodes: an address, perhaps in brackets, perhaps with a port ---- */

static bool is_hidden_port(struct str s)
{
    if (s.len < 2 || s.p[0] != '_') {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

static bool parse_port(struct str s, uint16_t *out)
{
    unsigned v = 0;

    if (is_hidden_port(s)) {
        *out = 0;
        return true;
    }
    if (s.len == 0 || s.len > 5) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= 65535;
}

/* An IPv6 address without brackets can have no port; Forwarded does not know it. */
static bool parse_node(struct str s, bool bare_ipv6, struct netaddr *out)
{
    const char *end = s.p + s.len;
    const char *colon = s.len ? memchr(s.p, ':', s.len) : NULL;
    struct str ip = s;
    uint16_t port = 0;
    bool v6;

    if (s.len == 0) {
        return false;
    }
    if (s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.len);
        if (!close || (close + 1 < end && close[1] != ':')) {
            return false;
        }
        ip = (struct str){s.p + 1, (size_t)(close - s.p) - 1};
        colon = close + 1 < end ? close + 1 : NULL;
        v6 = true;
    } else if (colon && bare_ipv6 && memchr(colon + 1, ':', (size_t)(end - colon) - 1)) {
        colon = NULL;
        v6 = true;
    } else {
        ip.len = colon ? (size_t)(colon - s.p) : s.len;
        v6 = false;
    }
    if (colon && !parse_port((struct str){colon + 1, (size_t)(end - colon) - 1}, &port)) {
        return false;
    }
    if (v6 != (ip.len && memchr(ip.p, ':', ip.len)) || netaddr_parse(ip, out) != 0) {
        return false;
    }
    out->port = port;
    return true;
}

/* ---- the walk ---- */

/* Goes over the elements of a line from left to right: the last one that is no trusted
 * proxy counts, which is the first that a walk from the right meets. */
struct walk {
    const struct cidr_set *trusted;
    enum forwarded_end end;
    struct netaddr at;
};

static void add(struct walk *w, bool good, const struct netaddr *a)
{
    if (!good) {
        w->end = FORWARDED_BAD;
    } else if (!cidr_set_match(w->trusted, a)) {
        w->end = FORWARDED_CLIENT;
        w->at = *a;
    } else if (w->end == FORWARDED_NONE) {
        w->end = FORWARDED_TRUSTED;
        w->at = *a;
    }
}

static void walk_list(struct walk *w, struct str rest)
{
    while (rest.len) {
        const char *comma = memchr(rest.p, ',', rest.len);
        size_t n = comma ? (size_t)(comma - rest.p) : rest.len;
        struct str element = str_trim((struct str){rest.p, n});
        struct netaddr a;
        if (element.len) { /* RFC 9110 5.6.1: empty ones do not count */
            add(w, parse_node(element, true, &a), &a);
        }
        n += comma != NULL;
        rest.p += n;
        rest.len -= n;
    }
}

/* ---- Forwarded ---- */

/* One element, up to its comma. */
struct element {
    bool any, bad, has_node;
    char node[NODE_MAX];
    size_t len;
};

static bool is_token(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

/* Of a value without quotes: what a token may have, and, since many proxies forget the
 * quotes, what an address may have. */
static bool is_loose(char c)
{
    return is_token(c) || c == ':' || c == '[' || c == ']' || c == '/';
}

/* Takes the value that `*rest` begins with. False: a quotation has no end. */
static bool take_value(struct str *rest, struct element *e, bool wanted)
{
    bool quoted = rest->len && rest->p[0] == '"';
    size_t i = quoted, n = 0;

    for (; i < rest->len; i++) {
        char c = rest->p[i];
        if (quoted ? c == '"' : !is_loose(c)) {
            break;
        }
        if (quoted && c == '\\' && ++i == rest->len) {
            return false;
        }
        if (wanted && n < NODE_MAX) {
            e->node[n] = rest->p[i];
        }
        n++;
    }
    if (quoted && i == rest->len) {
        return false;
    }
    e->bad |= (wanted && n > NODE_MAX) || (!quoted && n == 0);
    e->len = wanted && n <= NODE_MAX ? n : e->len;
    rest->p += i + quoted;
    rest->len -= i + quoted;
    return true;
}

/* Takes `name=value`. */
static bool take_pair(struct str *rest, struct element *e)
{
    size_t n = 0;
    bool node;

    while (n < rest->len && is_token(rest->p[n])) {
        n++;
    }
    if (n == 0 || n == rest->len || rest->p[n] != '=') {
        e->bad = true;
        rest->p += n;
        rest->len -= n;
        return true;
    }
    node = n == 3 && strncasecmp(rest->p, "for", 3) == 0;
    rest->p += n + 1;
    rest->len -= n + 1;
    e->bad |= node && e->has_node;
    e->has_node |= node;
    return take_value(rest, e, node);
}

static void finish(struct walk *w, const struct element *e)
{
    struct netaddr a = {0};
    bool good = !e->bad && e->has_node && parse_node((struct str){e->node, e->len}, false, &a);

    if (e->any) {
        add(w, good, &a);
    }
}

static void skip(struct str *s, size_t n)
{
    s->p += n;
    s->len -= n;
}

/* Takes a pair, or what stands in its place, at least a byte. */
static bool take_part(struct str *rest, struct element *e)
{
    size_t before = rest->len;
    bool quoted = rest->p[0] == '"';
    bool ended = quoted ? take_value(rest, e, false) : take_pair(rest, e);

    e->any = true;
    if (quoted || rest->len == before) {
        e->bad = true;
        skip(rest, rest->len == before);
    }
    while (rest->len && is_space(rest->p[0])) {
        skip(rest, 1);
    }
    e->bad |= rest->len && rest->p[0] != ';' && rest->p[0] != ',';
    return ended;
}

/* A quotation that is not ended could reach over what a proxy has added: then nothing in
 * the line counts. Other mistakes spoil their element. */
static void walk_pairs(struct walk *w, struct str rest)
{
    struct element e = {0};

    while (rest.len) {
        char c = rest.p[0];
        if (c == ',') {
            finish(w, &e);
            e = (struct element){0};
            skip(&rest, 1);
        } else if (c == ';' || is_space(c)) {
            e.any |= c == ';';
            skip(&rest, 1);
        } else if (!take_part(&rest, &e)) {
            w->end = FORWARDED_BAD;
            return;
        }
    }
    finish(w, &e);
}

enum forwarded_end forwarded_walk(enum forwarded_syntax syntax, const struct str *lines, unsigned n,
                                  const struct cidr_set *trusted, struct netaddr *out)
{
    enum forwarded_end end = FORWARDED_NONE;

    while (n--) {
        struct walk w = {.trusted = trusted, .end = FORWARDED_NONE};
        if (syntax == X_FORWARDED_FOR) {
            walk_list(&w, lines[n]);
        } else {
            walk_pairs(&w, lines[n]);
        }
        if (w.end != FORWARDED_NONE) {
            end = w.end;
            *out = w.at;
        }
        if (w.end == FORWARDED_CLIENT || w.end == FORWARDED_BAD) {
            break;
        }
    }
    return end;
}
