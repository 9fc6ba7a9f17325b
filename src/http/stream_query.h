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
    struct str *names;
    char *meta, *agent;
    bool done;
};

/* Reads the query (and, for `sse`, Last-Event-ID). On success *out is to be
 * freed with stream_start_free; otherwise an answer was queued and *result is
 * to be returned. */
int stream_start_new(struct request *rq, bool sse, struct stream_start **out,
                     enum MHD_Result *result) FF_USE_RESULT;
void stream_start_free(void *start);

#endif
