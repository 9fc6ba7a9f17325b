/* replay.h - from a position in the log to live delivery, without a gap or a
 * duplicate: what a stream or a subscription gets from history, slice by slice.
 *
 * The member subscribes only when nothing is left to be replayed, in the same
 * critical section that finds this; until then what is published meanwhile
 * comes out of history too. So a backlog of any size costs no memory, a slow
 * reader is read for at its own pace, and if history does not keep up with it,
 * that is a gap like any other. docs/delivery.md. */
#ifndef FF_CORE_REPLAY_H
#define FF_CORE_REPLAY_H

#include "core/router.h"
#include "proto/position.h"

/* Messages of a slice, at most, and about how many bytes. */
#define REPLAY_SLICE 256
#define REPLAY_SLICE_BYTES 131072

struct replay {
    /* What for; borrowed, as long as the replay. */
    bool whole;              /* a stream: the user, everyone and all names; else the first name */
    struct str user;         /* empty: anonymous */
    const struct str *names; /* checked channels and patterns */
    unsigned nnames;
    /* Of one slice. At most REPLAY_SLICE; one message may be larger than max_bytes. */
    unsigned max_items;
    size_t max_bytes;
    /* How far it has come. */
    struct cursor start;   /* the position that the client stands at, for `connected` */
    uint64_t user_after;   /* where the user's messages begin */
    uint64_t at;           /* everything up to here is sent */
    uint64_t others_after; /* of other lanes than the user's only what comes after this */
    uint64_t since_ms;     /* nothing received before this */
    bool foreign;          /* start is of another log: to be told */
    bool begun;            /* the first slice is made */
    bool queue;            /* it begins at the user's queue, if that is before the position */
    uint64_t evictions;    /* what went before them is no gap of a pattern any more, */
    uint64_t floor;        /* nor what was forgotten up to here */
    uint64_t *told;        /* by name, then user, then everyone: gap told up to */
    uint32_t lost_told;    /* lost ranges told */
};

struct replay_gap {
    enum gap_scope { GAP_ALL, GAP_CHANNEL, GAP_PATTERN, GAP_USER, GAP_EVERYONE } scope;
    struct str name; /* of the replay's names; or the user */
    uint64_t from, to;
    uint64_t from_epoch;
    enum gap_reason reason;
};

/* What one slice brings, in this order: gaps, then items. */
struct replay_slice {
    struct replay_gap *gaps;
    struct replay_lane *lanes; /* for replay.c */
    unsigned ngaps;
    struct core_item items[REPLAY_SLICE]; /* with a reference each, the receiver's */
    unsigned n;
    bool done;         /* the member is joined (subscribed): what comes now is live, after `top` */
    struct cursor top; /* if done */
};

/* Where it begins, for a member that is not joined (whole) or joined already.
 * If the user has messages queued, they are replayed whatever `pos` is.
 * ERR_NOMEM. */
int replay_init(struct router *r, struct replay *rp, const struct position *pos, uint64_t now_ms)
    FF_USE_RESULT;
void replay_fini(struct replay *rp);
/* Room for the slices of a replay; `done` with the first. ERR_NOMEM. */
int replay_slice_init(struct replay_slice *s, const struct replay *rp) FF_USE_RESULT;
/* On the member's thread: the next slice. On an error there is no slice and the
 * member is not joined: ERR_NOMEM, after which the replay cannot go on;
 * ERR_EXISTS: subscribed already (not whole). */
int replay_next(struct router *r, struct member *m, struct replay *rp, struct replay_slice *s,
                uint64_t now_ms) FF_USE_RESULT;
/* Lets go of the items (those whose frame was not set to NULL), and of the memory. */
void replay_slice_fini(struct replay_slice *s);

#endif
