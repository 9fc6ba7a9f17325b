/* when.c - points in time on the command line. */
#include "fanfare/when.h"

#include "fanfare/flags.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAST UINT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct unit {
    const char *letter, *name;
    uint64_t seconds;
};

static const struct unit units[] = {{"y", "year", 31536000}, {"w", "week", 604800},
                                    {"d", "day", 86400},     {"h", "hour", 3600},
                                    {"m", "minute", 60},     {"s", "second", 1}};

uint64_t when_now(void)
{
    time_t now = time(NULL);

    return now > 0 ? (uint64_t)now : 0;
}

static bool duration(const char *text, uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t v = 0;

    if (digits == 0 || digits > 10) { /* years, too, fit in 64 bits */
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    const char *letter = text[digits] != '\0' ? text + digits : "s";
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(letter, units[i].letter) == 0) {
            *out = v * units[i].seconds;
            return true;
        }
    }
    return false;
}

/* `form` has # for a digit; other characters are themselves. */
static bool has_form(const char *text, const char *form)
{
    if (strlen(text) != strlen(form)) {
        return false;
    }
    for (; *form != '\0'; form++, text++) {
        if (*form == '#' ? *text < '0' || *text > '9' : *text != *form) {
            return false;
        }
    }
    return true;
}

static int digits_of(const char *text, size_t n)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

static bool date(const char *text, uint64_t *out)
{
    bool timed = has_form(text, "####-##-##T##:##:##Z");

    if (!timed && !has_form(text, "####-##-##")) {
        return false;
    }
    struct tm tm = {.tm_year = digits_of(text, 4) - 1900,
                    .tm_mon = digits_of(text + 5, 2) - 1,
                    .tm_mday = digits_of(text + 8, 2)};
    if (timed) {
        tm.tm_hour = digits_of(text + 11, 2);
        tm.tm_min = digits_of(text + 14, 2);
        tm.tm_sec = digits_of(text + 17, 2);
    }
    struct tm as_given = tm;
    time_t at = timegm(&tm); /* moves a 31st of June to July */
    *out = (uint64_t)at;
    return at > 0 && tm.tm_mon == as_given.tm_mon && tm.tm_mday == as_given.tm_mday &&
           tm.tm_hour == as_given.tm_hour && tm.tm_min == as_given.tm_min &&
           tm.tm_sec == as_given.tm_sec;
}

int when_parse(const char *tool, const char *what, const char *text, uint64_t now, uint64_t *out)
{
    char line[160];
    uint64_t v;

    if (strcmp(text, "never") == 0) {
        *out = 0;
        return 0;
    }
    if (duration(text, &v)) {
        *out = now + v;
    } else if (date(text, &v)) {
        *out = v;
    } else {
        snprintf(line, sizeof line,
                 "--%s is a time such as 15m, 1h or 30d, or a date such as 2027-01-31 or "
                 "2027-01-31T12:00:00Z, not ",
                 what);
        return tool_usage(tool, line, text);
    }
    if (*out > LAST) {
        snprintf(line, sizeof line, "--%s lies after the year 9999: ", what);
        return tool_usage(tool, line, text);
    }
    return 0;
}

const char *when_date(uint64_t at, char buf[WHEN_LEN])
{
    time_t t = (time_t)(at < LAST ? at : LAST);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(buf, WHEN_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(buf, WHEN_LEN, "%" PRIu64, at);
    }
    return buf;
}

const char *when_words(uint64_t at, uint64_t now, char buf[WHEN_LEN])
{
    uint64_t away = at > now ? at - now : now - at;
    size_t i = 0;

    if (away == 0) {
        (void)when_date(at, buf);
        strncat(buf, " (now)", WHEN_LEN - strlen(buf) - 1);
        return buf;
    }
    /* The largest unit of which there are two: "90 minutes", and not "1 hour". */
    while (i + 1 < sizeof units / sizeof *units && away < 2 * units[i].seconds) {
        i++;
    }
    uint64_t n = away / units[i].seconds;
    size_t len = strlen(when_date(at, buf));
    snprintf(buf + len, WHEN_LEN - len, " (%s%" PRIu64 " %s%s%s)", at > now ? "in " : "", n,
             units[i].name, n == 1 ? "" : "s", at > now ? "" : " ago");
    return buf;
}
