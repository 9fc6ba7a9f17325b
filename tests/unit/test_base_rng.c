#include "base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rng rng;

static void start(void)
{
    cr_assert_eq(rng_init(&rng), 0);
}

TestSuite(rng, .init = start);

Test(rng, fills_every_length_and_not_more)
{
    for (size_t len = 0; len < 1500; len += 37) {
        unsigned char buf[1600];
        memset(buf, 0xa5, sizeof buf);
        rng_bytes(&rng, buf, len);
        for (size_t i = len; i < sizeof buf; i++) {
            cr_assert_eq(buf[i], 0xa5);
        }
        if (len >= 37) { /* a run of 16 untouched bytes: 2^-128 */
            unsigned char same[16];
            memset(same, 0xa5, sizeof same);
            cr_assert_neq(memcmp(buf + len - 16, same, 16), 0);
        }
    }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

Test(rng, numbers_do_not_repeat)
{
    enum { N = 20000 };
    uint64_t *v = malloc(N * sizeof *v);
    cr_assert_not_null(v);
    uint64_t ones = 0;
    uint64_t zeros = 0;
    for (size_t i = 0; i < N; i++) {
        v[i] = rng_u64(&rng);
        ones |= v[i];
        zeros |= ~v[i];
    }
    cr_assert_eq(ones, UINT64_MAX);
    cr_assert_eq(zeros, UINT64_MAX);
    qsort(v, N, sizeof *v, compare_u64);
    for (size_t i = 1; i < N; i++) {
        cr_assert_neq(v[i], v[i - 1]);
    }
    free(v);
}

Test(rng, handed_out_bytes_do_not_stay)
{
    uint64_t v = rng_u64(&rng);
    uint64_t left;
    memcpy(&left, rng.pool, sizeof left);
    cr_assert_eq(left, 0);
    cr_assert_neq(v, 0);
}

Test(rng, below)
{
    cr_assert_eq(rng_below(&rng, 0), 0);
    unsigned seen[7] = {0};
    for (unsigned i = 0; i < 7000; i++) {
        cr_assert_eq(rng_below(&rng, 1), 0);
        uint64_t v = rng_below(&rng, 7);
        cr_assert_lt(v, 7);
        seen[v]++;
    }
    for (unsigned i = 0; i < 7; i++) { /* expected 1000, sigma 29 */
        cr_assert(seen[i] > 750 && seen[i] < 1250, "%u: %u", i, seen[i]);
    }
    const uint64_t big = UINT64_MAX / 2 + 2; /* nearly every second draw is skipped */
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_lt(rng_below(&rng, big), big);
        (void)rng_below(&rng, UINT64_MAX);
    }
}

Test(rng, uuid7_form)
{
    char last[UUID_LEN + 1] = "";
    for (unsigned i = 0; i < 5000; i++) {
        char id[UUID_LEN + 1];
        memset(id, '?', sizeof id);
        rng_uuid7(&rng, 0x0192f1a2b3c4, id);
        cr_assert_eq(strlen(id), UUID_LEN);
        cr_assert_eq(strncmp(id, "0192f1a2-b3c4-7", 15), 0, "%s", id);
        cr_assert(strchr("89ab", id[19]), "%s", id);
        for (unsigned c = 0; c < UUID_LEN; c++) {
            if (c == 8 || c == 13 || c == 18 || c == 23) {
                cr_assert_eq(id[c], '-', "%s", id);
            } else {
                cr_assert(strchr("0123456789abcdef", id[c]), "%s", id);
            }
        }
        cr_assert_str_neq(id, last);
        memcpy(last, id, sizeof id);
    }
}

Test(rng, uuid7_time_is_48_bits_and_sorts)
{
    char a[UUID_LEN + 1];
    char b[UUID_LEN + 1];
    rng_uuid7(&rng, UINT64_MAX, a);
    cr_assert_eq(strncmp(a, "ffffffff-ffff-7", 15), 0);
    rng_uuid7(&rng, 0, a);
    cr_assert_eq(strncmp(a, "00000000-0000-7", 15), 0);
    for (uint64_t ms = 1; ms < UINT64_C(1) << 48; ms *= 3) {
        rng_uuid7(&rng, ms, b);
        cr_assert_lt(strcmp(a, b), 0);
        memcpy(a, b, sizeof a);
    }
}
