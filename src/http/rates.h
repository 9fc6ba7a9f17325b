/* rates.h - how much of something comes a second, from or to whom: token buckets
 * (base/bucket.h) by name, shared by all shards.
 *
 * Only what is limited is kept, and of that only what is not full; the number is bounded,
 * and over it the fullest of some buckets is forgotten. Any thread: parts of the table have
 * locks of their own. */
#ifndef FF_HTTP_RATES_H
#define FF_HTTP_RATES_H

#include "base/bucket.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/options.h"
#include "conn/peer.h"

#include <pthread.h>
#include <stdatomic.h>

enum rate_kind {
    RATE_CONNECT,      /* by network: connect-rate */
    RATE_USER_CONNECT, /* by user: user-connect-rate */
    RATE_AUTH,         /* by network: auth-failure-rate */
    RATE_PUBLISH_KEY,  /* by id of a key: publish-rate, publish-bytes */
    RATE_PUBLISH_USER,
    RATE_PUBLISH_PEER, /* by network */
    RATE_PREFIX,       /* by prefix: rate-for */
    RATE_READ_USER,    /* by user: read-rate, read-bytes */
    RATE_READ_PEER,    /* by network */
    RATE_CLIENT,       /* by client id: op-rate, op-bytes, of requests with its key */
    RATE_KINDS
};

#define RATES_PARTS 32
#define RATES_MAX 65536 /* buckets, or pairs of them, that are remembered */

struct rate_entry;

struct rates_part {
    pthread_mutex_t lock;
    struct rate_entry *table;
};

struct rates {
    struct rates_part part[RATES_PARTS];
    uint64_t seed;
    atomic_uint kept[RATE_KINDS];
};

/* What may come a second; 0 is no limit. */
struct rate_limit {
    uint64_t count, bytes, window_ms;
};

/* One thing that is about to come. */
struct rate_use {
    enum rate_kind kind;
    struct str who; /* at most 255 bytes count */
    struct rate_limit limit;
    uint64_t count, bytes;
};

/* Why it may not. */
struct rate_over {
    uint64_t wait_ms; /* until then it may not */
    bool bytes;       /* of the two limits this one */
};

int rates_init(struct rates *r, uint64_t seed) FF_USE_RESULT;
void rates_fini(struct rates *r);
/* May it come now? */
bool rates_may(struct rates *r, const struct rate_use *u, uint64_t now_ms, struct rate_over *over)
    FF_USE_RESULT;
/* It comes, whatever rates_may says. Without memory it is not counted. */
void rates_charge(struct rates *r, const struct rate_use *u, uint64_t now_ms);
/* Both: counts it only if it may. */
bool rates_take(struct rates *r, const struct rate_use *u, uint64_t now_ms, struct rate_over *over)
    FF_USE_RESULT;
/* Is anything kept of that kind? Costs no lock. */
static inline bool rates_any(const struct rates *r, enum rate_kind kind)
{
    return atomic_load_explicit(&r->kept[kind], memory_order_relaxed) != 0;
}

#endif
