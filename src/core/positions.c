#include "core/positions.h"

#include <stddef.h>
#include <stdlib.h>

/* A user may have so many, however few all may have. */
#define SHARE_MIN 64

void positions_init(struct positions *t, uint64_t seed, uint32_t max, struct history *history)
{
    *t = (struct positions){.pairs = {.seed = seed}, .history = history, .max = max};
}

void positions_fini(struct positions *t)
{
    struct pair *p, *next;

    HASH_ITER (hh, t->pairs.table, p, next) { /* those that are in no list too */
        pairs_drop(&t->pairs, p);
    }
}

struct read_pos *positions_find(const struct positions *t, struct str channel, struct str user)
{
    struct read_pos *p = read_pos_of(pairs_find(&t->pairs, channel, user));

    return p && !p->gone ? p : NULL;
}

struct read_pos *positions_obtain(struct positions *t, struct str channel, struct str user)
{
    struct pair *p = pairs_find(&t->pairs, channel, user);

    return p ? read_pos_of(p) : pairs_add(&t->pairs, sizeof(struct read_pos), channel, user);
}

void positions_cancel(struct positions *t, struct read_pos *p)
{
    if (p->seq == 0) {
        pairs_drop(&t->pairs, &p->pair);
    }
}

static uint32_t *share_of(struct positions *t, struct str user)
{
    return &t->share[map_hash(t->pairs.seed, user) % POSITIONS_SHARES];
}

/* ---- the store ---- */

/* As it is now, and behind it whoever waits for that. */
static void put(struct positions *t, struct read_pos *p)
{
    p->rec = (struct record){.kind = p->gone ? RECORD_UNREAD : RECORD_READ,
                             .seq = p->seq,
                             .at_ms = p->at_ms,
                             .name = pair_channel_name(p->pair.channel),
                             .user = read_pos_user(p)};
    p->rec_out = true;
    p->changed = p->unsaved = false;
    history_record(t->history, &p->rec, sizeof(*p));
    while (p->waits) {
        struct barrier *b = p->waits;
        p->waits = (struct barrier *)(void *)b->rec.next;
        history_record(t->history, &b->rec, sizeof(*b));
    }
}

static void changed(struct positions *t, struct read_pos *p)
{
    if (!t->history->store) {
        return;
    }
    if (p->rec_out) {
        p->changed = true;
    } else {
        put(t, p);
    }
}

/* Found again until the store knows: or a new one of the same names would be deleted there by
 * the record of this one. */
static void forget(struct positions *t, struct read_pos *p)
{
    --*share_of(t, read_pos_user(p));
    if (!t->history->store && !p->rec_out) {
        pairs_drop(&t->pairs, &p->pair);
        return;
    }
    pairs_unlist(&t->pairs, &p->pair);
    p->gone = true;
    changed(t, p);
}

bool positions_full(const struct positions *t, struct str user)
{
    uint32_t may = t->max / 8 > SHARE_MIN ? t->max / 8 : SHARE_MIN;

    return t->share[map_hash(t->pairs.seed, user) % POSITIONS_SHARES] >= may;
}

/* It is to move: if it is new, or comes back, it counts from now on. */
static void count(struct positions *t, const struct read_pos *p)
{
    if (p->seq == 0 || !p->pair.listed) {
        ++*share_of(t, read_pos_user(p));
    }
}

static void keep_within_bound(struct positions *t)
{
    struct metrics *m = t->history->metrics;

    while (t->pairs.listed > t->max) {
        forget(t, read_pos_of(t->pairs.oldest));
        if (m) {
            metrics_inc(m, METRIC_READS_FORGOTTEN);
        }
    }
    if (m) {
        metrics_add(m, METRIC_READS, (uint64_t)t->pairs.listed - t->counted);
        t->counted = t->pairs.listed;
    }
}

static void add_wait(struct read_pos *p, struct barrier *b)
{
    b->rec.kind = RECORD_BARRIER;
    b->rec.next = p->waits ? &p->waits->rec : NULL;
    p->waits = b;
}

void positions_move(struct positions *t, struct read_pos *p, uint64_t seq, uint64_t at_ms,
                    struct barrier *b)
{
    if (b) {
        add_wait(p, b);
    }
    count(t, p);
    p->gone = false;
    p->seq = seq;
    p->at_ms = at_ms;
    pairs_touch(&t->pairs, &p->pair);
    changed(t, p);
    keep_within_bound(t);
}

bool read_pos_pending(const struct read_pos *p)
{
    return p->rec_out || p->unsaved;
}

/* Not put behind a record that is out: that may have failed already, and nobody knows yet. */
void positions_await(struct positions *t, struct read_pos *p, struct barrier *b)
{
    add_wait(p, b);
    if (!p->rec_out) {
        put(t, p);
    }
}

int positions_restore(struct positions *t, struct str channel, struct str user, uint64_t seq,
                      uint64_t at_ms)
{
    struct read_pos *p = positions_obtain(t, channel, user);

    if (!p) {
        return ERR_NOMEM;
    }
    count(t, p);
    p->seq = seq;
    p->at_ms = at_ms;
    pairs_touch(&t->pairs, &p->pair);
    keep_within_bound(t);
    return 0;
}

static struct record *take_waits(struct read_pos *p)
{
    struct record *chain = p->waits ? &p->waits->rec : NULL;

    p->waits = NULL;
    return chain;
}

struct record *positions_stored(struct positions *t, struct record *rec, int rc)
{
    struct read_pos *p = (struct read_pos *)(void *)((char *)rec - offsetof(struct read_pos, rec));
    struct record *chain = NULL;

    p->rec_out = false;
    if (rec->kind == RECORD_UNREAD && p->gone) { /* also if it had come back in between */
        chain = take_waits(p);
        pairs_drop(&t->pairs, &p->pair);
    } else if (rec->kind == RECORD_READ && rc != 0) {
        chain = take_waits(p);
        p->changed = false;
        if (p->gone) { /* it may be on the disk all the same */
            put(t, p);
        } else {
            p->unsaved = true;
        }
    } else if (p->changed) {
        put(t, p);
    } else {
        chain = take_waits(p);
    }
    return chain;
}
