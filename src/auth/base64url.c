#include "auth/base64url.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int base64url_decode(struct str text, unsigned char *out, size_t *len)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        int v = value_of(text.p[i]);

        if (v < 0) {
            return ERR_INVALID;
        }
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (unsigned char)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    /* A digit too many, or bits of no byte. */
    if (have == 6 || bits != 0) {
        return ERR_INVALID;
    }
    *len = n;
    return 0;
}

void base64url_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *p = bytes;
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < len; i++) {
        bits = (bits & 0x3f) << 8 | p[i];
        have += 8;
        while (have >= 6) {
            have -= 6;
            *out++ = digits[bits >> have & 63];
        }
    }
    if (have > 0) {
        *out++ = digits[bits << (6 - have) & 63];
    }
    *out = '\0';
}
