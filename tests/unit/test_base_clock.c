#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static void check(uint64_t ms, const char *want)
{
    char got[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(ms, got);
    cr_assert_str_eq(got, want);
}

Test(clock, rfc3339_known)
{
    check(0, "1970-01-01T00:00:00.000Z");
    check(999, "1970-01-01T00:00:00.999Z");
    check(951782400000, "2000-02-29T00:00:00.000Z");
    check(951868799999, "2000-02-29T23:59:59.999Z");
    check(951868800000, "2000-03-01T00:00:00.000Z");
    check(1795168800123, "2026-11-20T10:00:00.123Z");
    check(4107542400000, "2100-03-01T00:00:00.000Z"); /* 2100 is no leap year */
    check(253402300799999, "9999-12-31T23:59:59.999Z");
}

Test(clock, rfc3339_clamps)
{
    check(253402300800000, "9999-12-31T23:59:59.999Z");
    check(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

Test(clock, rfc3339_agrees_with_the_c_library)
{
    /* A step of a little less than a day meets every day and many hours. */
    for (uint64_t ms = 0; ms < 16725225600000; ms += 86399 * 977 * 1000ULL / 977 - 7) {
        time_t s = (time_t)(ms / 1000);
        struct tm tm;
        cr_assert_not_null(gmtime_r(&s, &tm));
        char want[64];
        size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(want + n, sizeof want - n, ".%03uZ", (unsigned)(ms % 1000));
        char got[CLOCK_RFC3339_LEN + 1];
        clock_rfc3339(ms, got);
        cr_assert_str_eq(got, want);
    }
}

Test(clock, both_clocks_run)
{
    uint64_t a = clock_mono_ms();
    uint64_t b = clock_mono_ms();
    cr_assert_geq(b, a);
    uint64_t now = (uint64_t)time(NULL) * 1000;
    uint64_t real = clock_real_ms();
    cr_assert(real + 2000 > now && real < now + 60000);
}
