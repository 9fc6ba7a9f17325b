/* router_private.h - the router's state, shared by the files of src/core.
 * Internal to core. */
#ifndef FF_CORE_ROUTER_PRIVATE_H
#define FF_CORE_ROUTER_PRIVATE_H

#include "core/acks.h"
#include "core/history.h"
#include "core/patterns.h"
#include "core/router.h"

/* All members of one shard: what `everyone` reaches. */
struct member_list {
    struct member **v;
    uint32_t n, cap;
};

struct people;

struct router {
    struct core_ports ports;
    unsigned shards;
    uint64_t epoch;
    uint64_t seed;
    /* Everything below is guarded by the lock, except that a shard reads its
     * own lists, and `assigned` may be read by anyone as a guess. */
    _Atomic uint64_t assigned; /* the highest number given to a message */
    uint64_t top;              /* seq of the newest message that was sent on */
    struct topic_table channels, users, groups;
    struct patterns patterns;
    uint64_t members;
    struct history history;
    struct dedupe *dedupe;    /* NULL: nothing is kept */
    struct acks *acks;        /* likewise */
    struct people *people;    /* NULL: no presence, no typing, nothing read */
    struct core_store *store; /* NULL: none */
    struct metrics *metrics;  /* NULL: nothing is kept */
    struct lost_range lost[LOST_RANGES_MAX];
    uint32_t nlost;
    struct lost_range hole; /* numbers left out by router_store_gone: of another run, if any */
    struct ack *acks_at;    /* where looking at ttls goes on */
    struct lane **restored; /* by number, while the store is being loaded */
    uint32_t nrestored;
    struct member_list all[];
};

static inline void router_lock(struct router *r)
{
    r->ports.lock(r->ports.ctx);
}
static inline void router_unlock(struct router *r)
{
    r->ports.unlock(r->ports.ctx);
}
/* The end of a critical section in which something may have been recorded. */
static inline void router_unlock_flush(struct router *r)
{
    history_flush(&r->history);
    r->ports.unlock(r->ports.ctx);
}
static inline struct cursor router_at(const struct router *r, uint64_t seq)
{
    return (struct cursor){r->epoch, seq};
}
static inline struct cursor router_top_locked(const struct router *r)
{
    return router_at(r, r->top);
}
static inline uint64_t router_assigned(const struct router *r)
{
    return atomic_load_explicit(&r->assigned, memory_order_relaxed);
}

/* Is it a position in this log, not beyond `upto`? */
static inline bool router_knows(const struct router *r, struct cursor c, uint64_t upto)
{
    return c.epoch == r->epoch && c.seq <= upto && !(c.seq > r->hole.from && c.seq <= r->hole.to);
}

/* Takes the lock at a moment when the shard has delivered everything that was
 * published: whoever is subscribed now gets exactly what comes after the top,
 * and whoever moves between lists misses nothing that is on its way. */
void router_lock_settled(struct router *r, unsigned shard);

/* Lock held and settled: as router_join and router_subscribe. */
int router_join_locked(struct router *r, struct member *m, struct str user, const struct str *names,
                       unsigned nnames) FF_USE_RESULT;
int router_subscribe_locked(struct router *r, struct member *m, struct str name) FF_USE_RESULT;

#endif
