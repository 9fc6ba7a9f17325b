#include "core/info.h"

#include <stdlib.h>
#include <string.h>

struct info *info_new(struct str json)
{
    struct info *i = malloc(sizeof(*i) + json.len);

    if (i) {
        atomic_init(&i->refs, 1);
        i->len = (uint32_t)json.len;
        memcpy(i->text, json.p, json.len);
    }
    return i;
}

struct info *info_ref(struct info *i)
{
    if (i) {
        atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    }
    return i;
}

void info_unref(struct info *i)
{
    if (i && atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) == 1) {
        free(i);
    }
}

bool info_same(const struct info *a, const struct info *b)
{
    return a == b || (a && b && str_eq(info_str(a), info_str(b)));
}
