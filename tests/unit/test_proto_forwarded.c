#include "proto/forwarded.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct cidr_set trusted;

static void start(void)
{
    char a[] = "10.0.0.0/8", b[] = "fd00::/8", c[] = "unix";
    char *const items[] = {a, b, c};

    cr_assert_eq(cidr_set_make(items, 3, &trusted), 0);
}

static void stop(void)
{
    cidr_set_fini(&trusted);
}

TestSuite(forwarded, .init = start, .fini = stop);

#define MAX_LINES 4

/* Lines are divided by '\n', and each lies in memory of exactly its size. */
static enum forwarded_end walk(enum forwarded_syntax syntax, const char *text, struct netaddr *out)
{
    struct str lines[MAX_LINES];
    char *copies[MAX_LINES];
    enum forwarded_end end;
    unsigned n = 0;

    for (;;) {
        size_t len = strcspn(text, "\n");
        cr_assert_lt(n, MAX_LINES);
        copies[n] = malloc(len ? len : 1);
        cr_assert(copies[n]);
        memcpy(copies[n], text, len);
        lines[n] = (struct str){copies[n], len};
        n++;
        if (!text[len]) {
            break;
        }
        text += len + 1;
    }
    end = forwarded_walk(syntax, lines, n, &trusted, out);
    while (n) {
        free(copies[--n]);
    }
    return end;
}

struct sample {
    const char *text;
    enum forwarded_end end;
    const char *ip;
    unsigned port;
};

static void check(enum forwarded_syntax syntax, const struct sample *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct netaddr got = {0}, want;
        cr_expect_eq(walk(syntax, v[i].text, &got), v[i].end, "%s", v[i].text);
        if (v[i].ip) {
            cr_assert_eq(netaddr_parse(str_of(v[i].ip), &want), 0);
            want.port = (uint16_t)v[i].port;
            cr_expect_eq(memcmp(&got, &want, sizeof(got)), 0, "%s", v[i].text);
        }
    }
}

#define CHECK(syntax, v) check(syntax, v, sizeof(v) / sizeof((v)[0]))

Test(forwarded, list)
{
    static const struct sample v[] = {
        {"", FORWARDED_NONE, NULL, 0},
        {" , ,\t,", FORWARDED_NONE, NULL, 0},
        {"192.0.2.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"  192.0.2.1\t", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"192.0.2.1:4711", FORWARDED_CLIENT, "192.0.2.1", 4711},
        {"2001:db8::1", FORWARDED_CLIENT, "2001:db8::1", 0},
        {"[2001:db8::1]", FORWARDED_CLIENT, "2001:db8::1", 0},
        {"[2001:db8::1]:80", FORWARDED_CLIENT, "2001:db8::1", 80},
        {"::ffff:192.0.2.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"[::ffff:192.0.2.1]:9", FORWARDED_CLIENT, "192.0.2.1", 9},
        /* from the right, past trusted ones, and no further than the first that is not */
        {"192.0.2.1, 10.0.0.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"192.0.2.1,10.0.0.1,fd00::1,10.2.3.4:80", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"192.0.2.1, 198.51.100.1", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"10.0.0.9, 198.51.100.1, 10.0.0.1", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"rubbish, \", 198.51.100.1", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"unknown, 198.51.100.1 , , 10.1.1.1,", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"::ffff:10.0.0.1, 198.51.100.1, ::ffff:10.0.0.1", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"10.0.0.1", FORWARDED_TRUSTED, "10.0.0.1", 0},
        {"10.0.0.9:7, 10.0.0.1", FORWARDED_TRUSTED, "10.0.0.9", 7},
        /* several lines */
        {"192.0.2.1\n198.51.100.1", FORWARDED_CLIENT, "198.51.100.1", 0},
        {"192.0.2.1\n10.0.0.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"rubbish\n192.0.2.1\n10.0.0.1, 10.0.0.2\n", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"10.0.0.3\n10.0.0.1", FORWARDED_TRUSTED, "10.0.0.3", 0},
        {"\n\n", FORWARDED_NONE, NULL, 0},
        {"192.0.2.1\nrubbish", FORWARDED_BAD, NULL, 0},
        {"rubbish\n10.0.0.1", FORWARDED_BAD, NULL, 0},
    };

    CHECK(X_FORWARDED_FOR, v);
}

Test(forwarded, bad_list)
{
    static const char *const bad[] = {
        "unknown",
        "_hidden",
        "unix:",
        "localhost",
        "192.0.2",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:1:2",
        "192.0.2.1:100000",
        "192.0.2.1:-1",
        "192.0.2.1:8x",
        "192.0.2.1 :8",
        "192.0.2.1/32",
        "192.0.2.1;",
        "\"192.0.2.1\"",
        "[192.0.2.1]",
        "[192.0.2.1]:80",
        "[]",
        "[",
        "]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[[::1]]",
        "2001:db8::1:x",
        "fe80::1%eth0",
        "[fe80::1%25lo]",
        ":",
        "::",
        "for=192.0.2.1",
        "192.0.2.1 198.51.100.1",
        "192.0.2.1, rubbish",
        "192.0.2.1, unknown, 10.0.0.1",
        "\x80\xff",
        "192.0.2.1\r",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct netaddr a;
        bool any = strcmp(bad[i], "::") == 0; /* that one is an address */
        cr_expect_eq(walk(X_FORWARDED_FOR, bad[i], &a), any ? FORWARDED_CLIENT : FORWARDED_BAD,
                     "%s", bad[i]);
    }
}

Test(forwarded, pairs)
{
    static const struct sample v[] = {
        {"", FORWARDED_NONE, NULL, 0},
        {" , ,", FORWARDED_NONE, NULL, 0},
        {"for=192.0.2.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"For=\"192.0.2.1\"", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"FOR=\"192.0.2.1:4711\"", FORWARDED_CLIENT, "192.0.2.1", 4711},
        {"for=192.0.2.1:4711", FORWARDED_CLIENT, "192.0.2.1", 4711},
        {"for=\"[2001:db8::1]\"", FORWARDED_CLIENT, "2001:db8::1", 0},
        {"for=\"[2001:db8:cafe::17]:4711\"", FORWARDED_CLIENT, "2001:db8:cafe::17", 4711},
        {"for=[2001:db8::1]:80", FORWARDED_CLIENT, "2001:db8::1", 80},
        {"for=\"\\1\\9\\2.0.2.1\"", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"for=\"192.0.2.1:_port\"", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"proto=https;for=192.0.2.1;by=203.0.113.43;host=a.example", FORWARDED_CLIENT, "192.0.2.1",
         0},
        {"for=192.0.2.1; proto=http ;by=\"[::1]:80\"", FORWARDED_CLIENT, "192.0.2.1", 0},
        {";for=192.0.2.1;;", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"for=192.0.2.1;host=\"a;b,for=1.1.1.1\"", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"for=192.0.2.1;x=\"\\\"\", for=10.0.0.1", FORWARDED_CLIENT, "192.0.2.1", 0},
        {"for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com",
         FORWARDED_CLIENT, "198.51.100.17", 0},
        {"for=192.0.2.43,for=10.0.0.1 , for=\"[fd00::1]:1\"", FORWARDED_CLIENT, "192.0.2.43", 0},
        {"for=10.0.0.7, for=10.0.0.1", FORWARDED_TRUSTED, "10.0.0.7", 0},
        {"for=192.0.2.43\nfor=10.0.0.1\n", FORWARDED_CLIENT, "192.0.2.43", 0},
        /* a client's inventions further left */
        {"for=1.2.3, for=198.51.100.17", FORWARDED_CLIENT, "198.51.100.17", 0},
        {"rubbish, for=198.51.100.17, for=10.0.0.1", FORWARDED_CLIENT, "198.51.100.17", 0},
        {"\"quoted\", for=198.51.100.17", FORWARDED_CLIENT, "198.51.100.17", 0},
        {"for=10.0.0.1;for=10.0.0.2, for=198.51.100.17", FORWARDED_CLIENT, "198.51.100.17", 0},
        {"for=\"\nfor=198.51.100.17", FORWARDED_CLIENT, "198.51.100.17", 0},
        {"===, =x, for==, for=198.51.100.17", FORWARDED_CLIENT, "198.51.100.17", 0},
    };

    CHECK(FORWARDED_FOR, v);
}

Test(forwarded, bad_pairs)
{
    static const char *const bad[] = {
        "for",
        "for=",
        "for=\"\"",
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden:80\"",
        "for=\"unknown:80\"",
        "proto=https",
        ";",
        "x",
        "=",
        "for =192.0.2.1",
        "for= 192.0.2.1",
        "for=192.0.2.1 for=192.0.2.2",
        "for=192.0.2.1 x",
        "for=192.0.2.1;for=192.0.2.1",
        "for=192.0.2.1;x",
        "for=192.0.2.1;x=",
        "for=192.0.2.1;=x",
        "for=\"192.0.2.1",
        "for=\"192.0.2.1\\",
        "for=\"192.0.2.1\"x",
        "for=\"192.0.2.1\"\"\"",
        "for=192.0.2.1\"\"",
        "for=192.0.2.1;\"x\"",
        "for='192.0.2.1'",
        "for=2001:db8::1",
        "for=\"2001:db8::1\"",
        "for=\"[192.0.2.1]\"",
        "for=\"[2001:db8::1\"",
        "for=\"[2001:db8::1]x\"",
        "for=\"[fe80::1%25lo]\"",
        "for=192.0.2.1:",
        "for=192.0.2.1:99999",
        "for=192.0.2.1:_",
        "for=\"192.0.2.1:_a b\"",
        "for=\" 192.0.2.1\"",
        "for=192.0.2.1/32",
        "192.0.2.1",
        "for=192.0.2.1(x)",
        "for=192.0.2.1, for=unknown",
        "for=192.0.2.1, proto=http",
        "for=192.0.2.1, for=_gone, for=10.0.0.1",
        "for=192.0.2.1\nfor=unknown",
        "for=\xff",
        "f\xc3\xb6r=192.0.2.1",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct netaddr a;
        cr_expect_eq(walk(FORWARDED_FOR, bad[i], &a), FORWARDED_BAD, "%s", bad[i]);
    }
}

/* Whatever a client sends, the proxy's addition behind it is never read as something else:
 * its address comes out, or nothing does. */
Test(forwarded, inventions)
{
    static const char alphabet[] = "\"\\,;=:[] for=1.6.6.6\"a";
    static const char *const additions[] = {
        "for=198.51.100.17",
        "for=\"[2001:db8::17]:80\"",
        "for=\"198.51.100.17\";by=\"_x\"",
        "by=\"a,b\";for=198.51.100.17;proto=http",
    };
    uint32_t seed = 1;

    for (unsigned round = 0; round < 200000; round++) {
        char text[128];
        unsigned len = 0, most = round % 40;
        struct netaddr a = {0}, v4, v6;
        enum forwarded_end end;
        cr_assert_eq(netaddr_parse(STR_LIT("198.51.100.17"), &v4), 0);
        cr_assert_eq(netaddr_parse(STR_LIT("2001:db8::17"), &v6), 0);
        while (len < most) {
            seed = seed * 1664525 + 1013904223;
            if (seed >> 28 == 0) {
                len += (unsigned)sprintf(text + len, "for=6.6.6.6");
            } else {
                text[len++] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
            }
        }
        snprintf(text + len, sizeof(text) - len, ", %s", additions[round % 4]);
        end = walk(FORWARDED_FOR, text, &a);
        a.port = 0;
        cr_assert(end == FORWARDED_BAD ||
                      (end == FORWARDED_CLIENT &&
                       (memcmp(&a, &v4, sizeof(a)) == 0 || memcmp(&a, &v6, sizeof(a)) == 0)),
                  "%s", text);
    }
}

Test(forwarded, long_lines)
{
    char text[20000] = "for=\"";
    struct netaddr a;
    struct str line = {text, sizeof(text)};

    memset(text + 5, '1', sizeof(text) - 5);
    cr_expect_eq(forwarded_walk(FORWARDED_FOR, &line, 1, &trusted, &a), FORWARDED_BAD);
    text[sizeof(text) - 1] = '"';
    cr_expect_eq(forwarded_walk(FORWARDED_FOR, &line, 1, &trusted, &a), FORWARDED_BAD);
    cr_expect_eq(forwarded_walk(X_FORWARDED_FOR, &line, 1, &trusted, &a), FORWARDED_BAD);
    memcpy(text + sizeof(text) - 19, ", for=198.51.100.17", 19);
    cr_expect_eq(forwarded_walk(FORWARDED_FOR, &line, 1, &trusted, &a), FORWARDED_BAD);
    text[4] = '1';
    cr_expect_eq(forwarded_walk(FORWARDED_FOR, &line, 1, &trusted, &a), FORWARDED_CLIENT);
    cr_expect_eq(forwarded_walk(X_FORWARDED_FOR, NULL, 0, &trusted, &a), FORWARDED_NONE);
}
