#include "auth/keyfile.h"

#include "proto/name.h"

#include <time.h>

/* Reads digits off the front; false if there are not so many, or it is over `max`. */
static bool take_number(struct str *s, unsigned digits, unsigned max, unsigned *out)
{
    unsigned v = 0;

    if (s->len < digits) {
        return false;
    }
    for (unsigned i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(s->p[i] - '0');
    }
    s->p += digits;
    s->len -= digits;
    *out = v;
    return v <= max;
}

static bool take_one(struct str *s, const char *of)
{
    if (s->len == 0 || *s->p == '\0' || !strchr(of, *s->p)) {
        return false;
    }
    s->p++;
    s->len--;
    return true;
}

static bool take_date(struct str *s, struct tm *tm)
{
    unsigned year, month, day;

    if (!take_number(s, 4, 9999, &year) || !take_one(s, "-") || !take_number(s, 2, 12, &month) ||
        !take_one(s, "-") || !take_number(s, 2, 31, &day) || year < 1970 || month == 0 ||
        day == 0) {
        return false;
    }
    tm->tm_year = (int)year - 1900;
    tm->tm_mon = (int)month - 1;
    tm->tm_mday = (int)day;
    return true;
}

/* With its fraction, of which three digits count. */
static bool take_time(struct str *s, struct tm *tm, unsigned *ms)
{
    unsigned hour, minute, second, digit;
    unsigned scale = 100;

    if (!take_number(s, 2, 23, &hour) || !take_one(s, ":") || !take_number(s, 2, 59, &minute) ||
        !take_one(s, ":") || !take_number(s, 2, 59, &second)) {
        return false;
    }
    tm->tm_hour = (int)hour;
    tm->tm_min = (int)minute;
    tm->tm_sec = (int)second;
    *ms = 0;
    if (!take_one(s, ".")) {
        return true;
    }
    if (!take_number(s, 1, 9, &digit)) {
        return false;
    }
    do {
        *ms += digit * scale;
        scale /= 10;
    } while (take_number(s, 1, 9, &digit));
    return true;
}

/* Z, or +hh:mm and -hh:mm as minutes. */
static bool take_offset(struct str *s, int *minutes)
{
    int sign = s->len > 0 && *s->p == '-' ? -1 : 1;
    unsigned h, m;

    *minutes = 0;
    if (take_one(s, "Zz")) {
        return true;
    }
    if (!take_one(s, "+-") || !take_number(s, 2, 23, &h) || !take_one(s, ":") ||
        !take_number(s, 2, 59, &m)) {
        return false;
    }
    *minutes = sign * (int)(h * 60 + m);
    return true;
}

int keyfile_parse_time(struct str text, uint64_t *ms, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];
    struct str s = text;
    struct tm tm = {0};
    unsigned fraction = 0;
    int offset = 0;

    if (take_date(&s, &tm) && take_one(&s, "Tt") && take_time(&s, &tm, &fraction) &&
        take_offset(&s, &offset) && s.len == 0) {
        int day = tm.tm_mday;
        time_t t = timegm(&tm);
        /* timegm makes a March day of the 30th of February. */
        if (tm.tm_mday == day && t - offset * 60 > 0) {
            *ms = (uint64_t)(t - offset * 60) * 1000 + fraction;
            return 0;
        }
    }
    return errmsg_set(why, ERR_INVALID,
                      "\"%s\" is no time since 1970; write it as 2027-01-31T12:00:00Z",
                      name_show(text, shown));
}
