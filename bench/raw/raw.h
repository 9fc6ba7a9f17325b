/* raw.h - the state of bench-raw, and its deliberate mistakes. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault { FAULT_NONE, FAULT_LOSE, FAULT_DUPLICATE, FAULT_REORDER, FAULT_DAMAGE };

struct reader {
    int fd;
    bool blocked;   /* its socket takes no more */
    unsigned place; /* in the list */
    uint64_t sent;  /* of all bytes since the start */
    struct reader *next_gone;
};

struct raw {
    int epoll, reader_port, control_port, control;
    struct reader **readers;
    unsigned n_readers, blocked;
    struct reader *gone;
    uint64_t gone_by; /* bytes before the log's first */
    char *log;        /* what somebody has not got yet */
    size_t len;       /* received */
    size_t whole;     /* of it, whole frames */
    size_t spread;    /* of these, given to all who are not blocked */

    enum fault fault;
    unsigned fault_every;
    uint64_t frames; /* seen by fault_send */
    char *late;      /* a frame that comes after the next one */
    size_t late_len;
};

/* Sends these whole frames with the mistakes that are due. Waits until they are
 * taken: speed is no matter here. */
void fault_send(struct raw *r, struct reader *s, const char *p, size_t len);

#endif
