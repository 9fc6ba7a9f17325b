/* What `fanfare token` needs. */
#include "auth/jwt_spec.h"

#include "auth/base64url.h"
#include "auth/jwt_text.h"
#include "proto/json.h"

#include <stdlib.h>

/* The JSON text without white space; it must be an object. */
static int minified(struct str text, const char *what, char **out, struct errmsg *why)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 0, .max_nodes = 2};
    struct strbuf sb = STRBUF_INIT;
    const struct json_node *root;
    struct json_error error;
    struct json_doc *doc;
    int rc = json_doc_new(&doc);

    if (rc) {
        return errmsg_set(why, rc, "out of memory");
    }
    rc = json_parse(doc, text, &limits, &root, &error);
    if (rc && rc != ERR_NOMEM) {
        rc = errmsg_set(why, ERR_INVALID, "the %s not JSON: byte %zu: %s", what, error.offset,
                        error.text);
    } else if (rc == 0 && root->type != JSON_OBJECT) {
        rc = errmsg_set(why, ERR_INVALID, "the %s not a JSON object", what);
    } else if (rc == 0) {
        json_minify(&sb, root->raw);
        *out = strbuf_steal(&sb, NULL);
        rc = *out ? 0 : ERR_NOMEM;
    }
    json_doc_free(doc);
    return rc == ERR_NOMEM ? errmsg_set(why, rc, "out of memory") : rc;
}

static void add_part(struct strbuf *to, struct str bytes)
{
    size_t digits = BASE64URL_DIGITS(bytes.len);

    if (strbuf_reserve(to, digits) == 0) {
        base64url_encode(bytes.p, bytes.len, to->data + to->len);
        to->len += digits;
    }
}

static void add_header(struct strbuf *to, const struct jwt_spec *spec)
{
    struct strbuf h = STRBUF_INIT;

    strbuf_addf(&h, "{\"alg\":\"%s\",\"typ\":\"JWT\"", spec->alg->name);
    if (spec->kid.len > 0) {
        strbuf_adds(&h, ",\"kid\":");
        json_add_string(&h, spec->kid);
    }
    strbuf_addc(&h, '}');
    to->failed = to->failed || strbuf_failed(&h);
    add_part(to, strbuf_str(&h));
    strbuf_fini(&h);
}

static int sign(const struct jwt_spec *spec, const struct jwt_key *key, const char *claims,
                char **out, struct errmsg *why)
{
    struct strbuf token = STRBUF_INIT;
    unsigned char sig[JWT_MAX_SIGNATURE];
    size_t len;
    int rc = 0;

    add_header(&token, spec);
    strbuf_addc(&token, '.');
    add_part(&token, str_of(claims));
    if (!strbuf_failed(&token)) {
        rc = jwt_key_sign(key, strbuf_str(&token), sig, &len);
    }
    if (rc == 0 && !strbuf_failed(&token)) {
        strbuf_addc(&token, '.');
        add_part(&token, (struct str){(const char *)sig, len});
    }
    if (rc == 0 && token.len > JWT_MAX) {
        rc = errmsg_set(why, ERR_LIMIT, "the token would have %zu bytes; %d are taken", token.len,
                        JWT_MAX);
    } else if (rc == 0) {
        *out = strbuf_steal(&token, NULL);
        rc = *out ? 0 : errmsg_set(why, ERR_NOMEM, "out of memory");
    } else {
        errmsg_set(why, 0, "the key cannot sign");
    }
    strbuf_fini(&token);
    return rc;
}

int jwt_sign(const char *spec, struct str claims, char **out, struct errmsg *why)
{
    struct jwt_spec s;
    struct jwt_key *key = NULL;
    char *text = NULL;
    int rc = jwt_spec_read(spec, &s, why);

    if (rc == 0) {
        rc = jwt_spec_key(&s, true, &key, why);
    }
    if (rc == 0) {
        rc = minified(claims, "claims are", &text, why);
    }
    if (rc == 0) {
        rc = sign(&s, key, text, out, why);
    }
    free(text);
    jwt_key_free(key);
    return rc;
}

int jwt_parts(struct str token, char **header, char **claims, struct errmsg *why)
{
    struct jwt_text t;
    int rc = jwt_text_read(token, &t, why);

    if (rc == 0) {
        rc = minified(t.header, "header is", header, why);
    }
    if (rc) {
        return rc;
    }
    rc = minified(t.claims, "claims are", claims, why);
    if (rc) {
        free(*header);
        *header = NULL;
    }
    return rc;
}
