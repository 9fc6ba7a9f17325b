/* reply.h - for the floor above: the answer to an op that is carried out there. */
#ifndef FF_WS_REPLY_H
#define FF_WS_REPLY_H

#include "ws/session.h"

struct hook_question;

/* `ref` as in the op, `data` minified JSON. Nothing is said to a stream that ends. Without memory
 * the stream ends. */
void ws_reply_ok(struct ws_shard *w, struct stream *s, struct str ref, struct str data);
/* `retry_ms`: it may be tried again after so long; 0: nothing is said of that. */
void ws_reply_error(struct ws_shard *w, struct stream *s, struct str ref, const char *code,
                    const char *message, uint64_t retry_ms);

/* Memory for what a question says of a stream. */
struct ws_asker {
    char network[PEER_TEXT_MAX];
    char id[CLIENT_ID_LEN + 1];
    char address[PEER_TEXT_MAX];
};
/* Who asks: user, client_id and address of the question. */
void ws_ask_for(const struct stream *s, struct hook_question *q, struct ws_asker *memory);

#endif
