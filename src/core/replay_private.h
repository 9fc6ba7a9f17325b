/* replay_private.h - what the files of the replay share. Internal to core; lock
 * held. */
#ifndef FF_CORE_REPLAY_PRIVATE_H
#define FF_CORE_REPLAY_PRIVATE_H

#include "core/history.h"
#include "core/replay.h"
#include "core/router_private.h"

/* Entries of the log, and channels, that one slice looks at for patterns: about
 * so many comparisons of names. */
#define REPLAY_LOOKS 8192

/* Names that stand twice are told of once: their `told`. */
#define REPLAY_DOUBLED UINT64_MAX

/* Where a slice is in one lane. */
struct replay_lane {
    struct lane *lane;
    uint32_t i;
};

/* A slice being made. */
struct slicing {
    struct router *r;
    struct history *h;
    struct replay *rp;
    struct replay_slice *s;
    unsigned nlanes;
    size_t bytes;
};

static inline unsigned replay_names(const struct replay *rp)
{
    return rp->whole ? rp->nnames : 1;
}
/* How many entries or channels each name may be compared with. */
static inline unsigned replay_looks(const struct replay *rp)
{
    unsigned n = replay_names(rp);

    return REPLAY_LOOKS / (n ? n : 1) + 64;
}
/* What the client has of the user's lane, or of any other one. */
static inline uint64_t replay_base(const struct replay *rp, bool user)
{
    return !user && rp->others_after > rp->at ? rp->others_after : rp->at;
}
/* Of the stream's user; NULL: there is none. */
static inline struct lane *replay_user_lane(const struct router *r, const struct replay *rp)
{
    return rp->whole && rp->user.len ? history_find(&r->history, TARGET_USER, rp->user) : NULL;
}
static inline const struct history_item *replay_item(const struct lane *l, uint64_t seq)
{
    return lane_item(l, lane_seek(l, seq - 1));
}

/* ---- replay_start.c ---- */

bool replay_has_pattern(const struct replay *rp);
/* Is anything of this lane to be replayed? */
bool replay_wants(const struct replay *rp, const struct lane *l);

/* ---- replay_gaps.c: what is missing, each told once ---- */

/* The position itself is of another log; ranges that were lost. */
void replay_gap_all(struct slicing *sl);
/* `l` NULL: nothing is known of it. */
void replay_gap_lane(struct slicing *sl, enum gap_scope scope, struct str name,
                     const struct lane *l, uint64_t *told);
void replay_gap_pattern(struct slicing *sl, struct str pattern, uint64_t *told);

#endif
