#include "core/history.h"

#include "proto/name.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

/* What malloc, the ring and the log add to a frame, about. */
#define ITEM_EXTRA (16 + sizeof(struct history_item) + sizeof(struct seqlog_entry))
#define RING_MIN 4
/* Lanes that one tidying looks at. */
#define TIDY_LANES 512

void history_init(struct history *h, const struct options *opt, struct core_store *store,
                  struct metrics *metrics, uint64_t seed)
{
    *h = (struct history){.opt = opt, .store = store, .metrics = metrics};
    for (unsigned i = 0; i < 3; i++) {
        h->seeds[i] = seed + i;
    }
    h->next_id = 1;
}

uint64_t history_now(struct history *h, uint64_t now_ms)
{
    if (now_ms > h->now_ms) {
        h->now_ms = now_ms;
    }
    return h->now_ms;
}

/* ---- the store ---- */

void history_record(struct history *h, struct record *rec, size_t bytes)
{
    rec->next = NULL;
    if (h->out) {
        h->out_last->next = rec;
    } else {
        h->out = rec;
    }
    h->out_last = rec;
    h->out_bytes += bytes;
}

void history_flush(struct history *h)
{
    if (h->out) {
        struct record *first = h->out;
        h->out = NULL;
        h->store->put(h->store->ctx, first, h->out_last, h->out_bytes);
        h->out_bytes = 0;
    }
}

void history_changed(struct history *h, struct lane *l)
{
    if (!h->store) {
        return;
    }
    l->changed = true;
    if (l->rec_out) {
        return; /* the store reads it: once more when it comes back */
    }
    l->rec = (struct record){.kind = RECORD_LANE,
                             .lane = l->id,
                             .target = (enum target_kind)l->kind,
                             .name = lane_name(l),
                             .evicted = l->evicted,
                             .queued = l->queued ? l->queued : l->queueing};
    l->rec_out = true;
    l->changed = false;
    history_record(h, &l->rec, sizeof(*l));
}

static void lane_free(struct lane *l)
{
    free(l->ring);
    free(l);
}

/* A lane on its way out, also of the store. */
struct forgotten {
    struct record rec; /* first */
    struct lane *lane;
};

void history_lane_stored(struct history *h, struct record *rec)
{
    struct lane *l;

    if (rec->kind == RECORD_FORGET) { /* its other record came back before */
        lane_free(((struct forgotten *)(void *)rec)->lane);
        free(rec);
        return;
    }
    l = (struct lane *)(void *)((char *)rec - offsetof(struct lane, rec));
    l->rec_out = false;
    if (l->changed && !l->gone) {
        history_changed(h, l);
    }
}

/* ---- items ---- */

static uint64_t item_bytes(const struct history_item *it)
{
    return frame_size(it->frame) + ITEM_EXTRA;
}

bool history_would_keep(const struct lane *l, const struct frame *f)
{
    return l->rule.count && frame_size(f) + ITEM_EXTRA <= l->rule.bytes;
}

static void count_item(struct history *h, struct lane *l, const struct history_item *it, bool in)
{
    uint64_t bytes = in ? item_bytes(it) : 0 - item_bytes(it);

    l->bytes += bytes;
    h->bytes += bytes;
    h->messages += in ? 1 : UINT64_MAX;
    metrics_add(h->metrics, METRIC_HISTORY_BYTES, bytes);
    metrics_add(h->metrics, METRIC_HISTORY_MESSAGES, in ? 1 : UINT64_MAX);
}

static void ev_unlink(struct history *h, struct lane *l)
{
    if (l->ev_older) {
        l->ev_older->ev_newer = l->ev_newer;
    }
    if (l->ev_newer) {
        l->ev_newer->ev_older = l->ev_older;
    } else if (h->ev_newest == l) {
        h->ev_newest = l->ev_older;
    }
    l->ev_newer = l->ev_older = NULL;
}

/* To the front: it lost a message just now. */
void history_lost_one(struct history *h, struct lane *l)
{
    l->evicted_no = ++h->evictions;
    if (h->ev_newest == l) {
        return;
    }
    ev_unlink(h, l);
    l->ev_older = h->ev_newest;
    if (l->ev_older) {
        l->ev_older->ev_newer = l;
    }
    h->ev_newest = l;
}

static void note_evicted(struct history *h, struct lane *l, uint64_t seq, uint64_t at_ms)
{
    l->evicted = seq;
    l->evicted_at = at_ms;
    history_lost_one(h, l);
    if (seq > h->evicted) {
        h->evicted = seq;
    }
    metrics_inc(h->metrics, METRIC_EVICTED);
    history_changed(h, l);
}

/* The oldest goes. */
static void drop_first(struct history *h, struct lane *l)
{
    struct history_item it = *lane_item(l, 0);

    count_item(h, l, &it, false);
    seqlog_remove(&h->log, it.seq);
    l->head = (l->head + 1) & (l->cap - 1);
    l->n--;
    if (history_expired(h, &it)) {
        metrics_inc(h->metrics, METRIC_EXPIRED);
    } else {
        note_evicted(h, l, it.seq, it.at_ms);
    }
    frame_unref(it.frame);
    if (l->n == 0) {
        free(l->ring);
        l->ring = NULL;
        l->head = l->cap = 0;
        l->has_ttl = false;
    }
}

static int resize(struct lane *l, uint32_t cap)
{
    struct history_item *ring = malloc(cap * sizeof(*ring));

    if (!ring) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        ring[i] = *lane_item(l, i);
    }
    free(l->ring);
    l->ring = ring;
    l->cap = cap;
    l->head = 0;
    return 0;
}

static int grow(struct lane *l)
{
    if (l->n < l->cap) {
        return 0;
    }
    return resize(l, l->cap ? l->cap * 2 : RING_MIN);
}

/* After most have gone the ring may be far too large. */
static void shrink(struct lane *l)
{
    if (l->cap > 64 && l->n <= l->cap / 8) {
        (void)!resize(l, l->cap / 4); /* without memory it stays large */
    }
}

uint32_t lane_seek(const struct lane *l, uint64_t after)
{
    uint32_t low = 0, high = l->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (lane_item(l, mid)->seq > after) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

bool lane_lost_since(const struct lane *l, uint64_t since_ms)
{
    if (l->evicted == 0) {
        return false;
    }
    if (l->evicted_at != UINT64_MAX) {
        return l->evicted_at >= since_ms;
    }
    return l->n == 0 || lane_item(l, 0)->at_ms >= since_ms; /* older ones than this are gone */
}

void history_trim(struct history *h, struct lane *l)
{
    while (l->n && !history_live(h, l, lane_item(l, 0))) {
        drop_first(h, l);
    }
}

/* ---- lanes ---- */

struct lane *history_find(const struct history *h, enum target_kind kind, struct str name)
{
    struct lane *l = NULL;
    unsigned v = map_hash(h->seeds[kind], name);

    HASH_FIND_BYHASHVALUE(hh, h->table[kind], name.p ? name.p : "", name.len, v, l);
    return l;
}

static void unlink_lane(struct history *h, struct lane *l)
{
    *(l->newer ? &l->newer->older : &h->newest) = l->older;
    *(l->older ? &l->older->newer : &h->oldest) = l->newer;
    l->newer = l->older = NULL;
}

static void link_newest(struct history *h, struct lane *l)
{
    l->older = h->newest;
    l->newer = NULL;
    *(l->older ? &l->older->newer : &h->oldest) = l;
    h->newest = l;
}

/* The list is in the order of `last`, but for lanes that have had none yet. */
static void refresh(struct history *h, struct lane *l)
{
    if (h->newest != l) {
        unlink_lane(h, l);
        link_newest(h, l);
    }
}

/* Into the store at once, ahead of any new lane of that name. */
static void put_forgotten(struct history *h, struct lane *l, struct forgotten *f)
{
    l->gone = true;
    f->lane = l;
    f->rec = (struct record){.kind = RECORD_FORGET, .lane = l->id, .floor = h->floor};
    history_record(h, &f->rec, sizeof(*f));
}

static void drop_all(struct history *h, struct lane *l)
{
    struct core_store *store = h->store;

    h->store = NULL; /* it will forget the lane as a whole */
    while (l->n) {
        drop_first(h, l);
    }
    h->store = store;
}

/* Without memory it stays. */
static void forget(struct history *h, struct lane *l)
{
    struct forgotten *f = h->store ? calloc(1, sizeof(*f)) : NULL;

    if (h->store && !f) {
        return;
    }
    if (h->tidy == l) {
        h->tidy = l->newer;
    }
    drop_all(h, l);
    if (l->last > h->floor) {
        h->floor = l->last;
        h->floor_at = h->now_ms;
    }
    unlink_lane(h, l);
    ev_unlink(h, l);
    HASH_DELETE(hh, h->table[l->kind], l);
    h->lanes--;
    metrics_dec(h->metrics, METRIC_HISTORY_CHANNELS);
    metrics_inc(h->metrics, METRIC_FORGOTTEN);
    if (f) {
        put_forgotten(h, l, f);
    } else {
        lane_free(l);
    }
}

/* The one that has been silent for longest, unless a message of it is on its way. */
static void make_room(struct history *h)
{
    struct lane *l = h->oldest;

    while (l && (l->inflight || l->kind == TARGET_EVERYONE)) {
        l = l->newer;
    }
    if (l) {
        forget(h, l);
    }
}

static struct history_rule rule_for(const struct history *h, enum target_kind kind, struct str name)
{
    switch (kind) {
    case TARGET_CHANNEL:
        return options_channel_history(h->opt, name);
    case TARGET_USER:
        return options_user_history(h->opt);
    case TARGET_EVERYONE:
        break;
    }
    return options_everyone_history(h->opt);
}

struct lane *history_obtain(struct history *h, enum target_kind kind, struct str name)
{
    struct lane *l = history_find(h, kind, name);
    unsigned v = map_hash(h->seeds[kind], name);

    if (l) {
        return l;
    }
    assert(name.len <= NAME_MAX_LEN);
    l = calloc(1, sizeof(*l) + name.len + 1);
    if (!l) {
        return NULL;
    }
    l->kind = (uint8_t)kind;
    l->name_len = (uint16_t)name.len;
    if (name.len) {
        memcpy(l->name, name.p, name.len);
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->table[kind], l->name, name.len, v, l);
    if (!l->hh.tbl) {
        free(l);
        return NULL;
    }
    if (h->lanes >= h->opt->history_channels && !h->restoring) {
        make_room(h);
    }
    l->rule = rule_for(h, kind, name);
    l->id = h->next_id++;
    if (kind != TARGET_EVERYONE) { /* which is never forgotten */
        l->evicted = l->vague = h->floor;
        l->evicted_at = h->floor_at;
    }
    link_newest(h, l);
    h->lanes++;
    metrics_inc(h->metrics, METRIC_HISTORY_CHANNELS);
    history_changed(h, l);
    return l;
}

static int by_last(const void *a, const void *b)
{
    uint64_t x = (*(struct lane *const *)a)->last;
    uint64_t y = (*(struct lane *const *)b)->last;

    return (x > y) - (x < y);
}

void history_restored(struct history *h, struct lane **lanes, uint32_t n)
{
    uint32_t over = h->lanes > h->opt->history_channels ? h->lanes - h->opt->history_channels : 0;

    if (n) {
        qsort(lanes, n, sizeof(struct lane *), by_last);
    }
    for (uint32_t i = 0; i < n; i++) {
        refresh(h, lanes[i]);
    }
    h->restoring = false;
    for (; over; over--) {
        make_room(h);
    }
}

/* Everything above the bound of all, the oldest of all first. */
static void keep_within_total(struct history *h)
{
    while (h->bytes > h->opt->history_total && h->messages) {
        struct seqlog_pos pos = {0, 0};
        drop_first(h, seqlog_next(&h->log, &pos)->lane);
    }
}

bool history_append(struct history *h, struct lane *l, const struct history_item *item)
{
    uint64_t bytes = item_bytes(item);

    l->last = item->seq;
    l->last_at = item->at_ms;
    refresh(h, l);
    if (!history_would_keep(l, item->frame)) {
        while (l->n) {
            drop_first(h, l);
        }
        note_evicted(h, l, item->seq, item->at_ms);
        return false;
    }
    history_trim(h, l);
    while (l->n && (l->n >= l->rule.count || l->bytes + bytes > l->rule.bytes)) {
        drop_first(h, l);
    }
    while (grow(l) != 0 || seqlog_append(&h->log, item->seq, l) != 0) {
        if (l->n == 0) { /* not even this one */
            note_evicted(h, l, item->seq, item->at_ms);
            return false;
        }
        drop_first(h, l);
    }
    *lane_item(l, l->n) = *item;
    l->n++;
    l->has_ttl |= item->expires_ms != 0;
    frame_ref(item->frame);
    count_item(h, l, item, true);
    keep_within_total(h);
    return l->n != 0;
}

/* ---- tidying ---- */

/* Takes expired items out of the middle. */
static void drop_expired(struct history *h, struct lane *l)
{
    uint32_t kept = 0, ttl = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        struct history_item it = *lane_item(l, i);
        if (history_expired(h, &it)) {
            count_item(h, l, &it, false);
            seqlog_remove(&h->log, it.seq);
            metrics_inc(h->metrics, METRIC_EXPIRED);
            frame_unref(it.frame);
            continue;
        }
        ttl += it.expires_ms != 0;
        *lane_item(l, kept++) = it;
    }
    l->n = kept;
    l->has_ttl = ttl != 0;
}

bool history_tidy(struct history *h, uint64_t now_ms)
{
    struct lane *l = h->tidy ? h->tidy : h->oldest;
    unsigned n = 0;

    history_now(h, now_ms);
    for (; l && n < TIDY_LANES; l = l->newer) {
        n += 1 + l->n / 16;
        if (l->has_ttl) {
            drop_expired(h, l);
        }
        history_trim(h, l);
        shrink(l);
    }
    h->tidy = l;
    return l != NULL;
}

void history_fini(struct history *h)
{
    h->store = NULL; /* it has given everything back */
    while (h->newest) {
        forget(h, h->newest);
    }
    seqlog_fini(&h->log);
}
