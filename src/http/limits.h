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

/* LIMIT_RATE: connect-rate. LIMIT_DESCRIPTORS: the process has no more; one that was
 * kept was given up. */
enum limit_kind { LIMIT_NONE, LIMIT_CONNECTIONS, LIMIT_ADDRESS, LIMIT_RATE, LIMIT_DESCRIPTORS };
/* The option's name, for log lines. */
const char *limit_name(enum limit_kind kind);

struct limit_address;
struct rates;
struct options;

struct limits {
    atomic_uint connections;
    atomic_uint over_address; /* of those, over a limit of their address */
    atomic_uint held;         /* further descriptors that connections need for now */
    unsigned max_connections;
    unsigned max_descriptors; /* for connections and these */
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
 * It is counted in any case until limits_leave, which gets the answer back. The two
 * halves of it, for when it is not known at first who the peer is: */
enum limit_kind limits_enter(struct limits *l, struct peer *peer, unsigned max_per_address);
/* All but the address: LIMIT_NONE, LIMIT_CONNECTIONS or LIMIT_DESCRIPTORS. */
enum limit_kind limits_enter_unnamed(struct limits *l, struct peer *peer);
/* Once, when the peer is known: its address. Not for trusted proxies, who are not limited
 * but by the total; their clients are, at their requests. `so_far` is what was answered
 * before; the answer takes its place. */
enum limit_kind limits_name(struct limits *l, struct peer *peer, unsigned max_per_address,
                            enum limit_kind so_far);
/* Is the address within connect-rate? If so, that counts. Before limits_name, whose `so_far`
 * is then LIMIT_RATE, so that it holds no place of the address. Unix peers always are. */
bool limits_rate_ok(struct rates *r, const struct options *opt, const struct peer *peer,
                    uint64_t now_ms, uint64_t *wait_ms) FF_USE_RESULT;
/* The address alone, without a connection: a stream of a client behind a proxy. False: it is
 * over the limit, and not counted. */
bool limits_count_address(struct limits *l, struct peer *peer, unsigned max_per_address)
    FF_USE_RESULT;
/* Gives the address's place back, if it has one. */
void limits_uncount(struct limits *l, struct peer *peer);
void limits_leave(struct limits *l, const struct peer *peer, enum limit_kind over);
/* A connection needs `n` further descriptors (TLS, until it is a stream), and needs them no
 * more. */
void limits_hold(struct limits *l, unsigned n);
void limits_let_go(struct limits *l, unsigned n);
/* There are more connections than max-connections. */
bool limits_exceeded(const struct limits *l);
/* Nor a place to say so: new ones have to wait. */
bool limits_overflow(const struct limits *l);
/* Is one that came in with LIMIT_ADDRESS or LIMIT_RATE among those that can be told? */
bool limits_may_tell(const struct limits *l);

#endif
