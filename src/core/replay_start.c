/* Where a replay begins. */
#include "core/replay_private.h"

#include <stdlib.h>

static void mark_doubles(struct replay *rp)
{
    for (unsigned i = 1; i < replay_names(rp); i++) {
        for (unsigned k = 0; k < i && rp->told[i] != REPLAY_DOUBLED; k++) {
            if (str_eq(rp->names[i], rp->names[k])) {
                rp->told[i] = REPLAY_DOUBLED;
            }
        }
    }
}

bool replay_has_pattern(const struct replay *rp)
{
    for (unsigned i = 0; i < replay_names(rp); i++) {
        if (name_is_pattern(rp->names[i])) {
            return true;
        }
    }
    return false;
}

static bool names_match(const struct replay *rp, struct str channel)
{
    for (unsigned i = 0; i < replay_names(rp); i++) {
        if (name_match(rp->names[i], channel)) {
            return true;
        }
    }
    return false;
}

bool replay_wants(const struct replay *rp, const struct lane *l)
{
    switch ((enum target_kind)l->kind) {
    case TARGET_CHANNEL:
        return names_match(rp, lane_name(l));
    case TARGET_USER:
        return rp->whole && rp->user.len && str_eq(lane_name(l), rp->user);
    case TARGET_EVERYONE:
        break;
    }
    return rp->whole;
}

/* ---- where it begins ---- */

/* The position before the first kept message received at or after since_ms: the
 * log's order is that of its times. */
static uint64_t before_time(const struct router *r, uint64_t since_ms)
{
    const struct history *h = &r->history;
    uint64_t low = 0, high = r->top; /* everything up to low is older */

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        struct seqlog_pos pos = seqlog_seek(&h->log, mid);
        const struct seqlog_entry *e = seqlog_next(&h->log, &pos);
        if (!e || replay_item(e->lane, e->seq)->at_ms >= since_ms) {
            high = mid; /* the first over mid is new enough */
        } else {
            low = e->seq;
        }
    }
    return low;
}

/* The position before the newest `count` messages, with patterns. */
static uint64_t before_newest_matching(const struct router *r, const struct replay *rp,
                                       uint32_t count)
{
    const struct history *h = &r->history;
    struct seqlog_pos pos = seqlog_seek(&h->log, r->top);
    const struct seqlog_entry *e;
    uint64_t at = r->top;

    for (unsigned looks = replay_looks(rp); count && looks; looks--) {
        e = seqlog_prev(&h->log, &pos);
        if (!e) {
            break;
        }
        if (replay_wants(rp, e->lane) && history_live(h, e->lane, replay_item(e->lane, e->seq))) {
            at = e->seq - 1;
            count--;
        }
    }
    return at;
}

/* The lane of a replay's name, or behind the names the user's and everyone's. */
static struct lane *lane_of(const struct router *r, const struct replay *rp, unsigned i)
{
    const struct history *h = &r->history;

    if (i < replay_names(rp)) {
        return history_find(h, TARGET_CHANNEL, rp->names[i]);
    }
    if (i == replay_names(rp)) {
        return replay_user_lane(r, rp);
    }
    return rp->whole ? history_find(h, TARGET_EVERYONE, STR_NONE) : NULL;
}

/* The same without patterns: from the ends of the lanes. */
static uint64_t before_newest(const struct router *r, const struct replay *rp,
                              struct replay_lane *v, uint32_t count)
{
    unsigned n = replay_names(rp) + 2;
    uint64_t at = r->top;

    for (unsigned i = 0; i < n; i++) {
        v[i].lane = rp->told[i] == REPLAY_DOUBLED ? NULL : lane_of(r, rp, i);
        v[i].i = v[i].lane ? v[i].lane->n : 0;
    }
    while (count) {
        struct replay_lane *best = NULL;
        uint64_t seq = 0;
        for (unsigned i = 0; i < n; i++) {
            if (v[i].i && lane_item(v[i].lane, v[i].i - 1)->seq > seq) {
                seq = lane_item(v[i].lane, v[i].i - 1)->seq;
                best = &v[i];
            }
        }
        if (!best) {
            break;
        }
        best->i--;
        at = seq - 1;
        count -= history_live(&r->history, best->lane, lane_item(best->lane, best->i));
    }
    return at;
}

/* What is gone already is no gap: whatever is kept was asked for. */
static void tell_nothing_of_the_past(const struct router *r, struct replay *rp)
{
    rp->evictions = r->history.evictions;
    rp->floor = r->history.floor;
    rp->lost_told = r->nlost;
    for (unsigned i = 0; i < replay_names(rp) + 2; i++) {
        const struct lane *l = lane_of(r, rp, i);
        if (rp->told[i] == REPLAY_DOUBLED) {
            continue;
        }
        rp->told[i] = l ? l->evicted : 0;
        if (!l && !(i < replay_names(rp) && name_is_pattern(rp->names[i]))) {
            rp->told[i] = rp->floor;
        }
    }
}

static void start_at(struct replay *rp, const struct router *r, uint64_t seq)
{
    rp->at = rp->others_after = seq;
    rp->start = router_at(r, seq);
}

static void start_at_cursor(struct replay *rp, const struct router *r, struct cursor c)
{
    if (router_knows(r, c, r->top)) {
        start_at(rp, r, c.seq);
        return;
    }
    start_at(rp, r, r->top);
    rp->start = c;
    rp->foreign = true;
}

static void start(struct replay *rp, const struct router *r, const struct position *pos,
                  struct replay_lane *v)
{
    switch (pos->kind) {
    case POSITION_NONE:
        start_at(rp, r, r->top);
        break;
    case POSITION_CURSOR:
        start_at_cursor(rp, r, pos->cursor);
        break;
    case POSITION_LOST:
        start_at_cursor(rp, r, (struct cursor){0, 0});
        break;
    case POSITION_EARLIEST:
        start_at(rp, r, 0);
        tell_nothing_of_the_past(r, rp);
        break;
    case POSITION_SINCE:
        start_at(rp, r, before_time(r, pos->since_ms));
        rp->since_ms = pos->since_ms;
        break;
    case POSITION_NEWEST:
        start_at(rp, r,
                 replay_has_pattern(rp) ? before_newest_matching(r, rp, pos->count)
                                        : before_newest(r, rp, v, pos->count));
        tell_nothing_of_the_past(r, rp);
        break;
    }
}

/* Messages that wait for the user come too, wherever the rest begins. */
static void start_at_queue(struct replay *rp, const struct router *r, const struct position *pos)
{
    const struct lane *l = replay_user_lane(r, rp);

    rp->queue = l && l->queued;
    if (rp->queue) {
        rp->told[replay_names(rp)] = 0; /* what is gone of the queue is a gap */
        if (l->queued - 1 < rp->at) {
            rp->at = l->queued - 1;
        }
        if (pos->kind == POSITION_NONE) {
            rp->start = router_at(r, rp->at);
        }
    }
    rp->user_after = rp->at;
}

void replay_fini(struct replay *rp)
{
    free(rp->told);
    rp->told = NULL;
}

static void trim_lanes(struct router *r, const struct replay *rp)
{
    for (unsigned i = 0; i < replay_names(rp) + 2; i++) {
        struct lane *l = lane_of(r, rp, i);
        if (l) {
            history_trim(&r->history, l);
        }
    }
}

int replay_init(struct router *r, struct replay *rp, const struct position *pos, uint64_t now_ms)
{
    struct replay_lane *v = calloc(replay_names(rp) + 2, sizeof(*v));

    rp->told = calloc(replay_names(rp) + 2, sizeof(*rp->told));
    if (!rp->told || !v) {
        free(v);
        replay_fini(rp);
        return ERR_NOMEM;
    }
    mark_doubles(rp);
    router_lock(r);
    history_now(&r->history, now_ms);
    trim_lanes(r, rp);
    start(rp, r, pos, v);
    start_at_queue(rp, r, pos);
    if (pos->kind != POSITION_NONE && r->metrics) {
        metrics_inc(r->metrics, METRIC_RESUMES);
    }
    router_unlock_flush(r);
    free(v);
    return 0;
}
