/* rng.h - randomness from the kernel, buffered.
 *
 * One struct rng belongs to one thread. Every byte handed out comes from
 * getrandom(2) and is handed out once, so it is fit for secrets. */
#ifndef FF_BASE_RNG_H
#define FF_BASE_RNG_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint8_t pool[512];
    size_t used; /* bytes of pool already handed out */
};

/* ERR_SYSTEM if the kernel gives none. */
int rng_init(struct rng *r) FF_USE_RESULT;
/* Cannot fail after rng_init: getrandom of up to 256 bytes never does. */
void rng_bytes(struct rng *r, void *out, size_t len);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, bound); bound 0 gives 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#define UUID_LEN 36
/* A version 7 UUID (RFC 9562 5.7) in lower-case hex, with its NUL. */
void rng_uuid7(struct rng *r, uint64_t real_ms, char out[UUID_LEN + 1]);

#endif
