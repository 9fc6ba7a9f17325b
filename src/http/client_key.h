/* client_key.h - requests in which a client acts as its connection: the header
 * Fanfare-Client-Key. Internal to src/http. */
#ifndef FF_HTTP_CLIENT_KEY_H
#define FF_HTTP_CLIENT_KEY_H

#include "http/request.h"

/* Whose key the request has; false: nobody's. */
bool client_key_of(struct request *rq, uint64_t *id);
/* The id in a path; UINT64_MAX if it can be nobody's. */
uint64_t client_id_of(struct str segment);
/* 401: there is no good key, or its client is gone. */
enum MHD_Result respond_bad_client_key(struct request *rq);

#endif
