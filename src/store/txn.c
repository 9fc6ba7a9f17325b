#include "store/txn.h"

/* Old rows that one transaction deletes of each kind. */
#define SWEEP_MAX "5000"

static const char *const sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_PUT_MESSAGE] = "INSERT OR REPLACE INTO messages(seq, lane, at, expires, type, key,"
                         " envelope) VALUES(?, ?, ?, ?, ?, ?, ?)",
    [STMT_PUT_UNACKED] = "INSERT OR REPLACE INTO unacked(seq, at, expires, type, key, envelope)"
                         " VALUES(?, ?, ?, ?, ?, ?)",
    [STMT_QUEUE] = "UPDATE lanes SET queued = ? WHERE id = ? AND queued = 0",
    [STMT_PUT_ID] = "INSERT OR REPLACE INTO ids(id, hash, first, count, at, results)"
                    " VALUES(?, ?, ?, ?, ?, ?)",
    [STMT_PUT_LANE] = "INSERT OR REPLACE INTO lanes(id, kind, name, evicted, queued)"
                      " VALUES(?, ?, ?, ?, ?)",
    [STMT_EVICT] = "DELETE FROM messages WHERE lane = ? AND seq <= ?",
    [STMT_FORGET_MESSAGES] = "DELETE FROM messages WHERE lane = ?",
    [STMT_FORGET_LANE] = "DELETE FROM lanes WHERE id = ?",
    [STMT_RAISE_FLOOR] = "UPDATE meta SET value = max(value, ?) WHERE key = 'floor'",
    [STMT_ACKED] = "DELETE FROM unacked WHERE seq = ?",
    [STMT_PUT_READ] = "INSERT OR REPLACE INTO reads(channel, user, seq, at) VALUES(?, ?, ?, ?)",
    [STMT_FORGET_READ] = "DELETE FROM reads WHERE channel = ? AND user = ?",
    [STMT_SET_TOP] = "UPDATE meta SET value = ? WHERE key = 'top'",
    [STMT_SET_RESERVED] = "UPDATE meta SET value = ? WHERE key = 'reserved'",
    [STMT_SET_CLEAN] = "UPDATE meta SET value = ? WHERE key = 'clean'",
    [STMT_BEAT] = "UPDATE meta SET value = value + 1 WHERE key = 'beat'",
    [STMT_UNDO_MESSAGES] = "DELETE FROM messages WHERE seq BETWEEN ? AND ?",
    [STMT_UNDO_UNACKED] = "DELETE FROM unacked WHERE seq BETWEEN ? AND ?",
    [STMT_UNDO_IDS] = "DELETE FROM ids WHERE first BETWEEN ? AND ?",
    [STMT_OLD_IDS] = "DELETE FROM ids WHERE rowid IN"
                     " (SELECT rowid FROM ids WHERE at < ? ORDER BY at LIMIT " SWEEP_MAX ")",
    [STMT_OLD_MESSAGES] = "DELETE FROM messages WHERE seq IN (SELECT seq FROM messages"
                          " WHERE expires > 0 AND expires <= ? LIMIT " SWEEP_MAX ")",
};

int statements_prepare(struct statements *s, struct db *db)
{
    int rc = SQLITE_OK;

    for (unsigned i = 0; i < STMT_COUNT && rc == SQLITE_OK; i++) {
        rc = db_prepare(db, sql[i], &s->v[i]);
    }
    return rc;
}

void statements_fini(struct statements *s)
{
    for (unsigned i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize(s->v[i]);
    }
    strbuf_fini(&s->scratch);
    *s = (struct statements){0};
}

/* ---- records of one transaction ---- */

static void batch_add(struct batch *b, struct record *r)
{
    b->first = b->first ? b->first : r;
    b->last = r;
    b->durable |= r->kind != RECORD_BARRIER && r->kind != RECORD_MESSAGE;
    if (r->kind == RECORD_MESSAGE) {
        b->bytes += frame_size(r->frame);
        b->messages += !r->ephemeral;
        b->top = r->seq > b->top ? r->seq : b->top;
        b->durable |= !r->ephemeral || r->once;
    }
}

void batch_cut(struct batch *b, struct record *chain, unsigned max, size_t max_bytes)
{
    uint64_t together = 0; /* up to this number */

    *b = (struct batch){0};
    for (struct record *r = chain; r; r = r->next) {
        bool message = r->kind == RECORD_MESSAGE;
        if ((max == 0 || b->bytes >= max_bytes) && (b->top >= together)) {
            break;
        }
        if (message && r->once) {
            together = r->seq + r->once->count - 1;
        }
        batch_add(b, r);
        max -= max > 0;
    }
}

/* ---- writing ---- */

static void bind_message(sqlite3_stmt *s, int at, const struct record *r)
{
    db_bind_u64(s, at, r->at_ms);
    db_bind_u64(s, at + 1, r->expires_ms);
    db_bind_text(s, at + 2, frame_type(r->frame));
    db_bind_text(s, at + 3, frame_key(r->frame));
    db_bind_text(s, at + 4, frame_envelope(r->frame));
}

static void put_u32(struct strbuf *sb, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        strbuf_addc(sb, (char)(v >> (8 * i) & 0xff));
    }
}

static int put_id(struct statements *st, const struct once *o)
{
    sqlite3_stmt *s = st->v[STMT_PUT_ID];

    strbuf_reset(&st->scratch);
    for (uint32_t i = 0; i < o->count; i++) {
        put_u32(&st->scratch, o->results[i].matched);
        put_u32(&st->scratch, o->results[i].status);
    }
    if (strbuf_failed(&st->scratch)) {
        return SQLITE_NOMEM;
    }
    db_bind_text(s, 1, once_id(o));
    (void)sqlite3_bind_blob(s, 2, o->hash, ONCE_HASH, SQLITE_STATIC);
    db_bind_u64(s, 3, o->first);
    db_bind_u64(s, 4, o->count);
    db_bind_u64(s, 5, o->at_ms);
    (void)sqlite3_bind_blob64(s, 6, st->scratch.data, st->scratch.len, SQLITE_STATIC);
    return db_run(s);
}

static int run_u64(struct statements *st, enum stmt which, uint64_t v)
{
    db_bind_u64(st->v[which], 1, v);
    return db_run(st->v[which]);
}

static int run_pair(struct statements *st, enum stmt which, uint64_t a, uint64_t b)
{
    db_bind_u64(st->v[which], 1, a);
    db_bind_u64(st->v[which], 2, b);
    return db_run(st->v[which]);
}

static int put_message(struct statements *st, const struct record *r)
{
    sqlite3_stmt *s = st->v[STMT_PUT_MESSAGE];
    int rc = SQLITE_OK;

    if (!r->ephemeral && r->lane) {
        db_bind_u64(s, 1, r->seq);
        db_bind_u64(s, 2, r->lane);
        bind_message(s, 3, r);
        rc = db_run(s);
    }
    if (rc == SQLITE_OK && r->queues) {
        rc = run_pair(st, STMT_QUEUE, r->seq, r->lane);
    }
    if (rc == SQLITE_OK && r->ack) {
        s = st->v[STMT_PUT_UNACKED];
        db_bind_u64(s, 1, r->seq);
        bind_message(s, 2, r);
        rc = db_run(s);
    }
    return rc == SQLITE_OK && r->once ? put_id(st, r->once) : rc;
}

static int put_lane(struct statements *st, const struct record *r)
{
    sqlite3_stmt *s = st->v[STMT_PUT_LANE];

    db_bind_u64(s, 1, r->lane);
    db_bind_u64(s, 2, (uint64_t)r->target);
    db_bind_text(s, 3, r->name);
    db_bind_u64(s, 4, r->evicted);
    db_bind_u64(s, 5, r->queued);
    int rc = db_run(s);
    return rc == SQLITE_OK ? run_pair(st, STMT_EVICT, r->lane, r->evicted) : rc;
}

static int forget_lane(struct statements *st, const struct record *r)
{
    int rc = run_u64(st, STMT_FORGET_MESSAGES, r->lane);

    if (rc == SQLITE_OK) {
        rc = run_u64(st, STMT_FORGET_LANE, r->lane);
    }
    return rc == SQLITE_OK ? run_u64(st, STMT_RAISE_FLOOR, r->floor) : rc;
}

static int put_read(struct statements *st, const struct record *r)
{
    sqlite3_stmt *s = st->v[STMT_PUT_READ];

    db_bind_text(s, 1, r->name);
    db_bind_text(s, 2, r->user);
    db_bind_u64(s, 3, r->seq);
    db_bind_u64(s, 4, r->at_ms);
    return db_run(s);
}

static int forget_read(struct statements *st, const struct record *r)
{
    sqlite3_stmt *s = st->v[STMT_FORGET_READ];

    db_bind_text(s, 1, r->name);
    db_bind_text(s, 2, r->user);
    return db_run(s);
}

static int put_record(struct statements *st, const struct record *r)
{
    switch (r->kind) {
    case RECORD_MESSAGE:
        return put_message(st, r);
    case RECORD_LANE:
        return put_lane(st, r);
    case RECORD_FORGET:
        return forget_lane(st, r);
    case RECORD_ACKED:
        return run_u64(st, STMT_ACKED, r->seq);
    case RECORD_READ:
        return put_read(st, r);
    case RECORD_UNREAD:
        return forget_read(st, r);
    case RECORD_BARRIER:
        break;
    }
    return SQLITE_OK;
}

static int put_batch(struct statements *st, const struct batch *b)
{
    int rc = SQLITE_OK;

    for (const struct record *r = b->first; r && rc == SQLITE_OK; r = r->next) {
        rc = put_record(st, r);
        if (r == b->last) {
            break;
        }
    }
    return rc;
}

static int undo(struct statements *st, uint64_t from, uint64_t to)
{
    int rc = run_pair(st, STMT_UNDO_MESSAGES, from, to);

    if (rc == SQLITE_OK) {
        rc = run_pair(st, STMT_UNDO_UNACKED, from, to);
    }
    return rc == SQLITE_OK ? run_pair(st, STMT_UNDO_IDS, from, to) : rc;
}

static int put_numbers(struct statements *st, const struct txn *t)
{
    int rc = SQLITE_OK;

    if (t->top) {
        rc = run_u64(st, STMT_SET_TOP, t->top);
    }
    if (rc == SQLITE_OK && t->reserved) {
        rc = run_u64(st, STMT_SET_RESERVED, t->reserved);
    }
    if (rc == SQLITE_OK && t->clean) {
        rc = run_u64(st, STMT_SET_CLEAN, 1);
    }
    if (rc == SQLITE_OK && t->beat) {
        rc = db_run(st->v[STMT_BEAT]);
    }
    return rc;
}

static int sweep(struct db *db, struct statements *st, const struct txn *t, unsigned *swept)
{
    int rc = SQLITE_OK;

    *swept = 0;
    if (t->ids_before) {
        rc = run_u64(st, STMT_OLD_IDS, t->ids_before);
        *swept += rc == SQLITE_OK ? (unsigned)sqlite3_changes(db->h) : 0;
    }
    if (rc == SQLITE_OK && t->expired_at) {
        rc = run_u64(st, STMT_OLD_MESSAGES, t->expired_at);
        *swept += rc == SQLITE_OK ? (unsigned)sqlite3_changes(db->h) : 0;
    }
    return rc;
}

bool txn_is_needed(const struct txn *t)
{
    return t->batch.durable || t->reserved || t->clean || t->beat || t->undo_from || t->lost ||
           t->ids_before || t->expired_at;
}

int txn_run(struct db *db, struct statements *s, const struct txn *t, unsigned *swept)
{
    unsigned gone = 0;
    int rc = db_set_sync(db, t->sync);

    if (rc == SQLITE_OK) {
        rc = db_run(s->v[STMT_BEGIN]);
    }
    if (rc == SQLITE_OK && t->undo_from) {
        rc = undo(s, t->undo_from, t->undo_to);
    }
    if (rc == SQLITE_OK && t->lost) {
        rc = lost_write(db, t->lost);
    }
    if (rc == SQLITE_OK) {
        rc = put_batch(s, &t->batch);
    }
    if (rc == SQLITE_OK) {
        rc = put_numbers(s, t);
    }
    if (rc == SQLITE_OK) {
        rc = sweep(db, s, t, &gone);
    }
    if (rc == SQLITE_OK) {
        rc = db_run(s->v[STMT_COMMIT]);
    }
    if (rc != SQLITE_OK) {
        db_rollback(db);
    } else if (swept) {
        *swept = gone;
    }
    return rc;
}
