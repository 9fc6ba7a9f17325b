/* What a replay misses. */
#include "core/replay_private.h"

static void add_gap(struct slicing *sl, enum gap_scope scope, struct str name, uint64_t from,
                    uint64_t to, enum gap_reason reason)
{
    sl->s->gaps[sl->s->ngaps++] = (struct replay_gap){scope, name, from, to, sl->r->epoch, reason};
    if (sl->r->metrics) {
        metrics_inc(sl->r->metrics, METRIC_GAPS);
    }
}

/* Since when it is looked for what is gone; 0: since the position. What waits for
 * the user is told of from its own beginning. */
static uint64_t since_of(const struct replay *rp, enum gap_scope scope)
{
    return scope == GAP_USER && rp->queue ? 0 : rp->since_ms;
}

static void tell_gap(struct slicing *sl, enum gap_scope scope, struct str name, uint64_t to,
                     enum gap_reason reason, uint64_t *told)
{
    uint64_t base = replay_base(sl->rp, scope == GAP_USER);
    bool before = since_of(sl->rp, scope) && !sl->rp->begun;

    /* Of a time, a message that is gone may stand before the first that is kept. */
    if (to <= *told || (to <= base && !before)) {
        return;
    }
    if (*told > base) {
        base = *told;
    }
    add_gap(sl, scope, name, base < to ? base : to - 1, to, reason);
    *told = to;
}

static enum gap_reason reason_of(const struct lane *l)
{
    return l->evicted <= l->vague ? GAP_UNKNOWN : GAP_EVICTED;
}

void replay_gap_lane(struct slicing *sl, enum gap_scope scope, struct str name,
                     const struct lane *l, uint64_t *told)
{
    const struct history *h = sl->h;
    uint64_t since = since_of(sl->rp, scope);

    if (!l) {
        if (h->floor && scope != GAP_EVERYONE && (!since || h->floor_at >= since)) {
            tell_gap(sl, scope, name, h->floor, GAP_UNKNOWN, told);
        }
    } else if (!since || lane_lost_since(l, since)) {
        tell_gap(sl, scope, name, l->evicted, reason_of(l), told);
    }
}

/* Of the channels that match a pattern, the last message that is gone. */
struct pattern_loss {
    struct str pattern;
    uint64_t to;
    enum gap_reason reason;
    unsigned looks; /* names that may yet be compared */
    unsigned steps; /* channels that may yet be looked at */
};

/* False: too many for one slice. */
static bool look_at(const struct slicing *sl, struct pattern_loss *pl, const struct lane *l)
{
    uint64_t since = sl->rp->since_ms;

    if (pl->steps == 0 || pl->looks == 0) {
        pl->steps = 0;
        return false;
    }
    pl->steps--;
    if (l->kind != TARGET_CHANNEL || l->evicted <= pl->to || l->evicted <= l->vague ||
        (since && !lane_lost_since(l, since))) {
        return true;
    }
    pl->looks--;
    if (name_match(pl->pattern, lane_name(l))) {
        pl->to = l->evicted;
        pl->reason = GAP_EVICTED;
    }
    return true;
}

/* In the first slice: only those that had a message after the position can have
 * lost one. */
static void look_after(const struct slicing *sl, struct pattern_loss *pl)
{
    uint64_t since = sl->rp->since_ms;
    uint64_t base = replay_base(sl->rp, false);

    for (const struct lane *l = sl->h->newest; l; l = l->older) {
        if (l->last == 0) { /* it has had none yet, and stands anywhere */
            continue;
        }
        if ((since ? l->last_at < since : l->last <= base) || !look_at(sl, pl, l)) {
            return;
        }
    }
}

/* Then, and if what was gone at the start does not count: those that have lost
 * one meanwhile. */
static void look_since(const struct slicing *sl, struct pattern_loss *pl)
{
    for (const struct lane *l = sl->h->ev_newest; l; l = l->ev_older) {
        if (l->evicted_no <= sl->rp->evictions || !look_at(sl, pl, l)) {
            return;
        }
    }
}

void replay_gap_pattern(struct slicing *sl, struct str pattern, uint64_t *told)
{
    const struct replay *rp = sl->rp;
    const struct history *h = sl->h;
    uint64_t base = replay_base(rp, false);
    struct pattern_loss pl = {pattern, h->floor > rp->floor ? h->floor : 0, GAP_UNKNOWN,
                              replay_looks(rp), 0};

    pl.steps = pl.looks * 16;
    if (rp->since_ms && h->floor_at < rp->since_ms) {
        pl.to = 0;
    }
    if (!rp->since_ms && base > pl.to) { /* nothing up to there matters */
        pl.to = base;
    }
    if (h->evictions > rp->evictions) {
        if (rp->evictions) {
            look_since(sl, &pl);
        } else {
            look_after(sl, &pl);
        }
    }
    if (pl.steps == 0 && h->evicted > pl.to) { /* too many to look at all of them */
        pl.to = h->evicted;
        pl.reason = GAP_UNKNOWN;
    }
    tell_gap(sl, GAP_PATTERN, pattern, pl.to, pl.reason, told);
}

static void lost_gaps(struct slicing *sl)
{
    const struct router *r = sl->r;
    struct replay *rp = sl->rp;
    uint64_t base = rp->queue ? rp->at : replay_base(rp, false);

    for (; rp->lost_told < r->nlost; rp->lost_told++) {
        const struct lost_range *l = &r->lost[rp->lost_told];
        if (base < l->to) {
            add_gap(sl, GAP_ALL, STR_NONE, base > l->from ? base : l->from, l->to,
                    GAP_UNCLEAN_STOP);
        }
    }
}

static void foreign_gap(struct slicing *sl)
{
    struct replay *rp = sl->rp;

    if (rp->foreign) {
        add_gap(sl, GAP_ALL, STR_NONE, rp->start.seq, sl->r->top, GAP_EPOCH);
        sl->s->gaps[sl->s->ngaps - 1].from_epoch = rp->start.epoch;
        rp->foreign = false;
    }
}

void replay_gap_all(struct slicing *sl)
{
    foreign_gap(sl);
    lost_gaps(sl);
}
