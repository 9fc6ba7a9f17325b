/* main.c - bench-load: subscribers of one server and a publisher, and the check
 * that each gets everything, once, in order and undamaged. */
#include "bench.h"
#include "commands.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench bench;

enum { OTHER_DESCRIPTORS = 16 };

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fail("getrlimit: %s", strerror(errno));
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fail("setrlimit: %s", strerror(errno));
    }
    bench.most_clients = (uint32_t)(limit.rlim_max < 2000000 ? limit.rlim_max : 2000000);
    bench.most_clients -= OTHER_DESCRIPTORS;
    if (bench.args.clients > bench.most_clients) {
        fail("%u subscribers do not fit: a process may have %llu descriptors (ulimit -Hn), which "
             "is enough for %u",
             bench.args.clients, (unsigned long long)limit.rlim_max, bench.most_clients);
    }
}

void connect_all(struct client *first, uint32_t count, uint32_t at_once)
{
    uint32_t started = 0;
    while (started < count || bench.changing > 0) {
        while (started < count && bench.changing < at_once) {
            client_open(&first[started++]);
        }
        loop_turn(0);
    }
}

static void make_clients(void)
{
    uint32_t n = bench.args.clients;
    bench.clients = aligned_alloc(64, (n + 1) * sizeof(*bench.clients));
    if (bench.clients == NULL) {
        fail("out of memory");
    }
    for (uint32_t i = 0; i < n; i++) {
        client_init(&bench.clients[i], i);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    args_read(argc, argv, &bench.args);
    bench.plan = (struct plan){
        .dialect = bench.args.dialect,
        .topology = bench.args.topology,
        .per_client = bench.args.per_client,
        .channel = bench.args.channel,
        .with_users = bench.args.with_users,
        .host = bench.args.connect_text,
        .sub_path = bench.args.sub_path,
        .publish_path = bench.args.publish_path,
    };
    bench.random = 0x9e3779b97f4a7c15ULL;
    raise_descriptor_limit();
    loop_init();
    publisher_init();
    make_clients();

    struct meter from = meter_now();
    connect_all(bench.clients, bench.args.clients, bench.args.connect_burst);
    struct meter to = meter_now();
    report_start("event", "ready");
    report_count("clients", bench.live);
    report_number("connect_seconds", seconds_of(to.mark.at - from.mark.at));
    report_meter(&from, &to);
    report_end();

    char *line;
    bool more = true;
    while (more && (line = loop_line()) != NULL) {
        more = command_run(line);
        free(line);
    }
    return 0;
}
