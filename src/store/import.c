/* fanfare store import: a new database out of an export, all of it or nothing. */
#include "store/import.h"

#include "base/rng.h"
#include "proto/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line holds a message of --max-message, which is 256 MiB at most. */
#define LINE_MAX_BYTES ((size_t)320 << 20)
/* Rows of one transaction; nobody looks at it before the end. */
#define COMMIT_ROWS 10000
#define WAL_PAGES 16384

enum { PUT_LANE, PUT_MESSAGE, PUT_UNACKED, PUT_ID, PUT_READ, GET_LANE, PUT_COUNT };

static const char *const sql[PUT_COUNT] = {
    [PUT_LANE] = "INSERT INTO lanes(id, kind, name, evicted, queued) VALUES(?, ?, ?, ?, ?)",
    [PUT_MESSAGE] = "INSERT INTO messages(seq, at, expires, type, key, envelope, lane)"
                    " VALUES(?, ?, ?, ?, ?, ?, ?)",
    [PUT_UNACKED] = "INSERT INTO unacked(seq, at, expires, type, key, envelope)"
                    " VALUES(?, ?, ?, ?, ?, ?)",
    [PUT_ID] = "INSERT INTO ids(id, hash, first, count, at, results) VALUES(?, ?, ?, ?, ?, ?)",
    [PUT_READ] = "INSERT INTO reads(channel, user, seq, at) VALUES(?, ?, ?, ?)",
    [GET_LANE] = "SELECT kind, evicted, name FROM lanes WHERE id = ?",
};

struct import {
    struct tool t;
    struct importer im;
    struct import_head head;
    sqlite3_stmt *st[PUT_COUNT];
    FILE *in;
    const char *in_name;
    struct strbuf line, envelope;
    char temporary[PATH_MAX];
    uint64_t old_epoch, lines, total;
    uint64_t lanes, messages, unacked, ids, reads;
    unsigned uncommitted;
};

static int no_memory(const struct import *x)
{
    return errmsg_set(x->t.why, ERR_NOMEM, "out of memory");
}

/* `inner` says what is wrong with the line. */
static int bad_line(const struct import *x, int rc, const struct errmsg *inner)
{
    return errmsg_set(x->t.why, rc, "%.100s, line %llu: %.180s", x->in_name,
                      (unsigned long long)x->lines, inner->text);
}

static int wrong(const struct import *x, const char *text)
{
    struct errmsg inner;

    return bad_line(x, errmsg_set(&inner, ERR_INVALID, "%s", text), &inner);
}

/* ---- lines ---- */

/* ERR_CLOSED at the end. */
static int next_line(struct import *x)
{
    int c;

    strbuf_reset(&x->line);
    while ((c = getc_unlocked(x->in)) != EOF && c != '\n') {
        strbuf_addc(&x->line, (char)c);
        if (x->line.len > LINE_MAX_BYTES) {
            x->lines++;
            return wrong(x, "it is too long");
        }
    }
    if (strbuf_failed(&x->line)) {
        return no_memory(x);
    }
    if (ferror(x->in)) {
        return errmsg_set(x->t.why, ERR_SYSTEM, "cannot read %.150s: %s", x->in_name,
                          strerror(errno));
    }
    if (c == EOF && x->line.len == 0) {
        return ERR_CLOSED;
    }
    x->lines++;
    return 0;
}

static int put_row(struct import *x, unsigned which)
{
    int code = db_run(x->st[which]);

    if ((code & 0xff) == SQLITE_CONSTRAINT) {
        return wrong(x, "there was a line for the same before");
    }
    if (code == SQLITE_OK && ++x->uncommitted == COMMIT_ROWS) {
        x->uncommitted = 0;
        code = db_exec(&x->t.db, "COMMIT");
        if (code == SQLITE_OK && x->t.db.wal_pages > WAL_PAGES) {
            code = db_checkpoint(&x->t.db, false);
        }
        if (code == SQLITE_OK) {
            code = db_exec(&x->t.db, "BEGIN IMMEDIATE");
        }
    }
    return code == SQLITE_OK ? 0 : db_error(&x->t.db, code, "cannot write the store", x->t.why);
}

static int put_lane(struct import *x, const struct import_line *l)
{
    sqlite3_stmt *s = x->st[PUT_LANE];

    if (l->evicted > x->head.meta.v[META_RESERVED] || l->queued > x->head.meta.v[META_RESERVED]) {
        return wrong(x, "evicted or queued is beyond reserved");
    }
    x->lanes++;
    db_bind_u64(s, 1, l->number);
    db_bind_u64(s, 2, l->target);
    db_bind_text(s, 3, l->name);
    db_bind_u64(s, 4, l->evicted);
    db_bind_u64(s, 5, l->queued);
    return put_row(x, PUT_LANE);
}

/* The envelope as it is to be kept: with the new epoch, if there is one. */
static int new_envelope(struct import *x, const struct import_line *l,
                        const struct envelope_fields *e)
{
    struct cursor at = {x->old_epoch, l->number};
    char cursor[CURSOR_MAX];
    size_t len = cursor_format(at, cursor);

    if (!str_eq(e->cursor, (struct str){cursor, len})) {
        return wrong(x, "the cursor in the envelope is not of this log and number");
    }
    at.epoch = x->head.meta.epoch;
    size_t end = e->cursor_at + len; /* digits and letters: no escapes */
    len = cursor_format(at, cursor);
    strbuf_reset(&x->envelope);
    strbuf_add(&x->envelope, l->envelope.p, e->cursor_at);
    strbuf_add(&x->envelope, cursor, len);
    strbuf_add(&x->envelope, l->envelope.p + end, l->envelope.len - end);
    return strbuf_failed(&x->envelope) ? no_memory(x) : 0;
}

/* Is the message in the right lane, behind what is not kept any more? */
static int check_lane(struct import *x, const struct import_line *l,
                      const struct envelope_fields *e)
{
    sqlite3_stmt *s = x->st[GET_LANE];
    int rc = 0;

    db_bind_u64(s, 1, l->lane);
    int code = sqlite3_step(s);
    if (code == SQLITE_DONE) {
        rc = wrong(x, "there is no line for its lane before it");
    } else if (code != SQLITE_ROW) {
        rc = db_error(&x->t.db, code, "cannot read the store", x->t.why);
    } else if (db_u64(s, 0) != e->kind || !str_eq(db_text(s, 2), e->target)) {
        rc = wrong(x, "its lane is of another target");
    } else if (l->number <= db_u64(s, 1)) {
        rc = wrong(x, "its lane does not keep it any more");
    }
    (void)sqlite3_reset(s);
    return rc;
}

static int put_message(struct import *x, const struct import_line *l)
{
    bool is_message = l->kind == IMPORT_MESSAGE;
    struct envelope_fields e;
    struct frame *f = NULL;
    int rc = envelope_read(x->t.doc, l->envelope, &e);

    if (rc) {
        return rc == ERR_NOMEM ? no_memory(x) : wrong(x, "the envelope is none");
    }
    if (l->number > x->head.meta.v[META_RESERVED]) {
        return wrong(x, "its number is beyond reserved");
    }
    if (!is_message && e.kind != TARGET_USER) {
        return wrong(x, "only messages to users are acknowledged");
    }
    rc = is_message ? check_lane(x, l, &e) : 0;
    if (rc == 0) {
        rc = new_envelope(x, l, &e);
    }
    if (rc) {
        return rc;
    }
    struct kept_message kept = {e.kind, l->number, e.type, l->key, strbuf_str(&x->envelope)};
    rc = envelope_frame(x->head.meta.epoch, &kept, &f);
    frame_unref(f);
    if (rc) {
        return rc == ERR_NOMEM ? no_memory(x) : wrong(x, "the envelope is not in order");
    }
    sqlite3_stmt *s = x->st[is_message ? PUT_MESSAGE : PUT_UNACKED];
    db_bind_u64(s, 1, l->number);
    db_bind_u64(s, 2, l->at_ms);
    db_bind_u64(s, 3, l->expires_ms);
    db_bind_text(s, 4, e.type);
    db_bind_text(s, 5, l->key);
    db_bind_text(s, 6, kept.envelope);
    if (is_message) {
        db_bind_u64(s, 7, l->lane);
    }
    x->messages += is_message;
    x->unacked += !is_message;
    return put_row(x, is_message ? PUT_MESSAGE : PUT_UNACKED);
}

static int put_id(struct import *x, const struct kept_id *k)
{
    sqlite3_stmt *s = x->st[PUT_ID];

    if (k->first + k->count - 1 > x->head.meta.v[META_RESERVED]) {
        return wrong(x, "its numbers are beyond reserved");
    }
    x->ids++;
    db_bind_text(s, 1, k->id);
    (void)sqlite3_bind_blob64(s, 2, k->hash.p, k->hash.len, SQLITE_STATIC);
    db_bind_u64(s, 3, k->first);
    db_bind_u64(s, 4, k->count);
    db_bind_u64(s, 5, k->at_ms);
    (void)sqlite3_bind_blob64(s, 6, k->results.p, k->results.len, SQLITE_STATIC);
    return put_row(x, PUT_ID);
}

static int put_read(struct import *x, const struct import_line *l)
{
    sqlite3_stmt *s = x->st[PUT_READ];

    if (l->number > x->head.meta.v[META_RESERVED]) {
        return wrong(x, "the position is beyond reserved");
    }
    x->reads++;
    db_bind_text(s, 1, l->channel);
    db_bind_text(s, 2, l->user);
    db_bind_u64(s, 3, l->number);
    db_bind_u64(s, 4, l->at_ms);
    return put_row(x, PUT_READ);
}

static int put_line(struct import *x)
{
    struct import_line l;
    struct errmsg inner;
    int rc = import_read_line(&x->im, strbuf_str(&x->line), &l, &inner);

    if (rc) {
        return bad_line(x, rc, &inner);
    }
    tool_tell(&x->t, "importing", x->lines, x->total);
    switch (l.kind) {
    case IMPORT_LANE:
        return put_lane(x, &l);
    case IMPORT_MESSAGE:
    case IMPORT_UNACKED:
        return put_message(x, &l);
    case IMPORT_ID:
        return put_id(x, &l.id);
    case IMPORT_READ:
        break;
    }
    return put_read(x, &l);
}

static int count_lines(struct import *x)
{
    const struct import_head *h = &x->head;

    if (x->lanes != h->lanes || x->messages != h->messages || x->unacked != h->unacked ||
        x->ids != h->ids || x->reads != h->reads) {
        return errmsg_set(x->t.why, ERR_INVALID,
                          "%.100s is not complete: it has %llu lines and its head tells of %llu; "
                          "export again",
                          x->in_name, (unsigned long long)x->lines, (unsigned long long)x->total);
    }
    return 0;
}

/* ---- the database ---- */

static int open_in(struct import *x, const char *in)
{
    bool from_stdin = strcmp(in, "-") == 0;
    int fd = from_stdin ? dup(STDIN_FILENO) : open(in, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    x->in_name = from_stdin ? "standard input" : in;
    x->in = fd < 0 ? NULL : fdopen(fd, "r");
    if (!x->in) {
        int rc =
            errmsg_set(x->t.why, ERR_SYSTEM, "cannot read %.150s: %s", x->in_name, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    return 0;
}

static int read_head(struct import *x, bool new_epoch)
{
    struct errmsg inner;
    struct rng rng;
    int rc = next_line(x);

    if (rc == ERR_CLOSED) {
        return errmsg_set(x->t.why, ERR_INVALID, "%.150s is empty", x->in_name);
    }
    if (rc == 0) {
        rc = import_read_head(&x->im, strbuf_str(&x->line), &x->head, &inner);
        if (rc) {
            return bad_line(x, rc, &inner);
        }
    }
    if (rc) {
        return rc;
    }
    const struct import_head *h = &x->head;
    x->total = 1 + h->lanes + h->messages + h->unacked + h->ids + h->reads;
    x->old_epoch = h->meta.epoch;
    if (new_epoch) {
        rc = rng_init(&rng);
        while (rc == 0 && (x->head.meta.epoch == x->old_epoch || x->head.meta.epoch == 0)) {
            x->head.meta.epoch = rng_u64(&rng) >> 24; /* 40 bits, as a gateway's own */
        }
    }
    return rc ? errmsg_set(x->t.why, rc, "no randomness for a new epoch") : 0;
}

/* Neither the file nor a write-ahead log that would be taken for its own. */
static int check_free(const struct import *x, const char *path)
{
    char name[PATH_MAX + 8], shown[PATH_SHOW];
    struct stat st;

    snprintf(name, sizeof name, "%s", path);
    for (unsigned i = 0; i < 2; i++) {
        if (lstat(name, &st) == 0) {
            return errmsg_set(x->t.why, ERR_EXISTS,
                              "%s exists already; an import makes a new store and overwrites "
                              "nothing",
                              path_show(name, shown));
        }
        snprintf(name, sizeof name, "%s-wal", path);
    }
    return 0;
}

static int make_database(struct import *x, const char *path)
{
    int n = snprintf(x->temporary, sizeof x->temporary, "%s.import-%ld", path, (long)getpid());
    int rc;

    if (n < 0 || (size_t)n >= sizeof x->temporary) {
        x->temporary[0] = '\0';
        return errmsg_set(x->t.why, ERR_INVALID, "the path of the store is too long");
    }
    rc = check_free(x, x->temporary);
    if (rc) {
        x->temporary[0] = '\0'; /* not ours */
        return rc;
    }
    rc = db_open(&x->t.db, x->temporary, NULL, DB_RUN, x->t.why);
    if (rc == 0) {
        rc = schema_bring_up(&x->t.db, schema_current(), x->head.meta.epoch, NULL, x->t.why);
    }
    if (rc) {
        return rc;
    }
    int code = db_set_sync(&x->t.db, DB_SYNC_OFF);
    for (unsigned i = 0; i < PUT_COUNT && code == SQLITE_OK; i++) {
        code = db_prepare(&x->t.db, sql[i], &x->st[i]);
    }
    if (code == SQLITE_OK) {
        code = db_exec(&x->t.db, "BEGIN IMMEDIATE");
    }
    return code == SQLITE_OK ? 0 : db_error(&x->t.db, code, "cannot make the store", x->t.why);
}

static int finish_database(struct import *x)
{
    int code = meta_write(&x->t.db, &x->head.meta);

    if (code == SQLITE_OK) {
        code = lost_write(&x->t.db, &x->head.lost);
    }
    if (code == SQLITE_OK) {
        code = db_exec(&x->t.db, "COMMIT");
    }
    if (code == SQLITE_OK) {
        code = db_checkpoint(&x->t.db, true);
    }
    return code == SQLITE_OK ? 0 : db_error(&x->t.db, code, "cannot write the store", x->t.why);
}

static int put_all(struct import *x)
{
    int rc;

    while ((rc = next_line(x)) == 0) {
        rc = put_line(x);
        if (rc) {
            return rc;
        }
    }
    if (rc != ERR_CLOSED) {
        return rc;
    }
    rc = count_lines(x);
    return rc ? rc : finish_database(x);
}

/* From the temporary name to its own, unless that is taken meanwhile. */
static int put_in_place(struct import *x, const char *path)
{
    char shown[PATH_SHOW];
    int rc = renameat2(AT_FDCWD, x->temporary, AT_FDCWD, path, RENAME_NOREPLACE);

    if (rc != 0 && errno == EINVAL) { /* not on this file system */
        rc = link(x->temporary, path);
        if (rc == 0) {
            rc = unlink(x->temporary);
        }
    }
    if (rc != 0) {
        return errmsg_set(x->t.why, errno == EEXIST ? ERR_EXISTS : ERR_SYSTEM,
                          "cannot make the store %s: %s", path_show(path, shown), strerror(errno));
    }
    x->temporary[0] = '\0';
    return 0;
}

static void close_database(struct import *x)
{
    for (unsigned i = 0; i < PUT_COUNT; i++) {
        (void)sqlite3_finalize(x->st[i]);
        x->st[i] = NULL;
    }
    tool_close(&x->t);
}

static void drop_temporary(const struct import *x)
{
    char wal[PATH_MAX + 8];

    if (x->temporary[0]) {
        (void)unlink(x->temporary);
        snprintf(wal, sizeof wal, "%s-wal", x->temporary);
        (void)unlink(wal);
    }
}

static int run(struct import *x, const char *path, const char *in, bool new_epoch)
{
    int rc = json_doc_new(&x->t.doc);

    if (rc == 0) {
        rc = json_doc_new(&x->im.line);
    }
    if (rc) {
        return no_memory(x);
    }
    rc = check_free(x, path);
    if (rc == 0) {
        rc = open_in(x, in);
    }
    if (rc == 0) {
        rc = read_head(x, new_epoch);
    }
    if (rc == 0) {
        rc = make_database(x, path);
    }
    if (rc == 0) {
        rc = put_all(x);
    }
    close_database(x);
    return rc ? rc : put_in_place(x, path);
}

int store_import(const char *path, const char *in, bool new_epoch, store_progress *progress,
                 void *ctx, uint64_t *lines, struct errmsg *why)
{
    struct import *x = calloc(1, sizeof(*x));

    *lines = 0;
    if (!x) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    x->t.progress = progress;
    x->t.ctx = ctx;
    x->t.why = why;
    int rc = run(x, path, in, new_epoch);
    close_database(x);
    drop_temporary(x);
    if (x->in) {
        (void)fclose(x->in);
    }
    if (x->im.line) {
        json_doc_free(x->im.line);
    }
    strbuf_fini(&x->im.blob);
    strbuf_fini(&x->line);
    strbuf_fini(&x->envelope);
    *lines = x->lines;
    free(x);
    return rc;
}
