/* How the last run ended, and what follows for this one. */
#include "store/store_private.h"

/* Numbers that are free again after a clean stop: a client may have seen
 * anything up to `top`, nothing beyond. After an unclean one it may have seen
 * anything that was reserved. */
static void look_back(struct store *st)
{
    uint64_t *v = st->meta.v;

    if (v[META_CLEAN]) {
        v[META_RESERVED] = v[META_TOP];
        return;
    }
    /* A client may have seen messages that are not here, unless all were sent on
     * after their commit. */
    if (!v[META_DELAYED]) {
        lost_add(&st->w.lost, v[META_TOP], v[META_RESERVED]);
    }
    if (v[META_RESERVED] > v[META_TOP]) {
        v[META_TOP] = v[META_RESERVED];
    }
}

/* A lane that was being forgotten while one of the same name was begun anew. */
#define OLD_LANES \
    "SELECT id FROM lanes WHERE id NOT IN (SELECT max(id) FROM lanes GROUP BY kind, name)"

static int drop_old_lanes(struct db *db)
{
    return db_exec(db, "DELETE FROM messages WHERE lane IN (" OLD_LANES ");"
                       "DELETE FROM lanes WHERE id IN (" OLD_LANES ")");
}

/* All of it durable before the first number is given out. */
static int note(struct store *st, bool unclean)
{
    int rc = db_set_sync(&st->db, DB_SYNC_FULL);

    if (rc == SQLITE_OK) {
        rc = db_exec(&st->db, "BEGIN IMMEDIATE");
    }
    if (rc == SQLITE_OK) {
        rc = meta_write(&st->db, &st->meta);
    }
    if (rc == SQLITE_OK) {
        rc = lost_write(&st->db, &st->w.lost);
    }
    if (rc == SQLITE_OK && unclean) {
        rc = drop_old_lanes(&st->db);
    }
    if (rc == SQLITE_OK) {
        rc = db_exec(&st->db, "COMMIT");
    }
    db_rollback(&st->db);
    return rc;
}

/* Far beyond anything that is ever reached; sums of two do not overflow. */
#define SEQ_MAX ((uint64_t)1 << 62)

static int look(struct store *st, struct errmsg *why)
{
    const uint64_t *v = st->meta.v;
    char shown[PATH_SHOW];
    int rc = meta_read(&st->db, &st->meta);

    if (rc == SQLITE_OK) {
        rc = lost_read(&st->db, &st->w.lost);
    }
    if (rc != SQLITE_OK) {
        return db_error(&st->db, rc, "cannot read the store", why);
    }
    if (st->meta.epoch == 0 || v[META_TOP] > SEQ_MAX || v[META_RESERVED] > SEQ_MAX) {
        return errmsg_set(why, ERR_INVALID,
                          "the store %s is damaged: its epoch and numbers make no sense; restore "
                          "a backup",
                          path_show(st->db.path, shown));
    }
    return 0;
}

int store_begin(struct store *st, struct errmsg *why)
{
    unsigned from;
    uint64_t clean, top;
    int rc = schema_bring_up(&st->db, schema_current(), st->cfg.new_epoch, &from, why);

    if (rc == 0) {
        rc = look(st, why);
    }
    if (rc) {
        return rc;
    }
    if (from > 0 && from < schema_current()->version) {
        char a[NUM_LEN], b[NUM_LEN];
        log_info(st->cfg.log, "the store was brought up to date", "from", num_text(a, from), "to",
                 num_text(b, schema_current()->version));
    }
    clean = st->meta.v[META_CLEAN];
    look_back(st);
    top = st->meta.v[META_TOP];
    st->meta.v[META_RESERVED] = top + STORE_BLOCK;
    st->meta.v[META_CLEAN] = 0;
    st->meta.v[META_DELAYED] = st->exact;
    rc = note(st, !clean);
    if (rc != SQLITE_OK) {
        return db_error(&st->db, rc, "cannot write the store", why);
    }
    if (!clean) {
        char n[NUM_LEN];
        log_warn(st->cfg.log, "the last run with the store ended without warning", "path",
                 st->db.path, "top", num_text(n, top));
    }
    st->w.top = st->w.seen = top;
    st->w.reserved = st->meta.v[META_RESERVED];
    atomic_store(&st->port.reserved, st->w.reserved);
    return 0;
}

int store_note_clean(struct store *st, uint64_t top)
{
    struct txn t = {.sync = DB_SYNC_FULL, .top = top, .clean = true};
    int rc = txn_run(&st->db, &st->st, &t, NULL);

    /* (That the log is not empty does no harm.) */
    if (rc == SQLITE_OK) {
        (void)db_checkpoint(&st->db, true);
    }
    return rc;
}
