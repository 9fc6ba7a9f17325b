/* control.h - control events: one shape for both transports.
 *
 * {"type":"fanfare.<name>","cursor":"...","data":{...}}
 * docs/protocol.md, "Control events". */
#ifndef FF_PROTO_CONTROL_H
#define FF_PROTO_CONTROL_H

#include "base/strbuf.h"

enum transport { TRANSPORT_SSE = 0, TRANSPORT_WS = 1 };
const char *transport_name(enum transport t); /* "sse", "websocket" */

/* Appends the whole frame for the transport. `type` with its `fanfare.`;
 * `cursor` empty: neither in the envelope nor as `id:`. `data` is minified JSON. */
void control_add(struct strbuf *out, enum transport t, struct str type, struct str cursor,
                 struct str data);

/* The reply to a WebSocket op, as a whole text frame. `ref` is the exact JSON
 * text of the client's ref, or empty: then it is left out. */
void control_add_reply_ok(struct strbuf *out, struct str ref, struct str data);
void control_add_reply_error(struct strbuf *out, struct str ref, const char *code,
                             struct str message);
/* The same for what may be tried again: data.retryAfter says after how many milliseconds. */
void control_add_reply_later(struct strbuf *out, struct str ref, const char *code,
                             struct str message, uint64_t retry_ms);

#endif
