/* cmd_ingest.c - ingest: publications as fast as the answers allow; burst: without
 * waiting for anything. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <string.h>

enum { MODE_SEQUENTIAL, MODE_PIPELINED, MODE_BATCH };

struct ingest {
    int mode;
    uint64_t size, depth, batch, outstanding;
    double seconds, warmup;
};

static void refill(const struct ingest *g)
{
    const struct dialect *d = bench.plan.dialect;
    uint64_t unanswered = bench.publisher.unanswered;
    uint64_t room = g->outstanding - under_way();
    if (g->mode == MODE_BATCH) {
        /* Two requests under way: one is on its way while the other is served. */
        uint64_t limit = d->pipeline ? g->batch : 0;
        while (bench.publisher.unanswered <= limit && room >= g->batch) {
            publisher_put((unsigned)g->batch, true, NULL);
            room = g->outstanding - under_way();
            if (d->answer == NULL) {
                break;
            }
        }
    } else {
        uint64_t depth = g->mode == MODE_SEQUENTIAL ? 1 : g->depth;
        uint64_t k = unanswered < depth ? depth - unanswered : 0;
        publisher_put((unsigned)(k < room ? k : room), false, NULL);
    }
    publisher_flush();
}

static struct meter run_until(const struct ingest *g, int64_t time)
{
    uint64_t before;
    do {
        refill(g);
        before = bench.publisher.accepted;
        loop_turn(0);
    } while (bench.now < time || bench.publisher.accepted == before);
    return meter_now();
}

static int mode_of(struct command *c)
{
    static const char *const names[] = {"sequential", "pipelined", "batch"};
    const struct dialect *d = bench.plan.dialect;
    const char *name = command_word(c, "mode", "sequential");
    int mode = 0;
    while (mode < 3 && strcmp(name, names[mode]) != 0) {
        mode++;
    }
    if (mode == 3) {
        fail_command("ingest: mode is sequential, pipelined or batch");
    } else if (d->answer == NULL) {
        fail_command("ingest: this server does not answer publications");
    } else if (mode == MODE_PIPELINED && !d->pipeline) {
        fail_command("ingest: this server does not take pipelined publications");
    } else if (mode == MODE_BATCH && !d->more_in_one) {
        fail_command("ingest: this server has no batches");
    }
    return mode;
}

static void need_topology_one(const struct command *c)
{
    if (bench.plan.topology != TOPOLOGY_ONE) {
        fail_command("%s is for --topology one", c->name);
    }
}

void run_ingest(struct command *c)
{
    struct ingest g = {
        .mode = mode_of(c),
        .size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE),
        .depth = command_count(c, "depth", 64, 1, 10000),
        .batch = command_count(c, "batch", 100, 1, 10000),
        .seconds = command_number(c, "seconds", 1, 0.001, 3600),
        .warmup = command_number(c, "warmup", 0.2, 0, 3600),
        .outstanding = command_count(c, "outstanding", 2000, 1, 50000),
    };
    command_checked(c);
    need_topology_one(c);
    if (g.outstanding < g.batch && g.mode == MODE_BATCH) {
        g.outstanding = g.batch;
    }
    messages_prepare((uint32_t)g.size, g.outstanding);

    int64_t start = clock_now() + (int64_t)(g.warmup * 1e9);
    struct meter from = run_until(&g, start);
    struct meter to = run_until(&g, after(&from, g.seconds));
    loop_drain();

    uint64_t messages = to.accepted - from.accepted;
    report_start("cmd", "ingest");
    report_text("mode", command_word(c, "mode", "sequential"));
    report_count("size", g.size);
    report_count("clients", bench.live);
    report_count("messages", messages);
    report_number("rate", (double)messages / seconds_of(to.mark.at - from.mark.at));
    report_meter(&from, &to);
    report_end();
}

/* ---- burst ---- */

enum { CHUNK = 256 };

static void burst_ended(struct client *c, enum phase was, const char *why)
{
    (void)c;
    (void)was;
    (void)why;
    bench.closed++;
}

static void burst_refused(struct client *c, const char *text, size_t len)
{
    (void)text;
    (void)len;
    client_close(c, false);
    bench.closed++;
}

static void publish_all(uint64_t count)
{
    const struct publisher *p = &bench.publisher;
    bool batch = bench.plan.dialect->batch_only;
    while (count > 0 || p->unanswered > 0 || p->out.len > 0) {
        uint64_t k = publisher_room();
        k = k < count ? k : count;
        k = k < CHUNK || batch ? k : CHUNK;
        if (k > 0 && p->out.len == 0) {
            publisher_put((unsigned)k, batch, NULL);
            count -= k;
        }
        publisher_flush();
        bool full = p->out.len > 0 || count == 0 || publisher_room() == 0;
        /* Without waiting while there is something to send. */
        loop_turn(full ? 0 : 1);
    }
}

/* Nobody waits for what was refused after the last that was taken. */
static void drop_refused_end(uint64_t first)
{
    struct messages *m = &bench.messages;
    for (uint64_t n = m->published; n > first && slot_of(n - 1)->refused; n--) {
        struct slot *s = slot_of(n - 1);
        m->finished += s->left > 0;
        s->left = 0;
        s->skipped = true;
    }
}

static void check_refused(uint64_t first)
{
    for (uint64_t n = first; n < bench.messages.published; n++) {
        const struct slot *s = slot_of(n);
        struct fault f = {.kind = "lost", .subscriber = -1, .expected = (int64_t)n, .seen = -1};
        if (s->skipped && !s->refused) {
            fail_with(&f, "message %llu was accepted, but not delivered", (unsigned long long)n);
        } else if (s->refused && !s->skipped && s->end != NOWHERE) {
            f.kind = "refused";
            fail_with(&f, "message %llu was refused, but delivered", (unsigned long long)n);
        } else if (s->refused) {
            messages_note_refused(n);
        }
    }
}

void run_burst(struct command *c)
{
    uint64_t count = command_count(c, "count", 10000, 1, 1000000);
    uint64_t size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE);
    command_checked(c);
    need_topology_one(c);
    messages_prepare((uint32_t)size, count);
    bench.hooks = (struct hooks){
        .ended = burst_ended,
        .refused = burst_refused,
        .may_gap = true,
        .may_skip = true,
    };
    struct publisher *p = &bench.publisher;
    uint64_t first = bench.messages.published, refused = p->refused;
    bench.closed = 0;
    p->may_refuse = true;
    struct meter from = meter_now();
    publish_all(count);
    struct meter published = meter_now();
    drop_refused_end(first);
    while (under_way() > 0) {
        loop_turn(0);
    }
    struct meter to = meter_now();
    loop_drain();
    check_refused(first);
    p->may_refuse = false;

    uint64_t gaps = 0, missed = 0;
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        gaps += bench.clients[i].gaps;
        missed += bench.clients[i].missed;
        bench.clients[i].gaps = bench.clients[i].missed = 0;
    }
    report_start("cmd", "burst");
    report_count("size", size);
    report_count("clients", bench.live);
    report_count("count", count);
    report_number("publish_seconds", seconds_of(published.mark.at - from.mark.at));
    report_number("all_seconds", seconds_of(to.mark.at - from.mark.at));
    report_count("refused", p->refused - refused);
    report_count("closed", bench.closed);
    report_count("gaps", gaps);
    report_count("missed", missed);
    report_meter(&from, &to);
    report_end();
}
