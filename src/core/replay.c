/* The slices of a replay. */
#include "core/replay_private.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

int replay_slice_init(struct replay_slice *s, const struct replay *rp)
{
    unsigned n = replay_names(rp) + 2;

    memset(s, 0, offsetof(struct replay_slice, items));
    s->gaps = calloc(n + LOST_RANGES_MAX + 1, sizeof(*s->gaps));
    s->lanes = calloc(n, sizeof(*s->lanes));
    s->n = 0;
    if (!s->gaps || !s->lanes) {
        replay_slice_fini(s);
        return ERR_NOMEM;
    }
    return 0;
}

static void drop_items(struct replay_slice *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        frame_unref(s->items[i].frame);
    }
    s->n = 0;
}

void replay_slice_fini(struct replay_slice *s)
{
    drop_items(s);
    free(s->gaps);
    free(s->lanes);
    s->gaps = NULL;
    s->lanes = NULL;
}

/* ---- messages ---- */

/* A lane that is read from, after its gap is told. */
static void enter_lane(struct slicing *sl, enum gap_scope scope, enum target_kind kind,
                       struct str name, uint64_t *told)
{
    struct lane *l = history_find(sl->h, kind, name);

    if (l) {
        history_trim(sl->h, l);
    }
    replay_gap_lane(sl, scope, name, l, told);
    if (l && l->n) {
        sl->s->lanes[sl->nlanes++] =
            (struct replay_lane){l, lane_seek(l, replay_base(sl->rp, kind == TARGET_USER))};
    }
}

static void enter_lanes(struct slicing *sl)
{
    struct replay *rp = sl->rp;
    unsigned n = replay_names(rp);

    replay_gap_all(sl);
    for (unsigned i = 0; i < n; i++) {
        if (rp->told[i] == REPLAY_DOUBLED) {
            continue;
        }
        if (name_is_pattern(rp->names[i])) {
            replay_gap_pattern(sl, rp->names[i], &rp->told[i]);
        } else {
            enter_lane(sl, GAP_CHANNEL, TARGET_CHANNEL, rp->names[i], &rp->told[i]);
        }
    }
    if (rp->whole && rp->user.len) {
        enter_lane(sl, GAP_USER, TARGET_USER, rp->user, &rp->told[n]);
    }
    if (rp->whole) {
        enter_lane(sl, GAP_EVERYONE, TARGET_EVERYONE, STR_NONE, &rp->told[n + 1]);
    }
}

/* False: the slice is full. */
static bool take_item(struct slicing *sl, const struct history_item *it)
{
    struct replay_slice *s = sl->s;
    size_t size = frame_size(it->frame);

    if (history_expired(sl->h, it)) { /* what is only too old is not known to be gone yet */
        return true;
    }
    if (s->n == sl->rp->max_items || (s->n && sl->bytes + size > sl->rp->max_bytes)) {
        return false;
    }
    s->items[s->n++] = (struct core_item){frame_ref(it->frame), it->seq};
    sl->bytes += size;
    return true;
}

static struct replay_lane *lane_with_oldest(const struct slicing *sl)
{
    struct replay_lane *best = NULL;
    uint64_t seq = UINT64_MAX;

    for (unsigned i = 0; i < sl->nlanes; i++) {
        struct replay_lane *rl = &sl->s->lanes[i];
        if (rl->i < rl->lane->n && lane_item(rl->lane, rl->i)->seq < seq) {
            seq = lane_item(rl->lane, rl->i)->seq;
            best = rl;
        }
    }
    return best;
}

/* From a few lanes: always the oldest of their next ones. True if that was all. */
static bool merge_lanes(struct slicing *sl)
{
    struct replay_lane *rl;

    while ((rl = lane_with_oldest(sl)) != NULL) {
        const struct history_item *it = lane_item(rl->lane, rl->i);
        if (!take_item(sl, it)) {
            return false;
        }
        sl->rp->at = it->seq;
        rl->i++;
    }
    return true;
}

/* With patterns any lane may be wanted: through the log. True if that was all. */
static bool walk_log(struct slicing *sl)
{
    struct replay *rp = sl->rp;
    struct seqlog_pos pos = seqlog_seek(&sl->h->log, rp->at);
    unsigned looks = replay_looks(rp);
    const struct seqlog_entry *e;

    for (; (e = seqlog_next(&sl->h->log, &pos)) != NULL; looks--) {
        const struct lane *l = e->lane;
        if (looks == 0) {
            return false;
        }
        if ((e->seq > rp->others_after || l->kind == TARGET_USER) && replay_wants(rp, l) &&
            !take_item(sl, replay_item(l, e->seq))) {
            return false;
        }
        rp->at = e->seq;
    }
    return true;
}

/* ---- the end ---- */

static int join(struct slicing *sl, struct member *m)
{
    struct replay *rp = sl->rp;

    if (!rp->whole) {
        return router_subscribe_locked(sl->r, m, rp->names[0]);
    }
    return router_join_locked(sl->r, m, rp->user, rp->names, rp->nnames);
}

/* What was sent waits for nobody any more. */
static void shorten_queue(struct slicing *sl)
{
    const struct replay *rp = sl->rp;
    struct lane *l = replay_user_lane(sl->r, rp);

    if (!l || !l->queued || l->queued <= rp->user_after) {
        return;
    }
    if (sl->s->done) {
        l->queued = 0;
        history_changed(sl->h, l);
    } else if (rp->at >= l->queued) {
        l->queued = rp->at + 1;
        history_changed(sl->h, l);
    }
}

int replay_next(struct router *r, struct member *m, struct replay *rp, struct replay_slice *s,
                uint64_t now_ms)
{
    struct slicing sl = {.r = r, .h = &r->history, .rp = rp, .s = s};
    int rc = 0;

    assert(rp->max_items >= 1 && rp->max_items <= REPLAY_SLICE);
    drop_items(s);
    s->ngaps = 0;
    router_lock_settled(r, m->shard);
    history_now(sl.h, now_ms);
    enter_lanes(&sl);
    s->done = replay_has_pattern(rp) ? walk_log(&sl) : merge_lanes(&sl);
    if (s->done) {
        rp->at = r->top;
        s->top = router_top_locked(r);
        rc = join(&sl, m);
    }
    if (rc == 0) {
        shorten_queue(&sl);
    }
    if (r->metrics) {
        metrics_add(r->metrics, METRIC_REPLAYED, s->n);
    }
    rp->begun = true;
    rp->evictions = sl.h->evictions;
    router_unlock_flush(r);
    if (rc != 0) {
        drop_items(s);
    }
    return rc;
}
