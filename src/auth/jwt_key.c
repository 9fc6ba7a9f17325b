#include "auth/jwt_key.h"

#include <nettle/sha2.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct jwt_alg algs[] = {
    {"HS256", JWT_HMAC, "SHA256", 32, NULL, NULL},
    {"HS384", JWT_HMAC, "SHA384", 48, NULL, NULL},
    {"HS512", JWT_HMAC, "SHA512", 64, NULL, NULL},
    {"RS256", JWT_RSA, "SHA256", 0, NULL, NULL},
    {"RS384", JWT_RSA, "SHA384", 0, NULL, NULL},
    {"RS512", JWT_RSA, "SHA512", 0, NULL, NULL},
    {"PS256", JWT_PSS, "SHA256", 0, NULL, NULL},
    {"PS384", JWT_PSS, "SHA384", 0, NULL, NULL},
    {"PS512", JWT_PSS, "SHA512", 0, NULL, NULL},
    {"ES256", JWT_EC, "SHA256", 32, "prime256v1", "P-256"},
    {"ES384", JWT_EC, "SHA384", 48, "secp384r1", "P-384"},
    {"ES512", JWT_EC, "SHA512", 66, "secp521r1", "P-521"},
    {"EdDSA", JWT_EDDSA, NULL, 0, NULL, "Ed25519"},
};
#define NALGS (sizeof(algs) / sizeof(algs[0]))

const struct jwt_alg *jwt_alg_find(struct str name)
{
    for (size_t i = 0; i < NALGS; i++) {
        if (str_eqz(name, algs[i].name)) {
            return &algs[i];
        }
    }
    return NULL;
}

const struct jwt_alg *jwt_alg_of_curve(enum jwt_family family, struct str crv)
{
    for (size_t i = 0; i < NALGS; i++) {
        if (algs[i].family == family && algs[i].crv && str_eqz(crv, algs[i].crv)) {
            return &algs[i];
        }
    }
    return NULL;
}

int jwt_crypto_failed(int code)
{
    unsigned long e;

    while ((e = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE) {
            code = ERR_NOMEM;
        }
    }
    ERR_clear_error(); /* the texts of the errors, too */
    return code;
}

/* ---- what a public key must be ---- */

static int check_rsa(const struct jwt_alg *alg, const EVP_PKEY *pkey, struct errmsg *why)
{
    bool fits =
        EVP_PKEY_is_a(pkey, "RSA") || (alg->family == JWT_PSS && EVP_PKEY_is_a(pkey, "RSA-PSS"));

    if (!fits) {
        return errmsg_set(why, ERR_INVALID, "this is no RSA key, which %s needs", alg->name);
    }
    if (EVP_PKEY_get_bits(pkey) < JWT_MIN_RSA_BITS) {
        return errmsg_set(why, ERR_INVALID, "the RSA key has %d bits; at least %d are needed",
                          EVP_PKEY_get_bits(pkey), JWT_MIN_RSA_BITS);
    }
    return 0;
}

static int check_ec(const struct jwt_alg *alg, const EVP_PKEY *pkey, struct errmsg *why)
{
    char group[80];
    size_t len;

    if (!EVP_PKEY_is_a(pkey, "EC")) {
        return errmsg_set(why, ERR_INVALID, "this is no EC key, which %s needs", alg->name);
    }
    /* A curve given by its numbers has no name, and is refused. */
    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1 ||
        strcmp(group, alg->group) != 0) {
        return errmsg_set(why, ERR_INVALID, "the key is not of curve %s, which %s needs", alg->crv,
                          alg->name);
    }
    return 0;
}

static int check_kind(const struct jwt_alg *alg, const EVP_PKEY *pkey, struct errmsg *why)
{
    switch (alg->family) {
    case JWT_RSA:
    case JWT_PSS:
        return check_rsa(alg, pkey, why);
    case JWT_EC:
        return check_ec(alg, pkey, why);
    case JWT_EDDSA:
        if (EVP_PKEY_is_a(pkey, "ED25519")) {
            return 0;
        }
        return errmsg_set(why, ERR_INVALID, "this is no Ed25519 key, which %s needs", alg->name);
    case JWT_HMAC:
        break;
    }
    return errmsg_set(why, ERR_INVALID, "%s needs a secret, not a public key", alg->name);
}

/* Numbers that no key maker makes: an even exponent, or 1; a point off the curve. */
static int check_numbers(EVP_PKEY *pkey, struct errmsg *why)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    int good = ctx ? EVP_PKEY_public_check(ctx) : 0;

    EVP_PKEY_CTX_free(ctx);
    if (good == 1) {
        return 0;
    }
    return errmsg_set(why, jwt_crypto_failed(ERR_INVALID), "the key is not valid");
}

/* ---- signing and verifying ---- */

typedef int init_fn(EVP_MD_CTX *ctx, EVP_PKEY_CTX **pctx, const char *digest, OSSL_LIB_CTX *lib,
                    const char *props, EVP_PKEY *pkey, const OSSL_PARAM params[]);

/* EVP_DigestVerifyInit_ex or EVP_DigestSignInit_ex. */
static int begin(const struct jwt_alg *alg, EVP_PKEY *pkey, init_fn *init, EVP_MD_CTX **out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool good = ctx && init(ctx, &pctx, alg->digest, NULL, NULL, pkey, NULL) == 1;

    if (good && alg->family == JWT_RSA) {
        good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) == 1;
    }
    if (good && alg->family == JWT_PSS) {
        good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    if (!good) {
        EVP_MD_CTX_free(ctx);
        return jwt_crypto_failed(ERR_INVALID);
    }
    *out = ctx;
    return 0;
}

/* r and s side by side (RFC 7518 3.4) as the DER that OpenSSL wants; allocated. */
static int to_der(size_t size, struct str sig, unsigned char **der, int *len)
{
    const unsigned char *p = (const unsigned char *)sig.p;
    BIGNUM *r = BN_bin2bn(p, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(p + size, (int)size, NULL);
    ECDSA_SIG *both = ECDSA_SIG_new();

    *der = NULL;
    if (!r || !s || !both) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(both);
        return jwt_crypto_failed(ERR_NOMEM);
    }
    (void)ECDSA_SIG_set0(both, r, s); /* fails for NULL only; owns them now */
    *len = i2d_ECDSA_SIG(both, der);
    ECDSA_SIG_free(both);
    return *len > 0 ? 0 : jwt_crypto_failed(ERR_NOMEM);
}

static int verify_public(const struct jwt_key *key, struct str text, struct str sig)
{
    const unsigned char *bytes = (const unsigned char *)sig.p;
    unsigned char *der = NULL;
    EVP_MD_CTX *ctx = NULL;
    int rc = 0, der_len = 0;

    if (key->alg->family == JWT_EC) {
        /* The size is exact, or one signature would have several forms. */
        if (sig.len != 2 * key->alg->size) {
            return ERR_INVALID;
        }
        rc = to_der(key->alg->size, sig, &der, &der_len);
    }
    if (rc == 0) {
        rc = begin(key->alg, key->pkey, EVP_DigestVerifyInit_ex, &ctx);
    }
    if (rc == 0 && EVP_DigestVerify(ctx, der ? der : bytes, der ? (size_t)der_len : sig.len,
                                    (const unsigned char *)text.p, text.len) != 1) {
        rc = jwt_crypto_failed(ERR_INVALID);
    }
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    return rc;
}

static int authenticate(const struct jwt_key *key, struct str text,
                        unsigned char out[EVP_MAX_MD_SIZE], size_t *len)
{
    EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(key->mac);
    bool good = mac && EVP_MAC_update(mac, (const unsigned char *)text.p, text.len) == 1 &&
                EVP_MAC_final(mac, out, len, EVP_MAX_MD_SIZE) == 1;

    EVP_MAC_CTX_free(mac);
    if (!good) {
        (void)jwt_crypto_failed(ERR_NOMEM);
        return ERR_NOMEM; /* nothing else can fail here */
    }
    return 0;
}

static int verify_mac(const struct jwt_key *key, struct str text, struct str sig)
{
    unsigned char want[EVP_MAX_MD_SIZE];
    size_t len;
    int rc = authenticate(key, text, want, &len);

    if (rc) {
        return rc;
    }
    rc = sig.len == len && CRYPTO_memcmp(want, sig.p, len) == 0 ? 0 : ERR_INVALID;
    OPENSSL_cleanse(want, sizeof(want)); /* with it one could forge the token */
    return rc;
}

int jwt_key_verify(const struct jwt_key *key, struct str text, struct str sig)
{
    int rc;

    ERR_clear_error(); /* what others left is not ours */
    rc = key->mac ? verify_mac(key, text, sig) : verify_public(key, text, sig);
    ERR_clear_error(); /* what was got over inside */
    return rc;
}

static int from_der(size_t size, const unsigned char *der, size_t der_len, unsigned char *sig)
{
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    bool good = both && BN_bn2binpad(ECDSA_SIG_get0_r(both), sig, (int)size) == (int)size &&
                BN_bn2binpad(ECDSA_SIG_get0_s(both), sig + size, (int)size) == (int)size;

    ECDSA_SIG_free(both);
    return good ? 0 : jwt_crypto_failed(ERR_INVALID);
}

int jwt_key_sign(const struct jwt_key *key, struct str text, unsigned char sig[JWT_MAX_SIGNATURE],
                 size_t *len)
{
    unsigned char der[JWT_MAX_SIGNATURE];
    EVP_MD_CTX *ctx;
    int rc;

    ERR_clear_error();
    if (key->mac) {
        return authenticate(key, text, sig, len);
    }
    rc = begin(key->alg, key->pkey, EVP_DigestSignInit_ex, &ctx);
    if (rc) {
        return rc;
    }
    *len = sizeof(der);
    if (EVP_DigestSign(ctx, der, len, (const unsigned char *)text.p, text.len) != 1) {
        rc = jwt_crypto_failed(ERR_INVALID);
    } else if (key->alg->family == JWT_EC) {
        rc = from_der(key->alg->size, der, *len, sig);
        *len = 2 * key->alg->size;
    } else {
        memcpy(sig, der, *len);
    }
    EVP_MD_CTX_free(ctx);
    return rc;
}

/* ---- making one ---- */

static int key_new(const struct jwt_alg *alg, struct str kid, struct jwt_key **out)
{
    struct jwt_key *key = calloc(1, sizeof(*key));

    if (key && kid.len > 0) {
        key->kid = strndup(kid.p, kid.len);
    }
    if (!key || (kid.len > 0 && !key->kid)) {
        free(key);
        return ERR_NOMEM;
    }
    key->alg = alg;
    *out = key;
    return 0;
}

/* The numbers that make a public key, one behind the other. */
static size_t public_numbers(const struct jwt_key *key, unsigned char out[JWT_MAX_SIGNATURE])
{
    BIGNUM *n = NULL;
    size_t len = JWT_MAX_SIGNATURE;
    int ok = 0;

    switch (key->alg->family) {
    case JWT_RSA:
    case JWT_PSS: /* the modulus alone tells them apart */
        ok = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) &&
             BN_num_bytes(n) <= JWT_MAX_SIGNATURE;
        len = ok ? (size_t)BN_bn2bin(n, out) : 0;
        BN_free(n);
        break;
    case JWT_EC:
        ok = EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, out,
                                             JWT_MAX_SIGNATURE, &len);
        break;
    case JWT_EDDSA:
        ok = EVP_PKEY_get_raw_public_key(key->pkey, out, &len);
        break;
    case JWT_HMAC:
        break;
    }
    return ok ? len : 0;
}

/* A public key by the hash of its numbers, a secret by what it makes of a fixed text. */
static int identify(struct jwt_key *key)
{
    unsigned char bytes[JWT_MAX_SIGNATURE];
    struct sha256_ctx ctx;
    size_t len = 0;
    int rc;

    if (!key->pkey) {
        rc = jwt_key_sign(key, STR_LIT("fanfare: which key is this?"), bytes, &len);
        if (rc == 0) {
            memcpy(key->id, bytes, sizeof(key->id)); /* a hash has at least as many bytes */
        }
        return rc;
    }
    len = public_numbers(key, bytes);
    if (len == 0) {
        return jwt_crypto_failed(ERR_NOMEM);
    }
    sha256_init(&ctx);
    sha256_update(&ctx, strlen(key->alg->name) + 1, (const uint8_t *)key->alg->name);
    sha256_update(&ctx, len, bytes);
    sha256_digest(&ctx, sizeof(key->id), key->id);
    return 0;
}

int jwt_key_new_public(const struct jwt_alg *alg, struct str kid, EVP_PKEY *pkey,
                       struct jwt_key **out, struct errmsg *why)
{
    EVP_MD_CTX *ctx;
    struct jwt_key *key;
    int rc = check_kind(alg, pkey, why);

    if (rc == 0) {
        rc = check_numbers(pkey, why);
    }
    if (rc) {
        return rc;
    }
    /* A key may itself be bound to another hash (RSASSA-PSS). */
    rc = begin(alg, pkey, EVP_DigestVerifyInit_ex, &ctx);
    if (rc) {
        return errmsg_set(why, rc, "the key cannot be used with %s", alg->name);
    }
    EVP_MD_CTX_free(ctx);
    rc = key_new(alg, kid, &key);
    if (rc) {
        return errmsg_set(why, rc, "out of memory");
    }
    (void)EVP_PKEY_up_ref(pkey);
    key->pkey = pkey;
    rc = identify(key);
    if (rc) {
        jwt_key_free(key);
        return errmsg_set(why, rc, "out of memory");
    }
    *out = key;
    return 0;
}

static int set_secret(struct jwt_key *key, struct str secret)
{
    char digest[16]; /* OSSL_PARAM is not const */
    OSSL_PARAM params[2];
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    snprintf(digest, sizeof(digest), "%s", key->alg->digest);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[1] = OSSL_PARAM_construct_end();
    key->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (!key->mac ||
        EVP_MAC_init(key->mac, (const unsigned char *)secret.p, secret.len, params) != 1) {
        return jwt_crypto_failed(ERR_NOMEM);
    }
    return 0;
}

int jwt_key_new_secret(const struct jwt_alg *alg, struct str kid, struct str secret,
                       struct jwt_key **out, struct errmsg *why)
{
    static const char pem[] = "-----BEGIN ";
    struct jwt_key *key = NULL;
    int rc;

    if (alg->family != JWT_HMAC) {
        return errmsg_set(why, ERR_INVALID, "%s needs a public key, not a secret", alg->name);
    }
    if (secret.len < alg->size) {
        return errmsg_set(why, ERR_INVALID,
                          "the secret has %zu bytes; %s needs at least %zu, from a random source",
                          secret.len, alg->name, alg->size);
    }
    /* A public key is no secret: whoever has it could sign. */
    if (memmem(secret.p, secret.len, pem, sizeof(pem) - 1)) {
        return errmsg_set(why, ERR_INVALID,
                          "this is a PEM file, not a secret, which %s needs; for a public key name "
                          "RS256, PS256, ES256 or EdDSA",
                          alg->name);
    }
    rc = key_new(alg, kid, &key);
    if (rc == 0) {
        rc = set_secret(key, secret);
    }
    if (rc == 0) {
        rc = identify(key);
    }
    if (rc) {
        jwt_key_free(key);
        return errmsg_set(why, rc, "out of memory");
    }
    *out = key;
    return 0;
}

void jwt_key_free(struct jwt_key *key)
{
    if (key) {
        EVP_PKEY_free(key->pkey);
        EVP_MAC_CTX_free(key->mac); /* zeroes it */
        free(key->kid);
        free(key);
    }
}
