/* tool.h - what the tools for a store that no gateway uses have in common.
 * Internal to store. */
#ifndef FF_STORE_TOOL_H
#define FF_STORE_TOOL_H

#include "store/db.h"
#include "store/envelope.h"
#include "store/lost.h"
#include "store/schema.h"
#include "store/store.h"

struct tool {
    struct db db;
    struct meta meta;
    struct lost_set lost;
    struct json_doc *doc;
    store_progress *progress; /* NULL: nobody asks */
    void *ctx;
    uint64_t next_ms; /* monotonic: when to tell it again */
    struct errmsg *why;
};

/* Opens the database, which must have this program's schema. On failure nothing
 * is left open. */
int tool_open(struct tool *t, const char *path, enum db_use use, struct errmsg *why) FF_USE_RESULT;
void tool_close(struct tool *t); /* twice is fine */
/* Tells how far it has come, if it is time to. */
void tool_tell(struct tool *t, const char *what, uint64_t done, uint64_t total);
/* The sentence for what SQLite said. */
int tool_error(const struct tool *t, int code);
/* Rows of a table. */
int tool_count(struct tool *t, const char *sql, uint64_t *out) FF_USE_RESULT;
int tool_each(struct tool *t, const char *sql, int (*row)(void *ctx, sqlite3_stmt *s), void *ctx)
    FF_USE_RESULT;
/* Is this the name of a channel, of a user, or of neither (everyone)? */
bool tool_name_ok(uint64_t kind, struct str name);

#endif
