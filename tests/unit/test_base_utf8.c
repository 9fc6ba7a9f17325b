#include "base/utf8.h"

#include <criterion/criterion.h>

/* Encodes any number below 2^21 with a given length, right or wrong. */
static size_t encode(uint32_t cp, size_t len, char out[4])
{
    static const unsigned char mark[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; cp >>= 6) {
        out[i] = (char)(0x80 | (cp & 0x3f));
    }
    out[0] = (char)(mark[len] | cp);
    return len;
}

static size_t right_len(uint32_t cp)
{
    return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

Test(utf8, every_number_in_every_length)
{
    for (uint32_t cp = 0; cp < 0x200000; cp++) {
        for (size_t len = right_len(cp); len <= 4; len++) {
            char b[4];
            struct str s = {b, encode(cp, len, b)};
            bool want = len == right_len(cp) && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
            if (utf8_valid(s) != want) {
                cr_assert_fail("U+%06x in %zu bytes", cp, len);
            }
            uint32_t got = 0;
            size_t n = utf8_next(s, &got);
            if (n != (want ? len : 0) || (want && got != cp)) {
                cr_assert_fail("U+%06x in %zu bytes: %zu, U+%06x", cp, len, n, got);
            }
        }
    }
}

/* Every string of three bytes from the edges of all byte classes, against the
 * table of RFC 3629 section 4 written out. */
static bool in(unsigned char c, unsigned lo, unsigned hi)
{
    return c >= lo && c <= hi;
}

static bool table_valid(const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t k;
        if (p[0] <= 0x7f) {
            k = 1;
        } else if (n >= 2 && in(p[0], 0xc2, 0xdf) && in(p[1], 0x80, 0xbf)) {
            k = 2;
        } else if (n >= 3 && in(p[2], 0x80, 0xbf) &&
                   ((p[0] == 0xe0 && in(p[1], 0xa0, 0xbf)) ||
                    (in(p[0], 0xe1, 0xec) && in(p[1], 0x80, 0xbf)) ||
                    (p[0] == 0xed && in(p[1], 0x80, 0x9f)) ||
                    (in(p[0], 0xee, 0xef) && in(p[1], 0x80, 0xbf)))) {
            k = 3;
        } else if (n >= 4 && in(p[2], 0x80, 0xbf) && in(p[3], 0x80, 0xbf) &&
                   ((p[0] == 0xf0 && in(p[1], 0x90, 0xbf)) ||
                    (in(p[0], 0xf1, 0xf3) && in(p[1], 0x80, 0xbf)) ||
                    (p[0] == 0xf4 && in(p[1], 0x80, 0x8f)))) {
            k = 4;
        } else {
            return false;
        }
        p += k;
        n -= k;
    }
    return true;
}

Test(utf8, all_strings_from_the_edges)
{
    static const unsigned char edge[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                         0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
                                         0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
                                         0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
    enum { E = sizeof edge };
    for (size_t len = 0; len <= 4; len++) {
        size_t all = 1;
        for (size_t i = 0; i < len; i++) {
            all *= E;
        }
        for (size_t k = 0; k < all; k++) {
            unsigned char b[4];
            for (size_t i = 0, rest = k; i < len; i++, rest /= E) {
                b[i] = edge[rest % E];
            }
            if (utf8_valid((struct str){(const char *)b, len}) != table_valid(b, len)) {
                cr_assert_fail("%zu bytes: %02x %02x %02x %02x", len, b[0], b[1], b[2], b[3]);
            }
        }
    }
}

Test(utf8, truncated_at_the_end)
{
    cr_assert_not(utf8_valid(STR_LIT("abcdefgh\xe2\x82")));
    cr_assert_not(utf8_valid(STR_LIT("abcdefgh\xf0\x9f\x98")));
    cr_assert_not(utf8_valid(STR_LIT("\xc3")));
    cr_assert(utf8_valid(STR_NONE));
}

Test(utf8, bad_byte_at_every_place_of_a_long_run)
{
    char b[40];
    for (size_t at = 0; at < sizeof b; at++) {
        memset(b, 'a', sizeof b);
        cr_assert(utf8_valid((struct str){b, sizeof b}));
        b[at] = (char)0xff;
        cr_assert_not(utf8_valid((struct str){b, sizeof b}));
        cr_assert(utf8_valid((struct str){b, at}));
        b[at] = (char)0x80;
        cr_assert_not(utf8_valid((struct str){b, sizeof b}));
    }
}

Test(utf8, next_of_nothing)
{
    uint32_t cp;
    cr_assert_eq(utf8_next(STR_NONE, &cp), 0);
}

Test(utf8, printable)
{
    cr_assert(utf8_printable(STR_NONE));
    cr_assert(utf8_printable(STR_LIT("plain text, caf\xc3\xa9 \xf0\x9f\x98\x80")));
    for (int c = 0; c < 256; c++) {
        char b[3] = {'a', (char)c, 'b'};
        cr_assert_eq(utf8_printable((struct str){b, 3}), c >= 0x20 && c < 0x7f, "byte %d", c);
    }
}

Test(utf8, clip_never_cuts_a_character)
{
    struct str s = STR_LIT("a\xc3\xa9"
                           "b\xe2\x82\xac"
                           "c\xf0\x9f\x98\x80"
                           "d");
    static const size_t want[] = {0, 1, 1, 3, 4, 4, 4, 7, 8, 8, 8, 8, 12, 13, 13, 13};
    for (size_t max = 0; max < sizeof want / sizeof want[0]; max++) {
        cr_assert_eq(utf8_clip(s, max), want[max], "max %zu", max);
        cr_assert(utf8_valid((struct str){s.p, utf8_clip(s, max)}));
    }
    cr_assert_eq(utf8_clip(STR_NONE, 5), 0);
    /* Of what is not UTF-8, something bounded. */
    cr_assert_eq(utf8_clip(STR_LIT("\x80\x80\x80\x80\x80\x80"), 5), 5);
    cr_assert_eq(utf8_clip(STR_LIT("\xff\xff\xff"), 2), 2);
}
