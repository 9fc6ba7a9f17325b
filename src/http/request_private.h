/* request_private.h - what request.c, routes.c and server.c share. Internal to
 * src/http. */
#ifndef FF_HTTP_REQUEST_PRIVATE_H
#define FF_HTTP_REQUEST_PRIVATE_H

#include "http/request.h"
#include "proto/problem.h"

typedef enum MHD_Result endpoint_fn(struct request *rq);

/* Called when the request line is there; the raw target. NULL without memory. */
struct request *request_new(struct http_conn *hc, struct MHD_Connection *mhd, const char *raw);
void request_free(struct request *rq);
/* One call of libmicrohttpd's access handler. */
enum MHD_Result request_step(struct request *rq, const char *method, const char *version,
                             const char *upload, size_t *size);

const struct route *route_find(const struct request *rq);
/* NULL: the route does not take the method. */
endpoint_fn *route_endpoint(const struct route *route, const char *method);
/* Checks the request's credential, and that it permits this endpoint. 0, or an answer was queued. */
int route_admits(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;
/* "GET, HEAD, OPTIONS" */
const char *route_methods(const struct route *route);

/* Sets client, behind_proxy and from_proxy. */
void request_name_client(struct request *rq);

void conn_free(struct http_conn *hc);

#endif
