/* proto/json: what is JSON is held against a second recogniser, written here
 * from RFC 8259; trees, strings and minified text against the source. */
#include "fuzz.h"

#include "proto/json.h"

#define MAX_DEPTH 24

/* ---- the second recogniser: returns the place behind the value, or 0 ---- */

static size_t skip(struct str s, size_t at)
{
    while (at < s.len && memchr(" \t\r\n", s.p[at], 4)) {
        at++;
    }
    return at;
}

static bool is_digit(struct str s, size_t at)
{
    return at < s.len && s.p[at] >= '0' && s.p[at] <= '9';
}

static bool is_hex(struct str s, size_t at)
{
    return is_digit(s, at) || (at < s.len && ((s.p[at] >= 'a' && s.p[at] <= 'f') ||
                                              (s.p[at] >= 'A' && s.p[at] <= 'F')));
}

static size_t ref_string(struct str s, size_t at)
{
    for (at++; at < s.len && s.p[at] != '"'; at++) {
        if ((unsigned char)s.p[at] < 0x20) {
            return 0;
        }
        if (s.p[at] != '\\') {
            continue;
        }
        at++;
        if (at < s.len && s.p[at] == 'u') {
            for (unsigned i = 1; i <= 4; i++) {
                if (!is_hex(s, at + i)) {
                    return 0;
                }
            }
            at += 4;
        } else if (at >= s.len || s.p[at] == '\0' || !strchr("\"\\/bfnrt", s.p[at])) {
            return 0;
        }
    }
    return at < s.len ? at + 1 : 0;
}

static size_t ref_digits(struct str s, size_t at)
{
    if (!is_digit(s, at)) {
        return 0;
    }
    while (is_digit(s, at)) {
        at++;
    }
    return at;
}

static size_t ref_number(struct str s, size_t at)
{
    at += at < s.len && s.p[at] == '-';
    at = at < s.len && s.p[at] == '0' ? at + 1 : ref_digits(s, at);
    if (at && at < s.len && s.p[at] == '.') {
        at = ref_digits(s, at + 1);
    }
    if (at && at < s.len && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        at += at < s.len && (s.p[at] == '+' || s.p[at] == '-');
        at = ref_digits(s, at);
    }
    return at;
}

static size_t ref_value(struct str s, size_t at, unsigned depth);

static size_t ref_container(struct str s, size_t at, unsigned depth)
{
    bool object = s.p[at] == '{';
    char end = object ? '}' : ']';

    at = skip(s, at + 1);
    if (at < s.len && s.p[at] == end) {
        return at + 1;
    }
    for (;;) {
        if (object) {
            at = at < s.len && s.p[at] == '"' ? ref_string(s, at) : 0;
            at = at ? skip(s, at) : 0;
            if (!at || at >= s.len || s.p[at] != ':') {
                return 0;
            }
            at = skip(s, at + 1);
        }
        at = ref_value(s, at, depth + 1);
        at = at ? skip(s, at) : 0;
        if (!at || at >= s.len || (s.p[at] != ',' && s.p[at] != end)) {
            return 0;
        }
        if (s.p[at++] == end) {
            return at;
        }
        at = skip(s, at);
    }
}

static size_t ref_value(struct str s, size_t at, unsigned depth)
{
    static const char *const words[] = {"null", "true", "false"};

    if (at >= s.len) {
        return 0;
    }
    switch (s.p[at]) {
    case '{':
    case '[':
        return depth > MAX_DEPTH ? 0 : ref_container(s, at, depth);
    case '"':
        return ref_string(s, at);
    default:
        break;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (str_starts((struct str){s.p + at, s.len - at}, str_of(words[i]))) {
            return at + strlen(words[i]);
        }
    }
    return ref_number(s, at);
}

static bool ref_is_json(struct str s)
{
    size_t at = skip(s, 0);

    if (!utf8_valid(s) || at >= s.len) {
        return false;
    }
    at = ref_value(s, at, 1);
    return at && skip(s, at) == s.len;
}

/* ---- the tree ---- */

static void check_minified(struct str raw)
{
    struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;

    json_minify(&once, raw);
    json_minify(&twice, strbuf_str(&once));
    FUZZ_CHECK(str_eq(strbuf_str(&once), strbuf_str(&twice)), "minified twice is another text");
    FUZZ_CHECK(once.len == json_minified_len(raw) && once.len <= raw.len);
    FUZZ_CHECK(ref_is_json(strbuf_str(&once)) || !ref_is_json(raw), "minified is no JSON");
    char *exact = fuzz_alloc(once.len);
    FUZZ_CHECK(json_put_minified(exact, raw) == exact + once.len);
    FUZZ_CHECK(memcmp(exact, once.data, once.len) == 0);
    free(exact);
    strbuf_fini(&once);
    strbuf_fini(&twice);
}

/* The decoded text, written again and read again, is the same. */
static void check_text(struct json_doc *doc, struct str text)
{
    const struct json_limits lim = {.max_depth = 1, .tree_depth = 1, .max_nodes = 4};
    struct strbuf out = STRBUF_INIT;
    const struct json_node *node;
    struct json_error err;

    FUZZ_CHECK(utf8_valid(text), "a decoded string is no UTF-8");
    json_add_string(&out, text);
    FUZZ_CHECK(out.len == json_string_len(text));
    char *exact = fuzz_alloc(out.len);
    FUZZ_CHECK(json_put_string(exact, text) == exact + out.len);
    FUZZ_CHECK(memcmp(exact, out.data, out.len) == 0);
    free(exact);
    FUZZ_CHECK(ref_is_json(strbuf_str(&out)), "%s", out.data);
    FUZZ_CHECK(json_parse(doc, strbuf_str(&out), &lim, &node, &err) == 0, "%s", err.text);
    FUZZ_CHECK(node->type == JSON_STRING && str_eq(node->text, text), "%s", out.data);
    strbuf_fini(&out);
}

static unsigned check_node(struct json_doc *other, struct str source, const struct json_node *n)
{
    unsigned nodes = 1, count = 0;

    FUZZ_CHECK(n->raw.p == source.p + n->offset && n->offset + n->raw.len <= source.len);
    FUZZ_CHECK(n->raw.len > 0 && ref_value(source, n->offset, 1) == n->offset + n->raw.len,
               "a slice is no value: %.*s", FUZZ_STR(n->raw));
    FUZZ_CHECK(utf8_valid(n->key));
    if (n->type == JSON_STRING && !n->lone_surrogate) {
        check_text(other, n->text);
    }
    for (const struct json_node *c = n->child; c; c = c->next) {
        FUZZ_CHECK(c->raw.p > n->raw.p && c->raw.p + c->raw.len < n->raw.p + n->raw.len);
        FUZZ_CHECK(!c->next || c->next->offset > c->offset);
        nodes += check_node(other, source, c);
        count++;
    }
    FUZZ_CHECK(count == 0 || count == n->count);
    if (n->type == JSON_OBJECT && count) {
        const struct json_node *twice = json_duplicate(n);
        bool found = false;
        for (const struct json_node *a = n->child; a && !found; a = a->next) {
            for (const struct json_node *b = a->next; b && !found; b = b->next) {
                found = str_eq(a->key, b->key);
            }
        }
        FUZZ_CHECK((twice != NULL) == found, "json_duplicate");
    }
    return nodes;
}

static void check_error(const struct json_error *err, size_t len)
{
    FUZZ_CHECK(err->offset <= len && err->text[0], "%zu: %s", err->offset, err->text);
    for (const char *p = err->text; *p; p++) {
        FUZZ_CHECK(*p >= 0x20 && *p < 0x7f, "%s", err->text);
    }
}

/* Spaces around it change nothing but the offsets. */
static void check_spaces(struct json_doc *doc, struct str text, const struct json_limits *lim,
                         int want)
{
    struct strbuf sb = STRBUF_INIT;
    const struct json_node *root;
    struct json_error err;

    strbuf_adds(&sb, " \t");
    strbuf_addstr(&sb, text);
    strbuf_adds(&sb, "\r\n ");
    FUZZ_CHECK(json_parse(doc, strbuf_str(&sb), lim, &root, &err) == want, "with spaces");
    strbuf_fini(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_doc *doc, *other;
    struct json_limits lim = {.max_depth = MAX_DEPTH, .tree_depth = 3, .max_nodes = 500};
    const struct json_node *root;
    struct json_error err = {0};
    struct str text = {(const char *)data, size};
    struct strbuf lossy = STRBUF_INIT;
    int rc;

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0 && json_doc_new(&other) == 0);
    }
    rc = json_parse(doc, text, &lim, &root, &err);
    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID || rc == ERR_LIMIT, "%d", rc);
    FUZZ_CHECK(rc == ERR_LIMIT || (rc == 0) == ref_is_json(text), "rc %d, %zu: %s", rc, err.offset,
               err.text);
    if (rc == 0) {
        FUZZ_CHECK(check_node(other, text, root) <= lim.max_nodes);
        check_minified(root->raw);
    } else {
        check_error(&err, size);
    }
    check_spaces(other, text, &lim, rc);
    json_add_lossy(&lossy, text);
    FUZZ_CHECK(ref_is_json(strbuf_str(&lossy)), "%s", lossy.data);
    if (utf8_valid(text)) {
        check_text(other, text);
    }
    strbuf_fini(&lossy);
    return 0;
}
