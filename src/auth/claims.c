#include "auth/claims.h"

#include "auth/jwt_time.h"
#include "base/utf8.h"
#include "proto/name.h"

#include <stdlib.h>

/* What is being read. Everything borrowed but `lists` and `texts`. */
struct claims {
    const struct json_node *root;
    const struct jwt_policy *policy;
    struct grant_spec spec;
    struct str *lists; /* subscribe, publish */
    char *texts;       /* meta, info */
    bool has_exp, has_nbf, has_iat;
    uint64_t exp, nbf, iat; /* ms */
    struct errmsg *why;
};

/* The outcome of a result code. */
static enum auth_outcome outcome_of(int rc)
{
    return rc == 0 ? AUTH_OK : rc == ERR_NOMEM ? AUTH_NOMEM : AUTH_MALFORMED;
}

static int bad(struct claims *c, const char *name, const char *want)
{
    return errmsg_set(c->why, ERR_INVALID, "the token's %s must be %s", name, want);
}

/* 0 with *out STR_NONE if it is not there. */
static int read_string(struct claims *c, const char *name, struct str *out)
{
    const struct json_node *n = json_get(c->root, name);

    *out = STR_NONE;
    if (!n) {
        return 0;
    }
    if (n->type != JSON_STRING || n->lone_surrogate) {
        return bad(c, name, "a string");
    }
    *out = n->text;
    return 0;
}

static int read_who(struct claims *c)
{
    struct errmsg inner;
    int rc = read_string(c, "sub", &c->spec.user);

    if (rc == 0 && json_get(c->root, "sub") && name_check_user(c->spec.user, &inner) != 0) {
        rc = errmsg_set(c->why, ERR_INVALID, "the token's sub: %s", inner.text);
    }
    if (rc == 0) {
        rc = read_string(c, "jti", &c->spec.id);
    }
    if (rc == 0 && json_get(c->root, "jti") &&
        (c->spec.id.len == 0 || c->spec.id.len > CLAIMS_MAX_JTI || !utf8_printable(c->spec.id))) {
        rc = bad(c, "jti", "1 to 128 bytes of printable text");
    }
    return rc;
}

static int read_time(struct claims *c, const char *name, bool *has, uint64_t *ms)
{
    const struct json_node *n = json_get(c->root, name);

    if (n && (n->type != JSON_NUMBER || jwt_time_read(n->raw, ms) != 0)) {
        return bad(c, name, "a number of seconds since 1970");
    }
    *has = n != NULL;
    return 0;
}

static int read_times(struct claims *c)
{
    int rc = read_time(c, "exp", &c->has_exp, &c->exp);

    if (rc == 0) {
        rc = read_time(c, "nbf", &c->has_nbf, &c->nbf);
    }
    if (rc == 0) {
        rc = read_time(c, "iat", &c->has_iat, &c->iat);
    }
    return rc;
}

/* An array of strings, or with `or_one` a string. */
static int check_strings(struct claims *c, const char *name, const struct json_node *n, bool or_one)
{
    bool good = n->type == JSON_ARRAY || (or_one && n->type == JSON_STRING);

    for (const struct json_node *m = n->child; m && good; m = m->next) {
        good = m->type == JSON_STRING;
    }
    return good ? 0
                : bad(c, name, or_one ? "a string or an array of strings" : "an array of strings");
}

/* How many names there are in the list; checks all but the names. */
static int count_names(struct claims *c, const char *name, const struct json_node *n,
                       unsigned *count)
{
    *count = 0;
    if (!n) {
        return 0;
    }
    int rc = check_strings(c, name, n, false);
    if (rc == 0 && n->count > c->policy->max_channels) {
        rc = errmsg_set(c->why, ERR_INVALID, "the token's %s has %u names; %u are allowed", name,
                        n->count, c->policy->max_channels);
    }
    *count = n->count;
    return rc;
}

static int read_names(struct claims *c, const char *name, const struct json_node *n, struct str *to)
{
    struct errmsg inner;

    for (const struct json_node *m = n ? n->child : NULL; m; m = m->next) {
        if (name_check_subscription(m->text, &inner) != 0) {
            return errmsg_set(c->why, ERR_INVALID, "the token's %s: %s", name, inner.text);
        }
        *to++ = m->text;
    }
    return 0;
}

static int read_lists(struct claims *c)
{
    const struct json_node *subscribe = json_get(c->root, "channels");
    const struct json_node *publish = json_get(c->root, "publish");
    struct grant_spec *s = &c->spec;
    int rc = count_names(c, "channels", subscribe, &s->nsubscribe);

    if (rc == 0) {
        rc = count_names(c, "publish", publish, &s->npublish);
    }
    if (rc) {
        return rc;
    }
    s->lists_subscribe = subscribe != NULL;
    c->lists = calloc((size_t)s->nsubscribe + s->npublish + 1, sizeof(struct str));
    if (!c->lists) {
        return ERR_NOMEM;
    }
    s->subscribe = c->lists;
    s->publish = c->lists + s->nsubscribe;
    rc = read_names(c, "channels", subscribe, c->lists);
    return rc ? rc : read_names(c, "publish", publish, c->lists + s->nsubscribe);
}

/* Its length without white space; 0 if it is not there. */
static int measure(struct claims *c, const char *name, const struct json_node *n, size_t *len)
{
    *len = n ? json_minified_len(n->raw) : 0;
    if (*len > c->policy->max_meta) {
        return errmsg_set(c->why, ERR_INVALID, "the token's %s has %zu bytes; %llu are allowed",
                          name, *len, (unsigned long long)c->policy->max_meta);
    }
    return 0;
}

static int read_texts(struct claims *c)
{
    const struct json_node *meta = json_get(c->root, "meta");
    const struct json_node *info = json_get(c->root, "info");
    size_t meta_len, info_len;
    char *end;
    int rc;

    if (meta && meta->type != JSON_OBJECT) {
        return bad(c, "meta", "an object");
    }
    rc = measure(c, "meta", meta, &meta_len);
    if (rc == 0) {
        rc = measure(c, "info", info, &info_len);
    }
    if (rc || meta_len + info_len == 0) {
        return rc;
    }
    c->texts = malloc(meta_len + info_len);
    if (!c->texts) {
        return ERR_NOMEM;
    }
    end = meta ? json_put_minified(c->texts, meta->raw) : c->texts;
    if (info) {
        (void)json_put_minified(end, info->raw);
    }
    c->spec.meta = meta ? (struct str){c->texts, meta_len} : STR_NONE;
    c->spec.info = info ? (struct str){c->texts + meta_len, info_len} : STR_NONE;
    return 0;
}

static bool listed(const struct opt_list *list, const struct json_node *n)
{
    for (unsigned i = 0; n->type == JSON_STRING && i < list->n; i++) {
        if (!n->lone_surrogate && str_eqz(n->text, list->items[i])) {
            return true;
        }
    }
    return false;
}

static bool wanted(const struct opt_list *list)
{
    return list && list->n > 0;
}

/* Made by and for those that are configured? */
static enum auth_outcome check_parties(struct claims *c)
{
    const struct json_node *iss = json_get(c->root, "iss");
    const struct json_node *aud = json_get(c->root, "aud");
    const struct jwt_policy *p = c->policy;
    bool ours = false;

    if (iss && iss->type != JSON_STRING) {
        return outcome_of(bad(c, "iss", "a string"));
    }
    if (aud && check_strings(c, "aud", aud, true) != 0) {
        return AUTH_MALFORMED;
    }
    if (wanted(p->issuers) && (!iss || !listed(p->issuers, iss))) {
        errmsg_set(c->why, 0, "the token is not of an issuer that is known here");
        return AUTH_UNKNOWN;
    }
    if (!wanted(p->audiences)) {
        return AUTH_OK;
    }
    if (aud && aud->type == JSON_STRING) {
        ours = listed(p->audiences, aud);
    }
    for (const struct json_node *m = aud ? aud->child : NULL; m && !ours; m = m->next) {
        ours = listed(p->audiences, m);
    }
    if (!ours) {
        errmsg_set(c->why, 0, "the token is for another audience");
        return AUTH_UNKNOWN;
    }
    return AUTH_OK;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static enum auth_outcome check_times(struct claims *c, uint64_t now_ms)
{
    uint64_t leeway = c->policy->leeway_ms;

    if (c->has_exp && now_ms >= plus(c->exp, leeway)) {
        errmsg_set(c->why, 0, "the token has expired");
        return AUTH_EXPIRED;
    }
    if (c->has_nbf && plus(now_ms, leeway) < c->nbf) {
        errmsg_set(c->why, 0, "the token is not valid yet");
        return AUTH_NOT_YET;
    }
    if (c->has_iat && plus(now_ms, leeway) < c->iat) {
        errmsg_set(c->why, 0, "the token was issued in the future; compare the clocks");
        return AUTH_MALFORMED;
    }
    if (c->has_exp) {
        /* 0 would be for ever. */
        c->spec.expires_ms = c->exp > 0 ? c->exp : 1;
        c->spec.until_ms = plus(c->spec.expires_ms, leeway);
    }
    c->spec.issued_ms = c->has_iat ? c->iat : 0;
    return AUTH_OK;
}

static int read_root(struct claims *c, struct json_doc *doc, struct str text)
{
    /* A token's size bounds the nodes. */
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = JWT_MAX, .leave = "meta"};
    struct json_error error;
    char shown[NAME_SHOW_MAX];
    const struct json_node *twice;
    int rc = json_parse(doc, text, &limits, &c->root, &error);

    if (rc) {
        return rc == ERR_NOMEM ? rc
                               : errmsg_set(c->why, ERR_INVALID,
                                            "the token's claims are not JSON: %s", error.text);
    }
    if (c->root->type != JSON_OBJECT) {
        return errmsg_set(c->why, ERR_INVALID, "the token's claims are not a JSON object");
    }
    twice = json_duplicate(c->root);
    if (twice) {
        return errmsg_set(c->why, ERR_INVALID, "the token has %s twice",
                          name_show(twice->key, shown));
    }
    if (json_get(c->root, "channel")) {
        return errmsg_set(c->why, ERR_INVALID,
                          "the token has a channel claim: it is for one subscription, not for "
                          "connecting");
    }
    return 0;
}

static enum auth_outcome read_claims(struct claims *c, struct json_doc *doc, struct str text,
                                     uint64_t now_ms)
{
    int rc = read_root(c, doc, text);

    if (rc == 0) {
        rc = read_who(c);
    }
    if (rc == 0) {
        rc = read_times(c);
    }
    if (rc == 0) {
        rc = read_lists(c);
    }
    if (rc == 0) {
        rc = read_texts(c);
    }
    enum auth_outcome outcome = outcome_of(rc);
    if (outcome == AUTH_OK) {
        outcome = check_parties(c);
    }
    return outcome == AUTH_OK ? check_times(c, now_ms) : outcome;
}

enum auth_outcome claims_check(struct json_doc *doc, struct str claims,
                               const struct jwt_policy *policy, struct str basis, uint64_t now_ms,
                               struct grant **out, struct errmsg *why)
{
    struct claims c = {
        .policy = policy, .why = why, .spec = {.kind = GRANT_CLIENT, .basis = basis}};
    enum auth_outcome outcome = read_claims(&c, doc, claims, now_ms);

    if (outcome == AUTH_OK && grant_new(&c.spec, out) != 0) {
        outcome = AUTH_NOMEM;
    }
    if (outcome == AUTH_NOMEM) {
        errmsg_set(why, 0, "out of memory");
    }
    free(c.lists);
    free(c.texts);
    return outcome;
}
