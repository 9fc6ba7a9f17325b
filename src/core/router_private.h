/* router_private.h - the router's state, shared by router.c (members),
 * publish.c (messages) and inspect.c (reading). Internal to core. */
#ifndef FF_CORE_ROUTER_PRIVATE_H
#define FF_CORE_ROUTER_PRIVATE_H

#include "core/patterns.h"
#include "core/router.h"

/* All members of one shard: what `everyone` reaches. */
struct member_list {
    struct member **v;
    uint32_t n, cap;
};

struct router {
    struct core_ports ports;
    unsigned shards;
    uint64_t epoch;
    /* Everything below is guarded by the lock, except that a shard reads its
     * own lists, and `top` may be read by anyone as a guess. */
    _Atomic uint64_t top; /* seq of the newest message */
    struct topic_table channels, users, groups;
    struct patterns patterns;
    uint64_t members;
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
static inline struct cursor router_top_locked(const struct router *r)
{
    return (struct cursor){r->epoch, atomic_load_explicit(&r->top, memory_order_relaxed)};
}

#endif
