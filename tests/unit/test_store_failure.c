/* The disk fails while the store runs: who is told, what is kept, how it goes on. */
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

TestSuite(store_failure, .init = start, .fini = stop, .timeout = 120);

static void open_with_lane(void)
{
    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    rig_message(&g, 1, "1");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
}

static bool works(void)
{
    return !store_failed(g.st, NULL);
}

Test(store_failure, publishers_are_told_until_it_works_again)
{
    struct errmsg why;

    open_with_lane();
    shim_break(FAULT_FULL, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    struct item *b = rig_put(&g, rig_item(&g, RECORD_BARRIER));
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, ERR_STORE);
    cr_assert_eq(b->rc, ERR_STORE);
    cr_assert(store_failed(g.st, &why));
    cr_assert_not_null(strstr(why.text, "the disk is full"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, "make room"), "%s", why.text);
    cr_assert_eq(rig_admit(&g, 10, g.seq + 1), ERR_STORE);
    cr_assert_eq(rig_metric(&g, METRIC_STORE_FAILED), 1);
    /* What comes all the same does not wait for ever. */
    struct item *c = rig_message(&g, 1, "3");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(c->rc, ERR_STORE);
    /* Changes of a lane are kept: nobody waits for them. */
    struct item *l = rig_lane(&g, 1, TARGET_CHANNEL, "news", 1, 0);
    RIG_UNTIL(rig_metric(&g, METRIC_STORE_FAILURES) >= 3); /* it goes on trying */
    cr_assert_eq(l->back, 0);
    shim_mend();
    RIG_UNTIL(works());
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(l->rc, 0);
    cr_assert_eq(rig_metric(&g, METRIC_STORE_FAILED), 0);
    cr_assert_eq(rig_admit(&g, 10, g.seq + 1), 0);
    struct item *d = rig_message(&g, 1, "4");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(d->rc, 0);
    cr_assert(rig_log_has(&g, "the store failed; publications are refused"));
    cr_assert(rig_log_has(&g, "the store works again"));
    cr_assert_not(rig_log_has(&g, "the store still fails"), "not each time it tries");
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 1, "the first was evicted, two refused");
    cr_assert_not_null(kept_seq(&g.r.messages, d->rec.seq));
    cr_assert_eq(g.r.log.top, d->rec.seq);
    cr_assert_eq(g.r.log.nlost, 0);
}

/* The commit reached the disk, only its sync failed: what was refused must not
 * come back. */
Test(store_failure, a_commit_in_doubt_is_undone)
{
    open_with_lane();
    shim_break(FAULT_SYNC, 0, false);
    struct item *a = rig_new_message(&g, TARGET_USER, "u", 2, "2");
    a->rec.ack = true;
    a->rec.once = once_new(STR_LIT("x"), (const uint8_t *)"0123456789abcdef", 1);
    a->rec.once->first = a->rec.seq;
    a->rec.once->at_ms = RIG_NOW;
    rig_put(&g, a);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, ERR_STORE);
    RIG_UNTIL(works());
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    cr_assert_eq(copy.r.messages.n, 1);
    cr_assert_eq(copy.r.unacked.n, 0);
    cr_assert_eq(copy.r.ids.n, 0);
    cr_assert_eq(copy.r.log.nlost, 0, "nobody saw it");
}

Test(store_failure, seen_before_the_commit_and_refused)
{
    g.cfg.fanout_early = true;
    open_with_lane();
    shim_break(FAULT_FULL, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    struct item *b = rig_message(&g, 1, "3");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, ERR_STORE);
    cr_assert_eq(b->rc, ERR_STORE);
    shim_mend();
    RIG_UNTIL(works());
    rig_message(&g, 1, "4");
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 2);
    cr_assert_eq(g.r.log.nlost, 1, "clients saw them, the next run cannot replay them");
    cr_assert_eq(g.r.log.lost[0].from, 1);
    cr_assert_eq(g.r.log.lost[0].to, 3);
}

static void keeps_and_writes_later(enum store_sync sync)
{
    g.cfg.sync = sync;
    open_with_lane();
    shim_break(FAULT_IO, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    RIG_UNTIL(!works());
    struct item *b = rig_message(&g, 1, "3");
    cr_assert_eq(rig_admit(&g, 10, g.seq + 1), ERR_STORE);
    RIG_UNTIL(rig_metric(&g, METRIC_STORE_FAILURES) >= 2);
    cr_assert_eq(a->back + b->back, 0);
    shim_mend();
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, 0);
    cr_assert_eq(b->rc, 0);
    RIG_UNTIL(works());
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 3);
    cr_assert_eq(g.r.log.nlost, 0);
}

Test(store_failure, without_waiting_nothing_is_given_up_off)
{
    keeps_and_writes_later(SYNC_OFF);
}

Test(store_failure, without_waiting_nothing_is_given_up_interval)
{
    keeps_and_writes_later(SYNC_INTERVAL);
}

/* Only the sync that comes with the interval fails. */
Test(store_failure, the_sync_of_an_interval_fails)
{
    g.cfg.sync = SYNC_INTERVAL;
    g.cfg.interval_ms = 20;
    open_with_lane();
    shim_break(FAULT_SYNC, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    RIG_UNTIL(!works());
    shim_mend();
    RIG_UNTIL(works());
    cr_assert_eq(a->rc, 0);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 2);
}

static void goes_on_in_memory(enum store_sync sync)
{
    g.cfg.failure = STORE_FAILURE_MEMORY;
    g.cfg.sync = sync;
    open_with_lane();
    uint64_t reserved = store_port(g.st)->reserved;
    uint64_t now = clock_real_ms();
    shim_break(FAULT_FULL, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, 0);
    cr_assert(g.r.gone);
    cr_assert_gt(g.r.gone_next, reserved);
    cr_assert_geq(g.r.gone_next, now * 1024);
    cr_assert(store_failed(g.st, &g.why));
    cr_assert_not_null(strstr(g.why.text, "the disk is full"));
    cr_assert_eq(rig_metric(&g, METRIC_STORE_FAILED), 1, "but it can be seen");
    shim_mend();
    g.seq = g.r.gone_next;
    cr_assert_eq(rig_admit(&g, 10, g.seq), 0);
    for (unsigned i = 0; i < 10; i++) {
        rig_message(&g, 1, "3");
        rig_put(&g, rig_item(&g, RECORD_BARRIER));
        rig_lane(&g, 1, TARGET_CHANNEL, "news", 1, 0);
    }
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
    cr_assert(rig_log_has(&g, "kept in memory only"));
    cr_assert_not(rig_stop(&g, 1000), "that is no clean stop");
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 1);
    cr_assert_eq(g.r.log.top, reserved);
    cr_assert_eq(g.r.log.nlost, 1);
    cr_assert_eq(g.r.log.lost[0].from, 1);
    cr_assert_eq(g.r.log.lost[0].to, reserved);
}

Test(store_failure, memory_always)
{
    goes_on_in_memory(SYNC_ALWAYS);
}

Test(store_failure, memory_interval)
{
    goes_on_in_memory(SYNC_INTERVAL);
}

Test(store_failure, a_stop_while_it_fails)
{
    for (unsigned i = 0; i < 2; i++) {
        g.cfg.sync = i == 0 ? SYNC_ALWAYS : SYNC_OFF;
        open_with_lane();
        uint64_t reserved = store_port(g.st)->reserved, top = g.seq;
        shim_break(FAULT_FULL, 0, true);
        struct item *a = rig_message(&g, 1, "2");
        struct item *l = rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
        uint64_t before = clock_mono_ms();
        cr_assert_not(rig_stop(&g, 300));
        cr_assert_lt(clock_mono_ms() - before, 3000);
        cr_assert_geq(clock_mono_ms() - before, 250);
        cr_assert_eq(a->rc, ERR_STORE);
        cr_assert_eq(l->rc, ERR_STORE);
        shim_mend();
        rig_open(&g);
        cr_assert_eq(g.r.log.top, reserved);
        cr_assert_eq(g.r.log.nlost, i);
        if (i == 1) {
            cr_assert_eq(g.r.log.lost[0].from, top);
        }
        cr_assert(rig_stop(&g, 300));
    }
}

Test(store_failure, a_stop_waits_for_a_disk_that_comes_back)
{
    g.cfg.sync = SYNC_OFF;
    open_with_lane();
    shim_break(FAULT_FULL, 0, true);
    struct item *a = rig_message(&g, 1, "2");
    RIG_UNTIL(!works());
    shim_mend();
    cr_assert(rig_stop(&g, 10000));
    cr_assert_eq(a->rc, 0);
}

/* A disk with a little room: each new attempt works, each new message does not. */
Test(store_failure, a_disk_that_goes_back_and_forth_is_not_tried_all_the_time)
{
    open_with_lane();
    for (unsigned i = 0; i < 4; i++) {
        shim_break(FAULT_FULL, 0, false);
        rig_message(&g, 1, "2");
        cr_assert(rig_settle(&g, 0));
        RIG_UNTIL(works());
    }
    cr_assert_leq(rig_metric(&g, METRIC_STORE_FAILURES), 8);
    uint64_t before = clock_mono_ms();
    shim_break(FAULT_FULL, 0, false);
    rig_message(&g, 1, "2");
    cr_assert(rig_settle(&g, 0));
    RIG_UNTIL(works());
    cr_assert_geq(clock_mono_ms() - before, 1000, "the pauses have grown");
}

/* Nothing is lost or told twice when many publish while it fails now and then. */
static atomic_uint published;

static void *publish(void *arg)
{
    struct rig *r = arg;

    for (unsigned i = 0; i < 400; i++) {
        pthread_mutex_lock(&copy.r.lock); /* (some lock: the log's) */
        if (rig_admit(r, 300, r->seq + 1) == 0) {
            rig_message(r, 1, "5");
            atomic_fetch_add(&published, 1);
        }
        pthread_mutex_unlock(&copy.r.lock);
        usleep(200);
    }
    return NULL;
}

Test(store_failure, many_publishers_and_a_bad_disk)
{
    pthread_t threads[4];

    open_with_lane();
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, publish, &g), 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        shim_break(i % 2 ? FAULT_SHORT_WRITE : FAULT_SYNC, 3, i % 3 == 0);
        usleep(20000);
        shim_mend();
        usleep(20000);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert(rig_settle(&g, 0));
    RIG_UNTIL(works());
    cr_assert(rig_stop(&g, 5000));
    unsigned stored = 0, n = 0;
    for (struct item *i = g.items; i; i = i->next) {
        if (i->rec.kind == RECORD_MESSAGE) {
            n++;
            stored += i->rc == 0;
        }
    }
    cr_assert_eq(n, 1 + atomic_load(&published));
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM messages"), stored);
    for (struct item *i = g.items; i; i = i->next) {
        char sql[80];
        if (i->rec.kind == RECORD_MESSAGE && (i->rc != 0 || i->rec.seq % 50 == 0)) {
            snprintf(sql, sizeof sql, "SELECT count(*) FROM messages WHERE seq = %llu",
                     (unsigned long long)i->rec.seq);
            cr_assert_eq(rig_query(&g, sql), i->rc == 0);
        }
    }
}
