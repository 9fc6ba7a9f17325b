/* Every allocation of typing and of read positions fails once: the answer is ERR_NOMEM, nothing
 * has changed, nothing leaks, and the same call succeeds afterwards. */
#include "test_core_people.h"

#include "test_core_nomem.h"

TestSuite(reads_nomem, .init = nomem_ready);

static struct people_keeper pk;
static struct fake f;
static struct watcher a, b;
static long before;

static void setup(bool store)
{
    before = live;
    fake_init(&f, true, true);
    pk_init(&pk, NULL, store ? &f.port : NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&b, &pk, 1, "bob", "room *");
    (void)k_channel(&pk.k, "room");
    (void)k_channel(&pk.k, "room");
    fake_give_all(&f, pk.k.h.r);
    watcher_expect(&b, "1 2");
    f.len = 0;
    f.text[0] = '\0';
}

static void teardown(void)
{
    watcher_leave(&a);
    watcher_leave(&b);
    fake_give_all(&f, pk.k.h.r);
    pk_fini(&pk);
    cr_assert_eq(live, before, "%ld blocks leak", live - before);
}

#define ANN "{\"channel\":\"room\",\"userId\":\"ann\","

Test(reads_nomem, typing_starts)
{
    int rc = ERR_NOMEM;
    int n;

    setup(false);
    for (n = 0; rc == ERR_NOMEM; n++) {
        left = n;
        rc = router_typing(pk.k.h.r, &a.m, STR_LIT("room"), true);
        left = -1;
        cr_assert_eq(a.m.typing, rc == 0);
        watcher_expect(&b, rc == 0 ? ANN "\"typing\":true}" : "");
    }
    cr_assert_eq(rc, 0);
    cr_assert_geq(n, 6);
    teardown();
}

/* Nobody is left typing for good. */
Test(reads_nomem, typing_stops)
{
    int rc = ERR_NOMEM;

    setup(false);
    cr_assert_eq(router_typing(pk.k.h.r, &a.m, STR_LIT("room"), true), 0);
    watcher_expect(&b, ANN "\"typing\":true}");
    for (int n = 0; rc == ERR_NOMEM; n++) {
        left = n;
        rc = router_typing(pk.k.h.r, &a.m, STR_LIT("room"), false);
        left = -1;
        watcher_expect(&b, rc == 0 ? ANN "\"typing\":false}" : "");
    }
    cr_assert_eq(router_typing(pk.k.h.r, &a.m, STR_LIT("room"), true), 0);
    left = 0;
    watcher_leave(&a);
    left = -1;
    watcher_expect(&b, ANN "\"typing\":true}");
    pk.k.mono_ms = 6000;
    left = 0;
    cr_assert_eq(router_people_run(pk.k.h.r), 11000, "later");
    left = -1;
    pk.k.mono_ms = 11000;
    cr_assert_eq(router_people_run(pk.k.h.r), UINT64_MAX);
    watcher_expect(&b, ANN "\"typing\":false}");
    teardown();
}

/* Who cannot be told who types learns it later, or never: it is subscribed all the same. */
Test(reads_nomem, typing_greets)
{
    unsigned told = 0;

    setup(false);
    cr_assert_eq(router_typing(pk.k.h.r, &a.m, STR_LIT("room"), true), 0);
    watcher_expect(&b, ANN "\"typing\":true}");
    for (int n = 0; !told; n++) {
        struct watcher *late = calloc(1, sizeof *late);
        struct cursor top;
        int rc;
        late->pk = &pk;
        late->m = (struct member){.id = 900, .shard = 2};
        cr_assert_eq(router_join(pk.k.h.r, &late->m, STR_NONE, NULL, 0, &top), 0);
        left = n;
        rc = router_subscribe(pk.k.h.r, &late->m, STR_LIT("room"), &top);
        left = -1;
        cr_assert_eq(rc == 0, member_has_name(&late->m, STR_LIT("room")));
        router_notes(pk.k.h.r, &late->m, watcher_put_note, late);
        told += late->len > 0;
        cr_assert(rc == 0 || late->len == 0);
        watcher_leave(late);
        free(late);
        cr_assert_lt(n, 50);
    }
    teardown();
}

static int read_to(uint64_t seq, struct wait *w)
{
    struct cursor now;
    bool changed;
    int rc;

    wait_init(w);
    rc = router_read(pk.k.h.r, STR_LIT("ann"), STR_LIT("room"), (struct cursor){H_EPOCH, seq},
                     a.m.id, &w->t, &now, &changed);
    cr_assert_eq(changed, rc == 0);
    return rc;
}

Test(reads_nomem, reads)
{
    for (unsigned store = 0; store < 2; store++) {
        struct unread u;
        struct wait w;
        int rc = ERR_NOMEM;
        int n;
        setup(store);
        for (n = 0; rc == ERR_NOMEM; n++) {
            left = n;
            rc = read_to(1, &w);
            left = -1;
            router_unread(pk.k.h.r, STR_LIT("ann"), STR_LIT("room"), pk.k.now_ms, &u);
            cr_assert_eq(u.read.seq, rc == 0);
            cr_assert_eq(publish_ticket_close(&w.t), rc != 0 || !store);
            if (rc != 0) {
                fake_expect(&f, "");
                watcher_expect(&b, "");
            }
        }
        cr_assert_geq(n, 6);
        if (store) {
            fake_expect(&f, "read room/ann 1 |");
        }
        watcher_expect(&b, ANN "\"cursor\":\"9ix-1\",\"at\":\"1970-01-01T00:16:40.000Z\"}");
        fake_give_all(&f, pk.k.h.r);
        rc = ERR_NOMEM;
        for (n = 0; rc == ERR_NOMEM; n++) { /* one that is there */
            left = n;
            rc = read_to(2, &w);
            left = -1;
            (void)!publish_ticket_close(&w.t);
            router_unread(pk.k.h.r, STR_LIT("ann"), STR_LIT("room"), pk.k.now_ms, &u);
            cr_assert_eq(u.read.seq, rc == 0 ? 2 : 1);
        }
        b.len = 0;
        teardown();
    }
}

Test(reads_nomem, restores_and_shows)
{
    int rc = ERR_NOMEM;

    setup(false);
    for (int n = 0; rc == ERR_NOMEM; n++) {
        left = n;
        rc = router_restore_read(pk.k.h.r, STR_LIT("room"), STR_LIT("zoe"), 1, 5);
        left = -1;
    }
    cr_assert_eq(rc, 0);
    rc = ERR_NOMEM;
    for (int n = 0; rc == ERR_NOMEM; n++) {
        struct strbuf sb = STRBUF_INIT;
        left = n;
        rc = router_reads_snapshot(pk.k.h.r, STR_LIT("room"), 10, &sb);
        left = -1;
        strbuf_fini(&sb);
    }
    cr_assert_eq(rc, 0);
    rc = ERR_NOMEM;
    for (int n = 0; rc == ERR_NOMEM; n++) {
        struct strbuf sb = STRBUF_INIT;
        left = n;
        rc = router_reads_page(pk.k.h.r, STR_LIT("room"), STR_NONE, 10, &sb);
        left = -1;
        strbuf_fini(&sb);
    }
    cr_assert_eq(rc, 0);
    teardown();
}
