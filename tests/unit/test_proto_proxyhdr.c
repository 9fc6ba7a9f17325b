#include "proto/proxyhdr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Parses every beginning of `bytes` in memory of exactly its size (a reader beyond it is
 * found by the sanitizer), and holds each answer against the last one. */
static enum proxyhdr_result parse(struct str bytes, struct proxyhdr *out)
{
    enum proxyhdr_result r = PROXYHDR_MORE;
    struct errmsg why = {""};
    bool bad_before = false;
    size_t wanted = 0;

    for (size_t n = 0; n <= bytes.len; n++) {
        char *copy = malloc(n ? n : 1);
        cr_assert(copy);
        memcpy(copy, bytes.p, n);
        r = proxyhdr_parse((struct str){copy, n}, out, &why);
        free(copy);
        cr_expect(!bad_before || r == PROXYHDR_BAD, "bad stays bad at %zu", n);
        bad_before = r == PROXYHDR_BAD;
        if (r == PROXYHDR_MORE) {
            cr_expect_gt(out->length, n, "at %zu", n);
            cr_expect_geq(out->length, wanted, "what is needed never shrinks");
            wanted = out->length;
        } else if (r == PROXYHDR_DONE) {
            cr_expect_leq(out->length, n);
            cr_expect_geq(out->length, wanted, "no more was asked for than belongs to it");
        } else {
            cr_expect(why.text[0] != '\0');
        }
    }
    return r;
}

static struct str text(const char *s)
{
    return str_of(s);
}

static struct netaddr ip(const char *s, unsigned port)
{
    struct netaddr a;

    cr_assert_eq(netaddr_parse(str_of(s), &a), 0);
    a.port = (uint16_t)port;
    return a;
}

static bool same(const struct netaddr *a, struct netaddr b)
{
    return memcmp(a, &b, sizeof(b)) == 0;
}

/* ---- version 1 ---- */

Test(proxyhdr, v1_good)
{
    static const struct {
        const char *line, *ip;
        unsigned port;
    } cases[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1", 56324},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", "2001:db8::1", 4711},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxyhdr h;
        char more[200];
        cr_assert_eq(parse(text(cases[i].line), &h), PROXYHDR_DONE, "%s", cases[i].line);
        cr_expect(h.named);
        cr_expect_eq(h.length, strlen(cases[i].line));
        cr_expect(same(&h.client, ip(cases[i].ip, cases[i].port)), "%s", cases[i].line);
        snprintf(more, sizeof(more), "%sGET / HTTP/1.1\r\n\r\n", cases[i].line);
        cr_assert_eq(parse(text(more), &h), PROXYHDR_DONE);
        cr_expect_eq(h.length, strlen(cases[i].line), "what follows is not the header's");
    }
}

Test(proxyhdr, v1_unknown)
{
    static const char *const good[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN anything  at all \x01\x80\r\n",
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct proxyhdr h;
        cr_assert_eq(parse(text(good[i]), &h), PROXYHDR_DONE, "%s", good[i]);
        cr_expect_not(h.named);
        cr_expect_eq(h.length, strlen(good[i]));
    }
}

Test(proxyhdr, v1_bad)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "\x16\x03\x01",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXYTCP4",
        "PROXY \r\n",
        "PROXY \n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNIX_STREAM\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX",
        "PROXY TCP4 1.2.3.4\r 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 x 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP4 ::ffff:1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
        "PROXY TCP6 [::1] [::1] 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 100000 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1x 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n",
    };
    struct proxyhdr h;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(parse(text(bad[i]), &h), PROXYHDR_BAD, "%s", bad[i]);
    }
    cr_expect_eq(parse((struct str){"PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", 33}, &h), PROXYHDR_BAD);
}

Test(proxyhdr, v1_length)
{
    char line[200] = "PROXY UNKNOWN ";
    struct proxyhdr h;

    memset(line + 14, 'x', sizeof(line) - 14);
    memcpy(line + 105, "\r\n", 2);
    cr_expect_eq(parse((struct str){line, 107}, &h), PROXYHDR_DONE, "107 is the most");
    memset(line + 105, 'x', 2);
    cr_expect_eq(parse((struct str){line, 106}, &h), PROXYHDR_MORE);
    cr_expect_eq(h.length, 107);
    cr_expect_eq(parse((struct str){line, 107}, &h), PROXYHDR_BAD);
    memcpy(line + 106, "\r\n", 2);
    cr_expect_eq(parse((struct str){line, 108}, &h), PROXYHDR_BAD);
}

/* ---- version 2 ---- */

struct v2 {
    char bytes[PROXYHDR_MAX + 600];
    size_t len;
};

static struct v2 v2_begin(unsigned ver_cmd, unsigned family)
{
    struct v2 v = {"\r\n\r\n\0\r\nQUIT\n", 16};

    v.bytes[12] = (char)ver_cmd;
    v.bytes[13] = (char)family;
    return v;
}

static void v2_add(struct v2 *v, const void *bytes, size_t n)
{
    memcpy(v->bytes + v->len, bytes, n);
    v->len += n;
    v->bytes[14] = (char)((v->len - 16) >> 8);
    v->bytes[15] = (char)(v->len - 16);
}

#define V4_ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x67\x01\xbb", 12
#define V6_ADDRESSES                                                                 \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0" \
    "\0\x02\x12\x67\x01\xbb",                                                        \
        36

static enum proxyhdr_result v2_parse(const struct v2 *v, struct proxyhdr *out)
{
    return parse((struct str){v->bytes, v->len}, out);
}

Test(proxyhdr, v2_addresses)
{
    static const struct {
        unsigned family;
        bool six;
    } cases[] = {{0x11, false}, {0x12, false}, {0x10, false}, {0x21, true}, {0x22, true}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct v2 v = v2_begin(0x21, cases[i].family);
        struct proxyhdr h;
        size_t whole;
        if (cases[i].six) {
            v2_add(&v, V6_ADDRESSES);
        } else {
            v2_add(&v, V4_ADDRESSES);
        }
        whole = v.len;
        cr_assert_eq(v2_parse(&v, &h), PROXYHDR_DONE, "%x", cases[i].family);
        cr_expect(h.named);
        cr_expect_eq(h.length, whole);
        cr_expect(same(&h.client, ip(cases[i].six ? "2001:db8::1" : "192.0.2.1", 4711)));
        memcpy(v.bytes + v.len, "GET", 3);
        v.len += 3;
        cr_assert_eq(v2_parse(&v, &h), PROXYHDR_DONE);
        cr_expect_eq(h.length, whole, "what follows is not the header's");
    }
}

Test(proxyhdr, v2_mapped)
{
    struct v2 v = v2_begin(0x21, 0x21);
    struct proxyhdr h;

    v2_add(&v, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16);
    v2_add(&v, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07\x12\x67\x01\xbb", 20);
    cr_assert_eq(v2_parse(&v, &h), PROXYHDR_DONE);
    cr_expect(same(&h.client, ip("192.0.2.1", 4711)));
}

/* Nobody is named: the connection's own peer counts. */
Test(proxyhdr, v2_unnamed)
{
    static const struct {
        unsigned ver_cmd, family;
        size_t len;
    } cases[] = {
        {0x20, 0x00, 0}, {0x20, 0x11, 12}, {0x20, 0x00, 300}, {0x20, 0xff, 3},   {0x20, 0x11, 5},
        {0x21, 0x00, 0}, {0x21, 0x00, 17}, {0x21, 0x01, 0},   {0x21, 0x31, 216}, {0x21, 0x32, 216},
    };
    char junk[300];

    memset(junk, 0x5a, sizeof(junk));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct v2 v = v2_begin(cases[i].ver_cmd, cases[i].family);
        struct proxyhdr h;
        v2_add(&v, junk, cases[i].len);
        cr_assert_eq(v2_parse(&v, &h), PROXYHDR_DONE, "%x %x", cases[i].ver_cmd, cases[i].family);
        cr_expect_not(h.named);
        cr_expect_eq(h.length, 16 + cases[i].len);
    }
}

Test(proxyhdr, v2_extensions)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } cases[] = {
        {"\x04\x00\x00", 3, true},                          /* no-op, empty */
        {"\x01\x00\x02h2\x02\x00\x01x", 9, true},           /* ALPN, authority */
        {"\x20\x00\x08\x01\0\0\0\0\x22\x00\x00", 11, true}, /* TLS, with its own */
        {"\xea\x00\x03\x01vp\x03\x00\x04\xde\xad\xbe\xef", 13, true},
        {"\x04", 1, false},
        {"\x04\x00", 2, false},
        {"\x04\x00\x01", 3, false},
        {"\x04\xff\xff", 3, false},
        {"\x04\x00\x00\x04\x00\x09y", 7, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct v2 v = v2_begin(0x21, 0x11);
        struct proxyhdr h;
        v2_add(&v, V4_ADDRESSES);
        v2_add(&v, cases[i].bytes, cases[i].len);
        cr_expect_eq(v2_parse(&v, &h), cases[i].good ? PROXYHDR_DONE : PROXYHDR_BAD, "%zu", i);
        if (cases[i].good) {
            cr_expect(same(&h.client, ip("192.0.2.1", 4711)));
            cr_expect_eq(h.length, 28 + cases[i].len);
        }
    }
}

Test(proxyhdr, v2_bad)
{
    static const struct {
        unsigned ver_cmd, family;
        size_t len;
    } cases[] = {
        {0x11, 0x11, 12},
        {0x31, 0x11, 12},
        {0x01, 0x11, 12},
        {0xf1, 0x11, 12}, /* version */
        {0x22, 0x11, 12},
        {0x2f, 0x11, 12}, /* command */
        {0x21, 0x41, 12},
        {0x21, 0xf1, 12},
        {0x21, 0x13, 12},
        {0x21, 0x1f, 12}, /* family */
        {0x21, 0x11, 0},
        {0x21, 0x11, 11},
        {0x21, 0x21, 12},
        {0x21, 0x21, 35}, /* too short */
        {0x21, 0x31, 215},
        {0x20, 0x00, PROXYHDR_MAX - 15}, /* too long */
        {0x21, 0x00, PROXYHDR_MAX - 15},
    };
    static const char zeros[PROXYHDR_MAX];
    struct proxyhdr h;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct v2 v = v2_begin(cases[i].ver_cmd, cases[i].family);
        v2_add(&v, zeros, cases[i].len);
        cr_expect_eq(v2_parse(&v, &h), PROXYHDR_BAD, "%zu", i);
    }
    /* Said before all of it is there. */
    cr_expect_eq(parse((struct str){"\r\n\r\n\0\r\nQUIT\n\x31", 13}, &h), PROXYHDR_BAD);
    cr_expect_eq(parse((struct str){"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 16}, &h), PROXYHDR_BAD);
    cr_expect_eq(parse((struct str){"\r\n\r\n\0\r\nQUIT \x21\x11\0\x0c", 16}, &h), PROXYHDR_BAD);
    cr_expect_eq(parse((struct str){"\r\n\r\nG", 5}, &h), PROXYHDR_BAD);
}

Test(proxyhdr, v2_longest)
{
    struct v2 v = v2_begin(0x20, 0x00);
    static const char zeros[PROXYHDR_MAX];
    struct proxyhdr h;

    v2_add(&v, zeros, PROXYHDR_MAX - 16);
    cr_assert_eq(v2_parse(&v, &h), PROXYHDR_DONE);
    cr_expect_eq(h.length, PROXYHDR_MAX);
    v.len--;
    cr_assert_eq(v2_parse(&v, &h), PROXYHDR_MORE);
    cr_expect_eq(h.length, PROXYHDR_MAX);
}
