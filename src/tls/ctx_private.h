/* ctx_private.h - what ctx.c and session.c share. Internal to src/tls. */
#ifndef FF_TLS_CTX_PRIVATE_H
#define FF_TLS_CTX_PRIVATE_H

#include "tls/ctx.h"
#include "tls/openssl.h"

#include <stdatomic.h>

/* A certificate with its key. */
struct tls_pair {
    SSL_CTX *ssl;
    char *file;
};

struct tls_ctx {
    atomic_uint refs;
    BIO_METHOD *bio; /* a session's way to its socket */
    unsigned n;
    struct tls_pair *pairs; /* the first is for clients that name none of the others */
};

#endif
