#include "proto/name.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct str repeat(char *room, char c, size_t n)
{
    memset(room, c, n);
    return (struct str){room, n};
}

Test(name, channel_alphabet)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_-.:@=,;/";

    for (int c = 0; c < 256; c++) {
        char name[] = {'a', (char)c, 'b'};
        bool want = c != 0 && strchr(allowed, c) != NULL;
        int rc = name_check_channel((struct str){name, 3}, NULL);
        cr_expect_eq(rc, want ? 0 : ERR_INVALID, "byte %d", c);
    }
}

Test(name, channel_length_and_reserved)
{
    char room[300];
    struct errmsg why;

    cr_expect_eq(name_check_channel(STR_NONE, &why), ERR_INVALID);
    cr_expect_str_eq(why.text, "a channel name may not be empty");
    cr_expect_eq(name_check_channel(repeat(room, 'x', 200), &why), 0);
    cr_expect_eq(name_check_channel(repeat(room, 'x', 201), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "at most 200 bytes, this has 201"));
    cr_expect_eq(name_check_channel(STR_LIT("fanfare.x"), &why), ERR_RESERVED);
    cr_expect_eq(name_check_channel(STR_LIT("fanfare."), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_channel(STR_LIT("fanfare"), NULL), 0);
    cr_expect_eq(name_check_channel(STR_LIT("Fanfare.x"), NULL), 0);
    cr_expect_eq(name_check_channel(STR_LIT("xfanfare.x"), NULL), 0);
    cr_expect_eq(name_check_channel(STR_LIT("private-a"), NULL), 0);
    cr_expect_eq(name_check_channel(STR_LIT("."), NULL), 0);
}

Test(name, sentences)
{
    struct errmsg why;

    cr_expect_eq(name_check_channel(STR_LIT("a b"), &why), ERR_INVALID);
    cr_expect_str_eq(why.text, "\"a b\": ' ' at byte 1 is not allowed in a channel name (letters, "
                               "digits and _-.:@=,;/ are)");
    cr_expect_eq(name_check_channel(STR_LIT("a\r\nb"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "\"a\\x0d\\x0ab\": '\\x0d' at byte 1"));
    cr_expect_eq(name_check_channel(STR_LIT("caf\xC3\xA9"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "'\xC3\xA9' at byte 3"));
    cr_expect_eq(name_check_channel(STR_LIT("x\xC3"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "'\\xc3' at byte 1"));
    cr_expect_eq(name_check_subscription(STR_LIT("a.>.b"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "'>' must be the last segment"));
    cr_expect_eq(name_check_subscription(STR_LIT("a.b*"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "'*' at byte 3"));
    cr_expect_eq(name_check_type(STR_LIT("open"), &why), ERR_RESERVED);
    cr_expect_not_null(strstr(why.text, "\"open\": this message type is reserved"));
    cr_expect_eq(name_check_user(STR_LIT("a\x7f"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "at byte 1 is not allowed in a user id"));
    cr_expect_eq(name_check_user(STR_LIT("a\xFF"), &why), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "valid UTF-8"));
}

Test(name, show_clips_and_escapes)
{
    char room[NAME_SHOW_MAX];
    char name[300];

    cr_expect_str_eq(name_show(STR_NONE, room), "");
    cr_expect_str_eq(name_show(STR_LIT("abc"), room), "abc");
    cr_expect_str_eq(name_show(STR_LIT("\0\n"), room), "\\x00\\x0a");
    cr_expect_str_eq(name_show(repeat(name, 'x', 40), room),
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    cr_expect_str_eq(name_show(repeat(name, 'x', 41), room),
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...");
    for (size_t n = 0; n < sizeof(name); n++) {
        (void)name_show(repeat(name, '\x01', n), room);
        cr_expect_lt(strlen(room), sizeof(room));
        cr_expect_eq(n > 15, strstr(room, "...") != NULL, "%zu", n);
    }
}

Test(name, subscription_forms)
{
    static const char *const good[] = {
        "a",   "a.b", "*",  ">",           "a.*",          "*.a", "a.*.b", "a.>", "*.>",
        "*.*", ".*",  "*.", "private-a.*", "presence-a.>", "a..", "a./b",  ".>",  "*.fanfare.*",
    };
    static const char *const bad[] = {
        "",     "a*",    "*a",   "a.*b", ">.a",   "a.>.", "a>", ">>",  "**",
        "a.**", "a b.*", "*.\n", "a.>b", "*.b c", ">.",   "?",  "a.%",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct errmsg why = {""};
        cr_expect_eq(name_check_subscription(str_of(good[i]), &why), 0, "%s: %s", good[i],
                     why.text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(name_check_subscription(str_of(bad[i]), NULL), ERR_INVALID, "%s", bad[i]);
    }
    cr_expect_eq(name_check_subscription(STR_LIT("fanfare.users"), NULL), 0);
    cr_expect_eq(name_check_channel(STR_LIT("fanfare.users"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_subscription(STR_LIT("fanfare.user"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_subscription(STR_LIT("fanfare.*"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_subscription(STR_LIT("fanfare.>"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_subscription(STR_LIT("fanfare.users.*"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_subscription((struct str){"a\0.*", 4}, NULL), ERR_INVALID);
}

Test(name, is_pattern)
{
    cr_expect(name_is_pattern(STR_LIT("*")));
    cr_expect(name_is_pattern(STR_LIT(">")));
    cr_expect(name_is_pattern(STR_LIT("a.*.b")));
    cr_expect(name_is_pattern(STR_LIT("a.>")));
    cr_expect(name_is_pattern(STR_LIT("..*")));
    cr_expect_not(name_is_pattern(STR_LIT("a.b")));
    cr_expect_not(name_is_pattern(STR_LIT("a.")));
    cr_expect_not(name_is_pattern(STR_NONE));
}

Test(name, match)
{
    static const struct {
        const char *pattern, *channel;
        bool want;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "a.b", false},
        {"a.b", "a", false},
        {"*", "a", true},
        {"*", "a.b", false},
        {"*", ".", false},
        {"a.*", "a.b", true},
        {"a.*", "a.", true},
        {"a.*", "a", false},
        {"a.*", "a.b.c", false},
        {"*.b", "a.b", true},
        {"*.b", ".b", true},
        {"*.b", "b", false},
        {"a.*.c", "a.b.c", true},
        {"a.*.c", "a..c", true},
        {"a.*.c", "a.c", false},
        {"a.*.c", "a.b.d", false},
        {"*.*", "a.b", true},
        {"*.*", "a", false},
        {">", "a", true},
        {">", "a.b.c", true},
        {">", ".", true},
        {"a.>", "a.b", true},
        {"a.>", "a.b.c", true},
        {"a.>", "a.", true},
        {"a.>", "a", false},
        {"a.>", "ab.c", false},
        {"a.>", "b.c", false},
        {"*.>", "a", false},
        {"*.>", "a.b.c", true},
        {"a.*.>", "a.b", false},
        {"a.*.>", "a.b.c", true},
        {"a.*", "a.b/c:d@e", true},
        /* Guarded names need their literal prefix. */
        {">", "private-a", false},
        {"*", "private-a", false},
        {">", "presence-a.b", false},
        {"*.*", "fanfare.users", false},
        {">", "fanfare.users", false},
        {"fanfare.*", "fanfare.users", true},
        {"fanfare.>", "fanfare.a.b", true},
        {"private-a.*", "private-a.b", true},
        {"private-a.>", "private-a.b.c", true},
        {"private-a", "private-a", true},
        {"*.b", "private-a.b", false},
        {"presence-a.*", "private-a.b", false},
        {"*", "private", true},
        {"*", "fanfare", true},
        {">", "xprivate-a", true},
        {">", "a.private-b", true},
        {"*", "Private-a", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(name_match(str_of(cases[i].pattern), str_of(cases[i].channel)), cases[i].want,
                     "%s against %s", cases[i].pattern, cases[i].channel);
    }
}

Test(name, user_type_text)
{
    char room[300];

    cr_expect_eq(name_check_user(STR_LIT("J\xC3\xBCrgen M. (7)"), NULL), 0);
    cr_expect_eq(name_check_user(STR_NONE, NULL), ERR_INVALID);
    cr_expect_eq(name_check_user(repeat(room, 'u', 200), NULL), 0);
    cr_expect_eq(name_check_user(repeat(room, 'u', 201), NULL), ERR_INVALID);
    cr_expect_eq(name_check_user(STR_LIT("fanfare.x"), NULL), 0);
    cr_expect_eq(name_check_user(STR_LIT("a\0b"), NULL), ERR_INVALID);
    cr_expect_eq(name_check_user(STR_LIT("a\xC0\x80"), NULL), ERR_INVALID);
    cr_expect_eq(name_check_user(STR_LIT("a\xED\xA0\x80"), NULL), ERR_INVALID);
    for (int c = 0; c < 0x20; c++) {
        char type[] = {'t', (char)c};
        cr_expect_eq(name_check_type((struct str){type, 2}, NULL), ERR_INVALID, "%d", c);
    }
    cr_expect_eq(name_check_type(STR_LIT("open"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_type(STR_LIT("error"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_type(STR_LIT("fanfare.gap"), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_type(STR_LIT("fanfare."), NULL), ERR_RESERVED);
    cr_expect_eq(name_check_type(STR_LIT("opened"), NULL), 0);
    cr_expect_eq(name_check_type(STR_LIT("Error"), NULL), 0);
    cr_expect_eq(name_check_type(STR_LIT("message"), NULL), 0);
    cr_expect_eq(name_check_type(STR_LIT(" a: b \xE2\x80\xA8"), NULL), 0);
    cr_expect_eq(name_check_text("source", STR_LIT("open"), NULL), 0);
    struct errmsg why;
    cr_expect_eq(name_check_text("source", STR_NONE, &why), ERR_INVALID);
    cr_expect_str_eq(why.text, "a source may not be empty");
}
