#include "base/rng.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* The kernel never interrupts nor shortens a request up to this size. */
enum { KERNEL_CHUNK = 256 };

static int refill(struct rng *r)
{
    _Static_assert(sizeof r->pool % KERNEL_CHUNK == 0, "whole chunks");
    for (size_t at = 0; at < sizeof r->pool; at += KERNEL_CHUNK) {
        ssize_t n;
        do {
            n = getrandom(r->pool + at, KERNEL_CHUNK, 0);
        } while (n < 0 && errno == EINTR);
        if (n != KERNEL_CHUNK) {
            return ERR_SYSTEM;
        }
    }
    r->used = 0;
    return 0;
}

int rng_init(struct rng *r)
{
    memset(r, 0, sizeof *r);
    return refill(r);
}

void rng_bytes(struct rng *r, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        if (r->used == sizeof r->pool) {
            int e = refill(r);
            assert(e == 0);
            (void)e;
        }
        size_t n = sizeof r->pool - r->used;
        if (n > len) {
            n = len;
        }
        memcpy(to, r->pool + r->used, n);
        explicit_bzero(r->pool + r->used, n); /* secrets do not stay behind */
        r->used += n;
        to += n;
        len -= n;
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t v;
    rng_bytes(r, &v, sizeof v);
    return v;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    uint64_t skip = (UINT64_MAX - bound + 1) % bound; /* 2^64 mod bound */
    uint64_t v;
    do {
        v = rng_u64(r);
    } while (v < skip);
    return v % bound;
}

void rng_uuid7(struct rng *r, uint64_t real_ms, char out[UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t b[16];
    rng_bytes(r, b + 6, 10);
    for (unsigned i = 0; i < 6; i++) {
        b[i] = (uint8_t)(real_ms >> (40 - 8 * i));
    }
    b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    char *p = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
}
