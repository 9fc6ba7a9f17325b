/* base64url.h - RFC 4648 section 5 without padding, the one canonical form only: no
 * other digit, no white space, and no bits set in the last digit that stand for
 * nothing. So two different texts are never the same bytes. */
#ifndef FF_AUTH_BASE64URL_H
#define FF_AUTH_BASE64URL_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* The most bytes that `digits` digits can be. */
#define BASE64URL_BYTES(digits) ((digits) / 4 * 3 + 2)
/* The digits for `bytes` bytes, without a NUL. */
#define BASE64URL_DIGITS(bytes) (((bytes)*4 + 2) / 3)

/* Decodes into `out`, which has room for BASE64URL_BYTES(text.len). ERR_INVALID. */
int base64url_decode(struct str text, unsigned char *out, size_t *len) FF_USE_RESULT;
/* Writes BASE64URL_DIGITS(len) digits and a NUL. */
void base64url_encode(const void *bytes, size_t len, char *out);

#endif
