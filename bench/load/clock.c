/* clock.c */
#include "clock.h"

#include "bench.h"
#include "report.h"

/* All threads of the process, to the nanosecond, also of another user's. */
static int64_t process_cpu(pid_t pid)
{
    clockid_t id;
    int64_t used = clock_getcpuclockid(pid, &id) == 0 ? clock_of(id) : -1;
    if (used < 0) {
        fail("there is no process %ld (any more): the server ended, or --pid is wrong", (long)pid);
    }
    return used;
}

struct mark mark_now(void)
{
    struct mark m = {.at = clock_now(), .load_cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID)};
    for (unsigned i = 0; i < bench.args.n_pids; i++) {
        m.server_cpu += process_cpu(bench.args.pids[i]);
    }
    return m;
}
