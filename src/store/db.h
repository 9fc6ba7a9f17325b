/* db.h - one connection to an SQLite database: opening it, statements, and
 * errors as sentences.
 *
 * Internal to store. One thread at a time. Functions that return an `int rc` of
 * SQLite say so; the others return enum err. */
#ifndef FF_STORE_DB_H
#define FF_STORE_DB_H

#include "base/err.h"
#include "base/str.h"
#include "store/path.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* In the header of a store: "Fanf". */
#define DB_APPLICATION_ID 0x46616e66u

/* How soon a commit reaches the disk. */
enum db_sync {
    DB_SYNC_UNSET,
    DB_SYNC_OFF,    /* when the kernel likes */
    DB_SYNC_NORMAL, /* with the next checkpoint */
    DB_SYNC_FULL    /* before the commit is done */
};

struct db {
    sqlite3 *h;
    char *path;
    enum db_sync sync;
    unsigned wal_pages; /* of the write-ahead log, not in the database yet */
    bool made_wal;      /* DB_LOOK: there was no write-ahead log before */
};

enum db_use {
    DB_RUN,  /* to be written; made if it is missing */
    DB_EDIT, /* to be written; must be there */
    DB_LOOK  /* nothing is changed, nor is what a crash left behind tidied up; may be on a
               file system that cannot be written */
};

/* Opens the file and locks it against every other process. It may be empty; it
 * is not a database of another program. On failure nothing is left open.
 * ERR_IN_USE, ERR_INVALID (no database, or damaged), ERR_NOT_FOUND, ERR_STORE,
 * ERR_NOMEM, with the reason and the fix. `vfs` NULL: the default one. */
int db_open(struct db *db, const char *path, const char *vfs, enum db_use use, struct errmsg *why)
    FF_USE_RESULT;
/* Statements must be finalized. Twice is fine. */
void db_close(struct db *db);

/* What SQLite's code means for this database: an enum err and a sentence that
 * begins with `doing` ("cannot write the store"). */
int db_error(const struct db *db, int rc, const char *doing, struct errmsg *why);

/* Each returns SQLite's code. */
int db_exec(struct db *db, const char *sql);
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **out);
/* Runs a statement without a result to its end and resets it. */
int db_run(sqlite3_stmt *s);
/* Sets how commits are synced from now on; not in a transaction. */
int db_set_sync(struct db *db, enum db_sync sync);
/* Ends a transaction that may or may not be open. */
void db_rollback(struct db *db);
/* Moves what the write-ahead log holds into the database, durably. */
int db_checkpoint(struct db *db, bool truncate);

/* Positions count from 1. Numbers over 2^63 - 1 do not occur. */
void db_bind_text(sqlite3_stmt *s, int at, struct str v); /* borrowed until the next step */
void db_bind_u64(sqlite3_stmt *s, int at, uint64_t v);
/* Columns count from 0. Valid until the next step. A column that is no number
 * (text) is 0 (empty). */
uint64_t db_u64(sqlite3_stmt *s, int column);
struct str db_text(sqlite3_stmt *s, int column);
struct str db_blob(sqlite3_stmt *s, int column);
/* The first column of the first row; `none` if there is no row. */
int db_query_u64(struct db *db, const char *sql, uint64_t none, uint64_t *out);

/* Hands each row of a query on, with `argument` for its parameter if it has one,
 * until `row` returns anything but 0, which then is in *refused. */
int db_each(struct db *db, const char *sql, uint64_t argument,
            int (*row)(void *ctx, sqlite3_stmt *s), void *ctx, int *refused);

/* Bytes of the database and of its write-ahead log. */
uint64_t db_bytes(const char *path);

#endif
