/* NumericDate, held against whole numbers. */
#include "auth/jwt_time.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t ms(const char *text)
{
    uint64_t v = 42;

    cr_assert_eq(jwt_time_read(str_of(text), &v), 0, "%s", text);
    return v;
}

Test(jwt_time, whole_and_broken)
{
    cr_assert_eq(ms("0"), 0);
    cr_assert_eq(ms("1"), 1000);
    cr_assert_eq(ms("1.5"), 1500);
    cr_assert_eq(ms("1700000000"), (uint64_t)1700000000000);
    cr_assert_eq(ms("1700000000.123"), (uint64_t)1700000000123);
    cr_assert_eq(ms("0.001"), 1);
    cr_assert_eq(ms("0.0001"), 1, "rounded up");
    cr_assert_eq(ms("0.0010"), 1);
    cr_assert_eq(ms("0.0011"), 2);
    cr_assert_eq(ms("1.9999"), 2000);
    /* 0.1 + 0.2 and other things that a double does not know */
    cr_assert_eq(ms("1700000000.3"), (uint64_t)1700000000300);
    cr_assert_eq(ms("9007199254.740993"), (uint64_t)9007199254741);
    cr_assert_eq(ms("4102444800.9990000000000000000000001"), (uint64_t)4102444801000);
}

Test(jwt_time, exponents)
{
    cr_assert_eq(ms("1e0"), 1000);
    cr_assert_eq(ms("1e3"), 1000000);
    cr_assert_eq(ms("1E+3"), 1000000);
    cr_assert_eq(ms("1e-3"), 1);
    cr_assert_eq(ms("1e-4"), 1);
    cr_assert_eq(ms("1.7e9"), (uint64_t)1700000000000);
    cr_assert_eq(ms("1.700000000123e9"), (uint64_t)1700000000123);
    cr_assert_eq(ms("1700000000123e-3"), (uint64_t)1700000000123);
    cr_assert_eq(ms("17000000001234e-4"), (uint64_t)1700000000124);
    cr_assert_eq(ms("0e99999999999999999999"), 0);
    cr_assert_eq(ms("0.000e-99999999999999999999"), 0);
    cr_assert_eq(ms("1e-99999999999999999999"), 1);
    cr_assert_eq(ms("0.00000000000000000017e28"), (uint64_t)1700000000000);
}

Test(jwt_time, has_an_end)
{
    cr_assert_eq(ms("253402300799.999"), JWT_TIME_MAX);
    cr_assert_eq(ms("253402300800"), JWT_TIME_MAX);
    cr_assert_eq(ms("253402300799.998"), JWT_TIME_MAX - 1);
    cr_assert_eq(ms("18446744073709551615"), JWT_TIME_MAX);
    cr_assert_eq(ms("18446744073709551.616"), JWT_TIME_MAX);
    cr_assert_eq(ms("99999999999999999999999999999999999999999999999999999"), JWT_TIME_MAX);
    cr_assert_eq(ms("1e1000000"), JWT_TIME_MAX);
    cr_assert_eq(ms("1e99999999999999999999"), JWT_TIME_MAX);
    cr_assert_eq(ms("253402300799999.9e-3"), JWT_TIME_MAX);
}

Test(jwt_time, not_before_1970)
{
    uint64_t v;

    cr_assert_eq(jwt_time_read(STR_LIT("-1"), &v), ERR_INVALID);
    cr_assert_eq(jwt_time_read(STR_LIT("-0"), &v), ERR_INVALID);
    cr_assert_eq(jwt_time_read(STR_LIT("-1e-9"), &v), ERR_INVALID);
    cr_assert_eq(jwt_time_read(STR_NONE, &v), ERR_INVALID);
}

/* Any number of milliseconds, written in several ways, comes back. */
Test(jwt_time, there_and_back)
{
    uint64_t v = 1;
    char text[80];

    for (unsigned i = 0; i < 20000; i++) {
        v = (v * 6364136223846793005u + 1442695040888963407u);
        uint64_t t = (v >> 11) % JWT_TIME_MAX;
        snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64, t / 1000, t % 1000);
        cr_assert_eq(ms(text), t, "%s", text);
        snprintf(text, sizeof(text), "%" PRIu64 "e-3", t);
        cr_assert_eq(ms(text), t, "%s", text);
        snprintf(text, sizeof(text), "%" PRIu64 "000000e-09", t);
        cr_assert_eq(ms(text), t, "%s", text);
        snprintf(text, sizeof(text), "0.%015" PRIu64 "00E12", t);
        cr_assert_eq(ms(text), t, "%s", text);
    }
}
