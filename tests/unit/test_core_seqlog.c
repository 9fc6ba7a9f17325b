/* The log of kept messages against a naive array: whatever is taken out of it,
 * places are found and order stays. FANFARE_SEED chooses another run. */
#include "core/seqlog.h"

#include "test_core_nomem.h"

#include <stdio.h>

enum { MAX = 60000 };

struct world {
    struct seqlog log;
    uint64_t rng;
    uint64_t top;
    struct lane *lanes[MAX]; /* by seq; NULL: not in it */
    unsigned count;
};

static char tags[8];

static unsigned rnd(struct world *w, unsigned n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)(w->rng >> 33) % n;
}

static void append(struct world *w)
{
    struct lane *lane = (struct lane *)(void *)&tags[rnd(w, 8)]; /* never looked into */

    w->top += 1 + (rnd(w, 3) == 0 ? rnd(w, 5) : 0);
    cr_assert_eq(seqlog_append(&w->log, w->top, lane), 0);
    w->lanes[w->top] = lane;
    w->count++;
}

static void take_out(struct world *w, uint64_t seq)
{
    if (w->lanes[seq]) {
        seqlog_remove(&w->log, seq);
        w->lanes[seq] = NULL;
        w->count--;
    }
}

/* From a place on, forwards and back again. */
static void check_from(struct world *w, uint64_t after, unsigned n)
{
    struct seqlog_pos pos = seqlog_seek(&w->log, after);
    const struct seqlog_entry *e;
    uint64_t seq = after;
    unsigned forwards = 0;

    for (; n; n--, forwards++) {
        do {
            seq++;
        } while (seq <= w->top && !w->lanes[seq]);
        e = seqlog_next(&w->log, &pos);
        if (seq > w->top) {
            cr_assert_null(e);
            break;
        }
        cr_assert(e && e->seq == seq && e->lane == w->lanes[seq]);
    }
    seq += seq <= w->top; /* behind the last one, as the place is */
    while (forwards--) {
        do {
            seq--;
        } while (!w->lanes[seq]);
        e = seqlog_prev(&w->log, &pos);
        cr_assert(e && e->seq == seq && e->lane == w->lanes[seq]);
    }
    do {
        seq = seq ? seq - 1 : 0;
    } while (seq && !w->lanes[seq]);
    e = seqlog_prev(&w->log, &pos);
    cr_assert(seq ? e && e->seq == seq : !e);
}

static void check_all(struct world *w)
{
    check_from(w, 0, MAX);
    check_from(w, w->top, 5);
    for (unsigned i = 0; i < 20; i++) {
        check_from(w, rnd(w, (unsigned)w->top + 2), 1 + rnd(w, 600));
    }
}

static void run(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    uint64_t oldest = 1;

    cr_assert(w);
    w->rng = (seed + 1) * 0x9E3779B97F4A7C15u;
    check_all(w);
    for (unsigned round = 0; round < 40; round++) {
        unsigned n = rnd(w, 900);
        unsigned how = rnd(w, 4);
        for (unsigned i = 0; i < n; i++) {
            append(w);
        }
        for (unsigned i = 0; i < n; i++) {
            if (how == 0 && oldest < w->top) { /* from the front */
                take_out(w, oldest++);
            } else if (how == 1) { /* anywhere */
                take_out(w, 1 + rnd(w, (unsigned)w->top));
            } else if (how == 2) { /* nearly all of one stretch */
                uint64_t seq = w->top / 2 + i;
                if (i % 50 && seq <= w->top) {
                    take_out(w, seq);
                }
            }
        }
        check_all(w);
    }
    for (uint64_t seq = 1; seq <= w->top && seed % 2; seq++) {
        take_out(w, seq);
    }
    check_all(w);
    append(w);
    check_all(w);
    seqlog_fini(&w->log);
    cr_assert_eq(w->log.n, 0u);
    free(w);
}

Test(seqlog, does_what_an_array_would)
{
    const char *seed = getenv("FANFARE_SEED");

    for (uint64_t n = 1; n <= 6; n++) {
        uint64_t s = seed ? strtoull(seed, NULL, 10) + n - 1 : n;
        fprintf(stderr, "seed %llu\n", (unsigned long long)s);
        run(s);
    }
}

/* The memory follows the number of entries, not the range of their numbers. */
Test(seqlog, sparse)
{
    struct world *w = calloc(1, sizeof(*w));

    cr_assert(w);
    w->rng = 5;
    for (unsigned i = 0; i < 10000; i++) {
        append(w);
        if (i % 100) {
            take_out(w, w->top);
        }
    }
    cr_assert_eq(w->count, 100u);
    check_all(w);
    cr_assert_leq(w->log.n, 4u, "%u chunks", w->log.n);
    for (unsigned i = 0; i < 10000; i++) {
        append(w);
    }
    for (uint64_t seq = 1; seq <= w->top; seq++) {
        if (seq % 200) {
            take_out(w, seq);
        }
    }
    check_all(w);
    cr_assert_leq(w->log.n, 6u, "%u chunks for %u", w->log.n, w->count);
    seqlog_fini(&w->log);
    free(w);
}

/* A window that moves on for ever does not make the directory grow for ever. */
Test(seqlog, moves_on)
{
    struct seqlog log = {0};
    struct lane *lane = (struct lane *)(void *)tags;

    for (uint64_t seq = 1; seq <= 400000; seq++) {
        cr_assert_eq(seqlog_append(&log, seq, lane), 0);
        if (seq > 3000) {
            seqlog_remove(&log, seq - 3000);
        }
    }
    cr_assert_leq(log.cap, 64u, "room for %u chunks", log.cap);
    cr_assert_leq(log.n, 14u);
    seqlog_fini(&log);
}

Test(seqlog_nomem, append, .init = nomem_ready)
{
    struct seqlog log = {0};
    struct lane *lane = (struct lane *)(void *)tags;
    unsigned failures = 0;
    long before = live;

    for (uint64_t seq = 1; seq <= 20000; seq++) {
        int n = 0;
        int rc;
        do {
            left = n++;
            rc = seqlog_append(&log, seq, lane);
            bool failed = left < 0;
            left = -1;
            cr_assert_eq(rc, failed ? ERR_NOMEM : 0);
            failures += failed;
        } while (rc != 0);
    }
    cr_assert_geq(failures, 20000u / 256);
    seqlog_fini(&log);
    cr_assert_eq(live, before);
}
