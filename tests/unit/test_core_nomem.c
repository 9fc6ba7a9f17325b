/* Every allocation of the router fails once: the answer is ERR_NOMEM, nothing
 * has changed, nothing leaks, and the same call succeeds afterwards. */
#include "test_core_harness.h"

#include "test_core_nomem.h"

TestSuite(nomem, .init = nomem_ready);

/* A router with neighbours: members whom a failure must not touch. */
enum { NEIGHBOURS = 6, MANY = 400 };

struct world {
    struct harness h;
    struct member m; /* under test; on shard 0 */
    struct member v[NEIGHBOURS];
    unsigned got, got_neighbours;
    long live; /* before it was made */
};

static void on_deliver(void *ctx, struct member *m, uint64_t seq)
{
    struct world *w = ctx;

    (void)seq;
    *(m == &w->m ? &w->got : &w->got_neighbours) += 1;
}

static const char *const patterns[NEIGHBOURS] = {"a.>", "a.*", "*.*", "*.b", "*.>", "a.b"};

static void setup(struct world *w)
{
    struct cursor top;

    memset(w, 0, sizeof(*w));
    w->live = live;
    cr_assert_eq(h_init(&w->h), 0);
    w->h.ctx = w;
    w->h.deliver = on_deliver;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct str name = str_of(patterns[i]);
        w->v[i] = (struct member){.id = 100 + i, .shard = (uint16_t)(i % H_SHARDS)};
        cr_assert_eq(router_join(w->h.r, &w->v[i], STR_LIT("n"), &name, 1, &top), 0);
    }
    w->m = (struct member){.id = 1};
}

static void teardown(struct world *w)
{
    router_leave(w->h.r, &w->m);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        router_leave(w->h.r, &w->v[i]);
    }
    h_fini(&w->h);
    cr_assert_eq(live, w->live, "%ld blocks leak", live - w->live);
}

static void send(struct world *w, const char *channel, unsigned matched, unsigned got)
{
    struct publish_result res;
    struct str to = str_of(channel);

    w->got = w->got_neighbours = 0;
    cr_assert_eq(h_publish(&w->h, TARGET_CHANNEL, &to, 1, 0, &res), 0);
    h_drain_all(&w->h);
    cr_assert_eq(res.matched, matched, "%s matched %lu", channel, (unsigned long)res.matched);
    cr_assert_eq(w->got, got);
    cr_assert_eq(w->got + w->got_neighbours, matched);
}

/* What holds before and after a call that failed. `names`: how many the
 * member has; `a.b` is among those that reach it if `reached`. */
static void intact(struct world *w, unsigned names, unsigned reached)
{
    struct router_counts c;

    router_counts(w->h.r, &c);
    cr_assert_eq(c.members, NEIGHBOURS + w->m.joined);
    cr_assert_eq(c.users, 1 + (uint64_t)(member_user(&w->m).len != 0));
    cr_assert_eq(w->m.names, names);
    send(w, "a.b", NEIGHBOURS + reached, reached);
    send(w, "zz", w->m.joined && member_has_name(&w->m, STR_LIT("zz")),
         w->m.joined && member_has_name(&w->m, STR_LIT("zz")));
}

/* Calls with the first allocation failing, then the second, and so on until
 * nothing fails; checks after each. */
static void exhaust(struct world *w, int (*call)(struct world *), void (*check)(struct world *),
                    int at_least)
{
    int n = 0;
    int rc;

    check(w);
    do {
        long before = live;
        left = n;
        rc = call(w);
        bool used_up = left < 0;
        left = -1;
        cr_assert(rc == 0 || rc == ERR_NOMEM, "allocation %d: %d", n, rc);
        cr_assert_eq(rc == ERR_NOMEM, used_up, "allocation %d: failure not reported", n);
        if (rc) {
            /* Room in lists may have grown and stays; blocks may not. */
            cr_assert_leq(live - before, 2, "allocation %d: %ld blocks", n, live - before);
            check(w);
        }
        n++;
    } while (rc);
    cr_expect_geq(n - 1, at_least, "only %d allocations seen", n - 1);
}

/* ---- the calls ---- */

static int make_router(struct world *w)
{
    struct harness h;
    int rc = h_init(&h);

    (void)w;
    if (rc == 0) {
        router_free(h.r);
    }
    return rc;
}

static void nothing(struct world *w)
{
    (void)w;
}

Test(nomem, new)
{
    exhaust(NULL, make_router, nothing, 2);
}

static int join(struct world *w)
{
    const struct str names[] = {STR_LIT("x"),   STR_LIT("a.b"),   STR_LIT("p.*"), STR_LIT("x"),
                                STR_LIT("a.>"), STR_LIT("q.*.r"), STR_LIT("zz")};
    struct cursor top;

    return router_join(w->h.r, &w->m, STR_LIT("me"), names, 7, &top);
}

static void not_joined(struct world *w)
{
    cr_assert_not(w->m.joined);
    cr_assert_null(w->m.subs);
    cr_assert_not(w->m.first_used);
    intact(w, 0, 0);
}

Test(nomem, join)
{
    struct world w;

    setup(&w);
    exhaust(&w, join, not_joined, 20);
    intact(&w, 6, 1);
    teardown(&w);
}

static void join_with(struct world *w, const char *const *names)
{
    struct cursor top;

    cr_assert_eq(router_join(w->h.r, &w->m, STR_LIT("me"), NULL, 0, &top), 0);
    for (; *names; names++) {
        cr_assert_eq(router_subscribe(w->h.r, &w->m, str_of(*names), &top), 0);
    }
}

static int subscribe_channel(struct world *w)
{
    struct cursor top;

    return router_subscribe(w->h.r, &w->m, STR_LIT("a.b"), &top);
}

static void without_ab(struct world *w)
{
    cr_assert_not(member_has_name(&w->m, STR_LIT("a.b")));
    intact(w, 1, 0);
}

Test(nomem, subscribe_channel)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){"zz", NULL});
    exhaust(&w, subscribe_channel, without_ab, 2);
    intact(&w, 2, 1);
    teardown(&w);
}

static void shadowed_without_ab(struct world *w)
{
    cr_assert_not(member_has_name(&w->m, STR_LIT("a.b")));
    intact(w, 1, 1);
}

Test(nomem, subscribe_shadowed_channel)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){"a.*", NULL});
    exhaust(&w, subscribe_channel, shadowed_without_ab, 1);
    intact(&w, 2, 1);
    teardown(&w);
}

/* Shadows a.b, in a group that nobody else has. */
static int subscribe_pattern(struct world *w)
{
    struct cursor top;

    return router_subscribe(w->h.r, &w->m, STR_LIT("a.b.>"), &top);
}

static void with_two(struct world *w)
{
    cr_assert(member_has_name(&w->m, STR_LIT("a.b")));
    cr_assert(member_has_name(&w->m, STR_LIT("*.b")));
    cr_assert_not(member_has_name(&w->m, STR_LIT("a.b.>")));
    intact(w, 2, 1);
}

Test(nomem, subscribe_pattern)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){"a.b", "*.b", NULL});
    exhaust(&w, subscribe_pattern, with_two, 5);
    intact(&w, 3, 1);
    teardown(&w);
}

static int unsubscribe_pattern(struct world *w)
{
    return router_unsubscribe(w->h.r, &w->m, STR_LIT("*.b"));
}

static void with_five(struct world *w)
{
    cr_assert(member_has_name(&w->m, STR_LIT("*.b")));
    cr_assert(member_has_name(&w->m, STR_LIT("c.b")));
    send(w, "c.b", 4, 1);
    send(w, "d.b", 4, 1);
    send(w, "c.d", 3, 1);
    intact(w, 5, 1);
}

/* a.b and c.b come out of its shadow again, into lists without room. */
Test(nomem, unsubscribe_pattern)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){"*.b", "a.b", "c.b", "d.b", "c.>", NULL});
    exhaust(&w, unsubscribe_pattern, with_five, 5);
    cr_assert_not(member_has_name(&w.m, STR_LIT("*.b")));
    intact(&w, 4, 1);
    teardown(&w);
}

static int unsubscribe_last_pattern(struct world *w)
{
    return router_unsubscribe(w->h.r, &w->m, STR_LIT("*.b"));
}

static void with_last(struct world *w)
{
    cr_assert(member_has_name(&w->m, STR_LIT("*.b")));
    intact(w, 2, 1);
}

Test(nomem, unsubscribe_last_pattern)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){"*.b", "a.b", NULL});
    exhaust(&w, unsubscribe_last_pattern, with_last, 2);
    intact(&w, 1, 1);
    teardown(&w);
}

/* Nothing tries again: what a failure leaves behind is found at the end. */
static void fail_last(int (*call)(struct world *), const char *const *names)
{
    struct world w;
    int rc;
    int n = 0;

    do {
        setup(&w);
        if (names) {
            join_with(&w, names);
        }
        left = n++;
        rc = call(&w);
        left = -1;
        teardown(&w); /* asserts that the tree is empty and no block left */
    } while (rc);
}

Test(nomem, gives_up)
{
    fail_last(join, NULL);
    fail_last(subscribe_pattern, (const char *const[]){"a.b", "*.b", NULL});
    fail_last(unsubscribe_pattern, (const char *const[]){"*.b", "a.b", "c.b", "c.>", NULL});
    fail_last(subscribe_channel, (const char *const[]){"zz", NULL});
}

/* ---- tables that grow ---- */

static int subscribe_many(struct world *w)
{
    unsigned i = w->m.names;
    struct cursor top;
    char name[32];

    snprintf(name, sizeof(name), "many.%u", i);
    return router_subscribe(w->h.r, &w->m, str_of(name), &top);
}

static void many_intact(struct world *w)
{
    char name[32];
    uint32_t subscribers;
    uint64_t matching;

    for (unsigned i = 0; i <= w->m.names; i++) {
        snprintf(name, sizeof(name), "many.%u", i);
        router_channel(w->h.r, str_of(name), &subscribers, &matching);
        cr_assert_eq(subscribers, i < w->m.names);
        cr_assert_eq(matching, 2u + (i < w->m.names)); /* and those of *.* and *.> */
    }
}

/* The table of channels doubles its buckets more than once on the way. */
Test(nomem, table_grows)
{
    struct world w;

    setup(&w);
    join_with(&w, (const char *const[]){NULL});
    for (unsigned i = 0; i < MANY; i++) {
        exhaust(&w, subscribe_many, many_intact, 2);
    }
    teardown(&w);
}

/* ---- publishing ---- */

static struct publish_result results[12];
static const struct str twelve[12] = {
    STR_LIT("a.b"), STR_LIT("zz"), STR_LIT("a.c"), STR_LIT("x.b"), STR_LIT("a.b"), STR_LIT("a.b"),
    STR_LIT("q"),   STR_LIT("q"),  STR_LIT("q"),   STR_LIT("a.b"), STR_LIT("q"),   STR_LIT("q")};

static int publish(struct world *w)
{
    return h_publish(&w->h, TARGET_CHANNEL, twelve, 12, 0, results);
}

static void nothing_posted(struct world *w)
{
    for (unsigned i = 0; i < H_SHARDS; i++) {
        cr_assert_eq(w->h.shards[i].waiting, 0);
    }
    cr_assert_eq(router_top(w->h.r).seq, 5u);
}

static void hold_back(void *ctx)
{
    struct world *w = ctx;
    struct publish_result res;
    int armed = left;

    left = -1; /* another thread's memory is another matter */
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(h_publish(&w->h, TARGET_CHANNEL, &twelve[1], 1, 0, &res), 0);
    }
    h_drain_all(&w->h);
    left = armed;
}

/* Six groups match a.b: more than there is room for without memory. */
Test(nomem, publish)
{
    struct world w;
    struct publish_result res;

    setup(&w);
    join_with(&w, (const char *const[]){"*.b", "zz", "a.*", NULL});
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(h_publish(&w.h, TARGET_CHANNEL, &twelve[1], 1, 0, &res), 0);
    }
    h_drain_all(&w.h);
    exhaust(&w, publish, nothing_posted, 12 + 12 + 1);
    for (unsigned i = 0; i < 12; i++) {
        cr_assert_eq(results[i].cursor.seq, 6u + i);
    }
    h_drain_all(&w.h);
    intact(&w, 3, 1);
    teardown(&w);
}

static int publish_overtaken(struct world *w)
{
    int rc;

    w->h.before_lock = hold_back; /* the guess of the digits is wrong now */
    rc = publish(w);
    w->h.before_lock = NULL;
    return rc;
}

static void nothing_waits(struct world *w)
{
    for (unsigned i = 0; i < H_SHARDS; i++) {
        cr_assert_eq(w->h.shards[i].waiting, 0);
    }
}

Test(nomem, publish_encodes_again)
{
    struct world w;

    /* Each failed try is overtaken by three, so some try crosses from one
     * digit to two; which allocation fails there differs from run to run. */
    for (unsigned start = 0; start < 40; start++) {
        setup(&w);
        join_with(&w, (const char *const[]){"*.b", "zz", NULL});
        for (unsigned i = 0; i < start; i++) {
            struct publish_result res;
            cr_assert_eq(h_publish(&w.h, TARGET_CHANNEL, &twelve[1], 1, 0, &res), 0);
        }
        h_drain_all(&w.h);
        exhaust(&w, publish_overtaken, nothing_waits, 12 + 12 + 1);
        h_drain_all(&w.h);
        intact(&w, 2, 1);
        teardown(&w);
    }
}

static int list_channels(struct world *w)
{
    struct channel_info out[4];

    /* No way to say it: an empty answer. */
    unsigned n = router_channels(w->h.r, STR_NONE, STR_NONE, 4, out);
    unsigned top = router_top_channels(w->h.r, 4, out);
    return n == 1 && top == 1 ? 0 : ERR_NOMEM;
}

Test(nomem, lists)
{
    struct world w;

    setup(&w);
    exhaust(&w, list_channels, nothing_waits, 2);
    teardown(&w);
}
