/* suggest.h - "did you mean": the nearest of a list of names. */
#ifndef FF_BASE_SUGGEST_H
#define FF_BASE_SUGGEST_H

#include "base/str.h"

#include <stddef.h>

/* The name with the smallest edit distance (insert, delete, replace, swap of
 * neighbours; ASCII case ignored), or NULL if none is near: further than a
 * third of the longer length, rounded up. `given` longer than 64 bytes: NULL. */
const char *suggest(struct str given, const char *const *names, size_t n);

#endif
