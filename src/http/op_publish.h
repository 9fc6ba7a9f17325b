/* op_publish.h - the op `publish` of WebSocket clients (docs/protocol.md, "Client messages"): as
 * POST /broadcast, on the stream's shard. Internal to src/http.
 *
 * Publications of one client are published in the order in which it sent them. One that waits for
 * the application's word holds up those behind it. */
#ifndef FF_HTTP_OP_PUBLISH_H
#define FF_HTTP_OP_PUBLISH_H

#include "http/server.h"

/* For ws_shard.publish; `ctx` is the server. */
void op_publish(void *ctx, struct stream *s, const struct ws_publish *op);
/* What was never published, when all streams are gone. */
void op_publish_drop(struct http_server *srv);

#endif
