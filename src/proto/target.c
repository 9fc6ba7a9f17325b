#include "proto/target.h"

#include "base/strbuf.h"
#include "base/utf8.h"

#include <stdlib.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes the part raw[from, to) into *at and moves *at behind it. */
static int decode(struct str raw, size_t from, size_t to, bool query, char **at, struct str *out,
                  struct errmsg *why)
{
    char *w = *at;

    for (size_t i = from; i < to; i++) {
        char c = raw.p[i];
        if (c == '+' && query) {
            c = ' ';
        } else if (c == '%') {
            int high = to - i > 2 ? hex(raw.p[i + 1]) : -1;
            int low = to - i > 2 ? hex(raw.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return errmsg_set(why, ERR_INVALID,
                                  "bad escape at byte %zu of the target: two hexadecimal digits "
                                  "must follow '%%' (write %%25 for a '%%')",
                                  i);
            }
            c = (char)(high << 4 | low);
            if (c == '\0') {
                return errmsg_set(why, ERR_INVALID, "%%00 at byte %zu of the target is not allowed",
                                  i);
            }
            i += 2;
        }
        *w++ = c;
    }
    *out = (struct str){*at, (size_t)(w - *at)};
    *at = w;
    if (!utf8_valid(*out)) {
        return errmsg_set(why, ERR_INVALID,
                          "the part at byte %zu of the target is not valid UTF-8 when decoded",
                          from);
    }
    return 0;
}

static size_t find(struct str raw, size_t from, size_t to, char c)
{
    const char *p = from < to ? memchr(raw.p + from, c, to - from) : NULL;

    return p ? (size_t)(p - raw.p) : to;
}

static int split_path(struct str raw, size_t end, char **at, struct target *t, struct errmsg *why)
{
    size_t from = 1;

    if (end == 1) {
        return 0; /* "/" */
    }
    for (;;) {
        size_t to = find(raw, from, end, '/');
        struct str rest; /* no route is that long: checked, but not kept */
        bool keep = t->nsegments < TARGET_MAX_SEGMENTS;
        int rc = decode(raw, from, to, false, at, keep ? &t->segments[t->nsegments] : &rest, why);
        t->nsegments += keep || t->nsegments == TARGET_MAX_SEGMENTS;
        if (rc || to == end) {
            return rc;
        }
        from = to + 1;
    }
}

static int split_query(struct str raw, size_t from, char **at, struct target *t, struct errmsg *why)
{
    int rc = 0;

    while (rc == 0 && from < raw.len) {
        size_t to = find(raw, from, raw.len, '&');
        size_t eq = find(raw, from, to, '=');
        if (to > from) {
            struct param *p = &t->params[t->nparams++];
            rc = decode(raw, from, eq, true, at, &p->name, why);
            p->value = (struct str){*at, 0};
            if (rc == 0 && eq < to) {
                rc = decode(raw, eq + 1, to, true, at, &p->value, why);
            }
        }
        from = to + 1;
    }
    return rc;
}

static int check_bytes(struct str raw, struct errmsg *why)
{
    if (raw.len == 0 || raw.p[0] != '/') {
        return errmsg_set(why, ERR_INVALID, "the request target must begin with '/'");
    }
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (c == '#') {
            return errmsg_set(why, ERR_INVALID,
                              "'#' at byte %zu of the target: a fragment is not sent to a server "
                              "(write %%23)",
                              i);
        }
        if (c <= 0x20 || c >= 0x7F) {
            return errmsg_set(why, ERR_INVALID,
                              "byte 0x%02x at byte %zu of the target must be percent-encoded",
                              (unsigned)c, i);
        }
    }
    return 0;
}

int target_parse(struct str raw, struct target *out, struct errmsg *why)
{
    struct target t = {.nsegments = 0};
    size_t n = 0;
    int rc = check_bytes(raw, why);

    if (rc) {
        return rc;
    }
    size_t path_end = find(raw, 0, raw.len, '?');
    for (size_t from = path_end + 1; from < raw.len;) {
        size_t to = find(raw, from, raw.len, '&');
        n += to > from;
        from = to + 1;
    }
    if (n > TARGET_MAX_PARAMS) {
        return errmsg_set(why, ERR_LIMIT, "the query has more than %d parameters",
                          TARGET_MAX_PARAMS);
    }
    t.size = n * sizeof(*t.params) + raw.len;
    t.memory = malloc(t.size);
    if (!t.memory) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    t.params = (struct param *)(void *)t.memory;
    char *at = t.memory + n * sizeof(*t.params);
    rc = split_path(raw, path_end, &at, &t, why);
    if (rc == 0) {
        rc = split_query(raw, path_end + 1, &at, &t, why);
    }
    if (rc) {
        free(t.memory);
        return rc;
    }
    *out = t;
    return 0;
}

void target_fini(struct target *t)
{
    if (t->memory) { /* a token or a ticket may be in it */
        explicit_bzero(t->memory, t->size);
    }
    free(t->memory);
    *t = (struct target){.memory = NULL};
}

static const struct param *find_param(const struct target *t, unsigned from, struct str name)
{
    for (unsigned i = from; i < t->nparams; i++) {
        if (str_eq(t->params[i].name, name)) {
            return &t->params[i];
        }
    }
    return NULL;
}

const struct param *target_param(const struct target *t, const char *name)
{
    return find_param(t, 0, str_of(name));
}

const struct param *target_next(const struct target *t, const struct param *p)
{
    return find_param(t, (unsigned)(p - t->params) + 1, p->name);
}

const struct param *target_unknown(const struct target *t, const char *const *known, size_t n)
{
    for (unsigned i = 0; i < t->nparams; i++) {
        size_t k = 0;
        while (k < n && !str_eqz(t->params[i].name, known[k])) {
            k++;
        }
        if (k == n) {
            return &t->params[i];
        }
    }
    return NULL;
}
