#include "hook/private.h"

#include <stdlib.h>

static void drop(struct cache *c, struct remembered *r)
{
    HASH_DEL(c->table, r);
    c->bytes -= r->bytes;
    grant_unref(r->answer.grant);
    free(r);
}

static struct remembered *find(struct cache *c, const uint8_t key[HOOK_DIGEST], unsigned *hash)
{
    struct remembered *r = NULL;

    *hash = map_hash(c->seed, (struct str){(const char *)key, HOOK_DIGEST});
    HASH_FIND_BYHASHVALUE(hh, c->table, key, HOOK_DIGEST, *hash, r);
    return r;
}

bool cache_find(struct cache *c, const uint8_t key[HOOK_DIGEST], uint64_t now_ms,
                struct hook_answer *out)
{
    unsigned hash;
    struct remembered *r = find(c, key, &hash);

    if (r && now_ms >= r->until_ms) {
        drop(c, r);
        r = NULL;
    }
    if (!r) {
        return false;
    }
    *out = r->answer;
    if (out->grant) {
        grant_ref(out->grant);
    }
    return true;
}

void cache_add(struct cache *c, const uint8_t key[HOOK_DIGEST], uint64_t until_ms, size_t bytes,
               unsigned user, const struct hook_answer *a)
{
    unsigned hash;
    struct remembered *r = find(c, key, &hash);

    if (r) {
        drop(c, r);
    }
    r = calloc(1, sizeof(*r));
    if (!r) {
        return;
    }
    r->bytes = bytes + sizeof(*r);
    while (c->table && (HASH_COUNT(c->table) >= c->max || c->bytes + r->bytes > c->max_bytes)) {
        drop(c, c->table); /* uthash keeps the order of insertion */
    }
    memcpy(r->key, key, HOOK_DIGEST);
    r->until_ms = until_ms;
    r->user = user;
    r->answer = *a;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, c->table, r->key, HOOK_DIGEST, hash, r);
    if (!r->hh.tbl) {
        free(r);
        return;
    }
    c->bytes += r->bytes;
    if (r->answer.grant) {
        grant_ref(r->answer.grant);
    }
}

unsigned cache_user(const struct cache *c, struct str user)
{
    return map_hash(c->seed, user) | 1;
}

void cache_forget(struct cache *c, unsigned user)
{
    struct remembered *r, *next;

    HASH_ITER (hh, c->table, r, next) {
        if (r->user == user) {
            drop(c, r);
        }
    }
}

void cache_free(struct cache *c)
{
    while (c->table) {
        drop(c, c->table);
    }
}
