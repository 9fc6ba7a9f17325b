#include "proto/position.h"

#include "proto/name.h"
#include "proto/publish.h"

#define MS_PER_DAY 86400000

static bool parse_after(struct str text, struct position *out)
{
    struct cursor c;

    if (str_eqz(text, "earliest")) {
        *out = (struct position){.kind = POSITION_EARLIEST};
        return true;
    }
    if (cursor_parse(text, &c) != 0) {
        return false;
    }
    *out = (struct position){.kind = c.epoch ? POSITION_CURSOR : POSITION_EARLIEST, .cursor = c};
    return true;
}

int position_parse_after(struct str text, struct position *out, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];

    if (parse_after(text, out)) {
        return 0;
    }
    return errmsg_set(
        why, ERR_INVALID,
        "\"%s\" is no cursor: give one as the gateway sends it, such as k3f9-1042, or "
        "earliest (or 0-0) for everything that is kept",
        name_show(text, shown));
}

void position_of_header(struct str text, struct position *out)
{
    if (!parse_after(text, out)) {
        *out = (struct position){.kind = POSITION_LOST};
    }
}

/* The digits at *at, at most `max` of them, as a number; what does not fit is
 * the largest one. Returns how many there were. */
static size_t read_number(struct str s, size_t *at, size_t max, uint64_t *out)
{
    size_t n = 0;
    uint64_t v = 0;

    while (n < max && *at < s.len && s.p[*at] >= '0' && s.p[*at] <= '9') {
        unsigned digit = (unsigned)(s.p[(*at)++] - '0');
        v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
        n++;
    }
    *out = v;
    return n;
}

/* How long ago; too long for a number is UINT64_MAX. */
static bool parse_duration(struct str s, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                 {"m", 60000}, {"h", 3600000}, {"d", MS_PER_DAY}};
    size_t at = 0;
    uint64_t v;

    if (read_number(s, &at, s.len, &v) == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eqz((struct str){s.p + at, s.len - at}, units[i].name)) {
            *ms = v > UINT64_MAX / units[i].ms ? UINT64_MAX : v * units[i].ms;
            return true;
        }
    }
    return false;
}

/* The number of n digits at *at, and over the byte behind it. */
static int64_t part(struct str s, size_t *at, size_t n)
{
    uint64_t v;

    (void)read_number(s, at, n, &v);
    *at += *at < s.len;
    return (int64_t)v;
}

/* Days from 1970-01-01; years begin in March, so that the leap day is last. */
static int64_t read_days(struct str s, size_t *at)
{
    int64_t year = part(s, at, 4);
    int64_t month = part(s, at, 2);
    int64_t day = part(s, at, 2);

    year -= month <= 2;
    month = (month + 9) % 12;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 -
           719468;
}

/* Milliseconds since 1970, of a checked RFC 3339 time; 0 for those before. */
static uint64_t read_time(struct str s)
{
    size_t at = 0;
    int64_t ms = read_days(s, &at) * MS_PER_DAY;
    int64_t fraction = 0;

    ms += part(s, &at, 2) * 3600000;
    ms += part(s, &at, 2) * 60000;
    ms += part(s, &at, 2) * 1000;
    if (s.p[at - 1] == '.') {
        int64_t scale = 100;
        for (; s.p[at] >= '0' && s.p[at] <= '9'; at++, scale /= 10) {
            fraction += (s.p[at] - '0') * scale;
        }
        at++;
    }
    char zone = s.p[at - 1];
    if (zone == '+' || zone == '-') {
        int64_t hours = part(s, &at, 2);
        int64_t minutes = part(s, &at, 2);
        ms += (zone == '-' ? 1 : -1) * (hours * 60 + minutes) * 60000;
    }
    ms += fraction;
    return ms > 0 ? (uint64_t)ms : 0;
}

int position_parse_since(struct str text, uint64_t now_ms, struct position *out, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];
    uint64_t ms;

    if (parse_duration(text, &ms)) {
        ms = ms < now_ms ? now_ms - ms : 0;
    } else if (publish_timestamp_ok(text)) {
        ms = read_time(text);
        ms = ms < now_ms ? ms : now_ms;
    } else {
        bool space = text.len > 0 && memchr(text.p, ' ', text.len);
        return errmsg_set(why, ERR_INVALID,
                          "\"%s\" is no time: give how long ago as a whole number with ms, s, m, "
                          "h or d, such as 90s, or an RFC 3339 time such as "
                          "2026-11-20T10:00:00Z%s",
                          name_show(text, shown),
                          space ? " (in a URL a + must be written as %2B)" : "");
    }
    *out = (struct position){.kind = POSITION_SINCE, .since_ms = ms};
    return 0;
}

int position_parse_history(struct str text, struct position *out, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];
    size_t at = 0;
    uint64_t v;

    if (read_number(text, &at, text.len, &v) == 0 || at < text.len || v < 1 ||
        v > POSITION_MAX_HISTORY) {
        return errmsg_set(why, ERR_INVALID,
                          "\"%s\" is no number of messages: give a whole number from 1 to %d",
                          name_show(text, shown), POSITION_MAX_HISTORY);
    }
    *out = (struct position){.kind = POSITION_NEWEST, .count = (uint32_t)v};
    return 0;
}
