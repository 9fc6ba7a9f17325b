/* router.h - the one channel/user broadcast router: the log's order, who is
 * subscribed to what, and which shard hears of which message.
 *
 * Subscriptions of a member are changed only on its shard's thread. Publishing
 * and the read functions may be called from any thread. All of it shares one
 * lock, held for short, allocation-free stretches of publishing. */
#ifndef FF_CORE_ROUTER_H
#define FF_CORE_ROUTER_H

#include "base/err.h"
#include "core/member.h"
#include "core/ports.h"
#include "proto/cursor.h"
#include "proto/frame.h"
#include "proto/name.h"

#include <stdbool.h>
#include <stdint.h>

struct router;

/* A message keeps one bit a shard. */
#define ROUTER_MAX_SHARDS 64

/* Messages start at seq 1. `seed` keys the hash tables. */
int router_new(unsigned shards, uint64_t epoch, uint64_t seed, const struct core_ports *ports,
               struct router **out) FF_USE_RESULT;
/* No member may be left and no message undelivered. */
void router_free(struct router *r);
/* The position of the newest message. Takes the lock. */
struct cursor router_top(struct router *r);

/* ---- members (on their shard's thread) ---- */

/* Puts the member among those that `everyone` reaches, among the connections
 * of `user` if that is not empty, and into the (checked) channels and patterns
 * of `names`, where doubles are ignored. All in one step: from it on the member
 * is delivered every message after *top, and none up to it. id and shard are
 * set by the caller, the rest zeroed. On an error nothing is joined. */
int router_join(struct router *r, struct member *m, struct str user, const struct str *names,
                unsigned nnames, struct cursor *top) FF_USE_RESULT;
/* Out of everything; the member may then be freed. */
void router_leave(struct router *r, struct member *m);
/* `name` is a checked channel or pattern. Delivery starts exactly after *top.
 * ERR_EXISTS (with *top) if subscribed already, ERR_NOMEM. */
int router_subscribe(struct router *r, struct member *m, struct str name, struct cursor *top)
    FF_USE_RESULT;
/* ERR_NOT_FOUND if not subscribed, ERR_NOMEM (then still subscribed). */
int router_unsubscribe(struct router *r, struct member *m, struct str name) FF_USE_RESULT;
/* Visits the names the member subscribes to. */
void member_names(const struct member *m, void (*visit)(void *ctx, struct str name), void *ctx);
bool member_has_name(const struct member *m, struct str name);
/* The member's user, empty if anonymous. */
struct str member_user(const struct member *m);

/* ---- publishing (any thread) ---- */

struct publication {
    struct envelope envelope;  /* kind, type, id, timestamp, source, data */
    const struct str *targets; /* `count` names; unused for everyone */
    unsigned count;            /* at least 1 */
    uint64_t except;           /* member id that gets none of it; 0: nobody */
};

struct publish_result {
    struct cursor cursor;
    uint64_t matched; /* members subscribed at that moment, `except` included */
};

/* One message a target, consecutive seqs, all or nothing. ERR_BUSY if a shard
 * concerned is full, ERR_NOMEM, ERR_RANGE. `results` has room for count. */
int router_publish(struct router *r, const struct publication *p, struct publish_result *results)
    FF_USE_RESULT;
/* Do both go to the same members, so that one run may hold them? */
bool router_same_members(const struct message *a, const struct message *b);
/* On the shard's thread: gives a run of 1 to CORE_RUN_MAX messages, in the
 * order they were posted, all for the same members, to those of the shard, and
 * drops the shard's hold on them. Returns how many deliveries that were. */
uint64_t router_deliver(struct router *r, unsigned shard, struct message *const *run, unsigned n,
                        const struct core_sink *sink);

/* ---- reading (any thread; takes the lock) ---- */

struct router_counts {
    uint64_t channels; /* with a subscriber; patterns are not channels */
    uint64_t users;    /* with a connection */
    uint64_t members;
};
void router_counts(struct router *r, struct router_counts *out);

struct channel_info {
    char name[NAME_MAX_LEN + 1];
    uint32_t subscribers; /* subscribed by this very name */
};
/* Up to `limit` channels that begin with `prefix` and come after `after`, in
 * byte order, into `out`. Returns how many. Walks all channels. */
unsigned router_channels(struct router *r, struct str prefix, struct str after, unsigned limit,
                         struct channel_info *out);
/* Up to `limit` channels with the most subscribers, most first. Walks all. */
unsigned router_top_channels(struct router *r, unsigned limit, struct channel_info *out);
/* One channel: subscribers by this name, and how many members a message would
 * reach (patterns included, each member once). */
void router_channel(struct router *r, struct str name, uint32_t *subscribers, uint64_t *matching);
/* Connections of a user. */
uint32_t router_user_connections(struct router *r, struct str user);

#endif
