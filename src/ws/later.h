/* later.h - ops that are answered when what they published is durable (struct publish_ticket).
 * Others go on meanwhile. Internal to ws. */
#ifndef FF_WS_LATER_H
#define FF_WS_LATER_H

#include "ws/op.h"

struct ws_later;

/* Before it publishes. NULL: the op is refused, since too many of this client's wait already, or
 * the stream ends, without memory. */
struct ws_later *later_begin(struct op *op) FF_USE_RESULT;
/* For the publication. */
struct publish_ticket *later_ticket(struct ws_later *l);
/* Nothing was published: the op is to be answered otherwise. */
void later_drop(struct ws_later *l);
/* Replies with `data` (minified JSON, taken), now or when all is durable; if something is not
 * stored, with the error store_failed instead. Takes `l`. */
void later_reply(struct ws_later *l, struct op *op, struct strbuf *data);

#endif
