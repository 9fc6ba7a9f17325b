#include "http/limits.h"

#include "base/map.h"
#include "http/rates.h"

#include <limits.h>
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
    atomic_init(&l->held, 0);
    l->max_connections = max_connections;
    l->max_descriptors = UINT_MAX; /* until somebody knows better */
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

const char *limit_name(enum limit_kind kind)
{
    static const char *const names[] = {[LIMIT_NONE] = "",
                                        [LIMIT_CONNECTIONS] = "max-connections",
                                        [LIMIT_ADDRESS] = "max-connections-per-address",
                                        [LIMIT_RATE] = "connect-rate",
                                        [LIMIT_DESCRIPTORS] = "open files"};
    return names[kind];
}

static uint64_t descriptors(const struct limits *l, unsigned connections)
{
    return (uint64_t)connections + atomic_load_explicit(&l->held, memory_order_relaxed);
}

void limits_hold(struct limits *l, unsigned n)
{
    atomic_fetch_add_explicit(&l->held, n, memory_order_relaxed);
}

void limits_let_go(struct limits *l, unsigned n)
{
    atomic_fetch_sub_explicit(&l->held, n, memory_order_relaxed);
}

enum limit_kind limits_enter_unnamed(struct limits *l, struct peer *peer)
{
    unsigned total = atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed) + 1;

    peer->counted = 0;
    if (total > l->max_connections) {
        return LIMIT_CONNECTIONS;
    }
    return descriptors(l, total) > l->max_descriptors ? LIMIT_DESCRIPTORS : LIMIT_NONE;
}

/* The address first: who is over its own limit must not get a place that
 * becomes free. */
enum limit_kind limits_name(struct limits *l, struct peer *peer, unsigned max_per_address,
                            enum limit_kind so_far)
{
    unsigned n = 0;

    peer->counted = 0;
    if (so_far != LIMIT_RATE && max_per_address && peer->kind != PEER_UNIX) {
        struct peer network = peer_network(peer);
        pthread_mutex_lock(&l->lock);
        n = count_address(l, &network);
        pthread_mutex_unlock(&l->lock);
        peer->counted = n > 0;
    }
    if (n > max_per_address || so_far == LIMIT_RATE) {
        atomic_fetch_add_explicit(&l->over_address, 1, memory_order_relaxed);
        return so_far == LIMIT_RATE ? LIMIT_RATE : LIMIT_ADDRESS;
    }
    return so_far;
}

enum limit_kind limits_enter(struct limits *l, struct peer *peer, unsigned max_per_address)
{
    enum limit_kind over = limits_enter_unnamed(l, peer);

    return limits_name(l, peer, max_per_address, over);
}

bool limits_rate_ok(struct rates *r, const struct options *opt, const struct peer *peer,
                    uint64_t now_ms, uint64_t *wait_ms)
{
    struct peer network = peer_network(peer);
    struct rate_use u = {.kind = RATE_CONNECT,
                         .who = {(const char *)&network, sizeof(network)},
                         .limit = {.count = opt->connect_rate, .window_ms = opt->rate_window},
                         .count = 1};
    struct rate_over over;
    bool ok = peer->kind == PEER_UNIX || rates_take(r, &u, now_ms, &over);

    *wait_ms = ok ? 0 : over.wait_ms;
    return ok;
}

void limits_uncount(struct limits *l, struct peer *peer)
{
    struct peer network = peer_network(peer);
    struct limit_address *a;
    unsigned hash;

    if (peer->counted) {
        peer->counted = 0;
        pthread_mutex_lock(&l->lock);
        a = find(l, &network, &hash);
        if (a && --a->n == 0) {
            HASH_DEL(l->table, a);
            free(a);
        }
        pthread_mutex_unlock(&l->lock);
    }
}

bool limits_count_address(struct limits *l, struct peer *peer, unsigned max_per_address)
{
    struct peer network = peer_network(peer);
    unsigned n;

    peer->counted = 0;
    if (max_per_address == 0 || peer->kind == PEER_UNIX) {
        return true;
    }
    pthread_mutex_lock(&l->lock);
    n = count_address(l, &network);
    pthread_mutex_unlock(&l->lock);
    peer->counted = n > 0;
    if (n > max_per_address) {
        limits_uncount(l, peer);
    }
    return n <= max_per_address;
}

void limits_leave(struct limits *l, const struct peer *peer, enum limit_kind over)
{
    struct peer p = *peer;

    atomic_fetch_sub_explicit(&l->connections, 1, memory_order_relaxed);
    if (over == LIMIT_ADDRESS || over == LIMIT_RATE) {
        atomic_fetch_sub_explicit(&l->over_address, 1, memory_order_relaxed);
    }
    limits_uncount(l, &p);
}

bool limits_exceeded(const struct limits *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed) > l->max_connections;
}

bool limits_overflow(const struct limits *l)
{
    unsigned n = atomic_load_explicit(&l->connections, memory_order_relaxed);

    return n >= l->max_connections + LIMITS_TOLD ||
           descriptors(l, n) >= (uint64_t)l->max_descriptors + LIMITS_TOLD;
}

bool limits_may_tell(const struct limits *l)
{
    return atomic_load_explicit(&l->over_address, memory_order_relaxed) <= LIMITS_TOLD;
}
