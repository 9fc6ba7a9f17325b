#include "tls/session.h"

#include "tls/bio.h"
#include "tls/ctx_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What one call may read from the socket. */
#define READ_BUDGET 65536

/* Longer names are nobody's. */
#define NAME_MAX_LEN 255

struct tls_session {
    struct rt_transport t; /* first */
    struct tls_wire wire;
    SSL *ssl;
    struct tls_ctx *ctx;
    struct tls_scratch *scratch;
    bool broken; /* OpenSSL has given it up */
};

static struct tls_session *session_of(struct rt_transport *t)
{
    return (struct tls_session *)(void *)t;
}

/* ---- the handshake ---- */

static void say_why(const struct tls_session *s, struct errmsg *why)
{
    unsigned long e = ERR_peek_error();
    const char *reason = ERR_reason_error_string(e);

    long verdict = SSL_get_verify_result(s->ssl);

    if (verdict != X509_V_OK) {
        (void)errmsg_set(why, 0, "client certificate: %s", X509_verify_cert_error_string(verdict));
    } else if (s->wire.lost) {
        (void)errmsg_set(why, 0, "%s", s->wire.error ? strerror(s->wire.error) : "out of memory");
    } else if (s->wire.eof) {
        (void)errmsg_set(why, 0, "the peer closed the connection");
    } else {
        (void)errmsg_set(why, 0, "%s", reason ? reason : "unknown");
    }
}

/* A resumed session shows the certificate of the first; it may be too old by now. */
static bool certificate_is_late(const struct tls_session *s)
{
    const X509 *x = SSL_get0_peer_certificate(s->ssl);

    return x && X509_cmp_current_time(X509_get0_notAfter(x)) <= 0;
}

enum tls_step tls_session_handshake(struct tls_session *s, struct errmsg *why)
{
    int n, err;

    ERR_clear_error();
    s->wire.budget = READ_BUDGET;
    n = SSL_do_handshake(s->ssl);
    if (n == 1) {
        if (certificate_is_late(s)) {
            (void)errmsg_set(why, 0, "client certificate: certificate has expired");
            return TLS_FAILED;
        }
        return TLS_DONE;
    }
    err = SSL_get_error(s->ssl, n);
    if (err == SSL_ERROR_WANT_READ && !s->wire.lost) {
        return s->wire.budget ? TLS_AGAIN : TLS_MORE;
    }
    say_why(s, why);
    s->broken = true;
    ERR_clear_error();
    return TLS_FAILED;
}

static int copy_name(const ASN1_STRING *from, char **out)
{
    unsigned char *utf8 = NULL;
    int n = from ? ASN1_STRING_to_UTF8(&utf8, from) : 0;
    int rc = n > 0 && n <= NAME_MAX_LEN ? 0 : ERR_INVALID;

    /* A zero byte inside would let one name pass for another. */
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = utf8[i] > ' ' && utf8[i] <= '~' ? 0 : ERR_INVALID;
    }
    if (rc == 0) {
        *out = strndup((const char *)utf8, (size_t)n);
        rc = *out ? 0 : ERR_NOMEM;
    }
    OPENSSL_free(utf8);
    return rc;
}

static int common_name(const X509 *x, char **out)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0) {
        return ERR_NOT_FOUND;
    }
    if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return ERR_INVALID; /* which of them? */
    }
    return copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out);
}

/* ERR_NOT_FOUND: there are no alternative names; ERR_INVALID: none of them is one. */
static int dns_name(const X509 *x, char **out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int rc = names ? ERR_INVALID : ERR_NOT_FOUND;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS) {
            rc = copy_name(g->d.dNSName, out);
            break;
        }
    }
    GENERAL_NAMES_free(names);
    return rc;
}

int tls_session_certificate(const struct tls_session *s, char **out)
{
    const X509 *x = SSL_get0_peer_certificate(s->ssl);
    int rc;

    *out = NULL;
    if (!x) {
        return 0;
    }
    if (SSL_get_verify_result(s->ssl) != X509_V_OK) {
        return ERR_INVALID; /* the handshake should not have got here */
    }
    rc = dns_name(x, out); /* who signs these may have looked at nothing else (RFC 9525) */
    if (rc == ERR_NOT_FOUND) {
        rc = common_name(x, out);
    }
    rc = rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    ERR_clear_error();
    return rc;
}

uint64_t tls_session_certificate_end(const struct tls_session *s)
{
    const X509 *x = SSL_get0_peer_certificate(s->ssl);
    struct tm tm;
    time_t end;

    if (!x) {
        return 0;
    }
    end = ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? timegm(&tm) : 0;
    return end > 0 ? (uint64_t)end * 1000 : 1; /* what cannot be read is over */
}

bool tls_session_resumed(const struct tls_session *s)
{
    return SSL_session_reused(s->ssl) == 1;
}

/* ---- bytes ---- */

static ssize_t broken(struct tls_session *s)
{
    s->broken = true;
    errno = s->wire.lost && s->wire.error ? s->wire.error : ECONNRESET;
    ERR_clear_error();
    return -1;
}

static ssize_t encrypt(struct tls_session *s, const char *p, size_t n)
{
    if (s->broken) {
        errno = ECONNRESET;
        return -1;
    }
    ERR_clear_error();
    if (SSL_write(s->ssl, p, (int)n) != (int)n) { /* the wire takes all, or is lost */
        return broken(s);
    }
    return (ssize_t)n;
}

static ssize_t session_flush(struct rt_transport *t)
{
    struct tls_session *s = session_of(t);
    ssize_t n = tls_wire_flush(&s->wire);

    return n < 0 ? broken(s) : n;
}

static size_t gather(char *out, const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n && len < TLS_RECORD_MAX; i++) {
        size_t room = TLS_RECORD_MAX - len;
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;
        memcpy(out + len, iov[i].iov_base, part);
        len += part;
    }
    return len;
}

static ssize_t session_send(struct rt_transport *t, const struct iovec *iov, int n)
{
    struct tls_session *s = session_of(t);
    const char *p = iov[0].iov_base;
    size_t len = iov[0].iov_len;

    if (t->waiting && session_flush(t) < 0) {
        return -1;
    }
    if (t->waiting) {
        errno = EAGAIN;
        return -1;
    }
    if (n > 1 && len < TLS_RECORD_MAX) {
        p = s->scratch->bytes;
        len = gather(s->scratch->bytes, iov, n);
    }
    return len ? encrypt(s, p, len < TLS_RECORD_MAX ? len : TLS_RECORD_MAX) : 0;
}

static ssize_t session_recv(struct rt_transport *t, void *buf, size_t len)
{
    struct tls_session *s = session_of(t);
    int n, err;

    if (s->broken) {
        errno = ECONNRESET;
        return -1;
    }
    ERR_clear_error();
    s->wire.budget = READ_BUDGET;
    s->wire.answering = true;
    n = SSL_read(s->ssl, buf, len > READ_BUDGET ? READ_BUDGET : (int)len);
    s->wire.answering = false;
    if (n > 0) {
        return n;
    }
    err = SSL_get_error(s->ssl, n);
    if (err == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    if (err == SSL_ERROR_WANT_READ && !s->wire.lost) {
        errno = s->wire.budget ? EAGAIN : EINTR;
        return -1;
    }
    return broken(s);
}

static int session_shutdown(struct rt_transport *t)
{
    struct tls_session *s = session_of(t);

    if (!s->broken && !(SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN)) {
        ERR_clear_error();
        if (SSL_shutdown(s->ssl) < 0) {
            return (int)broken(s);
        }
    }
    if (t->waiting && session_flush(t) < 0) {
        return -1;
    }
    if (t->waiting) {
        errno = EAGAIN;
        return -1;
    }
    return shutdown(s->wire.fd, SHUT_WR);
}

static void session_free(struct rt_transport *t)
{
    struct tls_session *s = session_of(t);

    SSL_free(s->ssl);
    tls_wire_fini(&s->wire);
    tls_ctx_unref(s->ctx);
    free(s);
}

int tls_session_force(struct tls_session *s, const char *bytes, size_t n)
{
    while (n) {
        size_t part = n < TLS_RECORD_MAX ? n : TLS_RECORD_MAX;
        if (encrypt(s, bytes, part) < 0) {
            return ERR_CLOSED;
        }
        bytes += part;
        n -= part;
    }
    return 0;
}

/* ---- life ---- */

static const struct rt_transport_ops session_ops = {
    .send = session_send,
    .flush = session_flush,
    .recv = session_recv,
    .shutdown = session_shutdown,
    .free = session_free,
};

struct rt_transport *tls_session_transport(struct tls_session *s)
{
    return &s->t;
}

int tls_session_new(struct tls_ctx *ctx, int fd, struct tls_scratch *scratch,
                    struct tls_session **out)
{
    struct tls_session *s = calloc(1, sizeof(*s));
    BIO *b = NULL;

    if (!s) {
        return ERR_NOMEM;
    }
    s->t.ops = &session_ops;
    s->wire.t = &s->t;
    s->wire.fd = fd;
    s->ctx = tls_ctx_ref(ctx);
    s->scratch = scratch;
    s->ssl = SSL_new(ctx->pairs[0].ssl);
    b = tls_bio_new(ctx->bio, &s->wire);
    if (!s->ssl || !b) {
        BIO_free(b);
        session_free(&s->t);
        ERR_clear_error();
        return ERR_NOMEM;
    }
    SSL_set_bio(s->ssl, b, b);
    SSL_set_accept_state(s->ssl);
    *out = s;
    return 0;
}
