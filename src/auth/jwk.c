#include "auth/jwk.h"

#include "auth/base64url.h"
#include "proto/name.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define MAX_FIELD 4096 /* digits: more than a number of 16384 bits has */

/* A member that must be there, as bytes. `out` has room for BASE64URL_BYTES(MAX_FIELD). */
static int read_bytes(const struct json_node *jwk, const char *name, unsigned char *out,
                      size_t *len, struct errmsg *why)
{
    const struct json_node *n = json_get(jwk, name);

    *len = 0;
    if (!n || n->type != JSON_STRING) {
        return errmsg_set(why, ERR_INVALID, "has no %s", name);
    }
    /* An escape would leave a copy of a secret in the parser. */
    if (n->text.len + 2 != n->raw.len || n->text.len == 0 || n->text.len > MAX_FIELD ||
        base64url_decode(n->text, out, len) != 0) {
        return errmsg_set(why, ERR_INVALID, "has %s that is not base64url without padding", name);
    }
    return 0;
}

/* ---- OpenSSL's keys ---- */

/* Builds the key of what was put in `bld`. Numbers that make no key: ERR_INVALID. */
static int from_data(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool good = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) == 1;

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return good ? 0 : jwt_crypto_failed(ERR_INVALID);
}

static int read_rsa(const struct json_node *jwk, EVP_PKEY **out, struct errmsg *why)
{
    unsigned char nb[BASE64URL_BYTES(MAX_FIELD)], eb[BASE64URL_BYTES(MAX_FIELD)];
    size_t nlen, elen;
    int rc = read_bytes(jwk, "n", nb, &nlen, why);

    if (rc == 0) {
        rc = read_bytes(jwk, "e", eb, &elen, why);
    }
    if (rc) {
        return rc;
    }
    BIGNUM *n = BN_bin2bn(nb, (int)nlen, NULL);
    BIGNUM *e = BN_bin2bn(eb, (int)elen, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (n && e && bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        rc = from_data("RSA", bld, out);
    } else {
        rc = jwt_crypto_failed(ERR_NOMEM);
    }
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);
    return rc ? errmsg_set(why, rc, "has an n and an e that make no RSA key") : 0;
}

static int read_point(const struct json_node *jwk, const struct jwt_alg *alg, unsigned char *to,
                      struct errmsg *why)
{
    static const char *const names[] = {"x", "y"};

    for (unsigned i = 0; i < 2; i++) {
        unsigned char bytes[BASE64URL_BYTES(MAX_FIELD)];
        size_t len;
        int rc = read_bytes(jwk, names[i], bytes, &len, why);

        if (rc) {
            return rc;
        }
        if (len != alg->size) {
            return errmsg_set(why, ERR_INVALID, "has %s of %zu bytes; %s has %zu", names[i], len,
                              alg->crv, alg->size);
        }
        memcpy(to + i * len, bytes, len);
    }
    return 0;
}

static int read_ec(const struct json_node *jwk, const struct jwt_alg *alg, EVP_PKEY **out,
                   struct errmsg *why)
{
    unsigned char point[1 + 2 * 66] = {4}; /* not compressed */
    int rc = read_point(jwk, alg, point + 1, why);
    OSSL_PARAM_BLD *bld;

    if (rc) {
        return rc;
    }
    bld = OSSL_PARAM_BLD_new();
    if (bld &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, alg->group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * alg->size) ==
            1) {
        rc = from_data("EC", bld, out);
    } else {
        rc = jwt_crypto_failed(ERR_NOMEM);
    }
    OSSL_PARAM_BLD_free(bld);
    return rc ? errmsg_set(why, rc, "has an x and a y that are no point of %s", alg->crv) : 0;
}

static int read_okp(const struct json_node *jwk, EVP_PKEY **out, struct errmsg *why)
{
    unsigned char x[BASE64URL_BYTES(MAX_FIELD)];
    size_t len;
    int rc = read_bytes(jwk, "x", x, &len, why);

    if (rc) {
        return rc;
    }
    if (len != 32) {
        return errmsg_set(why, ERR_INVALID, "has x of %zu bytes; Ed25519 has 32", len);
    }
    *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);
    return *out ? 0 : errmsg_set(why, jwt_crypto_failed(ERR_INVALID), "is no Ed25519 key");
}

/* ---- what it says of itself ---- */

enum kind { KIND_RSA, KIND_EC, KIND_OKP, KIND_OCT, KIND_OTHER };

static enum kind kind_of(struct str kty)
{
    static const char *const names[] = {"RSA", "EC", "OKP", "oct"};
    unsigned i = 0;

    while (i < KIND_OTHER && !str_eqz(kty, names[i])) {
        i++;
    }
    return (enum kind)i;
}

/* A string, or STR_NONE if it is not there. */
static int read_text(const struct json_node *jwk, const char *name, struct str *out,
                     struct errmsg *why)
{
    const struct json_node *n = json_get(jwk, name);

    *out = STR_NONE;
    if (n && (n->type != JSON_STRING || n->lone_surrogate || n->text.len == 0)) {
        return errmsg_set(why, ERR_INVALID, "has %s that is no string", name);
    }
    if (n) {
        *out = n->text;
    }
    return 0;
}

/* Is it meant for verifying signatures (RFC 7517 4.2, 4.3)? */
static int check_use(const struct json_node *jwk, bool *fits, struct errmsg *why)
{
    const struct json_node *ops = json_get(jwk, "key_ops");
    struct str use;
    int rc = read_text(jwk, "use", &use, why);

    if (rc == 0 && ops && ops->type != JSON_ARRAY) {
        rc = errmsg_set(why, ERR_INVALID, "has key_ops that is no array");
    }
    *fits = use.len == 0 || str_eqz(use, "sig");
    if (rc || !ops || !*fits) {
        return rc;
    }
    *fits = false;
    for (const struct json_node *n = ops->child; n; n = n->next) {
        *fits = *fits || (n->type == JSON_STRING && str_eqz(n->text, "verify"));
    }
    return 0;
}

static int check_private(const struct json_node *jwk, struct errmsg *why)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_get(jwk, names[i])) {
            return errmsg_set(why, ERR_INVALID,
                              "has the private member %s, which does not belong here; give the "
                              "public key alone",
                              names[i]);
        }
    }
    return 0;
}

static bool family_fits(enum kind kind, enum jwt_family family)
{
    switch (family) {
    case JWT_HMAC:
        return kind == KIND_OCT;
    case JWT_RSA:
    case JWT_PSS:
        return kind == KIND_RSA;
    case JWT_EC:
        return kind == KIND_EC;
    case JWT_EDDSA:
        return kind == KIND_OKP;
    }
    return false;
}

/* What its type gives; NULL: a curve of others. */
static int type_alg(const struct json_node *jwk, enum kind kind, const struct jwt_alg **out,
                    struct errmsg *why)
{
    struct str crv;
    int rc = 0;

    *out = NULL;
    if (kind == KIND_RSA) {
        *out = jwt_alg_find(STR_LIT("RS256"));
    } else if (kind != KIND_OCT) {
        rc = read_text(jwk, "crv", &crv, why);
        if (rc == 0 && crv.len == 0) {
            rc = errmsg_set(why, ERR_INVALID, "has no crv");
        }
        *out = rc ? NULL : jwt_alg_of_curve(kind == KIND_EC ? JWT_EC : JWT_EDDSA, crv);
    }
    return rc;
}

/* NULL: none that is known here. */
static int read_alg(const struct json_node *jwk, enum kind kind, const struct jwt_alg **out,
                    struct errmsg *why)
{
    const struct jwt_alg *by_type;
    struct str name;
    int rc = type_alg(jwk, kind, &by_type, why);

    if (rc == 0) {
        rc = read_text(jwk, "alg", &name, why);
    }
    if (rc) {
        return rc;
    }
    *out = by_type;
    if (name.len == 0) {
        return kind == KIND_OCT ? errmsg_set(why, ERR_INVALID, "has no alg, which oct needs") : 0;
    }
    *out = jwt_alg_find(name);
    if (!*out || (kind != KIND_OCT && !by_type)) {
        *out = NULL; /* RSA-OAEP, ES256K ... */
        return 0;
    }
    if (!family_fits(kind, (*out)->family) || ((*out)->crv && *out != by_type)) {
        return errmsg_set(why, ERR_INVALID, "has alg %s, which does not fit its kty or crv",
                          (*out)->name);
    }
    return 0;
}

static int make_secret(const struct json_node *jwk, const struct jwt_alg *alg, struct str kid,
                       struct jwt_key **out, struct errmsg *why)
{
    unsigned char k[BASE64URL_BYTES(MAX_FIELD)];
    struct errmsg inner;
    size_t len;
    int rc = read_bytes(jwk, "k", k, &len, why);

    if (rc) {
        return rc;
    }
    rc = jwt_key_new_secret(alg, kid, (struct str){(const char *)k, len}, out, &inner);
    OPENSSL_cleanse(k, sizeof(k));
    return rc ? errmsg_set(why, rc, "is refused: %s", inner.text) : 0;
}

static int make_public(const struct json_node *jwk, enum kind kind, const struct jwt_alg *alg,
                       struct str kid, struct jwt_key **out, struct errmsg *why)
{
    EVP_PKEY *pkey = NULL;
    struct errmsg inner;
    int rc;

    ERR_clear_error();
    if (kind == KIND_RSA) {
        rc = read_rsa(jwk, &pkey, why);
    } else if (kind == KIND_EC) {
        rc = read_ec(jwk, alg, &pkey, why);
    } else {
        rc = read_okp(jwk, &pkey, why);
    }
    if (rc) {
        EVP_PKEY_free(pkey);
        return rc;
    }
    rc = jwt_key_new_public(alg, kid, pkey, out, &inner);
    EVP_PKEY_free(pkey);
    ERR_clear_error(); /* what was got over inside */
    return rc ? errmsg_set(why, rc, "is refused: %s", inner.text) : 0;
}

static int read_kid(const struct json_node *jwk, struct str *out, struct errmsg *why)
{
    struct errmsg inner;
    int rc = read_text(jwk, "kid", out, why);

    if (rc == 0 && out->len > 0 && name_check_text("kid", *out, &inner) != 0) {
        rc = errmsg_set(why, ERR_INVALID, "is refused: %s", inner.text);
    }
    return rc;
}

int jwk_read(const struct json_node *jwk, struct jwt_key **out, struct errmsg *why)
{
    const struct jwt_alg *alg = NULL;
    struct str kty, kid;
    enum kind kind;
    bool fits = true;
    int rc;

    *out = NULL;
    if (jwk->type != JSON_OBJECT || json_duplicate(jwk)) {
        return errmsg_set(why, ERR_INVALID, "is no JSON object with each member once");
    }
    rc = read_text(jwk, "kty", &kty, why);
    if (rc || kty.len == 0) {
        return rc ? rc : errmsg_set(why, ERR_INVALID, "has no kty");
    }
    kind = kind_of(kty);
    if (kind == KIND_OTHER) {
        return 0;
    }
    rc = kind == KIND_OCT ? 0 : check_private(jwk, why);
    if (rc == 0) {
        rc = check_use(jwk, &fits, why);
    }
    if (rc == 0 && fits) {
        rc = read_alg(jwk, kind, &alg, why);
    }
    if (rc || !alg) {
        return rc;
    }
    rc = read_kid(jwk, &kid, why);
    if (rc) {
        return rc;
    }
    return kind == KIND_OCT ? make_secret(jwk, alg, kid, out, why)
                            : make_public(jwk, kind, alg, kid, out, why);
}
