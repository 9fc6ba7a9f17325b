/* jwt.h - tokens (RFC 7519) signed as compact JWS (RFC 7515), checked with OpenSSL's
 * libcrypto. Keys are bound to one algorithm each and come from configuration alone, never
 * from a token (RFC 8725). A key set is immutable and may be used by any thread. */
#ifndef FF_AUTH_JWT_H
#define FF_AUTH_JWT_H

#include "auth/auth.h"

/* Longer tokens are refused unread. */
#define JWT_MAX 8192

struct jwt_keys;

int jwt_keys_new(struct jwt_keys **out) FF_USE_RESULT;
void jwt_keys_free(struct jwt_keys *k); /* zeroes secrets */
unsigned jwt_keys_count(const struct jwt_keys *k);
/* Is the key that a grant of jwt_check stands on (its basis) among them? */
bool jwt_keys_have(const struct jwt_keys *k, struct str basis);
/* One `token-key` value: ALG[@KID]=FILE. ALG is exact. HS256/384/512: the file's bytes, without
 * one final newline, at least as long as the hash (RFC 7518 3.2), no PEM, and not readable for
 * everybody. RS*, PS* (2048 bits or more), ES256/384/512 (of the curve that belongs to it), EdDSA
 * (Ed25519): PEM of the public key, or of a certificate, of which nothing else counts. A private
 * key is refused. ERR_EXISTS: there is a key with this ALG and KID. The sentence names the file. */
int jwt_keys_add_file(struct jwt_keys *k, const char *spec, struct errmsg *why) FF_USE_RESULT;
/* A secret as it is, for HS256. */
int jwt_keys_add_secret(struct jwt_keys *k, struct str secret, struct errmsg *why) FF_USE_RESULT;
/* A JWKS file (RFC 7517): RSA, EC, OKP and, since it is a local file, oct (the file may then not
 * be readable for everybody). A key without `alg` is bound to the one that its type gives (RSA:
 * RS256, EC: by curve, OKP Ed25519: EdDSA; oct must have alg). What is for other things is left
 * out: unknown kty, crv or alg, `use` other than sig, `key_ops` without verify. All else fails
 * the load: members missing, twice or private, numbers that make no key, an alg that does not
 * fit, a kid twice for one alg; and a file without a usable key. Keys that stood before the bad
 * one stay in the set. */
int jwt_keys_add_jwks(struct jwt_keys *k, const char *path, struct errmsg *why) FF_USE_RESULT;

/* What claims are held against; borrowed. */
struct jwt_policy {
    const struct opt_list *issuers;   /* one of them, if any */
    const struct opt_list *audiences; /* one of them in aud, if any */
    uint64_t leeway_ms;
    unsigned max_channels; /* in each of the lists */
    uint64_t max_meta;     /* bytes of meta and of info, minified */
};

/* Signature, then claims: *out is a GRANT_CLIENT, or NULL. Pure but for memory. The header's kid
 * chooses the key, besides those of the algorithm that have none; without it all of the
 * algorithm are tried, at most 16. An exp past the year 9999 counts as its end. */
enum auth_outcome jwt_check(const struct jwt_keys *k, const struct jwt_policy *policy,
                            struct str token, uint64_t now_ms, struct grant **out,
                            struct errmsg *why) FF_USE_RESULT;

/* ---- for `fanfare token` ---- */

/* Signs claims (JSON text) with a private key or secret: ALG[@KID]=FILE, as above but PEM of
 * the private key. *out is allocated. */
int jwt_sign(const char *spec, struct str claims, char **out, struct errmsg *why) FF_USE_RESULT;
/* Makes a key in a new file that only its owner reads: for HS256/384/512 a random secret as text;
 * for the others the private key (PKCS #8, PEM; RSA has 3072 bits), and the public one in PATH.pub.
 * ERR_EXISTS: one of the files is there, and nothing was made. */
int jwt_keygen(const char *alg, const char *path, struct errmsg *why) FF_USE_RESULT;
/* Decoded header and claims, unchecked, as JSON text; allocated. */
int jwt_parts(struct str token, char **header, char **claims, struct errmsg *why) FF_USE_RESULT;

#endif
