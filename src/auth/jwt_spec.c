#include "auth/jwt_spec.h"

#include "auth/jwt_pem.h"
#include "auth/secretfile.h"
#include "auth/slurp.h"
#include "proto/name.h"

#include <sys/stat.h>

#define MAX_KEY_FILE 65536

int jwt_spec_read(const char *text, struct jwt_spec *out, struct errmsg *why)
{
    const char *equals = strchr(text, '=');
    struct str left = {text, equals ? (size_t)(equals - text) : 0};
    const char *at = left.len ? memchr(left.p, '@', left.len) : NULL;
    struct str alg = {left.p, at ? (size_t)(at - left.p) : left.len};

    if (!equals || equals[1] == '\0') {
        return errmsg_set(why, ERR_INVALID,
                          "ALG[@KID]=FILE is wanted, such as RS256@2027=/etc/fanfare/token.pem");
    }
    out->kid = at ? (struct str){at + 1, left.len - alg.len - 1} : STR_NONE;
    out->path = equals + 1;
    out->alg = jwt_alg_find(alg);
    if (!out->alg) {
        char shown[NAME_SHOW_MAX];
        return errmsg_set(why, ERR_INVALID,
                          "\"%s\" is no algorithm for tokens: HS256, RS256, PS256, ES256, the same "
                          "with 384 and 512, and EdDSA are",
                          name_show(alg, shown));
    }
    return at ? name_check_text("kid", out->kid, why) : 0;
}

static int pem_key(const struct jwt_spec *spec, struct str bytes, bool sign, struct jwt_key **out,
                   struct errmsg *why)
{
    EVP_PKEY *pkey;
    int rc = sign ? jwt_pem_private(bytes, &pkey, why) : jwt_pem_public(bytes, &pkey, why);

    if (rc) {
        return rc;
    }
    rc = jwt_key_new_public(spec->alg, spec->kid, pkey, out, why);
    EVP_PKEY_free(pkey);
    return rc;
}

static int named(const struct jwt_spec *spec, int rc, const struct errmsg *inner,
                 struct errmsg *why)
{
    char shown[SLURP_SHOWN];

    return rc ? errmsg_set(why, rc, "%s: %s", slurp_shown(spec->path, shown), inner->text) : 0;
}

/* A secret, or a private key. */
static int secret_key(const struct jwt_spec *spec, struct jwt_key **out, struct errmsg *why)
{
    struct errmsg inner;
    char *bytes;
    size_t len;
    int rc = secretfile_read(spec->path, &bytes, &len, why);

    if (rc) {
        return rc;
    }
    struct str text = {bytes, len};
    if (spec->alg->family == JWT_HMAC) {
        rc = jwt_key_new_secret(spec->alg, spec->kid, text, out, &inner);
    } else {
        rc = pem_key(spec, text, true, out, &inner);
    }
    secretfile_free(bytes, len);
    return named(spec, rc, &inner, why);
}

static int public_key(const struct jwt_spec *spec, struct jwt_key **out, struct errmsg *why)
{
    /* Whoever puts a key there may sign. */
    static const struct slurp_rules rules = {MAX_KEY_FILE, S_IWOTH, "a file with a key"};
    struct errmsg inner;
    char *bytes;
    size_t len;
    int rc = slurp(spec->path, &rules, &bytes, &len, why);

    if (rc) {
        return rc;
    }
    rc = pem_key(spec, (struct str){bytes, len}, false, out, &inner);
    slurp_free(bytes, len);
    return named(spec, rc, &inner, why);
}

int jwt_spec_key(const struct jwt_spec *spec, bool sign, struct jwt_key **out, struct errmsg *why)
{
    bool secret = sign || spec->alg->family == JWT_HMAC;

    return secret ? secret_key(spec, out, why) : public_key(spec, out, why);
}
