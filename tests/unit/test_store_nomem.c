/* Every allocation of opening, loading and the tools fails once, SQLite's own ones
 * too: an error with a sentence, nothing leaks, and the same call succeeds
 * afterwards. */
#include "support_store.h"
/* Seen by the C library and SQLite too. */
#pragma GCC visibility push(default)
#include "test_core_nomem.h"
#pragma GCC visibility pop

static struct rig g, other;
static char out[160];

static void start(void)
{
    nomem_ready();
    rig_init(&g);
    rig_init(&other);
    snprintf(out, sizeof out, "%s/x", g.dir);
    rig_open(&g);
    rig_lane(&g, 1, TARGET_USER, "u", 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        struct item *m = rig_new_message(&g, TARGET_USER, "u", 1, "1");
        m->rec.ack = i == 2;
        if (i == 3) {
            m->rec.once = once_new(STR_LIT("x"), (const uint8_t *)"0123456789abcdef", 1);
            m->rec.once->first = m->rec.seq;
            m->rec.once->at_ms = RIG_NOW;
        }
        rig_put(&g, m);
    }
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
}

static void stop(void)
{
    rig_fini(&g);
    rig_fini(&other);
}

TestSuite(store_nomem, .init = start, .fini = stop, .timeout = 120);

/* Runs `what` with each of its allocations failing; at last with none. */
static void sweep(int (*what)(void))
{
    int n = 0, rc = 1;
    bool failed = true;

    left = -1;
    cr_assert_eq(what(), 0, "%s", g.why.text); /* what SQLite keeps for ever is there */
    for (; failed; n++) {
        long before = live;
        g.why.text[0] = '\0';
        left = n;
        rc = what();
        failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || g.why.text[0] != '\0', "%d: %d", n, rc);
        cr_assert(rc == 0 || rc == ERR_NOMEM || rc == ERR_STORE || rc == ERR_SYSTEM, "%d: %d %s", n,
                  rc, g.why.text);
        cr_assert_eq(live, before, "%d: %ld blocks are left", n, live - before);
    }
    cr_assert_eq(rc, 0, "%s", g.why.text);
    cr_assert_gt(n, 50);
}

static int open_and_load(void)
{
    struct store *st = NULL;

    rig_forget(&g);
    int rc = store_open(&g.cfg, &st, &g.why);
    if (rc == 0) {
        rc = store_load(st, &g.r, &g.why);
        left = rc ? -1 : left;
        cr_assert(rc || (g.r.restored && g.r.messages.n == 5 && g.r.ids.n == 1));
        store_free(st);
    }
    return rc;
}

Test(store_nomem, opening_and_loading)
{
    sweep(open_and_load);
}

static int make_new(void)
{
    struct store *st = NULL;
    int keep;

    keep = left;
    left = -1;
    (void)unlink(other.path);
    left = keep;
    int rc = store_open(&other.cfg, &st, &g.why);
    store_free(st);
    return rc;
}

Test(store_nomem, a_new_one)
{
    sweep(make_new);
}

static int check(void)
{
    struct store_report report;

    return store_check(g.path, NULL, NULL, &report, &g.why);
}

Test(store_nomem, checking)
{
    sweep(check);
}

static int export_it(void)
{
    uint64_t lines;

    (void)unlink(out);
    return store_export(g.path, out, NULL, NULL, &lines, &g.why);
}

Test(store_nomem, exporting)
{
    sweep(export_it);
}

static int import_it(void)
{
    uint64_t lines;

    (void)unlink(other.path);
    return store_import(other.path, out, true, NULL, NULL, &lines, &g.why);
}

Test(store_nomem, importing)
{
    cr_assert_eq(export_it(), 0);
    sweep(import_it);
}

static int compact(void)
{
    uint64_t before, after;

    return store_compact(g.path, NULL, NULL, &before, &after, &g.why);
}

Test(store_nomem, compacting)
{
    sweep(compact);
}
