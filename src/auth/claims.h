/* claims.h - the claims of a token whose signature is right, and what they grant. */
#ifndef FF_AUTH_CLAIMS_H
#define FF_AUTH_CLAIMS_H

#include "auth/jwt.h"
#include "proto/json.h"

#define CLAIMS_MAX_JTI 128

/* *out is a GRANT_CLIENT. AUTH_MALFORMED for all that has the wrong form, AUTH_UNKNOWN for
 * another issuer or audience, then the times. `basis` stands for the key. `doc` is scratch. */
enum auth_outcome claims_check(struct json_doc *doc, struct str claims,
                               const struct jwt_policy *policy, struct str basis, uint64_t now_ms,
                               struct grant **out, struct errmsg *why) FF_USE_RESULT;

#endif
