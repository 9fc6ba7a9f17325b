/* cmd_storm.c - churn: subscribers come and go; reconnect: all come at once. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- churn ---- */

static void churn_ended(struct client *c, enum phase was, const char *why)
{
    if (was != PHASE_LEAVING) {
        sub_fail(&c->sub, "%s", why);
    }
}

/* Closes them, so many at once, and waits for the server's end of each. */
static void leave_all(struct client *first, uint32_t count, bool reset)
{
    uint32_t started = 0;
    bench.hooks.ended = churn_ended;
    while (started < count || bench.changing > 0) {
        while (started < count && bench.changing < bench.args.connect_burst) {
            if (reset) {
                client_close(&first[started++], true);
            } else {
                client_leave(&first[started++]);
            }
        }
        if (bench.changing > 0) {
            loop_turn(0);
        }
    }
    bench.hooks.ended = NULL;
}

struct churn {
    double connect_seconds, connect_cpu, disconnect_seconds, disconnect_cpu;
};

static void churn_round(struct churn *sum, struct client *extra, uint32_t n, bool reset)
{
    for (uint32_t i = 0; i < n; i++) {
        client_init(&extra[i], bench.args.clients + i);
    }
    struct mark start = mark_now();
    connect_all(extra, n, bench.args.connect_burst);
    struct mark connected = mark_now();
    leave_all(extra, n, reset);
    struct mark left = mark_now();
    sum->connect_seconds += seconds_of(connected.at - start.at);
    sum->connect_cpu += seconds_of(connected.server_cpu - start.server_cpu);
    sum->disconnect_seconds += seconds_of(left.at - connected.at);
    sum->disconnect_cpu += seconds_of(left.server_cpu - connected.server_cpu);
}

void run_churn(struct command *c)
{
    uint64_t count = command_count(c, "count", 2000, 1, 10000000);
    uint64_t at_once = command_count(c, "round", 1000, 1, 1000000);
    bool reset = command_count(c, "abort", 0, 0, 1) == 1;
    command_checked(c);
    uint32_t fits = bench.most_clients - bench.args.clients;
    if (fits == 0) {
        fail_command("churn: there is no descriptor left for another subscriber");
    }
    uint32_t most = at_once < fits ? (uint32_t)at_once : fits;
    struct client *extra = aligned_alloc(64, most * sizeof(*extra));
    if (extra == NULL) {
        fail("out of memory");
    }
    struct churn sum = {0};
    for (uint64_t done = 0; done < count;) {
        uint32_t n = count - done < most ? (uint32_t)(count - done) : most;
        churn_round(&sum, extra, n, reset);
        done += n;
    }
    free(extra);

    report_start("cmd", "churn");
    report_count("count", count);
    report_count("idle", bench.live);
    report_number("connect_rate", (double)count / sum.connect_seconds);
    report_number("connect_seconds", sum.connect_seconds);
    report_number("connect_server_cpu", sum.connect_cpu);
    report_number("disconnect_rate", (double)count / sum.disconnect_seconds);
    report_number("disconnect_seconds", sum.disconnect_seconds);
    report_number("disconnect_server_cpu", sum.disconnect_cpu);
    report_end();
}

/* ---- reconnect ---- */

enum { USUAL_RETRY_MS = 1000 };

static void storm_ready(struct client *c)
{
    histogram_add(bench.storm.latency, clock_now() - c->since);
    bench.storm.ready++;
}

/* What the server says about when to come again, in ms. */
static int64_t retry_after(const char *text, size_t len)
{
    static const char json[] = "\"retryAfter\":";
    const char *p = memmem(text, len, json, sizeof(json) - 1);
    if (p != NULL) {
        return strtol(p + sizeof(json) - 1, NULL, 10);
    }
    for (p = text; p + 13 < text + len; p++) {
        if (strncasecmp(p, "\nRetry-After:", 13) == 0) {
            return strtol(p + 13, NULL, 10) * 1000;
        }
    }
    return USUAL_RETRY_MS;
}

static void again(struct client *c, int64_t ms)
{
    c->retry_at = clock_now() + ms * (SECOND / 1000);
    if (bench.storm.next_retry == 0 || c->retry_at < bench.storm.next_retry) {
        bench.storm.next_retry = c->retry_at;
    }
}

static void storm_refused(struct client *c, const char *text, size_t len)
{
    bench.storm.refused++;
    char *copy = strndup(text, len);
    again(c, copy != NULL ? retry_after(copy, len) : USUAL_RETRY_MS);
    free(copy);
    client_close(c, false);
}

static void storm_ended(struct client *c, enum phase was, const char *why)
{
    if (was == PHASE_READY) {
        sub_fail(&c->sub, "%s", why);
    }
    bench.storm.failed++;
    again(c, USUAL_RETRY_MS);
}

static void open_due(void)
{
    int64_t now = clock_now(), next = 0;
    if (bench.storm.next_retry == 0 || now < bench.storm.next_retry) {
        return;
    }
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        struct client *c = &bench.clients[i];
        if (c->retry_at == 0) {
            continue;
        }
        if (c->retry_at <= now) {
            c->retry_at = 0;
            client_open(c);
        } else if (next == 0 || c->retry_at < next) {
            next = c->retry_at;
        }
    }
    bench.storm.next_retry = next;
}

static void storm(bool reset, uint32_t at_once)
{
    uint32_t started = 0, n = bench.args.clients;
    for (uint32_t i = 0; i < n; i++) {
        client_close(&bench.clients[i], reset);
    }
    while (bench.storm.ready < n) {
        while (started < n && bench.changing < at_once) {
            bench.clients[started].retry_at = 0;
            client_open(&bench.clients[started++]);
        }
        loop_turn(bench.storm.next_retry);
        open_due();
    }
}

struct span storm_run(const struct command *c, struct histogram *took, bool reset, uint32_t at_once)
{
    struct span span;
    bench.storm = (struct storm){.latency = took};
    bench.hooks = (struct hooks){
        .ready = storm_ready,
        .refused = storm_refused,
        .ended = storm_ended,
    };
    span.from = meter_now();
    storm(reset, at_once);
    span.to = meter_now();
    loop_drain();
    if (bench.storm.failed > 0) {
        fail("%s: the server ended %u connections without a reason (%u were refused with one); "
             "all %u stood after %.1f s",
             c->name, bench.storm.failed, bench.storm.refused, bench.args.clients,
             seconds_of(span.to.mark.at - span.from.mark.at));
    }
    return span;
}

void run_reconnect(struct command *c)
{
    const char *mode = command_word(c, "mode", "rst");
    uint32_t n = bench.args.clients;
    uint32_t at_once = (uint32_t)command_count(c, "at_once", n > 0 ? n : 1, 1, 1000000);
    command_checked(c);
    if (strcmp(mode, "rst") != 0 && strcmp(mode, "fin") != 0) {
        fail_command("reconnect: mode is rst or fin");
    }
    struct histogram *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        fail("out of memory");
    }
    struct span span = storm_run(c, h, strcmp(mode, "rst") == 0, at_once);
    messages_settle();
    report_start("cmd", "reconnect");
    report_count("clients", bench.live);
    report_count("refused", bench.storm.refused);
    report_count("failed", bench.storm.failed);
    report_time("p50_us", histogram_at(h, 0.5));
    report_time("p99_us", histogram_at(h, 0.99));
    report_time("max_us", h->max);
    report_meter(&span.from, &span.to);
    report_end();
    free(h);
    bench.storm = (struct storm){0};
}
