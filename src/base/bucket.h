/* bucket.h - a token bucket in one number: what is let through is `rate` a second, and
 * what comes to that in the window at once.
 *
 * It remembers when it will be full again, so one that is zeroed is full, a rate that
 * changes needs no conversion, and nothing has to be refilled (GCRA). Integers only. */
#ifndef FF_BASE_BUCKET_H
#define FF_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t full_ns; /* monotonic: when it will be full */
};

struct bucket_rate {
    uint64_t per_s; /* 0: no limit */
    uint64_t window_ms;
};

/* Milliseconds until `n` may be taken; 0: now. More than the whole bucket may be taken
 * while it is full: it then takes as much longer to be full again. */
uint64_t bucket_wait(const struct bucket *b, const struct bucket_rate *r, uint64_t n,
                     uint64_t now_ms);
/* Takes them whatever bucket_wait says. */
void bucket_charge(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms);
/* Both: takes them if they may be taken. Else false, and *wait_ms (may be NULL) is set. */
bool bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms,
                 uint64_t *wait_ms);
/* Nothing is known of a full bucket that a new one would not know. */
static inline bool bucket_full(const struct bucket *b, uint64_t now_ms)
{
    return b->full_ns <= now_ms * 1000000;
}

#endif
