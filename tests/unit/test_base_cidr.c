#include "base/cidr.h"

#include <criterion/criterion.h>

static struct netaddr ip(const char *text)
{
    struct netaddr a = {.kind = ADDR_UNIX};

    if (strcmp(text, "unix") != 0) {
        cr_assert_eq(netaddr_parse(str_of(text), &a), 0, "%s", text);
    }
    return a;
}

Test(cidr, addresses)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4:80",
        "[::1]",
        "::1%lo",
        "fe80::1%1",
        ":::",
        "1::2::3",
        "12345::",
        "::g",
        "unix",
        "localhost",
        "0x7f.0.0.1",
        "1,2,3,4",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
        "11111111111111111111111111111111111111111111111111111111",
    };
    struct netaddr a = ip("10.1.2.3");
    struct netaddr b;

    cr_expect_eq(a.kind, ADDR_INET);
    cr_expect_eq(a.port, 0);
    cr_expect_eq(memcmp(a.addr, "\x0a\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\0", 16), 0);
    b = ip("::ffff:10.1.2.3");
    cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0, "IPv4-mapped is IPv4");
    b = ip("::ffff:a01:203");
    cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0);
    b = ip("2001:db8::1");
    cr_expect_eq(b.kind, ADDR_INET6);
    cr_expect_eq(memcmp(b.addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(netaddr_parse(str_of(bad[i]), &b), ERR_INVALID, "%s", bad[i]);
    }
    cr_expect_eq(netaddr_parse((struct str){"1.2.3.4\0", 8}, &b), ERR_INVALID);
}

Test(cidr, matches)
{
    static const struct {
        const char *net, *address;
        bool match;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.3.4.5", true},
        {"10.0.0.0/8", "a00::", false},
        {"10.0.0.0/8", "unix", false},
        {"192.168.4.0/22", "192.168.7.255", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"192.168.4.0/22", "192.168.3.255", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1/32", "127.0.0.1", true},
        {"128.0.0.0/1", "200.1.1.1", true},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "::1", false},
        {"0.0.0.0/0", "unix", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "1.2.3.4", false},
        {"::/0", "unix", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::3", false},
        {"2001:db8::2/127", "2001:db8::3", true},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"::ffff:10.0.0.0/104", "11.9.9.9", false},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"::ffff:0:0/96", "1.2.3.4", true},
        {"::ffff:0:0/96", "::1", false},
        {"unix", "unix", true},
        {"unix", "0.0.0.0", false},
        {"unix", "::", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct netaddr a = ip(cases[i].address);
        struct cidr c;
        a.port = (uint16_t)(i * 7);
        cr_assert_eq(cidr_parse(str_of(cases[i].net), &c, NULL), 0, "%s", cases[i].net);
        cr_expect_eq(cidr_match(&c, &a), cases[i].match, "%s %s", cases[i].net, cases[i].address);
    }
}

/* Every length, against a comparison bit by bit. */
Test(cidr, every_length)
{
    static const uint8_t bytes[16] = {0x2a, 0x55, 0xaa, 0xff, 0x01, 0x80, 0x7f, 0x33,
                                      0x99, 0xcc, 0x0f, 0xf0, 0x12, 0x34, 0x56, 0x78};

    for (unsigned family = ADDR_INET; family <= ADDR_INET6; family++) {
        unsigned max = family == ADDR_INET ? 32 : 128;
        for (unsigned bits = 0; bits <= max; bits++) {
            struct cidr c = {.net = netaddr_of(family, bytes, 0), .bits = (uint8_t)bits};
            for (unsigned bit = 0; bit < max; bit++) {
                struct netaddr a = netaddr_of(family, bytes, 1);
                a.addr[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
                cr_assert_eq(cidr_match(&c, &a), bit >= bits, "%u/%u", bit, bits);
            }
        }
    }
}

Test(cidr, bad_networks)
{
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/ 8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/4294967304",
        "10/8",
        "10.0.0.0 /8",
        "10.0.0.0/8 ",
        "::/129",
        "::/1000",
        "::/x",
        "[::1]/128",
        "fe80::1%lo/64",
        "UNIX",
        "unix:",
        "unix/8",
        "unix:/run/x",
        "example.com",
        "*",
        "10.0.0.*",
        "::ffff:10.0.0.0/95",
        "::ffff:10.0.0.0/8",
        /* bits behind the network */
        "10.0.0.1/8",
        "10.0.0.0/6",
        "0.0.0.1/0",
        "2001:db8::1/32",
        "::ffff:10.0.0.1/104",
        "192.168.5.0/22",
    };
    struct cidr c;
    struct errmsg why;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why.text[0] = '\0';
        cr_expect_eq(cidr_parse(str_of(bad[i]), &c, &why), ERR_INVALID, "%s", bad[i]);
        cr_expect(why.text[0] != '\0', "%s", bad[i]);
    }
    cr_expect_eq(cidr_parse(str_of("10.1.2.3/8"), &c, &why), ERR_INVALID);
    cr_expect(strstr(why.text, "10.0.0.0/8"), "%s", why.text);
    cr_expect_eq(cidr_parse(str_of("2001:db8::1/32"), &c, &why), ERR_INVALID);
    cr_expect(strstr(why.text, "2001:db8::/32"), "%s", why.text);
}

Test(cidr, sets)
{
    char a[] = "10.0.0.0/8", b[] = "::1", c[] = "unix", d[] = "10.0.0.1/8";
    char *const items[] = {a, b, c};
    char *const wrong[] = {a, d};
    struct netaddr in = ip("10.1.1.1"), six = ip("::1"), other = ip("192.0.2.1");
    struct netaddr local = ip("unix");
    struct cidr_set s;

    cr_assert_eq(cidr_set_make(items, 3, &s), 0);
    cr_expect(cidr_set_match(&s, &in));
    cr_expect(cidr_set_match(&s, &six));
    cr_expect(cidr_set_match(&s, &local));
    cr_expect_not(cidr_set_match(&s, &other));
    cidr_set_fini(&s);
    cr_expect_not(cidr_set_match(&s, &in), "an empty set matches nothing");
    cr_expect_eq(cidr_set_make(wrong, 2, &s), ERR_INVALID);
    cr_expect_eq(s.n, 0);
    cr_assert_eq(cidr_set_make(NULL, 0, &s), 0);
    cr_expect_not(cidr_set_match(&s, &in));
}
