#include "store/tool.h"

#include "base/clock.h"
#include "proto/name.h"

#define TELL_MS 250

int tool_error(const struct tool *t, int code)
{
    return db_error(&t->db, code, "cannot read the store", t->why);
}

static int read_numbers(struct tool *t)
{
    int code = meta_read(&t->db, &t->meta);

    if (code == SQLITE_OK) {
        code = lost_read(&t->db, &t->lost);
    }
    return code == SQLITE_OK ? 0 : tool_error(t, code);
}

int tool_open(struct tool *t, const char *path, enum db_use use, struct errmsg *why)
{
    store_progress *progress = t->progress;
    void *ctx = t->ctx;

    *t = (struct tool){.progress = progress, .ctx = ctx, .why = why, .next_ms = clock_mono_ms()};
    int rc = json_doc_new(&t->doc);
    if (rc) {
        return errmsg_set(why, rc, "out of memory");
    }
    rc = db_open(&t->db, path, NULL, use, why);
    if (rc == 0) {
        rc = schema_expect(&t->db, schema_current(), why);
    }
    if (rc == 0) {
        rc = read_numbers(t);
    }
    if (rc) {
        tool_close(t);
    }
    return rc;
}

void tool_close(struct tool *t)
{
    db_close(&t->db);
    if (t->doc) {
        json_doc_free(t->doc);
        t->doc = NULL;
    }
}

void tool_tell(struct tool *t, const char *what, uint64_t done, uint64_t total)
{
    if (!t->progress) {
        return;
    }
    uint64_t now = clock_mono_ms();
    if (now >= t->next_ms) {
        t->next_ms = now + TELL_MS;
        t->progress(t->ctx, what, done, total);
    }
}

int tool_count(struct tool *t, const char *sql, uint64_t *out)
{
    int code = db_query_u64(&t->db, sql, 0, out);

    return code == SQLITE_OK ? 0 : tool_error(t, code);
}

int tool_each(struct tool *t, const char *sql, int (*row)(void *ctx, sqlite3_stmt *s), void *ctx)
{
    int rc;
    int code = db_each(&t->db, sql, 0, row, ctx, &rc);

    return code == SQLITE_OK ? rc : tool_error(t, code);
}

bool tool_name_ok(uint64_t kind, struct str name)
{
    switch (kind) {
    case TARGET_EVERYONE:
        return name.len == 0;
    case TARGET_CHANNEL:
        return name_check_channel(name, NULL) == 0;
    case TARGET_USER:
        return name_check_user(name, NULL) == 0;
    default:
        return false;
    }
}
