#include "store/db.h"

#include "base/strbuf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_BUSY_MS 1000 /* a process that is just ending may still have the lock */
#define JOURNAL_LIMIT "16777216"

uint64_t db_bytes(const char *path)
{
    char wal[PATH_MAX + 8];
    struct stat st;
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;

    snprintf(wal, sizeof wal, "%s-wal", path);
    return bytes + (stat(wal, &st) == 0 ? (uint64_t)st.st_size : 0);
}

struct meaning {
    int code; /* SQLite's, primary */
    enum err err;
    const char *reason;
    const char *fix;
};

static const struct meaning meanings[] = {
    {SQLITE_FULL, ERR_STORE, "the disk is full", "make room"},
    {SQLITE_IOERR, ERR_STORE, "input/output error", "look at the disk and the kernel's log"},
    {SQLITE_READONLY, ERR_STORE, "it is read-only",
     "make the file, its folder and the file system writable"},
    {SQLITE_PERM, ERR_STORE, "no permission", "make the file and its folder writable"},
    {SQLITE_CANTOPEN, ERR_STORE, "a file of it cannot be opened",
     "make the folder writable, and look at the limit of open files"},
    {SQLITE_BUSY, ERR_IN_USE, "it is in use by another process", "stop the gateway first"},
    {SQLITE_LOCKED, ERR_IN_USE, "it is in use by another process", "stop the gateway first"},
    {SQLITE_CORRUPT, ERR_INVALID, "it is damaged",
     "restore a backup, or ask \"fanfare store check\" for more"},
    {SQLITE_NOTADB, ERR_INVALID, "it is not an SQLite database", "name another file"},
    {SQLITE_PROTOCOL, ERR_STORE, "its locks do not work", "do not keep it on a network disk"},
};

int db_error(const struct db *db, int rc, const char *doing, struct errmsg *why)
{
    char shown[PATH_SHOW];

    path_show(db->path ? db->path : "", shown);
    if ((rc & 0xff) == SQLITE_NOMEM) {
        return errmsg_set(why, ERR_NOMEM, "%s %s: out of memory", doing, shown);
    }
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        const struct meaning *m = &meanings[i];
        if (m->code == (rc & 0xff)) {
            int error = m->err == ERR_STORE && db->h ? sqlite3_system_errno(db->h) : 0;
            return errmsg_set(why, m->err, "%s %s: %s%s%s%s; %s", doing, shown, m->reason,
                              error ? " (" : "", error ? strerror(error) : "", error ? ")" : "",
                              m->fix);
        }
    }
    return errmsg_set(why, ERR_STORE, "%s %s: %s", doing, shown, sqlite3_errstr(rc));
}

int db_exec(struct db *db, const char *sql)
{
    return sqlite3_exec(db->h, sql, NULL, NULL, NULL);
}

int db_prepare(struct db *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int db_run(sqlite3_stmt *s)
{
    int rc;

    do {
        rc = sqlite3_step(s);
    } while (rc == SQLITE_ROW);
    int reset = sqlite3_reset(s);
    return rc == SQLITE_DONE ? reset : rc;
}

int db_set_sync(struct db *db, enum db_sync sync)
{
    static const char *const sql[] = {
        [DB_SYNC_OFF] = "PRAGMA synchronous=OFF",
        [DB_SYNC_NORMAL] = "PRAGMA synchronous=NORMAL",
        [DB_SYNC_FULL] = "PRAGMA synchronous=FULL",
    };

    if (sync == db->sync) {
        return SQLITE_OK;
    }
    int rc = db_exec(db, sql[sync]);
    db->sync = rc == SQLITE_OK ? sync : DB_SYNC_UNSET;
    return rc;
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->h)) {
        (void)db_exec(db, "ROLLBACK");
    }
}

int db_checkpoint(struct db *db, bool truncate)
{
    int left = 0, moved = 0;
    enum db_sync sync = db->sync;
    int rc = db_set_sync(db, DB_SYNC_FULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_wal_checkpoint_v2(
            db->h, NULL, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &left,
            &moved);
    }
    if (rc == SQLITE_OK) {
        db->wal_pages = (unsigned)(left > moved ? left - moved : 0);
    }
    if (sync != DB_SYNC_UNSET) {
        int restored = db_set_sync(db, sync);
        rc = rc == SQLITE_OK ? restored : rc;
    }
    return rc;
}

void db_bind_text(sqlite3_stmt *s, int at, struct str v)
{
    if (sqlite3_bind_text64(s, at, v.p ? v.p : "", v.len, SQLITE_STATIC, SQLITE_UTF8) !=
        SQLITE_OK) {
        (void)sqlite3_bind_null(s, at); /* which no column takes: the statement fails */
    }
}

void db_bind_u64(sqlite3_stmt *s, int at, uint64_t v)
{
    (void)sqlite3_bind_int64(s, at, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

uint64_t db_u64(sqlite3_stmt *s, int column)
{
    int64_t v =
        sqlite3_column_type(s, column) == SQLITE_INTEGER ? sqlite3_column_int64(s, column) : 0;

    return v > 0 ? (uint64_t)v : 0;
}

static struct str bytes_of(sqlite3_stmt *s, int column, int type)
{
    if (sqlite3_column_type(s, column) != type) {
        return STR_NONE;
    }
    const char *p = sqlite3_column_blob(s, column);
    return (struct str){p, p ? (size_t)sqlite3_column_bytes(s, column) : 0};
}

struct str db_text(sqlite3_stmt *s, int column)
{
    return bytes_of(s, column, SQLITE_TEXT);
}

struct str db_blob(sqlite3_stmt *s, int column)
{
    return bytes_of(s, column, SQLITE_BLOB);
}

int db_query_u64(struct db *db, const char *sql, uint64_t none, uint64_t *out)
{
    sqlite3_stmt *s = NULL;
    int rc = db_prepare(db, sql, &s);

    *out = none;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
            *out = db_u64(s, 0);
        }
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    (void)sqlite3_finalize(s);
    return rc;
}

int db_each(struct db *db, const char *sql, uint64_t argument,
            int (*row)(void *ctx, sqlite3_stmt *s), void *ctx, int *refused)
{
    sqlite3_stmt *s = NULL;
    int rc = db_prepare(db, sql, &s);

    *refused = 0;
    if (rc == SQLITE_OK) {
        if (sqlite3_bind_parameter_count(s) > 0) {
            db_bind_u64(s, 1, argument);
        }
        while (*refused == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
            *refused = row(ctx, s);
        }
    }
    (void)sqlite3_finalize(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- opening ---- */

static int count_pages(void *ctx, sqlite3 *h, const char *name, int pages)
{
    struct db *db = ctx;

    (void)h;
    (void)name;
    db->wal_pages = pages > 0 ? (unsigned)pages : 0;
    return SQLITE_OK;
}

/* The file may be anybody's: it runs no code, and takes what it says for data. */
static void distrust(struct db *db)
{
    static const int off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                              SQLITE_DBCONFIG_TRUSTED_SCHEMA};

    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        (void)sqlite3_db_config(db->h, off[i], 0, NULL);
    }
    (void)sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
}

/* Before the first look at the file. */
static int set_up(struct db *db, enum db_use use)
{
    int rc = sqlite3_extended_result_codes(db->h, 1);

    distrust(db);
    if (rc == SQLITE_OK) {
        rc = sqlite3_busy_timeout(db->h, OPEN_BUSY_MS);
    }
    if (rc == SQLITE_OK) {
        rc = db_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=0;"
                         "PRAGMA journal_size_limit=" JOURNAL_LIMIT "; PRAGMA cell_size_check=1;"
                         "PRAGMA secure_delete=FAST");
    }
    if (rc == SQLITE_OK && use == DB_LOOK) {
        rc = sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (rc == SQLITE_OK && use == DB_LOOK) {
        rc = db_exec(db, "PRAGMA query_only=1");
    }
    return rc == SQLITE_OK ? db_set_sync(db, DB_SYNC_FULL) : rc;
}

static const char *opening(enum db_use use)
{
    return use == DB_LOOK ? "cannot read the store" : "cannot open the store";
}

/* The first look: takes the lock. Ours, or nobody's yet? */
static int check_owner(struct db *db, const char *doing, struct errmsg *why)
{
    char shown[PATH_SHOW];
    uint64_t application = 0, tables = 0;
    int rc = db_query_u64(db, "PRAGMA application_id", 0, &application);

    if (rc == SQLITE_OK) {
        rc = db_query_u64(db, "SELECT count(*) FROM sqlite_master", 0, &tables);
    }
    if (rc != SQLITE_OK) {
        return db_error(db, rc, doing, why);
    }
    if (application != DB_APPLICATION_ID && (application != 0 || tables != 0)) {
        return errmsg_set(why, ERR_INVALID,
                          "%s is a database of another program, so it is no store; name another "
                          "file",
                          path_show(db->path, shown));
    }
    return 0;
}

/* WAL mode; with a first transaction, so that the exclusive lock is there. */
static int use_wal(struct db *db, const char *doing, struct errmsg *why)
{
    char shown[PATH_SHOW];
    sqlite3_stmt *s = NULL;
    bool wal = false;
    int rc = db_prepare(db, "PRAGMA journal_mode=WAL", &s);

    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        wal = str_eqz(db_text(s, 0), "wal");
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(s);
    if (rc == SQLITE_OK && wal) {
        rc = db_exec(db, "BEGIN IMMEDIATE; COMMIT");
    }
    if (rc != SQLITE_OK) {
        return db_error(db, rc, doing, why);
    }
    if (!wal) {
        return errmsg_set(why, ERR_STORE,
                          "the store %s cannot have a write-ahead log; keep it on a local disk",
                          path_show(db->path, shown));
    }
    (void)sqlite3_wal_hook(db->h, count_pages, db);
    return 0;
}

/* A URI that has SQLite neither lock nor write anything. NULL without memory. */
static char *immutable_uri(const char *path)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, *path == '/' ? "file://" : "file:./");
    for (; *path; path++) {
        if (strchr("?#%", *path)) {
            strbuf_addf(&sb, "%%%02X", (unsigned)(unsigned char)*path);
        } else {
            strbuf_addc(&sb, *path);
        }
    }
    strbuf_adds(&sb, "?immutable=1");
    return strbuf_steal(&sb, NULL);
}

/* To be looked at where nothing can be written, and nothing needs to be. */
static bool is_fixed(const char *path, bool *made_wal)
{
    char wal[PATH_MAX + 8];
    struct stat st;

    snprintf(wal, sizeof wal, "%s-wal", path);
    *made_wal = stat(wal, &st) != 0;
    return (*made_wal || st.st_size == 0) && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0;
}

static int open_file(struct db *db, const char *path, const char *vfs, enum db_use use,
                     struct errmsg *why)
{
    bool fixed = use == DB_LOOK && is_fixed(path, &db->made_wal);
    int flags = fixed ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE;
    char *uri = NULL;
    int rc = path_check(path, use == DB_RUN, !fixed, why);

    if (rc) {
        return rc;
    }
    /* Never one of SQLite's special names, such as :memory: */
    if (asprintf(&db->path, "%s%s", *path == '/' ? "" : "./", path) < 0) {
        db->path = NULL;
        return errmsg_set(why, ERR_NOMEM, "out of memory for the store");
    }
    if (fixed && !(uri = immutable_uri(path))) {
        return errmsg_set(why, ERR_NOMEM, "out of memory for the store");
    }
    int code = sqlite3_open_v2(fixed ? uri : db->path, &db->h, flags | SQLITE_OPEN_NOMUTEX, vfs);
    free(uri);
    if (code == SQLITE_OK) {
        code = set_up(db, use);
    }
    return code == SQLITE_OK ? 0 : db_error(db, code, opening(use), why);
}

int db_open(struct db *db, const char *path, const char *vfs, enum db_use use, struct errmsg *why)
{
    *db = (struct db){0};
    if (*path == '\0') {
        return errmsg_set(why, ERR_INVALID, "the path of the store is empty");
    }
    int rc = open_file(db, path, vfs, use, why);
    if (rc == 0) {
        rc = check_owner(db, opening(use), why);
    }
    if (rc == 0 && use != DB_LOOK) {
        rc = use_wal(db, opening(use), why);
    }
    if (rc) {
        db_close(db);
    }
    return rc;
}

/* What looking made and nobody needs; the lock is still held. */
static void drop_empty_wal(const struct db *db)
{
    char wal[PATH_MAX + 8];
    struct stat st;

    snprintf(wal, sizeof wal, "%s-wal", db->path);
    if (stat(wal, &st) == 0 && st.st_size == 0) {
        (void)unlink(wal);
    }
}

void db_close(struct db *db)
{
    if (db->h && db->made_wal) {
        drop_empty_wal(db);
    }
    if (db->h) {
        (void)sqlite3_close_v2(db->h);
    }
    free(db->path);
    *db = (struct db){0};
}
