/* store_private.h - a store's parts. Internal to store. */
#ifndef FF_STORE_PRIVATE_H
#define FF_STORE_PRIVATE_H

#include "store/db.h"
#include "store/lost.h"
#include "store/queue.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/txn.h"

/* Numbers are reserved in blocks: one transaction for a million of them. */
#define STORE_BLOCK ((uint64_t)1 << 20)

/* The writer thread's own. */
struct writer {
    struct record *first, *last; /* taken from the queue, not written yet */
    size_t bytes;                /* of what was taken, not told to be done yet */
    uint64_t seen;               /* highest seq of any message that was put */
    uint64_t top;                /* as it stands in the database */
    uint64_t reserved;           /* likewise */
    struct lost_set lost;        /* likewise */
    bool dirty;                  /* commits that may not be on the disk yet */
    uint64_t sync_ms;            /* monotonic: when they must be */
    uint64_t sweep_ms;           /* monotonic: when to look for old rows */
    unsigned big_wal;            /* pages over which the next checkpoint is due */
    bool stopping, clean;
    uint64_t stop_ms;
    /* while it fails */
    bool failing, gone;
    uint64_t undo_from, undo_to; /* given back with an error; 0: none */
    uint64_t since_ms, healed_ms, retry_ms, complain_ms;
    unsigned pause_ms;
    uint64_t refused; /* messages given back with an error */
};

struct store {
    struct core_store port;
    struct store_config cfg; /* the path is in db */
    bool waits;              /* as port.waits was made: the router changes that one */
    bool exact;              /* what clients saw survives any crash */
    struct db db;
    struct statements st;
    struct meta meta; /* as the run began; top: numbers go on behind it */
    struct router *router;
    struct queue q;
    bool started, stopped;
    pthread_t thread;
    struct writer w;
};

/* Looks at how the last run ended and notes that this one has begun: from now on
 * the stop is unclean. Fills meta, w.lost and port.reserved. */
int store_begin(struct store *st, struct errmsg *why) FF_USE_RESULT;
/* Notes the clean stop, with `top` as the highest number given out, and empties
 * the write-ahead log. Returns SQLite's code. */
int store_note_clean(struct store *st, uint64_t top);

/* The writer thread: until it is told to stop, and what was put is given back. */
void *writer_run(void *store);

#endif
