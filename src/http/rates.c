#include "http/rates.h"

#include "base/map.h"

#include <stdlib.h>

#define NAME_MAX_LEN 255
#define PART_MAX (RATES_MAX / RATES_PARTS)
/* How many are looked at for one that can be forgotten, when one more comes. */
#define LOOKS 8

struct rate_entry {
    UT_hash_handle hh;
    struct bucket count, bytes;
    uint8_t len;
    char key[]; /* the kind, then the name */
};

struct rate_key {
    char bytes[1 + NAME_MAX_LEN];
    uint8_t len;
    unsigned hash;
};

int rates_init(struct rates *r, uint64_t seed)
{
    r->seed = seed;
    for (unsigned i = 0; i < RATE_KINDS; i++) {
        atomic_init(&r->kept[i], 0);
    }
    for (unsigned i = 0; i < RATES_PARTS; i++) {
        r->part[i].table = NULL;
        if (pthread_mutex_init(&r->part[i].lock, NULL) != 0) {
            while (i--) {
                pthread_mutex_destroy(&r->part[i].lock);
            }
            return ERR_SYSTEM;
        }
    }
    return 0;
}

static void forget(struct rates *r, struct rates_part *p, struct rate_entry *e)
{
    atomic_fetch_sub_explicit(&r->kept[(unsigned char)e->key[0]], 1, memory_order_relaxed);
    HASH_DEL(p->table, e);
    free(e);
}

void rates_fini(struct rates *r)
{
    for (unsigned i = 0; i < RATES_PARTS; i++) {
        while (r->part[i].table) {
            forget(r, &r->part[i], r->part[i].table);
        }
        pthread_mutex_destroy(&r->part[i].lock);
    }
}

/* ---- entries; the part's lock is held ---- */

static struct rate_key key_of(const struct rates *r, const struct rate_use *u)
{
    struct rate_key k = {.bytes = {(char)u->kind}};
    size_t n = u->who.len < NAME_MAX_LEN ? u->who.len : NAME_MAX_LEN;

    if (n) {
        memcpy(k.bytes + 1, u->who.p, n);
    }
    k.len = (uint8_t)n;
    k.hash = map_hash(r->seed, (struct str){k.bytes, n + 1});
    return k;
}

/* The low bits choose the bucket of the table. */
static struct rates_part *part_of(struct rates *r, const struct rate_key *k)
{
    return &r->part[(k->hash >> 20) % RATES_PARTS];
}

static struct rate_entry *find(const struct rates_part *p, const struct rate_key *k)
{
    struct rate_entry *e = NULL;

    HASH_FIND_BYHASHVALUE(hh, p->table, k->bytes, k->len + 1u, k->hash, e);
    return e;
}

static uint64_t full_at(const struct rate_entry *e)
{
    return e->count.full_ns > e->bytes.full_ns ? e->count.full_ns : e->bytes.full_ns;
}

/* Looks at the oldest: forgets those that are full, puts the others last, and makes room
 * in any case. */
static void tidy(struct rates *r, struct rates_part *p, uint64_t now_ms)
{
    struct rate_entry *best = NULL;
    unsigned looks = LOOKS;

    for (unsigned i = HASH_COUNT(p->table); i && looks; i--, looks--) {
        struct rate_entry *e = p->table;
        if (full_at(e) <= now_ms * 1000000) {
            forget(r, p, e);
            continue;
        }
        best = !best || full_at(e) < full_at(best) ? e : best;
        if (!e->hh.next) {
            break; /* the only one */
        }
        HASH_DEL(p->table, e);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, p->table, e->key, e->len + 1u, e->hh.hashv, e);
    }
    if (best && HASH_COUNT(p->table) >= PART_MAX) {
        forget(r, p, best);
    }
}

static struct rate_entry *obtain(struct rates *r, struct rates_part *p, const struct rate_key *k,
                                 uint64_t now_ms)
{
    struct rate_entry *e = find(p, k);

    if (e) {
        return e;
    }
    tidy(r, p, now_ms);
    e = calloc(1, sizeof(*e) + k->len + 1u);
    if (!e) {
        return NULL;
    }
    e->len = k->len;
    memcpy(e->key, k->bytes, k->len + 1u);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, p->table, e->key, e->len + 1u, k->hash, e);
    if (!e->hh.tbl) {
        free(e);
        return NULL;
    }
    atomic_fetch_add_explicit(&r->kept[(unsigned char)e->key[0]], 1, memory_order_relaxed);
    return e;
}

static bool may(const struct rate_entry *e, const struct rate_use *u, uint64_t now_ms,
                struct rate_over *over)
{
    struct bucket_rate count = {u->limit.count, u->limit.window_ms};
    struct bucket_rate bytes = {u->limit.bytes, u->limit.window_ms};
    uint64_t a = bucket_wait(&e->count, &count, u->count, now_ms);
    uint64_t b = bucket_wait(&e->bytes, &bytes, u->bytes, now_ms);

    *over = (struct rate_over){.wait_ms = a > b ? a : b, .bytes = b > a};
    return over->wait_ms == 0;
}

static void charge(struct rate_entry *e, const struct rate_use *u, uint64_t now_ms)
{
    struct bucket_rate count = {u->limit.count, u->limit.window_ms};
    struct bucket_rate bytes = {u->limit.bytes, u->limit.window_ms};

    bucket_charge(&e->count, &count, u->count, now_ms);
    bucket_charge(&e->bytes, &bytes, u->bytes, now_ms);
}

/* ---- from outside ---- */

static bool is_off(const struct rate_use *u)
{
    return u->limit.count == 0 && u->limit.bytes == 0;
}

static bool run(struct rates *r, const struct rate_use *u, uint64_t now_ms, bool ask, bool take,
                struct rate_over *over)
{
    struct rate_key k = key_of(r, u);
    struct rates_part *p = part_of(r, &k);
    struct rate_entry *e;
    bool ok;

    pthread_mutex_lock(&p->lock);
    e = take ? obtain(r, p, &k, now_ms) : find(p, &k);
    ok = !e || !ask || may(e, u, now_ms, over);
    if (e && take && ok) {
        charge(e, u, now_ms);
    }
    pthread_mutex_unlock(&p->lock);
    return ok;
}

bool rates_may(struct rates *r, const struct rate_use *u, uint64_t now_ms, struct rate_over *over)
{
    *over = (struct rate_over){0};
    return is_off(u) || !rates_any(r, u->kind) || run(r, u, now_ms, true, false, over);
}

void rates_charge(struct rates *r, const struct rate_use *u, uint64_t now_ms)
{
    struct rate_over unused;

    if (!is_off(u)) {
        (void)run(r, u, now_ms, false, true, &unused);
    }
}

bool rates_take(struct rates *r, const struct rate_use *u, uint64_t now_ms, struct rate_over *over)
{
    *over = (struct rate_over){0};
    return is_off(u) || run(r, u, now_ms, true, true, over);
}
