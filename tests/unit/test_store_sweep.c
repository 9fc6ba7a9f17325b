/* Every single call to the disk fails once, or from then on, all through opening,
 * loading, committing and stopping. Whatever happens: nothing crashes, every
 * record comes back once, what was said to be stored is there when the disk works
 * again, what was refused is not, and no number is used twice. */
#include "support_store.h"
#include "support_store_vfs.h"

enum { OLD = 5, NEW = 4 };

static struct rig g, old;
static const char *const users[NEW] = {"a", "b", "c", "d"};

static void start(void)
{
    rig_init(&g);
    rig_init(&old);
    g.cfg.vfs = shim_register();
    /* A store as a kill leaves it, write-ahead log and all. */
    struct rig made;
    rig_init(&made);
    rig_open(&made);
    rig_lane(&made, 1, TARGET_CHANNEL, "news", 0, 0);
    for (unsigned i = 0; i < OLD; i++) {
        rig_message(&made, 1, "\"old\"");
    }
    cr_assert(rig_settle(&made, 0));
    rig_copy_files(&made, &old);
    rig_fini(&made);
}

static void stop(void)
{
    shim_mend();
    rig_fini(&g);
    rig_fini(&old);
}

TestSuite(store_sweep, .init = start, .fini = stop, .timeout = 600);

static bool all_messages_back(void)
{
    unsigned out = 0;

    pthread_mutex_lock(&g.r.lock);
    for (struct item *i = g.items; i; i = i->next) {
        out += (i->rec.kind == RECORD_MESSAGE || i->rec.kind == RECORD_READ) && i->back == 0;
    }
    pthread_mutex_unlock(&g.r.lock);
    return out == 0;
}

/* Publishes over the fault. False: the store did not open. */
static bool run_broken(bool waits)
{
    int rc = rig_try_open(&g);

    if (rc != 0) {
        cr_assert_neq(g.why.text[0], '\0');
        shim_mend();
        store_free(g.st);
        g.st = NULL;
        return false;
    }
    cr_assert_eq(g.r.messages.n, OLD);
    for (unsigned i = 0; i < NEW; i++) {
        rig_message(&g, 1, "\"new\"");
        rig_read(&g, "news", users[i], OLD, RIG_NOW);
        RIG_UNTIL(all_messages_back() || (!waits && store_failed(g.st, NULL)));
        rig_lane(&g, 2 + i, TARGET_CHANNEL, "other", 0, 0);
    }
    shim_mend();
    RIG_UNTIL(!store_failed(g.st, NULL));
    cr_assert(rig_settle(&g, 0));
    struct item *last = rig_message(&g, 1, "\"last\"");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(last->rc, 0, "it works again");
    return true;
}

/* What was refused may be there all the same. */
static void check_reads(unsigned long n)
{
    for (struct item *i = g.items; i; i = i->next) {
        bool found = false;
        for (unsigned k = 0; k < g.r.reads.n; k++) {
            found |= str_eqz(i->rec.user, g.r.reads.v[k].id) && g.r.reads.v[k].seq == i->rec.seq;
        }
        cr_assert(found || i->rec.kind != RECORD_READ || i->rc != 0, "fault %lu: a read", n);
    }
}

static void check(unsigned long n, bool opened, bool clean)
{
    const char *vfs = g.cfg.vfs;
    uint64_t highest = OLD;
    unsigned stored = OLD;

    for (struct item *i = g.items; i; i = i->next) {
        highest = i->rec.seq > highest ? i->rec.seq : highest;
    }
    g.cfg.vfs = NULL;
    rig_open(&g);
    for (struct item *i = g.items; i; i = i->next) {
        if (i->rec.kind == RECORD_MESSAGE) {
            cr_assert_eq(kept_seq(&g.r.messages, i->rec.seq) != NULL, i->rc == 0,
                         "fault %lu: message %llu was given back with %d", n,
                         (unsigned long long)i->rec.seq, i->rc);
            stored += i->rc == 0;
        }
    }
    cr_assert_eq(g.r.messages.n, stored, "fault %lu", n);
    check_reads(n);
    cr_assert_eq(g.r.lanes.n, opened ? 1 + NEW : 1);
    cr_assert_geq(g.r.log.top, highest);
    cr_assert(!clean || g.r.log.top == highest || !opened);
    cr_assert(rig_stop(&g, 1000));
    g.cfg.vfs = vfs;
    rig_free_items(&g);
}

static void sweep(enum fault_kind kind, bool lasting)
{
    unsigned long n = 0, opened = 0;
    bool waits = g.cfg.sync == SYNC_ALWAYS;

    for (bool failed = true; failed; n++) {
        rig_copy_files(&old, &g);
        shim_break(kind, (long)n, lasting);
        bool open = run_broken(waits);
        failed = atomic_load(&shim.failed) > 0;
        bool clean = open && rig_stop(&g, 5000);
        cr_assert(!open || clean, "fault %lu", n);
        check(n, open, clean);
        opened += open && failed;
        cr_assert_lt(n, 1000);
    }
    if (kind != FAULT_BUSY) { /* locks are taken once, at the beginning */
        cr_assert_gt(opened, 2, "some of it after the store was open");
    }
    cr_assert_gt(n, 2, "there was something to fail");
}

Test(store_sweep, full_once)
{
    sweep(FAULT_FULL, false);
}

Test(store_sweep, full_from_then_on)
{
    sweep(FAULT_FULL, true);
}

Test(store_sweep, short_writes)
{
    sweep(FAULT_SHORT_WRITE, true);
}

Test(store_sweep, input_and_output_once)
{
    sweep(FAULT_IO, false);
}

Test(store_sweep, input_and_output_from_then_on)
{
    sweep(FAULT_IO, true);
}

Test(store_sweep, syncs_once)
{
    sweep(FAULT_SYNC, false);
}

Test(store_sweep, syncs_from_then_on)
{
    sweep(FAULT_SYNC, true);
}

Test(store_sweep, locks)
{
    sweep(FAULT_BUSY, true);
}

Test(store_sweep, interval_once)
{
    g.cfg.sync = SYNC_INTERVAL;
    sweep(FAULT_IO, false);
}

Test(store_sweep, off_from_then_on)
{
    g.cfg.sync = SYNC_OFF;
    sweep(FAULT_SHORT_WRITE, true);
}

/* Only the stop: what fails there is no clean stop, and loses nothing. */
Test(store_sweep, stopping)
{
    bool failed = true;

    for (unsigned long n = 0; failed; n++) {
        rig_copy_files(&old, &g);
        rig_open(&g);
        struct item *i = rig_message(&g, 1, "1");
        cr_assert(rig_settle(&g, 0));
        cr_assert_eq(i->rc, 0);
        shim_break(FAULT_IO, (long)n, true);
        bool clean = rig_stop(&g, 0);
        failed = atomic_load(&shim.failed) > 0;
        shim_mend();
        cr_assert(clean || failed);
        rig_open(&g);
        cr_assert_eq(g.r.messages.n, OLD + 1);
        cr_assert_geq(g.r.log.top, i->rec.seq);
        cr_assert_eq(g.r.log.nlost, 0);
        cr_assert(rig_stop(&g, 1000));
        rig_free_items(&g);
    }
}

/* With --store-failure=memory nothing is ever refused, once it is open. */
Test(store_sweep, memory)
{
    unsigned long n = 0, gone = 0;

    g.cfg.failure = STORE_FAILURE_MEMORY;
    for (bool failed = true; failed; n++) {
        rig_copy_files(&old, &g);
        shim_break(FAULT_IO, (long)n, true);
        int rc = rig_try_open(&g);
        for (unsigned i = 0; rc == 0 && i < NEW; i++) {
            rig_message(&g, 1, "1");
            cr_assert(rig_settle(&g, 0));
        }
        cr_assert_eq(g.r.errors, 0);
        if (rc == 0) {
            gone += g.r.gone;
            cr_assert_eq(rig_stop(&g, 0), !g.r.gone);
        }
        store_free(g.st);
        g.st = NULL;
        failed = atomic_load(&shim.failed) > 0;
        shim_mend();
        rig_free_items(&g);
    }
    cr_assert_gt(gone, 2);
}
