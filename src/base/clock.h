/* clock.h - the two clocks and the one time format. */
#ifndef FF_BASE_CLOCK_H
#define FF_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds, and microseconds, of CLOCK_MONOTONIC. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
/* Milliseconds since 1970 UTC. */
uint64_t clock_real_ms(void);

#define CLOCK_RFC3339_LEN 24
/* "2026-11-20T10:00:00.000Z" with its NUL; years beyond 9999 are clamped. */
void clock_rfc3339(uint64_t real_ms, char out[CLOCK_RFC3339_LEN + 1]);

#endif
