#include "proto/cursor.h"

#include <criterion/criterion.h>

Test(cursor, format)
{
    static const struct {
        struct cursor c;
        const char *text;
    } cases[] = {
        {{0, 0}, "0-0"},
        {{1, 0}, "1-0"},
        {{35, 9}, "z-9"},
        {{36, 10}, "10-10"},
        {{12345, 1042}, "9ix-1042"},
        {{UINT64_MAX, UINT64_MAX}, "3w5e11264sgsf-18446744073709551615"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[CURSOR_MAX];
        struct cursor back = {7, 7};
        size_t n = cursor_format(cases[i].c, text);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect_eq(n, strlen(text));
        cr_expect_eq(cursor_parse((struct str){text, n}, &back), 0);
        cr_expect(back.epoch == cases[i].c.epoch && back.seq == cases[i].c.seq);
        n = cursor_format_epoch(cases[i].c.epoch, text);
        cr_expect_eq(n, strlen(text));
        cr_expect(strncmp(text, cases[i].text, n) == 0 && cases[i].text[n] == '-');
    }
}

Test(cursor, bad_forms)
{
    static const struct str bad[] = {
        {NULL, 0},
        STR_LIT("-"),
        STR_LIT("1-"),
        STR_LIT("-1"),
        STR_LIT("1"),
        STR_LIT("01-1"),
        STR_LIT("1-01"),
        STR_LIT("0-1"),
        STR_LIT("00-0"),
        STR_LIT("0-00"),
        STR_LIT("A-1"),
        STR_LIT("a-1a"),
        STR_LIT("a--1"),
        STR_LIT("a-1-1"),
        STR_LIT("a-+1"),
        STR_LIT(" a-1"),
        STR_LIT("a-1 "),
        STR_LIT("a-1\n"),
        STR_LIT("a_1"),
        STR_LIT("a-1\0"),
        STR_LIT("\0-1"),
        STR_LIT("a\xC3\xA9-1"),
        STR_LIT("3w5e11264sgsg-1"),
        STR_LIT("zzzzzzzzzzzzz-1"),
        STR_LIT("11111111111111-1"),
        STR_LIT("1-18446744073709551616"),
        STR_LIT("1-99999999999999999999"),
        STR_LIT("1-100000000000000000000"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cursor c = {7, 7};
        cr_expect_eq(cursor_parse(bad[i], &c), ERR_INVALID, "%zu", i);
        cr_expect(c.epoch == 7 && c.seq == 7);
    }
}
