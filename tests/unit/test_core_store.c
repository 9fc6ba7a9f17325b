/* The log with a durable store: what is shown when, what the publisher is told,
 * what the store is given. */
#include "test_core_fakestore.h"

static struct keeper k;
static struct fake f;

static void keep(bool delayed, bool waits, const char *const *settings)
{
    fake_init(&f, delayed, waits);
    k_init(&k, settings, &f.port);
}

static void end(void)
{
    fake_give_all(&f, k.h.r);
    k_fini(&k);
    cr_assert_eq(f.waiting, 0u);
}

static void give(unsigned n)
{
    fake_give(&f, k.h.r, n, 0);
}

static void drain(void)
{
    h_drain_all(&k.h);
}

static int publish(struct publication *p, struct publish_result *res)
{
    struct publish_verdict verdict;

    return router_publish(k.h.r, p, res, &verdict);
}

static uint64_t ephemeral(const char *name)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    p.ephemeral = true;
    return k_publish(&k, &p);
}

static const uint8_t hash[ONCE_HASH] = {1, 2, 3};
static const uint8_t other_hash[ONCE_HASH] = {1, 2, 4};

/* ---- a store that messages wait for ---- */

Test(store, shown_after_the_commit)
{
    struct reader a, b, c;

    keep(true, true, NULL);
    reader_open(&a, &k, 0, NULL, "a", "now");
    reader_expect(&a, "=0");
    cr_assert_eq(k_channel(&k, "a"), 1u);
    cr_assert_eq(k_channel(&k, "a"), 2u);
    fake_expect(&f, "lane a 1 2");
    cr_assert_eq(router_top(k.h.r).seq, 0u, "nothing is out");
    cr_assert_eq(k.h.shards[0].waiting, 0u);
    reader_open(&b, &k, 1, NULL, "a", "earliest");
    reader_expect(&b, "=0");
    give(2); /* the lane and 1 */
    cr_assert_eq(router_top(k.h.r).seq, 1u);
    reader_open(&c, &k, 2, NULL, "a", "0");
    reader_expect(&c, "1 =1");
    give(1);
    drain();
    reader_expect(&a, "1 2");
    reader_expect(&b, "1 2");
    reader_expect(&c, "2");
    reader_leave(&a);
    reader_leave(&b);
    reader_leave(&c);
    end();
}

/* Whom it is for is looked up when it is sent on; what is answered, before. */
Test(store, matched_is_that_of_the_publication)
{
    struct reader a;
    struct str to = STR_LIT("u");
    struct publication p;
    struct publish_result res;

    keep(true, true, NULL);
    p = k_publication(&k, TARGET_USER, &to);
    cr_assert_eq(publish(&p, &res), 0);
    cr_assert_eq(res.matched, 0u);
    cr_assert_eq(res.status, PUBLISH_QUEUED);
    reader_open(&a, &k, 0, "u", ">", "now");
    cr_assert_eq(publish(&p, &res), 0);
    cr_assert_eq(res.matched, 1u);
    cr_assert_eq(res.status, PUBLISH_ONLINE);
    p = k_publication(&k, TARGET_CHANNEL, &to);
    cr_assert_eq(publish(&p, &res), 0);
    cr_assert_eq(res.matched, 1u, "by the pattern");
    give(~0u);
    drain();
    reader_expect(&a, "=0 1 2 3");
    cr_assert_eq(publish(&p, &res), 0);
    reader_leave(&a);
    give(~0u); /* it is gone */
    end();
}

/* Left between the publication and its commit: then it is queued. */
Test(store, queued_if_nobody_is_left)
{
    struct reader a;

    keep(true, true, NULL);
    reader_open(&a, &k, 0, "u", "", "now");
    (void)k_user(&k, "u");
    reader_leave(&a);
    give(~0u);
    reader_open(&a, &k, 0, "u", "", "now");
    reader_expect(&a, "1 =1");
    reader_leave(&a);
    end();
}

/* A sequence whose ephemeral parts are not written keeps its order. */
Test(store, ephemeral_messages_wait_their_turn)
{
    struct reader a;

    keep(true, true, NULL);
    reader_open(&a, &k, 0, NULL, "a b", "now");
    reader_expect(&a, "=0");
    (void)k_channel(&k, "a");
    (void)ephemeral("a");
    (void)ephemeral("b");
    (void)k_channel(&k, "a");
    fake_expect(&f, "lane a 1 2e lane b 3e 4");
    give(3);
    drain();
    reader_expect(&a, "1 2");
    give(~0u);
    drain();
    reader_expect(&a, "3 4");
    reader_leave(&a);
    reader_open(&a, &k, 0, NULL, "a b", "0");
    reader_expect(&a, "1 4 =4");
    reader_leave(&a);
    end();
}

/* More than are released in one critical section. */
Test(store, a_long_chain)
{
    struct reader a;
    uint64_t n = 0;

    keep(true, true, NULL);
    reader_open(&a, &k, 0, NULL, "a", "now");
    for (unsigned i = 0; i < 500; i++) {
        (void)k_channel(&k, i % 3 ? "a" : "b");
    }
    give(~0u);
    drain();
    for (const char *p = a.text; (p = strchr(p, ' ')) != NULL; n++) {
        p++;
    }
    cr_assert_eq(n, 333u);
    reader_leave(&a);
    end();
}

/* ---- tickets ---- */

static void ticketed(struct wait *w, const char *name, bool is_ephemeral)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    p.ticket = &w->t;
    p.ephemeral = is_ephemeral;
    (void)k_publish(&k, &p);
}

Test(ticket, waits_for_all_of_it)
{
    struct wait w;

    keep(true, true, NULL);
    wait_init(&w);
    ticketed(&w, "a", false);
    ticketed(&w, "b", true);
    ticketed(&w, "a", false);
    cr_assert_not(publish_ticket_close(&w.t));
    give(2);
    cr_assert_eq(w.done, 0u);
    give(2);
    cr_assert_eq(w.done, 0u);
    give(1);
    cr_assert_eq(w.done, 1u);
    cr_assert_not(atomic_load(&w.t.failed));
    end();
}

Test(ticket, closed_after_all_came_back)
{
    struct wait w;

    keep(true, true, NULL);
    wait_init(&w);
    ticketed(&w, "a", false);
    give(~0u);
    cr_assert(publish_ticket_close(&w.t));
    cr_assert_eq(w.done, 0u);
    end();
}

Test(ticket, nothing_to_wait_for)
{
    static const struct {
        bool delayed, waits;
    } kinds[] = {{false, false}};
    struct wait w;

    keep(kinds[0].delayed, kinds[0].waits, NULL);
    wait_init(&w);
    ticketed(&w, "a", false);
    cr_assert(publish_ticket_close(&w.t), "interval, off: answered at once");
    give(~0u);
    cr_assert_eq(w.done, 0u);
    end();
}

/* --fanout-early: sent on at once, answered later. */
Test(ticket, waits_though_it_is_out)
{
    struct reader a;
    struct wait w;

    keep(false, true, NULL);
    reader_open(&a, &k, 0, NULL, "a", "now");
    wait_init(&w);
    ticketed(&w, "a", false);
    drain();
    reader_expect(&a, "=0 1");
    cr_assert_not(publish_ticket_close(&w.t));
    fake_give(&f, k.h.r, ~0u, ERR_STORE);
    cr_assert_eq(w.done, 1u);
    cr_assert(atomic_load(&w.t.failed));
    reader_leave(&a);
    end();
}

Test(ticket, failure)
{
    struct reader a;
    struct wait w;

    keep(true, true, NULL);
    reader_open(&a, &k, 0, NULL, "a", "now");
    wait_init(&w);
    ticketed(&w, "a", false);
    ticketed(&w, "a", false);
    cr_assert_not(publish_ticket_close(&w.t));
    fake_give(&f, k.h.r, 2, ERR_STORE); /* the lane waits on; 1 fails */
    cr_assert_eq(f.waiting, 2u);
    give(~0u);
    cr_assert_eq(w.done, 1u);
    cr_assert(atomic_load(&w.t.failed));
    drain();
    reader_expect(&a, "=0 2");
    reader_leave(&a);
    reader_open(&a, &k, 0, NULL, "a *", "0");
    reader_expect(&a, "2 =2");
    reader_leave(&a);
    end();
}

/* ---- ids ---- */

struct answer {
    struct wait w;
    struct publish_result res;
    struct publish_verdict verdict;
    int rc;
    bool now; /* nothing to wait for */
};

static void with_id(struct answer *a, const char *id, const uint8_t h[ONCE_HASH])
{
    struct str to = STR_LIT("a");
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    wait_init(&a->w);
    p.once = once_new(str_of(id), h, 1);
    p.ticket = &a->w.t;
    cr_assert(p.once);
    a->rc = router_publish(k.h.r, &p, &a->res, &a->verdict);
    once_unref(p.once);
    a->now = publish_ticket_close(&a->w.t);
}

Test(once, a_repetition_gets_the_first_answer)
{
    struct reader b;
    struct answer a;

    keep(false, false, NULL);
    reader_open(&b, &k, 0, NULL, "a", "now");
    with_id(&a, "x", hash);
    cr_assert_eq(a.rc, 0);
    cr_assert_not(a.verdict.duplicate);
    cr_assert_eq(a.res.cursor.seq, 1u);
    reader_leave(&b);
    with_id(&a, "x", hash);
    cr_assert_eq(a.rc, 0);
    cr_assert(a.verdict.duplicate);
    cr_assert_eq(a.res.cursor.seq, 1u);
    cr_assert_eq(a.res.cursor.epoch, (uint64_t)H_EPOCH);
    cr_assert_eq(a.res.matched, 1u);
    cr_assert(a.now);
    with_id(&a, "x", other_hash);
    cr_assert_eq(a.rc, ERR_CONFLICT);
    cr_assert_eq(router_top(k.h.r).seq, 1u);
    with_id(&a, "y", other_hash);
    cr_assert_eq(a.res.cursor.seq, 2u);
    cr_assert_eq(k_metric(&k, METRIC_DUPLICATES), 1u);
    cr_assert_eq(k_metric(&k, METRIC_ID_CONFLICTS), 1u);
    k.now_ms += 600000;
    with_id(&a, "x", hash);
    cr_assert_not(a.verdict.duplicate, "over the window");
    cr_assert_eq(a.res.cursor.seq, 3u);
    end();
}

Test(once, a_repetition_waits_with_the_first)
{
    struct answer a, b, c;

    keep(true, true, NULL);
    with_id(&a, "x", hash);
    with_id(&b, "x", hash);
    (void)k_channel(&k, "b");
    with_id(&c, "x", hash);
    cr_assert(b.verdict.duplicate && c.verdict.duplicate);
    fake_expect(&f, "lane a 1 | lane b 2 |");
    cr_assert_not(a.now || b.now || c.now);
    give(2);
    cr_assert_eq(a.w.done, 1u);
    cr_assert_eq(b.w.done, 0u);
    give(1);
    cr_assert_eq(b.w.done, 1u);
    cr_assert_eq(c.w.done, 0u);
    give(~0u);
    cr_assert_eq(c.w.done, 1u);
    cr_assert_not(atomic_load(&b.w.t.failed) || atomic_load(&c.w.t.failed));
    end();
}

/* Whoever repeated it is told too; then it may be tried again. */
Test(once, a_failure_is_not_remembered)
{
    struct reader r;
    struct answer a, b, c;

    keep(true, true, NULL);
    reader_open(&r, &k, 0, NULL, "a", "now");
    with_id(&a, "x", hash);
    with_id(&b, "x", hash);
    fake_give(&f, k.h.r, ~0u, ERR_STORE);
    cr_assert(atomic_load(&a.w.t.failed) && atomic_load(&b.w.t.failed));
    cr_assert_eq(a.w.done, 1u);
    cr_assert_eq(b.w.done, 1u);
    with_id(&c, "x", hash);
    cr_assert_eq(c.rc, 0);
    cr_assert_not(c.verdict.duplicate);
    cr_assert_eq(c.res.cursor.seq, 2u, "a number is not used twice");
    give(~0u);
    drain();
    cr_assert_eq(c.w.done, 1u);
    reader_expect(&r, "=0 2");
    reader_leave(&r);
    end();
}

/* The record names it, on the first message of the publication only. */
Test(once, is_in_the_record)
{
    struct str to[2] = {STR_LIT("a"), STR_LIT("b")};
    struct publication p;
    struct publish_result res[2];
    const struct record *rec;
    unsigned n = 0;

    keep(true, true, NULL);
    p = k_publication(&k, TARGET_CHANNEL, to);
    p.count = 2;
    p.once = once_new(STR_LIT("x"), hash, 2);
    cr_assert_eq(publish(&p, res), 0);
    cr_assert_eq(p.once->first, 1u);
    cr_assert_eq(p.once->at_ms, k.now_ms);
    for (rec = f.first; rec; rec = rec->next) {
        if (rec->kind == RECORD_MESSAGE) {
            cr_assert_eq(rec->once, n++ ? NULL : p.once);
            cr_assert_eq(rec->at_ms, k.now_ms);
            cr_assert(str_eq(rec->name, to[n - 1]));
        }
    }
    cr_assert_eq(n, 2u);
    once_unref(p.once);
    end();
}

/* What is in the store after a start is known. */
Test(once, restored)
{
    struct answer a;
    struct once *o;
    struct restored_log log = {.top = 9};

    keep(true, true, NULL);
    router_restore_log(k.h.r, &log);
    o = once_new(STR_LIT("x"), hash, 1);
    o->first = 7;
    o->at_ms = k.now_ms - 1000;
    o->results[0] = (struct once_result){3, PUBLISH_SENT};
    cr_assert_eq(router_restore_once(k.h.r, o), 0);
    router_restored(k.h.r, k.now_ms);
    with_id(&a, "x", hash);
    cr_assert_eq(a.rc, 0);
    cr_assert(a.verdict.duplicate);
    cr_assert_eq(a.res.cursor.seq, 7u);
    cr_assert_eq(a.res.matched, 3u);
    end();
}
