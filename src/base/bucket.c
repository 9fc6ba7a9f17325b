#include "base/bucket.h"

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u
/* No bucket is further than this from being full. */
#define MOST_NS (UINT64_C(1000000) * NS_PER_S)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How much longer it takes until the bucket is full, rounded up. */
static uint64_t cost(const struct bucket_rate *r, uint64_t n)
{
    uint64_t whole = n / r->per_s;
    uint64_t rest = n % r->per_s;

    if (whole >= MOST_NS / NS_PER_S) {
        return MOST_NS;
    }
    if (rest > (UINT64_MAX - r->per_s) / NS_PER_S) { /* then a nanosecond is worth many */
        return whole * NS_PER_S + rest / (r->per_s / NS_PER_S) + 1;
    }
    return whole * NS_PER_S + (rest * NS_PER_S + r->per_s - 1) / r->per_s;
}

/* At least one can be taken out of a full bucket. */
static uint64_t depth(const struct bucket_rate *r)
{
    uint64_t window = least(r->window_ms, MOST_NS / NS_PER_MS) * NS_PER_MS;
    uint64_t one = cost(r, 1);

    return window > one ? window : one;
}

uint64_t bucket_wait(const struct bucket *b, const struct bucket_rate *r, uint64_t n,
                     uint64_t now_ms)
{
    uint64_t now = now_ms * NS_PER_MS;
    uint64_t missing, price, may;

    if (r->per_s == 0 || b->full_ns <= now) {
        return 0;
    }
    missing = b->full_ns - now;
    price = cost(r, n);
    may = depth(r);
    may = may > price ? may - price : 0;
    return missing <= may ? 0 : (missing - may + NS_PER_MS - 1) / NS_PER_MS;
}

void bucket_charge(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms)
{
    uint64_t now = now_ms * NS_PER_MS;
    uint64_t from = b->full_ns > now ? b->full_ns : now;

    if (r->per_s) {
        b->full_ns = least(from + cost(r, n), now + MOST_NS);
    }
}

bool bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms,
                 uint64_t *wait_ms)
{
    uint64_t wait = bucket_wait(b, r, n, now_ms);

    if (wait) {
        if (wait_ms) {
            *wait_ms = wait;
        }
        return false;
    }
    bucket_charge(b, r, n, now_ms);
    return true;
}
