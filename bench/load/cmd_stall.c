/* cmd_stall.c - stall: some subscribers stop reading; unstall: they go on. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>

void run_stall(struct command *c)
{
    double percent = command_number(c, "percent", 5, 0.001, 100);
    command_checked(c);
    uint32_t stalled = 0;
    double share = percent / 100, due = 0;
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        struct client *client = &bench.clients[i];
        if (client->phase != PHASE_READY || client->stalled != STALL_NONE) {
            continue;
        }
        /* Evenly spread. */
        due += share;
        if (due >= 0.999999) {
            due -= 1;
            client_stall(client, STALL_DEAF);
            stalled++;
        }
    }
    bench.stalled_ended = 0;
    report_start("cmd", "stall");
    report_count("stalled", stalled);
    report_count("clients", bench.live);
    report_end();
}

struct caught {
    uint64_t got, missed, gaps;
};

static void caught_up(struct client *c, struct caught *sum)
{
    sum->got += c->got;
    sum->missed += c->missed;
    sum->gaps += c->gaps;
    c->got = c->missed = c->gaps = 0;
}

static bool behind(const struct client *c)
{
    uint64_t end = bench.messages.published;
    return c->next + messages_refused(c->next, end) < end;
}

void run_unstall(struct command *c)
{
    command_checked(c);
    uint32_t n = bench.args.clients, was = 0, left = 0;
    struct caught sum = {0};
    uint32_t *list = calloc(n + 1, sizeof(*list));
    if (list == NULL) {
        fail("out of memory");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (bench.clients[i].stalled == STALL_DEAF) {
            client_stall(&bench.clients[i], STALL_CATCHES_UP);
            list[left++] = i;
        }
    }
    was = left + bench.stalled_ended;
    struct meter from = meter_now();
    while (left > 0) {
        loop_turn(0);
        for (uint32_t k = 0; k < left; k++) {
            struct client *one = &bench.clients[list[k]];
            bool closed = one->phase == PHASE_CLOSED;
            if (!closed && behind(one)) {
                continue;
            }
            caught_up(one, &sum);
            if (!closed) {
                client_stall(one, STALL_NONE);
            }
            list[k--] = list[--left];
        }
    }
    struct meter to = meter_now();
    loop_drain();
    messages_settle();
    free(list);
    report_start("cmd", "unstall");
    report_count("stalled", was);
    report_count("messages", sum.got);
    report_count("missed", sum.missed);
    report_count("gaps", sum.gaps);
    report_count("closed", bench.stalled_ended);
    report_count("clients", bench.live);
    report_meter(&from, &to);
    report_end();
}
