/* dup.h - a slice as a string of its own. */
#ifndef FF_BASE_DUP_H
#define FF_BASE_DUP_H

#include "base/str.h"

#include <stdlib.h>

/* A copy with a NUL behind it, to be freed; NULL without memory. Unlike strndup, which
 * checkers take to read up to a NUL, it never looks behind the slice. */
static inline char *str_dup(struct str s)
{
    char *copy = malloc(s.len + 1);

    if (copy) {
        if (s.len) {
            memcpy(copy, s.p, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

#endif
