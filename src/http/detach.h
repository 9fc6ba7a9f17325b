/* detach.h - taking a response's socket away from libmicrohttpd.
 *
 * In the first call of a content reader the response's headers are out. Then:
 * suspend the connection (its descriptor leaves libmicrohttpd's epoll set),
 * duplicate the descriptor, put a dummy in its place, resume. The next call
 * of the reader ends the response, and libmicrohttpd buries the dummy.
 * Duplicating alone would not do: closing shuts the socket down.
 *
 * None of this is documented by libmicrohttpd, so http_selftest() tries it
 * before the gateway serves, and there is a fallback without the dummy: the
 * connection stays suspended until the stream ends.
 *
 * MHD_get_timeout() does not tell of a connection that waits to be buried: run
 * libmicrohttpd until its notification of the end. */
#ifndef FF_HTTP_DETACH_H
#define FF_HTTP_DETACH_H

#include "base/err.h"

#include <microhttpd.h>

/* Returns the descriptor that is now the caller's, or ERR_SYSTEM (nothing has
 * changed then). The connection is resumed: libmicrohttpd must run again. */
int detach_socket(struct MHD_Connection *c, int dummy) FF_USE_RESULT;
/* The fallback: suspended for good, and a descriptor of the same socket. */
int detach_park(struct MHD_Connection *c) FF_USE_RESULT;
/* An unconnected socket for `dummy`; ERR_SYSTEM. */
int detach_dummy(void) FF_USE_RESULT;

#endif
