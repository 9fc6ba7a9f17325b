#include "store/schema.h"

#include "proto/cursor.h"

#include <stdio.h>

/* Steps are never changed once they were released; a new one is added. */
static const char *const steps[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    /* kind: 0 everyone, 1 channel, 2 user. evicted: the highest seq that is not
     * kept any more. queued: the first seq that no client of the user was sent. */
    "CREATE TABLE lanes(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL,"
    "  evicted INTEGER NOT NULL, queued INTEGER NOT NULL);"
    /* Times are milliseconds since 1970; expires 0: never. */
    "CREATE TABLE messages(seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL, at INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, envelope TEXT NOT NULL);"
    "CREATE INDEX messages_by_lane ON messages(lane, seq);"
    "CREATE INDEX messages_by_expiry ON messages(expires) WHERE expires > 0;"
    /* Messages to users that wait to be acknowledged; whom for and which id is
     * in the envelope. */
    "CREATE TABLE unacked(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, envelope TEXT NOT NULL);"
    /* Publications by their publishers' ids. results: for each target matched and
     * status, 4 bytes each, little-endian. */
    "CREATE TABLE ids(id TEXT PRIMARY KEY, hash BLOB NOT NULL, first INTEGER NOT NULL,"
    "  count INTEGER NOT NULL, at INTEGER NOT NULL, results BLOB NOT NULL);"
    "CREATE INDEX ids_by_time ON ids(at);"
    /* Messages after `past`, up to `upto`, if there were any, are lost. */
    "CREATE TABLE lost(past INTEGER PRIMARY KEY, upto INTEGER NOT NULL);",
    /* How far users have read, and since when. */
    "CREATE TABLE reads(channel TEXT NOT NULL, user TEXT NOT NULL, seq INTEGER NOT NULL,"
    "  at INTEGER NOT NULL, PRIMARY KEY(channel, user)) WITHOUT ROWID;",
};

const struct schema *schema_current(void)
{
    static const struct schema current = {steps, sizeof steps / sizeof *steps};

    return &current;
}

/* ---- meta ---- */

const char *meta_name(enum meta_key key)
{
    static const char *const names[META_COUNT] = {
        [META_TOP] = "top",     [META_RESERVED] = "reserved", [META_FLOOR] = "floor",
        [META_CLEAN] = "clean", [META_DELAYED] = "delayed",   [META_BEAT] = "beat",
    };

    return names[key];
}

uint64_t meta_parse_epoch(struct str s)
{
    char text[CURSOR_MAX];
    struct cursor c;
    int n = snprintf(text, sizeof text, "%.*s-0", s.len < 20 ? (int)s.len : 0, s.p ? s.p : "");

    return cursor_parse((struct str){text, (size_t)n}, &c) == 0 ? c.epoch : 0;
}

static void meta_take(struct meta *m, sqlite3_stmt *s)
{
    struct str key = db_text(s, 0);

    if (str_eqz(key, "epoch")) {
        m->epoch = meta_parse_epoch(db_text(s, 1));
        return;
    }
    for (enum meta_key k = 0; k < META_COUNT; k++) {
        if (str_eqz(key, meta_name(k))) {
            m->v[k] = db_u64(s, 1);
        }
    }
}

int meta_read(struct db *db, struct meta *out)
{
    sqlite3_stmt *s = NULL;
    int rc = db_prepare(db, "SELECT key, value FROM meta", &s);

    *out = (struct meta){0};
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            meta_take(out, s);
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    (void)sqlite3_finalize(s);
    return rc;
}

int meta_write(struct db *db, const struct meta *meta)
{
    char epoch[CURSOR_MAX];
    sqlite3_stmt *s = NULL;
    int rc = db_prepare(db, "INSERT OR REPLACE INTO meta VALUES(?, ?)", &s);

    if (rc == SQLITE_OK) {
        db_bind_text(s, 1, STR_LIT("epoch"));
        db_bind_text(s, 2, (struct str){epoch, cursor_format_epoch(meta->epoch, epoch)});
        rc = db_run(s);
    }
    for (enum meta_key k = 0; k < META_COUNT && rc == SQLITE_OK; k++) {
        db_bind_text(s, 1, str_of(meta_name(k)));
        db_bind_u64(s, 2, meta->v[k]);
        rc = db_run(s);
    }
    (void)sqlite3_finalize(s);
    return rc;
}

/* ---- versions ---- */

static int version_of(struct db *db, uint64_t *version)
{
    uint64_t tables;
    int rc = db_query_u64(db, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'", 0, &tables);

    *version = 0;
    if (rc == SQLITE_OK && tables > 0) {
        rc = db_query_u64(db, "SELECT value FROM meta WHERE key = 'schema'", 0, version);
    }
    return rc;
}

static int newer(const struct db *db, uint64_t version, const struct schema *schema,
                 struct errmsg *why)
{
    char shown[PATH_SHOW];

    return errmsg_set(why, ERR_RANGE,
                      "the store %s has schema %llu and this program knows schema %u only: use "
                      "the newer fanfare that wrote it, or export it there",
                      path_show(db->path, shown), (unsigned long long)version, schema->version);
}

static int take_steps(struct db *db, const struct schema *schema, unsigned from)
{
    char sql[160];
    int rc = SQLITE_OK;

    for (unsigned i = from; i < schema->version && rc == SQLITE_OK; i++) {
        rc = db_exec(db, schema->steps[i]);
    }
    if (rc == SQLITE_OK) {
        snprintf(sql, sizeof sql,
                 "INSERT OR REPLACE INTO meta VALUES('schema', %u); PRAGMA application_id=%u",
                 schema->version, DB_APPLICATION_ID);
        rc = db_exec(db, sql);
    }
    return rc;
}

int schema_bring_up(struct db *db, const struct schema *schema, uint64_t new_epoch, unsigned *from,
                    struct errmsg *why)
{
    uint64_t version = 0;
    int rc = db_exec(db, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK) {
        rc = version_of(db, &version);
    }
    if (rc == SQLITE_OK && version > schema->version) {
        db_rollback(db);
        return newer(db, version, schema, why);
    }
    if (rc == SQLITE_OK && version < schema->version) {
        rc = take_steps(db, schema, (unsigned)version);
    }
    if (rc == SQLITE_OK && version == 0) {
        rc = meta_write(db, &(struct meta){.epoch = new_epoch, .v = {[META_CLEAN] = 1}});
    }
    if (rc == SQLITE_OK) {
        rc = db_exec(db, "COMMIT");
    }
    db_rollback(db);
    if (from) {
        *from = (unsigned)version;
    }
    return rc == SQLITE_OK ? 0 : db_error(db, rc, "cannot make the tables of the store", why);
}

int schema_expect(struct db *db, const struct schema *schema, struct errmsg *why)
{
    char shown[PATH_SHOW];
    uint64_t version;
    int rc = version_of(db, &version);

    if (rc != SQLITE_OK) {
        return db_error(db, rc, "cannot read the store", why);
    }
    if (version > schema->version) {
        return newer(db, version, schema, why);
    }
    path_show(db->path, shown);
    if (version == 0) {
        return errmsg_set(why, ERR_INVALID, "%s is empty: no gateway has used it yet", shown);
    }
    if (version < schema->version) {
        return errmsg_set(why, ERR_RANGE,
                          "the store %s has the older schema %llu; start and stop a gateway with "
                          "it once, which brings it up to schema %u",
                          shown, (unsigned long long)version, schema->version);
    }
    return 0;
}
