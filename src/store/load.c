/* From the database into the router, at the start. */
#include "base/clock.h"
#include "core/router.h"
#include "store/envelope.h"
#include "store/store_private.h"

#include <stdlib.h>

#define PROGRESS_MS 1000

struct load {
    struct store *st;
    struct router *r;
    struct json_doc *doc;
    struct errmsg *why;
    uint64_t messages, of;
    uint64_t told_ms; /* monotonic */
};

static int cannot_read(const struct load *l, int code)
{
    return db_error(&l->st->db, code, "cannot read the store", l->why);
}

static int damaged(const struct load *l, const char *what, uint64_t number)
{
    char shown[PATH_SHOW];

    return errmsg_set(l->why, ERR_INVALID,
                      "the store %s is damaged: %s %llu makes no sense; restore a backup, or ask "
                      "\"fanfare store check\" for more",
                      path_show(l->st->db.path, shown), what, (unsigned long long)number);
}

/* What the router or a codec said to a row. */
static int row_result(const struct load *l, int rc, const char *what, uint64_t number)
{
    if (rc == ERR_NOMEM) {
        return errmsg_set(l->why, rc, "out of memory for what the store holds");
    }
    return rc ? damaged(l, what, number) : 0;
}

static int each_row(struct load *l, const char *sql, uint64_t argument,
                    int (*row)(void *ctx, sqlite3_stmt *s))
{
    int rc;
    int code = db_each(&l->st->db, sql, argument, row, l, &rc);

    return code == SQLITE_OK ? rc : cannot_read(l, code);
}

static void tell_progress(struct load *l)
{
    uint64_t now = clock_mono_ms();
    char done[NUM_LEN], of[NUM_LEN];

    l->messages++;
    if (l->messages % 256 == 0 && now >= l->told_ms + PROGRESS_MS) {
        l->told_ms = now;
        log_info(l->st->cfg.log, "loading the store", "messages", num_text(done, l->messages), "of",
                 num_text(of, l->of));
    }
}

/* ---- rows ---- */

#define LANES "SELECT id, kind, name, evicted, queued FROM lanes ORDER BY id"

static int load_lane(void *ctx, sqlite3_stmt *s)
{
    struct load *l = ctx;
    uint64_t id = db_u64(s, 0), kind = db_u64(s, 1);
    int rc = ERR_INVALID;

    if (id > 0 && kind <= TARGET_USER && db_text(s, 2).len <= NAME_MAX_LEN) {
        rc = router_restore_lane(l->r, id, (enum target_kind)kind, db_text(s, 2), db_u64(s, 3),
                                 db_u64(s, 4));
    }
    return row_result(l, rc, "lane", id);
}

#define MESSAGES                                                                           \
    "SELECT m.seq, m.at, m.expires, m.type, m.key, m.envelope, m.lane, ifnull(l.kind, 99)" \
    " FROM messages m LEFT JOIN lanes l ON l.id = m.lane"                                  \
    " WHERE m.expires = 0 OR m.expires > ? ORDER BY m.seq"

static int load_message(void *ctx, sqlite3_stmt *s)
{
    struct load *l = ctx;
    uint64_t seq = db_u64(s, 0);
    struct frame *f = NULL;
    struct kept_message kept = {db_u64(s, 7), seq, db_text(s, 3), db_text(s, 4), db_text(s, 5)};
    int rc = envelope_frame(l->st->meta.epoch, &kept, &f);

    if (rc == 0) {
        rc = router_restore_message(l->r, db_u64(s, 6), seq, db_u64(s, 1), db_u64(s, 2), f);
        frame_unref(f);
    }
    tell_progress(l);
    return row_result(l, rc, "message", seq);
}

#define UNACKED "SELECT seq, at, expires, type, key, envelope FROM unacked ORDER BY seq"

static int load_unacked(void *ctx, sqlite3_stmt *s)
{
    struct load *l = ctx;
    struct envelope_fields e;
    uint64_t seq = db_u64(s, 0);
    struct frame *f = NULL;
    struct kept_message kept = {TARGET_USER, seq, db_text(s, 3), db_text(s, 4), db_text(s, 5)};
    int rc = envelope_frame(l->st->meta.epoch, &kept, &f);

    if (rc == 0) {
        rc = envelope_read(l->doc, frame_envelope(f), &e);
    }
    if (rc == 0) {
        rc = router_restore_unacked(l->r, e.target, e.id, seq, db_u64(s, 1), db_u64(s, 2), f);
    }
    frame_unref(f);
    return row_result(l, rc, "the unacknowledged message", seq);
}

#define IDS "SELECT id, hash, first, count, at, results FROM ids WHERE at >= ? ORDER BY at"

static int load_id(void *ctx, sqlite3_stmt *s)
{
    struct load *l = ctx;
    struct kept_id k = {db_text(s, 0), db_blob(s, 1), db_blob(s, 5),
                        db_u64(s, 2),  db_u64(s, 3),  db_u64(s, 4)};
    struct once *o;

    if (!kept_id_ok(&k)) {
        return damaged(l, "the id of message", k.first);
    }
    o = once_new(k.id, (const uint8_t *)k.hash.p, (uint32_t)k.count);
    if (!o) {
        return row_result(l, ERR_NOMEM, "", 0);
    }
    o->first = k.first;
    o->at_ms = k.at_ms;
    for (uint32_t i = 0; i < o->count; i++) {
        kept_id_result(&k, i, &o->results[i].matched, &o->results[i].status);
    }
    return row_result(l, router_restore_once(l->r, o), "the id of message", k.first);
}

#define READS "SELECT channel, user, seq, at FROM reads ORDER BY at"

static int load_read(void *ctx, sqlite3_stmt *s)
{
    struct load *l = ctx;
    struct str channel = db_text(s, 0), user = db_text(s, 1);
    uint64_t seq = db_u64(s, 2);
    int rc = ERR_INVALID;

    if (name_check_channel(channel, NULL) == 0 && name_check_user(user, NULL) == 0) {
        rc = router_restore_read(l->r, channel, user, seq, db_u64(s, 3));
    }
    return row_result(l, rc, "the position that was read up to, message", seq);
}

/* ---- all of it ---- */

static int load_log(struct load *l)
{
    const struct store *st = l->st;
    struct restored_log log = {
        .top = st->meta.v[META_TOP], .floor = st->meta.v[META_FLOOR], .nlost = st->w.lost.n};
    int code;

    memcpy(log.lost, st->w.lost.v, sizeof log.lost);
    router_restore_log(l->r, &log);
    code = db_query_u64(&l->st->db, "SELECT count(*) FROM messages", 0, &l->of);
    return code == SQLITE_OK ? 0 : cannot_read(l, code);
}

int store_load(struct store *st, struct router *r, struct errmsg *why)
{
    struct load l = {.st = st, .r = r, .why = why, .told_ms = clock_mono_ms()};
    uint64_t now = st->cfg.now_ms, window = st->cfg.id_window_ms;
    uint64_t began = l.told_ms;
    int rc = json_doc_new(&l.doc);

    if (rc) {
        return row_result(&l, rc, "", 0);
    }
    rc = load_log(&l);
    if (rc == 0) {
        rc = each_row(&l, LANES, 0, load_lane);
    }
    if (rc == 0) {
        rc = each_row(&l, MESSAGES, now, load_message);
    }
    if (rc == 0) {
        rc = each_row(&l, UNACKED, 0, load_unacked);
    }
    if (rc == 0 && window > 0) {
        rc = each_row(&l, IDS, now > window ? now - window : 0, load_id);
    }
    if (rc == 0) {
        rc = each_row(&l, READS, 0, load_read);
    }
    json_doc_free(l.doc);
    if (rc == 0) {
        char n[NUM_LEN], ms[NUM_LEN];
        router_restored(r, now);
        log_info(st->cfg.log, "the store is loaded", "path", st->db.path, "messages",
                 num_text(n, l.messages), "ms", num_text(ms, clock_mono_ms() - began));
    }
    return rc;
}
