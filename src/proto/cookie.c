#include "proto/cookie.h"

#include <string.h>

static struct str unquote(struct str s)
{
    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"') {
        return (struct str){s.p + 1, s.len - 2};
    }
    return s;
}

static size_t pair_len(struct str s)
{
    const char *end = memchr(s.p, ';', s.len);

    return end ? (size_t)(end - s.p) : s.len;
}

unsigned cookie_find(struct str header, struct str name, struct str *value)
{
    unsigned found = 0;

    *value = STR_NONE;
    while (header.len) {
        size_t n = pair_len(header);
        struct str pair = str_trim((struct str){header.p, n});
        const char *eq = pair.len ? memchr(pair.p, '=', pair.len) : NULL;
        size_t named = eq ? (size_t)(eq - pair.p) : pair.len;
        if (pair.len && str_eq(str_trim((struct str){pair.p, named}), name)) {
            size_t skip = named + (eq != NULL);
            if (found++ == 0) {
                *value = unquote(str_trim((struct str){pair.p + skip, pair.len - skip}));
            }
        }
        n += n < header.len;
        header.p += n;
        header.len -= n;
    }
    return found;
}

bool cookie_name_ok(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f ||
            strchr("()<>@,;:\\\"/[]?={}", name.p[i])) {
            return false;
        }
    }
    return name.len > 0;
}
