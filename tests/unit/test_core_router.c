/* The router's contract, case by case; test_core_model.c has it at random. */
#include "test_core_harness.h"

enum { MAX_GOT = 4096 };

struct box {
    struct member m; /* first */
    unsigned n;
    uint64_t got[MAX_GOT];
};

static struct harness h;

static void on_deliver(void *ctx, struct member *m, uint64_t seq)
{
    struct box *b = (struct box *)(void *)m;

    (void)ctx;
    cr_assert_lt(b->n, MAX_GOT);
    b->got[b->n++] = seq;
}

static void setup(void)
{
    cr_assert_eq(h_init(&h), 0);
    h.deliver = on_deliver;
}

static void teardown(void)
{
    h_fini(&h);
}

TestSuite(router, .init = setup, .fini = teardown);

static void join(struct box *b, unsigned shard, const char *user, const char *name)
{
    static uint64_t ids;
    struct str names[1] = {str_of(name)};
    struct cursor top;

    memset(b, 0, sizeof(*b));
    b->m.id = ++ids;
    b->m.shard = (uint16_t)shard;
    cr_assert_eq(router_join(h.r, &b->m, str_of(user), names, name != NULL, &top), 0);
    cr_assert_eq(top.epoch, (uint64_t)H_EPOCH);
}

static void leave(struct box *b)
{
    router_leave(h.r, &b->m);
}

static uint64_t sub(struct box *b, const char *name)
{
    struct cursor top;

    cr_assert_eq(router_subscribe(h.r, &b->m, str_of(name), &top), 0);
    return top.seq;
}

/* Returns how many matched. */
static uint64_t to_channel(const char *name)
{
    struct str to = str_of(name);
    struct publish_result res;

    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, &to, 1, 0, &res), 0);
    return res.matched;
}

Test(router, starts_at_one)
{
    struct publish_result res;

    cr_assert_eq(router_top(h.r).seq, 0);
    cr_assert_eq(h_publish(&h, TARGET_EVERYONE, NULL, 1, 0, &res), 0);
    cr_assert_eq(res.cursor.seq, 1u);
    cr_assert_eq(res.cursor.epoch, (uint64_t)H_EPOCH);
    cr_assert_eq(res.matched, 0);
}

Test(router, except_is_counted_but_gets_nothing)
{
    struct box a, b;
    struct publish_result res;
    struct str to = STR_LIT("c");

    join(&a, 0, NULL, "c");
    join(&b, 1, "u", "c");
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, &to, 1, a.m.id, &res), 0);
    cr_assert_eq(res.matched, 2u);
    cr_assert_eq(h_publish(&h, TARGET_EVERYONE, NULL, 1, b.m.id, &res), 0);
    cr_assert_eq(res.matched, 2u);
    to = STR_LIT("u");
    cr_assert_eq(h_publish(&h, TARGET_USER, &to, 1, b.m.id, &res), 0);
    cr_assert_eq(res.matched, 1u);
    h_drain_all(&h);
    cr_assert_eq(a.n, 1u);
    cr_assert_eq(a.got[0], 2u);
    cr_assert_eq(b.n, 1u);
    cr_assert_eq(b.got[0], 1u);
    leave(&a);
    leave(&b);
}

static uint64_t given;

static void count_given(void *ctx, struct member *m, uint64_t seq)
{
    (void)ctx;
    (void)m;
    (void)seq;
    given++;
}

/* A router that keeps nothing: a user without a connection gets nothing. */
Test(router, status)
{
    struct box a;
    struct publish_result res[2];
    struct str to[2] = {STR_LIT("u"), STR_LIT("nobody")};

    join(&a, 0, "u", NULL);
    cr_assert_eq(h_publish(&h, TARGET_USER, to, 2, 0, res), 0);
    cr_assert_eq(res[0].status, PUBLISH_ONLINE);
    cr_assert_eq(res[1].status, PUBLISH_OFFLINE);
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, to, 2, 0, res), 0);
    cr_assert_eq(res[0].status, PUBLISH_SENT);
    cr_assert_eq(res[1].status, PUBLISH_SENT);
    cr_assert_eq(h_publish(&h, TARGET_EVERYONE, NULL, 1, 0, res), 0);
    cr_assert_eq(res[0].status, PUBLISH_SENT);
    h_drain_all(&h);
    leave(&a);
}

/* A channel, a user and a group of the same name do not meet. */
Test(router, kinds_are_apart)
{
    struct box a, b, c;
    struct publish_result res;
    struct str star = STR_LIT("*");

    h.deliver = count_given;
    join(&a, 0, "x", NULL);
    join(&b, 0, NULL, "x");
    join(&c, 0, "*", "*");
    cr_assert_eq(to_channel("x"), 2u);
    cr_assert_eq(h_publish(&h, TARGET_USER, &star, 1, 0, &res), 0);
    cr_assert_eq(res.matched, 1u);
    h_drain_all(&h);
    cr_assert_eq(given, 3u);
    leave(&a);
    leave(&b);
    leave(&c);
}

Test(router, several_subscriptions_one_copy)
{
    struct box a;
    static const char *const names[] = {"a.*", "a.>", "*.b", "*.*", ">", "*.>"};

    join(&a, 2, "u", "a.b");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        sub(&a, names[i]);
        cr_assert_eq(to_channel("a.b"), 1u);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert_eq(router_unsubscribe(h.r, &a.m, str_of(names[i])), 0);
        cr_assert_eq(to_channel("a.b"), 1u);
    }
    h_drain_all(&h);
    cr_assert_eq(a.n, 12u);
    for (unsigned i = 0; i < a.n; i++) {
        cr_assert_eq(a.got[i], i + 1);
    }
    leave(&a);
}

/* The same patterns in another order are the same group. */
Test(router, order_of_patterns_does_not_matter)
{
    struct box a, b;

    join(&a, 0, NULL, "a.*");
    sub(&a, "b.*");
    join(&b, 1, NULL, "b.*");
    sub(&b, "a.*");
    cr_assert_eq(to_channel("a.x"), 2u);
    leave(&a);
    cr_assert_eq(to_channel("b.x"), 1u);
    leave(&b);
    cr_assert_eq(to_channel("b.x"), 0);
    h_drain_all(&h);
}

Test(router, exists_and_not_found)
{
    struct box a;
    struct cursor top = {0, 0};

    join(&a, 0, NULL, "c");
    (void)to_channel("c");
    cr_assert_eq(router_subscribe(h.r, &a.m, STR_LIT("c"), &top), ERR_EXISTS);
    cr_assert_eq(top.seq, 1u, "the top is told all the same");
    cr_assert_eq(a.n, 1u, "settled before");
    sub(&a, "p.*");
    cr_assert_eq(router_subscribe(h.r, &a.m, STR_LIT("p.*"), &top), ERR_EXISTS);
    cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("p.>")), ERR_NOT_FOUND);
    cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("d")), ERR_NOT_FOUND);
    cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("p.*")), 0);
    cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("p.*")), ERR_NOT_FOUND);
    cr_assert_eq(a.m.names, 1u);
    leave(&a);
    leave(&a); /* nothing happens */
}

static void visit(void *ctx, struct str name)
{
    char *text = ctx;

    snprintf(text + strlen(text), 100, "%.*s ", (int)name.len, name.p);
}

/* What was there first is named first. */
Test(router, names_in_order)
{
    struct box a;
    char text[200] = "";

    join(&a, 0, "u", "c");
    sub(&a, "b");
    sub(&a, "d");
    member_names(&a.m, visit, text);
    cr_assert_str_eq(text, "c b d ");
    cr_assert(str_eqz(member_user(&a.m), "u"));
    leave(&a);
    cr_assert_eq(member_user(&a.m).len, 0);
}

/* ---- settling ---- */

static unsigned overtaking;

static void overtake(void *ctx)
{
    (void)ctx;
    if (overtaking) {
        overtaking--;
        (void)to_channel("c");
    }
}

static void overtake_at_once(void *ctx)
{
    while (overtaking) {
        overtake(ctx);
    }
}

/* Others publish between each settling and the lock, until the router gives
 * up and settles under it. */
Test(router, subscribes_exactly_though_overtaken)
{
    struct box a, b;

    join(&a, 0, NULL, "c");
    for (unsigned tries = 0; tries < 8; tries++) {
        uint64_t top;
        join(&b, 0, NULL, NULL);
        h.before_lock = overtake;
        overtaking = tries;
        top = sub(&b, "c");
        h.before_lock = NULL;
        cr_assert_eq(top, router_top(h.r).seq);
        cr_assert_eq(a.n, top, "all delivered before");
        cr_assert_eq(b.n, 0);
        cr_assert_eq(to_channel("c"), 2u);
        h_drain_all(&h);
        cr_assert_eq(b.n, 1u);
        cr_assert_eq(b.got[0], top + 1);
        leave(&b);
    }
    leave(&a);
}

/* Messages are on their way to members that move between lists. */
Test(router, moving_loses_and_doubles_nothing)
{
    struct box a;
    unsigned sent = 0;

    join(&a, 3, NULL, "a.b");
    for (unsigned i = 0; i < 100; i++) {
        sent += to_channel("a.b") == 1;
        sub(&a, "a.*"); /* shadows it */
        sent += to_channel("a.b") == 1;
        sub(&a, "*.b"); /* another group */
        sent += to_channel("a.b") == 1;
        cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("a.*")), 0);
        sent += to_channel("a.b") == 1;
        cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("a.b")), 0);
        sent += to_channel("a.b") == 1;
        sub(&a, "a.b");
        sent += to_channel("a.b") == 1;
        cr_assert_eq(router_unsubscribe(h.r, &a.m, STR_LIT("*.b")), 0);
    }
    h_drain_all(&h);
    cr_assert_eq(sent, 600u);
    cr_assert_eq(a.n, sent);
    for (unsigned i = 0; i < a.n; i++) {
        cr_assert_eq(a.got[i], i + 1);
    }
    leave(&a);
}

/* A member that leaves with messages on their way does not disturb the rest,
 * nor does a newcomer of the same name get them. */
Test(router, leaves_with_messages_on_their_way)
{
    struct box a, b, c;

    join(&a, 0, NULL, "c");
    join(&b, 0, NULL, "c");
    cr_assert_eq(to_channel("c"), 2u);
    leave(&a);
    h_drain_all(&h);
    cr_assert_eq(a.n, 0);
    cr_assert_eq(b.n, 1u);
    cr_assert_eq(to_channel("c"), 1u);
    leave(&b); /* the topic is out of the table, the message still holds it */
    join(&c, 0, NULL, "c");
    cr_assert_eq(c.n, 0);
    cr_assert_eq(to_channel("c"), 1u);
    h_drain_all(&h);
    cr_assert_eq(b.n, 1u);
    cr_assert_eq(c.n, 1u);
    leave(&c);
}

/* ---- publishing ---- */

/* A shard may be done with a message before its post() returns. */
Test(router, shards_faster_than_the_publisher)
{
    struct box v[H_SHARDS];
    struct publish_result res;

    h.eager = true;
    for (unsigned i = 0; i < H_SHARDS; i++) {
        join(&v[i], i, NULL, i % 2 ? "c" : "*");
    }
    cr_assert_eq(to_channel("c"), (uint64_t)H_SHARDS);
    cr_assert_eq(h_publish(&h, TARGET_EVERYONE, NULL, 1, 0, &res), 0);
    for (unsigned i = 0; i < H_SHARDS; i++) {
        cr_assert_eq(v[i].n, 2u);
        leave(&v[i]);
    }
}

/* From one digit to five; the frames are looked at by the harness. */
/* Messages for the same members make one run; any other ends it. */
Test(router, runs)
{
    static const char *const to[] = {"c", "c", "c", "d", "c", "c"};
    struct box a, b;

    join(&a, 0, NULL, "c");
    join(&b, 0, NULL, "*");
    for (unsigned i = 0; i < 6; i++) {
        (void)to_channel(to[i]);
    }
    cr_assert_eq(h_drain(&h, 0, 3), 3u);
    cr_assert_eq(h.longest, 3u);
    h.longest = 0;
    h_drain_all(&h);
    cr_assert_eq(h.longest, 2u, "d has other members");
    cr_assert_eq(a.n, 5u);
    cr_assert_eq(b.n, 6u);
    h.longest = 0;
    for (unsigned i = 0; i < CORE_RUN_MAX + 1; i++) {
        (void)to_channel("c");
    }
    h_drain_all(&h);
    cr_assert_eq(h.longest, (unsigned)CORE_RUN_MAX);
    cr_assert_eq(a.n, 5u + CORE_RUN_MAX + 1);
    leave(&a);
    leave(&b);
}

/* One for all but one member has other members. */
Test(router, an_exception_ends_a_run)
{
    struct box a, b;
    struct str to = STR_LIT("c");
    struct publish_result res;

    join(&a, 0, NULL, "c");
    join(&b, 0, NULL, "c");
    (void)to_channel("c");
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, &to, 1, a.m.id, &res), 0);
    (void)to_channel("c");
    h_drain_all(&h);
    cr_assert_eq(h.longest, 1u);
    cr_assert_eq(a.n, 2u);
    cr_assert_eq(b.n, 3u);
    leave(&a);
    leave(&b);
}

Test(router, digits)
{
    struct box a;

    join(&a, 0, NULL, "c");
    for (uint64_t seq = 1; seq <= 10100; seq++) {
        if (seq % 97 == 0) {
            h.before_lock = overtake_at_once;
            overtaking = 2;
            seq += 2;
        }
        a.n = 0;
        (void)to_channel("c");
        h.before_lock = NULL;
        h_drain_all(&h);
        cr_assert_eq(router_top(h.r).seq, seq);
    }
    leave(&a);
}

/* One publication that crosses a boundary, and is overtaken across it too. */
Test(router, digits_within_one_publication)
{
    struct box a;
    struct str to[20];
    struct publish_result res[20];

    for (unsigned i = 0; i < 20; i++) {
        to[i] = STR_LIT("c");
    }
    for (unsigned start = 0; start < 12; start++) {
        teardown();
        setup();
        join(&a, 0, NULL, "c");
        for (unsigned i = 0; i < 85 + start; i++) {
            (void)to_channel("c");
        }
        h.before_lock = overtake_at_once;
        overtaking = start % 4;
        uint64_t first = 86 + start + start % 4;
        cr_assert_eq(h_publish(&h, TARGET_CHANNEL, to, 20, 0, res), 0);
        h.before_lock = NULL;
        for (unsigned i = 0; i < 20; i++) {
            cr_assert_eq(res[i].cursor.seq, first + i);
            cr_assert_eq(res[i].matched, 1u);
        }
        h_drain_all(&h);
        cr_assert_eq(a.n, first + 19);
        leave(&a);
    }
}

Test(router, busy_publishes_nothing)
{
    struct box a, b;
    struct str to[3] = {STR_LIT("a"), STR_LIT("b"), STR_LIT("nobody")};
    struct publish_result res[3];

    join(&a, 0, NULL, "a");
    join(&b, 1, "u", "b");
    h.shards[1].full = true;
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, to, 3, 0, res), ERR_BUSY);
    cr_assert_eq(h_publish(&h, TARGET_EVERYONE, NULL, 1, 0, res), ERR_BUSY);
    cr_assert_eq(router_top(h.r).seq, 0);
    for (unsigned i = 0; i < H_SHARDS; i++) {
        cr_assert_eq(h.shards[i].waiting, 0);
    }
    /* Who does not need that shard is not refused. */
    cr_assert_eq(to_channel("a"), 1u);
    cr_assert_eq(to_channel("nobody"), 0);
    h.shards[1].full = false;
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, to, 3, 0, res), 0);
    cr_assert_eq(res[2].cursor.seq, 5u);
    cr_assert_eq(res[2].matched, 0);
    h_drain_all(&h);
    cr_assert_eq(a.n, 2u);
    cr_assert_eq(b.n, 1u);
    leave(&a);
    leave(&b);
}

static void *refuse(void *ctx, const struct core_item *v, unsigned n)
{
    (void)ctx;
    (void)v;
    (void)n;
    return NULL;
}

/* A sink without memory for the frame: nobody gets it, nothing leaks. */
Test(router, sink_that_declines)
{
    struct box a;
    const struct core_sink sink = {NULL, refuse, NULL, NULL, NULL};

    join(&a, 0, NULL, "c");
    (void)to_channel("c");
    cr_assert_eq(router_deliver(h.r, 0, &h.shards[0].first->m, 1, &sink), 0);
    h.shards[0].first = NULL;
    h.shards[0].end = &h.shards[0].first;
    leave(&a);
}

Test(router, too_large)
{
    struct publish_result res;
    struct publish_verdict verdict;
    struct str huge = {"0", (size_t)1 << 32};
    const struct publication p = {.envelope = {.kind = TARGET_EVERYONE,
                                               .type = STR_LIT("t"),
                                               .id = STR_LIT("i"),
                                               .timestamp = STR_LIT("t"),
                                               .data = huge},
                                  .count = 1};

    cr_assert_eq(router_publish(h.r, &p, &res, &verdict), ERR_RANGE);
    cr_assert_eq(router_top(h.r).seq, 0);
}

/* ---- reading ---- */

Test(router, channel_counts)
{
    struct box a, b, c;
    uint32_t subscribers;
    uint64_t matching;

    join(&a, 0, NULL, "a.b");
    join(&b, 1, NULL, "a.b");
    sub(&b, "a.*");
    join(&c, 2, NULL, ">");
    router_channel(h.r, STR_LIT("a.b"), &subscribers, &matching);
    cr_assert_eq(subscribers, 2u, "a shadowed subscription is one");
    cr_assert_eq(matching, 3u);
    router_channel(h.r, STR_LIT("a.c"), &subscribers, &matching);
    cr_assert_eq(subscribers, 0);
    cr_assert_eq(matching, 2u);
    router_channel(h.r, STR_LIT("private-x"), &subscribers, &matching);
    cr_assert_eq(matching, 0);
    leave(&a);
    leave(&b);
    leave(&c);
}

Test(router, longest_name)
{
    struct box a;
    struct channel_info info;
    char name[NAME_MAX_LEN + 1];

    memset(name, 'n', NAME_MAX_LEN);
    name[NAME_MAX_LEN] = '\0';
    join(&a, 0, NULL, name);
    cr_assert_eq(router_channels(h.r, STR_NONE, STR_NONE, 1, &info), 1u);
    cr_assert_str_eq(info.name, name);
    cr_assert_eq(router_channels(h.r, STR_NONE, str_of(name), 1, &info), 0);
    leave(&a);
}

/* Lists that grow and shrink, from both ends and the middle. */
Test(router, thousands)
{
    enum { N = 3000 };
    static struct box v[N];
    unsigned left = N;

    h.deliver = count_given;
    for (unsigned i = 0; i < N; i++) {
        join(&v[i], i % H_SHARDS, NULL, "c");
    }
    for (unsigned step = 0; left; step++) {
        for (unsigned i = step % 7; i < N; i += 7) {
            if (v[i].m.joined) {
                leave(&v[i]);
                left--;
            }
        }
        given = 0;
        cr_assert_eq(to_channel("c"), left);
        h_drain_all(&h);
        cr_assert_eq(given, left);
    }
}
