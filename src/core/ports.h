/* ports.h - what the core needs from the floors above, as vtables.
 *
 * The core knows no thread, socket or clock: whoever builds a router hands
 * these in, and they outlive it. */
#ifndef FF_CORE_PORTS_H
#define FF_CORE_PORTS_H

#include "proto/frame.h"

#include <stdbool.h>

struct core_event;
struct message;
struct member;

/* Room, inside every message, for one intrusive mailbox node a shard. */
#define PORT_LINK_SIZE 32

struct core_ports {
    void *ctx;
    /* The one lock of the log; not recursive. */
    void (*lock)(void *ctx);
    void (*unlock)(void *ctx);
    /* Hands `m` to the shard, which will have router_deliver() give it out on its thread.
     * Called with the lock held: the order of calls is the order of the log.
     * `link` is PORT_LINK_SIZE bytes of the message for the mailbox's node,
     * `size` the bytes that it keeps in memory. */
    void (*post)(void *ctx, unsigned shard, struct message *m, void *link, size_t size);
    /* Too much is waiting for the shard: refuse publications. Lock held. */
    bool (*full)(void *ctx, unsigned shard);
    /* On the shard's own thread: delivers everything posted to it so far.
     * Never takes the lock and changes no subscription; called with and
     * without it. */
    void (*settle)(void *ctx, unsigned shard);
    /* Is anything posted to the shard and not delivered? */
    bool (*pending)(void *ctx, unsigned shard);
    /* The rest is for router_people, which needs all of it; else NULL. */
    uint64_t (*mono_ms)(void *ctx);
    uint64_t (*real_ms)(void *ctx);
    /* router_people_run is to be called at `due_ms` (monotonic), or soon after: earlier than
     * was said before. Any thread, lock held. */
    void (*due)(void *ctx, uint64_t due_ms);
    /* Something that the application may want to know of. Any thread, lock held: must be quick.
     * NULL: nobody does. */
    void (*happened)(void *ctx, const struct core_event *ev);
};

enum core_event_kind {
    CORE_OCCUPIED, /* a channel has its first subscriber by name */
    CORE_VACATED,  /* and none any more */
    CORE_JOINED,   /* a user has become a member of a channel with presence, */
    CORE_LEFT,     /* is none any more, */
    CORE_UPDATED,  /* or has another info */
    CORE_ONLINE,   /* a user has its first connection */
    CORE_OFFLINE   /* and none any more, for longer than presence-grace */
};

/* Borrowed for the call. */
struct core_event {
    enum core_event_kind kind;
    struct str channel; /* not of ONLINE, OFFLINE */
    struct str user;    /* not of OCCUPIED, VACATED */
    struct str info;    /* JSON, of JOINED and UPDATED; or empty */
    uint64_t at_ms;     /* real time */
    /* Who caused OCCUPIED and VACATED: nothing that is told, but they count for him. */
    uint64_t cause;        /* id of the member; 0: unknown */
    struct str cause_user; /* its user, or empty */
};

/* Why messages are missing. */
enum gap_reason {
    GAP_EVICTED,     /* they are not kept any more */
    GAP_UNKNOWN,     /* it is not known any more whether there were any */
    GAP_EPOCH,       /* the position is of another log, or of no log */
    GAP_UNCLEAN_STOP /* they were lost with a process that ended without warning */
};
const char *
gap_reason_text(enum gap_reason reason); /* "evicted", "unknown", "epoch", "unclean-stop" */

/* Messages that are delivered together, at most. */
#define CORE_RUN_MAX 64

struct core_item {
    struct frame *frame;
    uint64_t seq;
};

/* Where a shard's deliveries go. Calls must not change subscriptions. */
struct core_sink {
    void *ctx;
    /* `n` messages, oldest first, are about to be delivered, all to the same
     * members; the token stands for them until end. */
    void *(*begin)(void *ctx, const struct core_item *v, unsigned n);
    /* The member gets all of them. */
    void (*deliver)(void *ctx, void *token, struct member *m);
    void (*end)(void *ctx, void *token);
    /* Memory was short: a message could not be addressed, so that nobody of this
     * shard may be told that it has all. NULL: cannot happen. */
    void (*lost)(void *ctx);
};

#endif
