/* The writer thread: takes what was put, writes it in transactions, gives it
 * back. What comes while one transaction is committed goes into the next one
 * together. */
#include "base/clock.h"
#include "core/router.h"
#include "store/store_private.h"

/* Of one transaction, about. */
#define BATCH_RECORDS 10000
#define BATCH_BYTES (8u << 20)
/* Of the attempt to write again after a failure. */
#define RETRY_RECORDS 256
#define RETRY_BYTES (256u << 10)
/* Pages of the write-ahead log that are moved into the database together. */
#define WAL_PAGES 1024
/* So many, and it counts as a failure that they cannot be moved. */
#define WAL_PAGES_MAX 32768
#define SWEEP_MS 15000
#define SWEEP_MORE_MS 100 /* after a sweep that did not do all */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define COMPLAIN_MS 60000
/* If it fails again so soon after it worked, the pauses go on growing. */
#define FLAP_MS 10000
#define SLEEP_MS 60000
/* Where nobody waits for a commit, what comes within this time shares one. */
#define GATHER_MS 4

static void set_metric(struct store *st, enum metric id, uint64_t v)
{
    atomic_store_explicit(&st->cfg.metrics->v[id], v, memory_order_relaxed);
}

/* ---- giving back ---- */

static void no_longer_waiting(struct store *st, size_t bytes)
{
    struct writer *w = &st->w;

    if (!w->first || bytes > w->bytes) {
        bytes = w->bytes;
    }
    w->bytes -= bytes;
    set_metric(st, METRIC_STORE_WAITING, queue_done(&st->q, bytes));
}

static void give_back_all(struct store *st, int rc)
{
    struct record *first = st->w.first;

    st->w.first = st->w.last = NULL;
    no_longer_waiting(st, 0);
    if (first) {
        router_stored(st->router, first, rc);
    }
}

/* The batch is the beginning of what waits. */
static void give_back(struct store *st, const struct batch *b)
{
    struct writer *w = &st->w;

    if (!b->first) {
        return;
    }
    w->first = b->last->next;
    if (!w->first) {
        w->last = NULL;
    }
    b->last->next = NULL;
    no_longer_waiting(st, b->bytes);
    router_stored(st->router, b->first, 0);
}

/* Is it given back with an error, as whoever it is from waits for it? The rest stays. */
static bool is_waited_for(const struct record *r)
{
    return r->kind == RECORD_MESSAGE || r->kind == RECORD_READ || r->kind == RECORD_BARRIER;
}

static void refuse(struct store *st)
{
    struct writer *w = &st->w;
    struct record *next, *refused = NULL, **end = &refused;
    struct record *kept = NULL, **kept_end = &kept;

    w->last = NULL;
    for (struct record *r = w->first; r; r = next) {
        next = r->next;
        r->next = NULL;
        if (is_waited_for(r)) {
            *end = r;
            end = &r->next;
        } else {
            *kept_end = r;
            kept_end = &r->next;
            w->last = r;
        }
        if (r->kind == RECORD_MESSAGE) {
            w->undo_from = w->undo_from ? w->undo_from : r->seq;
            w->undo_to = r->seq;
            w->refused++;
        }
    }
    w->first = kept;
    if (refused) {
        no_longer_waiting(st, w->bytes);
        router_stored(st->router, refused, ERR_STORE);
    }
}

/* ---- failing and working again ---- */

/* --store-failure=memory. */
static void give_up(struct store *st, const struct errmsg *why)
{
    uint64_t now = clock_real_ms() * 1024;
    uint64_t next = now > st->w.reserved ? now : st->w.reserved + 1;

    log_error(st->cfg.log,
              "the store failed; from now on everything is kept in memory only, until a restart",
              "reason", why->text);
    st->w.gone = true;
    st->w.failing = false;
    router_store_gone(st->router, next); /* first: nothing may be admitted over `reserved` before */
    queue_set_state(&st->q, QUEUE_GONE, why);
    give_back_all(st, 0);
}

static void complain(struct store *st, const struct errmsg *why, uint64_t now)
{
    struct writer *w = &st->w;

    if (!w->failing) {
        log_error(st->cfg.log, "the store failed; publications are refused until it works again",
                  "reason", why->text);
    } else if (now >= w->complain_ms) {
        log_error(st->cfg.log, "the store still fails", "reason", why->text);
    } else {
        return;
    }
    w->complain_ms = now + COMPLAIN_MS;
}

static void fail(struct store *st, int rc)
{
    struct writer *w = &st->w;
    uint64_t now = clock_mono_ms();
    struct errmsg why;

    (void)db_error(&st->db, rc, "cannot write the store", &why);
    metrics_inc(st->cfg.metrics, METRIC_STORE_FAILURES);
    set_metric(st, METRIC_STORE_FAILED, 1);
    if (st->cfg.failure == STORE_FAILURE_MEMORY) {
        give_up(st, &why);
        return;
    }
    complain(st, &why, now);
    queue_set_state(&st->q, QUEUE_FAILS, &why);
    if (!w->failing) {
        w->failing = true;
        w->since_ms = now;
        w->refused = 0;
        if (now >= w->healed_ms + FLAP_MS) {
            w->pause_ms = PAUSE_MIN_MS / 2;
        }
    }
    w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
    w->retry_ms = now + (w->stopping ? PAUSE_MIN_MS : w->pause_ms);
    if (st->waits) {
        refuse(st);
    }
}

static void heal(struct store *st)
{
    struct writer *w = &st->w;
    char ms[NUM_LEN], refused[NUM_LEN];

    w->failing = false;
    w->healed_ms = clock_mono_ms();
    set_metric(st, METRIC_STORE_FAILED, 0);
    queue_set_state(&st->q, QUEUE_WORKS, NULL);
    log_info(st->cfg.log, "the store works again", "failed_ms",
             num_text(ms, w->healed_ms - w->since_ms), "refused", num_text(refused, w->refused));
}

/* ---- transactions ---- */

static enum db_sync sync_of(const struct store *st, uint64_t now)
{
    const struct writer *w = &st->w;

    switch (st->cfg.sync) {
    case SYNC_ALWAYS:
        return DB_SYNC_FULL;
    case SYNC_INTERVAL:
        return now >= w->sync_ms ? DB_SYNC_FULL : DB_SYNC_NORMAL;
    case SYNC_OFF:
        break;
    }
    return DB_SYNC_NORMAL; /* OFF would let a power cut damage the file */
}

/* What is next: the batch, with what is due besides. */
static void plan(struct store *st, struct txn *t, uint64_t wanted, uint64_t now)
{
    struct writer *w = &st->w;
    uint64_t high = wanted > w->seen ? wanted : w->seen;

    t->beat = st->cfg.sync == SYNC_INTERVAL && w->dirty && now >= w->sync_ms;
    t->sync = sync_of(st, now);
    if (t->batch.durable) {
        t->top = t->batch.top > w->top ? t->batch.top : 0;
    }
    if (high + STORE_BLOCK / 2 > w->reserved) {
        t->reserved = high + STORE_BLOCK;
        t->sync = DB_SYNC_FULL;
    }
    if (now >= w->sweep_ms && !w->failing) {
        uint64_t real = clock_real_ms();
        t->expired_at = real;
        t->ids_before = real > st->cfg.id_window_ms ? real - st->cfg.id_window_ms : 0;
    }
}

static void committed(struct store *st, const struct txn *t, unsigned swept, uint64_t now)
{
    struct writer *w = &st->w;
    struct metrics *m = st->cfg.metrics;

    if (t->expired_at) {
        w->sweep_ms = clock_mono_ms() + (swept ? SWEEP_MORE_MS : SWEEP_MS);
    }
    if (!t->batch.durable && !t->reserved && !t->beat && !swept) {
        return; /* nothing was written */
    }
    metrics_inc(m, METRIC_STORE_COMMITS);
    metrics_add(m, METRIC_STORE_WRITTEN, t->batch.messages);
    w->top = t->top ? t->top : w->top;
    if (t->reserved) {
        w->reserved = t->reserved;
        atomic_store(&st->port.reserved, t->reserved);
    }
    if (t->sync == DB_SYNC_FULL) {
        w->dirty = false;
        w->sync_ms = UINT64_MAX;
    } else if (!w->dirty) {
        w->dirty = true;
        w->sync_ms = now + st->cfg.interval_ms;
    }
}

/* Not while publishers wait: after everything is given back. */
static int checkpoint(struct store *st)
{
    struct writer *w = &st->w;

    if (st->db.wal_pages < w->big_wal) {
        return SQLITE_OK;
    }
    int rc = db_checkpoint(&st->db, false);
    if (rc == SQLITE_OK) {
        w->big_wal = WAL_PAGES;
        return rc;
    }
    if (st->db.wal_pages < WAL_PAGES_MAX) { /* no harm yet */
        struct errmsg why;
        (void)db_error(&st->db, rc, "cannot tidy up the write-ahead log of the store", &why);
        log_warn(st->cfg.log, "a checkpoint of the store failed", "reason", why.text);
        metrics_inc(st->cfg.metrics, METRIC_STORE_FAILURES);
        w->big_wal = st->db.wal_pages + WAL_PAGES;
        return SQLITE_OK;
    }
    return rc;
}

static void write_some(struct store *st, uint64_t wanted)
{
    struct writer *w = &st->w;
    uint64_t now = clock_mono_ms();
    struct txn t = {.top = 0};
    unsigned swept = 0;

    batch_cut(&t.batch, w->first, BATCH_RECORDS, BATCH_BYTES);
    plan(st, &t, wanted, now);
    if (txn_is_needed(&t)) {
        int rc = txn_run(&st->db, &st->st, &t, &swept);
        if (rc != SQLITE_OK) {
            fail(st, rc);
            return;
        }
        committed(st, &t, swept, now);
    }
    give_back(st, &t.batch);
    int rc = checkpoint(st);
    if (rc != SQLITE_OK) {
        fail(st, rc);
    }
}

/* A small transaction, and then everything out of the log: what a failed sync
 * left in doubt is written once more. */
static void retry(struct store *st)
{
    struct writer *w = &st->w;
    struct lost_set lost = w->lost;
    struct txn t = {.undo_from = w->undo_from, .undo_to = w->undo_to};

    if (w->undo_from && !st->exact) { /* clients may have seen them */
        lost_add(&lost, w->undo_from - 1, w->undo_to);
        t.lost = &lost;
    }
    batch_cut(&t.batch, w->first, RETRY_RECORDS, RETRY_BYTES);
    plan(st, &t, 0, clock_mono_ms());
    t.sync = DB_SYNC_FULL;
    t.beat = true; /* over what the failed one may have left in the file */
    int rc = txn_run(&st->db, &st->st, &t, NULL);
    if (rc == SQLITE_OK) {
        w->lost = lost;
        w->undo_from = w->undo_to = 0;
        committed(st, &t, 0, clock_mono_ms());
        give_back(st, &t.batch);
        rc = db_checkpoint(&st->db, false);
    }
    if (rc == SQLITE_OK) {
        heal(st);
    } else {
        fail(st, rc);
    }
}

/* ---- the thread ---- */

static uint64_t wake_at(const struct store *st)
{
    const struct writer *w = &st->w;
    uint64_t at = clock_mono_ms() + SLEEP_MS;

    if (w->gone) {
        return at;
    }
    if (w->failing) {
        return w->stopping && w->stop_ms < w->retry_ms ? w->stop_ms : w->retry_ms;
    }
    if (w->first) {
        return 0;
    }
    if (st->cfg.sync == SYNC_INTERVAL && w->dirty && w->sync_ms < at) {
        at = w->sync_ms;
    }
    return w->sweep_ms < at ? w->sweep_ms : at;
}

static void take(struct store *st, const struct queue_turn *turn)
{
    struct writer *w = &st->w;

    if (turn->stopping && !w->stopping) {
        w->retry_ms = 0; /* at once */
    }
    w->stopping = turn->stopping;
    w->stop_ms = turn->stop_ms;
    w->bytes += turn->bytes;
    for (const struct record *r = turn->first; r; r = r->next) {
        if (r->kind == RECORD_MESSAGE && r->seq > w->seen) {
            w->seen = r->seq;
        }
    }
    if (turn->first && w->first) {
        w->last->next = turn->first;
    } else if (turn->first) {
        w->first = turn->first;
    }
    w->last = turn->first ? turn->last : w->last;
}

/* True: it is time to end. */
static bool try_to_end(struct store *st)
{
    struct writer *w = &st->w;

    if (w->gone) {
        return true;
    }
    if (!w->failing && (w->first || !queue_empty(&st->q))) {
        return false; /* what was given back may have brought more */
    }
    if (!w->failing) {
        int rc = store_note_clean(st, w->seen);
        w->clean = rc == SQLITE_OK;
        if (!w->clean) {
            fail(st, rc);
        }
    }
    return w->clean || w->gone || (w->failing && clock_mono_ms() >= w->stop_ms);
}

static void turn(struct store *st, uint64_t wanted)
{
    struct writer *w = &st->w;

    if (w->gone) {
        give_back_all(st, 0);
    } else if (!w->failing) {
        write_some(st, wanted);
    } else {
        if (st->waits) {
            refuse(st);
        }
        if (clock_mono_ms() >= w->retry_ms) {
            retry(st);
        }
    }
}

void *writer_run(void *store)
{
    struct store *st = store;
    struct writer *w = &st->w;
    struct queue_turn t;
    unsigned gather_ms = st->waits ? 0 : GATHER_MS;

    w->big_wal = WAL_PAGES;
    w->sweep_ms = clock_mono_ms() + SWEEP_MS;
    w->sync_ms = UINT64_MAX;
    do {
        queue_take(&st->q, wake_at(st), w->failing ? 0 : gather_ms, w->stopping, &t);
        take(st, &t);
        set_metric(st, METRIC_STORE_WAITING, queue_done(&st->q, 0));
        turn(st, t.wanted);
    } while (!w->stopping || !try_to_end(st));
    do {
        give_back_all(st, w->clean || w->gone ? 0 : ERR_STORE);
        queue_take(&st->q, 0, 0, true, &t);
        take(st, &t);
    } while (t.first);
    return NULL;
}
