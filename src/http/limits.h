/* limits.h - how many connections there may be, in all and from one address.
 *
 * Shared by all shards: the total is one atomic number, addresses are a table
 * under a lock that is taken only if the limit is on. */
#ifndef FF_HTTP_LIMITS_H
#define FF_HTTP_LIMITS_H

#include "base/err.h"
#include "conn/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum limit_kind { LIMIT_NONE, LIMIT_CONNECTIONS, LIMIT_ADDRESS };

struct limit_address;

struct limits {
    atomic_uint connections;
    unsigned max_connections;
    pthread_mutex_t lock;
    struct limit_address *table;
    uint64_t seed;
};

/* Connections over the limit that are let in to be told so. */
#define LIMITS_TOLD 64

int limits_init(struct limits *l, unsigned max_connections, uint64_t seed) FF_USE_RESULT;
void limits_fini(struct limits *l);
/* Counts a new connection and sets peer->counted; says which limit it exceeds.
 * It is counted in any case until limits_leave. */
enum limit_kind limits_enter(struct limits *l, struct peer *peer, unsigned max_per_address);
void limits_leave(struct limits *l, const struct peer *peer);
/* No room even to say so: close at once. */
int limits_overflow(const struct limits *l);

#endif
