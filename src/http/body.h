/* body.h - a small JSON object as a request's body. Internal to src/http. */
#ifndef FF_HTTP_BODY_H
#define FF_HTTP_BODY_H

#include "http/request.h"
#include "proto/json.h"

/* What such an object may be. */
struct body_form {
    const char *what;           /* "an acknowledgement": begins sentences */
    const char *const *members; /* names, each at most once */
    unsigned nmembers;
    const char *leave; /* a member that may be anything; or NULL */
};

/* Parses the body, which may have as many bytes as one message. The tree lives until the
 * server's next parse. Otherwise *p says what is wrong, with the detail in rq->why. */
int body_read(struct request *rq, const struct body_form *form, const struct json_node **root,
              struct problem *p) FF_USE_RESULT;

/* A member of that type, or NULL if it is absent; *p and ERR_INVALID if it has another. */
int body_member(struct request *rq, const struct json_node *root, const char *name,
                enum json_type type, const struct json_node **out, struct problem *p) FF_USE_RESULT;
/* "<detail>" about the member, 400 bad_value. */
struct problem body_blame(const struct json_node *member, const char *name, const char *detail);

#endif
