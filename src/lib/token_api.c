/* The public face of tokens: making and explaining them. */
#include "lib/gateway.h"

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/dup.h"
#include "proto/json.h"
#include "proto/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLAIMS_DEPTH 64
#define CLAIMS_NODES 20000
#define JTI_MAX 128
#define SECONDS_MAX 253402300799u /* 9999-12-31T23:59:59Z */

static struct errmsg *why_of(struct fanfare_why *why)
{
    return (struct errmsg *)(void *)why;
}

/* ---- making ---- */

static const struct json_limits limits = {CLAIMS_DEPTH, CLAIMS_DEPTH, CLAIMS_NODES, NULL};

/* A JSON value, which must be an object if `object`; the tree lives until the next parse. */
static int parse(struct json_doc *doc, const char *what, struct str text, bool object,
                 const struct json_node **root, struct errmsg *why)
{
    struct json_error fault = {0, ""};
    int rc = json_parse(doc, text, &limits, root, &fault);

    if (rc == ERR_NOMEM) {
        return errmsg_set(why, rc, "out of memory");
    }
    if (rc != 0) {
        return errmsg_set(why, rc, "%s: %s at byte %zu", what, fault.text, fault.offset);
    }
    if (object && (*root)->type != JSON_OBJECT) {
        return errmsg_set(why, ERR_INVALID, "%s must be a JSON object, not %s", what,
                          json_type_name((*root)->type));
    }
    return 0;
}

static void put_name(struct strbuf *out, const char *name)
{
    strbuf_addc(out, out->len > 1 ? ',' : '{');
    json_add_cstring(out, name);
    strbuf_addc(out, ':');
}

/* A text claim, in valid UTF-8. */
static int put_text(struct strbuf *out, const char *name, const char *text, struct errmsg *why)
{
    if (!text) {
        return 0;
    }
    int rc = name_check_text(name, str_of(text), why);
    if (rc == 0) {
        put_name(out, name);
        json_add_cstring(out, text);
    }
    return rc;
}

static int put_time(struct strbuf *out, const char *name, uint64_t seconds, struct errmsg *why)
{
    if (seconds == 0) {
        return 0;
    }
    if (seconds > SECONDS_MAX) {
        return errmsg_set(why, ERR_RANGE, "%s is after the year 9999", name);
    }
    put_name(out, name);
    strbuf_add_u64(out, seconds);
    return 0;
}

static int put_names(struct strbuf *out, const char *name, const struct fanfare_claim_list *list,
                     struct errmsg *why)
{
    if (!list->items) {
        return 0;
    }
    put_name(out, name);
    strbuf_addc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        int rc = name_check_subscription(str_of(list->items[i]), why);
        if (rc != 0) {
            return rc;
        }
        strbuf_adds(out, i ? "," : "");
        json_add_cstring(out, list->items[i]);
    }
    strbuf_addc(out, ']');
    return 0;
}

static int put_json(struct strbuf *out, struct json_doc *doc, const char *name, const char *text,
                    bool object, struct errmsg *why)
{
    const struct json_node *root;

    if (!text) {
        return 0;
    }
    int rc = parse(doc, name, str_of(text), object, &root, why);
    if (rc == 0) {
        put_name(out, name);
        json_minify(out, root->raw);
    }
    return rc;
}

static int put_id(struct strbuf *out, const char *id, struct errmsg *why)
{
    char uuid[UUID_LEN + 1];
    struct rng rng;

    if (id && strcmp(id, "auto") == 0) {
        if (rng_init(&rng) != 0) {
            return errmsg_set(why, ERR_SYSTEM, "the system gives no randomness");
        }
        rng_uuid7(&rng, clock_real_ms(), uuid);
        return put_text(out, "jti", uuid, why);
    }
    if (id && strlen(id) > JTI_MAX) {
        return errmsg_set(why, ERR_RANGE, "jti is longer than %d bytes", JTI_MAX);
    }
    return put_text(out, "jti", id, why);
}

/* The members of the object `more`; *has_iat: one of them is iat. */
static int put_more(struct strbuf *out, struct json_doc *doc, const char *more, bool *has_iat,
                    struct errmsg *why)
{
    const struct json_node *root;

    *has_iat = false;
    if (!more) {
        return 0;
    }
    int rc = parse(doc, "the claims", str_of(more), true, &root, why);
    for (const struct json_node *n = rc == 0 ? root->child : NULL; n; n = n->next) {
        strbuf_addc(out, out->len > 1 ? ',' : '{');
        json_add_string(out, n->key);
        strbuf_addc(out, ':');
        json_minify(out, n->raw);
        *has_iat |= str_eqz(n->key, "iat");
    }
    return rc;
}

static int put_claims(struct strbuf *out, struct json_doc *doc, const struct fanfare_claims *c,
                      struct errmsg *why)
{
    bool has_iat = false;
    int rc = put_more(out, doc, c->more, &has_iat, why);

    if (rc == 0 && c->user) {
        rc = name_check_user(str_of(c->user), why);
    }
    const struct {
        const char *name, *text;
    } texts[] = {{"sub", c->user}, {"iss", c->issuer}, {"aud", c->audience}};
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = put_text(out, texts[i].name, texts[i].text, why);
    }
    const struct {
        const char *name;
        uint64_t at;
    } times[] = {{"iat", has_iat ? 0 : c->issued}, {"nbf", c->not_before}, {"exp", c->expires}};
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = put_time(out, times[i].name, times[i].at, why);
    }
    if (rc == 0) {
        rc = put_id(out, c->id, why);
    }
    if (rc == 0) {
        rc = put_names(out, "channels", &c->channels, why);
    }
    if (rc == 0) {
        rc = put_names(out, "publish", &c->publish, why);
    }
    if (rc == 0) {
        rc = put_json(out, doc, "meta", c->meta, true, why);
    }
    if (rc == 0) {
        rc = put_json(out, doc, "info", c->info, false, why);
    }
    return rc;
}

/* A claim that is given twice would be refused by the gateway. */
static int check_claims(struct json_doc *doc, struct str text, struct errmsg *why)
{
    const struct json_node *root;
    char shown[NAME_SHOW_MAX];
    int rc = parse(doc, "the claims", text, true, &root, why);

    if (rc != 0) {
        return rc;
    }
    const struct json_node *twice = json_duplicate(root);
    return twice ? errmsg_set(why, ERR_INVALID, "the claim %s is given twice",
                              name_show(twice->key, shown))
                 : 0;
}

int fanfare_token_sign(const char *key, const struct fanfare_claims *claims, char **token,
                       struct fanfare_why *why)
{
    struct errmsg *msg = why_of(why);
    struct strbuf text = STRBUF_INIT;
    struct json_doc *doc = NULL;
    int rc;

    *token = NULL;
    if (claims->size != sizeof(*claims)) {
        return errmsg_set(msg, ERR_INVALID, "the claims have no size");
    }
    if (json_doc_new(&doc) != 0) {
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    }
    rc = put_claims(&text, doc, claims, msg);
    if (rc == 0) {
        strbuf_adds(&text, text.len ? "}" : "{}");
        rc = strbuf_failed(&text) ? errmsg_set(msg, ERR_NOMEM, "out of memory")
                                  : check_claims(doc, strbuf_str(&text), msg);
    }
    if (rc == 0) {
        rc = jwt_sign(key, strbuf_str(&text), token, msg);
    }
    strbuf_fini(&text);
    json_doc_free(doc);
    return rc;
}

int fanfare_token_keygen(const char *algorithm, const char *path, struct fanfare_why *why)
{
    return jwt_keygen(algorithm, path, why_of(why));
}

/* ---- explaining ---- */

static int nomem(struct errmsg *why)
{
    return errmsg_set(why, ERR_NOMEM, "out of memory");
}

enum which { ALL_KEYS, ONE_FILE, THE_JWKS, THE_SECRET };

/* The keys of the options: all of them, or some. */
static int collect(const struct options *o, enum which which, unsigned index, struct jwt_keys **out,
                   struct errmsg *why)
{
    int rc = jwt_keys_new(out);

    if (rc != 0) {
        *out = NULL;
        return nomem(why);
    }
    for (unsigned i = 0; rc == 0 && i < o->token_key.n; i++) {
        if (which == ALL_KEYS || (which == ONE_FILE && i == index)) {
            rc = jwt_keys_add_file(*out, o->token_key.items[i], why);
        }
    }
    if (rc == 0 && (which == ALL_KEYS || which == THE_JWKS) && o->token_jwks && *o->token_jwks) {
        rc = jwt_keys_add_jwks(*out, o->token_jwks, why);
    }
    if (rc == 0 && (which == ALL_KEYS || which == THE_SECRET) && o->token_secret &&
        *o->token_secret) {
        rc = jwt_keys_add_secret(*out, str_of(o->token_secret), why);
    }
    if (rc != 0) {
        jwt_keys_free(*out);
        *out = NULL;
    }
    return rc;
}

static struct jwt_policy policy_of(const struct options *o)
{
    return (struct jwt_policy){.issuers = &o->token_issuer,
                               .audiences = &o->token_audience,
                               .leeway_ms = o->token_leeway,
                               .max_channels = o->max_channels,
                               .max_meta = o->max_meta};
}

/* Is the signature good with some of the keys, whatever the claims are held against? */
static int verifies(const struct options *o, enum which which, unsigned index, struct str token,
                    uint64_t now_ms, bool *yes, struct errmsg *why)
{
    static const struct opt_list none = {NULL, 0};
    struct jwt_policy loose = policy_of(o);
    struct errmsg ignored = {""};
    struct grant *g = NULL;
    struct jwt_keys *keys;
    int rc = collect(o, which, index, &keys, why);

    if (rc != 0) {
        return rc;
    }
    loose.issuers = &none;
    loose.audiences = &none;
    enum auth_outcome outcome =
        jwt_keys_count(keys) ? jwt_check(keys, &loose, token, now_ms, &g, &ignored) : AUTH_UNKNOWN;
    if (outcome == AUTH_OK) {
        grant_unref(g);
    }
    *yes = outcome == AUTH_OK || outcome == AUTH_EXPIRED || outcome == AUTH_NOT_YET;
    jwt_keys_free(keys);
    return 0;
}

static int find_key(const struct options *o, struct str token, uint64_t now_ms,
                    struct fanfare_token_report *out, struct errmsg *why)
{
    static const struct {
        enum which which;
        const char *name;
    } others[] = {{THE_JWKS, "token-jwks"}, {THE_SECRET, "token-secret"}};
    bool yes = false;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && !yes && i < o->token_key.n; i++) {
        rc = verifies(o, ONE_FILE, i, token, now_ms, &yes, why);
        if (rc == 0 && yes) {
            snprintf(out->key, sizeof(out->key), "%s", o->token_key.items[i]);
        }
    }
    for (unsigned i = 0; rc == 0 && !yes && i < 2; i++) {
        rc = verifies(o, others[i].which, 0, token, now_ms, &yes, why);
        if (rc == 0 && yes) {
            snprintf(out->key, sizeof(out->key), "%s", others[i].name);
        }
    }
    return rc;
}

static char *joined(const struct str *names, unsigned n)
{
    struct strbuf out = STRBUF_INIT;

    strbuf_adds(&out, "");
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(&out, i ? ", " : "");
        strbuf_addstr(&out, names[i]);
    }
    return strbuf_steal(&out, NULL);
}

static int describe_grant(const struct grant *g, struct fanfare_token_report *out,
                          struct errmsg *why)
{
    bool failed = false;

    if (g->s.user.len) {
        out->user = str_dup(g->s.user);
        failed |= !out->user;
    }
    if (g->s.lists_subscribe) {
        out->channels = joined(g->s.subscribe, g->s.nsubscribe);
        failed |= !out->channels;
    }
    if (g->s.npublish) {
        out->publish = joined(g->s.publish, g->s.npublish);
        failed |= !out->publish;
    }
    return failed ? nomem(why) : 0;
}

/* Seconds, without the fraction; 0 if it is no such number. */
static uint64_t seconds_of(const struct json_node *claims, const char *name)
{
    const struct json_node *n = json_get(claims, name);
    char digits[32];
    double v;

    if (!n || n->type != JSON_NUMBER || n->raw.len >= sizeof(digits)) {
        return 0;
    }
    memcpy(digits, n->raw.p, n->raw.len);
    digits[n->raw.len] = '\0';
    v = strtod(digits, NULL);
    return v >= 1 && v <= (double)SECONDS_MAX ? (uint64_t)v : 0;
}

static int read_times(struct fanfare_token_report *out, struct errmsg *why)
{
    const struct json_node *root;
    struct json_error fault;
    struct json_doc *doc;

    if (json_doc_new(&doc) != 0) {
        return nomem(why);
    }
    if (json_parse(doc, str_of(out->claims), &limits, &root, &fault) == 0 &&
        root->type == JSON_OBJECT) {
        out->issued = seconds_of(root, "iat");
        out->not_before = seconds_of(root, "nbf");
        out->expires = seconds_of(root, "exp");
    }
    json_doc_free(doc);
    return 0;
}

/* The gateway's judgement; without any key only whether it is a token at all, for which
 * `form` is the reason why not. */
static int examine(const struct options *o, struct str token, uint64_t now_ms,
                   const struct errmsg *form, struct fanfare_token_report *out, struct errmsg *why)
{
    struct jwt_policy policy = policy_of(o);
    enum auth_outcome outcome = AUTH_UNKNOWN;
    struct grant *g = NULL;
    struct jwt_keys *keys;
    int rc = collect(o, ALL_KEYS, 0, &keys, why);

    if (rc != 0) {
        return rc;
    }
    if (jwt_keys_count(keys)) {
        outcome = jwt_check(keys, &policy, token, now_ms, &g, why);
    } else if (out->claims) {
        (void)errmsg_set(why, 0, "no key was given to check its signature with");
    } else {
        outcome = AUTH_MALFORMED;
        *why = *form;
    }
    jwt_keys_free(keys);
    if (outcome == AUTH_NOMEM) {
        return nomem(why);
    }
    if (outcome == AUTH_OK) {
        out->valid = 1;
        rc = describe_grant(g, out, why);
        grant_unref(g);
        return rc;
    }
    snprintf(out->code, sizeof(out->code), "%s", auth_outcome_code(outcome));
    return 0;
}

int fanfare_token_check(const struct fanfare_options *o, const char *token, uint64_t now,
                        struct fanfare_token_report *out, struct fanfare_why *why)
{
    struct errmsg local = {""}, other = {""};
    struct errmsg *msg = why ? why_of(why) : &local;
    uint64_t now_ms = now * 1000;
    int rc;

    if (out->size != sizeof(*out)) {
        return errmsg_set(msg, ERR_INVALID, "the report has no size");
    }
    *out = (struct fanfare_token_report){.size = sizeof(*out)};
    rc = jwt_parts(str_of(token), &out->header, &out->claims, &other);
    if (rc == ERR_NOMEM) {
        return nomem(msg);
    }
    if (rc == 0) {
        rc = read_times(out, msg);
    } else {
        out->header = NULL;
        out->claims = NULL;
        rc = 0;
    }
    if (rc == 0) {
        rc = examine(&o->o, str_of(token), now_ms, &other, out, msg);
    }
    if (rc == 0 && out->claims) {
        rc = find_key(&o->o, str_of(token), now_ms, out, &other);
        if (rc != 0) {
            *msg = other;
        }
    }
    return rc;
}

void fanfare_token_report_free(struct fanfare_token_report *r)
{
    char *const texts[] = {r->header, r->claims, r->user, r->channels, r->publish};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        fanfare_secret_free(texts[i]);
    }
    *r = (struct fanfare_token_report){.size = r->size};
}
