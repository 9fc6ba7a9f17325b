/* Replays of one subscription of a client that is live already, and what the
 * user and the past of the process bring into a stream. */
#include "test_core_keep.h"

static struct keeper k;

static void keep(const char *const *settings)
{
    k_init(&k, settings, NULL);
}

static void end(void)
{
    k_fini(&k);
}

static void send_many(const char *name, unsigned n)
{
    while (n--) {
        (void)k_channel(&k, name);
    }
}

static void drain(void)
{
    h_drain_all(&k.h);
}

/* ---- one subscription ---- */

/* A client of `live`; the subscription to `name` is yet to come. */
static void subscriber(struct reader *b, const char *live, const char *name)
{
    struct cursor top;
    struct str first = str_of(live);

    reader_init(b, &k, 2, "u", name);
    cr_assert_eq(router_join(k.h.r, &b->m, b->user, &first, 1, &top), 0);
}

static void follow(struct reader *b)
{
    while (!b->done) {
        cr_assert_eq(reader_next(b), 0);
    }
    reader_end(b);
}

Test(subscribe, replays_its_channel_only)
{
    struct reader b;

    keep((const char *const[]){"history", "2", "user-history", "1", NULL});
    send_many("a", 3); /* 1 is gone */
    send_many("b", 1);
    (void)k_user(&k, "u");
    (void)k_user(&k, "u");
    (void)k_everyone(&k);
    subscriber(&b, "live", "a");
    reader_begin(&b, false, "0");
    follow(&b);
    reader_expect(&b, "[channel a 0-1 evicted] 2 3 =7");
    cr_assert(member_has_name(&b.m, STR_LIT("a")));
    send_many("a", 1);
    send_many("live", 1);
    (void)k_user(&k, "u");
    drain();
    reader_expect(&b, "8 9 10");
    reader_leave(&b);
    end();
}

/* What it is subscribed to already comes live in between. */
Test(subscribe, others_stay_live)
{
    struct reader b;

    keep(NULL);
    send_many("a", 3);
    subscriber(&b, "live", "a");
    b.max_items = 2;
    reader_begin(&b, false, "0");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "1 2");
    send_many("a", 1);
    send_many("live", 1);
    cr_assert_eq(reader_next(&b), 0); /* settled first: what is live is older */
    reader_expect(&b, "5 3 4 =5");
    reader_end(&b);
    send_many("a", 1);
    drain();
    reader_expect(&b, "6");
    reader_leave(&b);
    end();
}

Test(subscribe, a_pattern_over_what_is_live)
{
    struct reader b;

    keep(NULL);
    send_many("a.x", 1);
    send_many("a.y", 1);
    subscriber(&b, "a.x", "a.*");
    reader_begin(&b, false, "0");
    follow(&b);
    reader_expect(&b, "1 2 =2");
    send_many("a.x", 1);
    send_many("a.y", 1);
    drain();
    reader_expect(&b, "3 4");
    reader_leave(&b);
    end();
}

Test(subscribe, already)
{
    struct reader b;
    long refs;

    keep(NULL);
    send_many("a", 1);
    subscriber(&b, "a", "a");
    reader_begin(&b, false, "0");
    cr_assert_eq(reader_next(&b), ERR_EXISTS);
    cr_assert_eq(b.s->n, 0u, "nothing to be freed");
    refs = (long)b.m.names;
    cr_assert_eq(refs, 1);
    reader_end(&b);
    reader_leave(&b);
    end();
}

/* Given up between two slices: nothing was subscribed. */
Test(subscribe, given_up)
{
    struct reader b;

    keep(NULL);
    send_many("a", 5);
    subscriber(&b, "live", "a");
    b.max_items = 2;
    reader_begin(&b, false, "0");
    cr_assert_eq(reader_next(&b), 0);
    reader_end(&b);
    cr_assert_not(member_has_name(&b.m, STR_LIT("a")));
    cr_assert_eq(router_unsubscribe(k.h.r, &b.m, STR_LIT("a")), ERR_NOT_FOUND);
    send_many("a", 1);
    drain();
    reader_expect(&b, "1 2");
    reader_leave(&b);
    end();
}

/* Items that the receiver has not taken are the slice's to let go of. */
Test(subscribe, items_not_taken)
{
    struct reader b;
    struct position pos = position_of("0");

    keep(NULL);
    send_many("a", 5);
    reader_init(&b, &k, 0, NULL, "a");
    reader_begin(&b, true, "0");
    (void)pos;
    cr_assert_eq(replay_next(k.h.r, &b.m, &b.rp, b.s, k.now_ms), 0);
    cr_assert_eq(b.s->n, 5u);
    frame_unref(b.s->items[0].frame);
    b.s->items[0].frame = NULL;
    reader_end(&b);
    reader_leave(&b);
    end();
}

/* ---- the user's queue ---- */

static void send_mixed(void) /* 1 u, 2 a, 3 u, 4 b, 5 a */
{
    (void)k_user(&k, "u");
    send_many("a", 1);
    (void)k_user(&k, "u");
    send_many("b", 1);
    send_many("a", 1);
}

Test(queue, comes_whatever_is_asked_for)
{
    static const char *const positions[] = {"now", "newest:1", "since:999999999", "77:3", "lost"};
    static const char *const text[] = {"1 3 =5", "1 3 5 =5", "1 3 =5", "[all 3-5 epoch] 1 3 =5",
                                       "[all 0-5 epoch] 1 3 =5"};

    for (unsigned i = 0; i < 5; i++) {
        struct reader b;
        keep(NULL);
        send_mixed();
        reader_open(&b, &k, 0, "u", "a", positions[i]);
        reader_expect(&b, text[i]);
        reader_leave(&b);
        reader_open(&b, &k, 0, "u", "a", "now");
        reader_expect(&b, "=5");
        reader_leave(&b);
        reader_open(&b, &k, 0, "u", "a", "0");
        reader_expect(&b, "1 2 3 5 =5");
        reader_leave(&b);
        end();
    }
}

/* A cursor may be from before the user was known: it takes nothing from the queue. */
Test(queue, with_a_cursor)
{
    static const char *const text[] = {"1 2 3 5 =5", "1 2 3 5 =5", "1 3 5 =5",
                                       "1 3 5 =5",   "1 3 5 =5",   "1 3 =5"};

    for (unsigned i = 0; i <= 5; i++) {
        struct reader b;
        char position[2] = {(char)('0' + i), '\0'};
        keep(NULL);
        send_mixed();
        reader_init(&b, &k, 0, "u", "a");
        reader_begin(&b, true, position);
        cr_assert_eq(b.rp.start.seq, i, "the client's position stays where it is");
        while (!b.done) {
            cr_assert_eq(reader_next(&b), 0);
        }
        reader_end(&b);
        reader_expect(&b, text[i]);
        reader_leave(&b);
        reader_open(&b, &k, 0, "u", "a", "now");
        reader_expect(&b, "=5");
        reader_leave(&b);
        end();
    }
}

/* Nobody of the user is joined while it is replayed: what comes then is in the
 * replay, and waits for nobody after it. */
Test(queue, what_comes_during_a_replay)
{
    struct reader b;

    keep(NULL);
    send_many("a", 3);
    reader_init(&b, &k, 0, "u", "a");
    b.max_items = 2;
    reader_begin(&b, true, "0");
    cr_assert_eq(reader_next(&b), 0);
    (void)k_user(&k, "u");
    while (!b.done) {
        cr_assert_eq(reader_next(&b), 0);
    }
    reader_end(&b);
    reader_expect(&b, "1 2 3 4 =4");
    reader_leave(&b);
    reader_open(&b, &k, 0, "u", "a", "now");
    reader_expect(&b, "=4");
    reader_leave(&b);
    end();
}

Test(queue, connected_cursor_is_before_it)
{
    struct reader b;

    keep(NULL);
    send_many("a", 3);
    (void)k_user(&k, "u");
    send_many("a", 3);
    reader_init(&b, &k, 0, "u", "a");
    reader_begin(&b, true, "now");
    cr_assert_eq(b.rp.start.seq, 3u);
    cr_assert_eq(b.rp.start.epoch, (uint64_t)H_EPOCH);
    follow(&b);
    reader_expect(&b, "4 =7");
    reader_leave(&b);
    reader_init(&b, &k, 0, "v", "a");
    reader_begin(&b, true, "now");
    cr_assert_eq(b.rp.start.seq, 7u);
    reader_end(&b);
    reader_init(&b, &k, 0, "v", "a");
    reader_begin(&b, true, "5");
    cr_assert_eq(b.rp.start.seq, 5u);
    reader_end(&b);
    end();
}

/* A stream that ends before it has them all leaves the rest. */
Test(queue, stays_until_it_was_in_a_slice)
{
    struct reader b;

    keep(NULL);
    for (unsigned i = 0; i < 3; i++) {
        (void)k_user(&k, "u");
    }
    reader_init(&b, &k, 0, "u", "");
    b.max_items = 2;
    reader_begin(&b, true, "now");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "1 2");
    reader_end(&b);
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "3 =3");
    reader_leave(&b);
    end();
}

Test(queue, of_which_some_is_gone)
{
    struct reader b;

    keep((const char *const[]){"user-history", "2", "user-history-age", "10s", NULL});
    for (unsigned i = 0; i < 5; i++) {
        (void)k_user(&k, "u");
    }
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "[user u 0-3 evicted] 4 5 =5");
    reader_leave(&b);
    (void)k_user(&k, "u");
    k.now_ms += 10000;
    (void)router_tidy(k.h.r, k.now_ms);
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "[user u 5-6 evicted] =6");
    reader_leave(&b);
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "=6");
    reader_leave(&b);
    end();
}

/* Also if a later time was asked for. */
Test(queue, since_knows_what_of_it_is_gone)
{
    struct reader b;
    char position[32];

    keep((const char *const[]){"user-history-age", "10s", NULL});
    (void)k_user(&k, "u");
    k.now_ms += 10000;
    (void)router_tidy(k.h.r, k.now_ms);
    send_many("a", 1);
    snprintf(position, sizeof(position), "since:%llu", (unsigned long long)k.now_ms - 1000);
    reader_open(&b, &k, 0, "u", "a", position);
    reader_expect(&b, "[user u 0-1 evicted] 2 =2");
    reader_leave(&b);
    end();
}

/* Of two streams that come at the same time the second gets what the first has not
 * got yet, and both what comes then. */
Test(queue, two_streams_at_once)
{
    struct reader a, b;

    keep(NULL);
    for (unsigned i = 0; i < 3; i++) {
        (void)k_user(&k, "u");
    }
    reader_init(&a, &k, 0, "u", "");
    a.max_items = 2;
    reader_begin(&a, true, "now");
    cr_assert_eq(reader_next(&a), 0);
    reader_open(&b, &k, 1, "u", "", "now");
    reader_expect(&b, "3 =3");
    (void)k_user(&k, "u"); /* online */
    cr_assert_eq(reader_next(&a), 0);
    while (!a.done) {
        cr_assert_eq(reader_next(&a), 0);
    }
    reader_end(&a);
    reader_expect(&a, "1 2 3 4 =4");
    drain();
    reader_expect(&b, "4");
    reader_leave(&a);
    reader_leave(&b);
    end();
}

/* ---- what a process before has left ---- */

static struct frame *frame_for(enum target_kind kind, const char *target, uint64_t seq)
{
    const struct envelope e = {.kind = kind,
                               .target = str_of(target),
                               .type = STR_LIT("t"),
                               .id = STR_LIT("i"),
                               .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                               .data = STR_LIT("null"),
                               .epoch = H_EPOCH};
    struct frame *f;

    cr_assert_eq(frame_new(&e, frame_digits(seq), &f), 0);
    frame_seal(f, seq);
    return f;
}

static void restore(uint64_t lane, enum target_kind kind, const char *name, uint64_t seq)
{
    struct frame *f = frame_for(kind, name, seq);

    cr_assert_eq(router_restore_message(k.h.r, lane, seq, 1000, 0, f), 0);
    frame_unref(f);
}

/* Lane 1: a with 2, 5; lane 3: user u with 3, from which on it is queued; lane 4: c
 * without messages. Up to 7; lost: (3, 4] and (5, 6]. */
static void restore_all(void)
{
    struct restored_log log = {.top = 7, .floor = 1, .lost = {{3, 4}, {5, 6}}, .nlost = 2};

    router_restore_log(k.h.r, &log);
    cr_assert_eq(router_restore_lane(k.h.r, 1, TARGET_CHANNEL, STR_LIT("a"), 1, 0), 0);
    cr_assert_eq(router_restore_lane(k.h.r, 3, TARGET_USER, STR_LIT("u"), 0, 3), 0);
    cr_assert_eq(router_restore_lane(k.h.r, 4, TARGET_CHANNEL, STR_LIT("c"), 2, 0), 0);
    restore(1, TARGET_CHANNEL, "a", 2);
    restore(3, TARGET_USER, "u", 3);
    restore(1, TARGET_CHANNEL, "a", 5);
    router_restored(k.h.r, k.now_ms);
}

static void expect(const char *user, const char *names, const char *position, const char *text)
{
    struct reader *b = malloc(sizeof(*b));

    cr_assert(b);
    reader_open(b, &k, 1, user, names, position);
    cr_assert_str_eq(b->text, text, "%s from %s: \"%s\", not \"%s\"", names, position, b->text,
                     text);
    reader_leave(b);
    free(b);
}

Test(restored, goes_on_where_it_was)
{
    struct frame *f = frame_for(TARGET_CHANNEL, "a", 6);

    keep(NULL);
    restore_all();
    cr_assert_eq(router_top(k.h.r).seq, 7u);
    cr_assert_eq(router_restore_message(k.h.r, 9, 6, 1, 0, f), ERR_NOT_FOUND);
    frame_unref(f);
    expect("u", "a", "2", "[all 3-4 unclean-stop] [all 5-6 unclean-stop] 3 5 =7");
    expect("u", "a", "now", "=7");
    expect(NULL, "a", "4", "[all 5-6 unclean-stop] 5 =7");
    expect(NULL, "a", "6", "=7");
    expect(NULL, "c", "1",
           "[all 3-4 unclean-stop] [all 5-6 unclean-stop] [channel c 1-2 evicted] =7");
    send_many("a", 1);
    expect(NULL, "a", "7", "8 =8");
    expect(NULL, "a", "earliest", "2 5 8 =8");
    end();
}

/* A lane without messages stands where it will, but a pattern knows of it. */
Test(restored, patterns_know_all_lanes)
{
    struct restored_log log = {.top = 20};
    char name[8];

    keep(NULL);
    router_restore_log(k.h.r, &log);
    for (unsigned i = 1; i <= 9; i++) { /* what is gone of them: in no order */
        snprintf(name, sizeof(name), "c%u", i);
        cr_assert_eq(router_restore_lane(k.h.r, i, TARGET_CHANNEL, str_of(name), i * 7 % 10, 0), 0);
    }
    router_restored(k.h.r, k.now_ms);
    expect(NULL, "*", "0", "[pattern * 0-9 evicted] =20");
    expect(NULL, "*", "8", "[pattern * 8-9 evicted] =20");
    expect(NULL, "*", "9", "=20");
    end();
}

/* The bounds are other ones than those of the process before. */
Test(restored, more_than_there_may_be_now)
{
    struct restored_log log = {.top = 40};
    char name[8];

    keep((const char *const[]){"history-channels", "16", "history", "1", NULL});
    router_restore_log(k.h.r, &log);
    for (unsigned i = 1; i <= 20; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        cr_assert_eq(router_restore_lane(k.h.r, i, TARGET_CHANNEL, str_of(name), 0, 0), 0);
    }
    for (unsigned i = 1; i <= 40; i++) {
        snprintf(name, sizeof(name), "c%u", (i - 1) % 20 + 1);
        restore((i - 1) % 20 + 1, TARGET_CHANNEL, name, i);
    }
    router_restored(k.h.r, k.now_ms);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_CHANNELS), 16u);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 16u);
    expect(NULL, "c20", "10", "[channel c20 10-20 evicted] 40 =40");
    expect(NULL, "c1", "10", "[channel c1 10-24 unknown] =40");
    end();
}

/* When it was that something went is not known any more: since is careful. */
Test(restored, since)
{
    struct restored_log log = {.top = 7};

    keep(NULL);
    k.now_ms = 100000;
    router_restore_log(k.h.r, &log);
    cr_assert_eq(router_restore_lane(k.h.r, 1, TARGET_CHANNEL, STR_LIT("a"), 3, 0), 0);
    cr_assert_eq(router_restore_lane(k.h.r, 2, TARGET_CHANNEL, STR_LIT("b"), 4, 0), 0);
    restore(1, TARGET_CHANNEL, "a", 5); /* at 1000 */
    router_restored(k.h.r, k.now_ms);
    expect(NULL, "a", "since:1000", "[channel a 0-3 evicted] 5 =7");
    expect(NULL, "a", "since:1001", "=7");
    expect(NULL, "b", "since:1001", "[channel b 3-4 evicted] =7");
    end();
}

Test(restored, refuses_what_is_out_of_order)
{
    struct restored_log log = {.top = 7};
    struct frame *f = frame_for(TARGET_CHANNEL, "a", 5);

    keep(NULL);
    router_restore_log(k.h.r, &log);
    cr_assert_eq(router_restore_lane(k.h.r, 2, TARGET_CHANNEL, STR_LIT("a"), 0, 0), 0);
    cr_assert_eq(router_restore_lane(k.h.r, 1, TARGET_CHANNEL, STR_LIT("b"), 0, 0), ERR_INVALID);
    cr_assert_eq(router_restore_message(k.h.r, 2, 5, 1000, 0, f), 0);
    cr_assert_eq(router_restore_message(k.h.r, 2, 5, 1000, 0, f), ERR_INVALID);
    cr_assert_eq(router_restore_message(k.h.r, 2, 4, 1000, 0, f), ERR_INVALID);
    cr_assert_eq(router_restore_message(k.h.r, 2, 8, 1000, 0, f), ERR_INVALID, "over the top");
    cr_assert_eq(atomic_load(&f->refs), 2u);
    router_restored(k.h.r, k.now_ms);
    frame_unref(f);
    end();
}

/* ---- a refused publication leaves no trace ---- */

Test(restored, a_refused_publication_hides_no_gap)
{
    struct reader b;
    struct str to = STR_LIT("new");
    struct publication p;
    struct publish_result res;
    struct publish_verdict verdict;

    keep((const char *const[]){"history", "1", NULL});
    send_many("a", 3);
    reader_init(&b, &k, 0, NULL, "new");
    reader_resume(&b, "now");
    p = k_publication(&k, TARGET_CHANNEL, &to);
    k.h.shards[0].full = true;
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), ERR_BUSY);
    k.h.shards[0].full = false;
    expect(NULL, "*", "0", "[pattern * 0-2 evicted] 3 =3");
    expect(NULL, "*", "1", "[pattern * 1-2 evicted] 3 =3");
    reader_leave(&b);
    end();
}

/* The newest message of a lane had a ttl, which is over. */
Test(restored, since_with_a_lane_that_has_expired)
{
    struct str to = STR_LIT("x");
    struct publication p;

    keep((const char *const[]){"history", "1", NULL});
    k.now_ms = 100000;
    send_many("x", 2); /* 1 is gone */
    k.now_ms = 200000;
    send_many("y", 2); /* 3 is gone */
    p = k_publication(&k, TARGET_CHANNEL, &to);
    p.ttl_s = 1;
    (void)k_publish(&k, &p);
    k.now_ms = 300000;
    (void)router_tidy(k.h.r, k.now_ms);
    expect(NULL, "*", "since:150000", "[pattern * 0-3 evicted] 4 =5");
    end();
}
