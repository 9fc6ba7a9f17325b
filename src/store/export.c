/* fanfare store export: everything as lines of JSON. docs/delivery.md, "The
 * store", says what stands in them. */
#include "proto/name.h"
#include "store/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct export
{
    struct tool t;
    const char *name;
    FILE *out;
    struct strbuf line;
    uint64_t lanes, messages, unacked, ids, reads;
    uint64_t lines;
};

static const char *const kind_names[] = {
    [TARGET_EVERYONE] = "everyone", [TARGET_CHANNEL] = "channel", [TARGET_USER] = "user"};

static int cannot_write(const struct export *x)
{
    return errmsg_set(x->t.why, ERR_SYSTEM, "cannot write %.150s: %s", x->name, strerror(errno));
}

static int damaged(const struct export *x, const char *what, uint64_t number)
{
    char shown[PATH_SHOW];

    return errmsg_set(x->t.why, ERR_INVALID,
                      "the store %s is damaged: %s %llu makes no sense; ask \"fanfare store "
                      "check\" for more",
                      path_show(x->t.db.path, shown), what, (unsigned long long)number);
}

/* Writes the line that was put together. */
static int put_line(struct export *x)
{
    strbuf_addc(&x->line, '\n');
    if (strbuf_failed(&x->line)) {
        return errmsg_set(x->t.why, ERR_NOMEM, "out of memory");
    }
    if (fwrite(x->line.data, 1, x->line.len, x->out) != x->line.len) {
        return cannot_write(x);
    }
    x->lines++;
    tool_tell(&x->t, "exporting", x->lines,
              1 + x->lanes + x->messages + x->unacked + x->ids + x->reads);
    strbuf_reset(&x->line);
    return 0;
}

/* `,"name":value` */
static void add_number(struct strbuf *sb, const char *name, uint64_t v)
{
    strbuf_addf(sb, ",\"%s\":%llu", name, (unsigned long long)v);
}

static void add_text(struct strbuf *sb, const char *name, struct str v)
{
    strbuf_addf(sb, ",\"%s\":", name);
    json_add_string(sb, v);
}

static int put_head(struct export *x)
{
    struct strbuf *sb = &x->line;
    const struct meta *m = &x->t.meta;
    char epoch[CURSOR_MAX];

    cursor_format_epoch(m->epoch, epoch);
    strbuf_addf(sb, "{\"fanfare\":\"export\",\"schema\":%u,\"epoch\":\"%s\"",
                schema_current()->version, epoch);
    add_number(sb, "top", m->v[META_TOP]);
    add_number(sb, "reserved", m->v[META_RESERVED]);
    add_number(sb, "floor", m->v[META_FLOOR]);
    strbuf_addf(sb, ",\"clean\":%s,\"delayed\":%s,\"lost\":[", m->v[META_CLEAN] ? "true" : "false",
                m->v[META_DELAYED] ? "true" : "false");
    for (unsigned i = 0; i < x->t.lost.n; i++) {
        strbuf_addf(sb, "%s[%llu,%llu]", i ? "," : "", (unsigned long long)x->t.lost.v[i].from,
                    (unsigned long long)x->t.lost.v[i].to);
    }
    strbuf_addc(sb, ']');
    add_number(sb, "lanes", x->lanes);
    add_number(sb, "messages", x->messages);
    add_number(sb, "unacked", x->unacked);
    add_number(sb, "ids", x->ids);
    add_number(sb, "reads", x->reads);
    strbuf_addc(sb, '}');
    return put_line(x);
}

static int lane_row(void *ctx, sqlite3_stmt *s)
{
    struct export *x = ctx;
    uint64_t id = db_u64(s, 0), kind = db_u64(s, 1);

    if (id == 0 || !tool_name_ok(kind, db_text(s, 2))) {
        return damaged(x, "lane", id);
    }
    strbuf_addf(&x->line, "{\"lane\":%llu,\"kind\":\"%s\"", (unsigned long long)id,
                kind_names[kind]);
    if (kind != TARGET_EVERYONE) {
        add_text(&x->line, "name", db_text(s, 2));
    }
    add_number(&x->line, "evicted", db_u64(s, 3));
    add_number(&x->line, "queued", db_u64(s, 4));
    strbuf_addc(&x->line, '}');
    return put_line(x);
}

/* What messages and unacknowledged ones have in common: columns 0 to 5. */
static int put_message(struct export *x, sqlite3_stmt *s, uint64_t kind, const char *what,
                       uint64_t lane)
{
    struct kept_message kept = {kind, db_u64(s, 0), db_text(s, 3), db_text(s, 4), db_text(s, 5)};
    struct frame *f = NULL;
    int rc = envelope_frame(x->t.meta.epoch, &kept, &f);

    frame_unref(f);
    if (rc) {
        return rc == ERR_NOMEM ? errmsg_set(x->t.why, rc, "out of memory")
                               : damaged(x, what, kept.seq);
    }
    strbuf_addf(&x->line, "{\"%s\":%llu", what, (unsigned long long)kept.seq);
    if (lane) {
        add_number(&x->line, "lane", lane);
    }
    add_number(&x->line, "at", db_u64(s, 1));
    add_number(&x->line, "expires", db_u64(s, 2));
    add_text(&x->line, "key", kept.key);
    strbuf_adds(&x->line, ",\"envelope\":");
    strbuf_addstr(&x->line, kept.envelope);
    strbuf_addc(&x->line, '}');
    return put_line(x);
}

static int message_row(void *ctx, sqlite3_stmt *s)
{
    return put_message(ctx, s, db_u64(s, 7), "message", db_u64(s, 6));
}

static int unacked_row(void *ctx, sqlite3_stmt *s)
{
    return put_message(ctx, s, TARGET_USER, "unacked", 0);
}

static int id_row(void *ctx, sqlite3_stmt *s)
{
    struct export *x = ctx;
    struct strbuf *sb = &x->line;
    struct kept_id k = {db_text(s, 0), db_blob(s, 1), db_blob(s, 5),
                        db_u64(s, 2),  db_u64(s, 3),  db_u64(s, 4)};

    if (!kept_id_ok(&k)) {
        return damaged(x, "the id of message", k.first);
    }
    strbuf_adds(sb, "{\"id\":");
    json_add_string(sb, k.id);
    strbuf_adds(sb, ",\"hash\":\"");
    for (size_t i = 0; i < k.hash.len; i++) {
        strbuf_addf(sb, "%02x", (unsigned)(unsigned char)k.hash.p[i]);
    }
    strbuf_addc(sb, '"');
    add_number(sb, "first", k.first);
    add_number(sb, "at", k.at_ms);
    strbuf_adds(sb, ",\"results\":[");
    for (uint64_t i = 0; i < k.count; i++) {
        uint32_t matched, status;
        kept_id_result(&k, i, &matched, &status);
        strbuf_addf(sb, "%s[%u,%u]", i ? "," : "", matched, status);
    }
    strbuf_adds(sb, "]}");
    return put_line(x);
}

static int read_row(void *ctx, sqlite3_stmt *s)
{
    struct export *x = ctx;
    struct str channel = db_text(s, 0), user = db_text(s, 1);
    uint64_t seq = db_u64(s, 2);

    if (seq == 0 || !tool_name_ok(TARGET_CHANNEL, channel) || !tool_name_ok(TARGET_USER, user)) {
        return damaged(x, "the position that was read up to, message", seq);
    }
    strbuf_addf(&x->line, "{\"read\":%llu", (unsigned long long)seq);
    add_text(&x->line, "channel", channel);
    add_text(&x->line, "user", user);
    add_number(&x->line, "at", db_u64(s, 3));
    strbuf_addc(&x->line, '}');
    return put_line(x);
}

/* ---- all of it ---- */

static int count_all(struct export *x)
{
    int rc = tool_count(&x->t, "SELECT count(*) FROM lanes", &x->lanes);

    if (rc == 0) {
        rc = tool_count(&x->t, "SELECT count(*) FROM messages", &x->messages);
    }
    if (rc == 0) {
        rc = tool_count(&x->t, "SELECT count(*) FROM unacked", &x->unacked);
    }
    if (rc == 0) {
        rc = tool_count(&x->t, "SELECT count(*) FROM ids", &x->ids);
    }
    if (rc == 0) {
        rc = tool_count(&x->t, "SELECT count(*) FROM reads", &x->reads);
    }
    return rc;
}

static int put_all(struct export *x)
{
    int rc = count_all(x);

    if (rc == 0) {
        rc = put_head(x);
    }
    if (rc == 0) {
        rc = tool_each(&x->t, "SELECT id, kind, name, evicted, queued FROM lanes ORDER BY id",
                       lane_row, x);
    }
    if (rc == 0) {
        rc = tool_each(&x->t,
                       "SELECT m.seq, m.at, m.expires, m.type, m.key, m.envelope, m.lane,"
                       " ifnull(l.kind, 99) FROM messages m LEFT JOIN lanes l ON l.id = m.lane"
                       " ORDER BY m.seq",
                       message_row, x);
    }
    if (rc == 0) {
        rc = tool_each(&x->t,
                       "SELECT seq, at, expires, type, key, envelope FROM unacked ORDER BY seq",
                       unacked_row, x);
    }
    if (rc == 0) {
        rc = tool_each(&x->t, "SELECT id, hash, first, count, at, results FROM ids ORDER BY id",
                       id_row, x);
    }
    if (rc == 0) {
        rc = tool_each(&x->t, "SELECT channel, user, seq, at FROM reads ORDER BY channel, user",
                       read_row, x);
    }
    return rc;
}

static int open_out(struct export *x, bool to_stdout)
{
    int fd = to_stdout ? dup(STDOUT_FILENO)
                       : open(x->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0 && errno == EEXIST) {
        return errmsg_set(x->t.why, ERR_EXISTS,
                          "%.150s exists already and is not overwritten; name another file",
                          x->name);
    }
    x->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!x->out) {
        int rc = cannot_write(x);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    return 0;
}

static int close_out(struct export *x, int rc, bool to_stdout)
{
    if (rc == 0 && (fflush(x->out) != 0 || (!to_stdout && fsync(fileno(x->out)) != 0))) {
        rc = cannot_write(x);
    }
    if (fclose(x->out) != 0 && rc == 0) {
        rc = cannot_write(x);
    }
    if (rc && !to_stdout) {
        (void)unlink(x->name); /* nobody takes half of it for all */
    }
    return rc;
}

int store_export(const char *path, const char *out, store_progress *progress, void *ctx,
                 uint64_t *lines, struct errmsg *why)
{
    struct export x = {.t = {.progress = progress, .ctx = ctx}, .line = STRBUF_INIT};
    bool to_stdout = strcmp(out, "-") == 0;
    int rc = tool_open(&x.t, path, DB_LOOK, why);

    if (rc) {
        return rc;
    }
    x.name = to_stdout ? "standard output" : out;
    rc = open_out(&x, to_stdout);
    if (rc == 0) {
        rc = close_out(&x, put_all(&x), to_stdout);
    }
    tool_close(&x.t);
    strbuf_fini(&x.line);
    *lines = x.lines;
    return rc;
}
