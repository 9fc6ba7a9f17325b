#include "proto/position.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* 2026-11-20T10:00:00.000Z */
#define NOW UINT64_C(1795168800000)

static struct errmsg why;

Test(position, cursors)
{
    static const struct {
        const char *text;
        enum position_kind kind;
        struct cursor cursor;
    } good[] = {
        {"k3f9-1042", POSITION_CURSOR, {937557, 1042}},
        {"k3f9-0", POSITION_CURSOR, {937557, 0}},
        {"0-0", POSITION_EARLIEST, {0, 0}},
        {"earliest", POSITION_EARLIEST, {0, 0}},
        {"1-1", POSITION_CURSOR, {1, 1}},
    };
    static const char *const bad[] = {"",
                                      "0",
                                      "0-1",
                                      "Earliest",
                                      "earliest ",
                                      "k3f9",
                                      "k3f9-",
                                      "-1042",
                                      "k3f9-01",
                                      "K3F9-1",
                                      "k-1-2",
                                      "k3f9-1042 ",
                                      "k3f9-18446744073709551616"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct position p = {.kind = POSITION_NEWEST};
        struct position h = {.kind = POSITION_NEWEST};
        cr_assert_eq(position_parse_after(str_of(good[i].text), &p, &why), 0, "%s", good[i].text);
        position_of_header(str_of(good[i].text), &h);
        cr_expect(p.kind == good[i].kind && h.kind == good[i].kind, "%s", good[i].text);
        cr_expect(p.cursor.epoch == good[i].cursor.epoch && p.cursor.seq == good[i].cursor.seq);
        cr_expect(h.cursor.epoch == good[i].cursor.epoch && h.cursor.seq == good[i].cursor.seq);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct position p = {.kind = POSITION_NEWEST, .count = 5};
        cr_expect_eq(position_parse_after(str_of(bad[i]), &p, &why), ERR_INVALID, "%s", bad[i]);
        cr_expect(p.kind == POSITION_NEWEST && p.count == 5, "untouched");
        position_of_header(str_of(bad[i]), &p);
        cr_expect_eq(p.kind, POSITION_LOST, "%s", bad[i]);
    }
    cr_expect_eq(position_parse_after(STR_LIT("a\nb"), &(struct position){0}, &why), ERR_INVALID);
    cr_expect_str_eq(why.text,
                     "\"a\\x0ab\" is no cursor: give one as the gateway sends it, such as "
                     "k3f9-1042, or earliest (or 0-0) for everything that is kept");
    cr_expect_eq(position_parse_after(STR_NONE, &(struct position){0}, NULL), ERR_INVALID);
}

static void since(const char *text, uint64_t want)
{
    struct position p = {.kind = POSITION_NONE};

    cr_assert_eq(position_parse_since(str_of(text), NOW, &p, &why), 0, "%s: %s", text, why.text);
    cr_expect_eq(p.kind, POSITION_SINCE);
    cr_expect_eq(p.since_ms, want, "%s: %llu", text, (unsigned long long)p.since_ms);
}

Test(position, durations)
{
    since("90s", NOW - 90000);
    since("90", NOW - 90000);
    since("0", NOW);
    since("500ms", NOW - 500);
    since("10m", NOW - 600000);
    since("2h", NOW - 7200000);
    since("7d", NOW - UINT64_C(7) * 86400000);
    since("007d", NOW - UINT64_C(7) * 86400000);
    since("1000000d", 0);
    since("18446744073709551615ms", 0);
    since("18446744073709551616ms", 0);
    since("213503982335d", 0); /* would wrap */
    since("99999999999999999999999999999999999999d", 0);
}

Test(position, times)
{
    since("2026-11-20T10:00:00Z", NOW);
    since("2026-11-20t09:59:59.5z", NOW - 500);
    since("2026-11-20T09:59:59.123456789Z", NOW - 877);
    since("2026-11-20T09:59:59.01Z", NOW - 990);
    since("2026-11-20T10:59:59+01:00", NOW - 1000);
    since("2026-11-20T10:29:59.250+00:30", NOW - 750);
    since("2026-11-20T00:00:00-09:59", NOW - 60000);
    since("2026-11-19T23:59:00-09:59", NOW - 120000);
    since("2026-11-20T10:00:00.001Z", NOW); /* to come */
    since("9999-12-31T23:59:59-23:59", NOW);
    since("1970-01-01T00:00:00Z", 0);
    since("1970-01-01T00:00:01Z", 1000);
    since("1969-12-31T23:59:59Z", 0);
    since("0000-01-01T00:00:00Z", 0);
    since("1970-01-01T00:00:00+01:00", 0);
    since("2016-12-31T23:59:60Z", UINT64_C(1483228800000)); /* a leap second */
}

/* Every day of some years, against the clock's own way of writing them. */
Test(position, dates)
{
    for (uint64_t day = 0; day < 60000; day++) {
        uint64_t ms = day * 86400000 + day * 1439 % 86400000;
        char text[CLOCK_RFC3339_LEN + 1];
        struct position p;
        clock_rfc3339(ms, text);
        cr_assert_eq(position_parse_since(str_of(text), UINT64_MAX, &p, &why), 0, "%s", text);
        cr_assert_eq(p.since_ms, ms, "%s", text);
    }
}

Test(position, no_times)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "-5s",
                                      "+5s",
                                      "5 s",
                                      "1.5h",
                                      "5w",
                                      "5S",
                                      "5sec",
                                      "0x5",
                                      "2026-11-20",
                                      "2026-11-20T10:00:00",
                                      "yesterday",
                                      "5s ",
                                      " 5s",
                                      "2026-02-29T00:00:00Z",
                                      "2026-11-20T24:00:00Z",
                                      "2026-11-20T10:00:00.Z",
                                      "2026-11-20T10:00:00Zx",
                                      "2026-11-20T10:00:00+0100"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct position p = {.kind = POSITION_NEWEST};
        cr_expect_eq(position_parse_since(str_of(bad[i]), NOW, &p, &why), ERR_INVALID, "%s",
                     bad[i]);
        cr_expect_eq(p.kind, POSITION_NEWEST);
    }
    cr_expect_eq(position_parse_since(STR_LIT("5w"), NOW, &(struct position){0}, &why),
                 ERR_INVALID);
    cr_expect_str_eq(why.text, "\"5w\" is no time: give how long ago as a whole number with ms, s, "
                               "m, h or d, such as 90s, or an RFC 3339 time such as "
                               "2026-11-20T10:00:00Z");
    cr_expect_eq(position_parse_since(STR_LIT("2026-11-20T10:00:00 01:00"), NOW,
                                      &(struct position){0}, &why),
                 ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "(in a URL a + must be written as %2B)"));
    cr_expect_eq(position_parse_since(STR_NONE, NOW, &(struct position){0}, NULL), ERR_INVALID);
}

Test(position, newest)
{
    static const char *const bad[] = {
        "", "0", "1001", "-1", "+1", "1.0", "x", "10 ", " 10", "1e2", "99999999999999999999999"};
    struct position p;

    cr_expect_eq(position_parse_history(STR_LIT("1"), &p, &why), 0);
    cr_expect(p.kind == POSITION_NEWEST && p.count == 1);
    cr_expect_eq(position_parse_history(STR_LIT("1000"), &p, &why), 0);
    cr_expect(p.kind == POSITION_NEWEST && p.count == POSITION_MAX_HISTORY);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p = (struct position){.kind = POSITION_LOST};
        cr_expect_eq(position_parse_history(str_of(bad[i]), &p, &why), ERR_INVALID, "%s", bad[i]);
        cr_expect_eq(p.kind, POSITION_LOST);
    }
    cr_expect_eq(position_parse_history(STR_LIT("1001"), &p, &why), ERR_INVALID);
    cr_expect_str_eq(why.text,
                     "\"1001\" is no number of messages: give a whole number from 1 to 1000");
}
