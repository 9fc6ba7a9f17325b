/* cmd_replay.c - keep: messages that nobody gets now; replay: a subscriber that comes
 * and gets all of them, from the first one on. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>

enum { MOST_KEPT = 400000, BATCH = 1000, MOST_TARGETS = 100000 };

/* The messages that the server should have. */
static struct kept {
    uint64_t first, count;
} kept;

static void publish(uint64_t count, uint32_t targets)
{
    const struct publisher *p = &bench.publisher;
    while (count > 0 || p->unanswered > 0) {
        /* Two requests under way: one is on its way while the other is served. */
        while (count > 0 && p->unanswered <= BATCH) {
            uint64_t k = count < BATCH ? count : BATCH;
            publisher_put_spread((unsigned)k, targets);
            count -= k;
        }
        publisher_flush();
        loop_turn(0);
    }
}

void run_keep(struct command *c)
{
    uint64_t count = command_count(c, "count", 200000, 2, MOST_KEPT);
    uint64_t size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE);
    uint64_t targets = command_count(c, "targets", 1, 1, MOST_TARGETS);
    command_checked(c);
    if (bench.args.clients > 0 || bench.plan.topology == TOPOLOGY_PATTERNS ||
        (bench.plan.topology == TOPOLOGY_ONE && targets > 1)) {
        fail_command("keep is for --clients 0; with --topology one for one target, and not for "
                     "patterns");
    } else if (!bench.plan.dialect->more_in_one) {
        fail_command("keep: this server has no batches");
    } else if (kept.count > 0) {
        fail_command("keep: the server keeps messages of this program already");
    }
    messages_prepare((uint32_t)size, count);
    kept = (struct kept){.first = bench.messages.published, .count = count};
    struct meter from = meter_now();
    publish(count, (uint32_t)targets);
    struct meter to = meter_now();
    report_start("cmd", "keep");
    report_count("size", size);
    report_count("targets", targets);
    report_count("messages", count);
    report_number("rate", (double)count / seconds_of(to.mark.at - from.mark.at));
    report_meter(&from, &to);
    report_end();
}

/* The subscriber waits for all that is kept. */
static void expect_kept(struct expected *e)
{
    uint64_t end = kept.first + kept.count;
    *e = (struct expected){.head = kept.first, .tail = end - 1};
    for (uint64_t n = kept.first; n < end; n++) {
        struct slot *s = slot_of(n);
        s->left = 1;
        s->link = n + 1 < end ? n + 1 : NOWHERE;
    }
    bench.messages.finished -= kept.count;
}

struct sums {
    uint64_t times, bytes;
    int64_t took, most, load_cpu, server_cpu;
};

static void once(struct client *c, struct sums *sum)
{
    expect_kept(bench.expected);
    client_init(c, bench.args.clients);
    struct meter from = meter_now();
    connect_all(c, 1, 1);
    struct meter to = meter_now();
    int64_t took = to.mark.at - from.mark.at;
    sum->times++;
    sum->bytes += to.bytes - from.bytes;
    sum->took += took;
    sum->most = took > sum->most ? took : sum->most;
    sum->load_cpu += to.mark.load_cpu - from.mark.load_cpu;
    sum->server_cpu += to.mark.server_cpu - from.mark.server_cpu;
    /* Nothing more may come. */
    loop_drain();
    client_close(c, true);
}

static struct sums replay(double seconds)
{
    struct sums sum = {0};
    struct client *c = aligned_alloc(64, sizeof(*c));
    bench.expected = calloc(1, sizeof(*bench.expected));
    if (c == NULL || bench.expected == NULL) {
        fail("out of memory");
    }
    bench.plan.after = "0-0";
    int64_t end = clock_now() + (int64_t)(seconds * 1e9);
    do {
        once(c, &sum);
    } while (clock_now() < end);
    bench.plan.after = NULL;
    free(bench.expected);
    bench.expected = NULL;
    free(c);
    return sum;
}

void run_replay(struct command *c)
{
    double seconds = command_number(c, "seconds", 0, 0, 3600);
    command_checked(c);
    if (bench.plan.dialect->position == NULL) {
        fail_command("replay: this server's subscribers cannot come back to a position");
    } else if (kept.count == 0 || bench.messages.published != kept.first + kept.count) {
        fail_command("replay comes after keep, with nothing published in between");
    }
    struct sums sum = replay(seconds);
    uint64_t messages = sum.times * kept.count;
    report_start("cmd", "replay");
    report_count("times", sum.times);
    report_count("messages", messages);
    report_count("bytes", sum.bytes);
    report_number("rate", (double)messages / seconds_of(sum.took));
    report_number("byte_rate", (double)sum.bytes / seconds_of(sum.took));
    report_time("longest_us", sum.most);
    report_number("seconds", seconds_of(sum.took));
    report_number("server_cpu", seconds_of(sum.server_cpu));
    report_number("load_cpu", seconds_of(sum.load_cpu));
    report_end();
}
