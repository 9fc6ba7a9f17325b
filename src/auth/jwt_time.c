#include "auth/jwt_time.h"

#include <stdbool.h>

#define EXPONENT_MAX 1000000 /* more than a token has digits */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* [+-]digits, bounded. */
static long read_exponent(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    long v = 0;

    if (p < end && !is_digit(*p)) {
        p++;
    }
    for (; p < end && v < EXPONENT_MAX; p++) {
        v = v * 10 + (*p - '0');
    }
    v = v < EXPONENT_MAX ? v : EXPONENT_MAX;
    return negative ? -v : v;
}

int jwt_time_read(struct str number, uint64_t *ms)
{
    const char *end = number.p + number.len;
    const char *mark = number.p; /* of the exponent */
    long whole = 0, place = 0;   /* digits before the point; the digit's place */
    uint64_t v = 0;
    bool rest = false;

    if (number.len == 0 || !is_digit(number.p[0])) {
        return ERR_INVALID;
    }
    while (mark < end && *mark != 'e' && *mark != 'E') {
        mark++;
    }
    while (number.p + whole < mark && is_digit(number.p[whole])) {
        whole++;
    }
    /* The point of the number of milliseconds is behind as many digits. */
    long point = whole + 3 + (mark < end ? read_exponent(mark + 1, end) : 0);

    for (const char *p = number.p; p < mark; p++) {
        if (!is_digit(*p)) {
            continue;
        }
        if (place++ >= point) {
            rest = rest || *p != '0';
        } else if (v <= JWT_TIME_MAX) {
            v = v * 10 + (uint64_t)(*p - '0');
        }
    }
    for (; place < point && v > 0 && v <= JWT_TIME_MAX; place++) {
        v *= 10;
    }
    v += rest;
    *ms = v < JWT_TIME_MAX ? v : JWT_TIME_MAX;
    return 0;
}
