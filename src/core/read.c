/* Reading what is kept. */
#include "core/history.h"
#include "core/router_private.h"

bool router_lane(struct router *r, enum target_kind kind, struct str name, struct lane_info *out)
{
    struct lane *l;

    *out = (struct lane_info){0};
    router_lock(r);
    l = history_find(&r->history, kind, name);
    if (l) {
        history_trim(&r->history, l);
        out->messages = l->n;
        out->bytes = l->bytes;
        out->first = router_at(r, l->n ? lane_item(l, 0)->seq : 0);
        out->last = router_at(r, l->n ? lane_item(l, l->n - 1)->seq : 0);
        out->evicted = router_at(r, l->evicted);
        out->queued = l->queued ? l->n - lane_seek(l, l->queued - 1) : 0;
    }
    router_unlock_flush(r);
    return l != NULL;
}

/* ---- pages ---- */

/* The gap that reaches furthest is the one that is told. */
static void set_gap(struct history_page *page, const struct router *r, uint64_t from, uint64_t to,
                    enum gap_reason reason)
{
    if (page->gap && page->gap_to.seq >= to) {
        return;
    }
    page->gap_from =
        router_at(r, page->gap && page->gap_from.seq < from ? page->gap_from.seq : from);
    page->gap = true;
    page->gap_to = router_at(r, to);
    page->reason = reason;
}

/* What is missing between the page before and the end of this one, at `last`. */
static void find_gap(const struct router *r, const struct lane *l, uint64_t after, uint64_t last,
                     struct history_page *page)
{
    if (!l && r->history.floor > after) {
        set_gap(page, r, after, r->history.floor, GAP_UNKNOWN);
    } else if (l && l->evicted > after) {
        set_gap(page, r, after, l->evicted, l->evicted <= l->vague ? GAP_UNKNOWN : GAP_EVICTED);
    }
    for (uint32_t i = 0; i < r->nlost; i++) {
        const struct lost_range *lost = &r->lost[i];
        if (after < lost->to && (last > lost->from || !page->more)) {
            set_gap(page, r, after > lost->from ? after : lost->from, lost->to, GAP_UNCLEAN_STOP);
        }
    }
}

static void take(const struct router *r, const struct history_query *q,
                 const struct history_item *it, struct frame **out, struct history_page *page)
{
    if (history_expired(&r->history, it)) {
        return;
    }
    if (page->n == q->limit) {
        page->more = true;
        return;
    }
    out[page->n++] = frame_ref(it->frame);
}

static void oldest_first(struct router *r, const struct history_query *q, const struct lane *l,
                         struct frame **out, struct history_page *page)
{
    bool known = router_knows(r, q->after, r->top);
    uint64_t after = known ? q->after.seq : 0;
    uint64_t last = after;

    for (uint32_t i = l ? lane_seek(l, after) : 0; l && i < l->n && !page->more; i++) {
        const struct history_item *it = lane_item(l, i);
        take(r, q, it, out, page);
        last = page->more ? last : it->seq;
    }
    if (known) {
        find_gap(r, l, after, last, page);
    } else if (q->after.epoch) {
        page->gap = true;
        page->gap_from = q->after;
        page->gap_to = router_top_locked(r);
        page->reason = GAP_EPOCH;
    }
}

static void newest_first(struct router *r, const struct history_query *q, const struct lane *l,
                         struct frame **out, struct history_page *page)
{
    uint32_t i = l ? l->n : 0;

    if (l && q->after.epoch) {
        i = q->after.seq ? lane_seek(l, q->after.seq - 1) : 0;
    }
    while (i > 0 && !page->more) {
        take(r, q, lane_item(l, --i), out, page);
    }
}

void router_history(struct router *r, const struct history_query *q, struct frame **out,
                    struct history_page *page)
{
    struct lane *l;

    *page = (struct history_page){0};
    router_lock(r);
    history_now(&r->history, q->now_ms);
    l = history_find(&r->history, q->kind, q->name);
    if (l) {
        history_trim(&r->history, l);
    }
    page->top = router_top_locked(r);
    if (q->newest_first) {
        newest_first(r, q, l, out, page);
    } else {
        oldest_first(r, q, l, out, page);
    }
    router_unlock_flush(r);
}
