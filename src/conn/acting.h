/* acting.h - what a client does among the people of its channels, whichever way it asks: by an op,
 * or by a request with its client key. On the shard's thread. */
#ifndef FF_CONN_ACTING_H
#define FF_CONN_ACTING_H

#include "conn/stream.h"

enum act {
    ACT_DONE,
    ACT_NO_USER,
    ACT_NOT_SUBSCRIBED,
    ACT_FORBIDDEN,     /* to subscribe to the channel */
    ACT_FORBIDDEN_OUT, /* to publish to it */
    ACT_NOT_PERMITTED, /* the credential says it */
    ACT_RATE_LIMITED,  /* typing-timeout later it may be otherwise */
    ACT_TOO_FAST,      /* a second later it is otherwise: each is told to many others */
    ACT_BAD_CURSOR,
    ACT_UNKNOWN_MESSAGE,
    ACT_BUSY,
    ACT_STORE,
    ACT_NOMEM
};
/* Of all but DONE and NOMEM: what a client may tell it by, and the sentence. Static text. */
const char *act_code(enum act a);
const char *act_text(enum act a);

/* What others see of its user: minified JSON, within max-info, not empty. NOT_PERMITTED, NO_USER,
 * TOO_FAST, NOMEM. */
enum act act_info(struct stream *s, struct str json) FF_USE_RESULT;
/* Its user types in the (checked) channel, or does not any more. NO_USER, FORBIDDEN_OUT,
 * NOT_SUBSCRIBED, RATE_LIMITED, TOO_FAST, NOMEM. */
enum act act_typing(struct stream *s, struct str channel, bool on) FF_USE_RESULT;
/* May it say now how far its user has read the (checked) channel? NO_USER, FORBIDDEN, TOO_FAST. */
enum act act_may_read(struct stream *s, struct str channel) FF_USE_RESULT;

/* A read position, as it was checked by act_may_read. */
struct read_mark {
    struct str user, channel;
    struct str id;    /* of the message; or empty: */
    struct cursor at; /* the position */
    uint64_t except;  /* the client, which is not told */
};
/* Any thread: notes it, and appends {"cursor","changed"}. `ticket` as in router_read. BAD_CURSOR,
 * UNKNOWN_MESSAGE, BUSY, STORE, NOMEM. */
enum act act_read(struct router *r, const struct read_mark *mark, struct publish_ticket *ticket,
                  struct strbuf *out) FF_USE_RESULT;

#endif
