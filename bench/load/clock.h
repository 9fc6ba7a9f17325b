/* clock.h - time, and processor time of this process and of the server's. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

static inline int64_t clock_of(clockid_t id)
{
    struct timespec t;
    return clock_gettime(id, &t) == 0 ? t.tv_sec * SECOND + t.tv_nsec : -1;
}

static inline int64_t clock_now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static inline double seconds_of(int64_t ns)
{
    return (double)ns / 1e9;
}

/* Time, and processor time used so far, at one moment. */
struct mark {
    int64_t at;
    int64_t load_cpu, server_cpu; /* server: of all --pid together */
};

struct mark mark_now(void);

#endif
