/* fanfare store compact: unused room goes back to the file system. */
#include "store/tool.h"

struct compaction {
    struct tool t;
    const char *path;
    uint64_t before;
};

/* What is kept is written into the write-ahead log first, which so shows how far
 * it has come. */
static int tell(void *ctx)
{
    struct compaction *c = ctx;
    uint64_t bytes = db_bytes(c->path);

    tool_tell(&c->t, "compacting", bytes > c->before ? bytes - c->before : 0, 0);
    return 0;
}

static int compact(struct compaction *c)
{
    int code = db_checkpoint(&c->t.db, true);

    if (code == SQLITE_OK) {
        c->before = db_bytes(c->path);
        sqlite3_progress_handler(c->t.db.h, 10000, tell, c);
        code = db_exec(&c->t.db, "VACUUM");
        sqlite3_progress_handler(c->t.db.h, 0, NULL, NULL);
    }
    if (code == SQLITE_OK) {
        code = db_checkpoint(&c->t.db, true);
    }
    return code == SQLITE_OK ? 0 : db_error(&c->t.db, code, "cannot compact the store", c->t.why);
}

int store_compact(const char *path, store_progress *progress, void *ctx, uint64_t *before,
                  uint64_t *after, struct errmsg *why)
{
    struct compaction c = {.t = {.progress = progress, .ctx = ctx}, .path = path};

    *before = db_bytes(path);
    int rc = tool_open(&c.t, path, DB_EDIT, why);
    if (rc == 0) {
        rc = compact(&c);
        tool_close(&c.t);
    }
    *after = db_bytes(path);
    return rc;
}
