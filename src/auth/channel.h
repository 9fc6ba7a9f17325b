/* channel.h - signed channel names: `name~expiry~signature` (auth.h says the form). */
#ifndef FF_AUTH_CHANNEL_H
#define FF_AUTH_CHANNEL_H

#include "auth/auth.h"

/* A secret has at least as many bytes. */
#define CHANNEL_SECRET_MIN 32
#define CHANNEL_SIGNATURE_LEN 43

/* Makes the signed name; `expiry_s` 0 is never. *out is allocated. ERR_INVALID: no channel's name
 * (patterns are not signed), or a short secret; ERR_NOMEM. */
int channel_sign(struct str secret, struct str name, uint64_t expiry_s, char **out,
                 struct errmsg *why) FF_USE_RESULT;

/* As auth_channel does, with the secret; an empty one is none. */
enum auth_outcome channel_check(struct str secret, struct str text, uint64_t now_ms,
                                struct str *name, bool *is_signed, struct errmsg *why)
    FF_USE_RESULT;

#endif
