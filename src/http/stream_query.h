/* stream_query.h - what /events and the WebSocket path share: their query and
 * the refusals for it. Internal to src/http. */
#ifndef FF_HTTP_STREAM_QUERY_H
#define FF_HTTP_STREAM_QUERY_H

#include "http/request.h"

/* A stream about to start; owns what its slices point to. */
struct stream_start {
    struct http_server *srv;
    struct http_conn *hc;
    struct stream_intro intro;
    struct target target; /* taken from the request */
    struct str *names, *signed_names;
    char *meta, *info, *agent;
    bool done;
    bool behind_proxy;    /* intro.peer is not the connection's */
    bool address_counted; /* of intro.peer, behind a proxy: http/throttle.h */
};

/* May the request become a stream now? Else it is in the line: *result is to
 * be returned, and the endpoint is called again. */
bool stream_may_start(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;
/* Lets the first `n` of the line go on. */
void stream_line_move(struct http_server *srv, unsigned n);
/* Reads the query (and, for `sse`, Last-Event-ID). On success *out is to be
 * freed with stream_start_free; otherwise an answer was queued and *result is
 * to be returned. */
int stream_start_new(struct request *rq, bool sse, struct stream_start **out,
                     enum MHD_Result *result) FF_USE_RESULT;
void stream_start_free(void *start);

#endif
