/* A file with keys (RFC 7517 section 5). */
#include "auth/jwk.h"

#include "auth/slurp.h"

#include <sys/stat.h>

#define MAX_FILE (1024 * 1024)

struct file {
    const char *path;
    unsigned added;
};

static bool everybody_reads(const char *path)
{
    struct stat st;

    return stat(path, &st) != 0 || (st.st_mode & S_IROTH) != 0;
}

static int add_one(struct jwt_keys *k, struct file *f, const struct json_node *n,
                   struct errmsg *why)
{
    struct jwt_key *key;
    int rc = jwk_read(n, &key, why);

    if (rc || !key) {
        return rc;
    }
    if (key->alg->family == JWT_HMAC && everybody_reads(f->path)) {
        jwt_key_free(key);
        return errmsg_set(why, ERR_INVALID, "is a secret, and everybody may read it: chmod o-r");
    }
    f->added++;
    return jwt_keys_put(k, key, why);
}

/* The sentence says which key, but not in which file. */
static int add_all(struct jwt_keys *k, struct file *f, const struct json_node *root,
                   struct errmsg *why)
{
    const struct json_node *keys = json_get(root, "keys");
    struct errmsg inner;
    unsigned i = 0;

    if (json_duplicate(root) || !keys || keys->type != JSON_ARRAY) {
        return errmsg_set(why, ERR_INVALID, "is no key set: {\"keys\": [...]} is wanted");
    }
    for (const struct json_node *n = keys->child; n; n = n->next, i++) {
        int rc = add_one(k, f, n, &inner);

        if (rc) {
            return errmsg_set(why, rc, "keys[%u] %s%s", i,
                              rc == ERR_INVALID ? "" : "is refused: ", inner.text);
        }
    }
    if (f->added == 0) {
        return errmsg_set(why, ERR_INVALID, "has no key that can check tokens");
    }
    return 0;
}

static int add_text(struct jwt_keys *k, struct file *f, struct json_doc *doc, struct str text,
                    struct errmsg *why)
{
    /* Down to the members of key_ops. */
    static const struct json_limits limits = {.max_depth = 32, .tree_depth = 4, .max_nodes = 65536};
    const struct json_node *root;
    struct json_error error;
    int rc = json_parse(doc, text, &limits, &root, &error);

    if (rc == ERR_NOMEM) {
        return errmsg_set(why, rc, "cannot be read: out of memory");
    }
    if (rc) {
        return errmsg_set(why, ERR_INVALID, "is not JSON: byte %zu: %s", error.offset, error.text);
    }
    return add_all(k, f, root, why);
}

int jwt_keys_add_jwks(struct jwt_keys *k, const char *path, struct errmsg *why)
{
    static const struct slurp_rules rules = {MAX_FILE, S_IWOTH, "a file with keys"};
    char shown[SLURP_SHOWN];
    struct errmsg inner;
    struct file f = {.path = path};
    struct json_doc *doc;
    char *bytes;
    size_t len;
    int rc = slurp(path, &rules, &bytes, &len, why);

    if (rc) {
        return rc;
    }
    rc = json_doc_new(&doc);
    if (rc) {
        errmsg_set(&inner, rc, "cannot be read: out of memory");
    } else {
        rc = add_text(k, &f, doc, (struct str){bytes, len}, &inner);
        json_doc_free(doc);
    }
    slurp_free(bytes, len);
    return rc ? errmsg_set(why, rc, "%s: %s", slurp_shown(path, shown), inner.text) : 0;
}
