#include "http/rates.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct rates r;

static void start(void)
{
    cr_assert_eq(rates_init(&r, 42), 0);
}

static void stop(void)
{
    rates_fini(&r);
    for (unsigned i = 0; i < RATE_KINDS; i++) {
        cr_expect_eq(atomic_load(&r.kept[i]), 0);
    }
}

TestSuite(rates, .init = start, .fini = stop);

static const uint64_t T = 5000;

static struct rate_use use(enum rate_kind kind, const char *who, uint64_t per_s)
{
    return (struct rate_use){
        .kind = kind, .who = str_of(who), .limit = {.count = per_s, .window_ms = 1000}, .count = 1};
}

static unsigned kept(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RATE_KINDS; i++) {
        n += atomic_load(&r.kept[i]);
    }
    return n;
}

Test(rates, by_name_and_kind)
{
    struct rate_use a = use(RATE_PUBLISH_KEY, "shop", 2);
    struct rate_use b = use(RATE_PUBLISH_KEY, "blog", 2);
    struct rate_use c = use(RATE_PUBLISH_USER, "shop", 2);
    struct rate_over over;

    cr_expect(rates_take(&r, &a, T, &over));
    cr_expect(rates_take(&r, &a, T, &over));
    cr_expect_not(rates_take(&r, &a, T, &over));
    cr_expect_eq(over.wait_ms, 500);
    cr_expect_not(over.bytes);
    cr_expect(rates_take(&r, &b, T, &over));
    cr_expect(rates_take(&r, &c, T, &over), "a user is not the key of the same name");
    cr_expect(rates_take(&r, &a, T + 500, &over));
    cr_expect_eq(kept(), 3);
}

Test(rates, bytes)
{
    struct rate_use a = use(RATE_PREFIX, "orders.", 100);
    struct rate_over over;

    a.limit.bytes = 1000;
    a.bytes = 600;
    cr_expect(rates_take(&r, &a, T, &over));
    cr_expect_not(rates_take(&r, &a, T, &over));
    cr_expect(over.bytes, "it is the bytes that are too many");
    cr_expect_eq(over.wait_ms, 200);
    a.bytes = 400;
    cr_expect(rates_take(&r, &a, T, &over));
    a.bytes = 0;
    for (int i = 0; i < 98; i++) {
        cr_assert(rates_take(&r, &a, T, &over), "a refused one was not counted: %d", i);
    }
    cr_expect_not(rates_take(&r, &a, T, &over));
    cr_expect_not(over.bytes);
}

Test(rates, asking_costs_nothing)
{
    struct rate_use a = use(RATE_AUTH, "x", 1);
    struct rate_over over;

    for (int i = 0; i < 10; i++) {
        cr_assert(rates_may(&r, &a, T, &over));
    }
    cr_expect_eq(kept(), 0);
    cr_expect_not(rates_any(&r, RATE_AUTH));
    rates_charge(&r, &a, T);
    cr_expect(rates_any(&r, RATE_AUTH));
    cr_expect_not(rates_any(&r, RATE_CONNECT));
    cr_expect_not(rates_may(&r, &a, T, &over));
    cr_expect_eq(over.wait_ms, 1000);
    rates_charge(&r, &a, T);
    cr_expect_not(rates_may(&r, &a, T, &over));
    cr_expect_eq(over.wait_ms, 2000, "what comes in spite of it counts");
    cr_expect(rates_may(&r, &a, T + 2000, &over));
}

Test(rates, off)
{
    struct rate_use a = use(RATE_CONNECT, "x", 0);
    struct rate_over over = {.wait_ms = 77};

    for (int i = 0; i < 1000; i++) {
        cr_assert(rates_take(&r, &a, T, &over));
        rates_charge(&r, &a, T);
        cr_assert(rates_may(&r, &a, T, &over));
    }
    cr_expect_eq(over.wait_ms, 0);
    cr_expect_eq(kept(), 0);
}

Test(rates, long_names)
{
    char text[600];
    struct rate_use a = use(RATE_PUBLISH_USER, "", 1);
    struct rate_over over;

    memset(text, 'u', sizeof(text));
    a.who = (struct str){text, 255};
    cr_expect(rates_take(&r, &a, T, &over));
    a.who = (struct str){text, 254};
    cr_expect(rates_take(&r, &a, T, &over));
    a.who = (struct str){text, 600};
    cr_expect_not(rates_take(&r, &a, T, &over), "more than 255 bytes do not count");
    a.who = STR_NONE;
    cr_expect(rates_take(&r, &a, T, &over));
    cr_expect_not(rates_take(&r, &a, T, &over));
}

/* What is full again goes when others come. */
Test(rates, full_ones_go)
{
    struct rate_over over;

    for (unsigned i = 0; i < 20000; i++) {
        char name[32];
        struct rate_use u = use(RATE_CONNECT, name, 10);
        snprintf(name, sizeof(name), "%u", i);
        u.who = str_of(name);
        cr_assert(rates_take(&r, &u, T + i, &over));
    }
    /* A bucket is full after 100 ms, in which 100 others came. */
    cr_expect_lt(kept(), 1000, "%u", kept());
}

/* More than there is room for: those furthest from full stay. */
Test(rates, bounded)
{
    struct rate_use heavy = use(RATE_CONNECT, "heavy", 1);
    struct rate_over over;

    for (int i = 0; i < 600; i++) {
        rates_charge(&r, &heavy, T);
    }
    for (unsigned i = 0; i < 3 * RATES_MAX; i++) {
        char name[32];
        struct rate_use u = use(RATE_CONNECT, name, 1);
        snprintf(name, sizeof(name), "%u", i);
        u.who = str_of(name);
        (void)!rates_take(&r, &u, T + i / 1000, &over);
    }
    cr_expect_leq(kept(), RATES_MAX);
    cr_expect_gt(kept(), RATES_MAX / 2);
    cr_expect_not(rates_may(&r, &heavy, T + 1000, &over));
    cr_expect_geq(over.wait_ms, 500000);
}

/* Several shards at once: the sum is what the limit says. */
struct hammer {
    pthread_t thread;
    unsigned taken;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    struct rate_over over;

    for (unsigned i = 0; i < 20000; i++) {
        struct rate_use u = use(RATE_PREFIX, "all", 5000);
        char name[16];
        struct rate_use other = use(RATE_CONNECT, name, 1);
        h->taken += rates_take(&r, &u, T, &over);
        snprintf(name, sizeof(name), "%u", i % 977);
        other.who = str_of(name);
        (void)!rates_take(&r, &other, T + i / 100, &over);
    }
    return NULL;
}

Test(rates, threads)
{
    struct hammer h[4] = {0};
    unsigned sum = 0;

    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&h[i].thread, NULL, hammer, &h[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(h[i].thread, NULL);
        sum += h[i].taken;
    }
    cr_expect_eq(sum, 5000, "%u", sum);
}
