/* op.h - one op on its way: what all ops share. Internal to ws. */
#ifndef FF_WS_OP_H
#define FF_WS_OP_H

#include "ws/session.h"

struct op {
    struct ws_shard *w;
    struct stream *s;
    const struct json_node *root;
    struct str ref;  /* exact JSON text, or empty */
    struct str text; /* the whole message; empty when it is answered later */
    bool reads;      /* subscribe: the read positions are wanted */
};

/* `data` is minified JSON. Each op replies once, or ends the stream. */
void op_reply_ok(struct op *op, struct str data);
void op_reply_error(struct op *op, const char *code, const char *message);
/* What is refused for now: may be tried again after so long. */
void op_reply_later(struct op *op, const char *code, const char *message, uint64_t retry_ms);
void op_out_of_memory(struct op *op); /* ends the stream */

/* False, and refused, if there are members that are not in `known` (besides op and ref). */
bool op_known_members(struct op *op, const char *const *known, size_t n) FF_USE_RESULT;
/* NULL, and refused, if the member is missing or has another type. */
const struct json_node *op_need(struct op *op, const char *name, enum json_type type) FF_USE_RESULT;

#endif
