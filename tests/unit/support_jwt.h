/* support_jwt.h - files with keys, tokens made to measure, and what comes of them. */
#ifndef FF_TEST_SUPPORT_JWT_H
#define FF_TEST_SUPPORT_JWT_H

#include "auth/base64url.h"
#include "auth/jwt_key.h"
#include "auth/jwt_spec.h"
#include "test_auth_jwt_vectors.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIG_NOW ((uint64_t)1800000000000) /* after the iat of Node's tokens, before their exp */

struct rig {
    char dir[32];
    char path[96]; /* of the last file */
    char spec[192];
    struct jwt_keys *keys;
    struct jwt_policy policy;
    struct errmsg why;
    struct grant *grant; /* of the last good token */
    char token[16384];
    EVP_PKEY *rsa, *rsa_other, *p256, *p384, *ed; /* as far as they were asked for */
};

static inline void rig_init(struct rig *g)
{
    memset(g, 0, sizeof(*g));
    strcpy(g->dir, "/tmp/fanfare-jwt-XXXXXX");
    cr_assert(mkdtemp(g->dir));
    cr_assert_eq(jwt_keys_new(&g->keys), 0);
    g->policy = (struct jwt_policy){.leeway_ms = 30000, .max_channels = 4, .max_meta = 64};
}

static inline void rig_clear(struct rig *g)
{
    grant_unref(g->grant);
    g->grant = NULL;
    jwt_keys_free(g->keys);
    cr_assert_eq(jwt_keys_new(&g->keys), 0);
}

static inline void rig_fini(struct rig *g)
{
    char path[128];
    EVP_PKEY *const pkeys[] = {g->rsa, g->rsa_other, g->p256, g->p384, g->ed};

    for (unsigned i = 0; i < sizeof(pkeys) / sizeof(pkeys[0]); i++) {
        EVP_PKEY_free(pkeys[i]);
    }
    snprintf(path, sizeof(path), "%s/key", g->dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/key.pub", g->dir);
    unlink(path);
    rmdir(g->dir);
    grant_unref(g->grant);
    jwt_keys_free(g->keys);
}

/* Writes the file; only the owner may read it. */
static inline const char *rig_file(struct rig *g, const void *bytes, size_t len)
{
    FILE *f;

    snprintf(g->path, sizeof(g->path), "%s/key", g->dir);
    unlink(g->path);
    f = fopen(g->path, "w");
    cr_assert(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    cr_assert_eq(chmod(g->path, 0600), 0);
    return g->path;
}

/* ALG[@KID] and a file with this content. */
static inline const char *rig_spec(struct rig *g, const char *alg, const char *content)
{
    rig_file(g, content, strlen(content));
    snprintf(g->spec, sizeof(g->spec), "%s=%s", alg, g->path);
    return g->spec;
}

static inline int rig_add(struct rig *g, const char *alg, const char *content)
{
    g->why.text[0] = '\0';
    return jwt_keys_add_file(g->keys, rig_spec(g, alg, content), &g->why);
}

static inline int rig_jwks(struct rig *g, const char *content)
{
    g->why.text[0] = '\0';
    return jwt_keys_add_jwks(g->keys, rig_file(g, content, strlen(content)), &g->why);
}

static inline char *rig_pem(EVP_PKEY *pkey, bool private, char out[4096])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n;

    cr_assert_eq(private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                         : PEM_write_bio_PUBKEY(bio, pkey),
                 1);
    n = BIO_read(bio, out, 4095);
    cr_assert_gt(n, 0);
    out[n] = '\0';
    BIO_free(bio);
    return out;
}

static inline int rig_add_public(struct rig *g, const char *alg, EVP_PKEY *pkey)
{
    char pem[4096];

    return rig_add(g, alg, rig_pem(pkey, false, pem));
}

/* ---- tokens ---- */

/* The three parts as they are. */
static inline struct str rig_join(struct rig *g, const char *header, const char *claims,
                                  const void *sig, size_t sig_len)
{
    char *to = g->token;

    base64url_encode(header, strlen(header), to);
    to += strlen(to);
    *to++ = '.';
    base64url_encode(claims, strlen(claims), to);
    to += strlen(to);
    *to++ = '.';
    base64url_encode(sig, sig_len, to);
    return str_of(g->token);
}

/* Signed, whatever header and claims say. */
static inline struct str rig_signed(struct rig *g, const char *header, const char *claims,
                                    const struct jwt_key *key)
{
    unsigned char sig[JWT_MAX_SIGNATURE];
    struct str part = rig_join(g, header, claims, "", 0);
    size_t len;

    cr_assert_eq(jwt_key_sign(key, (struct str){part.p, part.len - 1}, sig, &len), 0);
    return rig_join(g, header, claims, sig, len);
}

static inline struct str rig_by(struct rig *g, const char *header, const char *claims,
                                const char *alg, EVP_PKEY *pkey)
{
    struct jwt_key *key;

    cr_assert_eq(jwt_key_new_public(jwt_alg_find(str_of(alg)), STR_NONE, pkey, &key, NULL), 0);
    struct str token = rig_signed(g, header, claims, key);
    jwt_key_free(key);
    return token;
}

static inline struct str rig_hmac(struct rig *g, const char *header, const char *claims,
                                  struct str secret)
{
    unsigned char sig[EVP_MAX_MD_SIZE];
    struct str part = rig_join(g, header, claims, "", 0);
    size_t len;

    /* Not with jwt_key: that would not take a PEM file as the secret. */
    cr_assert(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret.p, secret.len,
                        (const unsigned char *)part.p, part.len - 1, sig, sizeof(sig), &len));
    return rig_join(g, header, claims, sig, len);
}

#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static inline enum auth_outcome rig_check(struct rig *g, struct str token)
{
    grant_unref(g->grant);
    g->grant = NULL;
    g->why.text[0] = '\0';
    enum auth_outcome outcome = jwt_check(g->keys, &g->policy, token, RIG_NOW, &g->grant, &g->why);
    cr_assert_eq(outcome == AUTH_OK, g->grant != NULL);
    cr_assert_neq(outcome == AUTH_OK, g->why.text[0] != '\0', "%s", g->why.text);
    cr_assert_eq(ERR_peek_error(), 0ul, "something is left in OpenSSL's list");
    return outcome;
}

/* With the secret of Node's vectors, which must be a key: claims alone. */
static inline enum auth_outcome rig_claims(struct rig *g, const char *claims)
{
    return rig_check(g, rig_hmac(g, HS256, claims, STR_LIT(NODE_SECRET)));
}

#endif
