#include "hook/private.h"

#include <stdlib.h>

static struct share *add(struct shares *s, struct str network, unsigned hash)
{
    struct share *share = calloc(1, sizeof(*share) + network.len);

    if (!share) {
        return NULL;
    }
    share->len = network.len;
    memcpy(share->network, network.p, network.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->table, share->network, share->len, hash, share);
    if (!share->hh.tbl) {
        free(share);
        return NULL;
    }
    return share;
}

int shares_take(struct shares *s, struct str network, struct share **out)
{
    struct share *share = NULL;
    unsigned hash;

    *out = NULL;
    if (network.len == 0) {
        return 0;
    }
    hash = map_hash(s->seed, network);
    HASH_FIND_BYHASHVALUE(hh, s->table, network.p, network.len, hash, share);
    if (!share) {
        share = add(s, network, hash);
    }
    if (!share) {
        return ERR_NOMEM;
    }
    if (share->n >= s->max) {
        return ERR_LIMIT;
    }
    share->n++;
    *out = share;
    return 0;
}

void shares_give(struct shares *s, struct share *share)
{
    if (share && --share->n == 0) {
        HASH_DEL(s->table, share);
        free(share);
    }
}
