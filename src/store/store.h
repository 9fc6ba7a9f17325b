/* store.h - the durable store of the log: an SQLite database in WAL mode with a
 * writer thread of its own that commits many records at once.
 *
 * docs/delivery.md, "The store". src/store is the only user of <sqlite3.h>. */
#ifndef FF_STORE_STORE_H
#define FF_STORE_STORE_H

#include "base/err.h"
#include "base/log.h"
#include "conf/options.h"
#include "core/store_port.h"
#include "stat/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_config {
    const char *path;
    enum store_sync sync;
    uint64_t interval_ms;
    bool fanout_early;
    enum store_failure failure;
    uint64_t queue_bytes;  /* of records that wait; over it admit says ERR_BUSY */
    uint64_t id_window_ms; /* how long publications' ids are kept */
    uint64_t new_epoch;    /* for a new database */
    uint64_t now_ms;       /* real time */
    struct log *log;
    struct metrics *metrics; /* written by the writer thread only */
    const char *vfs;         /* SQLite's VFS by name; NULL: the default one */
};

/* Opens or makes the database, migrates it, takes an exclusive lock on it, and
 * notes that it is in use (the stop is unclean until store_close). On failure
 * the sentence names the path, the reason and the fix: no such directory, no
 * permission, read-only, not a database, corrupt, of a newer schema, in use by
 * another process, disk full. */
int store_open(const struct store_config *cfg, struct store **out, struct errmsg *why)
    FF_USE_RESULT;
/* The epoch of the database. */
uint64_t store_epoch(const struct store *st);
/* The router's view of it; valid until store_close. */
struct core_store *store_port(struct store *st);
/* Fills the router: router_restore_log ... router_restored. Logs progress once a
 * second. After an unclean stop numbers go on behind the reserved top; unless
 * the last run was durable before sending (delayed), the range from the last
 * durable message to it is recorded as lost. */
int store_load(struct store *st, struct router *r, struct errmsg *why) FF_USE_RESULT;
/* Starts the writer thread. Afterwards the port may be used. */
int store_start(struct store *st, struct router *r, struct errmsg *why) FF_USE_RESULT;
/* Why the store cannot be written now, "" if it can; after --store-failure=memory
 * struck, why it did. Any thread. */
bool store_failed(struct store *st, struct errmsg *why);
/* Writes everything that was put (trying for at most `ms` if it fails), notes
 * the clean stop if nothing is left unwritten, ends the thread, gives every
 * record back. No more is put. NULL is fine. True: it was a clean stop. */
bool store_stop(struct store *st, uint64_t ms);
void store_free(struct store *st); /* stops first; NULL is fine */

/* ---- tools: on a database that no gateway uses ---- */

/* `done` of `total` (0: not known) of `what`; at most a few times a second. */
typedef void store_progress(void *ctx, const char *what, uint64_t done, uint64_t total);

struct store_report {
    uint64_t epoch, top, reserved;
    uint64_t messages, lanes, ids, unacked, reads, lost_ranges;
    uint64_t bytes; /* of the files */
    bool clean;     /* the last stop was */
    unsigned schema;
};

/* Looks at every page and row without changing anything. ERR_INVALID: corrupt,
 * the first faults are in `why`. */
int store_check(const char *path, store_progress *progress, void *ctx, struct store_report *out,
                struct errmsg *why) FF_USE_RESULT;
/* Gives unused room back to the file system. */
int store_compact(const char *path, store_progress *progress, void *ctx, uint64_t *before,
                  uint64_t *after, struct errmsg *why) FF_USE_RESULT;
/* As JSON lines: one head, then lanes, messages, unacknowledged ones, ids and read positions.
 * `out` "-" is standard output. An existing file is not overwritten. */
int store_export(const char *path, const char *out, store_progress *progress, void *ctx,
                 uint64_t *lines, struct errmsg *why) FF_USE_RESULT;
/* Into a new database; `in` "-" is standard input. All or nothing. With
 * new_epoch the log's epoch is another one, so that no client takes positions of
 * the old one for its own (after restoring a backup). */
int store_import(const char *path, const char *in, bool new_epoch, store_progress *progress,
                 void *ctx, uint64_t *lines, struct errmsg *why) FF_USE_RESULT;

#endif
