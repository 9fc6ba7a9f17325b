/* session.h - a WebSocket client on a conn (RFC 6455), the only user of wslay.
 *
 * wslay receives: it checks frames, assembles messages, answers pings and
 * closes. What it wants to send goes into the client's queue like everything
 * else, whole frames at a time. A context costs about 9 KB, so an idle client
 * has none: it borrows one from its shard while bytes are being fed and keeps
 * it only as long as a frame or message is incomplete. */
#ifndef FF_WS_SESSION_H
#define FF_WS_SESSION_H

#include "conn/stream.h"
#include "proto/json.h"

#include <stdatomic.h>

struct auth;
struct hook;
struct mailbox;
struct ws_asking;
struct ws_rx;

/* An op `publish`; borrowed for the call. No member stands twice. */
struct ws_publish {
    const struct json_node *root; /* one level deep */
    struct str text;              /* all of it */
    struct str ref;               /* exact JSON text, or empty */
};

/* What the WebSocket clients of one shard share. */
struct ws_shard {
    struct conn_env *env;
    struct auth *auth;        /* set by the owner after ws_shard_init; NULL: open mode */
    struct hook *hook;        /* likewise; NULL: the application is not asked for subscriptions */
    struct mailbox *tasks;    /* the shard's: brings the answers */
    atomic_uint *outstanding; /* the shard does not end before they are back */
    struct ws_asking *asking; /* questions on their way */
    /* The op `publish`, which the floor above carries out. It answers it once, now or later
     * (ws/reply.h), or ends the stream. NULL: it is refused. */
    void (*publish)(void *ctx, struct stream *s, const struct ws_publish *op);
    void *publish_ctx;
    struct ws_rx *spare; /* clean contexts */
    unsigned nspare;
    struct json_doc *doc; /* for ops */
    char *chunk;          /* read buffer */
};

int ws_shard_init(struct ws_shard *w, struct conn_env *env) FF_USE_RESULT;
void ws_shard_fini(struct ws_shard *w);

/* Takes over intro->fd (also on failure). `early` are bytes that the client
 * sent right behind its handshake. */
int ws_open(struct ws_shard *w, const struct stream_intro *intro, struct str early) FF_USE_RESULT;

#endif
