/* visit.h - a request that must be on another shard for a moment: it is
 * suspended while a mail (a visit) goes to the client's shard, or round all of
 * them, and comes back. Internal to src/http. */
#ifndef FF_HTTP_VISIT_H
#define FF_HTTP_VISIT_H

#include "conn/acting.h"
#include "http/request.h"
#include "proto/name.h"

/* What a client asks for by its key. */
struct act_request {
    char channel[NAME_MAX_LEN + 1];
    char message[NAME_MAX_LEN + 1]; /* its id; or empty: */
    struct cursor at;
    bool on;
    enum act outcome;
};

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
    uint64_t issued_ms;  /* when the last one of the user was, that was seen */
    bool again;          /* the second round */
    bool held;
    int rc;
    /* who the client is */
    char user_name[NAME_MAX_LEN + 1]; /* empty: anonymous */
    struct peer peer;
    bool from_proxy;
    struct act_request act;
};

/* NULL without memory. visit_free, unless it has gone: then the request owns it
 * when it is back. */
struct visit *visit_new(struct request *rq, unsigned shard,
                        void (*work)(struct visit *, struct http_server *));
/* Sends it off by the mailboxes `boxes`, one a shard; `finish` answers when it is
 * back, with rq->visit, or sends it off once more. */
enum MHD_Result visit_go(struct visit *v, struct mailbox *const *boxes,
                         enum MHD_Result (*finish)(struct request *rq));
/* It may go more than once: no shard stops before visit_release, or visit_free. */
void visit_hold(struct visit *v);
void visit_release(struct visit *v);
/* At work: the client v->id, if it is connected to this shard; notes it in
 * v->found. */
struct stream *visit_find(struct visit *v, struct http_server *there);

#endif
