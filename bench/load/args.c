/* args.c */
#include "args.h"

#include "dialects.h"
#include "report.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PER_SOURCE = 10000 };

static const char usage[] =
    "usage: bench-load DIALECT --connect HOST:PORT [--publish HOST:PORT]\n"
    "         [--path PATH] [--publish-path PATH] [--clients N] [--per-client K]\n"
    "         [--topology one|users|channels|patterns|wide] [--channel NAME] [--with-users]\n"
    "         [--pid PID[,PID...]] [--sources N]\n"
    "         [--connect-burst N] [--stall-rcvbuf BYTES] [--timeout SECONDS]\n"
    "Then commands, one a line, on standard input; see bench/load/README.md.\n";

static _Noreturn void usage_error(const char *what, const char *value)
{
    fprintf(stderr, "bench-load: %s: %s\n%s", what, value, usage);
    exit(2);
}

static unsigned number(const char *option, const char *text, unsigned least, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < least || value > most) {
        usage_error(option, "not a number, or out of range");
    }
    return (unsigned)value;
}

static void address(const char *option, const char *text, struct sockaddr_in *to)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
        usage_error(option, "wants HOST:PORT");
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *to = (struct sockaddr_in){.sin_family = AF_INET};
    to->sin_port = htons((uint16_t)number(option, colon + 1, 1, 65535));
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &to->sin_addr) !=
        1) {
        usage_error(option, "the host must be an IPv4 address");
    }
}

static void pids(const char *text, struct args *a)
{
    char *copy = strdup(text), *rest = copy, *one;
    while ((one = strsep(&rest, ",")) != NULL) {
        if (a->n_pids == MAX_PIDS) {
            usage_error("--pid", "too many");
        }
        a->pids[a->n_pids++] = (pid_t)number("--pid", one, 1, 1U << 30);
    }
    free(copy);
}

static enum topology topology(const char *text)
{
    static const char *const names[] = {"one", "users", "channels", "patterns", "wide"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum topology)i;
        }
    }
    usage_error("--topology", text);
}

static const struct dialect *find_dialect(const char *name)
{
    for (unsigned i = 0; dialects[i] != NULL; i++) {
        if (strcmp(dialects[i]->name, name) == 0) {
            return dialects[i];
        }
    }
    fputs("dialects:", stderr);
    for (unsigned i = 0; dialects[i] != NULL; i++) {
        fprintf(stderr, " %s", dialects[i]->name);
    }
    fputs("\n", stderr);
    usage_error("no such dialect", name);
}

static void check(struct args *a)
{
    if (a->connect.sin_port == 0) {
        usage_error("--connect", "is missing");
    }
    if (a->publish.sin_port == 0) {
        a->publish = a->connect;
    }
    if ((a->dialect->topologies & 1U << a->topology) == 0) {
        usage_error("--topology", "this dialect does not have it");
    }
    if (a->sources == 0) {
        a->sources = 1 + a->clients / MOST_PER_SOURCE;
    }
}

void args_read(int argc, char **argv, struct args *a)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'c'},
        {"publish", required_argument, NULL, 'p'},
        {"path", required_argument, NULL, 'a'},
        {"publish-path", required_argument, NULL, 'A'},
        {"clients", required_argument, NULL, 'n'},
        {"topology", required_argument, NULL, 't'},
        {"per-client", required_argument, NULL, 'k'},
        {"channel", required_argument, NULL, 'C'},
        {"with-users", no_argument, NULL, 'u'},
        {"pid", required_argument, NULL, 'i'},
        {"sources", required_argument, NULL, 's'},
        {"connect-burst", required_argument, NULL, 'b'},
        {"stall-rcvbuf", required_argument, NULL, 'r'},
        {"timeout", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *a = (struct args){
        .clients = 100, .per_client = 1, .channel = "bench", .connect_burst = 256, .timeout_s = 20};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            address("--connect", optarg, &a->connect);
            a->connect_text = optarg;
            break;
        case 'p':
            address("--publish", optarg, &a->publish);
            break;
        case 'a':
            a->sub_path = optarg;
            break;
        case 'A':
            a->publish_path = optarg;
            break;
        case 'n':
            a->clients = number("--clients", optarg, 0, 1000000);
            break;
        case 't':
            a->topology = topology(optarg);
            break;
        case 'k':
            a->per_client = number("--per-client", optarg, 1, 1000);
            break;
        case 'C':
            a->channel = optarg;
            break;
        case 'u':
            a->with_users = true;
            break;
        case 'i':
            pids(optarg, a);
            break;
        case 's':
            a->sources = number("--sources", optarg, 1, 250);
            break;
        case 'b':
            a->connect_burst = number("--connect-burst", optarg, 1, 1000000);
            break;
        case 'r':
            a->stall_rcvbuf = (int)number("--stall-rcvbuf", optarg, 256, 1U << 30);
            break;
        case 'o':
            a->timeout_s = number("--timeout", optarg, 1, 3600);
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind != argc - 1) {
        usage_error("wanted", "one dialect");
    }
    a->dialect = find_dialect(argv[optind]);
    check(a);
}
