/* core/grant_json: what a client may do, as a JSON object says it. What was read is
 * written anew and read again, and is the same; a member of another name in front, and
 * larger limits, change nothing; a fault points at a value.
 *
 * Input: a line "CHANNELS META NOW" (names in a list, bytes of meta, ms), then JSON. */
#include "fuzz.h"

#include "core/grant_json.h"
#include "proto/name.h"

#include <ctype.h>

#define EXPIRES_MAX 31536000000u /* ms */

struct setting {
    struct grant_limits lim;
    uint64_t now_ms;
};

static struct setting read_setting(struct str line)
{
    unsigned long channels = 0, meta = 0, now = 0;
    char *text = fuzz_cstr(line);
    int n = sscanf(text, "%5lu %6lu %15lu", &channels, &meta, &now);

    free(text);
    return (struct setting){{n > 0 ? (unsigned)channels : 10, n > 1 ? meta : 1000}, now};
}

static const struct json_node *parse(struct json_doc *doc, struct str text)
{
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = 100000};
    const struct json_node *root;
    struct json_error err;

    return json_parse(doc, text, &limits, &root, &err) == 0 && root->type == JSON_OBJECT ? root
                                                                                         : NULL;
}

/* ---- what a good one has ---- */

static void check_names(const struct str *names, unsigned n, unsigned max)
{
    FUZZ_CHECK(n <= max, "%u of %u", n, max);
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(name_check_subscription(names[i], NULL) == 0, "%.*s", FUZZ_STR(names[i]));
    }
}

static void check_json(struct str text, uint64_t max, bool object)
{
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 1, .max_nodes = 100000};
    const struct json_node *root;
    struct json_error err;
    struct json_doc *doc;

    if (text.len == 0) {
        return;
    }
    FUZZ_CHECK(text.len <= max && text.len == json_minified_len(text), "%.*s", FUZZ_STR(text));
    FUZZ_CHECK(json_doc_new(&doc) == 0);
    FUZZ_CHECK(json_parse(doc, text, &limits, &root, &err) == 0, "%.*s", FUZZ_STR(text));
    FUZZ_CHECK(!object || root->type == JSON_OBJECT, "%.*s", FUZZ_STR(text));
    json_doc_free(doc);
}

static void check_grant(const struct grant_spec *s, const struct setting *set)
{
    FUZZ_CHECK(s->kind == GRANT_CLIENT && s->rights == 0);
    FUZZ_CHECK(s->id.len == 0 && s->basis.len == 0);
    FUZZ_CHECK(s->user.len == 0 || name_check_user(s->user, NULL) == 0, "%.*s", FUZZ_STR(s->user));
    FUZZ_CHECK(s->lists_subscribe || s->nsubscribe == 0);
    check_names(s->subscribe, s->nsubscribe, set->lim.max_channels);
    check_names(s->publish, s->npublish, set->lim.max_channels);
    check_json(s->meta, set->lim.max_meta, true);
    check_json(s->info, set->lim.max_meta, false);
    FUZZ_CHECK(s->issued_ms == set->now_ms && s->until_ms == s->expires_ms);
    FUZZ_CHECK(s->expires_ms == 0 ||
               (s->expires_ms > set->now_ms && s->expires_ms - set->now_ms <= EXPIRES_MAX &&
                (s->expires_ms - set->now_ms) % 1000 == 0));
}

static void same_names(const struct str *a, unsigned na, const struct str *b, unsigned nb)
{
    FUZZ_CHECK(na == nb, "%u, %u", na, nb);
    for (unsigned i = 0; i < na; i++) {
        FUZZ_CHECK(str_eq(a[i], b[i]), "%.*s, %.*s", FUZZ_STR(a[i]), FUZZ_STR(b[i]));
    }
}

static void same(const struct grant_spec *a, const struct grant_spec *b)
{
    FUZZ_CHECK(str_eq(a->user, b->user), "%.*s, %.*s", FUZZ_STR(a->user), FUZZ_STR(b->user));
    FUZZ_CHECK(a->lists_subscribe == b->lists_subscribe);
    same_names(a->subscribe, a->nsubscribe, b->subscribe, b->nsubscribe);
    same_names(a->publish, a->npublish, b->publish, b->npublish);
    FUZZ_CHECK(str_eq(a->meta, b->meta), "%.*s, %.*s", FUZZ_STR(a->meta), FUZZ_STR(b->meta));
    FUZZ_CHECK(str_eq(a->info, b->info), "%.*s, %.*s", FUZZ_STR(a->info), FUZZ_STR(b->info));
    FUZZ_CHECK(a->expires_ms == b->expires_ms && a->issued_ms == b->issued_ms);
}

/* ---- reading ---- */

/* A grant of its own, that borrows nothing; NULL with *f if it is refused. */
static struct grant *read_text(struct str text, const struct setting *set, struct grant_fault *f)
{
    struct str copy = fuzz_copy(text.p, text.len);
    struct grant *g = NULL;
    struct grant_draft d;
    struct json_doc *doc;
    const struct json_node *root;

    FUZZ_CHECK(json_doc_new(&doc) == 0);
    root = parse(doc, copy);
    FUZZ_CHECK(root, "%.*s", FUZZ_STR(text));
    *f = (struct grant_fault){0};
    int rc = grant_draft_read(root, &set->lim, set->now_ms, &d, f);
    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID, "%d", rc);
    if (rc == 0) {
        FUZZ_CHECK(grant_new(&d.s, &g) == 0);
    }
    grant_draft_fini(&d);
    json_doc_free(doc);
    fuzz_free(copy);
    return g;
}

static void add_names(struct strbuf *out, const char *name, const struct str *names, unsigned n)
{
    strbuf_addf(out, ",\"%s\":[", name);
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(out, i ? "," : "");
        json_add_string(out, names[i]);
    }
    strbuf_addc(out, ']');
}

static void add_value(struct strbuf *out, const char *name, struct str raw)
{
    if (raw.len) {
        strbuf_addf(out, ",\"%s\":", name);
        strbuf_add(out, raw.p, raw.len);
    }
}

static void write_again(const struct grant_spec *s, const struct setting *set)
{
    struct strbuf out = STRBUF_INIT;
    struct grant_fault f;
    struct grant *again;

    strbuf_addf(&out, "{\"of\":\"us\"");
    if (s->user.len) {
        strbuf_addf(&out, ",\"userId\":");
        json_add_string(&out, s->user);
    }
    if (s->lists_subscribe) {
        add_names(&out, "channels", s->subscribe, s->nsubscribe);
    }
    if (s->npublish) {
        add_names(&out, "publish", s->publish, s->npublish);
    }
    add_value(&out, "meta", s->meta);
    add_value(&out, "info", s->info);
    if (s->expires_ms) {
        strbuf_addf(&out, ",\"expiresIn\":%llu",
                    (unsigned long long)((s->expires_ms - set->now_ms) / 1000));
    }
    strbuf_addc(&out, '}');
    FUZZ_CHECK(!strbuf_failed(&out));
    again = read_text(strbuf_str(&out), set, &f);
    FUZZ_CHECK(again, "%s: %s", out.data, f.why.text);
    same(s, &again->s);
    grant_unref(again);
    strbuf_fini(&out);
}

static void check_fault(const struct grant_fault *f, struct str text)
{
    static const char *const fields[] = {"userId", "channels", "publish",
                                         "meta",   "info",     "expiresIn"};
    bool known = false;

    FUZZ_CHECK(f->code && f->field, "no code, or no field");
    FUZZ_CHECK(str_among(str_of(f->code),
                         (const struct str[]){STR_LIT("wrong_type"), STR_LIT("bad_value"),
                                              STR_LIT("bad_user")},
                         3),
               "%s", f->code);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        known |= strcmp(f->field, fields[i]) == 0;
    }
    FUZZ_CHECK(known, "%s", f->field);
    FUZZ_CHECK(f->offset < text.len, "%zu of %zu", f->offset, text.len);
    FUZZ_CHECK(strchr("{[\"-0123456789tfn", text.p[f->offset]), "%.*s", FUZZ_STR(text));
    fuzz_sentence_cut(f->why.text, sizeof(f->why.text));
}

/* A member that nobody knows goes before the others. */
static void with_another(struct str text, const struct setting *set, const struct grant *g,
                         const struct grant_fault *f)
{
    static const struct str more = STR_LIT("\"of\":[{},1],");
    const char *open = memchr(text.p, '{', text.len);
    struct strbuf out = STRBUF_INIT;
    struct grant_fault other;
    struct grant *again;
    size_t at;

    FUZZ_CHECK(open, "no object");
    at = (size_t)(open - text.p) + 1;
    while (isspace((unsigned char)text.p[at])) {
        at++;
    }
    if (text.p[at] == '}') {
        return; /* the comma would be one too many */
    }
    strbuf_add(&out, text.p, at);
    strbuf_add(&out, more.p, more.len);
    strbuf_add(&out, text.p + at, text.len - at);
    again = read_text(strbuf_str(&out), set, &other);
    FUZZ_CHECK(!again == !g, "%s", out.data);
    if (g) {
        same(&g->s, &again->s);
    } else {
        FUZZ_CHECK(other.offset == f->offset + more.len && strcmp(other.code, f->code) == 0 &&
                       strcmp(other.why.text, f->why.text) == 0,
                   "%s: %s", out.data, other.why.text);
    }
    grant_unref(again);
    strbuf_fini(&out);
}

static void with_more_room(struct str text, const struct setting *set, const struct grant *g)
{
    struct setting larger = *set;
    struct grant_fault f;
    struct grant *again;

    larger.lim.max_channels += 100;
    larger.lim.max_meta += 1000;
    again = read_text(text, &larger, &f);
    FUZZ_CHECK(again, "%s", f.why.text);
    same(&g->s, &again->s);
    grant_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct setting set = read_setting(fuzz_line(&in));
    struct str text = fuzz_rest(&in);
    struct grant_fault f;
    struct json_doc *doc;
    bool good;

    FUZZ_CHECK(json_doc_new(&doc) == 0);
    good = parse(doc, text) != NULL;
    json_doc_free(doc);
    if (!good) {
        return 0;
    }
    struct grant *g = read_text(text, &set, &f);
    with_another(text, &set, g, &f);
    if (g) {
        check_grant(&g->s, &set);
        write_again(&g->s, &set);
        with_more_room(text, &set, g);
        grant_unref(g);
    } else {
        check_fault(&f, text);
    }
    return 0;
}
