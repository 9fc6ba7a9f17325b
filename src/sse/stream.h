/* stream.h - an SSE stream on a conn (WHATWG HTML 9.2).
 *
 * The HTTP floor has sent the response headers and hands over the socket. */
#ifndef FF_SSE_STREAM_H
#define FF_SSE_STREAM_H

#include "conn/stream.h"

/* Takes over intro->fd (also on failure) and serves the stream from here on. */
int sse_open(struct conn_env *env, const struct stream_intro *intro) FF_USE_RESULT;

#endif
