/* Lost ranges against a model: a set of numbers. */
#include "store/lost.h"

#include <criterion/criterion.h>
#include <string.h>

enum { N = 400 };

static void check(const struct lost_set *set, const bool *model)
{
    bool in[N + 1] = {false};

    cr_assert_leq(set->n, LOST_RANGES_MAX);
    for (unsigned i = 0; i < set->n; i++) {
        cr_assert_lt(set->v[i].from, set->v[i].to);
        if (i > 0) {
            cr_assert_lt(set->v[i - 1].to, set->v[i].from, "apart and ascending");
        }
        for (uint64_t seq = set->v[i].from + 1; seq <= set->v[i].to; seq++) {
            in[seq] = true;
        }
    }
    for (unsigned seq = 1; seq <= N; seq++) {
        cr_assert(in[seq] || !model[seq], "%u is lost and not told", seq);
    }
}

static unsigned claimed(const struct lost_set *set)
{
    unsigned n = 0;

    for (unsigned i = 0; i < set->n; i++) {
        n += (unsigned)(set->v[i].to - set->v[i].from);
    }
    return n;
}

Test(store_lost, few_ranges_are_kept_exactly)
{
    struct lost_set set = {.n = 0};

    lost_add(&set, 10, 20);
    lost_add(&set, 30, 40);
    lost_add(&set, 1, 5);
    lost_add(&set, 7, 7); /* empty */
    cr_assert_eq(set.n, 3);
    cr_assert_eq(set.v[0].from, 1);
    cr_assert_eq(set.v[1].from, 10);
    lost_add(&set, 20, 30); /* touches both */
    cr_assert_eq(set.n, 2);
    cr_assert_eq(set.v[1].from, 10);
    cr_assert_eq(set.v[1].to, 40);
    lost_add(&set, 0, 100);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(claimed(&set), 100);
}

Test(store_lost, one_too_many_joins_the_nearest)
{
    struct lost_set set = {.n = 0};

    for (unsigned i = 0; i < LOST_RANGES_MAX; i++) {
        lost_add(&set, 100 * i, 100 * i + (i == 3 ? 90 : 10));
    }
    cr_assert_eq(set.n, LOST_RANGES_MAX);
    lost_add(&set, 2000, 2001);
    cr_assert_eq(set.n, LOST_RANGES_MAX);
    cr_assert_eq(set.v[3].from, 300);
    cr_assert_eq(set.v[3].to, 410);
    cr_assert_eq(set.v[LOST_RANGES_MAX - 1].from, 2000);
}

Test(store_lost, nothing_lost_is_ever_forgotten)
{
    uint64_t rng = 88172645463325252u;

    for (unsigned round = 0; round < 300; round++) {
        struct lost_set set = {.n = 0};
        bool model[N + 1];
        memset(model, 0, sizeof model);
        for (unsigned i = 0; i < 30; i++) {
            rng ^= rng << 13;
            rng ^= rng >> 7;
            rng ^= rng << 17;
            uint64_t from = rng % (N - 20), to = from + (rng >> 32) % 20;
            lost_add(&set, from, to);
            for (uint64_t seq = from + 1; seq <= to; seq++) {
                model[seq] = true;
            }
            check(&set, model);
        }
    }
}
