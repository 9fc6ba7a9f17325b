/* fanfare store check: every page and every row is looked at, nothing changed. */
#include "store/tool.h"

#include <stdarg.h>
#include <stdio.h>

/* Faults that are told one by one. */
#define TELL_FAULTS 3

struct check {
    struct tool t;
    uint64_t highest; /* no seq may be beyond it */
    uint64_t messages, unacked, ids;
    uint64_t done;
    unsigned faults;
    char text[256]; /* the first of them */
};

FF_PRINTF(2, 3) static int fault(struct check *c, const char *fmt, ...)
{
    size_t at = strlen(c->text);
    va_list ap;

    if (c->faults++ < TELL_FAULTS && at + 8 < sizeof c->text) {
        at += (size_t)snprintf(c->text + at, sizeof c->text - at, "%s", at ? "; " : "");
        va_start(ap, fmt);
        (void)vsnprintf(c->text + at, sizeof c->text - at, fmt, ap);
        va_end(ap);
    }
    return 0; /* there may be more */
}

/* ---- pages ---- */

static int tell_pages(void *ctx)
{
    struct check *c = ctx;

    tool_tell(&c->t, "checking pages", 0, 0);
    return 0;
}

static int page_row(void *ctx, sqlite3_stmt *s)
{
    struct str text = db_text(s, 0);

    if (!str_eqz(text, "ok")) {
        (void)fault(ctx, "%.*s", text.len < 120 ? (int)text.len : 120, text.p ? text.p : "");
    }
    return 0;
}

static int check_pages(struct check *c)
{
    sqlite3_progress_handler(c->t.db.h, 10000, tell_pages, c);
    int rc = tool_each(&c->t, "PRAGMA integrity_check(100)", page_row, c);
    sqlite3_progress_handler(c->t.db.h, 0, NULL, NULL);
    return rc;
}

/* ---- rows ---- */

static void check_numbers(struct check *c)
{
    const uint64_t *v = c->t.meta.v;

    if (c->t.meta.epoch == 0) {
        (void)fault(c, "there is no epoch");
    }
    if (v[META_TOP] > v[META_RESERVED]) {
        (void)fault(c, "top is beyond reserved");
    }
    if (v[META_FLOOR] > v[META_RESERVED]) {
        (void)fault(c, "floor is beyond reserved");
    }
    if (c->t.lost.n && c->t.lost.v[c->t.lost.n - 1].to > v[META_RESERVED]) {
        (void)fault(c, "a lost range goes beyond reserved");
    }
    c->highest = v[META_CLEAN] ? v[META_TOP] : v[META_RESERVED];
}

static int lane_row(void *ctx, sqlite3_stmt *s)
{
    struct check *c = ctx;
    unsigned long long id = db_u64(s, 0);

    if (id == 0 || !tool_name_ok(db_u64(s, 1), db_text(s, 2))) {
        return fault(c, "lane %llu has a bad name", id);
    }
    if (db_u64(s, 3) > c->t.meta.v[META_RESERVED] || db_u64(s, 4) > c->t.meta.v[META_RESERVED]) {
        return fault(c, "lane %llu has numbers that were never given out", id);
    }
    return 0;
}

static int check_target(struct check *c, const struct frame *f, struct str name)
{
    struct envelope_fields e;
    int rc = envelope_read(c->t.doc, frame_envelope(f), &e);

    if (rc == ERR_NOMEM) {
        return errmsg_set(c->t.why, rc, "out of memory");
    }
    if (rc || (uint64_t)e.kind != f->kind || !str_eq(e.target, name)) {
        struct str cursor = rc ? STR_LIT("?") : e.cursor;
        return fault(c, "message %.*s is in the lane of another target", (int)cursor.len, cursor.p);
    }
    return 0;
}

static int message_row(void *ctx, sqlite3_stmt *s)
{
    struct check *c = ctx;
    struct kept_message kept = {db_u64(s, 5), db_u64(s, 0), db_text(s, 1), db_text(s, 2),
                                db_text(s, 3)};
    unsigned long long seq = kept.seq;
    struct frame *f = NULL;

    tool_tell(&c->t, "checking messages", ++c->done, c->messages);
    if (kept.kind > TARGET_USER) {
        return fault(c, "message %llu has no lane", seq);
    }
    if (seq <= db_u64(s, 6)) {
        return fault(c, "message %llu is among those that are not kept any more", seq);
    }
    if (seq > c->highest) {
        return fault(c, "message %llu has a number that was never given out", seq);
    }
    int rc = envelope_frame(c->t.meta.epoch, &kept, &f);
    if (rc == ERR_NOMEM) {
        return errmsg_set(c->t.why, rc, "out of memory");
    }
    if (rc) {
        return fault(c, "message %llu is no envelope of this log", seq);
    }
    rc = check_target(c, f, db_text(s, 7));
    frame_unref(f);
    return rc;
}

static int unacked_row(void *ctx, sqlite3_stmt *s)
{
    struct check *c = ctx;
    struct kept_message kept = {TARGET_USER, db_u64(s, 0), db_text(s, 1), db_text(s, 2),
                                db_text(s, 3)};
    struct frame *f = NULL;
    int rc = envelope_frame(c->t.meta.epoch, &kept, &f);

    frame_unref(f);
    if (rc == ERR_NOMEM) {
        return errmsg_set(c->t.why, rc, "out of memory");
    }
    if (rc || kept.seq > c->highest) {
        return fault(c, "the unacknowledged message %llu makes no sense",
                     (unsigned long long)kept.seq);
    }
    return 0;
}

static int id_row(void *ctx, sqlite3_stmt *s)
{
    struct check *c = ctx;
    struct kept_id k = {db_text(s, 0), db_blob(s, 1), db_blob(s, 5),
                        db_u64(s, 2),  db_u64(s, 3),  db_u64(s, 4)};

    if (!kept_id_ok(&k) || k.first + k.count - 1 > c->highest) {
        return fault(c, "the id of message %llu makes no sense", (unsigned long long)k.first);
    }
    return 0;
}

static int read_row(void *ctx, sqlite3_stmt *s)
{
    struct check *c = ctx;
    uint64_t seq = db_u64(s, 2);

    if (!tool_name_ok(TARGET_CHANNEL, db_text(s, 0)) || !tool_name_ok(TARGET_USER, db_text(s, 1))) {
        return fault(c, "a position that was read up to has a bad name");
    }
    if (seq == 0 || seq > c->highest) {
        return fault(c, "a position that was read up to, %llu, was never given out",
                     (unsigned long long)seq);
    }
    return 0;
}

static int check_rows(struct check *c)
{
    int rc = tool_each(&c->t, "SELECT id, kind, name, evicted, queued FROM lanes", lane_row, c);

    if (rc == 0) {
        rc = tool_each(&c->t,
                       "SELECT m.seq, m.type, m.key, m.envelope, m.lane, ifnull(l.kind, 99),"
                       " l.evicted, l.name FROM messages m LEFT JOIN lanes l ON l.id = m.lane"
                       " ORDER BY m.seq",
                       message_row, c);
    }
    if (rc == 0) {
        rc = tool_each(&c->t, "SELECT seq, type, key, envelope FROM unacked", unacked_row, c);
    }
    if (rc == 0) {
        rc = tool_each(&c->t, "SELECT id, hash, first, count, at, results FROM ids", id_row, c);
    }
    if (rc == 0) {
        rc = tool_each(&c->t, "SELECT channel, user, seq FROM reads", read_row, c);
    }
    return rc;
}

/* ---- the report ---- */

static int count_all(struct check *c, const char *path, struct store_report *out)
{
    const struct meta *m = &c->t.meta;
    int rc;

    *out = (struct store_report){.epoch = m->epoch,
                                 .top = m->v[META_TOP],
                                 .reserved = m->v[META_RESERVED],
                                 .lost_ranges = c->t.lost.n,
                                 .bytes = db_bytes(path),
                                 .clean = m->v[META_CLEAN],
                                 .schema = schema_current()->version};
    rc = tool_count(&c->t, "SELECT count(*) FROM messages", &out->messages);
    if (rc == 0) {
        rc = tool_count(&c->t, "SELECT count(*) FROM lanes", &out->lanes);
    }
    if (rc == 0) {
        rc = tool_count(&c->t, "SELECT count(*) FROM ids", &out->ids);
    }
    if (rc == 0) {
        rc = tool_count(&c->t, "SELECT count(*) FROM unacked", &out->unacked);
    }
    if (rc == 0) {
        rc = tool_count(&c->t, "SELECT count(*) FROM reads", &out->reads);
    }
    c->messages = out->messages;
    return rc;
}

int store_check(const char *path, store_progress *progress, void *ctx, struct store_report *out,
                struct errmsg *why)
{
    struct check c = {.t = {.progress = progress, .ctx = ctx}};
    int rc = tool_open(&c.t, path, DB_LOOK, why);

    if (rc) {
        return rc;
    }
    rc = check_pages(&c);
    if (rc == 0) {
        rc = count_all(&c, path, out);
    }
    if (rc == 0) {
        check_numbers(&c);
        rc = check_rows(&c);
    }
    if (rc == 0 && c.faults > 0) {
        rc = errmsg_set(why, ERR_INVALID, "the store is damaged, %u fault%s: %s%s", c.faults,
                        c.faults == 1 ? "" : "s", c.text, c.faults > TELL_FAULTS ? " ..." : "");
    }
    tool_close(&c.t);
    return rc;
}
