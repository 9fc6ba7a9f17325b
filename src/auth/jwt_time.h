/* jwt_time.h - a NumericDate (RFC 7519 section 2) without a detour over double. */
#ifndef FF_AUTH_JWT_TIME_H
#define FF_AUTH_JWT_TIME_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

/* The end of the year 9999; what is later counts as this. */
#define JWT_TIME_MAX ((uint64_t)253402300799999)

/* Milliseconds of a JSON number of seconds, exact and rounded up: so that for a whole
 * number `now`, `now < t` and `now >= t` say the same of both. ERR_INVALID if negative. */
int jwt_time_read(struct str number, uint64_t *ms) FF_USE_RESULT;

#endif
