/* From a position to live delivery: what comes, what is said to be missing. */
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

/* Opens a stream, looks at what it got, and closes it. */
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

static void send_ttl(const char *name, uint32_t ttl_s)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    p.ttl_s = ttl_s;
    (void)k_publish(&k, &p);
}

/* 1 a, 2 b, 3 u, 4 everyone, 5 v, 6 a, 7 a.b, 8 c */
static void send_some(void)
{
    send_many("a", 1);
    send_many("b", 1);
    (void)k_user(&k, "u");
    (void)k_everyone(&k);
    (void)k_user(&k, "v");
    send_many("a", 1);
    send_many("a.b", 1);
    send_many("c", 1);
}

/* Whoever has been connected has nothing queued. */
static void fetch(const char *user)
{
    struct reader *b = malloc(sizeof(*b));

    cr_assert(b);
    reader_open(b, &k, 2, user, "", "now");
    reader_leave(b);
    free(b);
}

/* ---- positions ---- */

Test(replay, from_every_position)
{
    static const uint64_t mine[] = {1, 3, 4, 6, 7}; /* a, a.*, u */
    static const char *const names[] = {"a a.b", "a a.*", "> a", "a.*"};

    keep(NULL);
    send_some();
    fetch("u");
    for (unsigned which = 0; which < 4; which++) {
        for (uint64_t at = 0; at <= 8; at++) {
            char position[8], text[64] = "";
            size_t n = 0;
            snprintf(position, sizeof(position), "%llu", (unsigned long long)at);
            for (unsigned i = 0; i < 5; i++) {
                bool skip = which == 3 && (mine[i] == 1 || mine[i] == 6);
                if (mine[i] > at && !skip) {
                    n += (size_t)snprintf(text + n, 8, "%llu ", (unsigned long long)mine[i]);
                }
            }
            snprintf(text + n, 8, "=8");
            if (which != 2) {
                expect("u", names[which], position, text);
            }
        }
    }
    expect(NULL, ">", "0", "1 2 4 6 7 8 =8");
    expect("v", "> a b", "3", "4 5 6 7 8 =8");
    expect(NULL, "", "0", "4 =8");
    expect(NULL, "nothing", "8", "=8");
    end();
}

Test(replay, then_live)
{
    struct reader b;

    keep(NULL);
    send_some();
    fetch("u");
    reader_open(&b, &k, 3, "u", "a b.*", "5");
    send_some();
    h_drain_all(&k.h);
    reader_expect(&b, "6 =8 9 11 12 14");
    reader_leave(&b);
    send_some();
    h_drain_all(&k.h);
    reader_expect(&b, "");
    end();
}

Test(replay, now_is_only_live)
{
    struct reader b;

    keep(NULL);
    send_some();
    reader_open(&b, &k, 0, NULL, "a >", "now");
    send_many("a", 1);
    h_drain_all(&k.h);
    reader_expect(&b, "=8 9");
    cr_assert_eq(k_metric(&k, METRIC_RESUMES), 0u);
    reader_leave(&b);
    end();
}

/* A name that was given twice, or is covered by a pattern, brings nothing twice. */
Test(replay, names_given_twice)
{
    keep((const char *const[]){"history", "2", NULL});
    send_many("a", 3);
    expect(NULL, "a a", "0", "[channel a 0-1 evicted] 2 3 =3");
    expect(NULL, "a b a", "1", "2 3 =3");
    expect(NULL, "a a", "newest:2", "2 3 =3");
    expect(NULL, "a >", "1", "2 3 =3");
    expect(NULL, "a > a.*", "newest:2", "2 3 =3");
    end();
}

Test(replay, without_keep_there_is_no_past)
{
    struct reader b;
    struct keeper bare = {.now_ms = 1000};
    struct str to = STR_LIT("a");
    struct publish_result res;

    cr_assert_eq(h_init(&bare.h), 0);
    cr_assert_eq(h_publish(&bare.h, TARGET_CHANNEL, &to, 1, 0, &res), 0);
    reader_open(&b, &bare, 0, "u", "a >", "now");
    cr_assert_eq(h_publish(&bare.h, TARGET_CHANNEL, &to, 1, 0, &res), 0);
    h_drain_all(&bare.h);
    reader_expect(&b, "=1 2");
    reader_leave(&b);
    h_fini(&bare.h);
}

Test(replay, earliest_is_what_is_kept)
{
    keep((const char *const[]){"history", "2", "history-channels", "16", NULL});
    send_many("a", 3);
    send_many("b", 3);
    expect(NULL, "a b", "earliest", "2 3 5 6 =6");
    expect(NULL, ">", "earliest", "2 3 5 6 =6");
    expect(NULL, "nothing", "earliest", "=6");
    for (unsigned i = 0; i < 16; i++) { /* a, b are forgotten */
        char name[8];
        snprintf(name, sizeof(name), "x%u", i);
        send_many(name, 1);
    }
    expect(NULL, "a b x1", "earliest", "8 =22");
    expect(NULL, "a.> x1", "earliest", "8 =22");
    end();
}

Test(replay, earliest_in_slices)
{
    struct reader b;

    keep((const char *const[]){"history", "4", NULL});
    send_many("a", 8); /* 5-8 */
    reader_init(&b, &k, 0, NULL, "a");
    b.max_items = 1;
    reader_begin(&b, true, "earliest");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "5");
    send_many("a", 3); /* 8-11: 6 and 7 are lost to this reader */
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "[channel a 5-7 evicted] 8");
    while (!b.done) {
        cr_assert_eq(reader_next(&b), 0);
    }
    reader_expect(&b, "9 10 11 =11");
    reader_end(&b);
    reader_leave(&b);
    end();
}

/* What is too old when it is asked for is no gap. */
Test(replay, earliest_by_age)
{
    keep((const char *const[]){"history-age", "10s", NULL});
    send_many("a", 1);
    k.now_ms += 6000;
    send_many("a", 1);
    k.now_ms += 6000;
    expect(NULL, "a", "earliest", "2 =2");
    end();
}

Test(replay, newest)
{
    keep(NULL);
    send_some();
    fetch("u");
    expect("u", "a a.b", "newest:1", "7 =8");
    expect("u", "a a.b", "newest:3", "4 6 7 =8");
    expect("u", "a a.b", "newest:100", "1 3 4 6 7 =8");
    expect("u", "a a.*", "newest:2", "6 7 =8");
    expect(NULL, ">", "newest:4", "4 6 7 8 =8");
    expect(NULL, "nothing", "newest:4", "4 =8");
    end();
}

/* Expired ones do not take the place of others, nor do those that are too old. */
Test(replay, newest_counts_what_comes)
{
    keep((const char *const[]){"history-age", "10s", NULL});
    send_many("a", 3);
    send_ttl("a", 1);
    send_ttl("a", 1);
    k.now_ms += 1000;
    expect(NULL, "a", "newest:2", "2 3 =5");
    expect(NULL, "a.* a", "newest:2", "2 3 =5");
    k.now_ms += 9000;
    send_many("a", 1);
    k.now_ms += 1000;
    expect(NULL, "a", "newest:3", "6 =6");
    end();
}

Test(replay, since)
{
    keep(NULL);
    k.now_ms = 100000;
    send_many("a", 2);
    k.now_ms = 200000;
    send_many("a", 1);
    send_many("b", 1);
    k.now_ms = 300000;
    send_many("a", 1);
    expect(NULL, "a", "since:1", "1 2 3 5 =5");
    expect(NULL, "a", "since:100000", "1 2 3 5 =5");
    expect(NULL, "a", "since:100001", "3 5 =5");
    expect(NULL, "a", "since:200000", "3 5 =5");
    expect(NULL, "> a", "since:200000", "3 4 5 =5");
    expect(NULL, "a", "since:200001", "5 =5");
    expect(NULL, "a", "since:300001", "=5");
    end();
}

/* Only what is gone of that time is a gap. */
Test(replay, since_knows_what_is_gone)
{
    keep((const char *const[]){"history", "2", NULL});
    k.now_ms = 100000;
    send_many("a", 2);
    k.now_ms = 200000;
    send_many("a", 2); /* 1, 2 of 100000 are gone */
    expect(NULL, "a", "since:100001", "3 4 =4");
    expect(NULL, "a.> a", "since:100001", "3 4 =4");
    expect(NULL, "a", "since:100000", "[channel a 0-2 evicted] 3 4 =4");
    k.now_ms = 300000;
    send_many("a", 2);
    expect(NULL, "a", "since:200000", "[channel a 0-4 evicted] 5 6 =6");
    expect(NULL, "a", "since:250000", "5 6 =6");
    k.now_ms = 400000;
    send_many("b", 5);
    expect(NULL, "b", "since:400000", "[channel b 6-9 evicted] 10 11 =11");
    expect(NULL, "*", "since:400000", "[pattern * 6-9 evicted] 10 11 =11");
    end();
}

/* ---- gaps ---- */

Test(replay, a_gap_for_each_scope)
{
    keep((const char *const[]){"history", "1", "user-history", "1", NULL});
    for (unsigned i = 0; i < 2; i++) { /* 1 5: a, 2 6: a.b, 3 7: u, 4 8: everyone */
        send_many("a", 1);
        send_many("a.b", 1);
        (void)k_user(&k, "u");
        (void)k_everyone(&k);
    }
    fetch("u");
    expect("u", "a a.* b", "0",
           "[channel a 0-1 evicted] [pattern a.* 0-2 evicted] [user u 0-3 evicted] "
           "[everyone 0-4 evicted] 5 6 7 8 =8");
    expect("u", "a a.* b", "1",
           "[pattern a.* 1-2 evicted] [user u 1-3 evicted] [everyone 1-4 evicted] 5 6 7 8 =8");
    expect("u", "a a.b", "3", "[everyone 3-4 evicted] 5 6 7 8 =8");
    expect("u", "a a.b", "4", "5 6 7 8 =8");
    expect(NULL, ">", "3", "[everyone 3-4 evicted] 5 6 8 =8");
    expect("u", "a", "now", "=8");
    end();
}

/* Patterns of which one covers what another has lost. */
Test(replay, gaps_of_patterns)
{
    keep((const char *const[]){"history", "1", NULL});
    send_many("a.x", 2);         /* 1 is gone */
    send_many("b.x", 2);         /* 3 */
    send_many("private-c.x", 2); /* 5 */
    expect(NULL, "a.* b.*", "0", "[pattern a.* 0-1 evicted] [pattern b.* 0-3 evicted] 2 4 =6");
    expect(NULL, "*.x", "0", "[pattern *.x 0-3 evicted] 2 4 =6");
    expect(NULL, "*.x", "2", "[pattern *.x 2-3 evicted] 4 =6");
    expect(NULL, "*.x", "3", "4 =6");
    expect(NULL, "private-c.*", "0", "[pattern private-c.* 0-5 evicted] 6 =6");
    expect(NULL, "c.*", "0", "=6");
    end();
}

/* Nothing is kept: a message after the position is missing, none before is. */
Test(replay, a_channel_without_history)
{
    keep((const char *const[]){"history-for", "live.=0", NULL});
    send_many("live.a", 2);
    send_many("a", 1);
    expect(NULL, "live.a a", "0", "[channel live.a 0-2 evicted] 3 =3");
    expect(NULL, "live.a a", "1", "[channel live.a 1-2 evicted] 3 =3");
    expect(NULL, "live.a a", "2", "3 =3");
    expect(NULL, "live.*", "1", "[pattern live.* 1-2 evicted] =3");
    end();
}

Test(replay, ephemeral_and_expired_are_no_gap)
{
    struct str to = STR_LIT("a");
    struct publication p;

    keep(NULL);
    p = k_publication(&k, TARGET_CHANNEL, &to);
    p.ephemeral = true;
    (void)k_publish(&k, &p);
    send_many("a", 1);
    send_ttl("a", 1);
    send_many("a", 1);
    send_ttl("a", 1);
    (void)k_publish(&k, &p);
    expect(NULL, "a", "0", "2 3 4 5 =6");
    k.now_ms += 1000;
    expect(NULL, "a", "0", "2 4 =6");
    expect(NULL, "*", "0", "2 4 =6");
    (void)router_tidy(k.h.r, k.now_ms);
    expect(NULL, "a", "0", "2 4 =6");
    expect(NULL, "*", "2", "4 =6");
    end();
}

Test(replay, another_log)
{
    keep(NULL);
    send_many("a", 3);
    expect(NULL, "a", "77:2", "[all 2-3 epoch] =3");
    expect(NULL, "a", "lost", "[all 0-3 epoch] =3");
    expect(NULL, "a", "4", "[all 4-3 epoch] =3");
    expect(NULL, ">", "0:0", "[all 0-3 epoch] =3");
    end();
}

/* Of a channel that is not known any more nothing is known up to the newest of
 * all that were forgotten. */
Test(replay, forgotten_channels)
{
    char name[8];

    keep((const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 1; i <= 20; i++) { /* c1 to c4 are forgotten */
        snprintf(name, sizeof(name), "c%u", i);
        send_many(name, 1);
    }
    expect(NULL, "c2", "0", "[channel c2 0-4 unknown] =20");
    expect(NULL, "c2", "3", "[channel c2 3-4 unknown] =20");
    expect(NULL, "c2", "4", "=20");
    expect(NULL, "c20 c5", "0", "[channel c20 0-4 unknown] 5 20 =20");
    expect(NULL, "nothing", "2", "[channel nothing 2-4 unknown] =20");
    expect(NULL, "*", "17", "18 19 20 =20");
    expect(NULL, "*", "1",
           "[pattern * 1-4 unknown] 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 =20");
    send_many("c2", 1);
    expect(NULL, "c2", "4", "[channel c2 4-5 unknown] 21 =21");
    end();
}

/* ---- slices ---- */

static void follow(struct reader *b, const char *text)
{
    while (!b->done) {
        cr_assert_eq(reader_next(b), 0);
    }
    reader_expect(b, text);
    reader_end(b);
}

/* Others publish between them. */
Test(replay, in_slices)
{
    struct reader b;

    keep(NULL);
    send_many("a", 3);
    reader_init(&b, &k, 0, NULL, "a b");
    b.max_items = 2;
    reader_begin(&b, true, "0");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "1 2");
    send_many("b", 1);
    send_many("c", 1);
    send_many("a", 1);
    cr_assert_not(b.m.joined);
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "3 4");
    send_many("a", 1);
    follow(&b, "6 7 =7");
    send_many("a", 1);
    h_drain_all(&k.h);
    reader_expect(&b, "8");
    reader_leave(&b);
    end();
}

static void publish_before_lock(void *ctx)
{
    unsigned *left = ctx;

    if (*left) {
        --*left;
        send_many("a", 1);
    }
}

/* Publishers that come between everything and the lock. */
Test(replay, overtaken)
{
    struct reader b;

    keep(NULL);
    for (unsigned tries = 0; tries < 12; tries++) {
        unsigned left = tries;
        uint64_t at = router_top(k.h.r).seq;
        uint64_t want = at;
        char position[24];
        const char *p;
        snprintf(position, sizeof(position), "%llu", (unsigned long long)at);
        send_many("a", 3);
        reader_init(&b, &k, 0, NULL, tries % 2 ? "a" : "*");
        b.max_items = 1 + tries % 3;
        k.h.ctx = &left;
        k.h.before_lock = publish_before_lock;
        reader_resume(&b, position);
        k.h.before_lock = NULL;
        send_many("a", 1);
        h_drain_all(&k.h);
        for (p = b.text; *p; p += strcspn(p, " "), p += *p == ' ') {
            cr_assert(*p == '=' || strtoull(p, NULL, 10) == ++want, "%s", b.text);
        }
        cr_assert_eq(want, router_top(k.h.r).seq);
        reader_leave(&b);
    }
    end();
}

/* By number, and by bytes; a message larger than a slice comes alone. */
Test(replay, slices_are_bounded)
{
    struct reader b;
    struct str to = STR_LIT("b");
    struct publication p;
    static char data[REPLAY_SLICE_BYTES];

    keep((const char *const[]){"history-bytes", "64m", NULL});
    send_many("a", 2 * REPLAY_SLICE + 1);
    reader_open(&b, &k, 0, NULL, "a", "0");
    cr_assert_eq(b.slices, 3u);
    reader_leave(&b);
    reader_open(&b, &k, 0, NULL, "*", "0");
    cr_assert_eq(b.slices, 3u);
    reader_leave(&b);
    memset(data, '1', sizeof(data));
    p = k_publication(&k, TARGET_CHANNEL, &to);
    p.envelope.data = (struct str){data, sizeof(data)};
    (void)k_publish(&k, &p);
    p.envelope.data.len = REPLAY_SLICE_BYTES / 8; /* twice in a frame */
    for (unsigned i = 0; i < 7; i++) {
        (void)k_publish(&k, &p);
    }
    reader_init(&b, &k, 0, NULL, "b");
    reader_begin(&b, true, "0");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "514");
    cr_assert_eq(reader_next(&b), 0);
    reader_expect(&b, "515 516 517");
    follow(&b, "518 519 520 521 =521");
    reader_leave(&b);
    end();
}

/* A pattern that matches nearly nothing: the shard is not held up, and it ends. */
Test(replay, few_among_many)
{
    struct reader b;
    char name[16];

    keep((const char *const[]){"history", "100000", "history-bytes", "1g", "history-total", "1g",
                               NULL});
    for (unsigned i = 1; i <= 20000; i++) {
        snprintf(name, sizeof(name), "c%u.x", i % 100);
        send_many(i == 15000 ? "d.x" : name, 1);
    }
    reader_open(&b, &k, 0, NULL, "d.* e.*", "0");
    reader_expect(&b, "15000 =20000");
    cr_assert_geq(b.slices, 5u);
    reader_leave(&b);
    end();
}
