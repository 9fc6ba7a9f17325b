/* The log with a durable store: conditions, refusals, what is recorded of lanes
 * and acknowledgements, and the store that is given up. */
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

/* ---- ifLast ---- */

static struct publish_verdict verdict;

static int publish_if(const char *name, uint64_t epoch, uint64_t last, bool ephemeral)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);
    struct publish_result res;

    p.has_if_last = true;
    p.if_last = (struct cursor){epoch, last};
    p.ephemeral = ephemeral;
    return router_publish(k.h.r, &p, &res, &verdict);
}

Test(if_last, of_the_channel_alone)
{
    keep(false, false, NULL);
    cr_assert_eq(publish_if("a", 0, 0, false), 0, "it had none");
    cr_assert_eq(publish_if("a", 0, 0, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 1u);
    cr_assert_eq(verdict.moved.epoch, (uint64_t)H_EPOCH);
    (void)k_channel(&k, "b");
    (void)k_everyone(&k);
    cr_assert_eq(publish_if("a", H_EPOCH, 1, false), 0);
    cr_assert_eq(publish_if("a", H_EPOCH, 3, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 4u);
    cr_assert_eq(publish_if("a", H_EPOCH, 4, true), 0);
    cr_assert_eq(publish_if("a", H_EPOCH, 4, false), 0, "an ephemeral one is none");
    cr_assert_eq(publish_if("a", 77, 100, false), ERR_MOVED, "another log");
    cr_assert_eq(publish_if("a", H_EPOCH, 100, false), ERR_MOVED, "a number that is to come");
    cr_assert_eq(k_metric(&k, METRIC_MOVED_ON), 4u);
    end();
}

/* What has a number, but is not out yet, counts; unless it fails. */
Test(if_last, sees_what_is_on_its_way)
{
    keep(true, true, NULL);
    cr_assert_eq(publish_if("a", 0, 0, false), 0);
    cr_assert_eq(publish_if("a", 0, 0, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 1u);
    cr_assert_eq(router_top(k.h.r).seq, 0u);
    cr_assert_eq(publish_if("a", H_EPOCH, 1, false), 0);
    cr_assert_eq(publish_if("a", H_EPOCH, 1, false), ERR_MOVED);
    fake_give(&f, k.h.r, ~0u, ERR_STORE); /* both fail */
    cr_assert_eq(publish_if("a", H_EPOCH, 0, false), 0);
    give(~0u);
    cr_assert_eq(publish_if("a", H_EPOCH, 2, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 3u);
    end();
}

/* The later of two fails, the earlier does not. */
Test(if_last, when_the_later_one_fails)
{
    keep(true, true, NULL);
    (void)k_channel(&k, "a");
    (void)k_channel(&k, "a");
    give(2); /* the lane and 1 */
    fake_give(&f, k.h.r, 1, ERR_STORE);
    cr_assert_eq(publish_if("a", H_EPOCH, 0, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 1u);
    cr_assert_eq(publish_if("a", H_EPOCH, 1, false), 0);
    end();
}

/* All targets or none; the verdict says which. */
Test(if_last, of_several_channels)
{
    struct str to[3] = {STR_LIT("a"), STR_LIT("b"), STR_LIT("c")};
    struct publication p;
    struct publish_result res[3];

    keep(false, false, NULL);
    (void)k_channel(&k, "b");
    p = k_publication(&k, TARGET_CHANNEL, to);
    p.count = 3;
    p.has_if_last = true;
    cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), ERR_MOVED);
    cr_assert_eq(verdict.target, 1u);
    cr_assert_eq(router_top(k.h.r).seq, 1u);
    p.if_last = (struct cursor){H_EPOCH, 1};
    cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), 0);
    cr_assert_eq(res[2].cursor.seq, 4u);
    end();
}

/* Forgotten: it may have had messages up to the floor. Lost with a process: up to
 * the end of what was lost. */
Test(if_last, of_what_is_not_known)
{
    struct restored_log log = {.top = 9, .lost = {{5, 8}}, .nlost = 1};
    char name[8];

    keep(false, false, (const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 1; i <= 20; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        (void)k_channel(&k, name);
    }
    cr_assert_eq(publish_if("c1", H_EPOCH, 1, false), ERR_MOVED);
    cr_assert_eq(publish_if("c1", H_EPOCH, verdict.moved.seq, false), 0);
    end();
    keep(false, false, NULL);
    router_restore_log(k.h.r, &log);
    cr_assert_eq(router_restore_lane(k.h.r, 1, TARGET_CHANNEL, STR_LIT("a"), 2, 0), 0);
    router_restored(k.h.r, k.now_ms);
    cr_assert_eq(publish_if("a", H_EPOCH, 2, false), ERR_MOVED);
    cr_assert_eq(verdict.moved.seq, 8u);
    cr_assert_eq(publish_if("a", H_EPOCH, 8, false), 0);
    end();
}

/* ---- refusals ---- */

Test(admit, refused_before_anything_happened)
{
    struct str to = STR_LIT("a");
    struct publication p;
    struct publish_result res;
    struct wait w;

    keep(true, true, NULL);
    (void)k_channel(&k, "a");
    fake_expect(&f, "lane a 1");
    cr_assert_eq(f.seq, 1u);
    cr_assert_gt(f.admitted, 100u);
    wait_init(&w);
    p = k_publication(&k, TARGET_CHANNEL, &to);
    p.ticket = &w.t;
    p.once = once_new(STR_LIT("x"), (const uint8_t[ONCE_HASH]){1}, 1);
    f.refuse = ERR_BUSY;
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), ERR_BUSY);
    f.refuse = ERR_STORE;
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), ERR_STORE);
    cr_assert_eq(atomic_load(&p.once->refs), 1u);
    fake_expect(&f, "");
    f.refuse = 0;
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), 0);
    cr_assert_not(verdict.duplicate);
    cr_assert_eq(res.cursor.seq, 2u);
    cr_assert_eq(f.seq, 2u);
    once_unref(p.once);
    cr_assert_not(publish_ticket_close(&w.t));
    end();
    cr_assert_eq(w.done, 1u);
}

/* One call for one publication, so that it is one transaction. */
Test(admit, one_publication_is_put_at_once)
{
    struct str to[3] = {STR_LIT("a"), STR_LIT("b"), STR_LIT("a2")};
    struct publication p;
    struct publish_result res[3];

    keep(true, true, NULL);
    p = k_publication(&k, TARGET_CHANNEL, to);
    p.count = 3;
    cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), 0);
    cr_assert_eq(f.puts, 1u);
    cr_assert_eq(f.seq, 3u);
    fake_expect(&f, "lane a lane b lane a2 1 2 3");
    end();
}

/* ---- lanes ---- */

/* While the store has the record of a lane, changes are gathered. */
Test(lanes, one_record_at_a_time)
{
    keep(false, false, (const char *const[]){"history", "2", NULL});
    for (unsigned i = 0; i < 5; i++) {
        (void)k_channel(&k, "a");
    }
    fake_expect(&f, "lane a 1 2 3 4 5");
    give(~0u); /* now what has changed meanwhile */
    fake_expect(&f, "lane a evicted 3");
    (void)k_channel(&k, "a");
    fake_expect(&f, "6");
    give(1);
    fake_expect(&f, "lane a evicted 4");
    give(~0u);
    fake_expect(&f, "");
    (void)k_channel(&k, "a");
    fake_expect(&f, "7 lane a evicted 5");
    end();
}

Test(lanes, the_queue_of_a_user)
{
    struct reader b;

    keep(false, false, NULL);
    (void)k_user(&k, "u");
    give(~0u);
    fake_expect(&f, "lane u 1 lane u queued 1");
    give(~0u);
    (void)k_user(&k, "u");
    fake_expect(&f, "2");
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "1 2 =2");
    fake_expect(&f, "lane u");
    reader_leave(&b);
    end();
}

Test(lanes, a_forgotten_one)
{
    char name[8];

    keep(false, false, (const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 1; i <= 16; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        (void)k_channel(&k, name);
    }
    give(~0u);
    f.len = 0;
    (void)k_channel(&k, "x");
    fake_expect(&f, "forget 1 lane x evicted 1 17");
    (void)k_channel(&k, "y"); /* c2 */
    fake_expect(&f, "forget 2 lane y evicted 2 18");
    (void)k_channel(&k, "c1"); /* a new lane, while the old one's record is out */
    fake_expect(&f, "forget 3 lane c1 evicted 3 19");
    give(~0u);
    end();
}

/* Forgotten while the store has its record: said at once all the same, and so
 * before there can be a new one of that name. */
Test(lanes, forgotten_while_its_record_is_out)
{
    char name[8];

    keep(false, false, (const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 1; i <= 16; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        (void)k_channel(&k, name);
    }
    f.len = 0;
    (void)k_channel(&k, "x");
    (void)k_channel(&k, "c1");
    fake_expect(&f, "forget 1 lane x evicted 1 17 forget 2 lane c1 evicted 2 18");
    give(~0u);
    fake_expect(&f, "");
    cr_assert_eq(f.waiting, 0u);
    end();
}

/* A lane with messages on their way is not forgotten under them. */
Test(lanes, not_while_a_message_is_on_its_way)
{
    struct reader b;
    char name[8];

    keep(true, true, (const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 1; i <= 40; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        (void)k_channel(&k, name);
    }
    cr_assert_eq(k_metric(&k, METRIC_FORGOTTEN), 0u);
    give(~0u);
    reader_open(&b, &k, 0, NULL, "c1 c40", "earliest");
    reader_expect(&b, "1 40 =40");
    reader_leave(&b);
    for (unsigned i = 1; i <= 40; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        (void)k_channel(&k, name);
        fake_give_all(&f, k.h.r);
    }
    cr_assert_leq(k_metric(&k, METRIC_HISTORY_CHANNELS), 40u);
    cr_assert_geq(k_metric(&k, METRIC_FORGOTTEN), 40u);
    end();
}

/* ---- acknowledgements ---- */

static int send_ack(const char *id)
{
    struct str to = STR_LIT("u");
    struct publication p = k_publication(&k, TARGET_USER, &to);
    struct publish_result res;

    p.require_ack = true;
    p.envelope.id = str_of(id);
    return router_publish(k.h.r, &p, &res, &verdict);
}

static uint64_t pending(void)
{
    struct user_unacked v[4];
    uint64_t total, given_up;

    (void)router_user_unacked(k.h.r, STR_LIT("u"), v, 4, &total, &given_up);
    return total;
}

Test(acked, is_recorded)
{
    keep(true, true, NULL);
    cr_assert_eq(send_ack("x"), 0);
    fake_expect(&f, "lane u 1");
    for (const struct record *rec = f.first; rec; rec = rec->next) {
        cr_assert(rec->kind != RECORD_MESSAGE || rec->ack);
    }
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), ERR_NOT_FOUND, "is not out yet");
    cr_assert_eq(send_ack("x"), ERR_EXISTS, "but has its place");
    give(~0u);
    f.len = 0;
    cr_assert_eq(pending(), 1u);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), 0);
    fake_expect(&f, "acked 1");
    cr_assert_eq(pending(), 0u);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), ERR_NOT_FOUND);
    end();
}

Test(acked, a_failed_message_needs_none)
{
    keep(true, true, NULL);
    cr_assert_eq(send_ack("x"), 0);
    fake_give(&f, k.h.r, ~0u, ERR_STORE);
    cr_assert_eq(pending(), 0u);
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 0u);
    cr_assert_eq(send_ack("x"), 0, "again");
    end();
}

/* ---- the store is given up ---- */

Test(gone, numbers_go_on_behind_those_reserved)
{
    struct reader b;
    struct wait w;
    struct str to = STR_LIT("a");
    struct publication p;

    keep(true, true, NULL);
    reader_open(&b, &k, 0, NULL, "a", "now");
    reader_expect(&b, "=0");
    wait_init(&w);
    p = k_publication(&k, TARGET_CHANNEL, &to);
    p.ticket = &w.t;
    cr_assert_eq(k_publish(&k, &p), 1u);
    router_store_gone(k.h.r, 1000);
    cr_assert_eq(k_publish(&k, &p), 1000u);
    router_store_gone(k.h.r, 500); /* never back */
    cr_assert_eq(k_publish(&k, &p), 1001u);
    give(~0u);
    h_drain_all(&k.h);
    reader_expect(&b, "1 1000 1001");
    cr_assert(publish_ticket_close(&w.t));
    reader_leave(&b);
    reader_open(&b, &k, 0, NULL, "a", "1");
    reader_expect(&b, "1000 1001 =1001");
    reader_leave(&b);
    end();
}
