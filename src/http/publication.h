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
    bool ask; /* the application could permit it: see publication_ask */
};

/* Publishes one JSON text with rq->ticket; the receipt goes to `out`. False: *r
 * says why not, and nothing of it was published. */
bool publication_run(struct request *rq, struct str text, struct strbuf *out, struct refusal *r);
/* Asks the application about the channels of a publication that was refused with r->ask;
 * `again` is called with the answer in rq->asked. */
enum MHD_Result publication_ask(struct request *rq, struct str text,
                                enum MHD_Result (*again)(struct request *rq));

#endif
