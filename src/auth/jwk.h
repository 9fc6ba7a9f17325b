/* jwk.h - keys as JSON (RFC 7517, RFC 7518 6, RFC 8037). Private to the jwt files. */
#ifndef FF_AUTH_JWK_H
#define FF_AUTH_JWK_H

#include "auth/jwt_key.h"
#include "proto/json.h"

/* One member of `keys`, parsed with all of its members. 0 with *out NULL: it is for something
 * else than signing tokens here (unknown kty, curve or alg, `use` enc, key_ops without
 * verify). ERR_INVALID with a sentence that begins with a verb ("has ...", "is ..."): the key is
 * wrong. */
int jwk_read(const struct json_node *jwk, struct jwt_key **out, struct errmsg *why) FF_USE_RESULT;

#endif
