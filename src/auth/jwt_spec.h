/* jwt_spec.h - ALG[@KID]=FILE, taken apart. */
#ifndef FF_AUTH_JWT_SPEC_H
#define FF_AUTH_JWT_SPEC_H

#include "auth/jwt_key.h"

struct jwt_spec {
    const struct jwt_alg *alg;
    struct str kid; /* STR_NONE: none */
    const char *path;
};

/* Borrows `text`. */
int jwt_spec_read(const char *text, struct jwt_spec *out, struct errmsg *why) FF_USE_RESULT;
/* The key of it: a secret for HMAC; else the public key, or with `sign` the private one. */
int jwt_spec_key(const struct jwt_spec *spec, bool sign, struct jwt_key **out, struct errmsg *why)
    FF_USE_RESULT;

#endif
