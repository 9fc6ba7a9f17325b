/* histogram.h - times in nanoseconds, counted in log-linear classes (width below
 * 1 % of the value). */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

/* 128 classes for each power of two, up to 2^41 ns (36 minutes). */
enum { HISTOGRAM_BITS = 7, HISTOGRAM_CLASSES = (41 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
    uint64_t total;
    int64_t max;
    uint64_t count[HISTOGRAM_CLASSES];
};

static inline void histogram_add(struct histogram *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    if (v >> 41 != 0) {
        v = (1ULL << 41) - 1;
    }
    unsigned shift = 0;
    if (v >> HISTOGRAM_BITS != 0) {
        shift = 63U - HISTOGRAM_BITS - (unsigned)__builtin_clzll(v);
    }
    h->count[(shift << HISTOGRAM_BITS) + (v >> shift)]++;
    h->total++;
    if (ns > h->max) {
        h->max = ns;
    }
}

/* The value that this share (0..1) of all is not above. */
int64_t histogram_at(const struct histogram *h, double share);

#endif
