/* publication.h - one publication of a request's body, from its JSON text to its
 * receipt or refusal. Internal to src/http. */
#ifndef FF_HTTP_PUBLICATION_H
#define FF_HTTP_PUBLICATION_H

#include "http/request.h"
#include "proto/cursor.h"
#include "proto/publish.h"

/* What the problem of a request, or the error of a batch's item, says. */
struct refusal {
    struct problem problem;
    struct errmsg text;
    char last[CURSOR_MAX];
    struct publish_error pe;
    uint64_t retry_ms; /* it may be tried again after so long; 0: nothing is known of that */
    bool ask;          /* the application could permit it: see publication_ask */
};

/* Who publishes. Filled from a request or from a stream; all borrowed. */
struct publisher {
    struct http_server *srv; /* of the thread that this is */
    const struct grant *grant;
    const struct peer *peer; /* whom it is from, for limits and the log */
    bool from_proxy;         /* a trusted proxy's own: its address has no limits */
    enum publish_form form;
    struct str user;               /* the sender, as far as it is known; not told of a backend */
    uint64_t client;               /* the connection whose publication it is; 0: none */
    int asked;                     /* enum ask_result: what the application said about, */
    const struct str *asked_names; /* these channels */
    unsigned nasked;
    const char *reason; /* the application's, of a no; or empty */
    struct publish_ticket *ticket;
};

/* The request's own credential publishes with rq->ticket. */
struct publisher publisher_of_request(struct request *rq);
/* Publishes one JSON text, or one that was parsed already and had so many bytes; the receipt goes
 * to `out`. False: *r says why not, and nothing of it was published. r->ask: the application could
 * permit it, and has not been asked. */
bool publication_run(const struct publisher *pb, struct str text, struct strbuf *out,
                     struct refusal *r);
bool publication_run_parsed(const struct publisher *pb, const struct json_node *root, size_t bytes,
                            struct strbuf *out, struct refusal *r);
/* The JSON text for publication_run_parsed; the tree lives until the server's next parse. Otherwise
 * *r says what is wrong with it. */
int publication_parse(const struct publisher *pb, struct str text, const struct json_node **root,
                      struct refusal *r) FF_USE_RESULT;
/* Publishes the request's body, behind commit_begin, and answers. If the application is asked,
 * `again` is called with its answer in rq->asked. */
enum MHD_Result publication_answer(struct request *rq, const struct publisher *pb,
                                   enum MHD_Result (*again)(struct request *rq));

#endif
