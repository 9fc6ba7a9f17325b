/* args.h - the command line. */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include "dialect.h"

#include <netinet/in.h>
#include <sys/types.h>

enum { MAX_PIDS = 64 };

struct args {
    const struct dialect *dialect;
    struct sockaddr_in connect, publish;
    const char *connect_text; /* as given, for Host: */
    const char *sub_path, *publish_path, *channel;
    bool with_users;
    enum topology topology;
    unsigned clients, per_client, sources, connect_burst, timeout_s;
    int stall_rcvbuf;
    pid_t pids[MAX_PIDS];
    unsigned n_pids;
};

/* Ends the program with a sentence if something is wrong. */
void args_read(int argc, char **argv, struct args *a);

#endif
