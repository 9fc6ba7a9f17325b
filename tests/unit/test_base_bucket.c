#include "base/bucket.h"

#include <criterion/criterion.h>

static const uint64_t T = 1000000; /* some moment */

Test(bucket, burst_then_rate)
{
    struct bucket_rate r = {.per_s = 10, .window_ms = 2000};
    struct bucket b = {0};
    uint64_t wait = 0;

    cr_expect(bucket_full(&b, T));
    for (int i = 0; i < 20; i++) {
        cr_assert(bucket_take(&b, &r, 1, T, &wait), "%d of what comes in the window", i);
    }
    cr_expect_not(bucket_full(&b, T));
    cr_expect_not(bucket_take(&b, &r, 1, T, &wait));
    cr_expect_eq(wait, 100, "%lu", (unsigned long)wait);
    cr_expect_not(bucket_take(&b, &r, 1, T + 99, &wait));
    cr_expect_eq(wait, 1, "a refusal costs nothing");
    cr_expect(bucket_take(&b, &r, 1, T + 100, &wait));
    cr_expect_not(bucket_take(&b, &r, 1, T + 100, NULL));
    cr_expect_eq(bucket_wait(&b, &r, 5, T + 100), 500);
    cr_expect_not(bucket_full(&b, T + 2099));
    cr_expect(bucket_full(&b, T + 2100));
}

/* Over a long time it is the rate, whatever the steps. */
Test(bucket, long_run)
{
    static const struct bucket_rate rates[] = {{1, 1000}, {3, 5000}, {7, 100}, {999, 250}};

    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bucket b = {0};
        uint64_t taken = 0;
        uint64_t most = rates[i].per_s * 1000 + rates[i].per_s * rates[i].window_ms / 1000;
        for (uint64_t ms = 0; ms < 1000000; ms += 1) {
            taken += bucket_take(&b, &rates[i], 1, T + ms, NULL);
            taken += bucket_take(&b, &rates[i], 1, T + ms, NULL);
        }
        cr_expect_leq(taken, most + 1, "%u: %lu", i, (unsigned long)taken);
        cr_expect_geq(taken, rates[i].per_s * 995, "%u: %lu", i, (unsigned long)taken);
    }
}

Test(bucket, no_limit)
{
    struct bucket_rate r = {.per_s = 0, .window_ms = 1000};
    struct bucket b = {0};

    for (int i = 0; i < 1000; i++) {
        cr_assert(bucket_take(&b, &r, UINT64_MAX, T, NULL));
    }
    cr_expect(bucket_full(&b, T));
}

/* A window in which not one comes still lets one through at a time. */
Test(bucket, at_least_one)
{
    struct bucket_rate r = {.per_s = 1, .window_ms = 100};
    struct bucket b = {0};
    uint64_t wait;

    cr_expect(bucket_take(&b, &r, 1, T, NULL));
    cr_expect_not(bucket_take(&b, &r, 1, T, &wait));
    cr_expect_eq(wait, 1000);
    cr_expect(bucket_take(&b, &r, 1, T + 1000, NULL));
}

/* What is larger than the bucket passes when it is full, and is paid for after. */
Test(bucket, more_than_it_holds)
{
    struct bucket_rate r = {.per_s = 1000, .window_ms = 1000};
    struct bucket b = {0};
    uint64_t wait;

    cr_expect(bucket_take(&b, &r, 5000, T, NULL));
    cr_expect_not(bucket_take(&b, &r, 1, T, &wait));
    cr_expect_eq(wait, 4001, "%lu", (unsigned long)wait);
    cr_expect_not(bucket_take(&b, &r, 5000, T, &wait));
    cr_expect_eq(wait, 5000);
    cr_expect(bucket_take(&b, &r, 1, T + 4001, NULL));
}

Test(bucket, change_of_rate)
{
    struct bucket_rate slow = {.per_s = 1, .window_ms = 10000};
    struct bucket_rate fast = {.per_s = 100, .window_ms = 10000};
    struct bucket b = {0};

    for (int i = 0; i < 10; i++) {
        cr_assert(bucket_take(&b, &slow, 1, T, NULL));
    }
    cr_expect_not(bucket_take(&b, &slow, 1, T, NULL));
    cr_expect_not(bucket_take(&b, &fast, 1, T, NULL), "what was taken is not forgotten");
    cr_expect(bucket_take(&b, &fast, 1, T + 10, NULL));
}

Test(bucket, extremes)
{
    struct bucket_rate huge = {.per_s = UINT64_MAX, .window_ms = UINT64_MAX};
    struct bucket_rate bytes = {.per_s = UINT64_C(68719476736), .window_ms = 3600000};
    struct bucket_rate one = {.per_s = 1, .window_ms = 1};
    struct bucket_rate big = {.per_s = UINT64_MAX / 2, .window_ms = 1};
    struct bucket b = {0};

    cr_expect(bucket_take(&b, &huge, UINT64_MAX, T, NULL));
    cr_expect(bucket_take(&b, &huge, UINT64_MAX, T, NULL));
    b = (struct bucket){0};
    cr_expect(bucket_take(&b, &bytes, UINT64_C(68719476736) * 3600, T, NULL));
    cr_expect_not(bucket_take(&b, &bytes, 1000, T, NULL));
    cr_expect(bucket_take(&b, &bytes, 1000, T + 1, NULL));
    b = (struct bucket){0};
    cr_expect(bucket_take(&b, &one, UINT64_MAX, T, NULL));
    bucket_charge(&b, &one, UINT64_MAX, T);
    cr_expect_lt(bucket_wait(&b, &one, 1, T), UINT64_C(2000000000), "it ends some day");
    cr_expect_gt(bucket_wait(&b, &one, 1, T), 1000000);
    b = (struct bucket){0};
    bucket_charge(&b, &big, UINT64_MAX / 2 - 1, T);
    cr_expect_leq(bucket_wait(&b, &big, 1, T), 1001);
    cr_expect_geq(bucket_wait(&b, &big, 1, T), 999);
}

/* Time that stands still, or that seems to have gone back. */
Test(bucket, time)
{
    struct bucket_rate r = {.per_s = 10, .window_ms = 1000};
    struct bucket b = {0};

    for (int i = 0; i < 10; i++) {
        cr_assert(bucket_take(&b, &r, 1, T, NULL));
    }
    cr_expect_not(bucket_take(&b, &r, 1, T - 500, NULL));
    cr_expect_eq(bucket_wait(&b, &r, 1, T - 500), 600);
    cr_expect(bucket_take(&b, &r, 1, T + 100, NULL));
}
