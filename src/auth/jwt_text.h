/* jwt_text.h - the compact form of a JWS (RFC 7515 7.1), taken apart. */
#ifndef FF_AUTH_JWT_TEXT_H
#define FF_AUTH_JWT_TEXT_H

#include "auth/jwt.h"

struct jwt_text {
    struct str header;      /* decoded, in `bytes` */
    struct str claims;      /* likewise */
    struct str sig;         /* likewise */
    struct str signed_part; /* of the token */
    unsigned char bytes[JWT_MAX];
};

/* ERR_INVALID with a sentence unless it is three parts of base64url, none of them empty
 * and in their only form, and at most JWT_MAX bytes. */
int jwt_text_read(struct str token, struct jwt_text *out, struct errmsg *why) FF_USE_RESULT;

#endif
