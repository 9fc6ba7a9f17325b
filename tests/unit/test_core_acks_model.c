/* Waiting messages against a naive model: one array that is searched for
 * everything. FANFARE_SEED chooses another run. */
#include "core/acks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { USERS = 5, IDS = 8, STEPS = 20000, PER_USER = 5, TOTAL = 15, TIMEOUT = 50 };

/* One (user, id). */
struct slot {
    struct ack *k; /* NULL: none */
    bool committed;
    uint64_t seq, due, order, member;
    unsigned attempts;
};

struct model {
    struct acks *a;
    struct frame *frame;
    uint64_t rng, seq, mono, order;
    struct slot v[USERS][IDS];
    uint64_t given_up[USERS];
};

static const struct acks_limits limits = {TIMEOUT, 3, PER_USER, TOTAL};

static unsigned rnd(struct model *w, unsigned n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)(w->rng >> 33) % n;
}

/* Names of which some begin others. */
static struct str name_of(char *out, unsigned i)
{
    return (struct str){out, (size_t)snprintf(out, 16, "%.*s", (int)i + 1, "aaaabcdefgh")};
}

static unsigned count(const struct model *w, unsigned user)
{
    unsigned n = 0;

    for (unsigned i = 0; i < IDS; i++) {
        n += w->v[user][i].k != NULL;
    }
    return n;
}

static unsigned count_all(const struct model *w)
{
    unsigned n = 0;

    for (unsigned u = 0; u < USERS; u++) {
        n += count(w, u);
    }
    return n;
}

static void reserve(struct model *w, unsigned u, unsigned i)
{
    struct slot *s = &w->v[u][i];
    char user[16], id[16];
    struct ack *k;
    int want = s->k                                                         ? ERR_EXISTS
               : count(w, u) >= PER_USER || count_all(w) >= (unsigned)TOTAL ? ERR_LIMIT
                                                                            : 0;

    cr_assert_eq(acks_reserve(w->a, name_of(user, u), name_of(id, i), &k), want);
    if (want == 0) {
        *s = (struct slot){.k = k};
    }
}

static void act(struct model *w, struct slot *s, unsigned what)
{
    if (!s->committed && what < 7) {
        s->committed = true;
        s->seq = ++w->seq;
        acks_commit(w->a, s->k, s->seq, w->seq, 0, w->frame);
    } else if (!s->committed) {
        acks_cancel(w->a, s->k);
        *s = (struct slot){0};
    } else if (what < 5) {
        s->attempts++;
        s->due = w->mono + TIMEOUT;
        s->order = ++w->order;
        s->member = rnd(w, 1000);
        acks_sent(w->a, s->k, s->member, w->mono);
    } else if (what < 7) {
        s->due = 0;
        acks_rest(w->a, s->k);
    } else {
        acks_drop(w->a, s->k);
        *s = (struct slot){0};
    }
}

/* The one sent first of those under way. */
static const struct slot *first_due(const struct model *w)
{
    const struct slot *best = NULL;

    for (unsigned n = 0; n < USERS * IDS; n++) {
        const struct slot *s = &w->v[n / IDS][n % IDS];
        if (s->due && (!best || s->order < best->order)) {
            best = s;
        }
    }
    return best;
}

static void check_user(const struct model *w, unsigned u)
{
    char user[16], id[16];
    struct ack *k = acks_first(w->a, name_of(user, u));
    uint64_t before = 0;
    unsigned committed = 0;

    for (; k; k = acks_after(k)) {
        cr_assert_gt(k->seq, before);
        cr_assert(str_eq(acks_user_name(k), name_of(user, u)));
        before = k->seq;
        committed--;
    }
    for (unsigned i = 0; i < IDS; i++) {
        const struct slot *s = &w->v[u][i];
        k = acks_find(w->a, name_of(user, u), name_of(id, i));
        cr_assert_eq(k, s->committed ? s->k : NULL);
        committed += s->committed;
        cr_assert(!k || (k->seq == s->seq && k->attempts == s->attempts && k->member == s->member &&
                         (k->due_ms != 0) == (s->due != 0) && str_eq(ack_id(k), name_of(id, i))));
    }
    cr_assert_eq(committed, 0u, "the list of user %u", u);
    cr_assert_eq(acks_user_count(w->a, name_of(user, u)), count(w, u));
    cr_assert_eq(acks_user_given_up(w->a, name_of(user, u)), w->given_up[u]);
}

static void check(const struct model *w)
{
    const struct slot *due = first_due(w);
    unsigned committed = 0;

    cr_assert_eq(acks_count(w->a), count_all(w));
    cr_assert_eq(acks_next_due(w->a), due ? due->due : UINT64_MAX);
    cr_assert_eq(acks_due(w->a, w->mono), due && due->due <= w->mono ? due->k : NULL);
    for (unsigned u = 0; u < USERS; u++) {
        check_user(w, u);
    }
    for (struct ack *k = acks_walk(w->a, NULL); k; k = acks_walk(w->a, k)) {
        committed++;
    }
    for (unsigned n = 0; n < USERS * IDS; n++) {
        committed -= w->v[n / IDS][n % IDS].committed;
    }
    cr_assert_eq(committed, 0u);
    cr_assert_lt(atomic_load(&w->frame->refs), 1u + USERS * IDS);
}

static void step(struct model *w)
{
    unsigned u = rnd(w, USERS);
    unsigned i = rnd(w, IDS);
    char user[16];

    w->mono += rnd(w, 4) ? 0 : rnd(w, 30);
    if (rnd(w, 50) == 0) {
        acks_gave_up(w->a, name_of(user, u));
        w->given_up[u]++;
    } else if (!w->v[u][i].k || rnd(w, 8) == 0) {
        reserve(w, u, i);
    } else {
        act(w, &w->v[u][i], rnd(w, 9));
    }
}

static void run(uint64_t seed)
{
    const struct envelope e = {.kind = TARGET_EVERYONE,
                               .type = STR_LIT("t"),
                               .id = STR_LIT("i"),
                               .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                               .data = STR_LIT("null"),
                               .epoch = 1};
    struct model w = {.rng = seed * 0x9E3779B97F4A7C15u, .mono = 1000};

    cr_assert_eq(frame_new(&e, 1, &w.frame), 0);
    cr_assert_eq(acks_new(seed, &limits, &w.a), 0);
    for (unsigned n = 0; n < STEPS; n++) {
        step(&w);
        check(&w);
    }
    acks_free(w.a);
    cr_assert_eq(atomic_load(&w.frame->refs), 1u);
    frame_unref(w.frame);
}

Test(acks_model, does_what_a_list_would)
{
    const char *seed = getenv("FANFARE_SEED");

    for (uint64_t n = 1; n <= 3; n++) {
        uint64_t s = seed ? strtoull(seed, NULL, 10) + n - 1 : n;
        fprintf(stderr, "seed %llu\n", (unsigned long long)s);
        run(s);
    }
}
