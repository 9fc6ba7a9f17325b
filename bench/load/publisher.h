/* publisher.h - the one connection that publishes. */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include "buf.h"
#include "dialect.h"

#include <stdbool.h>
#include <stdint.h>

struct publisher {
    int fd;          /* -1: not connected */
    bool greeted;    /* its first answer came, or it gives none */
    bool may_refuse; /* 503 is counted and is no fault */
    struct buf out;
    size_t out_at;     /* sent of it */
    struct buf data;   /* of the messages that are being published */
    struct msg *batch; /* they themselves */
    char *in;
    size_t in_len;
    uint64_t unanswered; /* messages */
    uint64_t accepted;   /* in all */
    uint64_t refused;    /* in all */
};

void publisher_init(void);
/* How many messages may be published now (without pipelining one request at a
 * time is under way). */
uint64_t publisher_room(void);
/* Publishes the next k messages to everybody; with `batch` in one request. `due`
 * is when each should have been; NULL: now. publisher_flush sends. */
void publisher_put(unsigned k, bool batch, const int64_t *due);
/* Publishes the next k messages in one request, to targets 0 to targets-1 in turn. */
void publisher_put_spread(unsigned k, uint32_t targets);
/* Publishes one message to this target. */
void publisher_put_to(uint32_t target);
void publisher_flush(void);
void publisher_event(uint32_t events);

#endif
