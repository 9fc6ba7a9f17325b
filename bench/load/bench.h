/* bench.h - the one context of the generator. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "args.h"
#include "client.h"
#include "histogram.h"
#include "messages.h"
#include "publisher.h"

/* The messages in the unit that is being parsed. */
struct unit {
    uint64_t first;
    unsigned count;
    const char *begin, *end; /* of what has been received, from the unit on */
};

/* All subscribers connecting at once. */
struct storm {
    struct histogram *latency;
    uint32_t ready, refused, failed;
    int64_t next_retry; /* 0: none */
};

struct bench {
    struct args args;
    struct plan plan;
    struct buf line;  /* the report that is being written */
    struct buf input; /* commands that came and were not taken yet */
    bool input_ended, input_plain;
    int epoll;
    int64_t now; /* of the present turn of the loop */

    struct client *clients; /* args.clients */
    uint32_t live;          /* of these: ready, and reading */
    uint32_t away;          /* closed, and come back for what is published meanwhile */
    uint32_t most_clients;  /* for which there are descriptors */
    struct hooks hooks;
    struct storm storm;
    uint32_t closed;        /* by the server, where that is no fault */
    uint32_t stalled_ended; /* stalled clients that the server has closed */
    struct messages messages;
    struct publisher publisher;
    char *room; /* what is received goes here; see client.c */

    struct unit unit;
    uint64_t deliveries, bytes; /* received so far */
    uint64_t activity;          /* grows when a connection gets on */
    uint32_t changing;          /* clients that connect, leave or catch up */
    uint64_t seen_activity;
    int64_t seen_at;

    /* Set while latencies are measured. */
    struct histogram *latency;
    int64_t record_from; /* messages due before this do not count */
    uint32_t sample;     /* every how manieth subscriber counts */

    /* Set while messages go to single targets: what each subscriber expects. */
    struct expected *expected;
    uint64_t random;
};

extern struct bench bench;

static inline struct slot *slot_of(uint64_t n)
{
    return &bench.messages.slots[n & bench.messages.slot_mask];
}

static inline uint64_t under_way(void)
{
    return bench.messages.published - bench.messages.finished;
}

#endif
