/* What the log keeps: setting it up, filling it from a store, tidying. */
#include "core/message.h"
#include "core/router_private.h"
#include "core/unacked.h"

#include <stdlib.h>

/* What one tidying looks at. */
#define TIDY_IDS 1024
#define TIDY_ACKS 256

const char *gap_reason_text(enum gap_reason reason)
{
    switch (reason) {
    case GAP_EVICTED:
        return "evicted";
    case GAP_UNKNOWN:
        return "unknown";
    case GAP_EPOCH:
        return "epoch";
    case GAP_UNCLEAN_STOP:
        break;
    }
    return "unclean-stop";
}

int router_keep(struct router *r, const struct router_keep *keep)
{
    const struct options *opt = keep->opt;
    struct acks_limits limits = {opt->ack_timeout, opt->ack_attempts, opt->max_unacked,
                                 opt->max_unacked_total};
    int rc = dedupe_new(r->seed, opt->id_window, opt->max_ids, &r->dedupe);

    if (rc == 0) {
        rc = acks_new(r->seed, &limits, &r->acks);
    }
    if (rc == 0) {
        history_init(&r->history, opt, keep->store, keep->metrics, r->seed);
        r->store = keep->store;
        r->metrics = keep->metrics;
    }
    return rc;
}

/* ---- from the store ---- */

void router_restore_log(struct router *r, const struct restored_log *log)
{
    atomic_store(&r->assigned, log->top);
    r->top = log->top;
    r->history.floor = log->floor;
    r->history.floor_at = UINT64_MAX;
    for (unsigned i = 0; i < log->nlost && i < LOST_RANGES_MAX; i++) {
        r->lost[i] = log->lost[i];
        r->nlost = i + 1;
    }
}

/* By number, while messages are being restored. */
static int note_lane(struct router *r, struct lane *l)
{
    if (r->nrestored && r->restored[r->nrestored - 1]->id >= l->id) {
        return ERR_INVALID;
    }
    if ((r->nrestored & (r->nrestored - 1)) == 0) { /* a power of two: full */
        uint32_t cap = r->nrestored ? r->nrestored * 2 : 1;
        struct lane **v = realloc(r->restored, cap * sizeof(struct lane *));
        if (!v) {
            return ERR_NOMEM;
        }
        r->restored = v;
    }
    r->restored[r->nrestored++] = l;
    return 0;
}

static struct lane *noted_lane(const struct router *r, uint64_t id)
{
    uint32_t low = 0, high = r->nrestored;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (r->restored[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < r->nrestored && r->restored[low]->id == id ? r->restored[low] : NULL;
}

int router_restore_lane(struct router *r, uint64_t lane, enum target_kind target, struct str name,
                        uint64_t evicted, uint64_t queued)
{
    struct history *h = &r->history;
    struct core_store *store = h->store;
    struct lane *l;

    h->restoring = true;
    h->store = NULL; /* it knows */
    l = history_obtain(h, target, name);
    h->store = store;
    if (!l) {
        return ERR_NOMEM;
    }
    l->id = lane;
    l->evicted = l->last = l->assigned = evicted;
    l->evicted_at = l->last_at = UINT64_MAX;
    if (evicted) {
        history_lost_one(h, l);
    }
    l->vague = 0;
    if (evicted > h->evicted) {
        h->evicted = evicted;
    }
    l->queued = queued;
    if (lane >= h->next_id) {
        h->next_id = lane + 1;
    }
    return note_lane(r, l);
}

int router_restore_message(struct router *r, uint64_t lane, uint64_t seq, uint64_t at_ms,
                           uint64_t expires_ms, struct frame *frame)
{
    struct history_item item = {seq, at_ms, expires_ms, frame};
    struct lane *l = noted_lane(r, lane);

    if (!l) {
        return ERR_NOT_FOUND;
    }
    if (seq <= l->last || seq > r->top) {
        return ERR_INVALID;
    }
    history_now(&r->history, at_ms);
    l->assigned = seq;
    (void)history_append(&r->history, l, &item);
    return 0;
}

int router_restore_unacked(struct router *r, struct str user, struct str id, uint64_t seq,
                           uint64_t at_ms, uint64_t expires_ms, struct frame *frame)
{
    struct ack *k = acks_find(r->acks, user, id);
    int rc;

    if (k) { /* that this one waits no more could not be written */
        unacked_forget(r, user, k->seq);
    }
    rc = acks_reserve_anyway(r->acks, user, id, &k);

    if (rc == 0) {
        acks_commit(r->acks, k, seq, at_ms, expires_ms, frame);
        metrics_inc(r->metrics, METRIC_UNACKED);
    }
    return rc;
}

int router_restore_once(struct router *r, struct once *o)
{
    int rc = dedupe_off(r->dedupe) || dedupe_find(r->dedupe, once_id(o), o->at_ms)
                 ? 0
                 : dedupe_add(r->dedupe, o);

    once_unref(o);
    return rc;
}

void router_restored(struct router *r, uint64_t now_ms)
{
    router_lock(r);
    history_restored(&r->history, r->restored, r->nrestored);
    while (history_tidy(&r->history, now_ms)) {
    }
    free(r->restored);
    r->restored = NULL;
    r->nrestored = 0;
    router_unlock(r); /* what changed is put with the next records: the store sleeps yet */
}

bool router_tidy(struct router *r, uint64_t now_ms)
{
    bool more;

    if (!history_on(&r->history)) {
        return false;
    }
    router_lock(r);
    more = history_tidy(&r->history, now_ms);
    dedupe_expire(r->dedupe, now_ms, TIDY_IDS);
    more |= unacked_tidy(r, TIDY_ACKS);
    router_unlock_flush(r);
    return more;
}
