/* visit.h - a request that must be on another shard for a moment: it is
 * suspended while a mail (a visit) goes to the client's shard, or round all of
 * them, and comes back. Internal to src/http. */
#ifndef FF_HTTP_VISIT_H
#define FF_HTTP_VISIT_H

#include "http/request.h"
#include "proto/name.h"

struct visit {
    struct mail mail;
    struct http_server *home;
    struct request *rq; /* touched only at home */
    unsigned shard;     /* where it is, or goes */
    void (*work)(struct visit *v, struct http_server *there);
    bool (*next)(struct visit *v); /* go on to shard + 1? NULL: no */
    struct strbuf out;
    bool found, failed;
    uint64_t id; /* of the client, or where a list goes on */
    /* lists */
    struct str user, name; /* filters, in the request's memory */
    unsigned limit, listed;
    uint32_t slot;
    uint64_t last;
    bool more;
    /* messages */
    struct envelope envelope;
    /* credentials */
    struct grant *grant; /* a reference, or NULL */
    int rc;
    /* acknowledgements */
    char user_name[NAME_MAX_LEN + 1]; /* of the client; empty: anonymous */
};

/* NULL without memory. visit_free, unless it has gone: then the request owns it
 * when it is back. */
struct visit *visit_new(struct request *rq, unsigned shard,
                        void (*work)(struct visit *, struct http_server *));
/* Sends it off by the mailboxes `boxes`, one a shard; `finish` answers when it is
 * back, with rq->visit. */
enum MHD_Result visit_go(struct visit *v, struct mailbox *const *boxes,
                         enum MHD_Result (*finish)(struct request *rq));
/* At work: the client v->id, if it is connected to this shard; notes it in
 * v->found. */
struct stream *visit_find(struct visit *v, struct http_server *there);

#endif
