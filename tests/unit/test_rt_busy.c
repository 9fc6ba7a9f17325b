#include "rt/busy.h"

#include <criterion/criterion.h>

Test(busy, sleeps_at_once_until_work_comes_fast)
{
    struct busy b = {0};

    cr_assert_eq(busy_for(&b, 50), 0);
    busy_slept(&b, 51, 50);
    cr_assert_eq(busy_for(&b, 50), 0);
    busy_slept(&b, 50, 50);
    cr_assert_eq(busy_for(&b, 50), 50);
}

Test(busy, zero_is_never)
{
    struct busy b = {0};

    busy_slept(&b, 0, 0);
    cr_assert_eq(busy_for(&b, 0), 0);
}

/* However long the luck lasted: it looks in vain eight times and no more. */
Test(busy, gives_up_soon)
{
    struct busy b = {0};

    for (int i = 0; i < 1000; i++) {
        busy_looked(&b, true);
    }
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(busy_for(&b, 50), 50, "%d", i);
        busy_looked(&b, false);
    }
    cr_assert_eq(busy_for(&b, 50), 0);
    busy_looked(&b, false);
    cr_assert_eq(busy_for(&b, 50), 0);
}

/* Work that comes in time once in five does not keep a thread looking: of 100
 * waits it looks in at most 40. */
Test(busy, rare_luck_is_not_worth_it)
{
    struct busy b = {0};
    int looks = 0;

    for (int i = 0; i < 100; i++) {
        bool soon = i % 5 == 0;
        if (busy_for(&b, 50)) {
            looks++;
            busy_looked(&b, soon);
            if (soon) {
                continue;
            }
        }
        busy_slept(&b, soon ? 10 : 1000, 50);
    }
    cr_assert_leq(looks, 40, "%d", looks);
}
