/* Messages that wait to be acknowledged: behaviour, bounds, order. Against a
 * naive model in test_core_acks_model.c. */
#include "core/acks.h"
#include "proto/name.h"

#include "test_core_nomem.h"

#include <stdio.h>

enum { TIMEOUT = 100, PER_USER = 4, TOTAL = 10 };

static const struct acks_limits limits = {TIMEOUT, 3, PER_USER, TOTAL};
static struct acks *a;
static struct frame *frame;

static void start(void)
{
    const struct envelope e = {.kind = TARGET_USER,
                               .target = STR_LIT("u"),
                               .type = STR_LIT("t"),
                               .id = STR_LIT("i"),
                               .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                               .data = STR_LIT("null"),
                               .epoch = 1};

    cr_assert_eq(frame_new(&e, 1, &frame), 0);
    frame_seal(frame, 1);
    cr_assert_eq(acks_new(7, &limits, &a), 0);
}

static void stop(void)
{
    acks_free(a);
    cr_assert_eq(atomic_load(&frame->refs), 1u, "every reference of the frame is given back");
    frame_unref(frame);
}

TestSuite(acks, .init = start, .fini = stop);

static int reserve(const char *user, const char *id, struct ack **out)
{
    return acks_reserve(a, str_of(user), str_of(id), out);
}

static struct ack *put(const char *user, const char *id, uint64_t seq)
{
    struct ack *k;

    cr_assert_eq(reserve(user, id, &k), 0);
    acks_commit(a, k, seq, seq * 10, 0, frame);
    return k;
}

static struct ack *find(const char *user, const char *id)
{
    return acks_find(a, str_of(user), str_of(id));
}

Test(acks, committed_is_found)
{
    struct ack *k;

    cr_assert_eq(reserve("u", "i", &k), 0);
    cr_assert_null(find("u", "i"), "not published yet");
    cr_assert_null(acks_first(a, STR_LIT("u")));
    cr_assert_null(acks_walk(a, NULL));
    cr_assert_eq(acks_count(a), 1u);
    cr_assert_eq(acks_user_count(a, STR_LIT("u")), 1u);
    acks_commit(a, k, 7, 70, 700, frame);
    cr_assert_eq(find("u", "i"), k);
    cr_assert_eq(k->seq, 7u);
    cr_assert_eq(k->at_ms, 70u);
    cr_assert_eq(k->expires_ms, 700u);
    cr_assert_eq(k->frame, frame);
    cr_assert_eq(atomic_load(&frame->refs), 2u);
    cr_assert_eq(k->attempts, 0u);
    cr_assert_eq(k->due_ms, 0u);
    cr_assert(str_eqz(ack_id(k), "i"));
    cr_assert(str_eqz(acks_user_name(k), "u"));
    acks_drop(a, k);
    cr_assert_null(find("u", "i"));
    cr_assert_eq(acks_count(a), 0u);
    cr_assert_eq(acks_user_count(a, STR_LIT("u")), 0u);
    cr_assert_eq(atomic_load(&frame->refs), 1u);
}

/* User "a" with id "bc" is not user "ab" with id "c". */
Test(acks, user_and_id_are_apart)
{
    struct ack *k = put("a", "bc", 1);
    struct ack *l = put("ab", "c", 2);

    cr_assert_eq(find("a", "bc"), k);
    cr_assert_eq(find("ab", "c"), l);
    cr_assert_null(find("a", "c"));
    cr_assert_null(find("ab", "bc"));
    cr_assert_null(find("abc", ""));
    cr_assert_null(find("", "abc"));
    cr_assert_eq(put("c", "bc", 3), find("c", "bc"), "an id of another user");
}

Test(acks, the_same_id_waits_once)
{
    struct ack *k = put("u", "i", 1);
    struct ack *l;

    cr_assert_eq(reserve("u", "i", &l), ERR_EXISTS);
    acks_drop(a, k);
    cr_assert_eq(reserve("u", "i", &l), 0);
    cr_assert_eq(reserve("u", "i", &k), ERR_EXISTS, "a reserved one counts");
    acks_cancel(a, l);
    (void)put("u", "i", 2);
}

Test(acks, names_have_a_bound)
{
    char name[NAME_MAX_LEN + 2];
    struct ack *k;
    struct str longest = {name, NAME_MAX_LEN};
    struct str longer = {name, NAME_MAX_LEN + 1};

    memset(name, 'x', sizeof(name));
    cr_assert_eq(acks_reserve(a, longest, longest, &k), 0);
    acks_commit(a, k, 1, 1, 0, frame);
    cr_assert_eq(acks_find(a, longest, longest), k);
    cr_assert_null(acks_find(a, longest, longer));
    cr_assert_null(acks_find(a, longer, longest));
    cr_assert_eq(acks_reserve(a, longer, longest, &k), ERR_INVALID);
    cr_assert_eq(acks_reserve(a, longest, longer, &k), ERR_INVALID);
    cr_assert_eq(acks_reserve(a, longest, STR_NONE, &k), ERR_INVALID);
    cr_assert_eq(acks_reserve(a, STR_NONE, longest, &k), ERR_INVALID);
    acks_gave_up(a, longer);
    cr_assert_eq(acks_user_given_up(a, longer), 0u);
}

Test(acks, limit_of_a_user)
{
    struct ack *k;
    struct ack *l;

    (void)put("u", "1", 1);
    k = put("u", "2", 2);
    (void)put("u", "3", 3);
    cr_assert_eq(reserve("u", "4", &l), 0, "a reserved one counts");
    cr_assert_eq(reserve("u", "5", &k), ERR_LIMIT);
    cr_assert_eq(reserve("u", "2", &k), ERR_EXISTS, "this is said first");
    cr_assert_eq(reserve("v", "5", &k), 0, "others are not concerned");
    acks_cancel(a, k);
    acks_cancel(a, l);
    (void)put("u", "5", 4);
    cr_assert_eq(reserve("u", "6", &k), ERR_LIMIT);
    cr_assert_eq(acks_reserve_anyway(a, STR_LIT("u"), STR_LIT("6"), &k), 0);
    cr_assert_eq(acks_user_count(a, STR_LIT("u")), 5u);
}

Test(acks, limit_of_all)
{
    struct ack *k = NULL;
    char user[8];

    for (unsigned i = 0; i < TOTAL; i++) {
        snprintf(user, sizeof(user), "u%u", i);
        k = put(user, "i", i + 1);
    }
    cr_assert_eq(reserve("v", "i", &k), ERR_LIMIT);
    acks_drop(a, find("u3", "i"));
    cr_assert_eq(reserve("v", "i", &k), 0);
    acks_cancel(a, k);
    cr_assert_eq(acks_count(a), (uint32_t)TOTAL - 1);
    (void)put("v", "i", 100);
    cr_assert_eq(acks_reserve_anyway(a, STR_LIT("w"), STR_LIT("i"), &k), 0);
    cr_assert_eq(acks_count(a), (uint32_t)TOTAL + 1);
    cr_assert_eq(acks_reserve_anyway(a, STR_LIT("w"), STR_LIT("i"), &k), ERR_EXISTS);
}

static void expect_list(const char *user, const char *ids)
{
    struct ack *k = acks_first(a, str_of(user));

    for (; *ids; ids++, k = acks_after(k)) {
        cr_assert(k);
        cr_assert(str_eq(ack_id(k), (struct str){ids, 1}));
    }
    cr_assert_null(k);
}

Test(acks, in_the_order_of_seq)
{
    struct ack *late;

    cr_assert_eq(reserve("u", "d", &late), 0); /* reserved first, published last */
    (void)put("u", "a", 1);
    (void)put("v", "x", 2);
    (void)put("u", "b", 3);
    (void)put("u", "c", 4);
    acks_commit(a, late, 5, 0, 0, frame);
    expect_list("u", "abcd");
    expect_list("v", "x");
    expect_list("w", "");
    acks_drop(a, find("u", "b"));
    expect_list("u", "acd");
    acks_drop(a, find("u", "a"));
    expect_list("u", "cd");
    acks_drop(a, late);
    expect_list("u", "c");
    (void)put("u", "e", 6);
    expect_list("u", "ce");
}

/* ---- deliveries ---- */

Test(acks, due_after_the_timeout)
{
    struct ack *k = put("u", "i", 1);

    cr_assert_null(acks_due(a, UINT64_MAX), "not under way");
    cr_assert_eq(acks_next_due(a), UINT64_MAX);
    acks_sent(a, k, 42, 1000);
    cr_assert_eq(k->attempts, 1u);
    cr_assert_eq(k->member, 42u);
    cr_assert_eq(acks_next_due(a), 1000u + TIMEOUT);
    cr_assert_null(acks_due(a, 1000 + TIMEOUT - 1));
    cr_assert_eq(acks_due(a, 1000 + TIMEOUT), k);
    cr_assert_eq(acks_due(a, 1000 + TIMEOUT), k, "it stays");
    acks_sent(a, k, 43, 1200);
    cr_assert_eq(k->attempts, 2u);
    cr_assert_eq(k->member, 43u);
    cr_assert_eq(acks_next_due(a), 1200u + TIMEOUT);
    acks_rest(a, k);
    cr_assert_eq(k->due_ms, 0u);
    cr_assert_eq(k->attempts, 2u);
    cr_assert_null(acks_due(a, UINT64_MAX));
    acks_rest(a, k); /* nothing happens */
    cr_assert_eq(acks_next_due(a), UINT64_MAX);
}

static void expect_due(struct ack *const *want, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct ack *k = acks_due(a, UINT64_MAX);
        cr_assert_eq(k, want[i], "the one at %u", i);
        acks_rest(a, k);
    }
    cr_assert_null(acks_due(a, UINT64_MAX));
}

Test(acks, due_in_order)
{
    struct ack *v[4] = {put("u", "a", 1), put("u", "b", 2), put("v", "c", 3), put("v", "d", 4)};

    acks_sent(a, v[2], 1, 100);
    acks_sent(a, v[0], 1, 200);
    acks_sent(a, v[3], 1, 300);
    acks_sent(a, v[1], 1, 400);
    expect_due((struct ack *[]){v[2], v[0], v[3], v[1]}, 4);
    for (unsigned i = 0; i < 4; i++) {
        acks_sent(a, v[i], 1, 1000 + i);
    }
    acks_sent(a, v[1], 1, 2000); /* goes behind the others */
    acks_rest(a, v[2]);
    expect_due((struct ack *[]){v[0], v[3], v[1]}, 3);
    for (unsigned i = 0; i < 4; i++) {
        acks_sent(a, v[i], 1, 3000 + i);
    }
    acks_drop(a, v[0]);
    acks_drop(a, v[3]);
    expect_due((struct ack *[]){v[1], v[2]}, 2);
}

/* The clock of another shard is behind. */
Test(acks, an_older_time_overtakes_nobody)
{
    struct ack *k = put("u", "a", 1);
    struct ack *l = put("u", "b", 2);

    acks_sent(a, k, 1, 1000);
    acks_sent(a, l, 1, 990);
    cr_assert_eq(l->due_ms, 1000u + TIMEOUT);
    expect_due((struct ack *[]){k, l}, 2);
}

Test(acks, walk_visits_all_that_are_committed)
{
    struct ack *k, *reserved;
    unsigned seen = 0;

    (void)put("u", "a", 1);
    cr_assert_eq(reserve("u", "b", &reserved), 0);
    (void)put("v", "c", 2);
    (void)put("u", "d", 3);
    for (k = acks_walk(a, NULL); k; k = acks_walk(a, k)) {
        cr_assert(k->frame);
        seen |= 1u << k->seq;
    }
    cr_assert_eq(seen, 0xeu);
    for (k = acks_walk(a, NULL); k;) { /* what was visited may go */
        struct ack *next = acks_walk(a, k);
        acks_drop(a, k);
        k = next;
    }
    cr_assert_eq(acks_count(a), 1u);
    acks_cancel(a, reserved);
}

/* ---- given up ---- */

Test(acks, given_up_is_counted_by_user)
{
    struct ack *k = put("u", "a", 1);

    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 0u);
    acks_gave_up(a, STR_LIT("u"));
    acks_drop(a, k);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 1u, "kept, though nothing waits");
    acks_gave_up(a, STR_LIT("u"));
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 2u);
    acks_gave_up(a, STR_LIT("v"));
    cr_assert_eq(acks_user_given_up(a, STR_LIT("v")), 1u);
    (void)put("u", "b", 2);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 2u);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("w")), 0u);
}

static void give_up_many(unsigned from, unsigned n)
{
    char user[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(user, sizeof(user), "many-%u", from + i);
        acks_gave_up(a, str_of(user));
    }
}

/* 1024 idle users are remembered; who has messages that wait is not idle. */
Test(acks, given_up_has_a_bound)
{
    (void)put("busy", "a", 1);
    acks_gave_up(a, STR_LIT("busy"));
    acks_gave_up(a, STR_LIT("first"));
    acks_gave_up(a, STR_LIT("second"));
    give_up_many(0, 1022);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("first")), 1u);
    acks_gave_up(a, STR_LIT("first")); /* is the newest now */
    give_up_many(2000, 1);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("second")), 0u);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("first")), 2u);
    give_up_many(5000, 1022);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("first")), 2u);
    give_up_many(7000, 1);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("first")), 0u);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("many-7000")), 1u);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("busy")), 1u);
    acks_drop(a, find("busy", "a"));
    cr_assert_eq(acks_user_given_up(a, STR_LIT("busy")), 1u);
    give_up_many(8000, 1024);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("busy")), 0u);
}

/* A user that comes back with a message is not idle until it is gone. */
Test(acks, a_user_that_waits_again_is_kept)
{
    struct ack *k;

    acks_gave_up(a, STR_LIT("u"));
    cr_assert_eq(reserve("u", "a", &k), 0);
    give_up_many(0, 3000);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 1u);
    acks_cancel(a, k);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 1u);
    give_up_many(4000, 1024);
    cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 0u);
}

Test(acks, free_lets_go_of_everything)
{
    struct ack *k;

    acks_sent(a, put("u", "a", 1), 1, 1);
    (void)put("v", "a", 2);
    cr_assert_eq(reserve("w", "a", &k), 0);
    acks_gave_up(a, STR_LIT("x"));
    acks_gave_up(a, STR_LIT("u"));
    acks_free(NULL);
}

/* ---- without memory ---- */

TestSuite(acks_nomem, .init = nomem_ready);

Test(acks_nomem, new)
{
    struct acks *none = NULL;

    left = 0;
    cr_assert_eq(acks_new(7, &limits, &none), ERR_NOMEM);
    left = -1;
}

static void reserve_until_done(const char *user, const char *id, struct ack **k, unsigned *failures)
{
    uint32_t count = acks_count(a);
    uint32_t of_user = acks_user_count(a, str_of(user));

    for (int n = 0;; n++) {
        long before = live;
        left = n;
        int rc = reserve(user, id, k);
        bool failed = left < 0;
        left = -1;
        cr_assert_eq(rc, failed ? ERR_NOMEM : 0);
        cr_assert_eq(acks_count(a), count + !rc);
        cr_assert_eq(acks_user_count(a, str_of(user)), of_user + !rc);
        if (rc == 0) {
            return;
        }
        ++*failures;
        cr_assert_eq(live, before, "%ld blocks leak", live - before);
    }
}

/* Through several growths of both tables. */
Test(acks_nomem, reserve)
{
    const struct acks_limits wide = {TIMEOUT, 3, 100, 10000};
    unsigned failures = 0;
    long before;
    char text[32];
    struct ack *k;

    start();
    acks_free(a);
    before = live;
    cr_assert_eq(acks_new(7, &wide, &a), 0);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "u%u", i);
        reserve_until_done(text, "1", &k, &failures);
        acks_commit(a, k, 2 * i + 1, 0, 0, frame);
        reserve_until_done(text, "2", &k, &failures);
        acks_commit(a, k, 2 * i + 2, 0, 0, frame);
    }
    cr_assert_geq(failures, 500u * 3);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "u%u", i);
        expect_list(text, "12");
        cr_assert(find(text, "1") && find(text, "2"));
    }
    acks_free(a);
    cr_assert_eq(live, before, "%ld blocks leak", live - before);
    frame_unref(frame);
}

/* No memory to remember it: nothing breaks. What was known stays. */
Test(acks_nomem, gave_up)
{
    long before;

    start();
    acks_gave_up(a, STR_LIT("u"));
    before = live;
    for (int n = 0; n < 2; n++) {
        left = n;
        acks_gave_up(a, STR_LIT("v"));
        acks_gave_up(a, STR_LIT("u"));
        left = -1;
        if (acks_user_given_up(a, STR_LIT("v"))) {
            break;
        }
        cr_assert_eq(live, before);
        cr_assert_eq(acks_user_given_up(a, STR_LIT("u")), 2u + (unsigned)n);
    }
    acks_gave_up(a, STR_LIT("v"));
    cr_assert_geq(acks_user_given_up(a, STR_LIT("v")), 1u);
    stop();
}
