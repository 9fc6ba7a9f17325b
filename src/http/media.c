/* Media types of bodies. */
#include "http/request.h"

#include <strings.h>

static enum MHD_Result unsupported(struct request *rq, const char *detail)
{
    struct problem p = {.status = 415, .code = "unsupported_media_type", .detail = detail};

    return respond_problem(rq, &p);
}

int request_media(struct request *rq, bool *ndjson, enum MHD_Result *result)
{
    struct str type = request_header_one(rq, "Content-Type");
    size_t n = 0;

    *ndjson = false;
    while (n < type.len && type.p[n] != ';' && type.p[n] != ' ' && type.p[n] != '\t') {
        n++;
    }
    if (request_header_one(rq, "Content-Encoding").len) {
        *result = unsupported(rq, "a Content-Encoding is not understood; send the body as it is");
        return ERR_INVALID;
    }
    if (n == 16 && strncasecmp(type.p, "application/json", 16) == 0) {
        return 0;
    }
    if (n == 20 && strncasecmp(type.p, "application/x-ndjson", 20) == 0) {
        *ndjson = true;
        return 0;
    }
    if ((n == 0 ||
         (n == 33 && strncasecmp(type.p, "application/x-www-form-urlencoded", 33) == 0)) &&
        !request_header_one(rq, "Origin").p) {
        return 0; /* what curl -d says; a page cannot leave its Origin out */
    }
    *result = unsupported(rq, "send application/json, or application/x-ndjson for a line each");
    return ERR_INVALID;
}
