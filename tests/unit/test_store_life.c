/* What goes in comes out again: after a clean stop, after a kill, in every mode. */
#include "support_store.h"

static struct rig g, copy;

static void start(void)
{
    rig_init(&g);
    rig_init(&copy);
}

static void stop(void)
{
    rig_fini(&g);
    rig_fini(&copy);
}

TestSuite(store_life, .init = start, .fini = stop, .timeout = 60);

Test(store_life, a_new_one)
{
    struct stat st;

    umask(022);
    rig_open(&g);
    cr_assert_eq(store_epoch(g.st), RIG_EPOCH);
    cr_assert_eq(g.r.log.top, 0);
    cr_assert_eq(g.r.log.nlost, 0);
    cr_assert_eq(g.r.messages.n, 0);
    cr_assert_gt(store_port(g.st)->reserved, 0);
    cr_assert(store_port(g.st)->waits);
    cr_assert(store_port(g.st)->delayed);
    cr_assert_not(store_failed(g.st, &g.why));
    cr_assert_str_eq(g.why.text, "");
    cr_assert_eq(stat(g.path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640);
    cr_assert(rig_stop(&g, 1000));
    cr_assert_neq(stat(strcat(g.path, "-wal"), &st), 0, "a clean stop leaves one file");
    g.path[strlen(g.path) - 4] = '\0';
    g.cfg.new_epoch = 5;
    rig_open(&g);
    cr_assert_eq(store_epoch(g.st), RIG_EPOCH, "the epoch stays");
    cr_assert_eq(g.r.log.top, 0, "no number was given out");
}

static void fill(struct rig *r)
{
    struct item *i;

    rig_lane(r, 1, TARGET_CHANNEL, "news", 0, 0);
    rig_lane(r, 2, TARGET_USER, "J\xc3\xb6rg \"x\"", 0, 4);
    rig_lane(r, 3, TARGET_EVERYONE, "", 0, 0);
    rig_message(r, 1, "{\"price\":99.99}");
    rig_put(r, rig_new_message(r, TARGET_EVERYONE, "", 3, "null"));
    rig_message(r, 1, "[123456789012345678901234567890]");
    i = rig_new_message(r, TARGET_USER, "J\xc3\xb6rg \"x\"", 2, "\"4\"");
    i->rec.ack = true;
    i->rec.expires_ms = RIG_NOW + 5000;
    rig_put(r, i);
    cr_assert(rig_settle(r, 0));
}

static void check_filled(const struct rig *r)
{
    const struct kept *m = &r->r.messages;

    cr_assert_eq(r->r.lanes.n, 3);
    cr_assert_eq(r->r.lanes.v[1].kind, TARGET_USER);
    cr_assert_str_eq(r->r.lanes.v[1].name, "J\xc3\xb6rg \"x\"");
    cr_assert_eq(r->r.lanes.v[1].queued, 4);
    cr_assert_eq(m->n, 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(m->v[i].seq, i + 1);
        cr_assert_eq(m->v[i].at_ms, RIG_NOW + i + 1);
        cr_assert_str_eq(m->v[i].key, "k1");
    }
    cr_assert_str_eq(m->v[0].envelope,
                     "{\"type\":\"test.type\",\"channel\":\"news\",\"id\":\"id-1\",\"cursor\":"
                     "\"3mv-1\",\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":"
                     "{\"price\":99.99}}");
    cr_assert_not_null(strstr(m->v[2].envelope, "[123456789012345678901234567890]"));
    cr_assert_eq(m->v[1].kind, TARGET_EVERYONE);
    cr_assert_eq(m->v[1].lane, 3);
    cr_assert_eq(m->v[3].lane, 2);
    cr_assert_eq(m->v[3].expires_ms, RIG_NOW + 5000);
    cr_assert_eq(r->r.unacked.n, 1);
    cr_assert_eq(r->r.unacked.v[0].seq, 4);
    cr_assert_str_eq(r->r.unacked.v[0].name, "J\xc3\xb6rg \"x\"");
    cr_assert_str_eq(r->r.unacked.v[0].id, "id-4");
    cr_assert_eq(r->r.unacked.v[0].expires_ms, RIG_NOW + 5000);
}

Test(store_life, comes_back_after_a_clean_stop)
{
    rig_open(&g);
    fill(&g);
    cr_assert_eq(g.r.errors, 0);
    cr_assert_eq(rig_metric(&g, METRIC_STORE_WRITTEN), 4);
    cr_assert_geq(rig_metric(&g, METRIC_STORE_COMMITS), 1);
    RIG_UNTIL(rig_metric(&g, METRIC_STORE_WAITING) == 0);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    check_filled(&g);
    cr_assert_eq(g.r.log.top, 4);
    cr_assert_eq(g.r.log.nlost, 0);
    cr_assert(rig_log_has(&g, "the store is loaded"));
}

Test(store_life, comes_back_after_a_kill)
{
    rig_open(&g);
    fill(&g);
    uint64_t reserved = store_port(g.st)->reserved;
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    check_filled(&copy);
    cr_assert_eq(store_epoch(copy.st), RIG_EPOCH);
    cr_assert_eq(copy.r.log.top, reserved, "numbers that may have been seen are not used again");
    cr_assert_eq(copy.r.log.nlost, 0, "nobody saw anything that is not here");
    cr_assert_gt(store_port(copy.st)->reserved, copy.r.log.top);
    cr_assert(rig_log_has(&copy, "ended without warning"));
}

static void expect_lost(const struct rig *r, unsigned n, uint64_t from, uint64_t to)
{
    cr_assert_eq(r->r.log.nlost, n);
    cr_assert_eq(r->r.log.lost[n - 1].from, from);
    cr_assert_eq(r->r.log.lost[n - 1].to, to);
}

Test(store_life, what_was_seen_before_the_commit_may_be_lost)
{
    static const struct {
        enum store_sync sync;
        bool early;
        enum store_failure failure;
    } ways[] = {{SYNC_ALWAYS, true, STORE_FAILURE_REFUSE},
                {SYNC_INTERVAL, false, STORE_FAILURE_REFUSE},
                {SYNC_OFF, false, STORE_FAILURE_REFUSE},
                {SYNC_ALWAYS, false, STORE_FAILURE_MEMORY}};

    for (unsigned i = 0; i < 4; i++) {
        g.cfg.sync = ways[i].sync;
        g.cfg.fanout_early = ways[i].early;
        g.cfg.failure = ways[i].failure;
        rig_open(&g);
        cr_assert_eq(store_port(g.st)->waits, ways[i].sync == SYNC_ALWAYS);
        cr_assert_eq(store_port(g.st)->delayed, ways[i].sync == SYNC_ALWAYS && !ways[i].early);
        fill(&g);
        uint64_t reserved = store_port(g.st)->reserved;
        rig_copy_files(&g, &copy);
        cr_assert(rig_stop(&g, 1000));
        rig_open(&copy);
        check_filled(&copy);
        expect_lost(&copy, 1, 4, reserved);
        cr_assert_eq(copy.r.log.top, reserved);
        cr_assert(rig_stop(&copy, 1000));
        rig_open(&copy);
        expect_lost(&copy, 1, 4, reserved); /* for as long as the database lives */
        cr_assert_eq(copy.r.log.top, reserved, "nothing was given out since");
        cr_assert(rig_stop(&copy, 1000));
        rig_sql(&g, "DELETE FROM messages; DELETE FROM lanes; DELETE FROM unacked;"
                    "UPDATE meta SET value = 0 WHERE key = 'top'");
    }
}

Test(store_life, one_kill_after_the_other)
{
    g.cfg.sync = SYNC_OFF;
    copy.cfg.sync = SYNC_OFF;
    rig_open(&g);
    fill(&g);
    rig_copy_files(&g, &copy);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&copy);
    uint64_t reserved = store_port(copy.st)->reserved;
    /* Killed again before anything was published: one range. */
    rig_copy_files(&copy, &g);
    rig_open(&g);
    expect_lost(&g, 1, 4, reserved);
    /* And after something was: it is not lost. */
    rig_message(&g, 1, "1");
    cr_assert(rig_settle(&g, 0));
    uint64_t second = store_port(g.st)->reserved;
    cr_assert(rig_stop(&copy, 1000));
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    cr_assert_eq(copy.r.log.nlost, 2);
    expect_lost(&copy, 2, reserved + 1, second);
}

Test(store_life, ephemeral_messages_have_numbers_too)
{
    rig_open(&g);
    fill(&g);
    struct item *i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "5");
    i->rec.ephemeral = true;
    rig_put(&g, i);
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(i->rc, 0);
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    check_filled(&g);
    cr_assert_eq(g.r.log.top, 5);
}

Test(store_life, lanes_change)
{
    rig_open(&g);
    fill(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 1, 0);
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 3);
    cr_assert_null(kept_seq(&g.r.messages, 1));
    cr_assert_eq(g.r.lanes.v[0].evicted, 1);
    struct item *i = rig_item(&g, RECORD_FORGET);
    i->rec.lane = 2;
    i->rec.floor = 4;
    rig_put(&g, i);
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.log.floor, 4);
    cr_assert_eq(g.r.lanes.n, 2);
    cr_assert_null(kept_seq(&g.r.messages, 4));
    cr_assert_eq(g.r.unacked.n, 1, "waits for its acknowledgement all the same");
    i = rig_item(&g, RECORD_ACKED);
    i->rec.seq = 4;
    rig_put(&g, i);
    i = rig_item(&g, RECORD_FORGET);
    i->rec.lane = 1;
    i->rec.floor = 3; /* never lower */
    rig_put(&g, i);
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.unacked.n, 0);
    cr_assert_eq(g.r.log.floor, 4);
    cr_assert_eq(g.r.messages.n, 1);
}

static struct once *new_once(const char *id, uint64_t first, uint32_t count, uint64_t at_ms)
{
    uint8_t hash[ONCE_HASH];

    memset(hash, (int)first, sizeof hash);
    struct once *o = once_new(str_of(id), hash, count);
    cr_assert_not_null(o);
    o->first = first;
    o->at_ms = at_ms;
    for (uint32_t i = 0; i < count; i++) {
        o->results[i] = (struct once_result){.matched = UINT32_MAX - i, .status = i};
    }
    return o;
}

Test(store_life, ids_come_back_within_their_window)
{
    struct item *i;

    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
    i->rec.once = new_once("old", 1, 1, RIG_NOW - 600001);
    rig_put(&g, i);
    i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "2");
    i->rec.once = new_once("new", 2, 3, RIG_NOW - 600000);
    rig_put(&g, i);
    i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "3");
    i->rec.once = new_once("newer", 3, 1, RIG_NOW);
    i->rec.ephemeral = true; /* its id counts nevertheless */
    rig_put(&g, i);
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.ids.n, 2);
    cr_assert_str_eq(g.r.ids.v[0].id, "new");
    cr_assert_eq(g.r.ids.v[0].seq, 2);
    cr_assert_eq(g.r.ids.v[0].count, 3);
    cr_assert_eq(g.r.ids.v[0].at_ms, RIG_NOW - 600000);
    cr_assert_eq(g.r.ids.v[0].hash[7], 2);
    cr_assert_eq(g.r.ids.v[0].results[2].matched, UINT32_MAX - 2);
    cr_assert_eq(g.r.ids.v[0].results[2].status, 2);
    cr_assert_str_eq(g.r.ids.v[1].id, "newer");
    cr_assert_eq(g.r.messages.n, 2);
}

Test(store_life, an_id_may_be_used_again_after_its_window)
{
    struct item *i;

    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    for (unsigned n = 1; n <= 2; n++) {
        i = rig_new_message(&g, TARGET_CHANNEL, "news", 1, "1");
        i->rec.once = new_once("same", n, 1, RIG_NOW);
        rig_put(&g, i);
    }
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.ids.n, 1);
    cr_assert_eq(g.r.ids.v[0].seq, 2);
}

Test(store_life, expired_messages_are_not_loaded)
{
    rig_open(&g);
    fill(&g);
    cr_assert(rig_stop(&g, 1000));
    rig_sql(&g, "UPDATE messages SET expires = 1000001 WHERE seq = 1;"
                "UPDATE messages SET expires = 1000000 WHERE seq = 3");
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 3);
    cr_assert_not_null(kept_seq(&g.r.messages, 1));
    cr_assert_null(kept_seq(&g.r.messages, 3));
}

Test(store_life, a_message_without_a_lane_is_kept_only_for_its_acknowledgement)
{
    rig_open(&g);
    struct item *i = rig_new_message(&g, TARGET_USER, "u", 0, "1");
    i->rec.ack = true;
    rig_put(&g, i);
    rig_put(&g, rig_new_message(&g, TARGET_CHANNEL, "c", 0, "1"));
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 0);
    cr_assert_eq(g.r.unacked.n, 1);
    cr_assert_str_eq(g.r.unacked.v[0].name, "u");
    cr_assert_eq(g.r.log.top, 2);
}

Test(store_life, a_start_that_fails_is_no_unclean_stop)
{
    rig_open(&g);
    fill(&g);
    cr_assert(rig_stop(&g, 1000));
    for (unsigned after = 1; after <= 3 + 4 + 1; after++) {
        g.r.fail_after = after;
        g.r.fail_with = ERR_NOMEM;
        cr_assert_eq(rig_try_open(&g), ERR_NOMEM);
        cr_assert_not(g.r.restored);
        cr_assert_not_null(strstr(g.why.text, "memory"));
        cr_assert(rig_stop(&g, 1000));
    }
    g.r.fail_after = 5;
    g.r.fail_with = ERR_NOT_FOUND;
    cr_assert_eq(rig_try_open(&g), ERR_INVALID);
    cr_assert_not_null(strstr(g.why.text, "message 2 makes no sense"), "%s", g.why.text);
    cr_assert(rig_stop(&g, 1000));
    g.r.fail_after = 0;
    rig_open(&g);
    check_filled(&g);
    cr_assert_eq(g.r.log.top, 4);
}

Test(store_life, stopping_twice_and_nothing)
{
    cr_assert_not(store_stop(NULL, 10));
    store_free(NULL);
    rig_open(&g);
    cr_assert(store_stop(g.st, 10));
    cr_assert(store_stop(g.st, 10), "it says the same again");
}

/* With the message itself: nothing may come between them. */
Test(store_life, the_first_that_nobody_was_sent)
{
    rig_open(&g);
    rig_lane(&g, 1, TARGET_USER, "u", 0, 0);
    rig_put(&g, rig_new_message(&g, TARGET_USER, "u", 1, "1"));
    for (unsigned i = 0; i < 2; i++) {
        struct item *m = rig_new_message(&g, TARGET_USER, "u", 1, "2");
        m->rec.queues = true;
        rig_put(&g, m);
    }
    cr_assert(rig_settle(&g, 0));
    rig_copy_files(&g, &copy);
    rig_open(&copy);
    cr_assert_eq(copy.r.lanes.v[0].queued, 2);
    cr_assert_eq(copy.r.messages.n, 3);
}
