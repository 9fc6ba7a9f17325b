#include "http/limits.h"

#include "base/map.h"

#include <stdlib.h>

struct limit_address {
    UT_hash_handle hh;
    struct peer key;
    unsigned n;
};

int limits_init(struct limits *l, unsigned max_connections, uint64_t seed)
{
    atomic_init(&l->connections, 0);
    atomic_init(&l->over_address, 0);
    l->max_connections = max_connections;
    l->table = NULL;
    l->seed = seed;
    return pthread_mutex_init(&l->lock, NULL) == 0 ? 0 : ERR_SYSTEM;
}

void limits_fini(struct limits *l)
{
    struct limit_address *a, *next;

    HASH_ITER (hh, l->table, a, next) {
        HASH_DEL(l->table, a);
        free(a);
    }
    pthread_mutex_destroy(&l->lock);
}

static struct limit_address *find(struct limits *l, const struct peer *key, unsigned *hash)
{
    struct limit_address *a = NULL;

    *hash = map_hash(l->seed, (struct str){(const char *)key, sizeof(*key)});
    HASH_FIND_BYHASHVALUE(hh, l->table, key, sizeof(*key), *hash, a);
    return a;
}

/* Lock held. */
static unsigned count_address(struct limits *l, const struct peer *network)
{
    unsigned hash;
    struct limit_address *a = find(l, network, &hash);

    if (!a) {
        a = calloc(1, sizeof(*a));
        if (!a) {
            return 0;
        }
        a->key = *network;
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, l->table, &a->key, sizeof(a->key), hash, a);
        if (!a->hh.tbl) {
            free(a);
            return 0;
        }
    }
    return ++a->n;
}

enum limit_kind limits_enter(struct limits *l, struct peer *peer, unsigned max_per_address)
{
    unsigned total = atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed) + 1;
    unsigned n = 0;

    peer->counted = 0;
    if (max_per_address && peer->kind != PEER_UNIX) {
        struct peer network = peer_network(peer);
        pthread_mutex_lock(&l->lock);
        n = count_address(l, &network);
        pthread_mutex_unlock(&l->lock);
        peer->counted = n > 0;
    }
    /* The address first: who is over its own limit must not get a place that
     * becomes free. */
    if (n > max_per_address) {
        atomic_fetch_add_explicit(&l->over_address, 1, memory_order_relaxed);
        return LIMIT_ADDRESS;
    }
    return total > l->max_connections ? LIMIT_CONNECTIONS : LIMIT_NONE;
}

void limits_leave(struct limits *l, const struct peer *peer, enum limit_kind over)
{
    atomic_fetch_sub_explicit(&l->connections, 1, memory_order_relaxed);
    if (over == LIMIT_ADDRESS) {
        atomic_fetch_sub_explicit(&l->over_address, 1, memory_order_relaxed);
    }
    if (peer->counted) {
        struct peer network = peer_network(peer);
        unsigned hash;
        struct limit_address *a;
        pthread_mutex_lock(&l->lock);
        a = find(l, &network, &hash);
        if (a && --a->n == 0) {
            HASH_DEL(l->table, a);
            free(a);
        }
        pthread_mutex_unlock(&l->lock);
    }
}

bool limits_exceeded(const struct limits *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed) > l->max_connections;
}

bool limits_overflow(const struct limits *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed) >=
           l->max_connections + LIMITS_TOLD;
}

bool limits_may_tell(const struct limits *l)
{
    return atomic_load_explicit(&l->over_address, memory_order_relaxed) <= LIMITS_TOLD;
}
