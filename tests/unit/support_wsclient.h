/* support_wsclient.h - the client's half of RFC 6455, for tests: masked frames
 * out, unmasked frames in. */
#ifndef FF_TESTS_SUPPORT_WSCLIENT_H
#define FF_TESTS_SUPPORT_WSCLIENT_H

#include "base/strbuf.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>

#define WSC_FIN 0x80u

/* A frame with this first byte, masked unless `bare`. */
static inline void wsc_frame(struct strbuf *out, unsigned first, const void *p, size_t n, bool bare)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    unsigned m = bare ? 0 : 0x80;
    const uint8_t *in = p;

    strbuf_addc(out, (char)first);
    if (n < 126) {
        strbuf_addc(out, (char)(m | n));
    } else if (n < 65536) {
        strbuf_addc(out, (char)(m | 126));
        strbuf_addc(out, (char)(n >> 8));
        strbuf_addc(out, (char)n);
    } else {
        strbuf_addc(out, (char)(m | 127));
        for (int shift = 56; shift >= 0; shift -= 8) {
            strbuf_addc(out, (char)((uint64_t)n >> shift));
        }
    }
    if (!bare) {
        strbuf_add(out, mask, 4);
    }
    for (size_t i = 0; i < n; i++) {
        strbuf_addc(out, (char)(in[i] ^ (bare ? 0 : mask[i % 4])));
    }
}

static inline void wsc_text(struct strbuf *out, const char *text)
{
    wsc_frame(out, WSC_FIN | 1, text, strlen(text), false);
}

static inline void wsc_close(struct strbuf *out, unsigned code, const char *reason)
{
    char buf[130];
    size_t n = strlen(reason);

    buf[0] = (char)(code >> 8);
    buf[1] = (char)code;
    memcpy(buf + 2, reason, n);
    wsc_frame(out, WSC_FIN | 8, buf, n + 2, false);
}

/* One frame from the server. */
struct wsc_got {
    unsigned opcode;
    struct str payload;
    unsigned code; /* of a Close; 0: none */
};

/* The frame at `*at`; false at the end. Asserts that it is whole, final and
 * unmasked. */
static inline bool wsc_next(struct str in, size_t *at, struct wsc_got *out)
{
    const uint8_t *p = (const uint8_t *)in.p + *at;
    size_t rest = in.len - *at;
    size_t head = 2;
    uint64_t n;

    if (rest == 0) {
        return false;
    }
    cr_assert_geq(rest, 2);
    cr_assert_eq(p[0] & 0xf0u, 0x80u, "final, no reserved bit");
    cr_assert_eq(p[1] & 0x80u, 0, "unmasked");
    n = p[1];
    if (n == 126) {
        cr_assert_geq(rest, 4);
        n = (uint64_t)p[2] << 8 | p[3];
        head = 4;
    } else if (n == 127) {
        cr_assert_geq(rest, 10);
        n = 0;
        for (int i = 0; i < 8; i++) {
            n = n << 8 | p[2 + i];
        }
        head = 10;
    }
    cr_assert_geq(rest - head, n, "the frame is whole");
    *out = (struct wsc_got){.opcode = p[0] & 15u, .payload = {(const char *)p + head, (size_t)n}};
    if (out->opcode == 8 && n >= 2) {
        out->code = (unsigned)p[head] << 8 | p[head + 1];
    }
    *at += head + (size_t)n;
    return true;
}

#endif
