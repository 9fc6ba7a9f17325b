/* How far users have read: in the store and out again, when it is killed and when it fails. */
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
    rig_fini(&g);
    rig_fini(&copy);
}

TestSuite(store_reads, .init = start, .fini = stop, .timeout = 60);

static void expect_reads(const struct rig *r, const char *text)
{
    char got[500] = "";
    size_t len = 0;

    for (unsigned i = 0; i < r->r.reads.n; i++) {
        const struct kept_row *row = &r->r.reads.v[i];
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s/%s %llu@%llu", i ? " " : "",
                                row->name, row->id, (unsigned long long)row->seq,
                                (unsigned long long)row->at_ms);
    }
    cr_assert_str_eq(got, text);
}

/* Five messages; users have read some of them. */
static void fill(void)
{
    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        rig_message(&g, 1, "1");
    }
    rig_read(&g, "news", "zoe", 3, 100);
    rig_read(&g, "news", "J\xc3\xb6rg \"x\"", 2, 300);
    rig_read(&g, "else", "ann", 5, 200);
    rig_read(&g, "news", "zoe", 4, 400);
    rig_read(&g, "news", "gone", 5, 500);
    rig_unread(&g, "news", "gone");
    rig_unread(&g, "news", "never");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
}

#define FILLED "else/ann 5@200 news/J\xc3\xb6rg \"x\" 2@300 news/zoe 4@400"

/* In the order in which they moved. */
Test(store_reads, after_a_clean_stop)
{
    fill();
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    expect_reads(&g, FILLED);
    rig_read(&g, "news", "zoe", 1, 150); /* it writes what it is told */
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    expect_reads(&g, "news/zoe 1@150 else/ann 5@200 news/J\xc3\xb6rg \"x\" 2@300");
}

static void killed(enum store_sync sync)
{
    g.cfg.sync = sync;
    fill();
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    expect_reads(&copy, FILLED);
    cr_assert_geq(copy.r.log.top, 5);
}

Test(store_reads, after_a_kill_always)
{
    killed(SYNC_ALWAYS);
}

Test(store_reads, after_a_kill_interval)
{
    killed(SYNC_INTERVAL);
}

/* What was read is a message that is kept nowhere: its number was given out all the same. */
Test(store_reads, of_an_ephemeral_message)
{
    struct item *i;

    rig_open(&g);
    i = rig_new_message(&g, TARGET_CHANNEL, "news", 0, "1");
    i->rec.ephemeral = true;
    rig_put(&g, i);
    cr_assert(rig_settle(&g, 0));
    rig_read(&g, "news", "ann", i->rec.seq, 1);
    cr_assert(rig_settle(&g, 0));
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    expect_reads(&copy, "news/ann 1@1");
    cr_assert_geq(copy.r.log.top, 1);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    expect_reads(&g, "news/ann 1@1");
    cr_assert_eq(g.r.log.top, 1);
}

/* Whoever waits for it is told; deletions wait on. */
Test(store_reads, a_failing_disk)
{
    struct item *a, *b, *c, *d;

    fill();
    shim_break(FAULT_FULL, 0, true);
    a = rig_read(&g, "news", "zoe", 5, 600);
    b = rig_unread(&g, "else", "ann");
    c = rig_put(&g, rig_item(&g, RECORD_BARRIER));
    RIG_UNTIL(a->back && c->back);
    cr_assert_eq(a->rc, ERR_STORE);
    cr_assert_eq(c->rc, ERR_STORE);
    cr_assert_eq(b->back, 0);
    shim_mend();
    RIG_UNTIL(!store_failed(g.st, NULL));
    d = rig_read(&g, "news", "zoe", 5, 700);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(b->rc, 0);
    cr_assert_eq(d->rc, 0);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    expect_reads(&g, "news/J\xc3\xb6rg \"x\" 2@300 news/zoe 5@700");
}

/* Nobody waits: it is written when it works again. */
Test(store_reads, a_failing_disk_interval)
{
    struct item *a;

    g.cfg.sync = SYNC_INTERVAL;
    fill();
    shim_break(FAULT_FULL, 0, true);
    a = rig_read(&g, "news", "zoe", 5, 600);
    RIG_UNTIL(store_failed(g.st, NULL));
    cr_assert_eq(a->back, 0);
    shim_mend();
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, 0);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    expect_reads(&g, "else/ann 5@200 news/J\xc3\xb6rg \"x\" 2@300 news/zoe 5@600");
}

/* --store-failure=memory. */
Test(store_reads, a_store_that_is_gone)
{
    struct item *a;

    g.cfg.failure = STORE_FAILURE_MEMORY;
    fill();
    shim_break(FAULT_FULL, 0, true);
    a = rig_read(&g, "news", "zoe", 5, 600);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(a->rc, 0, "as if there were none");
    shim_mend();
    (void)rig_stop(&g, 1000);
    rig_open(&g);
    expect_reads(&g, FILLED);
}

Test(store_reads, damaged)
{
    static const char *const wrong[] = {
        "UPDATE reads SET user = '' WHERE user = 'ann'",
        "UPDATE reads SET channel = 'a b' WHERE user = 'ann'",
        "UPDATE reads SET channel = hex(zeroblob(300)) WHERE user = 'ann'",
        "UPDATE reads SET user = x'ff' WHERE user = 'ann'",
    };

    fill();
    cr_assert(rig_stop(&g, 1000));
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char command[300];
        snprintf(command, sizeof command, "cp '%s' '%s'", g.path, copy.path);
        cr_assert_eq(system(command), 0);
        rig_sql(&copy, wrong[i]);
        cr_assert_eq(rig_try_open(&copy), ERR_INVALID, "%s", wrong[i]);
        cr_assert_not_null(strstr(copy.why.text, "that was read up to"), "%s", copy.why.text);
        store_free(copy.st);
        copy.st = NULL;
    }
}
