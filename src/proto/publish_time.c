/* Timestamps of publications. */
#include "proto/publish.h"

/* Reads exactly n digits; false if one is missing or the value is outside. */
static bool digits(struct str s, size_t *at, size_t n, unsigned min, unsigned max, unsigned *out)
{
    unsigned v = 0;

    if (s.len - *at < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s.p[(*at)++];
        if (c < '0' || c > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(c - '0');
    }
    *out = v;
    return v >= min && v <= max;
}

static bool one_of(struct str s, size_t *at, const char *allowed)
{
    if (*at >= s.len || s.p[*at] == '\0' || !strchr(allowed, s.p[*at])) {
        return false;
    }
    (*at)++;
    return true;
}

static bool date_ok(struct str s, size_t *at)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day;

    if (!digits(s, at, 4, 0, 9999, &year) || !one_of(s, at, "-") ||
        !digits(s, at, 2, 1, 12, &month) || !one_of(s, at, "-") || !digits(s, at, 2, 1, 31, &day)) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (unsigned)(leap && month == 2);
}

static bool time_ok(struct str s, size_t *at)
{
    unsigned hour, minute, second;

    if (!digits(s, at, 2, 0, 23, &hour) || !one_of(s, at, ":") ||
        !digits(s, at, 2, 0, 59, &minute) || !one_of(s, at, ":") ||
        !digits(s, at, 2, 0, 60, &second) || (second == 60 && minute != 59)) {
        return false;
    }
    if (one_of(s, at, ".")) {
        size_t start = *at;
        while (*at < s.len && s.p[*at] >= '0' && s.p[*at] <= '9') {
            (*at)++;
        }
        return *at > start && *at - start <= 9;
    }
    return true;
}

bool publish_timestamp_ok(struct str s)
{
    size_t at = 0;
    unsigned v;

    if (!date_ok(s, &at) || !one_of(s, &at, "Tt") || !time_ok(s, &at)) {
        return false;
    }
    if (one_of(s, &at, "Zz")) {
        return at == s.len;
    }
    return one_of(s, &at, "+-") && digits(s, &at, 2, 0, 23, &v) && one_of(s, &at, ":") &&
           digits(s, &at, 2, 0, 59, &v) && at == s.len;
}
