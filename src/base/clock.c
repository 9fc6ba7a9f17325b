#include "base/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
    struct timespec ts = {0, 0};
    (void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_real_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

static char *put_digits(char *p, unsigned v, unsigned digits, char after)
{
    for (unsigned i = digits; i-- > 0; v /= 10) {
        p[i] = (char)('0' + v % 10);
    }
    p[digits] = after;
    return p + digits + 1;
}

/* By arithmetic and not gmtime_r, which takes a lock: every message has one. */
void clock_rfc3339(uint64_t real_ms, char out[CLOCK_RFC3339_LEN + 1])
{
    const uint64_t last = 253402300799999; /* 9999-12-31T23:59:59.999Z */
    if (real_ms > last) {
        real_ms = last;
    }
    unsigned ms = (unsigned)(real_ms % 86400000);
    /* Days since 0000-03-01, in eras of 400 years; the year begins in March,
     * so that the leap day is its last. */
    unsigned days = (unsigned)(real_ms / 86400000) + 719468;
    unsigned era = days / 146097;
    unsigned doe = days % 146097;
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153; /* 0 is March */
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    unsigned year = era * 400 + yoe + (month <= 2);

    char *p = put_digits(out, year, 4, '-');
    p = put_digits(p, month, 2, '-');
    p = put_digits(p, doy - (153 * mp + 2) / 5 + 1, 2, 'T');
    p = put_digits(p, ms / 3600000, 2, ':');
    p = put_digits(p, ms / 60000 % 60, 2, ':');
    p = put_digits(p, ms / 1000 % 60, 2, '.');
    p = put_digits(p, ms % 1000, 3, 'Z');
    *p = '\0';
}
