/* router.h - the one channel/user broadcast router: the log's order, who is
 * subscribed to what, and which shard hears of which message.
 *
 * Subscriptions of a member are changed only on its shard's thread. Publishing
 * and the read functions may be called from any thread. All of it shares one
 * lock, held for short, allocation-free stretches of publishing. */
#ifndef FF_CORE_ROUTER_H
#define FF_CORE_ROUTER_H

#include "base/err.h"
#include "conf/options.h"
#include "core/dedupe.h"
#include "core/member.h"
#include "core/ports.h"
#include "core/store_port.h"
#include "proto/cursor.h"
#include "proto/frame.h"
#include "proto/name.h"
#include "stat/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct router;

/* A message keeps one bit a shard. */
#define ROUTER_MAX_SHARDS 64

/* Messages start at seq 1. `seed` keys the hash tables. */
int router_new(unsigned shards, uint64_t epoch, uint64_t seed, const struct core_ports *ports,
               struct router **out) FF_USE_RESULT;
/* What is kept, and for how long; before the first message. Without it nothing
 * is: no history, no ids, no acknowledgements. `opt` and `store` (NULL: none)
 * outlive the router; `metrics` is written under the lock. ERR_NOMEM. */
struct router_keep {
    const struct options *opt;
    struct core_store *store;
    struct metrics *metrics;
};
int router_keep(struct router *r, const struct router_keep *keep) FF_USE_RESULT;
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

/* Tells when all messages of one or more publications are durable. Zeroed but
 * for `done`, with `left` 1 for the publisher itself. */
struct publish_ticket {
    atomic_uint left;
    atomic_bool failed; /* at least one is not in the store: its publisher must be told */
    /* Once, when left becomes 0, on any thread, no lock held. */
    void (*done)(struct publish_ticket *t);
};
/* Lets go of the publisher's own one. True if nothing was left to wait for:
 * then `done` is not called. */
bool publish_ticket_close(struct publish_ticket *t) FF_USE_RESULT;

struct publication {
    struct envelope envelope;  /* kind, type, id, timestamp, source, data */
    const struct str *targets; /* `count` names; unused for everyone */
    unsigned count;            /* at least 1 */
    uint64_t except;           /* member id that gets none of it; 0: nobody */
    uint64_t now_ms;           /* real time: when it was received */
    uint64_t mono_ms;
    uint32_t ttl_s;   /* 0: none */
    bool ephemeral;   /* is kept nowhere */
    bool require_ack; /* users only */
    bool has_if_last;
    struct cursor if_last; /* channels only: refused if one has anything newer */
    /* The publisher's own id: repetitions get the first answer. NULL: none. A
     * reference, kept only if it is new. */
    struct once *once;
    /* Counts the messages that are to be waited for. NULL: nobody waits. */
    struct publish_ticket *ticket;
};

enum publish_status {
    PUBLISH_SENT,    /* channels, everyone */
    PUBLISH_ONLINE,  /* the user has a connection */
    PUBLISH_QUEUED,  /* the user has none: kept for the next one */
    PUBLISH_OFFLINE, /* the user has none, and nothing is kept */
};

struct publish_result {
    struct cursor cursor;
    uint64_t matched; /* members subscribed at that moment, `except` included */
    enum publish_status status;
};

struct publish_verdict {
    bool duplicate;      /* results are those of the first publication of this id */
    struct cursor moved; /* ERR_MOVED: where the channel is */
    unsigned target;     /* ERR_MOVED, ERR_EXISTS, ERR_LIMIT: which one of the targets */
};

/* One message a target, consecutive seqs, all or nothing. ERR_BUSY if a shard
 * concerned is full or the store is behind, ERR_STORE, ERR_NOMEM, ERR_RANGE;
 * ERR_CONFLICT: the id was used for another publication; ERR_MOVED: ifLast;
 * ERR_EXISTS: a message of this id waits for the user's acknowledgement already;
 * ERR_LIMIT: too many wait for it. `results` has room for count. */
int router_publish(struct router *r, const struct publication *p, struct publish_result *results,
                   struct publish_verdict *verdict) FF_USE_RESULT;
/* Do both go to the same members, so that one run may hold them? */
bool router_same_members(const struct message *a, const struct message *b);
/* On the shard's thread: gives a run of 1 to CORE_RUN_MAX messages, in the
 * order they were posted, all for the same members, to those of the shard, and
 * drops the shard's hold on them. Returns how many deliveries that were. */
uint64_t router_deliver(struct router *r, unsigned shard, struct message *const *run, unsigned n,
                        const struct core_sink *sink);

/* ---- acknowledgements (any thread) ---- */

/* Message `id` needs no more deliveries to this user. ERR_NOT_FOUND, ERR_NOMEM. */
int router_ack(struct router *r, struct str user, struct str id) FF_USE_RESULT;

/* A message that is to be delivered once more, to one client. */
struct again {
    struct frame *frame; /* a reference, the receiver's */
    unsigned attempt;    /* 1: the first that is known of, after a restart */
    unsigned shard;
    uint64_t member;
};
/* Up to `max` whose time is over and whose user has a connection; counts them as
 * delivered. Gives up what was delivered too often. Returns how many. */
unsigned router_acks_due(struct router *r, uint64_t mono_ms, struct again *out, unsigned max);
/* On the member's thread, once it is joined: what its user has not acknowledged
 * of the messages up to and including seq `upto`; later ones have just been
 * replayed, and are counted as delivered. Up to `max`, and about `max_bytes` of
 * them at a time; *after starts as 0; to be called again until it returns 0. */
unsigned router_unacked(struct router *r, struct member *m, uint64_t upto, uint64_t mono_ms,
                        uint64_t *after, struct again *out, unsigned max, size_t max_bytes);
/* Once a second or so: what is too old goes. Bounded work; true if some is left. */
bool router_tidy(struct router *r, uint64_t now_ms);

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

/* What is kept of a channel or user. Cursors with seq 0: none. */
struct lane_info {
    uint64_t messages, bytes;
    struct cursor first, last; /* the oldest and newest kept */
    struct cursor evicted;     /* the newest that is not kept any more */
    uint64_t queued;           /* users: kept messages that no connection was sent */
};
/* False if nothing is known of it. */
bool router_lane(struct router *r, enum target_kind kind, struct str name, struct lane_info *out);

struct user_unacked {
    char id[NAME_MAX_LEN + 1];
    struct cursor cursor;
    uint64_t at_ms;
    unsigned attempts;
};
/* Up to `max` of the user's unacknowledged messages, oldest first; *total counts
 * all, *given_up those that were given up. */
unsigned router_user_unacked(struct router *r, struct str user, struct user_unacked *out,
                             unsigned max, uint64_t *total, uint64_t *given_up);

/* One page of a lane. */
struct history_query {
    enum target_kind kind;
    struct str name;
    bool newest_first;
    struct cursor after; /* epoch 0: from the one end; else beyond it, in this order */
    unsigned limit;
    uint64_t now_ms;
};
struct history_page {
    struct cursor top; /* a stream that resumes here misses nothing, and gets nothing twice */
    bool more;         /* there are further ones */
    bool gap;          /* oldest first: messages between `after` and the first are gone */
    enum gap_reason reason;
    struct cursor gap_from, gap_to;
    unsigned n;
};
/* Fills `out` (room for limit) with references. */
void router_history(struct router *r, const struct history_query *q, struct frame **out,
                    struct history_page *page);

#endif
