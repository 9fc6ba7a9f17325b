#include "tls/bio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A peer that makes us answer (alerts, say) and reads none of it. */
#define ANSWERS_MAX 16384

static int lose(struct tls_wire *w, int error)
{
    w->lost = true;
    w->error = error;
    return -1;
}

static int wire_read(BIO *b, char *buf, int len)
{
    struct tls_wire *w = BIO_get_data(b);
    size_t want = (size_t)len < w->budget ? (size_t)len : w->budget;
    ssize_t n;

    BIO_clear_retry_flags(b);
    if (want == 0) { /* the rest of the shard has its turn first */
        BIO_set_retry_read(b);
        return -1;
    }
    do {
        n = recv(w->fd, buf, want, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        w->budget -= (size_t)n;
    } else if (n == 0) {
        w->eof = true;
    } else if (errno == EAGAIN) {
        BIO_set_retry_read(b);
    } else {
        lose(w, errno);
    }
    return (int)n;
}

/* -1: out of memory. */
static int keep(struct tls_wire *w, const char *p, size_t n)
{
    size_t have = w->t->waiting;

    if (w->off + have + n > w->cap) {
        char *buf = malloc(have + n);
        if (!buf) {
            return -1;
        }
        if (have) {
            memcpy(buf, w->buf + w->off, have);
        }
        free(w->buf);
        w->buf = buf;
        w->off = 0;
        w->cap = have + n;
    }
    memcpy(w->buf + w->off + have, p, n);
    w->t->waiting += (uint32_t)n;
    return 0;
}

/* The socket's count, 0 if it takes no more, -1. */
static ssize_t try_send(struct tls_wire *w, const char *p, size_t n)
{
    ssize_t did;

    do {
        did = send(w->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (did < 0 && errno == EINTR);
    if (did < 0 && errno == EAGAIN) {
        return 0;
    }
    return did < 0 ? lose(w, errno) : did;
}

static int wire_write(BIO *b, const char *p, int len)
{
    struct tls_wire *w = BIO_get_data(b);
    size_t n = (size_t)len;
    ssize_t did = 0;

    BIO_clear_retry_flags(b);
    if (w->lost) {
        return -1;
    }
    if (!w->t->waiting) {
        w->answers = 0;
        did = try_send(w, p, n);
        if (did < 0) {
            return -1;
        }
    }
    if ((size_t)did < n) {
        if (w->answering && (w->answers += n) > ANSWERS_MAX) {
            return lose(w, ECONNRESET);
        }
        if (keep(w, p + did, n - (size_t)did) != 0) {
            return lose(w, 0);
        }
    }
    return len;
}

static long wire_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    const struct tls_wire *w = BIO_get_data(b);

    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return w->eof;
    default:
        return 0;
    }
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");

    if (m && (BIO_meth_set_read(m, wire_read) != 1 || BIO_meth_set_write(m, wire_write) != 1 ||
              BIO_meth_set_ctrl(m, wire_ctrl) != 1)) {
        BIO_meth_free(m);
        m = NULL;
    }
    return m;
}

BIO *tls_bio_new(const BIO_METHOD *m, struct tls_wire *w)
{
    BIO *b = BIO_new(m);

    if (b) {
        BIO_set_data(b, w);
        BIO_set_init(b, 1);
    }
    return b;
}

ssize_t tls_wire_flush(struct tls_wire *w)
{
    ssize_t n;

    if (w->lost) {
        return -1;
    }
    if (!w->t->waiting) {
        return 0;
    }
    n = try_send(w, w->buf + w->off, w->t->waiting);
    if (n > 0) {
        w->off += (size_t)n;
        w->t->waiting -= (uint32_t)n;
    }
    if (!w->t->waiting) {
        tls_wire_fini(w);
    }
    return n;
}

void tls_wire_fini(struct tls_wire *w)
{
    free(w->buf);
    w->buf = NULL;
    w->off = w->cap = 0;
    w->answers = 0;
}
