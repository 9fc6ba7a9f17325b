#include "core/dedupe.h"

#include <assert.h>
#include <stdlib.h>

/* Of those over the window, how many a look-up forgets; the rest is for
 * dedupe_expire, so that the lock is held for short. */
#define FORGET_ON_FIND 8

struct dedupe {
    struct once *by_id;
    struct once *oldest, *newest;
    uint64_t seed, window_ms;
    uint64_t weight; /* of all */
    uint32_t max;
};

static uint32_t weight_of(const struct once *o)
{
    return o->count ? o->count : 1;
}

struct once *once_new(struct str id, const uint8_t hash[ONCE_HASH], uint32_t count)
{
    size_t results = count * sizeof(struct once_result);
    struct once *o;

    assert(id.len >= 1 && id.len <= UINT16_MAX);
    o = calloc(1, sizeof(*o) + results + id.len + 1);
    if (!o) {
        return NULL;
    }
    atomic_init(&o->refs, 1);
    o->count = count;
    memcpy(o->hash, hash, ONCE_HASH);
    o->id = (char *)o->results + results;
    o->id_len = (uint16_t)id.len;
    memcpy(o->id, id.p, id.len);
    return o;
}

struct once *once_ref(struct once *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void once_unref(struct once *o)
{
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) {
        free(o);
    }
}

int dedupe_new(uint64_t seed, uint64_t window_ms, uint32_t max, struct dedupe **out)
{
    struct dedupe *d = calloc(1, sizeof(*d));

    if (!d) {
        return ERR_NOMEM;
    }
    d->seed = seed;
    d->window_ms = window_ms;
    d->max = max;
    *out = d;
    return 0;
}

void dedupe_free(struct dedupe *d)
{
    if (!d) {
        return;
    }
    while (d->oldest) {
        dedupe_remove(d, d->oldest);
    }
    free(d);
}

bool dedupe_off(const struct dedupe *d)
{
    return d->window_ms == 0 || d->max == 0;
}

uint32_t dedupe_count(const struct dedupe *d)
{
    return HASH_COUNT(d->by_id);
}

void dedupe_remove(struct dedupe *d, struct once *o)
{
    if (!o->hh.tbl) {
        return;
    }
    HASH_DELETE(hh, d->by_id, o);
    o->hh.tbl = NULL; /* says that it is in no table */
    d->weight -= weight_of(o);
    *(o->prev ? &o->prev->next : &d->oldest) = o->next;
    *(o->next ? &o->next->prev : &d->newest) = o->prev;
    o->prev = o->next = NULL;
    once_unref(o);
}

static bool is_over(const struct dedupe *d, const struct once *o, uint64_t now_ms)
{
    return now_ms > o->at_ms && now_ms - o->at_ms >= d->window_ms;
}

void dedupe_expire(struct dedupe *d, uint64_t now_ms, unsigned max)
{
    while (max-- && d->oldest && is_over(d, d->oldest, now_ms)) {
        dedupe_remove(d, d->oldest);
    }
}

struct once *dedupe_find(struct dedupe *d, struct str id, uint64_t now_ms)
{
    unsigned h = map_hash(d->seed, id);
    struct once *o = NULL;

    dedupe_expire(d, now_ms, FORGET_ON_FIND);
    if (id.len == 0 || id.len > UINT16_MAX) {
        return NULL;
    }
    HASH_FIND_BYHASHVALUE(hh, d->by_id, id.p, (unsigned)id.len, h, o);
    if (o && is_over(d, o, now_ms)) {
        dedupe_remove(d, o);
        o = NULL;
    }
    return o;
}

int dedupe_add(struct dedupe *d, struct once *o)
{
    unsigned h = map_hash(d->seed, once_id(o));

    if (dedupe_off(d)) {
        return 0;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, d->by_id, o->id, o->id_len, h, o);
    if (!o->hh.tbl) {
        return ERR_NOMEM;
    }
    (void)once_ref(o);
    o->next = NULL;
    o->prev = d->newest;
    *(o->prev ? &o->prev->next : &d->oldest) = o;
    d->newest = o;
    d->weight += weight_of(o);
    while (d->weight > d->max && d->oldest != o) {
        dedupe_remove(d, d->oldest);
    }
    return 0;
}
