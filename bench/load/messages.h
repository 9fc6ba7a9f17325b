/* messages.h - what was published, what its data are, and who still waits for it.
 *
 * Numbers are given out from 0 for the life of the process. Messages that are
 * under way have a slot in a ring. The data of any message can be made again at
 * any time, so nothing is kept to compare with.
 *
 * Beside it stands the stream: the bytes on the wire ("units") of the latest
 * messages as the first subscriber got them. The others are compared with these,
 * many units at once, without a parser. */
#ifndef BENCH_MESSAGES_H
#define BENCH_MESSAGES_H

#include "buf.h"
#include "dialect.h"

#include <stdbool.h>
#include <stdint.h>

#define NOWHERE UINT64_MAX

enum {
    LEAST_SIZE = 64,
    MOST_SIZE = 200000,
    /* What a unit may have beside the data. */
    UNIT_OVERHEAD = 2048,
};

struct slot {
    uint64_t start; /* of its unit in the stream; NOWHERE: none begins with it */
    uint64_t end;   /* NOWHERE: not known */
    uint64_t link;  /* the next message for the same target */
    int64_t due;    /* when it should have been published */
    uint32_t left;  /* subscribers that wait for it */
    uint32_t target;
    bool skipped; /* subscribers do not get it */
    bool refused; /* the server did not take it */
};

/* Messages from this number on have data of this size. */
struct era {
    uint64_t first;
    uint32_t size;
};

struct messages {
    struct slot *slots;
    uint64_t slot_mask;
    uint64_t published; /* numbers given out */
    uint64_t finished;  /* of these with everybody */
    struct era *eras;
    unsigned n_eras;
    uint64_t *refused; /* ascending */
    size_t n_refused;
    char *filler;

    /* The stream: a ring mapped twice in a row, so that any part is in one piece. */
    char *stream;
    uint64_t stream_size;
    uint64_t stream_end;
    uint64_t oldest; /* first message whose unit has not been overwritten */
    uint64_t known;  /* first one that nobody has got yet */
};

/* Before messages of this size are published, of which `most` may be under way.
 * Nothing may be under way now. */
void messages_prepare(uint32_t size, uint64_t most);
/* Gives out the next number. */
struct slot *messages_next(uint32_t target, uint32_t receivers);
/* Appends the data of message n (with its slot's target). */
void messages_data(uint64_t n, uint32_t target, struct buf *out);
/* Compares; returns -1 if equal, else the place of the first difference. Fewer
 * bytes than the message has are a difference. */
long messages_compare(uint64_t n, uint32_t target, const char *data, size_t len);
/* Everything is with everybody: the stream begins anew. */
void messages_settle(void);
/* Remembers for good that the server did not take message n; in ascending order. */
void messages_note_refused(uint64_t n);
/* How many of from .. to-1 these are. */
uint64_t messages_refused(uint64_t from, uint64_t to);
/* Notes the unit of the messages first .. first+count-1, unless it is known. */
void messages_unit(uint64_t first, unsigned count, const char *unit, size_t len);
/* Where a subscriber that waits for message n stands in the stream, or NOWHERE. */
uint64_t messages_place(uint64_t n);

#endif
