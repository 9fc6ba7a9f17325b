/* sse.h - writing Server-Sent Events (WHATWG HTML 9.2).
 *
 * Lines end with LF only, `field: value` always has its space, a heartbeat is
 * a comment line without a blank line: the subset that every client library
 * reads alike. */
#ifndef FF_PROTO_SSE_H
#define FF_PROTO_SSE_H

#include "base/strbuf.h"

#include <stdint.h>

#define SSE_HEARTBEAT ":\n"

/* `event: type` (left out for "message"), `id: ...` (left out if empty),
 * `data: ...`, blank line. No argument may contain CR, LF or NUL (asserted:
 * they were checked at the door, and JSON here is minified). */
void sse_add_event(struct strbuf *out, struct str type, struct str id, struct str data);
/* `retry: ms` and a line end: a field of the event that follows. */
void sse_add_retry(struct strbuf *out, uint32_t ms);

#endif
