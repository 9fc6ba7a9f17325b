/* cmd_window.c - fanout, target: a fixed number of messages is under way. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>

enum { MOST_WINDOW = 4096 };

struct window {
    uint64_t size, window;
    double seconds, warmup;
    uint64_t targets, of; /* target: this many, evenly out of all */
};

static void refill_all(const struct window *w)
{
    uint64_t room = publisher_room();
    uint64_t k = w->window - under_way();
    if (k > room) {
        k = room;
    }
    if (k > 0) {
        publisher_put((unsigned)k, bench.plan.dialect->batch_only, NULL);
        publisher_flush();
    }
}

static uint64_t next_random(void)
{
    uint64_t x = bench.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    bench.random = x;
    return x * 0x2545f4914f6cdd1dULL >> 32;
}

static void refill_targets(const struct window *w)
{
    while (under_way() < w->window && publisher_room() > 0) {
        uint64_t target = next_random() % w->targets * w->of / w->targets;
        publisher_put_to((uint32_t)target);
    }
    publisher_flush();
}

/* Runs until this time, and on to the next completion of a message. So a measured
 * time begins and ends with one, and none is cut. */
static struct meter run_until(const struct window *w, int64_t time,
                              void (*refill)(const struct window *w))
{
    uint64_t before;
    do {
        refill(w);
        before = bench.messages.finished;
        loop_turn(0);
    } while (bench.now < time || bench.messages.finished == before);
    return meter_now();
}

static void run(const struct command *c, const struct window *w,
                void (*refill)(const struct window *w))
{
    uint32_t live = bench.live;
    int64_t start = clock_now() + (int64_t)(w->warmup * 1e9);
    struct meter from = run_until(w, start, refill);
    struct meter to = run_until(w, after(&from, w->seconds), refill);
    loop_drain();

    uint64_t messages = to.finished - from.finished;
    uint64_t deliveries = refill == refill_all ? messages * live : messages;
    report_start("cmd", c->name);
    report_count("size", w->size);
    report_count("window", w->window);
    report_count("clients", live);
    report_count("messages", messages);
    report_count("deliveries", deliveries);
    report_number("rate", (double)deliveries / seconds_of(to.mark.at - from.mark.at));
    report_count("bytes", to.bytes - from.bytes);
    report_meter(&from, &to);
}

static struct window params(struct command *c)
{
    struct window w = {
        .size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE),
        .window = command_count(c, "window", 1, 1, MOST_WINDOW),
        .seconds = command_number(c, "seconds", 1, 0.001, 3600),
        .warmup = command_number(c, "warmup", 0.2, 0, 3600),
    };
    if (bench.live == 0) {
        fail_command("%s: there is no subscriber", c->name);
    }
    return w;
}

void run_fanout(struct command *c)
{
    struct window w = params(c);
    command_checked(c);
    if (bench.plan.topology != TOPOLOGY_ONE) {
        fail_command("fanout is for --topology one");
    }
    messages_prepare((uint32_t)w.size, w.window);
    run(c, &w, refill_all);
    report_end();
}

void run_target(struct command *c)
{
    struct window w = params(c);
    w.of = bench.args.clients;
    if (bench.plan.topology == TOPOLOGY_CHANNELS) {
        w.of *= bench.plan.per_client;
    }
    w.targets = command_count(c, "targets", w.of, 1, w.of);
    command_checked(c);
    if (bench.plan.topology == TOPOLOGY_ONE || bench.plan.topology == TOPOLOGY_WIDE) {
        fail_command("target is for --topology users, channels or patterns");
    }
    if (bench.live != bench.args.clients) {
        fail_command("target: some subscribers are closed or stalled");
    }
    messages_prepare((uint32_t)w.size, w.window);
    bench.expected = reallocarray(NULL, bench.args.clients, sizeof(*bench.expected));
    if (bench.expected == NULL) {
        fail("out of memory");
    }
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        bench.expected[i] = (struct expected){.head = NOWHERE, .tail = NOWHERE};
        bench.clients[i].place = NOWHERE;
    }
    run(c, &w, refill_targets);
    free(bench.expected);
    bench.expected = NULL;
    messages_settle();
    report_count("targets", w.targets);
    report_end();
}
