/* Signed names of channels. */
#include "auth/channel.h"
#include "support_auth.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static struct errmsg why;

/* What was signed, with one change; the time is 2000 s. */
static enum auth_outcome check(const char *secret, const char *text, bool *is_signed)
{
    struct str name = STR_NONE;

    return channel_check(str_of(secret), str_of(text), 2000000, &name, is_signed, &why);
}

/* By another program: printf 'fanfare channel\nprivate-a.b\n3000' | openssl dgst -sha256 -mac
 * HMAC, base64url. */
Test(channel, as_others_sign)
{
    char command[256], expected[128], *text = NULL;

    snprintf(
        command, sizeof command,
        "printf 'fanfare channel\\nprivate-a.b\\n3000' | openssl dgst -sha256 -hmac %s -binary "
        "| base64 | tr '+/' '-_' | tr -d '='",
        SECRET);
    FILE *p = popen(command, "r");
    strcpy(expected, "private-a.b~3000~");
    cr_assert(p && fread(expected + 17, 1, 43, p) == 43);
    pclose(p);
    expected[60] = '\0';
    cr_assert_eq(channel_sign(S(SECRET), S("private-a.b"), 3000, &text, &why), 0);
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(channel, good_for_its_name_and_time)
{
    struct str name;
    char *text = NULL;
    bool is_signed = false;

    cr_assert_eq(channel_sign(S(SECRET), S("private-a"), 2001, &text, &why), 0);
    struct str s = str_of(text);
    cr_assert_eq(channel_check(S(SECRET), s, 2000999, &name, &is_signed, &why), AUTH_OK);
    cr_assert(is_signed && str_eq(name, S("private-a")));
    cr_assert_eq(channel_check(S(SECRET), s, 2001000, &name, &is_signed, &why), AUTH_EXPIRED);
    cr_assert_eq(
        channel_check(S("another secret, also long enough"), s, 0, &name, &is_signed, &why),
        AUTH_FORGED);
    cr_assert_eq(channel_check(STR_NONE, s, 0, &name, &is_signed, &why), AUTH_UNKNOWN);
    cr_assert(is_signed && str_eq(name, S("private-a")));
    free(text);
}

Test(channel, for_ever)
{
    char *text = NULL;
    bool is_signed = false;

    cr_assert_eq(channel_sign(S(SECRET), S("private-a"), 0, &text, &why), 0);
    cr_assert_eq(strncmp(text, "private-a~~", 11), 0);
    cr_assert_eq(check(SECRET, text, &is_signed), AUTH_OK);
    text[8] = 'b';
    cr_assert_eq(check(SECRET, text, &is_signed), AUTH_FORGED);
    free(text);
}

Test(channel, plain_names_pass)
{
    static const char *const names[] = {"", "a", "private-a.b", "a.>", "*", "a b"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str name = STR_NONE;
        bool is_signed = true;
        cr_expect_eq(channel_check(S(SECRET), str_of(names[i]), 0, &name, &is_signed, &why),
                     AUTH_OK);
        cr_expect(!is_signed && str_eqz(name, names[i]));
    }
}

#define SIG "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

Test(channel, malformed)
{
    static const char *const bad[] = {
        "~",
        "~~",
        "a~",
        "a~~",
        "a~1",
        "a~1~",
        "~1~" SIG,
        "a~1~" SIG "A",
        "a~1~A",
        "a~x~" SIG,
        "a~-1~" SIG,
        "a~ 1~" SIG,
        "a~01~" SIG,
        "a~0~" SIG,
        "a~1~" SIG "~",
        "a~1~1~" SIG,
        "a b~1~" SIG,
        "a.>~1~" SIG,
        "*~~" SIG,
        "a~9999999999999~" SIG,
        "a~99999999999999999999999999~" SIG,
        "fanfare.x~~" SIG,
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool is_signed = false;
        cr_expect_eq(check(SECRET, bad[i], &is_signed), AUTH_MALFORMED, "%s", bad[i]);
        cr_expect(is_signed);
    }
    bool is_signed;
    cr_assert_eq(check(SECRET, "a~3000~" SIG, &is_signed), AUTH_FORGED);
    cr_assert_eq(check(SECRET, "a~~" SIG, &is_signed), AUTH_FORGED);
}

/* Every single changed byte is noticed. */
Test(channel, changed)
{
    char *text = NULL;

    cr_assert_eq(channel_sign(S(SECRET), S("private-a"), 3000, &text, &why), 0);
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool is_signed;
        text[i] ^= 1;
        cr_expect_neq(check(SECRET, text, &is_signed) == AUTH_OK && is_signed, true, "%s", text);
        text[i] ^= 1;
    }
    free(text);
}

Test(channel, signs_no_nonsense)
{
    char *text = NULL;

    cr_assert_eq(channel_sign(S("short"), S("a"), 0, &text, &why), ERR_INVALID);
    cr_assert_eq(channel_sign(S(SECRET), S("a.>"), 0, &text, &why), ERR_INVALID);
    cr_assert_eq(channel_sign(S(SECRET), S(""), 0, &text, &why), ERR_INVALID);
    cr_assert_eq(channel_sign(S(SECRET), S("fanfare.x"), 0, &text, &why), ERR_RESERVED);
    cr_assert_eq(channel_sign(S(SECRET), S("a"), 9999999999999, &text, &why), ERR_INVALID);
    cr_assert_null(text);
}
