/* cmd_latency.c - latency: messages at fixed times, whatever the server does.
 *
 * A delivery's latency counts from the time at which its message was due, not from
 * when it was sent: a server that stalls cannot slow the measurement down. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>

enum { MOST_UNDER_WAY = 4096, MOST_AT_ONCE = 256 };

struct schedule {
    int64_t start, end;
    double period; /* ns */
    uint64_t next;
    int64_t latest; /* how late a publication was at most */
};

static int64_t due(const struct schedule *s, uint64_t i)
{
    return s->start + (int64_t)((double)i * s->period);
}

/* Publishes what is due; false if there was no room for all of it. */
static bool publish_due(struct schedule *s)
{
    int64_t dues[MOST_AT_ONCE], now = clock_now();
    uint64_t room = publisher_room(), free_slots = MOST_UNDER_WAY - under_way();
    if (room > free_slots) {
        room = free_slots;
    }
    if (room > MOST_AT_ONCE) {
        room = MOST_AT_ONCE;
    }
    unsigned k = 0;
    while (k < room && due(s, s->next) <= now && due(s, s->next) < s->end) {
        dues[k++] = due(s, s->next++);
    }
    if (k > 0) {
        if (now - dues[0] > s->latest) {
            s->latest = now - dues[0];
        }
        publisher_put(k, bench.plan.dialect->batch_only, dues);
        publisher_flush();
    }
    return k == MOST_AT_ONCE ? publish_due(s) : due(s, s->next) > now;
}

void run_latency(struct command *c)
{
    uint64_t size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE);
    double rate = command_number(c, "rate", 50, 0.01, 1e6);
    double seconds = command_number(c, "seconds", 5, 0.01, 3600);
    double warmup = command_number(c, "warmup", 1, 0, 3600);
    bench.sample = (uint32_t)command_count(c, "sample", 1, 1, 1000000);
    command_checked(c);
    if (bench.plan.topology != TOPOLOGY_ONE || bench.live == 0) {
        fail_command("latency is for --topology one, with subscribers");
    }
    messages_prepare((uint32_t)size, MOST_UNDER_WAY);
    struct histogram *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        fail("out of memory");
    }

    struct schedule s = {.start = clock_now(), .period = 1e9 / rate};
    bench.record_from = s.start + (int64_t)(warmup * 1e9);
    s.end = bench.record_from + (int64_t)(seconds * 1e9);
    bench.latency = h;
    struct meter from = meter_now();
    bool measuring = false;
    while (due(&s, s.next) < s.end) {
        if (!measuring && due(&s, s.next) >= bench.record_from) {
            measuring = true;
            from = meter_now();
        }
        loop_turn(publish_due(&s) ? due(&s, s.next) : 0);
    }
    struct meter to = meter_now();
    loop_drain();
    bench.latency = NULL;

    report_start("cmd", "latency");
    report_count("size", size);
    report_number("rate", rate);
    report_count("clients", bench.live);
    report_count("messages", s.next);
    report_count("deliveries", h->total);
    report_time("p50_us", histogram_at(h, 0.5));
    report_time("p90_us", histogram_at(h, 0.9));
    report_time("p99_us", histogram_at(h, 0.99));
    report_time("p999_us", histogram_at(h, 0.999));
    report_time("max_us", h->max);
    report_time("published_late_us", s.latest);
    report_meter(&from, &to);
    report_end();
    free(h);
}
