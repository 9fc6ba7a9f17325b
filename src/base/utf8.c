#include "base/utf8.h"

static bool is_cont(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length announced by a lead byte, 0 if it cannot begin a character, and the
 * range of the second byte, which is what rules out overlong forms (E0, F0),
 * surrogates (ED) and what is beyond U+10FFFF (F4). */
static size_t lead_len(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c < 0x80) {
        return 1;
    }
    if (c < 0xc2) {
        return 0;
    }
    if (c < 0xe0) {
        return 2;
    }
    if (c < 0xf0) {
        return 3;
    }
    return c < 0xf5 ? 4 : 0;
}

size_t utf8_next(struct str s, uint32_t *cp)
{
    if (s.len == 0) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char lo;
    unsigned char hi;
    size_t n = lead_len(p[0], &lo, &hi);
    if (n == 1) {
        *cp = p[0];
        return 1;
    }
    if (n == 0 || s.len < n || p[1] < lo || p[1] > hi) {
        return 0;
    }
    uint32_t v = p[0] & (0xffU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (!is_cont(p[i])) {
            return 0;
        }
        v = v << 6 | (p[i] & 0x3fU);
    }
    *cp = v;
    return n;
}

/* Length of the leading run of ASCII, eight bytes at a time. */
static size_t ascii_run(const char *p, size_t len)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (w & 0x8080808080808080U) {
            break;
        }
    }
    while (i < len && (unsigned char)p[i] < 0x80) {
        i++;
    }
    return i;
}

bool utf8_valid(struct str s)
{
    while (s.len > 0) {
        size_t n = ascii_run(s.p, s.len);
        if (n == 0) {
            uint32_t cp;
            n = utf8_next(s, &cp);
            if (n == 0) {
                return false;
            }
        }
        s.p += n;
        s.len -= n;
    }
    return true;
}

bool utf8_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return utf8_valid(s);
}

size_t utf8_clip(struct str s, size_t max)
{
    if (s.len <= max) {
        return s.len;
    }
    /* Only a lead byte among the last three can reach past the end. */
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        unsigned char c = (unsigned char)s.p[max - back];
        if (is_cont(c)) {
            continue;
        }
        unsigned char lo;
        unsigned char hi;
        return lead_len(c, &lo, &hi) > back ? max - back : max;
    }
    return max;
}
