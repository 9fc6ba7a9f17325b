/* asking.h - requests for which the application is asked (hook/hook.h): who is a client
 * without a credential, and may it have channels that its credential does not list? The
 * request is suspended meanwhile. Internal to src/http. */
#ifndef FF_HTTP_ASKING_H
#define FF_HTTP_ASKING_H

#include "http/request.h"

/* Bits of http_shared.asks. */
enum { ASKS_CONNECT = 1, ASKS_SUBSCRIBE = 2, ASKS_PUBLISH = 4 };

/* Is the application asked who somebody is? */
bool asking_for_who(const struct request *rq);
/* Asks; then `finish` is called, with rq->asked and rq->answer. */
enum MHD_Result asking_who(struct request *rq, enum MHD_Result (*finish)(struct request *rq));

/* The answer about names, of which none has been given, or that there was none. */
enum ask_result { ASKED_NOT, ASKED_YES, ASKED_NO, ASKED_IN_VAIN };
enum ask_result asking_verdict(const struct hook_answer *answer);

/* Is the application asked, and could it permit that to a holder of rq->grant, or of `g`? */
bool asking_may_subscribe(const struct request *rq, struct str name);
bool asking_may_publish(const struct http_server *srv, const struct grant *g, struct str channel);
/* What was answered about the name. A yes for others is none for it. */
enum ask_result asking_result(const struct request *rq, struct str name);
/* Asks, for the connection rq->acts_as if that is not 0; then `again` is called, with rq->asked.
 * The names are copied. */
enum MHD_Result asking_names(struct request *rq, bool publish, const struct str *names, unsigned n,
                             enum MHD_Result (*again)(struct request *rq));
/* Before a stream: those of the query's channels that the credential does not permit are
 * asked about, unless there are too many. False: *result is to be returned, and the endpoint is called again. */
bool asking_channels(struct request *rq, enum MHD_Result *result);
/* May the holder of rq->grant see what a subscriber to the channel does? 0. Otherwise the
 * application is asked and `again` called then, or an answer was queued: *result is to be
 * returned. */
int asking_readable(struct request *rq, struct str channel,
                    enum MHD_Result (*again)(struct request *rq), enum MHD_Result *result)
    FF_USE_RESULT;
/* ASKED_NO and ASKED_IN_VAIN: 403, or the refusal that may be tried again. */
enum MHD_Result respond_asked(struct request *rq, const char *field);

#endif
