/* jwt_key.h - a key that signs tokens, bound to one algorithm for good; and the
 * two things that are done with it. Private to the jwt files. */
#ifndef FF_AUTH_JWT_KEY_H
#define FF_AUTH_JWT_KEY_H

#include "auth/jwt.h"
#include "auth/openssl.h"
#include "base/err.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <stdbool.h>

enum jwt_family {
    JWT_HMAC,
    JWT_RSA,  /* RSASSA-PKCS1-v1_5 */
    JWT_PSS,  /* RSASSA-PSS */
    JWT_EC,   /* ECDSA, the curve belongs to the algorithm */
    JWT_EDDSA /* Ed25519 */
};

/* RFC 7518 3.1 and RFC 8037 3.1. */
struct jwt_alg {
    const char *name;
    enum jwt_family family;
    const char *digest; /* for OpenSSL; NULL: part of the algorithm */
    size_t size;        /* HMAC: bytes of the hash; ECDSA: bytes of r and of s */
    const char *group;  /* ECDSA: OpenSSL's name of the curve */
    const char *crv;    /* ECDSA, EdDSA: the name in a JWK */
};

/* The name is compared exactly. NULL: not one of ours, as `none` is not. */
const struct jwt_alg *jwt_alg_find(struct str name);
/* The algorithm that the curve of a JWK belongs to, or NULL. */
const struct jwt_alg *jwt_alg_of_curve(enum jwt_family family, struct str crv);

#define JWT_MIN_RSA_BITS 2048
#define JWT_MAX_SIGNATURE 2048 /* bytes: RSA with 16384 bits, all that OpenSSL takes */

#define JWT_KEY_ID 32

struct jwt_key {
    const struct jwt_alg *alg;
    char *kid;                    /* NULL: none */
    EVP_PKEY *pkey;               /* NULL for HMAC */
    EVP_MAC_CTX *mac;             /* HMAC only: with the secret; copied for each use */
    unsigned char id[JWT_KEY_ID]; /* tells it from any other; says nothing of a secret */
};

/* Takes over nothing: `pkey` is counted up. ERR_INVALID if the key is not of the
 * algorithm's kind, is too short or no good; ERR_NOMEM. `kid` may be STR_NONE. Of a
 * private key the public half is looked at. */
int jwt_key_new_public(const struct jwt_alg *alg, struct str kid, EVP_PKEY *pkey,
                       struct jwt_key **out, struct errmsg *why) FF_USE_RESULT;
/* A secret, which is not kept but in OpenSSL's context. */
int jwt_key_new_secret(const struct jwt_alg *alg, struct str kid, struct str secret,
                       struct jwt_key **out, struct errmsg *why) FF_USE_RESULT;
void jwt_key_free(struct jwt_key *key); /* NULL is fine */

/* 0: the signature is right. ERR_INVALID: it is not. ERR_NOMEM. */
int jwt_key_verify(const struct jwt_key *key, struct str text, struct str sig) FF_USE_RESULT;
/* ERR_INVALID if the key cannot sign. */
int jwt_key_sign(const struct jwt_key *key, struct str text, unsigned char sig[JWT_MAX_SIGNATURE],
                 size_t *len) FF_USE_RESULT;

/* After a failed call of OpenSSL: empties its list of errors; ERR_NOMEM if memory was
 * one of them, else `code`. */
int jwt_crypto_failed(int code);

/* ---- a set ---- */

/* Takes the key over, also on failure: ERR_EXISTS if there is one with this algorithm and
 * kid, ERR_LIMIT, ERR_NOMEM. */
int jwt_keys_put(struct jwt_keys *k, struct jwt_key *key, struct errmsg *why) FF_USE_RESULT;

/* As many are tried for one token, which anybody can send. */
#define JWT_MAX_TRIES 4
/* The keys of the algorithm that may have signed: with a kid those of that kid and those
 * without one, else all of them. The number that there are, which may be above
 * JWT_MAX_TRIES. */
unsigned jwt_keys_pick(const struct jwt_keys *k, const struct jwt_alg *alg, const struct str *kid,
                       const struct jwt_key *picked[JWT_MAX_TRIES]);

#endif
