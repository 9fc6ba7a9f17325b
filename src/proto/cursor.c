#include "proto/cursor.h"

static size_t put_number(char *to, uint64_t v, unsigned base)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[v % base];
        v /= base;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        to[i] = digits[n - 1 - i];
    }
    return n;
}

size_t cursor_format_epoch(uint64_t epoch, char out[CURSOR_MAX])
{
    size_t n = put_number(out, epoch, 36);

    out[n] = '\0';
    return n;
}

size_t cursor_format(struct cursor c, char out[CURSOR_MAX])
{
    size_t n = put_number(out, c.epoch, 36);

    out[n++] = '-';
    n += put_number(out + n, c.seq, 10);
    out[n] = '\0';
    return n;
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : 36;
}

static int get_number(struct str s, unsigned base, uint64_t *out)
{
    uint64_t v = 0;

    if (s.len == 0 || (s.len > 1 && s.p[0] == '0')) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned d = digit_of(s.p[i]);
        if (d >= base || v > (UINT64_MAX - d) / base) {
            return ERR_INVALID;
        }
        v = v * base + d;
    }
    *out = v;
    return 0;
}

int cursor_parse(struct str s, struct cursor *out)
{
    const char *dash = s.len ? memchr(s.p, '-', s.len) : NULL;
    struct cursor c;

    if (!dash) {
        return ERR_INVALID;
    }
    size_t left = (size_t)(dash - s.p);
    if (get_number((struct str){s.p, left}, 36, &c.epoch) ||
        get_number((struct str){dash + 1, s.len - left - 1}, 10, &c.seq) ||
        (c.epoch == 0 && c.seq != 0)) {
        return ERR_INVALID;
    }
    *out = c;
    return 0;
}
