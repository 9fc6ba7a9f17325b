/* support_tls.h - certificates made at test time, and OpenSSL's client at the other end of a
 * socket pair. */
#ifndef FF_TESTS_SUPPORT_TLS_H
#define FF_TESTS_SUPPORT_TLS_H

#include "tls/openssl.h"
#include "tls/session.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- certificates ---- */

struct tls_cert {
    X509 *x;
    EVP_PKEY *key;
    char cert[96], keyfile[96]; /* PEM files */
};

static char tls_dir[64];

static inline void tls_folder(void)
{
    snprintf(tls_dir, sizeof(tls_dir), "/tmp/fanfare-tls-XXXXXX");
    cr_assert_not_null(mkdtemp(tls_dir));
}

static inline void tls_remove_folder(void)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "rm -r '%s'", tls_dir);
    cr_assert_eq(system(cmd), 0);
}

static inline void tls_write_pem(struct tls_cert *c, const char *file)
{
    FILE *f;

    snprintf(c->cert, sizeof(c->cert), "%s/%s.crt", tls_dir, file);
    snprintf(c->keyfile, sizeof(c->keyfile), "%s/%s.key", tls_dir, file);
    f = fopen(c->cert, "w");
    cr_assert(f && PEM_write_X509(f, c->x) == 1);
    fclose(f);
    f = fopen(c->keyfile, "w");
    cr_assert(f && PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1);
    cr_assert_eq(fchmod(fileno(f), 0600), 0);
    fclose(f);
}

static inline void tls_extend(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

/* `san` such as "DNS:a.example,DNS:*.b.example" or NULL; `issuer` NULL: signs itself, as a CA;
 * valid from an hour ago for `seconds` more. */
static inline struct tls_cert tls_make(const char *file, const char *cn, int cn_len,
                                       const char *san, const struct tls_cert *issuer, long seconds)
{
    struct tls_cert c = {.x = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *name = X509_get_subject_name(c.x);
    static long serial = 1;

    X509_set_version(c.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x), -7200);
    X509_gmtime_adj(X509_getm_notAfter(c.x), seconds);
    if (cn) {
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, (const unsigned char *)cn,
                                   cn_len, -1, 0);
    }
    X509_set_issuer_name(c.x, issuer ? X509_get_subject_name(issuer->x) : name);
    X509_set_pubkey(c.x, c.key);
    if (san) {
        tls_extend(c.x, NID_subject_alt_name, san);
    }
    if (!issuer) {
        tls_extend(c.x, NID_basic_constraints, "critical,CA:TRUE");
    }
    cr_assert(X509_sign(c.x, issuer ? issuer->key : c.key, EVP_sha256()) > 0);
    tls_write_pem(&c, file);
    return c;
}

static inline struct tls_cert tls_simple(const char *file, const char *cn, const char *san,
                                         const struct tls_cert *issuer)
{
    return tls_make(file, cn, -1, san, issuer, 86400);
}

static inline void tls_cert_fini(struct tls_cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
}

/* ---- options ---- */

static inline void tls_set(struct options *o, const char *name, const char *value)
{
    struct errmsg why = {""};

    cr_assert_eq(options_set(o, name, value, OPT_FROM_SET, &why), 0, "%s", why.text);
}

static inline void tls_add_pair(struct options *o, const struct tls_cert *c)
{
    tls_set(o, "tls-cert", c->cert);
    tls_set(o, "tls-key", c->keyfile);
}

/* ---- both ends ---- */

struct tls_ends {
    struct tls_session *s;
    struct rt_transport *t;
    SSL *c;
    int fd, peer;
    struct errmsg why;
};

static struct tls_scratch tls_scratch;

static inline SSL_CTX *tls_client_ctx(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());

    cr_assert_not_null(c);
    SSL_CTX_set_security_level(c, 0);
    return c;
}

/* Nothing is said yet. `client` may be NULL. */
static inline struct tls_ends tls_pair_up(struct tls_ctx *ctx, SSL_CTX *client)
{
    struct tls_ends e = {0};
    SSL_CTX *mine = client ? client : tls_client_ctx();
    int fd[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    e.fd = fd[0];
    e.peer = fd[1];
    cr_assert_eq(tls_session_new(ctx, e.fd, &tls_scratch, &e.s), 0);
    e.t = tls_session_transport(e.s);
    e.c = SSL_new(mine);
    SSL_set_fd(e.c, e.peer);
    SSL_set_connect_state(e.c);
    if (!client) {
        SSL_CTX_free(mine);
    }
    return e;
}

/* What came of the handshake. The client has then read everything, tickets too. */
static inline enum tls_step tls_shake(struct tls_ends *e)
{
    enum tls_step step = TLS_AGAIN;
    char byte;

    for (int i = 0; i < 50 && (step == TLS_AGAIN || step == TLS_MORE); i++) {
        SSL_do_handshake(e->c);
        step = tls_session_handshake(e->s, &e->why);
    }
    SSL_do_handshake(e->c);
    SSL_peek(e->c, &byte, 1);
    ERR_clear_error();
    return step;
}

static inline void tls_over(struct tls_ends *e)
{
    if (e->t) {
        e->t->ops->free(e->t);
    }
    SSL_set_shutdown(e->c, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else no resumption */
    SSL_free(e->c);
    close(e->fd);
    if (e->peer >= 0) {
        close(e->peer);
    }
    ERR_clear_error();
}

static inline ssize_t tls_put(struct tls_ends *e, const void *p, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)p, n};

    return e->t->ops->send(e->t, &iov, 1);
}

static inline ssize_t tls_get(struct tls_ends *e, void *p, size_t n)
{
    return e->t->ops->recv(e->t, p, n);
}

#endif
