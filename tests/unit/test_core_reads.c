/* How far users have read: it only grows, the others are told, the store has it. */
#include "test_core_people.h"

static struct people_keeper pk;
static struct fake f;
static struct cursor now;
static bool changed;

static void init(const char *const *settings)
{
    pk_init(&pk, settings, NULL);
}

static int read_at(const char *user, const char *channel, struct cursor at)
{
    return router_read(pk.k.h.r, str_of(user), str_of(channel), at, 0, NULL, &now, &changed);
}

static int reads(const char *user, const char *channel, uint64_t seq)
{
    return read_at(user, channel, (struct cursor){H_EPOCH, seq});
}

static void publish(unsigned n)
{
    while (n--) {
        (void)k_channel(&pk.k, "room");
    }
}

static void expect_unread(const char *user, const char *channel, uint64_t count, bool at_least,
                          uint64_t read, uint64_t last)
{
    struct unread u;

    router_unread(pk.k.h.r, str_of(user), str_of(channel), pk.k.now_ms, &u);
    cr_assert_eq(u.count, count, "%lu unread", (unsigned long)u.count);
    cr_assert_eq(u.at_least, at_least);
    cr_assert_eq(u.read.seq, read);
    cr_assert_eq(u.last.seq, last);
}

static void expect_json(int rc, struct strbuf *sb, const char *text)
{
    cr_assert_eq(rc, 0);
    cr_assert_str_eq(sb->data, text);
    strbuf_fini(sb);
}

#define AT "\"at\":\"1970-01-01T00:16:40.000Z\""

Test(reads, the_furthest_counts)
{
    struct watcher a, a2, b;
    uint64_t except;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&a2, &pk, 1, "ann", "room");
    watcher_join(&b, &pk, 2, "bob", "*");
    publish(5);
    watcher_expect(&a, "1 2 3 4 5");
    watcher_expect(&a2, "1 2 3 4 5");
    watcher_expect(&b, "1 2 3 4 5");
    except = a.m.id;
    cr_assert_eq(router_read(pk.k.h.r, STR_LIT("ann"), STR_LIT("room"), (struct cursor){H_EPOCH, 3},
                             except, NULL, &now, &changed),
                 0);
    cr_assert(changed);
    cr_assert_eq(now.seq, 3);
    cr_assert_eq(now.epoch, (uint64_t)H_EPOCH);
    watcher_expect(&a, "");
    watcher_expect(&a2, "{\"channel\":\"room\",\"userId\":\"ann\",\"cursor\":\"9ix-3\"," AT "}");
    watcher_expect(&b, "{\"channel\":\"room\",\"userId\":\"ann\",\"cursor\":\"9ix-3\"," AT "}");
    cr_assert_eq(reads("ann", "room", 3), 0);
    cr_assert_not(changed);
    cr_assert_eq(reads("ann", "room", 1), 0);
    cr_assert_not(changed);
    cr_assert_eq(now.seq, 3);
    cr_assert_eq(reads("ann", "room", 0), 0);
    cr_assert_not(changed);
    watcher_expect(&b, "");
    cr_assert_eq(reads("ann", "room", 5), 0);
    cr_assert(changed);
    watcher_expect(&a, "{\"channel\":\"room\",\"userId\":\"ann\",\"cursor\":\"9ix-5\"," AT "}");
    watcher_leave(&a);
    watcher_leave(&a2);
    watcher_leave(&b);
    pk_fini(&pk);
}

Test(reads, positions_of_this_log_only)
{
    init(NULL);
    publish(5);
    cr_assert_eq(reads("ann", "room", 6), ERR_INVALID, "beyond the top");
    cr_assert_eq(read_at("ann", "room", (struct cursor){H_EPOCH + 1, 3}), ERR_INVALID);
    cr_assert_eq(read_at("ann", "room", (struct cursor){0, 0}), ERR_INVALID);
    cr_assert_eq(reads("ann", "room", 0), 0);
    cr_assert_not(changed);
    expect_unread("ann", "room", 5, false, 0, 5);
    cr_assert_eq(reads("ann", "quiet", 5), 0, "of another channel: a position is of the log");
    cr_assert(changed);
    expect_unread("ann", "quiet", 0, false, 5, 0);
    pk_fini(&pk);
}

/* Without people. */
Test(reads, not_set_up)
{
    struct strbuf sb = STRBUF_INIT;
    struct unread u;
    struct keeper k;

    k_init(&k, NULL, NULL);
    (void)k_channel(&k, "room");
    cr_assert_eq(router_read(k.h.r, STR_LIT("ann"), STR_LIT("room"), (struct cursor){H_EPOCH, 1}, 0,
                             NULL, &now, &changed),
                 ERR_STATE);
    router_unread(k.h.r, STR_LIT("ann"), STR_LIT("room"), k.now_ms, &u);
    cr_assert_eq(u.count, 1);
    expect_json(router_reads_page(k.h.r, STR_LIT("room"), STR_NONE, 10, &sb), &sb, "\"reads\":[]");
    expect_json(router_reads_snapshot(k.h.r, STR_LIT("room"), 10, &sb), &sb,
                "{\"channel\":\"room\",\"reads\":[],\"more\":false}");
    cr_assert_eq(router_restore_read(k.h.r, STR_LIT("room"), STR_LIT("ann"), 1, 1), 0);
    k_fini(&k);
}

Test(reads, as_a_snapshot_and_by_pages)
{
    static const char *const users[] = {"eve", "ann", "dan", "J\xc3\xb6rg \"x\"", "bob"};
    struct strbuf sb = STRBUF_INIT;
    char want[400];

    init(NULL);
    publish(5);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(reads(users[i], "room", i + 1), 0);
        cr_assert_eq(reads("ann", "elsewhere", i + 1), 0);
    }
    cr_assert_eq(reads("dan", "room", 5), 0);
    expect_json(router_reads_snapshot(pk.k.h.r, STR_LIT("room"), 2, &sb), &sb,
                "{\"channel\":\"room\",\"reads\":["
                "{\"userId\":\"dan\",\"cursor\":\"9ix-5\"," AT "},"
                "{\"userId\":\"bob\",\"cursor\":\"9ix-5\"," AT "}],\"more\":true}");
    expect_json(router_reads_snapshot(pk.k.h.r, STR_LIT("none"), 2, &sb), &sb,
                "{\"channel\":\"none\",\"reads\":[],\"more\":false}");
    expect_json(router_reads_page(pk.k.h.r, STR_LIT("room"), STR_NONE, 2, &sb), &sb,
                "\"reads\":[{\"userId\":\"J\xc3\xb6rg \\\"x\\\"\",\"cursor\":\"9ix-4\"," AT "},"
                "{\"userId\":\"ann\",\"cursor\":\"9ix-2\"," AT "}],\"next\":\"ann\"");
    snprintf(want, sizeof want, "\"reads\":[%s,%s,%s]",
             "{\"userId\":\"bob\",\"cursor\":\"9ix-5\"," AT "}",
             "{\"userId\":\"dan\",\"cursor\":\"9ix-5\"," AT "}",
             "{\"userId\":\"eve\",\"cursor\":\"9ix-1\"," AT "}");
    expect_json(router_reads_page(pk.k.h.r, STR_LIT("room"), STR_LIT("ann"), 3, &sb), &sb, want);
    pk_fini(&pk);
}

/* Who moved last stays; who is forgotten begins anew. */
Test(reads, bound)
{
    static const char *const settings[] = {"max-reads", "3", NULL};

    init(settings);
    publish(5);
    cr_assert_eq(reads("ann", "room", 4), 0);
    cr_assert_eq(reads("bob", "room", 4), 0);
    cr_assert_eq(reads("cleo", "else", 4), 0);
    cr_assert_eq(reads("ann", "room", 5), 0);
    cr_assert_eq(reads("cleo", "else", 1), 0, "that is no move");
    cr_assert_eq(reads("dan", "room", 1), 0);
    expect_unread("bob", "room", 5, false, 0, 5);
    expect_unread("ann", "room", 0, false, 5, 5);
    cr_assert_eq(reads("bob", "room", 2), 0);
    cr_assert(changed);
    cr_assert_eq(k_metric(&pk.k, METRIC_READS), 3);
    cr_assert_eq(k_metric(&pk.k, METRIC_READS_MOVED), 6);
    cr_assert_eq(k_metric(&pk.k, METRIC_READS_FORGOTTEN), 2);
    expect_unread("cleo", "else", 0, false, 0, 0);
    expect_unread("bob", "room", 3, false, 2, 5);
    pk_fini(&pk);
}

Test(reads, none_are_kept)
{
    static const char *const settings[] = {"max-reads", "0", NULL};
    struct watcher b;

    init(settings);
    publish(2);
    watcher_join(&b, &pk, 2, "bob", "room");
    cr_assert_eq(reads("ann", "room", 2), 0);
    cr_assert(changed);
    cr_assert_eq(now.seq, 2);
    watcher_expect(&b, "{\"channel\":\"room\",\"userId\":\"ann\",\"cursor\":\"9ix-2\"," AT "}");
    expect_unread("ann", "room", 2, false, 0, 2);
    watcher_leave(&b);
    pk_fini(&pk);
}

/* ---- against what is kept ---- */

static int find(const char *id)
{
    return router_find_message(pk.k.h.r, STR_LIT("room"), str_of(id), &now);
}

static void publish_id(const char *id, uint32_t ttl_s)
{
    struct str to = STR_LIT("room");
    struct publication p = k_publication(&pk.k, TARGET_CHANNEL, &to);

    p.envelope.id = str_of(id);
    p.envelope.data = STR_LIT("\"\\\"id\\\":\\\"data\\\"\"");
    p.ttl_s = ttl_s;
    (void)k_publish(&pk.k, &p);
}

Test(reads, a_message_by_its_id)
{
    static const char *const settings[] = {"history", "20000", "history-bytes", "100m", NULL};
    char id[NAME_MAX_LEN + 2];

    init(settings);
    cr_assert_eq(find("a"), ERR_NOT_FOUND);
    publish_id("a", 0);
    publish_id("ab", 0);
    publish_id("J\xc3\xb6rg \"x\"\\", 0);
    publish_id("twice", 0);
    publish_id("twice", 0);
    publish_id("short", 1);
    cr_assert_eq(find("a"), 0);
    cr_assert_eq(now.seq, 1);
    cr_assert_eq(now.epoch, (uint64_t)H_EPOCH);
    cr_assert_eq(find("ab"), 0);
    cr_assert_eq(now.seq, 2);
    cr_assert_eq(find("J\xc3\xb6rg \"x\"\\"), 0);
    cr_assert_eq(now.seq, 3);
    cr_assert_eq(find("twice"), 0);
    cr_assert_eq(now.seq, 5, "the newest");
    cr_assert_eq(find("data"), ERR_NOT_FOUND);
    cr_assert_eq(find(""), ERR_NOT_FOUND);
    memset(id, 'x', sizeof id);
    id[NAME_MAX_LEN] = '\0';
    publish_id(id, 0);
    cr_assert_eq(find(id), 0);
    id[NAME_MAX_LEN] = 'x';
    id[NAME_MAX_LEN + 1] = '\0';
    cr_assert_eq(find(id), ERR_NOT_FOUND);
    cr_assert_eq(router_find_message(pk.k.h.r, STR_LIT("other"), STR_LIT("a"), &now),
                 ERR_NOT_FOUND);
    cr_assert_eq(find("short"), 0);
    pk.k.now_ms += 1000;
    publish_id("last", 0);
    cr_assert_eq(find("short"), ERR_NOT_FOUND, "expired");
    for (unsigned i = 0; i < 9993; i++) {
        publish_id("many", 0);
    }
    cr_assert_eq(find("a"), ERR_NOT_FOUND, "too far back: it is the 10001st");
    cr_assert_eq(find("ab"), 0);
    pk_fini(&pk);
}

Test(unread, what_is_kept_behind_the_position)
{
    static const char *const settings[] = {"history", "10", NULL};

    init(settings);
    expect_unread("ann", "room", 0, false, 0, 0);
    publish(6);
    expect_unread("ann", "room", 6, false, 0, 6);
    (void)k_channel(&pk.k, "else");
    publish(4);
    expect_unread("ann", "room", 10, false, 0, 11);
    cr_assert_eq(reads("ann", "room", 7), 0, "between two");
    expect_unread("ann", "room", 4, false, 7, 11);
    publish(3); /* 1 to 3 are gone */
    expect_unread("ann", "room", 7, false, 7, 14);
    expect_unread("bob", "room", 10, true, 0, 14);
    cr_assert_eq(reads("bob", "room", 2), 0);
    expect_unread("bob", "room", 10, true, 2, 14);
    cr_assert_eq(reads("bob", "room", 3), 0);
    expect_unread("bob", "room", 10, false, 3, 14);
    cr_assert_eq(reads("bob", "room", 14), 0);
    expect_unread("bob", "room", 0, false, 14, 14);
    pk_fini(&pk);
}

Test(unread, expired_and_old_ones_do_not_count)
{
    static const char *const settings[] = {"history-age", "10s", NULL};

    init(settings);
    publish(2);
    publish_id("a", 1);
    publish(1);
    expect_unread("ann", "room", 4, false, 0, 4);
    pk.k.now_ms += 1000;
    expect_unread("ann", "room", 3, false, 0, 4);
    publish(1);
    pk.k.now_ms += 9000;
    expect_unread("ann", "room", 1, true, 0, 5);
    cr_assert_eq(reads("ann", "room", 4), 0);
    expect_unread("ann", "room", 1, false, 4, 5);
    pk_fini(&pk);
}

/* A channel of which nothing is known any more, or not whether anything was lost. */
Test(unread, where_something_may_have_been)
{
    static const char *const settings[] = {"history-channels", "16", NULL};
    struct restored_log log = {.top = 9, .lost = {{5, 9}}, .nlost = 1};

    init(settings);
    publish(2);
    for (unsigned i = 0; i < 16; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%u", i);
        (void)k_channel(&pk.k, name);
    }
    expect_unread("ann", "room", 0, true, 0, 0);
    cr_assert_eq(reads("ann", "room", 2), 0);
    expect_unread("ann", "room", 0, false, 2, 0);
    pk_fini(&pk);

    init(NULL);
    router_restore_log(pk.k.h.r, &log);
    router_restored(pk.k.h.r, pk.k.now_ms);
    cr_assert_eq(reads("ann", "room", 4), 0);
    publish(1);
    expect_unread("ann", "room", 1, true, 4, 10);
    cr_assert_eq(reads("ann", "room", 9), 0);
    expect_unread("ann", "room", 1, false, 9, 10);
    pk_fini(&pk);
}

Test(unread, without_history)
{
    static const char *const settings[] = {"history", "0", NULL};

    init(settings);
    publish(3);
    expect_unread("ann", "room", 0, true, 0, 3);
    cr_assert_eq(reads("ann", "room", 3), 0);
    expect_unread("ann", "room", 0, false, 3, 3);
    pk_fini(&pk);
}

/* ---- the store ---- */

static void begin(bool delayed, bool waits, const char *const *settings)
{
    fake_init(&f, delayed, waits);
    pk_init(&pk, settings, &f.port);
    publish(5);
    fake_give_all(&f, pk.k.h.r);
    f.len = 0;
    f.text[0] = '\0';
}

static void end(void)
{
    fake_give_all(&f, pk.k.h.r);
    pk_fini(&pk);
    cr_assert_eq(f.waiting, 0u);
}

/* What one asks for, and waits for. */
struct asker {
    struct wait w;
    int rc;
    bool changed;
    bool now; /* nothing to wait for */
    uint64_t seq;
};

static void ask(struct asker *a, const char *user, uint64_t seq)
{
    struct cursor at = {0, 0};

    wait_init(&a->w);
    a->rc = router_read(pk.k.h.r, str_of(user), STR_LIT("room"), (struct cursor){H_EPOCH, seq}, 0,
                        &a->w.t, &at, &a->changed);
    a->seq = at.seq;
    a->now = publish_ticket_close(&a->w.t);
}

Test(stored, one_record_at_a_time)
{
    begin(false, false, NULL);
    cr_assert_eq(reads("ann", "room", 1), 0);
    cr_assert_eq(reads("ann", "room", 2), 0);
    cr_assert_eq(reads("ann", "room", 3), 0);
    cr_assert_eq(reads("bob", "room", 1), 0);
    fake_expect(&f, "read room/ann 1 read room/bob 1");
    fake_give(&f, pk.k.h.r, 1, 0);
    fake_expect(&f, "read room/ann 3");
    fake_give_all(&f, pk.k.h.r);
    fake_expect(&f, "");
    cr_assert_eq(reads("ann", "room", 2), 0);
    fake_expect(&f, "");
    end();
}

Test(stored, the_answer_waits_for_the_commit)
{
    struct asker a, b, c, d;

    begin(true, true, NULL);
    ask(&a, "ann", 2);
    ask(&b, "ann", 2); /* on its way already: may wait for what is behind it, too */
    ask(&c, "ann", 4); /* when that has come back */
    ask(&d, "ann", 1);
    cr_assert(a.changed && !b.changed && c.changed && !d.changed);
    cr_assert_eq(d.seq, 4);
    cr_assert_not(a.now || b.now || c.now || d.now);
    fake_expect(&f, "read room/ann 2 |");
    fake_give(&f, pk.k.h.r, 2, 0);
    cr_assert_eq(a.w.done, 1);
    cr_assert_eq(b.w.done, 0);
    fake_expect(&f, "read room/ann 4 | | |");
    fake_give(&f, pk.k.h.r, 1, 0);
    cr_assert_eq(b.w.done + c.w.done + d.w.done, 0);
    fake_give_all(&f, pk.k.h.r);
    cr_assert_eq(b.w.done + c.w.done + d.w.done, 3);
    cr_assert_not(atomic_load(&a.w.t.failed) || atomic_load(&c.w.t.failed));
    ask(&a, "ann", 4);
    cr_assert(a.now, "it is durable");
    end();
}

Test(stored, nobody_waits_for_a_store_that_is_behind)
{
    struct asker a;

    begin(false, false, NULL);
    ask(&a, "ann", 2);
    cr_assert(a.now);
    fake_expect(&f, "read room/ann 2");
    end();
}

Test(stored, refused)
{
    struct asker a;
    struct watcher b;

    begin(true, true, NULL);
    watcher_join(&b, &pk, 0, NULL, "room");
    f.refuse = ERR_STORE;
    ask(&a, "ann", 2);
    cr_assert_eq(a.rc, ERR_STORE);
    cr_assert(a.now && !a.changed);
    f.refuse = ERR_BUSY;
    ask(&a, "ann", 2);
    cr_assert_eq(a.rc, ERR_BUSY);
    watcher_expect(&b, "");
    expect_unread("ann", "room", 5, false, 0, 5);
    ask(&a, "ann", 0);
    cr_assert_eq(a.rc, 0, "nothing is to be written");
    f.refuse = 0;
    watcher_leave(&b);
    end();
}

/* Said again while it is out: the answer is that of the record, not of what comes behind it. */
Test(stored, said_again_while_it_is_out)
{
    for (int rc = 0; rc >= ERR_STORE; rc += ERR_STORE) {
        struct asker a, b;
        begin(true, true, NULL);
        ask(&a, "ann", 2);
        ask(&b, "ann", 2);
        fake_expect(&f, "read room/ann 2 |");
        fake_give(&f, pk.k.h.r, 1, rc);
        cr_assert_eq(b.w.done, 1);
        cr_assert_eq(atomic_load(&b.w.t.failed), rc != 0);
        fake_give(&f, pk.k.h.r, 1, rc);
        cr_assert_eq(a.w.done, 1);
        cr_assert_eq(atomic_load(&a.w.t.failed), rc != 0);
        end();
    }
}

/* Whoever was told to try again, and does, is told when it is there. */
Test(stored, a_failed_commit)
{
    struct asker a, b, c;

    begin(true, true, NULL);
    ask(&a, "ann", 2);
    ask(&b, "ann", 3);
    fake_expect(&f, "read room/ann 2 |");
    fake_give(&f, pk.k.h.r, ~0u, ERR_STORE);
    cr_assert_eq(a.w.done, 1);
    cr_assert_eq(b.w.done, 1);
    cr_assert(atomic_load(&a.w.t.failed) && atomic_load(&b.w.t.failed));
    fake_expect(&f, "");
    f.refuse = ERR_STORE;
    ask(&c, "ann", 2);
    cr_assert_eq(c.rc, ERR_STORE, "not there yet");
    f.refuse = 0;
    ask(&c, "ann", 2);
    cr_assert_eq(c.rc, 0);
    cr_assert_eq(c.seq, 3);
    cr_assert_not(c.changed);
    fake_expect(&f, "read room/ann 3 |");
    fake_give_all(&f, pk.k.h.r);
    cr_assert_eq(c.w.done, 1);
    cr_assert_not(atomic_load(&c.w.t.failed));
    end();
}

static const char *const two[] = {"max-reads", "2", NULL};

Test(stored, what_is_forgotten_is_deleted)
{
    begin(false, false, two);
    cr_assert_eq(reads("ann", "room", 1), 0);
    fake_give_all(&f, pk.k.h.r);
    cr_assert_eq(reads("bob", "room", 1), 0);
    cr_assert_eq(reads("cleo", "room", 1), 0);
    fake_expect(&f, "read room/ann 1 read room/bob 1 read room/cleo 1 unread room/ann");
    fake_give_all(&f, pk.k.h.r);
    expect_unread("ann", "room", 5, false, 0, 5);
    end();
}

/* A record of the old one must not come behind that of the new one. */
Test(stored, forgotten_and_there_again)
{
    begin(false, false, two);
    cr_assert_eq(reads("ann", "room", 4), 0);
    cr_assert_eq(reads("bob", "room", 1), 0);
    cr_assert_eq(reads("cleo", "room", 1), 0); /* ann, whose record is out, goes */
    cr_assert_eq(reads("ann", "room", 2), 0);  /* and comes back; bob goes */
    cr_assert_eq(now.seq, 2);
    fake_expect(&f, "read room/ann 4 read room/bob 1 read room/cleo 1");
    fake_give_all(&f, pk.k.h.r);
    fake_expect(&f, "read room/ann 2 unread room/bob");
    cr_assert_eq(reads("bob", "room", 3), 0); /* cleo goes: its deletion is out */
    cr_assert_eq(reads("cleo", "room", 3), 0);
    fake_expect(&f, "read room/bob 3 unread room/cleo unread room/ann");
    fake_give_all(&f, pk.k.h.r);
    fake_expect(&f, "read room/cleo 3");
    fake_give_all(&f, pk.k.h.r);
    expect_unread("ann", "room", 5, false, 0, 5);
    expect_unread("bob", "room", 2, false, 3, 5);
    expect_unread("cleo", "room", 2, false, 3, 5);
    end();
}

/* It may be on the disk all the same. */
Test(stored, forgotten_while_its_commit_fails)
{
    begin(true, true, two);
    cr_assert_eq(reads("ann", "room", 1), 0);
    cr_assert_eq(reads("bob", "room", 1), 0);
    cr_assert_eq(reads("cleo", "room", 1), 0);
    fake_expect(&f, "read room/ann 1 read room/bob 1 read room/cleo 1");
    fake_give(&f, pk.k.h.r, ~0u, ERR_STORE);
    fake_expect(&f, "unread room/ann");
    fake_give(&f, pk.k.h.r, ~0u, ERR_STORE); /* waits on */
    cr_assert_eq(f.waiting, 1);
    fake_give_all(&f, pk.k.h.r);
    end();
}

Test(stored, from_the_store)
{
    struct restored_log log = {.top = 9};
    struct router *r;
    struct strbuf sb = STRBUF_INIT;

    fake_init(&f, true, true);
    pk_init(&pk, two, &f.port);
    r = pk.k.h.r;
    router_restore_log(r, &log);
    cr_assert_eq(router_restore_read(r, STR_LIT("room"), STR_LIT("old"), 8, 1000), 0);
    cr_assert_eq(router_restore_read(r, STR_LIT("room"), STR_LIT("ann"), 7, 2000), 0);
    cr_assert_eq(router_restore_read(r, STR_LIT("room"), STR_LIT("bob"), 9, 3000), 0);
    cr_assert_eq(router_restore_read(r, STR_LIT("room"), STR_LIT("bad"), 10, 4000), ERR_INVALID);
    cr_assert_eq(router_restore_read(r, STR_LIT("room"), STR_LIT("bad"), 0, 4000), ERR_INVALID);
    router_restored(r, pk.k.now_ms);
    fake_expect(&f, "");
    expect_json(router_reads_snapshot(r, STR_LIT("room"), 9, &sb), &sb,
                "{\"channel\":\"room\",\"reads\":[{\"userId\":\"bob\",\"cursor\":\"9ix-9\",\"at\":"
                "\"1970-01-01T00:00:03.000Z\"},{\"userId\":\"ann\",\"cursor\":\"9ix-7\",\"at\":"
                "\"1970-01-01T00:00:02.000Z\"}],\"more\":false}");
    cr_assert_eq(reads("ann", "room", 7), 0);
    cr_assert_not(changed);
    fake_expect(&f, "unread room/old"); /* over the bound */
    cr_assert_eq(reads("ann", "room", 8), 0);
    fake_expect(&f, "read room/ann 8");
    end();
}
