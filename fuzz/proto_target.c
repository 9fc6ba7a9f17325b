/* proto/target: the request target. Encoded again, whatever it was parsed to is
 * parsed to the same; a decoder of its own agrees on each part. */
#include "fuzz.h"

#include "base/strbuf.h"
#include "proto/target.h"

static void add_encoded(struct strbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        strbuf_addf(out, "%%%02x", (unsigned)(unsigned char)s.p[i]);
    }
}

/* Segments and parameters, every byte of them escaped. */
static void encode(struct strbuf *out, const struct target *t)
{
    if (t->nsegments == 0) {
        strbuf_addc(out, '/');
    }
    for (unsigned i = 0; i < t->nsegments && i < TARGET_MAX_SEGMENTS; i++) {
        strbuf_addc(out, '/');
        add_encoded(out, t->segments[i]);
    }
    if (t->nsegments > TARGET_MAX_SEGMENTS) {
        strbuf_adds(out, "/more");
    }
    for (unsigned i = 0; i < t->nparams; i++) {
        strbuf_addc(out, i ? '&' : '?');
        add_encoded(out, t->params[i].name);
        strbuf_addc(out, '=');
        add_encoded(out, t->params[i].value);
    }
}

static void check_part(struct str s)
{
    FUZZ_CHECK(utf8_valid(s), "a part is no UTF-8");
    FUZZ_CHECK(s.len == 0 || !memchr(s.p, '\0', s.len), "a part has a NUL");
}

static void check_same(const struct target *a, const struct target *b)
{
    FUZZ_CHECK(a->nsegments == b->nsegments && a->nparams == b->nparams, "%u %u, %u %u",
               a->nsegments, b->nsegments, a->nparams, b->nparams);
    for (unsigned i = 0; i < a->nsegments && i < TARGET_MAX_SEGMENTS; i++) {
        check_part(a->segments[i]);
        FUZZ_CHECK(str_eq(a->segments[i], b->segments[i]), "segment %u", i);
    }
    for (unsigned i = 0; i < a->nparams; i++) {
        check_part(a->params[i].name);
        check_part(a->params[i].value);
        FUZZ_CHECK(str_eq(a->params[i].name, b->params[i].name) &&
                       str_eq(a->params[i].value, b->params[i].value),
                   "parameter %u", i);
    }
}

/* ---- split and decoded another way ---- */

static void check_decoded(struct str raw, struct str got, bool query)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.len; i++, n++) {
        char two[3] = "", want = raw.p[i];
        if (want == '%') {
            FUZZ_CHECK(i + 2 < raw.len, "%.*s", FUZZ_STR(raw));
            memcpy(two, raw.p + i + 1, 2);
            want = (char)strtoul(two, NULL, 16);
            i += 2;
        } else if (want == '+' && query) {
            want = ' ';
        }
        FUZZ_CHECK(n < got.len && got.p[n] == want, "%.*s became %.*s", FUZZ_STR(raw),
                   FUZZ_STR(got));
    }
    FUZZ_CHECK(n == got.len, "%.*s became %.*s", FUZZ_STR(raw), FUZZ_STR(got));
}

/* Up to the next `c` or the end; *s moves behind it. */
static struct str cut(struct str *s, char c)
{
    struct str part = {s->p, 0};

    while (part.len < s->len && s->p[part.len] != c) {
        part.len++;
    }
    s->p += part.len + (part.len < s->len);
    s->len -= part.len + (part.len < s->len);
    return part;
}

static void check_query(struct str query, const struct target *t)
{
    unsigned n = 0;

    while (query.len) {
        struct str value = cut(&query, '&'), name;
        if (value.len == 0) {
            continue;
        }
        FUZZ_CHECK(n < t->nparams, "a parameter is missing");
        name = cut(&value, '=');
        check_decoded(name, t->params[n].name, true);
        check_decoded(value, t->params[n].value, true);
        n++;
    }
    FUZZ_CHECK(n == t->nparams, "%u parameters, not %u", t->nparams, n);
}

static void check_split(struct str raw, const struct target *t)
{
    struct str path = cut(&raw, '?');
    unsigned n = path.len > 1;

    check_query(raw, t);
    path.p++;
    path.len--;
    for (size_t i = 0; i < path.len; i++) {
        n += path.p[i] == '/';
    }
    FUZZ_CHECK(t->nsegments == (n > TARGET_MAX_SEGMENTS ? TARGET_MAX_SEGMENTS + 1 : n), "%u", n);
    for (unsigned i = 0; i < n && i < TARGET_MAX_SEGMENTS; i++) {
        check_decoded(cut(&path, '/'), t->segments[i], false);
    }
}

static void check_finding(const struct target *t)
{
    static const char *const known[] = {"channel", "userId"};
    unsigned n = 0;

    for (const struct param *p = target_param(t, "channel"); p; p = target_next(t, p)) {
        FUZZ_CHECK(str_eqz(p->name, "channel"));
        n++;
    }
    for (unsigned i = 0; i < t->nparams; i++) {
        n -= str_eqz(t->params[i].name, "channel");
    }
    FUZZ_CHECK(n == 0, "not all were found");
    const struct param *p = target_unknown(t, known, 2);
    FUZZ_CHECK(!p || (!str_eqz(p->name, "channel") && !str_eqz(p->name, "userId")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str raw = {(const char *)data, size};
    struct strbuf again = STRBUF_INIT;
    struct target t, u;
    struct errmsg why = {""};
    int rc = target_parse(raw, &t, &why);

    if (rc != 0) {
        FUZZ_CHECK(rc == ERR_INVALID || rc == ERR_LIMIT, "%d", rc);
        fuzz_sentence(why.text);
        return 0;
    }
    check_split(raw, &t);
    encode(&again, &t);
    FUZZ_CHECK(target_parse(strbuf_str(&again), &u, &why) == 0, "%s", why.text);
    check_same(&t, &u);
    check_finding(&t);
    target_fini(&u);
    target_fini(&t);
    strbuf_fini(&again);
    return 0;
}
