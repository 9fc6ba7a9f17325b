/* The public face of the tools in src/store. */
#include <fanfare/fanfare.h>

#include "proto/cursor.h"
#include "store/store.h"

#include <string.h>

/* The caller's function behind the store's. */
struct teller {
    fanfare_store_progress *progress;
    void *user;
};

static void tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const struct teller *t = ctx;

    t->progress(what, done, total, t->user);
}

static struct errmsg *why_of(struct fanfare_why *why)
{
    return (struct errmsg *)(void *)why;
}

/* Copies as much as the caller knows of. */
static void copy_report(const struct store_report *r, struct fanfare_store_report *out)
{
    struct fanfare_store_report full = {.size = sizeof full,
                                        .top = r->top,
                                        .messages = r->messages,
                                        .lanes = r->lanes,
                                        .unacked = r->unacked,
                                        .ids = r->ids,
                                        .lost_ranges = r->lost_ranges,
                                        .bytes = r->bytes,
                                        .schema = r->schema,
                                        .clean = r->clean,
                                        .reads = r->reads};
    char epoch[CURSOR_MAX];
    size_t size = out->size < sizeof full ? out->size : sizeof full;

    (void)cursor_format_epoch(r->epoch, epoch);
    memcpy(full.epoch, epoch, sizeof full.epoch);
    memcpy(out, &full, size);
    out->size = size;
}

int fanfare_store_check(const char *path, fanfare_store_progress *progress, void *user,
                        struct fanfare_store_report *out, struct fanfare_why *why)
{
    struct teller t = {progress, user};
    struct store_report report = {0};

    if (out->size < sizeof out->size) {
        return errmsg_set(why_of(why), FANFARE_ERR_INVALID, "the report has no size");
    }
    int rc = store_check(path, progress ? tell : NULL, &t, &report, why_of(why));
    copy_report(&report, out);
    return rc;
}

int fanfare_store_compact(const char *path, fanfare_store_progress *progress, void *user,
                          uint64_t *before, uint64_t *after, struct fanfare_why *why)
{
    struct teller t = {progress, user};

    return store_compact(path, progress ? tell : NULL, &t, before, after, why_of(why));
}

int fanfare_store_export(const char *path, const char *out, fanfare_store_progress *progress,
                         void *user, uint64_t *lines, struct fanfare_why *why)
{
    struct teller t = {progress, user};

    return store_export(path, out, progress ? tell : NULL, &t, lines, why_of(why));
}

int fanfare_store_import(const char *path, const char *in, int new_epoch,
                         fanfare_store_progress *progress, void *user, uint64_t *lines,
                         struct fanfare_why *why)
{
    struct teller t = {progress, user};

    return store_import(path, in, new_epoch != 0, progress ? tell : NULL, &t, lines, why_of(why));
}
