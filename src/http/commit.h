/* commit.h - answers that wait until what was published is durable, and what is
 * said when the store fails. Internal to src/http. */
#ifndef FF_HTTP_COMMIT_H
#define FF_HTTP_COMMIT_H

#include "http/request.h"

/* Before the first publication of a request, which is given rq->ticket. */
void commit_begin(struct request *rq);
/* After the last one: rq->out is the whole answer of a 200. It goes out now, or
 * when all is durable; if something is not stored, a 503 takes its place. */
enum MHD_Result commit_answer(struct request *rq);

/* Why the store takes nothing now, if that is so. */
bool store_refuses(const struct http_server *srv, struct errmsg *why);
/* The 503 of a publication that the store did not take. `text` holds the detail. */
struct problem problem_of_store(const struct http_server *srv, struct errmsg *text);
/* The same of one that had its place in the log, when its ticket has failed; `why` holds the
 * detail. */
struct problem problem_not_stored(const struct http_server *srv, struct errmsg *why);

#endif
