/* info.h - what others are shown of a user: a JSON value, counted, immutable. */
#ifndef FF_CORE_INFO_H
#define FF_CORE_INFO_H

#include "base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct info {
    atomic_uint refs;
    uint32_t len;
    char text[];
};

/* Copies minified JSON, not empty. One reference; NULL without memory. */
struct info *info_new(struct str json);
struct info *info_ref(struct info *i); /* NULL is fine */
void info_unref(struct info *i);       /* NULL is fine; any thread */
static inline struct str info_str(const struct info *i)
{
    return i ? (struct str){i->text, i->len} : STR_NONE;
}
/* The same text, or both none? */
bool info_same(const struct info *a, const struct info *b);

#endif
