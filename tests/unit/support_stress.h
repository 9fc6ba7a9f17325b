/* support_stress.h - what the stress program writes down, rolls and complains
 * with; without the test framework. */
#ifndef FF_TESTS_SUPPORT_STRESS_H
#define FF_TESTS_SUPPORT_STRESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct list {
    uint64_t *v;
    size_t n, cap;
};

static inline void list_add(struct list *l, uint64_t value)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->v = realloc(l->v, l->cap * sizeof(uint64_t));
        if (!l->v) {
            abort();
        }
    }
    l->v[l->n++] = value;
}

static inline unsigned rnd(uint64_t *rng, unsigned n)
{
    *rng ^= *rng << 13;
    *rng ^= *rng >> 7;
    *rng ^= *rng << 17;
    return (unsigned)(*rng >> 33) % n;
}

static inline void fault(unsigned *faults, const char *what, uint64_t who, uint64_t seq)
{
    if (++*faults <= 5) {
        fprintf(stderr, "%s: %llx at %llu\n", what, (unsigned long long)who,
                (unsigned long long)seq);
    }
}

#endif
