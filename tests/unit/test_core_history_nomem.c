/* Every allocation of publishing with history, of keeping, replaying and
 * restoring fails once: then either there is an error and nothing happened, or
 * whoever resumes gets the message or is told that it is gone. */
#include "test_core_fakestore.h"

#include "test_core_nomem.h"

TestSuite(history_nomem, .init = nomem_ready);

static struct keeper k;
static struct fake f;

static const uint8_t hash[ONCE_HASH] = {1, 2, 3};
static const struct str nine[9] = {STR_LIT("a.a"), STR_LIT("a.b"), STR_LIT("a.c"),
                                   STR_LIT("a.d"), STR_LIT("a.e"), STR_LIT("a.f"),
                                   STR_LIT("a.g"), STR_LIT("a.h"), STR_LIT("a.i")};

/* ---- who resumes ---- */

struct resumed {
    struct member m; /* first */
    struct replay rp;
    struct replay_slice s;
    uint64_t seen; /* bit a seq: got, or told */
    uint64_t got;
};

static const struct str resumed_names[] = {STR_LIT("a.*"), STR_LIT("b"), STR_LIT("many")};

static uint64_t bits(uint64_t from, uint64_t to) /* (from, to] */
{
    uint64_t v = 0;

    for (uint64_t i = from + 1; i <= to && i < 64; i++) {
        v |= (uint64_t)1 << i;
    }
    return v;
}

static void take_slice(struct resumed *w)
{
    for (unsigned i = 0; i < w->s.ngaps; i++) {
        w->seen |= bits(w->s.gaps[i].from, w->s.gaps[i].to);
    }
    for (unsigned i = 0; i < w->s.n; i++) {
        uint64_t bit = (uint64_t)1 << (w->s.items[i].seq & 63);
        cr_assert_not(w->got & bit, "twice");
        w->got |= bit;
        w->seen |= bit;
    }
}

static int resume(struct resumed *w, uint64_t from)
{
    const struct position pos = {.kind = POSITION_CURSOR, .cursor = {H_EPOCH, from}};
    int rc;

    memset(w, 0, sizeof(*w));
    w->m = (struct member){.id = 99, .shard = 1};
    w->rp = (struct replay){.whole = true,
                            .user = STR_LIT("u"),
                            .names = resumed_names,
                            .nnames = 3,
                            .max_items = 3,
                            .max_bytes = 100000};
    rc = replay_slice_init(&w->s, &w->rp);
    if (rc != 0) {
        return rc;
    }
    rc = replay_init(k.h.r, &w->rp, &pos, k.now_ms);
    while (rc == 0 && !w->s.done) {
        rc = replay_next(k.h.r, &w->m, &w->rp, &w->s, k.now_ms);
        if (rc == 0) {
            take_slice(w);
        }
    }
    replay_fini(&w->rp);
    replay_slice_fini(&w->s);
    return rc;
}

static uint64_t ephemeral; /* bits of what is kept nowhere */

/* All up to the top has come or is told. */
static void all_or_told(void)
{
    static struct resumed w;
    uint64_t top = router_top(k.h.r).seq;

    cr_assert_lt(top, 64u);
    cr_assert_eq(resume(&w, 0), 0);
    cr_assert_eq(w.seen & ~ephemeral, bits(0, top) & ~ephemeral, "of %llu: %llx",
                 (unsigned long long)top, (unsigned long long)w.seen);
    router_leave(k.h.r, &w.m);
}

/* ---- publishing ---- */

static struct once *once;
static struct publish_result res[9];
static struct publish_verdict verdict;
static struct wait ticket;

static int publish_nine(void)
{
    struct publication p = k_publication(&k, TARGET_CHANNEL, nine);

    p.count = 9;
    p.once = once;
    p.ticket = &ticket.t;
    return router_publish(k.h.r, &p, res, &verdict);
}

static int publish_to_user(void)
{
    static const struct str to[2] = {STR_LIT("u"), STR_LIT("v")};
    struct publication p = k_publication(&k, TARGET_USER, to);

    p.count = 1;
    p.require_ack = true;
    p.once = once;
    p.ticket = &ticket.t;
    return router_publish(k.h.r, &p, res, &verdict);
}

static int publish_everyone(void)
{
    struct publication p = k_publication(&k, TARGET_EVERYONE, NULL);

    return router_publish(k.h.r, &p, res, &verdict);
}

static int publish_ephemeral(void)
{
    struct publication p = k_publication(&k, TARGET_CHANNEL, nine);

    ephemeral = (uint64_t)1 << 2;
    p.ephemeral = true;
    p.has_if_last = true;
    p.if_last = (struct cursor){H_EPOCH, 1};
    return router_publish(k.h.r, &p, res, &verdict);
}

enum mode { WITHOUT_STORE, EARLY, DELAYED };

static void start(enum mode mode)
{
    static const char *const settings[] = {"history", "2", "history-channels", "16", NULL};

    fake_init(&f, mode == DELAYED, mode != WITHOUT_STORE);
    k_init(&k, settings, mode == WITHOUT_STORE ? NULL : &f.port);
    once = once_new(STR_LIT("x"), hash, 9);
    cr_assert(once);
    wait_init(&ticket);
}

static void stop(void)
{
    fake_give_all(&f, k.h.r);
    h_drain_all(&k.h);
    k_fini(&k);
    once_unref(once);
}

/* One failure at the n-th allocation of one call on a fresh log; true if there was
 * one. */
static bool fail_at(enum mode mode, int (*call)(void), int n)
{
    long before = live;
    int rc;

    start(mode);
    (void)k_channel(&k, "b");
    fake_give_all(&f, k.h.r);
    left = n;
    rc = call();
    bool failed = left < 0;
    left = -1;
    cr_assert(rc == 0 || (failed && rc == ERR_NOMEM), "allocation %d: %d", n, rc);
    if (rc != 0) {
        cr_assert_eq(router_top(k.h.r).seq, 1u);
        cr_assert_eq(atomic_load(&once->refs), 1u);
        cr_assert_eq(atomic_load(&ticket.t.left), 1u);
        fake_give_all(&f, k.h.r);
        all_or_told();
        cr_assert_eq(call(), 0, "and again");
        cr_assert_not(verdict.duplicate);
        cr_assert_eq(res[0].cursor.seq, 2u);
    }
    fake_give_all(&f, k.h.r);
    all_or_told();
    stop();
    cr_assert_eq(live, before, "allocation %d: %ld blocks leak", n, live - before);
    return failed;
}

static void fail_each(enum mode mode, int (*call)(void), int at_least)
{
    int n = 0;

    while (fail_at(mode, call, n)) {
        n++;
    }
    cr_assert_geq(n, at_least, "only %d allocations seen", n);
}

Test(history_nomem, publish)
{
    fail_each(WITHOUT_STORE, publish_nine, 9 * 3);
    fail_each(WITHOUT_STORE, publish_to_user, 6);
    fail_each(WITHOUT_STORE, publish_everyone, 4);
    fail_each(WITHOUT_STORE, publish_ephemeral, 2);
}

Test(history_nomem, publish_with_a_store)
{
    fail_each(EARLY, publish_nine, 9 * 3);
    fail_each(EARLY, publish_to_user, 6);
    fail_each(DELAYED, publish_nine, 9 * 3);
    fail_each(DELAYED, publish_to_user, 6);
    fail_each(DELAYED, publish_everyone, 2);
    fail_each(DELAYED, publish_ephemeral, 2);
}

/* A repetition needs memory for its place in the queue of the store. */
Test(history_nomem, repetition)
{
    start(DELAYED);
    cr_assert_eq(publish_nine(), 0);
    for (int n = 0;; n++) {
        unsigned before = atomic_load(&ticket.t.left);
        left = n;
        int rc = publish_nine();
        bool failed = left < 0;
        left = -1;
        if (rc == 0) {
            cr_assert_not(failed);
            cr_assert(verdict.duplicate);
            cr_assert_eq(atomic_load(&ticket.t.left), before + 1);
            break;
        }
        cr_assert_eq(rc, ERR_NOMEM);
        cr_assert_eq(atomic_load(&ticket.t.left), before);
    }
    stop();
}

/* ---- from the store to the shards ---- */

static unsigned delivered;

static void count_delivery(void *ctx, struct member *m, uint64_t seq)
{
    (void)ctx;
    (void)m;
    (void)seq;
    delivered++;
}

enum { GROUPS = 6 };

static const char *const patterns[GROUPS] = {"a.>", "a.*", "*.*", "*.b", "*.>", ">"};

/* Without memory it is not known who is to get it: then no shard may go on as if
 * all had. What is kept of it does not depend on that. */
static bool release_fails_at(int n)
{
    struct member m[GROUPS];
    struct cursor top;
    unsigned lost = 0;
    long before = live;

    start(DELAYED);
    k.h.deliver = count_delivery;
    delivered = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        struct str name = str_of(patterns[i]);
        m[i] = (struct member){.id = i + 1, .shard = (uint16_t)(i % H_SHARDS)};
        cr_assert_eq(router_join(k.h.r, &m[i], STR_NONE, &name, 1, &top), 0);
    }
    (void)k_channel(&k, "a.b");
    left = n;
    fake_give(&f, k.h.r, ~0u, 0);
    bool failed = left < 0;
    left = -1;
    h_drain_all(&k.h);
    for (unsigned i = 0; i < H_SHARDS; i++) {
        lost += k.h.shards[i].lost;
    }
    cr_assert(delivered == GROUPS ? lost == 0 : delivered == 0 && lost == H_SHARDS,
              "allocation %d: %u delivered, %u shards told", n, delivered, lost);
    all_or_told();
    for (unsigned i = 0; i < GROUPS; i++) {
        router_leave(k.h.r, &m[i]);
    }
    stop();
    cr_assert_eq(live, before, "allocation %d: %ld blocks leak", n, live - before);
    return failed;
}

Test(history_nomem, release)
{
    int n = 0;

    while (release_fails_at(n)) {
        n++;
    }
    cr_assert_geq(n, 3, "the ring, the log, the groups");
}

/* ---- keeping much ---- */

/* Rings, chunks and their directory grow; each time it fails once, and what is
 * lost is known. */
Test(history_nomem, growth)
{
    struct reader *b = malloc(sizeof(*b));
    unsigned failures = 0;
    long before = live;

    cr_assert(b);
    k_init(&k, (const char *const[]){"history", "100000", NULL}, NULL);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t top = router_top(k.h.r).seq;
        struct str to = STR_LIT("many");
        struct publication p = k_publication(&k, TARGET_CHANNEL, &to);
        struct lane_info lane;
        left = 2 + (int)(i % 3); /* message and frame are had */
        int rc = router_publish(k.h.r, &p, res, &verdict);
        failures += left < 0;
        left = -1;
        cr_assert(rc == 0 || rc == ERR_NOMEM);
        cr_assert_eq(router_top(k.h.r).seq, top + !rc);
        if (router_lane(k.h.r, TARGET_CHANNEL, to, &lane) && rc == 0) {
            cr_assert_eq(lane.messages + lane.evicted.seq, top + 1, "kept, or known to be gone");
        }
    }
    cr_assert_geq(failures, 4u);
    k_fini(&k);
    free(b);
    cr_assert_eq(live, before - 1);
}

/* ---- replaying ---- */

static void fill(void)
{
    for (unsigned i = 0; i < 3; i++) {
        (void)k_channel(&k, "a.a");
        (void)k_channel(&k, "b");
        (void)k_user(&k, "u");
        (void)k_everyone(&k);
    }
}

Test(history_nomem, replay)
{
    static struct resumed w;
    int n = 0;

    start(WITHOUT_STORE);
    fill();
    for (;; n++) {
        long before = live;
        left = n;
        int rc = resume(&w, 0);
        bool failed = left < 0;
        left = -1;
        if (rc == 0) {
            cr_assert_not(failed);
            break;
        }
        cr_assert_eq(rc, ERR_NOMEM);
        cr_assert_not(w.m.joined);
        cr_assert_null(w.m.subs);
        cr_assert_leq(live - before, 1, "allocation %d: %ld blocks", n, live - before);
    }
    cr_assert_geq(n, 8);
    cr_assert_eq(w.seen, bits(0, 12));
    router_leave(k.h.r, &w.m);
    stop();
}

/* A member that could not join has taken nothing out of the queue. */
Test(history_nomem, queue_stays)
{
    static struct resumed w;

    for (int n = 0;; n++) {
        struct reader *b;
        start(WITHOUT_STORE);
        (void)k_user(&k, "u");
        left = n;
        int rc = resume(&w, 1);
        left = -1;
        if (rc == 0) {
            router_leave(k.h.r, &w.m);
            stop();
            break;
        }
        b = malloc(sizeof(*b));
        cr_assert(b);
        reader_open(b, &k, 0, "u", "", "now");
        reader_expect(b, "1 =1");
        reader_leave(b);
        free(b);
        stop();
    }
}

/* ---- the rest ---- */

static int keep_again(void)
{
    struct harness h;
    struct router_keep keep = {&k.opt, NULL, &k.metrics};
    int rc = h_init(&h);

    if (rc == 0) {
        rc = router_keep(h.r, &keep);
        h_fini(&h);
    }
    return rc;
}

static int restore(void)
{
    static struct frame *frame;
    struct restored_log log = {.top = 9};
    struct harness h;
    struct router_keep keep = {&k.opt, NULL, &k.metrics};
    const struct envelope e = {.kind = TARGET_CHANNEL,
                               .target = STR_LIT("a"),
                               .type = STR_LIT("t"),
                               .id = STR_LIT("i"),
                               .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                               .data = STR_LIT("null"),
                               .epoch = H_EPOCH};
    struct lane_info lane;
    int rc = h_init(&h);

    if (rc != 0) {
        return rc;
    }
    rc = router_keep(h.r, &keep);
    if (rc == 0) {
        router_restore_log(h.r, &log);
        rc = router_restore_lane(h.r, 1, TARGET_CHANNEL, STR_LIT("a"), 2, 0);
    }
    if (rc == 0) {
        rc = frame_new(&e, 1, &frame);
    }
    if (rc == 0) {
        frame_seal(frame, 5);
        rc = router_restore_message(h.r, 1, 5, 1000, 0, frame);
        if (rc == 0) {
            rc = router_restore_unacked(h.r, STR_LIT("u"), STR_LIT("i"), 5, 1000, 0, frame);
        }
        frame_unref(frame);
    }
    if (rc == 0) {
        struct once *o = once_new(STR_LIT("x"), hash, 1);
        rc = o ? router_restore_once(h.r, o) : ERR_NOMEM;
    }
    if (rc == 0) {
        router_restored(h.r, 1000);
        cr_assert(router_lane(h.r, TARGET_CHANNEL, STR_LIT("a"), &lane));
        cr_assert(lane.messages == 1 || lane.evicted.seq == 5, "kept, or known to be gone");
    }
    h_fini(&h);
    return rc;
}

static void each(int (*call)(void), int at_least)
{
    int n = 0;

    k_init(&k, NULL, NULL);
    for (;; n++) {
        long before = live;
        left = n;
        int rc = call();
        bool failed = left < 0;
        left = -1;
        cr_assert_eq(live, before, "allocation %d: %ld blocks leak", n, live - before);
        cr_assert(rc == 0 || (failed && rc == ERR_NOMEM), "allocation %d: %d", n, rc);
        if (!failed) {
            break;
        }
    }
    cr_assert_geq(n, at_least);
    k_fini(&k);
}

Test(history_nomem, keep_and_restore)
{
    each(keep_again, 4);
    each(restore, 12);
}

/* Acknowledged without memory for the record: the store may deliver it again
 * after a restart, nobody else. */
Test(history_nomem, ack)
{
    start(EARLY);
    cr_assert_eq(publish_to_user(), 0);
    fake_give_all(&f, k.h.r);
    f.len = 0;
    left = 0;
    int rc = router_ack(k.h.r, STR_LIT("u"), STR_LIT("i"));
    left = -1;
    if (rc == 0) {
        cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("i")), ERR_NOT_FOUND);
    } else {
        cr_assert_eq(rc, ERR_NOMEM);
        cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("i")), 0);
    }
    stop();
}
