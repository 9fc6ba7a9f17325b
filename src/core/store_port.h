/* store_port.h - what the log hands to a durable store, and gets back.
 *
 * Everything that must survive the process is a record. The log puts records
 * in order, under its lock; the store writes them in that order on a thread of
 * its own, many in one transaction, and gives them back with router_stored().
 * Records are embedded in what they are about: the store frees none, and what
 * a record points to lives until it is given back. */
#ifndef FF_CORE_STORE_PORT_H
#define FF_CORE_STORE_PORT_H

#include "core/dedupe.h"
#include "proto/cursor.h"
#include "proto/frame.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct router;

enum record_kind {
    RECORD_MESSAGE, /* a message of the log: seq, at_ms, expires_ms, lane, frame, ack, once */
    RECORD_LANE,    /* a lane is new or has changed: lane, target, name, evicted, queued.
                       Its messages up to `evicted` are to be deleted. */
    RECORD_FORGET,  /* a lane and its messages are to be deleted: lane; floor */
    RECORD_ACKED,   /* a message waits for no acknowledgement any more: seq */
    RECORD_READ,    /* how far a user has read in a channel: name (the channel), user, seq, at_ms */
    RECORD_UNREAD,  /* nothing is known of that any more: name, user */
    RECORD_BARRIER  /* nothing: it comes back when all before it are durable */
};

struct record {
    struct record *next;
    enum record_kind kind;
    bool ephemeral; /* MESSAGE: has a place in the order, but is not written */
    bool ack;       /* MESSAGE: waits for an acknowledgement: kept until ACKED, whatever
                        becomes of its lane */
    bool queues;    /* MESSAGE: nobody was sent it: the lane's `queued` becomes its seq, in
                        the same transaction, if it was 0 */
    uint64_t seq;
    uint64_t at_ms;      /* MESSAGE, READ: when it was received, real time */
    uint64_t expires_ms; /* MESSAGE: real time, 0: never */
    uint64_t lane;       /* number of the lane; never used again for another one */
    enum target_kind target;
    struct str name;
    struct str user;     /* READ, UNREAD */
    uint64_t evicted;    /* LANE: highest seq that is not kept any more */
    uint64_t queued;     /* LANE: first seq that no client of the user was sent; 0: none */
    uint64_t floor;      /* FORGET: highest seq of any forgotten lane */
    struct frame *frame; /* MESSAGE */
    struct once *once;   /* MESSAGE, the first of a publication with an id of the publisher's */
};

/* A store, as the log sees it. */
struct core_store {
    void *ctx;
    /* The highest seq that may be given out: it is on disk that numbers up to
     * here may have been seen by clients. Any thread. */
    _Atomic uint64_t reserved;
    /* Messages are sent on only after their commit (--sync=always). Never changes. */
    bool delayed;
    /* Publications are answered only after their commit (--sync=always, with or
     * without --fanout-early). Never changes. */
    bool waits;
    /* Lock held. May so many bytes be put now? 0, ERR_BUSY (too much waits to be
     * written, or no number is reserved up to `seq`), ERR_STORE (it has failed). */
    int (*admit)(void *ctx, size_t bytes, uint64_t seq);
    /* Lock held. Takes over a chain of records, to be written behind those before. */
    void (*put)(void *ctx, struct record *first, struct record *last, size_t bytes);
};

/* Any thread, without the lock: the store is done with a chain of records, in
 * order. rc 0: they are durable (or, not delayed and no wait, written). With an
 * error, only messages, READ and barriers are given back: they are not in the
 * store and never will be; with a `delayed` or `waits` store their publishers are
 * told. The store keeps trying to write all other records. */
void router_stored(struct router *r, struct record *first, int rc);
/* Any thread, without the lock: from now on nothing is written any more
 * (--store-failure=memory). Numbers go on from `next_seq`, which no run that
 * used the store has used or will use. The store goes on taking records and
 * gives them back in order, with rc 0. */
void router_store_gone(struct router *r, uint64_t next_seq);

/* ---- at the start, before any shard runs; in this order ---- */

/* A range of numbers whose messages, if there were any, are lost: (from, to]. */
struct lost_range {
    uint64_t from, to;
};
#define LOST_RANGES_MAX 8

struct restored_log {
    uint64_t top;                            /* numbers go on behind it */
    uint64_t floor;                          /* see RECORD_FORGET */
    struct lost_range lost[LOST_RANGES_MAX]; /* ascending */
    unsigned nlost;
};
void router_restore_log(struct router *r, const struct restored_log *log);
/* In the order of `lane`; `evicted`, `queued` as in RECORD_LANE. ERR_NOMEM,
 * ERR_INVALID (out of order). */
int router_restore_lane(struct router *r, uint64_t lane, enum target_kind target, struct str name,
                        uint64_t evicted, uint64_t queued) FF_USE_RESULT;
/* Messages in the order of seq; takes a reference of its own. ERR_NOMEM,
 * ERR_NOT_FOUND (no such lane), ERR_INVALID (out of order). */
int router_restore_message(struct router *r, uint64_t lane, uint64_t seq, uint64_t at_ms,
                           uint64_t expires_ms, struct frame *frame) FF_USE_RESULT;
/* A message that waits for an acknowledgement, whether or not it is in a lane.
 * `id` is its message id. ERR_NOMEM. */
int router_restore_unacked(struct router *r, struct str user, struct str id, uint64_t seq,
                           uint64_t at_ms, uint64_t expires_ms, struct frame *frame) FF_USE_RESULT;
/* Takes the reference over. In the order of at_ms. ERR_NOMEM. */
int router_restore_once(struct router *r, struct once *o) FF_USE_RESULT;
/* How far the user has read in the channel; both names are checked. In the order of at_ms.
 * ERR_NOMEM, ERR_INVALID (no position of this log). */
int router_restore_read(struct router *r, struct str channel, struct str user, uint64_t seq,
                        uint64_t at_ms) FF_USE_RESULT;
/* All is there: the bounds are applied. */
void router_restored(struct router *r, uint64_t now_ms);

#endif
