/* acks.h - acknowledgements as clients send them, over either transport:
 * {"id":"…"} or {"ids":["…",…]}. docs/protocol.md, "Acknowledgements". */
#ifndef FF_WS_ACKS_H
#define FF_WS_ACKS_H

#include "core/router.h"
#include "proto/json.h"

#define ACKS_MAX 1000

/* The ids of one request; they borrow its text, and the tree of the document. */
struct ack_list {
    const struct json_node *first; /* strings, linked by next */
    unsigned n;
};

/* `root` is an object, parsed with `doc` at least one level deep; it ends with
 * this call if it has `ids`. ERR_INVALID with a sentence, ERR_NOMEM. */
int acks_read(struct json_doc *doc, const struct json_node *root, struct ack_list *out,
              struct errmsg *why) FF_USE_RESULT;
/* Acknowledges them for the user and appends {"acknowledged":n,"unknown":["…"]}.
 * ERR_NOMEM: some may be acknowledged. */
int acks_run(struct router *r, struct str user, const struct ack_list *list, struct strbuf *out)
    FF_USE_RESULT;

#endif
