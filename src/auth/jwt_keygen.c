/* New keys, for `fanfare token`. */
#include "auth/jwt_key.h"

#include "auth/base64url.h"
#include "auth/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RSA_BITS 3072
#define MAX_SECRET 64

static int write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        if (n < 0 && errno != EINTR) {
            return ERR_SYSTEM;
        }
        bytes.p += n > 0 ? n : 0;
        bytes.len -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? 0 : ERR_SYSTEM;
}

/* A new file; a part of one does not stay. */
static int write_new(const char *path, mode_t mode, struct str bytes, struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode);
    int rc, error;

    slurp_shown(path, shown);
    if (fd < 0) {
        error = errno;
        return errmsg_set(why, error == EEXIST ? ERR_EXISTS : ERR_SYSTEM, "%s: cannot be made: %s",
                          shown, strerror(error));
    }
    rc = write_all(fd, bytes);
    error = errno;
    (void)close(fd);
    if (rc) {
        (void)unlink(path);
        return errmsg_set(why, rc, "%s: cannot be written: %s", shown, strerror(error));
    }
    return 0;
}

static int make_secret(const struct jwt_alg *alg, const char *path, struct errmsg *why)
{
    unsigned char bytes[MAX_SECRET];
    char text[BASE64URL_DIGITS(MAX_SECRET) + 1];
    int rc;

    if (RAND_priv_bytes(bytes, (int)alg->size) != 1) {
        return errmsg_set(why, jwt_crypto_failed(ERR_SYSTEM), "there is no randomness to be had");
    }
    base64url_encode(bytes, alg->size, text);
    size_t len = BASE64URL_DIGITS(alg->size);
    text[len] = '\n'; /* in place of the NUL */
    rc = write_new(path, 0600, (struct str){text, len + 1}, why);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    return rc;
}

static EVP_PKEY *new_pkey(const struct jwt_alg *alg)
{
    switch (alg->family) {
    case JWT_RSA:
    case JWT_PSS:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
    case JWT_EC:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", alg->group);
    case JWT_EDDSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case JWT_HMAC:
        break;
    }
    return NULL;
}

/* The text of either half; to be freed with BIO_free after zeroing. */
static int to_pem(EVP_PKEY *pkey, bool private, BIO **bio, struct str *out)
{
    char *bytes;
    long len;

    *bio = BIO_new(BIO_s_mem());
    if (!*bio || (private ? PEM_write_bio_PKCS8PrivateKey(*bio, pkey, NULL, NULL, 0, NULL, NULL)
                          : PEM_write_bio_PUBKEY(*bio, pkey)) != 1) {
        return jwt_crypto_failed(ERR_NOMEM);
    }
    len = BIO_get_mem_data(*bio, &bytes);
    *out = (struct str){bytes, (size_t)len};
    return 0;
}

static int write_half(EVP_PKEY *pkey, bool private, const char *path, struct errmsg *why)
{
    struct str text = STR_NONE;
    BIO *bio;
    int rc = to_pem(pkey, private, &bio, &text);

    if (rc) {
        errmsg_set(why, rc, "out of memory");
    } else {
        rc = write_new(path, private ? 0600 : 0644, text, why);
    }
    if (text.len > 0) {
        OPENSSL_cleanse((char *)(uintptr_t)text.p, text.len); /* the BIO's */
    }
    BIO_free(bio);
    return rc;
}

static int make_pair(const struct jwt_alg *alg, const char *path, const char *public_path,
                     struct errmsg *why)
{
    EVP_PKEY *pkey = new_pkey(alg);
    int rc;

    if (!pkey) {
        return errmsg_set(why, jwt_crypto_failed(ERR_SYSTEM), "the key cannot be made");
    }
    rc = write_half(pkey, true, path, why);
    if (rc == 0) {
        rc = write_half(pkey, false, public_path, why);
        if (rc) {
            (void)unlink(path); /* it is ours, and useless alone */
        }
    }
    EVP_PKEY_free(pkey);
    return rc;
}

int jwt_keygen(const char *alg, const char *path, struct errmsg *why)
{
    const struct jwt_alg *a = jwt_alg_find(str_of(alg));
    char *public_path;
    int rc;

    ERR_clear_error();
    if (!a) {
        return errmsg_set(why, ERR_INVALID,
                          "\"%.40s\" is no algorithm for tokens: HS256, RS256, PS256, ES256, the "
                          "same with 384 and 512, and EdDSA are",
                          alg);
    }
    if (a->family == JWT_HMAC) {
        return make_secret(a, path, why);
    }
    if (asprintf(&public_path, "%s.pub", path) < 0) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    rc = make_pair(a, path, public_path, why);
    free(public_path);
    return rc;
}
