/* ops.h - what a client may say: one JSON object a text message.
 *
 * docs/protocol.md, "Operations". Internal to ws. */
#ifndef FF_WS_OPS_H
#define FF_WS_OPS_H

#include "ws/session.h"

/* Carries out one message and queues its reply. */
void ws_op(struct ws_shard *w, struct stream *s, struct str text);

#endif
