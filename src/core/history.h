/* history.h - what is kept of the log: by lane (a channel, a user, everyone),
 * each within its own bounds, and all within one.
 *
 * Internal to core; guarded by the router's lock. Keeping never fails: what
 * cannot be kept, for want of room or memory, is forgotten at once, and that it
 * was is known: by lane (`evicted`), or, if the lane itself had to go, by
 * `floor`. So whoever resumes gets every message or is told of a gap. */
#ifndef FF_CORE_HISTORY_H
#define FF_CORE_HISTORY_H

#include "base/map.h"
#include "conf/options.h"
#include "core/seqlog.h"
#include "core/store_port.h"
#include "stat/metrics.h"

struct history_item {
    uint64_t seq;
    uint64_t at_ms;
    uint64_t expires_ms; /* 0: never */
    struct frame *frame;
};

struct lane {
    UT_hash_handle hh;
    struct lane *newer, *older;       /* by their last message */
    struct lane *ev_newer, *ev_older; /* by evicted_no; only those that lost one */
    struct history_item *ring;
    uint32_t head, n, cap; /* of the ring; cap is a power of two */
    uint32_t inflight;     /* messages that have a number and are not out yet */
    uint64_t id;           /* for the store */
    uint64_t bytes;
    uint64_t last;       /* newest message */
    uint64_t last_at;    /* real ms when it was received; UINT64_MAX: not known */
    uint64_t assigned;   /* newest message that has a number */
    uint64_t evicted;    /* newest message that is not kept any more */
    uint64_t evicted_no; /* which eviction of all that was, see history.evictions */
    uint64_t evicted_at; /* real ms when it was received; UINT64_MAX: not known */
    uint64_t vague;      /* up to here it is not known whether there was any */
    uint64_t queued;     /* users: first message that no connection was sent; 0: none */
    uint64_t queueing;   /* one that is on its way to be that; 0: none */
    struct history_rule rule;
    struct record rec; /* to the store: one at a time */
    bool rec_out;      /* the store has it */
    bool changed;      /* since it was put */
    bool gone;         /* forgotten; freed when the store knows it too */
    bool has_ttl;      /* some items expire */
    uint8_t kind;      /* enum target_kind */
    uint16_t name_len;
    char name[];
};

struct history {
    const struct options *opt; /* NULL: nothing is kept */
    struct core_store *store;  /* NULL: none */
    struct metrics *metrics;
    struct lane *table[3]; /* by kind */
    uint64_t seeds[3];
    struct lane *newest, *oldest;
    struct lane *ev_newest;
    struct seqlog log;
    uint64_t bytes, messages;
    uint32_t lanes;
    uint64_t next_id;
    uint64_t evictions;            /* so far */
    uint64_t evicted;              /* newest message of any lane that is not kept any more */
    uint64_t floor;                /* up to here lanes are forgotten */
    uint64_t floor_at;             /* real ms of that */
    uint64_t now_ms;               /* real time, never going back */
    struct lane *tidy;             /* where tidying goes on */
    bool restoring;                /* lanes come from the store: none is forgotten */
    struct record *out, *out_last; /* to be put at the end of the critical section */
    size_t out_bytes;
};

static inline struct str lane_name(const struct lane *l)
{
    return (struct str){l->name, l->name_len};
}
static inline struct history_item *lane_item(const struct lane *l, uint32_t i)
{
    return &l->ring[(l->head + i) & (l->cap - 1)];
}
static inline bool history_on(const struct history *h)
{
    return h->opt != NULL;
}

void history_init(struct history *h, const struct options *opt, struct core_store *store,
                  struct metrics *metrics, uint64_t seed);
void history_fini(struct history *h);
/* Time goes on; what it says is never before what it said. */
uint64_t history_now(struct history *h, uint64_t now_ms);

/* NULL: nothing is known of it. */
struct lane *history_find(const struct history *h, enum target_kind kind, struct str name);
/* The same, or a new one; for that the longest silent one may be forgotten.
 * NULL without memory. */
struct lane *history_obtain(struct history *h, enum target_kind kind, struct str name);
/* All lanes (`lanes`, which is sorted) and messages of the store are there: the
 * bound on lanes applies. */
void history_restored(struct history *h, struct lane **lanes, uint32_t n);
/* The lane's next message is out. Keeps it, or forgets it. `frame` is referenced
 * if kept. False: it is not kept. */
bool history_append(struct history *h, struct lane *l, const struct history_item *item);
/* Its bounds leave room for it, at least as the only one. */
bool history_would_keep(const struct lane *l, const struct frame *f);
/* What is too old goes; the items left may still have expired ones among them. */
void history_trim(struct history *h, struct lane *l);
static inline bool history_expired(const struct history *h, const struct history_item *it)
{
    return it->expires_ms && it->expires_ms <= h->now_ms;
}
/* Neither expired nor too old. */
static inline bool history_live(const struct history *h, const struct lane *l,
                                const struct history_item *it)
{
    return !history_expired(h, it) &&
           (it->at_ms >= h->now_ms || h->now_ms - it->at_ms < l->rule.age_ms);
}
/* Index of the first item with a seq over `after`; l->n if there is none. */
uint32_t lane_seek(const struct lane *l, uint64_t after);
/* Messages were received at or after since_ms and are not kept any more. */
bool lane_lost_since(const struct lane *l, uint64_t since_ms);
/* A message of it is not kept any more. */
void history_lost_one(struct history *h, struct lane *l);
/* Something about the lane has changed that the store must know. */
void history_changed(struct history *h, struct lane *l);
/* Chains a record for the store. */
void history_record(struct history *h, struct record *rec, size_t bytes);
/* The end of a critical section: what was chained goes to the store. */
void history_flush(struct history *h);
/* The store has given back the record of a lane. */
void history_lane_stored(struct history *h, struct record *rec);
/* A bounded bit of tidying. True if a round is not finished. */
bool history_tidy(struct history *h, uint64_t now_ms);

#endif
