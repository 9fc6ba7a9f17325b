/* session.h - one TLS connection, as a byte transport (rt/transport.h).
 *
 * Bytes are encrypted only when no older ciphertext waits for the socket, so what waits is never
 * more than a record; it has memory only as long as it waits. Belongs to one thread. */
#ifndef FF_TLS_SESSION_H
#define FF_TLS_SESSION_H

#include "base/err.h"
#include "rt/transport.h"
#include "tls/ctx.h"

#define TLS_RECORD_MAX 16384

/* Where small pieces are put together; the sessions of a shard share one. */
struct tls_scratch {
    char bytes[TLS_RECORD_MAX];
};

struct tls_session;

/* `fd` stays the caller's, non-blocking. ERR_NOMEM. */
int tls_session_new(struct tls_ctx *ctx, int fd, struct tls_scratch *scratch,
                    struct tls_session **out) FF_USE_RESULT;
struct rt_transport *tls_session_transport(struct tls_session *s);

enum tls_step {
    TLS_DONE,
    TLS_AGAIN,  /* go on after an event of the socket */
    TLS_MORE,   /* go on after others had their turn */
    TLS_FAILED, /* `why` says the reason; the peer may have been told with an alert */
};
/* Goes on with the handshake. */
enum tls_step tls_session_handshake(struct tls_session *s, struct errmsg *why) FF_USE_RESULT;
/* After the handshake: the name in the client's verified certificate (the first DNS name of
 * its alternative names, or without such names its common name), to be freed; NULL: it has shown none. ERR_NOMEM; ERR_INVALID: a
 * certificate without a usable name. */
int tls_session_certificate(const struct tls_session *s, char **out) FF_USE_RESULT;
/* When it ends: real ms since 1970, 0 if none was shown. */
uint64_t tls_session_certificate_end(const struct tls_session *s);
bool tls_session_resumed(const struct tls_session *s);
/* Takes all bytes though something waits: for what cannot be kept elsewhere, once. ERR_CLOSED:
 * the session is broken. */
int tls_session_force(struct tls_session *s, const char *bytes, size_t n) FF_USE_RESULT;

#endif
