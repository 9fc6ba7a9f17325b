#include "auth/expiry.h"

#include <stdlib.h>

static void put(struct expiry *e, size_t place, struct expiring *x)
{
    e->v[place] = x;
    x->place = place;
}

static void up(struct expiry *e, struct expiring *x)
{
    size_t at = x->place;

    while (at > 0 && e->v[(at - 1) / 2]->at_ms > x->at_ms) {
        put(e, at, e->v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(e, at, x);
}

static void down(struct expiry *e, struct expiring *x)
{
    size_t at = x->place;

    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < e->n && e->v[child + 1]->at_ms < e->v[child]->at_ms) {
            child++;
        }
        if (child >= e->n || e->v[child]->at_ms >= x->at_ms) {
            break;
        }
        put(e, at, e->v[child]);
        at = child;
    }
    put(e, at, x);
}

int expiry_add(struct expiry *e, struct expiring *x, uint64_t at_ms)
{
    if (e->n == e->cap) {
        size_t cap = e->cap > 0 ? e->cap * 2 : 16;
        struct expiring **v = realloc(e->v, cap * sizeof(*v));
        if (!v) {
            return ERR_NOMEM;
        }
        e->v = v;
        e->cap = cap;
    }
    x->at_ms = at_ms;
    put(e, e->n++, x);
    up(e, x);
    return 0;
}

void expiry_move(struct expiry *e, struct expiring *x, uint64_t at_ms)
{
    x->at_ms = at_ms;
    up(e, x);
    down(e, x);
}

void expiry_remove(struct expiry *e, struct expiring *x)
{
    struct expiring *last = e->v[--e->n];

    if (last != x) {
        put(e, x->place, last);
        expiry_move(e, last, last->at_ms);
    }
}

struct expiring *expiry_due(const struct expiry *e, uint64_t now_ms)
{
    return e->n > 0 && e->v[0]->at_ms <= now_ms ? e->v[0] : NULL;
}

void expiry_fini(struct expiry *e)
{
    free(e->v);
    *e = (struct expiry){0};
}
