#include "lib/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define ROUNDS 4

enum { BROKEN = -1, IDLE, MOVED };

/* libmicrohttpd -> peer */
static int carry_out(struct pump *p, char *chunk)
{
    struct rt_transport *t = tls_session_transport(p->tls);
    struct iovec iov = {chunk, 0};
    ssize_t n;

    if (t->waiting && t->ops->flush(t) < 0) {
        return BROKEN;
    }
    if (t->waiting || p->pair_end) {
        return IDLE;
    }
    n = recv(p->pair, chunk, PUMP_CHUNK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR ? MOVED : IDLE;
    }
    if (n <= 0) {
        p->pair_end = true;
        return MOVED;
    }
    iov.iov_len = (size_t)n; /* one record: taken whole */
    return t->ops->send(t, &iov, 1) == n ? MOVED : BROKEN;
}

/* How many bytes of them libmicrohttpd took; one that has gone takes all. */
static size_t put(const struct pump *p, const char *bytes, size_t n)
{
    ssize_t did = send(p->pair, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (did < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : n;
    }
    return (size_t)did;
}

static int put_held(struct pump *p)
{
    size_t did = put(p, p->hold + p->hold_off, p->hold_len);

    p->hold_off += did;
    p->hold_len -= did;
    if (!p->hold_len) {
        pump_drop(p);
    }
    return did ? MOVED : IDLE;
}

static int put_new(struct pump *p, const char *bytes, size_t n)
{
    size_t did = put(p, bytes, n);

    if (did < n) {
        p->hold = malloc(n - did);
        if (!p->hold) {
            return BROKEN;
        }
        memcpy(p->hold, bytes + did, n - did);
        p->hold_len = n - did;
        p->hold_off = 0;
    }
    return MOVED;
}

/* peer -> libmicrohttpd */
static int carry_in(struct pump *p, char *chunk)
{
    struct rt_transport *t = tls_session_transport(p->tls);
    ssize_t n;

    if (p->hold) {
        return put_held(p);
    }
    if (p->net_end || p->pair_end) {
        return IDLE;
    }
    n = t->ops->recv(t, chunk, PUMP_CHUNK);
    if (n > 0) {
        return put_new(p, chunk, (size_t)n);
    }
    if (n == 0) {
        p->net_end = true;
        (void)shutdown(p->pair, SHUT_WR);
        return MOVED;
    }
    return errno == EAGAIN ? IDLE : errno == EINTR ? MOVED : BROKEN;
}

enum pump_result pump_run(struct pump *p, char *chunk)
{
    const struct rt_transport *t = tls_session_transport(p->tls);

    for (int i = 0; i < ROUNDS; i++) {
        int out = carry_out(p, chunk);
        int in = out == BROKEN ? BROKEN : carry_in(p, chunk);
        if (in == BROKEN) {
            return PUMP_BROKEN;
        }
        if (p->pair_end && !t->waiting) {
            return PUMP_OVER;
        }
        if (out == IDLE && in == IDLE) {
            return PUMP_WAITS;
        }
    }
    return PUMP_MORE;
}

bool pump_finish(struct pump *p, char *chunk)
{
    ssize_t n;

    while ((n = recv(p->pair, chunk, PUMP_CHUNK, MSG_DONTWAIT)) > 0) {
        if (tls_session_force(p->tls, chunk, (size_t)n) != 0) {
            return false;
        }
    }
    return true;
}

void pump_drop(struct pump *p)
{
    free(p->hold);
    p->hold = NULL;
    p->hold_len = p->hold_off = 0;
}
