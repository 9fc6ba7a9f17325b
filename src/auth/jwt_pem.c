#include "auth/jwt_pem.h"

#include "auth/jwt_key.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static bool is_certificate(const char *name)
{
    return strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0;
}

static EVP_PKEY *of_certificate(const unsigned char **at, long len)
{
    X509 *cert = d2i_X509(NULL, at, len);
    EVP_PKEY *pkey = X509_get_pubkey(cert); /* takes NULL */

    X509_free(cert);
    return pkey;
}

/* One block of the file. Blocks of other kinds are passed over. */
static int take_block(const char *name, const unsigned char *der, long len, EVP_PKEY **out,
                      struct errmsg *why)
{
    const unsigned char *at = der;
    EVP_PKEY *pkey;

    if (strstr(name, "PRIVATE KEY")) {
        return errmsg_set(why, ERR_INVALID,
                          "a private key is in it, which does not belong here; make the public one "
                          "with: openssl pkey -pubout -in FILE");
    }
    if (is_certificate(name)) {
        if (*out) {
            return 0; /* the rest of a chain */
        }
        pkey = of_certificate(&at, len);
    } else if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        pkey = d2i_PUBKEY(NULL, &at, len);
    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, len);
    } else {
        return 0;
    }
    if (!pkey || at != der + len) {
        EVP_PKEY_free(pkey);
        return errmsg_set(why, jwt_crypto_failed(ERR_INVALID), "the %.40s in it cannot be read",
                          name);
    }
    if (*out) {
        EVP_PKEY_free(pkey);
        return errmsg_set(why, ERR_INVALID, "there is more than one key in it");
    }
    *out = pkey;
    return 0;
}

/* 0 with *name NULL at the end. */
static int next_block(BIO *bio, char **name, unsigned char **der, long *len, struct errmsg *why)
{
    char *header = NULL;

    *name = NULL;
    if (PEM_read_bio(bio, name, &header, der, len) == 1) {
        OPENSSL_free(header);
        return 0;
    }
    *name = NULL;
    unsigned long e = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    int rc = jwt_crypto_failed(ended ? 0 : ERR_INVALID);
    return rc ? errmsg_set(why, rc, "it is no valid PEM file") : 0;
}

static int read_blocks(BIO *bio, EVP_PKEY **out, struct errmsg *why)
{
    char *name = NULL;
    unsigned char *der;
    long len;
    int rc = next_block(bio, &name, &der, &len, why);

    while (rc == 0 && name) {
        rc = take_block(name, der, len, out, why);
        OPENSSL_clear_free(der, (size_t)len);
        OPENSSL_free(name);
        if (rc == 0) {
            rc = next_block(bio, &name, &der, &len, why);
        }
    }
    return rc;
}

int jwt_pem_public(struct str pem, EVP_PKEY **out, struct errmsg *why)
{
    BIO *bio;
    EVP_PKEY *pkey = NULL;
    int rc;

    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    if (!bio) {
        return errmsg_set(why, jwt_crypto_failed(ERR_NOMEM), "out of memory");
    }
    rc = read_blocks(bio, &pkey, why);
    BIO_free(bio);
    if (rc == 0 && !pkey) {
        rc = errmsg_set(why, ERR_INVALID, "there is no public key (PEM) in it");
    }
    if (rc) {
        EVP_PKEY_free(pkey);
        return rc;
    }
    *out = pkey;
    return 0;
}

/* Or OpenSSL would ask at the terminal. */
static int no_password(char *to, int size, int writing, void *ctx)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

int jwt_pem_private(struct str pem, EVP_PKEY **out, struct errmsg *why)
{
    BIO *bio;

    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.p, (int)pem.len);
    *out = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (!*out) {
        return errmsg_set(why, jwt_crypto_failed(ERR_INVALID),
                          "there is no private key (PEM, not encrypted) in it");
    }
    return 0;
}
