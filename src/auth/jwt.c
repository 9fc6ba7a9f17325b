#include "auth/jwt.h"

#include "auth/claims.h"
#include "auth/jwt_key.h"
#include "auth/jwt_text.h"
#include "proto/json.h"

#include <strings.h>

struct header {
    const struct jwt_alg *alg;
    struct str kid;
    bool has_kid;
};

static enum auth_outcome malformed(struct errmsg *why, const char *text)
{
    errmsg_set(why, 0, "%s", text);
    return AUTH_MALFORMED;
}

static enum auth_outcome no_memory(struct errmsg *why)
{
    errmsg_set(why, 0, "out of memory");
    return AUTH_NOMEM;
}

static bool is_type(const struct json_node *n, const char *type)
{
    return n->text.len == strlen(type) && strncasecmp(n->text.p, type, n->text.len) == 0;
}

/* Keys in the header (jwk, jku, x5c ...) are not looked at. */
static enum auth_outcome check_header(const struct json_node *root, struct header *out,
                                      struct errmsg *why)
{
    const struct json_node *alg = json_get(root, "alg");
    const struct json_node *typ = json_get(root, "typ");
    const struct json_node *kid = json_get(root, "kid");

    if (root->type != JSON_OBJECT || json_duplicate(root)) {
        return malformed(why, "the token's header is not a JSON object with each member once");
    }
    if (json_get(root, "crit")) {
        return malformed(why, "the token's header has crit, and no extension is known here");
    }
    if (typ && (typ->type != JSON_STRING || (!is_type(typ, "JWT") && !is_type(typ, "at+jwt")))) {
        return malformed(why, "the token's typ is neither JWT nor at+jwt");
    }
    if (kid && (kid->type != JSON_STRING || kid->lone_surrogate)) {
        return malformed(why, "the token's kid is no string");
    }
    out->alg = alg && alg->type == JSON_STRING ? jwt_alg_find(alg->text) : NULL;
    if (!out->alg) {
        return malformed(why, "the token's alg is none that may sign tokens");
    }
    out->has_kid = kid != NULL;
    out->kid = kid ? kid->text : STR_NONE;
    return AUTH_OK;
}

static enum auth_outcome read_header(struct json_doc *doc, struct str text, struct header *out,
                                     struct errmsg *why)
{
    static const struct json_limits limits = {.max_depth = 16, .tree_depth = 1, .max_nodes = 64};
    const struct json_node *root;
    struct json_error error;
    int rc = json_parse(doc, text, &limits, &root, &error);

    if (rc) {
        return rc == ERR_NOMEM ? no_memory(why) : malformed(why, "the token's header is not JSON");
    }
    return check_header(root, out, why);
}

static enum auth_outcome check_signature(const struct jwt_keys *k, const struct header *h,
                                         const struct jwt_text *t, struct str *basis,
                                         struct errmsg *why)
{
    const struct jwt_key *keys[JWT_MAX_TRIES];
    unsigned n = jwt_keys_pick(k, h->alg, h->has_kid ? &h->kid : NULL, keys);

    if (n == 0) {
        errmsg_set(why, 0, "there is no %s key%s to check the token with", h->alg->name,
                   h->has_kid ? " with its kid" : "");
        return AUTH_UNKNOWN;
    }
    if (n > JWT_MAX_TRIES) {
        errmsg_set(why, 0, "the token needs a kid: there are more than %d %s keys", JWT_MAX_TRIES,
                   h->alg->name);
        return AUTH_UNKNOWN;
    }
    for (unsigned i = 0; i < n; i++) {
        int rc = jwt_key_verify(keys[i], t->signed_part, t->sig);

        if (rc == 0) {
            *basis = (struct str){(const char *)keys[i]->id, JWT_KEY_ID};
            return AUTH_OK;
        }
        if (rc == ERR_NOMEM) {
            return no_memory(why);
        }
    }
    errmsg_set(why, 0, "the token's signature is wrong");
    return AUTH_FORGED;
}

enum auth_outcome jwt_check(const struct jwt_keys *k, const struct jwt_policy *policy,
                            struct str token, uint64_t now_ms, struct grant **out,
                            struct errmsg *why)
{
    struct jwt_text t;
    struct header h;
    struct json_doc *doc;
    struct str basis = STR_NONE;
    enum auth_outcome outcome;

    *out = NULL;
    if (jwt_text_read(token, &t, why) != 0) {
        return AUTH_MALFORMED;
    }
    if (json_doc_new(&doc) != 0) {
        return no_memory(why);
    }
    outcome = read_header(doc, t.header, &h, why);
    if (outcome == AUTH_OK) {
        /* Before the next parse: the kid is in the tree. */
        outcome = check_signature(k, &h, &t, &basis, why);
    }
    if (outcome == AUTH_OK) {
        outcome = claims_check(doc, t.claims, policy, basis, now_ms, out, why);
    }
    json_doc_free(doc);
    return outcome;
}
