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
#include <stdbool.h>
#include <stdint.h>

/* LIMIT_DESCRIPTORS: the process has no more; one that was kept was given up. */
enum limit_kind { LIMIT_NONE, LIMIT_CONNECTIONS, LIMIT_ADDRESS, LIMIT_DESCRIPTORS };

struct limit_address;

struct limits {
    atomic_uint connections;
    atomic_uint over_address; /* of those, over the limit of their address */
    unsigned max_connections;
    pthread_mutex_t lock;
    struct limit_address *table;
    uint64_t seed;
};

/* Connections over a limit that are let in at once: to be told so, and for
 * requests that are no streams. */
#define LIMITS_TOLD 64

int limits_init(struct limits *l, unsigned max_connections, uint64_t seed) FF_USE_RESULT;
void limits_fini(struct limits *l);
/* Counts a new connection and sets peer->counted; says which limit it exceeds.
 * It is counted in any case until limits_leave, which gets the answer back. */
enum limit_kind limits_enter(struct limits *l, struct peer *peer, unsigned max_per_address);
void limits_leave(struct limits *l, const struct peer *peer, enum limit_kind over);
/* There are more connections than max-connections. */
bool limits_exceeded(const struct limits *l);
/* Nor a place to say so: new ones have to wait. */
bool limits_overflow(const struct limits *l);
/* Is one that came in with LIMIT_ADDRESS among those that can be told? */
bool limits_may_tell(const struct limits *l);

#endif
