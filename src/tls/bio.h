/* bio.h - a session's way to its socket, as OpenSSL wants it: reads a bounded number of bytes at
 * a time, and takes whatever it is given to write, keeping what the socket does not take. Internal
 * to src/tls. */
#ifndef FF_TLS_BIO_H
#define FF_TLS_BIO_H

#include "rt/transport.h"
#include "tls/openssl.h"

#include <stdbool.h>

struct tls_wire {
    struct rt_transport *t; /* its `waiting` */
    int fd;
    bool eof;       /* the peer has ended */
    bool lost;      /* the socket is broken; `error` is its errno, or 0 without memory */
    bool answering; /* OpenSSL is reading: what it writes now the peer has caused */
    int error;
    size_t budget;  /* bytes that may yet be read in this call */
    size_t answers; /* of what waits */
    char *buf;      /* what waits: t->waiting bytes from `off` on */
    size_t off, cap;
};

/* NULL without memory. */
BIO_METHOD *tls_bio_method(void);
/* The wire stays the caller's. NULL without memory. */
BIO *tls_bio_new(const BIO_METHOD *m, struct tls_wire *w);
/* Writes what waits. How many bytes the socket took, or -1. */
ssize_t tls_wire_flush(struct tls_wire *w);
void tls_wire_fini(struct tls_wire *w);

#endif
