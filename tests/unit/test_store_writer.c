/* The writer thread: what shares a commit, what is synced when, what is refused,
 * what is tidied up. */
#include "store/store_private.h"
#include "support_store.h"
#include "support_store_vfs.h"

static struct rig g, copy;

static void start(void)
{
    rig_init(&g);
    rig_init(&copy);
    g.cfg.vfs = shim_register();
}

static void stop(void)
{
    shim_mend();
    atomic_store(&shim.sync_us, 0);
    rig_fini(&g);
    rig_fini(&copy);
}

TestSuite(store_writer, .init = start, .fini = stop, .timeout = 120);

static void open_with_lane(void)
{
    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    cr_assert(rig_settle(&g, 0));
}

Test(store_writer, what_comes_during_a_commit_shares_the_next)
{
    open_with_lane();
    uint64_t commits = rig_metric(&g, METRIC_STORE_COMMITS);
    atomic_store(&shim.sync_us, 100000);
    rig_message(&g, 1, "1");
    RIG_UNTIL(atomic_load(&shim.syncs) > 0);
    for (unsigned i = 0; i < 300; i++) {
        rig_message(&g, 1, "2");
    }
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
    cr_assert_leq(rig_metric(&g, METRIC_STORE_COMMITS) - commits, 5);
    cr_assert_eq(rig_metric(&g, METRIC_STORE_WRITTEN), 301);
}

Test(store_writer, always_syncs_before_it_gives_back)
{
    open_with_lane();
    for (unsigned i = 0; i < 5; i++) {
        long before = atomic_load(&shim.syncs);
        rig_message(&g, 1, "1");
        cr_assert(rig_settle(&g, 0));
        cr_assert_gt(atomic_load(&shim.syncs), before);
    }
}

Test(store_writer, off_does_not_sync)
{
    g.cfg.sync = SYNC_OFF;
    open_with_lane();
    long before = atomic_load(&shim.syncs);
    for (unsigned i = 0; i < 20; i++) {
        rig_message(&g, 1, "1");
        cr_assert(rig_settle(&g, 0));
    }
    cr_assert_eq(atomic_load(&shim.syncs), before);
    cr_assert(rig_stop(&g, 1000));
    cr_assert_gt(atomic_load(&shim.syncs), before, "but at the stop");
}

Test(store_writer, interval_syncs_now_and_then)
{
    g.cfg.sync = SYNC_INTERVAL;
    g.cfg.interval_ms = 3600000;
    open_with_lane();
    long before = atomic_load(&shim.syncs);
    for (unsigned i = 0; i < 20; i++) {
        rig_message(&g, 1, "1");
        cr_assert(rig_settle(&g, 0));
    }
    cr_assert_eq(atomic_load(&shim.syncs), before);
    cr_assert(rig_stop(&g, 1000));
    g.cfg.interval_ms = 20;
    rig_open(&g);
    before = atomic_load(&shim.syncs);
    rig_message(&g, 1, "1");
    cr_assert(rig_settle(&g, 0));
    RIG_UNTIL(atomic_load(&shim.syncs) > before); /* though nothing else comes */
    uint64_t commits = rig_metric(&g, METRIC_STORE_COMMITS);
    usleep(100000); /* with nothing new, nothing is to be synced */
    cr_assert_leq(rig_metric(&g, METRIC_STORE_COMMITS), commits + 1);
}

Test(store_writer, barriers_and_ephemeral_messages_wait_their_turn)
{
    open_with_lane();
    atomic_store(&shim.sync_us, 20000);
    for (unsigned i = 0; i < 50; i++) {
        rig_message(&g, 1, "1");
        rig_put(&g, rig_item(&g, RECORD_BARRIER));
        struct item *e = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
        e->rec.ephemeral = true;
        rig_put(&g, e);
    }
    cr_assert(rig_settle(&g, 0)); /* the rig looks at the order */
    cr_assert_eq(g.r.errors, 0);
    atomic_store(&shim.sync_us, 0);
    long syncs = atomic_load(&shim.syncs);
    rig_put(&g, rig_item(&g, RECORD_BARRIER));
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(atomic_load(&shim.syncs), syncs, "there was nothing to write");
}

Test(store_writer, admits_until_too_much_waits)
{
    g.cfg.queue_bytes = 10000;
    open_with_lane();
    uint64_t next = g.seq + 1;
    cr_assert_eq(rig_admit(&g, 1 << 30, next), 0, "alone anything may pass");
    atomic_store(&shim.sync_us, 200000);
    rig_message(&g, 1, "1");
    RIG_UNTIL(rig_metric(&g, METRIC_STORE_WAITING) > 0 || g.r.out == 0);
    cr_assert_eq(rig_admit(&g, 5000, next), 0);
    cr_assert_eq(rig_admit(&g, 10000, next), ERR_BUSY);
    cr_assert_eq(rig_admit(&g, 1 << 30, next), ERR_BUSY);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(rig_admit(&g, 10000, next), 0);
}

Test(store_writer, chains_count_as_a_whole)
{
    struct item *v[30];

    open_with_lane();
    for (unsigned i = 0; i < 30; i++) {
        v[i] = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
        if (i > 0) {
            v[i - 1]->rec.next = &v[i]->rec;
        }
    }
    v[29]->rec.next = &v[0]->rec; /* what stands there is not looked at */
    rig_put_chain(&g, v[0], v[29], 30, 12345);
    cr_assert(rig_settle(&g, 0));
    RIG_UNTIL(rig_metric(&g, METRIC_STORE_WAITING) == 0);
    cr_assert(rig_stop(&g, 100));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 30);
}

Test(store_writer, numbers_are_reserved_in_time)
{
    open_with_lane();
    uint64_t reserved = store_port(g.st)->reserved;
    cr_assert_eq(reserved, STORE_BLOCK);
    cr_assert_eq(rig_admit(&g, 10, reserved), 0);
    cr_assert_eq(rig_admit(&g, 10, reserved + 1), ERR_BUSY);
    RIG_UNTIL(store_port(g.st)->reserved > reserved);
    cr_assert_eq(rig_admit(&g, 10, reserved + 1), 0, "it was asked for");
    /* With half a block left more is reserved without being asked. */
    reserved = store_port(g.st)->reserved;
    g.seq = reserved - STORE_BLOCK / 2;
    struct item *i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
    i->rec.ephemeral = true;
    rig_put(&g, i);
    RIG_UNTIL(store_port(g.st)->reserved > reserved);
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    cr_assert_eq(copy.r.log.top, store_port(g.st)->reserved);
    cr_assert_gt(copy.r.log.top, i->rec.seq);
}

/* A publication whose id is known must be there whole or not at all. */
Test(store_writer, publications_are_not_cut_in_two)
{
    static struct item items[40];
    struct once *o = once_new(STR_LIT("x"), (const uint8_t *)"0123456789abcdef", 20);
    struct envelope e = {.kind = TARGET_EVERYONE,
                         .type = STR_LIT("t"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
                         .data = STR_LIT("1"),
                         .epoch = 1};
    struct frame *f;
    struct batch b;

    cr_assert_eq(frame_new(&e, 1, &f), 0);
    for (unsigned i = 0; i < 40; i++) {
        items[i].rec = (struct record){
            .kind = RECORD_MESSAGE, .seq = i + 1, .frame = f, .once = i == 10 ? o : NULL};
        items[i].rec.next = i < 39 ? &items[i + 1].rec : NULL;
    }
    batch_cut(&b, &items[0].rec, 5, 1 << 20);
    cr_assert_eq(b.top, 5);
    cr_assert_eq(b.messages, 5);
    batch_cut(&b, &items[0].rec, 12, 1 << 20);
    cr_assert_eq(b.top, 30);
    batch_cut(&b, &items[0].rec, 100, frame_size(f) * 11);
    cr_assert_eq(b.top, 30);
    batch_cut(&b, &items[0].rec, 11, 1 << 20);
    cr_assert_eq(b.top, 30);
    batch_cut(&b, &items[0].rec, 10, 1 << 20);
    cr_assert_eq(b.top, 10);
    batch_cut(&b, &items[0].rec, 100, 1 << 20);
    cr_assert_eq(b.top, 40);
    batch_cut(&b, NULL, 100, 1 << 20);
    cr_assert_null(b.first);
    cr_assert_not(b.durable);
    frame_unref(f);
    once_unref(o);
}

Test(store_writer, more_than_one_batch)
{
    struct item *first = NULL, *last = NULL;

    g.cfg.queue_bytes = 1 << 30;
    open_with_lane();
    for (unsigned i = 0; i < 25000; i++) {
        struct item *m = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
        if (last) {
            last->rec.next = &m->rec;
        } else {
            first = m;
        }
        last = m;
    }
    uint64_t commits = rig_metric(&g, METRIC_STORE_COMMITS);
    rig_put_chain(&g, first, last, 25000, 1 << 20);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
    cr_assert_geq(rig_metric(&g, METRIC_STORE_COMMITS) - commits, 3);
    cr_assert(rig_stop(&g, 10000));
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM messages"), 25000);
}

static long size_of(const char *path, const char *suffix)
{
    char name[160];
    struct stat st;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &st) == 0 ? (long)st.st_size : -1;
}

Test(store_writer, the_write_ahead_log_stays_small)
{
    char data[4000];

    g.cfg.sync = SYNC_OFF;
    memset(data, '7', sizeof data);
    data[sizeof data - 1] = '\0';
    open_with_lane();
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned j = 0; j < 250; j++) {
            rig_message(&g, 1, data);
        }
        cr_assert(rig_settle(&g, 0));
        rig_free_items(&g);
    }
    cr_assert_eq(g.r.errors, 0);
    cr_assert_gt(size_of(g.path, ""), 10000 * 4000 / 2);
    cr_assert_lt(size_of(g.path, "-wal"), 16 << 20);
    cr_assert(rig_stop(&g, 1000));
    cr_assert_eq(size_of(g.path, "-wal"), -1);
}

Test(store_writer, old_rows_are_deleted)
{
    struct txn t = {.sync = DB_SYNC_OFF, .ids_before = 5000, .expired_at = 2000};
    struct statements st = {0};
    struct db db;
    unsigned swept = 0;

    open_with_lane();
    cr_assert(rig_stop(&g, 1000));
    rig_sql(&g, "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
                "INSERT INTO ids SELECT i, x'00', i, 1, i, x'00' FROM n;"
                "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
                "INSERT INTO messages SELECT i, 1, 1, i % 3 * 1000, 't', '', '{}' FROM n");
    cr_assert_eq(db_open(&db, g.path, NULL, DB_EDIT, &g.why), 0);
    cr_assert_eq(statements_prepare(&st, &db), SQLITE_OK);
    cr_assert_eq(txn_run(&db, &st, &t, &swept), SQLITE_OK);
    cr_assert_eq(swept, 4999 + 2000);
    t.ids_before = 9000;
    t.expired_at = 0;
    cr_assert_eq(txn_run(&db, &st, &t, &swept), SQLITE_OK);
    cr_assert_eq(swept, 1001);
    statements_fini(&st);
    db_close(&db);
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM messages WHERE expires = 0"), 1000);
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM messages"), 1000);
}

Test(store_writer, a_stop_writes_what_waits)
{
    open_with_lane();
    atomic_store(&shim.sync_us, 50000);
    for (unsigned i = 0; i < 100; i++) {
        rig_message(&g, 1, "1");
    }
    cr_assert(rig_stop(&g, 0), "the time is for failures only");
    cr_assert_eq(g.r.errors, 0);
    atomic_store(&shim.sync_us, 0);
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 100);
    cr_assert_eq(g.r.log.top, 100);
}

/* What the log puts when it gets something back belongs to the stop too. */
Test(store_writer, a_stop_writes_what_comes_back_brings)
{
    for (unsigned i = 0; i < 3; i++) {
        g.cfg.sync = i == 0 ? SYNC_ALWAYS : i == 1 ? SYNC_INTERVAL : SYNC_OFF;
        open_with_lane();
        struct item *m = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
        m->follow = rig_new_lane(&g, 1, TARGET_CHANNEL, "news", m->rec.seq - 1, 0);
        m->port = store_port(g.st);
        rig_put(&g, m);
        cr_assert(rig_stop(&g, 1000));
        cr_assert_eq(m->follow->back, 1);
        rig_open(&g);
        cr_assert_eq(g.r.lanes.v[0].evicted, m->rec.seq - 1);
        cr_assert_eq(g.r.messages.n, 1);
        cr_assert(rig_stop(&g, 1000));
    }
    open_with_lane();
    shim_break(FAULT_FULL, 0, true);
    struct item *m = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
    m->follow = rig_new_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    m->port = store_port(g.st);
    rig_put(&g, m);
    cr_assert_not(rig_stop(&g, 100), "also if it fails");
    cr_assert_eq(m->follow->back, 1);
}

Test(store_writer, where_nobody_waits_many_share_a_commit)
{
    g.cfg.sync = SYNC_OFF;
    open_with_lane();
    uint64_t commits = rig_metric(&g, METRIC_STORE_COMMITS), began = clock_mono_ms();
    for (unsigned i = 0; i < 2000; i++) {
        rig_message(&g, 1, "1");
    }
    cr_assert(rig_settle(&g, 0));
    uint64_t took = clock_mono_ms() - began;
    cr_assert_leq(rig_metric(&g, METRIC_STORE_COMMITS) - commits, 2 + took / 4);
}
