/* utf8.h - strict UTF-8 (RFC 3629: no surrogates, no overlong forms). */
#ifndef FF_BASE_UTF8_H
#define FF_BASE_UTF8_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The character that `s` begins with: its length and code point; 0 if `s` is
 * empty or does not begin with a valid one. */
size_t utf8_next(struct str s, uint32_t *cp);
bool utf8_valid(struct str s);
/* True if valid and free of C0 controls and DEL. */
bool utf8_printable(struct str s);
/* Longest prefix of at most `max` bytes that does not cut a character. */
size_t utf8_clip(struct str s, size_t max);

#endif
