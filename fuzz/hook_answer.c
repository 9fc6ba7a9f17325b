/* hook/answer: what an application's answer means. A second, simple reader looks at the
 * members of the object: nothing is permitted but by one "allow" that is true in an answer with
 * 200 without a member that nobody knows; who it is, is known only for connect.
 *
 * Input: a line "EVENT STATUS CHANNELS META" (c, s or p; names in a list, bytes of meta), then
 * the body. */
#include "fuzz.h"

#include "hook/private.h"

#include <ctype.h>

#define NOW_MS 1700000000000u
#define TTL_MAX 86400000u /* ms */

struct asked {
    enum hook_event event;
    long status;
    struct answer_limits lim;
    struct str body;
};

static struct asked read_setting(struct fuzz_in *in)
{
    unsigned long channels = 10, meta = 1000;
    char *text = fuzz_cstr(fuzz_line(in)), event = 'c';
    struct asked a = {.status = 200};

    (void)!sscanf(text, "%c %3ld %5lu %6lu", &event, &a.status, &channels, &meta);
    free(text);
    a.event = event == 's' ? HOOK_SUBSCRIBE : event == 'p' ? HOOK_PUBLISH : HOOK_CONNECT;
    a.lim = (struct answer_limits){(unsigned)channels, meta};
    a.body = fuzz_rest(in);
    return a;
}

/* ---- another reader, of what is known to be JSON ---- */

struct member {
    unsigned times;
    struct str value; /* of the last one */
};

struct seen {
    bool object, empty;
    size_t inside;    /* where the members begin */
    unsigned strange; /* members that nobody knows */
    struct member allow, ttl;
};

static size_t skip_space(struct str s, size_t at)
{
    while (at < s.len && isspace((unsigned char)s.p[at])) {
        at++;
    }
    return at;
}

static size_t skip_string(struct str s, size_t at)
{
    for (at++; at < s.len && s.p[at] != '"'; at++) {
        at += s.p[at] == '\\';
    }
    return at + 1;
}

/* Behind the value: the comma, or the end of what it is in. */
static size_t skip_value(struct str s, size_t at)
{
    unsigned depth = 0;

    while (at < s.len && (depth || !strchr(",}", s.p[at]))) {
        if (s.p[at] == '"') {
            at = skip_string(s, at);
            continue;
        }
        depth += s.p[at] == '{' || s.p[at] == '[';
        depth -= s.p[at] == '}' || s.p[at] == ']';
        at++;
    }
    return at;
}

static unsigned hex(const char *p)
{
    char digits[5] = {p[0], p[1], p[2], p[3], '\0'};

    return (unsigned)strtoul(digits, NULL, 16);
}

/* `raw` with its quotes. The names that are looked for have no other escapes. */
static bool is_name(struct str raw, const char *name)
{
    size_t at = 1;

    for (; *name && at + 1 < raw.len; name++) {
        char c = raw.p[at++];
        if (c == '\\') {
            if (raw.p[at] != 'u' || hex(raw.p + at + 1) > 0x7f) {
                return false;
            }
            c = (char)hex(raw.p + at + 1);
            at += 5;
        }
        if (c != *name) {
            return false;
        }
    }
    return !*name && at + 1 == raw.len;
}

static void note(struct member *m, bool is_it, struct str value)
{
    if (is_it) {
        m->times++;
        m->value = value;
    }
}

static struct str trimmed(struct str s)
{
    while (s.len && isspace((unsigned char)s.p[s.len - 1])) {
        s.len--;
    }
    return s;
}

static bool is_known(struct str name, enum hook_event event)
{
    static const char *const names[] = {"allow",   "ttl",  "reason", "userId",   "channels",
                                        "publish", "meta", "info",   "expiresIn"};
    bool known = false;

    for (unsigned i = 0; i < (event == HOOK_CONNECT ? 9 : 3); i++) {
        known |= is_name(name, names[i]);
    }
    return known;
}

static struct seen look(struct str s, enum hook_event event)
{
    size_t at = skip_space(s, 0);
    struct seen seen = {.object = at < s.len && s.p[at] == '{'};

    if (!seen.object) {
        return seen;
    }
    seen.inside = at = skip_space(s, at + 1);
    seen.empty = s.p[at] == '}';
    while (at < s.len && s.p[at] == '"') {
        struct str name = {s.p + at, skip_string(s, at) - at};
        at = skip_space(s, at + name.len) + 1; /* the colon */
        at = skip_space(s, at);
        size_t end = skip_value(s, at);
        struct str value = trimmed((struct str){s.p + at, end - at});
        seen.strange += !is_known(name, event);
        note(&seen.allow, is_name(name, "allow"), value);
        note(&seen.ttl, is_name(name, "ttl"), value);
        at = skip_space(s, end + 1);
    }
    return seen;
}

/* ---- reading ---- */

static struct reading read_answer(const struct asked *a, enum hook_event event, struct str body)
{
    struct str copy = fuzz_copy(body.p, body.len);
    struct json_doc *doc;
    struct reading r;

    FUZZ_CHECK(json_doc_new(&doc) == 0);
    answer_read(doc, event, a->status, copy, &a->lim, NOW_MS, &r);
    json_doc_free(doc);
    fuzz_free(copy);
    return r;
}

static void check_form(const struct asked *a, const struct reading *r)
{
    const struct hook_answer *h = &r->answer;
    const struct grant *g = h->grant;

    FUZZ_CHECK((g != NULL) == (h->verdict == HOOK_ALLOWED && a->event == HOOK_CONNECT));
    FUZZ_CHECK(r->ttl_ms <= TTL_MAX && r->ttl_ms % 1000 == 0);
    FUZZ_CHECK(utf8_printable(str_of(h->reason)) && strlen(h->reason) < sizeof(h->reason));
    FUZZ_CHECK(!h->reason[0] || h->verdict == HOOK_DENIED, "%s", h->reason);
    if (h->verdict == HOOK_UNAVAILABLE) {
        FUZZ_CHECK(!h->unknown && r->ttl_ms == 0);
        fuzz_sentence_cut(r->why.text, sizeof(r->why.text));
    } else {
        FUZZ_CHECK(r->works, "an answer that means something");
    }
    if (g) {
        FUZZ_CHECK(g->s.kind == GRANT_CLIENT && g->s.rights == 0 && g->s.id.len == 0);
        FUZZ_CHECK(g->s.nsubscribe <= a->lim.max_channels && g->s.npublish <= a->lim.max_channels);
        FUZZ_CHECK(g->s.meta.len <= a->lim.max_meta && g->s.info.len <= a->lim.max_meta);
        FUZZ_CHECK(!g->s.expires_ms ||
                   (g->s.expires_ms > NOW_MS && r->ttl_ms <= g->s.expires_ms - NOW_MS));
    }
}

/* Without a look at the body. */
static void check_status(const struct asked *a, const struct reading *r)
{
    if (a->status == 401 || a->status == 403) {
        FUZZ_CHECK(r->answer.verdict == HOOK_DENIED && r->answer.unknown == (a->status == 401));
        FUZZ_CHECK(!r->answer.reason[0] && r->ttl_ms == 0);
    } else if (a->status != 200) {
        FUZZ_CHECK(r->answer.verdict == HOOK_UNAVAILABLE);
        FUZZ_CHECK(!r->works || a->status < 500);
    }
}

static bool is_value(const struct member *m, const char *value)
{
    return m->times == 1 && str_eqz(m->value, value);
}

static void check_body(const struct asked *a, const struct reading *r)
{
    struct seen seen = look(a->body, a->event);

    FUZZ_CHECK(seen.object && !seen.strange, "%.*s", FUZZ_STR(a->body));
    FUZZ_CHECK(is_value(&seen.allow, r->answer.verdict == HOOK_ALLOWED ? "true" : "false"), "%.*s",
               FUZZ_STR(a->body));
    FUZZ_CHECK(!r->answer.unknown);
    FUZZ_CHECK(seen.ttl.times <= 1);
    if (seen.ttl.times) {
        char *text = fuzz_cstr(seen.ttl.value);
        uint64_t ms = strtoull(text, NULL, 10) * 1000;
        FUZZ_CHECK(r->answer.grant ? r->ttl_ms <= ms : r->ttl_ms == ms, "%s", text);
        free(text);
    } else {
        FUZZ_CHECK(r->ttl_ms == 0);
    }
}

/* Once more "allow", "ttl" of another kind, or a misspelt one, and it means nothing. */
static void put_in_front(const struct asked *a, const char *member)
{
    struct seen seen = look(a->body, a->event);
    struct strbuf out = STRBUF_INIT;
    struct reading r;

    FUZZ_CHECK(seen.object && !seen.empty);
    strbuf_add(&out, a->body.p, seen.inside);
    strbuf_adds(&out, member);
    strbuf_add(&out, a->body.p + seen.inside, a->body.len - seen.inside);
    r = read_answer(a, a->event, strbuf_str(&out));
    FUZZ_CHECK(r.answer.verdict == HOOK_UNAVAILABLE && !r.answer.grant, "%s", out.data);
    strbuf_fini(&out);
}

/* The verdict is the same for all events; but who connects is said for connect alone, and must be
 * in a good form too. */
static void ask_otherwise(const struct asked *a, const struct reading *r)
{
    enum hook_event event = a->event == HOOK_CONNECT ? HOOK_SUBSCRIBE : HOOK_CONNECT;
    struct reading other = read_answer(a, event, a->body);
    enum hook_verdict v = r->answer.verdict, w = other.answer.verdict;

    FUZZ_CHECK(v == w || v == HOOK_UNAVAILABLE || w == HOOK_UNAVAILABLE);
    FUZZ_CHECK(other.works == r->works);
    grant_unref(other.answer.grant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct asked a = read_setting(&in);
    struct reading r = read_answer(&a, a.event, a.body);

    check_form(&a, &r);
    check_status(&a, &r);
    ask_otherwise(&a, &r);
    if (a.status == 200 && r.answer.verdict != HOOK_UNAVAILABLE) {
        check_body(&a, &r);
        put_in_front(&a, "\"allow\":true,");
        put_in_front(&a, "\"\\u0061llow\":false,");
        put_in_front(&a, "\"ttl\":\"1\",");
        put_in_front(&a, "\"Allow\":true,");
    }
    grant_unref(r.answer.grant);
    return 0;
}
