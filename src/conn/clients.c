#include "conn/clients.h"

#include "conn/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_SLOTS (1u << 24)

unsigned client_id_shard(uint64_t id)
{
    return (unsigned)(id >> 56);
}

uint32_t client_id_slot(uint64_t id)
{
    return (uint32_t)(id >> 32 & 0xffffff);
}

void client_id_text(uint64_t id, char out[CLIENT_ID_LEN + 1])
{
    snprintf(out, CLIENT_ID_LEN + 1, "%016llx", (unsigned long long)id);
}

int client_id_parse(struct str s, uint64_t *id)
{
    uint64_t v = 0;

    if (s.len != CLIENT_ID_LEN) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return ERR_INVALID;
        }
    }
    *id = v;
    return 0;
}

static int grow(struct clients *c)
{
    uint32_t n = c->nslots ? c->nslots * 2 : 64;
    struct stream **slots;
    uint32_t *stack;

    if (c->nslots >= MAX_SLOTS) {
        return ERR_LIMIT;
    }
    slots = realloc(c->slots, n * sizeof(struct stream *));
    if (!slots) {
        return ERR_NOMEM;
    }
    c->slots = slots;
    stack = realloc(c->free_slots, n * sizeof(uint32_t));
    if (!stack) {
        return ERR_NOMEM;
    }
    c->free_slots = stack;
    for (uint32_t i = n; i-- > c->nslots;) {
        c->slots[i] = NULL;
        c->free_slots[c->nfree++] = i;
    }
    c->nslots = n;
    return 0;
}

int clients_add(struct clients *c, unsigned shard, struct rng *rng, struct stream *s, uint64_t *id)
{
    uint64_t random;
    uint32_t slot;

    if (c->nfree == 0) {
        int rc = grow(c);
        if (rc != 0) {
            return rc;
        }
    }
    slot = c->free_slots[--c->nfree];
    random = rng_u64(rng) | 1u; /* never 0: an id of 0 means nobody */
    *id = (uint64_t)shard << 56 | (uint64_t)slot << 32 | (random & 0xffffffff);
    c->slots[slot] = s;
    c->count++;
    return 0;
}

void clients_remove(struct clients *c, uint64_t id)
{
    uint32_t slot = client_id_slot(id);

    c->slots[slot] = NULL;
    c->free_slots[c->nfree++] = slot;
    c->count--;
}

struct stream *clients_find(const struct clients *c, uint64_t id)
{
    uint32_t slot = client_id_slot(id);
    struct stream *s = slot < c->nslots ? c->slots[slot] : NULL;

    return s && s->member.id == id ? s : NULL;
}

void clients_fini(struct clients *c)
{
    free(c->slots);
    free(c->free_slots);
    *c = (struct clients){0};
}
