/* When users were last online: of so many as max-last-seen, the latest. */
#include "core/presence_private.h"

#include <stdlib.h>

struct seen {
    UT_hash_handle hh; /* in the order of leaving */
    uint64_t ms;
    uint8_t user_len;
    char user[];
};

static struct seen *find(const struct router *r, struct str user)
{
    struct seen *s = NULL;
    unsigned h = map_hash(r->seed, user);

    HASH_FIND_BYHASHVALUE(hh, r->people->presences->seen, user.p, (unsigned)user.len, h, s);
    return s;
}

static void forget(struct presences *p, struct seen *s)
{
    HASH_DELETE(hh, p->seen, s);
    free(s);
}

void seen_add(struct router *r, struct str user, uint64_t ms)
{
    struct presences *p = r->people->presences;
    uint64_t max = r->people->opt->max_last_seen;
    unsigned h = map_hash(r->seed, user);
    struct seen *s;

    seen_remove(r, user);
    while (p->seen && HASH_COUNT(p->seen) >= max) {
        forget(p, p->seen);
    }
    s = max ? malloc(sizeof(*s) + user.len) : NULL;
    if (!s) {
        return;
    }
    memset(s, 0, sizeof(*s));
    s->ms = ms;
    s->user_len = (uint8_t)user.len;
    memcpy(s->user, user.p, user.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, p->seen, s->user, s->user_len, h, s);
    if (!s->hh.tbl) {
        free(s);
    }
}

void seen_remove(struct router *r, struct str user)
{
    struct seen *s = find(r, user);

    if (s) {
        forget(r->people->presences, s);
    }
}

uint64_t seen_last(const struct router *r, struct str user)
{
    const struct seen *s = find(r, user);

    return s ? s->ms : 0;
}

void seen_free(struct presences *p)
{
    while (p->seen) {
        forget(p, p->seen);
    }
}
