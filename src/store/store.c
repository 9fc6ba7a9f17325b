#include "store/store.h"

#include "base/clock.h"
#include "store/store_private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- as the log sees it ---- */

static int port_admit(void *ctx, size_t bytes, uint64_t seq)
{
    struct store *st = ctx;

    return queue_admit(&st->q, bytes, st->cfg.queue_bytes, seq, atomic_load(&st->port.reserved));
}

static void port_put(void *ctx, struct record *first, struct record *last, size_t bytes)
{
    struct store *st = ctx;

    queue_put(&st->q, first, last, bytes);
}

/* ---- life ---- */

static int open_database(struct store *st, struct errmsg *why)
{
    int rc = db_open(&st->db, st->cfg.path, st->cfg.vfs, DB_RUN, why);

    if (rc == 0) {
        rc = store_begin(st, why);
    }
    if (rc == 0) {
        int code = statements_prepare(&st->st, &st->db);
        rc = code == SQLITE_OK ? 0 : db_error(&st->db, code, "cannot open the store", why);
    }
    return rc;
}

int store_open(const struct store_config *cfg, struct store **out, struct errmsg *why)
{
    struct store *st = calloc(1, sizeof(*st));

    if (!st || queue_init(&st->q) != 0) {
        free(st);
        return errmsg_set(why, ERR_NOMEM, "out of memory for the store");
    }
    st->cfg = *cfg;
    st->waits = cfg->sync == SYNC_ALWAYS;
    st->port.ctx = st;
    st->port.waits = st->waits;
    st->port.delayed = st->waits && !cfg->fanout_early;
    /* Gone on in memory, clients see what the store never gets. */
    st->exact = st->port.delayed && cfg->failure == STORE_FAILURE_REFUSE;
    st->port.admit = port_admit;
    st->port.put = port_put;
    int rc = open_database(st, why);
    if (rc) {
        st->stopped = true; /* there is nothing to note */
        store_free(st);
        return rc;
    }
    st->cfg.path = st->db.path;
    *out = st;
    return 0;
}

uint64_t store_epoch(const struct store *st)
{
    return st->meta.epoch;
}

struct core_store *store_port(struct store *st)
{
    return &st->port;
}

int store_start(struct store *st, struct router *r, struct errmsg *why)
{
    sigset_t all, old;

    st->router = r;
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&st->thread, NULL, writer_run, st);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        return errmsg_set(why, ERR_SYSTEM, "cannot start the thread of the store: %s",
                          strerror(rc));
    }
    pthread_setname_np(st->thread, "store");
    st->started = true;
    return 0;
}

bool store_failed(struct store *st, struct errmsg *why)
{
    return queue_failing(&st->q, why);
}

bool store_stop(struct store *st, uint64_t ms)
{
    if (!st || st->stopped) {
        return st && st->w.clean;
    }
    st->stopped = true;
    if (st->started) {
        queue_stop(&st->q, clock_mono_ms() + ms);
        (void)pthread_join(st->thread, NULL);
    } else { /* no number was given out */
        st->w.clean = store_note_clean(st, st->w.seen) == SQLITE_OK;
    }
    statements_fini(&st->st);
    db_close(&st->db);
    return st->w.clean;
}

void store_free(struct store *st)
{
    if (!st) {
        return;
    }
    (void)store_stop(st, 0);
    statements_fini(&st->st);
    db_close(&st->db);
    queue_fini(&st->q);
    free(st);
}
