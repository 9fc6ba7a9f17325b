/* cmd_resume.c - resume: all subscribers lose their connection, miss messages, and
 * come back at once with the position of the last message that they had. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MISSED = 10000, BATCH = 100 };

/* One message to all: the position behind it is where each of them stands then. To be
 * freed. */
static char *common_position(void)
{
    uint64_t n = bench.messages.published;
    publisher_put(1, false, NULL);
    publisher_flush();
    loop_drain();
    const struct slot *s = slot_of(n);
    const char *unit = bench.messages.stream + (s->start & (bench.messages.stream_size - 1));
    size_t len = 0;
    const char *at = bench.plan.dialect->position(unit, (size_t)(s->end - s->start), &len);
    char *copy = at != NULL ? strndup(at, len) : NULL;
    if (copy == NULL) {
        fail("resume: a message that does not say its position");
    }
    return copy;
}

static void publish_missed(uint64_t count)
{
    const struct publisher *p = &bench.publisher;
    bench.away = bench.args.clients;
    while (count > 0 || p->unanswered > 0) {
        if (count > 0 && p->unanswered == 0) {
            uint64_t k = count < BATCH ? count : BATCH;
            publisher_put((unsigned)k, k > 1, NULL);
            count -= k;
        }
        publisher_flush();
        loop_turn(0);
    }
    bench.away = 0;
}

static void close_all(void)
{
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        client_close(&bench.clients[i], true);
    }
}

void run_resume(struct command *c)
{
    uint32_t n = bench.args.clients;
    uint64_t missed = command_count(c, "missed", 100, 1, MOST_MISSED);
    uint64_t size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE);
    uint32_t at_once = (uint32_t)command_count(c, "at_once", n > 0 ? n : 1, 1, 1000000);
    command_checked(c);
    if (bench.plan.topology != TOPOLOGY_ONE || bench.live != n || n == 0) {
        fail_command("resume is for --topology one, with all its subscribers");
    } else if (bench.plan.dialect->position == NULL) {
        fail_command("resume: this server's subscribers cannot come back to a position");
    }
    struct histogram *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        fail("out of memory");
    }
    messages_prepare((uint32_t)size, missed + 1);
    char *position = common_position();
    close_all();
    publish_missed(missed);
    bench.plan.after = position;
    uint64_t bytes = bench.bytes;
    struct span span = storm_run(c, h, true, at_once);
    bench.plan.after = NULL;
    messages_settle();

    double seconds = seconds_of(span.to.mark.at - span.from.mark.at);
    report_start("cmd", "resume");
    report_count("clients", bench.live);
    report_count("missed", missed);
    report_count("size", size);
    report_count("messages", missed * n);
    report_count("bytes", bench.bytes - bytes);
    report_number("rate", (double)(missed * n) / seconds);
    report_number("connect_rate", n / seconds);
    report_count("refused", bench.storm.refused);
    report_time("p50_us", histogram_at(h, 0.5));
    report_time("p99_us", histogram_at(h, 0.99));
    report_time("max_us", h->max);
    report_meter(&span.from, &span.to);
    report_end();
    free(position);
    free(h);
    bench.storm = (struct storm){0};
}
