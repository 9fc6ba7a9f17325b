/* test_core_replay_model.h - what the random test of resuming knows of the log
 * and of its clients. */
#ifndef FF_TEST_CORE_REPLAY_MODEL_H
#define FF_TEST_CORE_REPLAY_MODEL_H

#include "test_core_fakestore.h"

enum {
    CLIENTS = 14,
    CHANNELS = 24, /* the first 24 names */
    NAMES = 31,
    USERS = 4,
    PICK = 5,
    MAX_LOG = 1 << 16,
};

static const char *const names[NAMES] = {
    "a.a", "a.b",   "a.c",       "b.a", "b.b", "b.c", "c.a", "c.b", "c.c",      "a",   "b",
    "c",   "d",     "private-a", "d.a", "d.b", "e.a", "e.b", "e.c", "f.a",      "f.b", "f.c",
    "g",   "h.h.h", "a.*",       "*.a", ">",   "*",   "b.>", "e.*", "private-*"};
static const char *const users[USERS] = {"a", "b", "u", "v"};

struct entry {
    enum target_kind kind;
    unsigned to;
    bool ephemeral;
    bool failed; /* the store could not keep it: it has never been */
    uint64_t at_ms, expires_ms, except;
};

enum { NEEDED = 1, ALLOWED = 2, GOT = 4, GAP = 8 };

struct client {
    struct member m; /* first */
    enum { OFF, REPLAYING, LIVE } state;
    struct str set[PICK];
    unsigned n;
    int user; /* -1: anonymous */
    struct replay rp;
    struct replay_slice s;
    uint64_t begun;          /* the top when it came */
    uint64_t joined;         /* the top when it was joined */
    uint64_t last;           /* newest that it got */
    uint64_t at;             /* where it would resume */
    uint64_t told[3 + PICK]; /* gaps are told once: up to here, by scope */
    bool position;           /* it came with a cursor of this log */
    bool epoch_gap;
    uint8_t *flags; /* by seq */
};

struct model {
    struct keeper k; /* first */
    enum { NO_STORE, DELAYED, EARLY } mode;
    struct fake store;
    uint64_t rng, seed;
    bool strict;    /* nothing is kept from messages but by number */
    bool forgetful; /* more targets than may be remembered */
    uint64_t top;   /* newest that is out */
    uint64_t assigned, next_id;
    struct lost_range hole; /* numbers that were left out when the store was given up */
    struct entry *log;
    uint64_t queued[USERS];
    struct client clients[CLIENTS];
    unsigned replayed, live, gaps, sessions, queue;
};

static unsigned rnd(struct model *w, unsigned n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)(w->rng >> 33) % n;
}

/* For the sentence of an assertion. */
#define SAY(w, fmt, number)                                                                   \
    "seed %llu, top %llu: " fmt, (unsigned long long)(w)->seed, (unsigned long long)(w)->top, \
        (unsigned long long)(number)

/* ---- what is for whom ---- */

static struct str target_of(const struct entry *e)
{
    return e->kind == TARGET_EVERYONE
               ? STR_NONE
               : str_of(e->kind == TARGET_USER ? users[e->to] : names[e->to]);
}

static bool wants(const struct client *c, const struct entry *e)
{
    if (e->failed) {
        return false;
    }
    if (e->kind != TARGET_CHANNEL) {
        return e->kind == TARGET_EVERYONE || c->user == (int)e->to;
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (name_match(c->set[i], str_of(names[e->to]))) {
            return true;
        }
    }
    return false;
}

static bool in_scope(const struct replay_gap *g, const struct entry *e)
{
    switch (g->scope) {
    case GAP_ALL:
        return true;
    case GAP_CHANNEL:
    case GAP_PATTERN:
        return e->kind == TARGET_CHANNEL && name_match(g->name, str_of(names[e->to]));
    case GAP_USER:
        return e->kind == TARGET_USER && str_eqz(g->name, users[e->to]);
    case GAP_EVERYONE:
        break;
    }
    return e->kind == TARGET_EVERYONE;
}

/* Does the router still keep it? */
static bool kept(struct model *w, uint64_t seq)
{
    const struct entry *e = &w->log[seq];
    const struct history_query q = {e->kind, target_of(e), false, {H_EPOCH, seq - 1},
                                    1,       w->k.now_ms};
    void (*hook)(void *ctx) = w->k.h.before_lock;
    struct frame *f[1];
    struct history_page page;
    char id[CURSOR_MAX + 8];
    bool it;

    w->k.h.before_lock = NULL;
    router_history(w->k.h.r, &q, f, &page);
    w->k.h.before_lock = hook;
    if (page.n == 0) {
        return false;
    }
    snprintf(id, sizeof(id), "-%llu\n", (unsigned long long)seq);
    it = memmem(f[0]->bytes, f[0]->sse_len, id, strlen(id)) != NULL;
    frame_unref(f[0]);
    return it;
}

/* In a strict run: the last three of each target, and of a user two. */
static uint64_t newest_gone(const struct model *w, enum target_kind kind, unsigned to)
{
    unsigned left = kind == TARGET_USER ? 2 : 3;

    for (uint64_t seq = w->top; seq > 0; seq--) {
        const struct entry *e = &w->log[seq];
        if (e->kind == kind && e->to == to && !e->ephemeral && !e->failed && left-- == 0) {
            return seq;
        }
    }
    return 0;
}

#endif
