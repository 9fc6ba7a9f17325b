#include "proto/origin.h"

#include <criterion/criterion.h>

Test(origin, good)
{
    static const struct {
        const char *text, *scheme, *host;
        unsigned port;
    } cases[] = {
        {"http://localhost", "http", "localhost", 80},
        {"https://example.com", "https", "example.com", 443},
        {"HTTPS://Example.COM", "HTTPS", "Example.COM", 443},
        {"http://127.0.0.1:8080", "http", "127.0.0.1", 8080},
        {"http://[::1]:80", "http", "::1", 80},
        {"http://[2001:DB8::1]", "http", "2001:DB8::1", 80},
        {"http://example.com:65535", "http", "example.com", 65535},
        {"chrome-extension://abcdefgh", "chrome-extension", "abcdefgh", 0},
        {"app://my_host:1", "app", "my_host", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct origin o;
        cr_assert_eq(origin_parse(str_of(cases[i].text), &o), 0, "%s", cases[i].text);
        cr_expect(str_eqz(o.scheme, cases[i].scheme));
        cr_expect(str_eqz(o.host, cases[i].host), "%s", cases[i].text);
        cr_expect_eq(o.port, cases[i].port);
    }
}

Test(origin, bad)
{
    static const char *const bad[] = {
        "",
        "null",
        "http",
        "http:",
        "http:/",
        "http://",
        "://x",
        "//x",
        "x",
        "1http://x",
        "ht tp://x",
        "http://x/",
        "http://x/path",
        "http://x?q",
        "http://x#f",
        "http://u@x",
        "http://u:p@x",
        "http://x:",
        "http://x:0",
        "http://x:65536",
        "http://x:99999",
        "http://x:100000",
        "http://x:-1",
        "http://x:8a",
        "http://x:80:80",
        "http://:80",
        "http://[::1",
        "http://::1",
        "http://[]",
        "http://[::1]x",
        "http://[::1]80",
        "http://[::1%25lo]",
        "http://[1.2.3.4]",
        "http://[::g]",
        "http://a b",
        "http://x ",
        " http://x",
        "http://x, http://y",
        "http://x http://y",
        "http://caf\xC3\xA9",
        "http://x\\y",
        "http://%6c",
        "http://*",
        "file://",
        "http://x\n",
    };
    struct origin o;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(origin_parse(str_of(bad[i]), &o), ERR_INVALID, "%s", bad[i]);
    }
    cr_expect_eq(origin_parse(STR_LIT("http://x\0"), &o), ERR_INVALID);
    cr_expect_eq(origin_parse(STR_LIT("http://[::1\0]"), &o), ERR_INVALID);
    cr_expect_eq(origin_parse(STR_NONE, &o), ERR_INVALID);
}

Test(origin, host_header)
{
    struct origin o;

    cr_assert_eq(origin_parse_host(STR_LIT("localhost:8080"), &o), 0);
    cr_expect(o.scheme.len == 0 && str_eqz(o.host, "localhost") && o.port == 8080);
    cr_assert_eq(origin_parse_host(STR_LIT("[::1]"), &o), 0);
    cr_expect(str_eqz(o.host, "::1") && o.port == 0);
    cr_assert_eq(origin_parse_host(STR_LIT("[::1]:80"), &o), 0);
    cr_expect(str_eqz(o.host, "::1") && o.port == 80);
    cr_expect_eq(origin_parse_host(STR_NONE, &o), ERR_INVALID);
    cr_expect_eq(origin_parse_host(STR_LIT("http://x"), &o), ERR_INVALID);
    cr_expect_eq(origin_parse_host(STR_LIT("u@localhost"), &o), ERR_INVALID);
    cr_expect_eq(origin_parse_host(STR_LIT("localhost, evil"), &o), ERR_INVALID);
    cr_expect_eq(origin_parse_host(STR_LIT("::1"), &o), ERR_INVALID);
}

Test(origin, loopback)
{
    static const char *const yes[] = {
        "localhost", "LOCALHOST",       "a.localhost", "A.b.LocalHost",   "127.0.0.1",
        "127.0.0.2", "127.255.255.254", "::1",         "0:0:0:0:0:0:0:1",
    };
    static const char *const no[] = {
        "",
        "127.0.0.1.evil.example",
        "127.evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "localhos",
        ".localhost",
        "a..localhost",
        "a@b.localhost",
        "localhost.",
        "128.0.0.1",
        "126.255.255.255",
        "0127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "127.0.0.1 ",
        "::2",
        "::",
        "1::1",
        "::ffff:10.0.0.1",
        "[::1]",
        "0.0.0.0",
        "10.0.0.1",
        "127.0.0.256",
        "127.0.0.1:80",
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        cr_expect(origin_is_loopback(str_of(yes[i])), "%s", yes[i]);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        cr_expect_not(origin_is_loopback(str_of(no[i])), "%s", no[i]);
    }
    cr_expect_not(origin_is_loopback(STR_NONE));
    cr_expect_not(origin_is_loopback(STR_LIT("127.0.0.1\0.evil.example")));
    cr_expect_not(origin_is_loopback(STR_LIT("localhost\0")));
}

static bool same(const char *a, const char *b)
{
    struct origin x, y;

    cr_assert_eq(origin_parse(str_of(a), &x), 0);
    cr_assert_eq(origin_parse(str_of(b), &y), 0);
    return origin_same(&x, &y);
}

Test(origin, same)
{
    cr_expect(same("http://a", "http://a:80"));
    cr_expect(same("HTTPS://A.example", "https://a.EXAMPLE:443"));
    cr_expect(same("http://[::A]", "http://[::a]:80"));
    cr_expect_not(same("http://a", "https://a"));
    cr_expect_not(same("http://a", "http://b"));
    cr_expect_not(same("http://a", "http://a:81"));
    cr_expect_not(same("http://a.b", "http://b"));
}
