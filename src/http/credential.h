/* credential.h - who asks: the credential of a request, wherever it stands, and what it
 * permits. docs/protocol.md, "Credentials". Internal to src/http. */
#ifndef FF_HTTP_CREDENTIAL_H
#define FF_HTTP_CREDENTIAL_H

#include "auth/auth.h"
#include "http/request.h"

/* What an endpoint asks for. */
enum need {
    NEED_NOTHING,    /* anybody; rq->grant stays NULL */
    NEED_CLIENT,     /* any credential, or none where that will do; also in the query */
    NEED_CREDENTIAL, /* any but none */
    NEED_READ,       /* a key with the right */
    NEED_ADMIN,
    NEED_TICKETS,
    NEED_USERS
};

/* The first credential that the request presents is checked: rq->grant, rq->place.
 * Otherwise an answer was queued and *result is to be returned. `ws`: the WebSocket
 * path, where a subprotocol may be one. */
int credential_check(struct request *rq, enum need need, bool ws, enum MHD_Result *result)
    FF_USE_RESULT;

/* Does the credential of a request that has waited, for its body or the application, count still?
 * 0, or an answer was queued and *result is to be returned. */
int credential_stands(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;

/* 401, 403 or, for a revoked one on an event stream, 204. */
enum MHD_Result respond_auth(struct request *rq, enum auth_outcome outcome, const char *detail);

#endif
