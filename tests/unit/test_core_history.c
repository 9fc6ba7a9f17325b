/* What is kept of the log: bounds, expiry, what is known of what is gone, pages. */
#include "test_core_keep.h"

static struct keeper k;
static char text[8192];

static void keep(const char *const *settings)
{
    k_init(&k, settings, NULL);
}

static void end(void)
{
    k_fini(&k);
}

/* What is known of a lane: "3 kept 4-6 evicted 3", and "queued 2" of a user. */
static const char *lane(enum target_kind kind, const char *name)
{
    struct lane_info i = {0};
    size_t n;

    if (!router_lane(k.h.r, kind, str_of(name), &i)) {
        return "unknown";
    }
    cr_assert_eq(i.messages == 0, i.bytes == 0);
    n = (size_t)snprintf(text, sizeof(text), "%llu kept %llu-%llu evicted %llu",
                         (unsigned long long)i.messages, (unsigned long long)i.first.seq,
                         (unsigned long long)i.last.seq, (unsigned long long)i.evicted.seq);
    if (i.queued) {
        snprintf(text + n, sizeof(text) - n, " queued %llu", (unsigned long long)i.queued);
    }
    return text;
}

static const char *channel(const char *name)
{
    return lane(TARGET_CHANNEL, name);
}

static uint64_t bytes_of(const char *name)
{
    struct lane_info i;

    return router_lane(k.h.r, TARGET_CHANNEL, str_of(name), &i) ? i.bytes : 0;
}

static void send_many(const char *name, unsigned n)
{
    while (n--) {
        (void)k_channel(&k, name);
    }
}

/* A message of about `size` bytes, twice: once for each transport. */
static uint64_t send_large(const char *name, size_t size)
{
    static char data[100000];
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    memset(data, '1', sizeof(data));
    p.envelope.data = (struct str){data, size};
    return k_publish(&k, &p);
}

static uint64_t send_ttl(const char *name, uint32_t ttl_s)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    p.ttl_s = ttl_s;
    return k_publish(&k, &p);
}

static uint64_t send_ephemeral(enum target_kind kind, const char *name)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, kind, &to);

    p.ephemeral = true;
    return k_publish(&k, &p);
}

static void tidy(uint64_t ms)
{
    unsigned n = 0;

    k.now_ms += ms;
    while (router_tidy(k.h.r, k.now_ms)) {
        cr_assert_lt(++n, 1000u);
    }
}

/* ---- bounds ---- */

Test(history, the_newest_by_count)
{
    keep((const char *const[]){"history", "3", NULL});
    cr_assert_str_eq(channel("a"), "unknown");
    send_many("a", 2);
    cr_assert_str_eq(channel("a"), "2 kept 1-2 evicted 0");
    send_many("a", 1);
    cr_assert_str_eq(channel("a"), "3 kept 1-3 evicted 0");
    send_many("a", 2);
    cr_assert_str_eq(channel("a"), "3 kept 3-5 evicted 2");
    send_many("b", 1);
    cr_assert_str_eq(channel("a"), "3 kept 3-5 evicted 2", "others do not count");
    cr_assert_str_eq(channel("b"), "1 kept 6-6 evicted 0");
    cr_assert_eq(k_metric(&k, METRIC_EVICTED), 2u);
    end();
}

Test(history, none_is_kept)
{
    keep((const char *const[]){"history", "0", NULL});
    send_many("a", 2);
    cr_assert_str_eq(channel("a"), "0 kept 0-0 evicted 2");
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 0u);
    end();
}

Test(history, without_keep_nothing_is_known)
{
    struct harness h;
    struct lane_info i;
    struct publish_result res;
    struct str to = STR_LIT("a");

    cr_assert_eq(h_init(&h), 0);
    cr_assert_eq(h_publish(&h, TARGET_CHANNEL, &to, 1, 0, &res), 0);
    cr_assert_not(router_lane(h.r, TARGET_CHANNEL, to, &i));
    cr_assert_not(router_tidy(h.r, 1000));
    h_fini(&h);
}

Test(history, the_newest_by_bytes)
{
    uint64_t one;

    keep((const char *const[]){"history-bytes", "20000", NULL});
    (void)send_large("a", 1000);
    one = bytes_of("a");
    cr_assert_gt(one, 2000u, "both transports");
    cr_assert_lt(one, 3000u);
    for (unsigned i = 1; i < 100; i++) {
        (void)send_large("a", 1000);
        cr_assert_leq(bytes_of("a"), 20000u);
    }
    cr_assert_gt(bytes_of("a"), 20000u - one - 20, "and as much as has room");
    (void)send_large("a", 8000); /* makes room for itself */
    cr_assert_leq(bytes_of("a"), 20000u);
    cr_assert_gt(bytes_of("a"), 16000u);
    (void)send_large("a", 12000); /* is larger than all that is kept */
    cr_assert_str_eq(channel("a"), "0 kept 0-0 evicted 102");
    (void)send_large("a", 10);
    cr_assert_str_eq(channel("a"), "1 kept 103-103 evicted 102");
    end();
}

Test(history, what_is_too_old_goes)
{
    keep((const char *const[]){"history-age", "10s", NULL});
    send_many("a", 2);
    k.now_ms += 6000;
    send_many("a", 1);
    send_many("b", 1);
    tidy(3999);
    cr_assert_str_eq(channel("a"), "3 kept 1-3 evicted 0");
    tidy(1);
    cr_assert_str_eq(channel("a"), "1 kept 3-3 evicted 2");
    k.now_ms += 9000;
    send_many("a", 1); /* that too trims */
    cr_assert_str_eq(channel("a"), "1 kept 5-5 evicted 3");
    tidy(0);
    cr_assert_str_eq(channel("b"), "0 kept 0-0 evicted 4");
    tidy(100000);
    cr_assert_str_eq(channel("a"), "0 kept 0-0 evicted 5");
    end();
}

/* A clock that is set back makes nothing older or younger than it is. */
Test(history, a_clock_that_goes_backwards)
{
    keep((const char *const[]){"history-age", "10s", NULL});
    k.now_ms = 100000;
    send_many("a", 1);
    k.now_ms = 50000;
    send_many("a", 1);
    tidy(0);
    cr_assert_str_eq(channel("a"), "2 kept 1-2 evicted 0");
    k.now_ms = 109999;
    tidy(0);
    cr_assert_str_eq(channel("a"), "2 kept 1-2 evicted 0");
    tidy(1);
    cr_assert_str_eq(channel("a"), "0 kept 0-0 evicted 2");
    end();
}

Test(history, the_oldest_of_all_by_total)
{
    uint64_t one;
    unsigned n;

    keep((const char *const[]){"history-total", "65536", "history-bytes", "1m", NULL});
    (void)send_large("a", 1000);
    one = bytes_of("a");
    n = (unsigned)(65536 / one);
    for (unsigned i = 1; i < n; i++) {
        (void)send_large(i % 2 ? "b" : "a", 1000);
    }
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), n);
    cr_assert_eq(k_metric(&k, METRIC_EVICTED), 0u);
    (void)send_large("c", 1000);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), n);
    (void)send_large("c", 1000);
    (void)send_large("c", 1000);
    cr_assert_leq(k_metric(&k, METRIC_HISTORY_BYTES), 65536u);
    cr_assert_eq(bytes_of("a") + bytes_of("b") + bytes_of("c"), k_metric(&k, METRIC_HISTORY_BYTES));
    cr_assert(strstr(channel("a"), "evicted 3"));
    cr_assert(strstr(channel("b"), "evicted 2"));
    cr_assert(strstr(channel("c"), "3 kept"));
    (void)send_large("d", 40000); /* more than there may be */
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 0u);
    cr_assert(strstr(channel("d"), "0 kept"));
    end();
}

/* Sixteen lanes: channels, users and everyone together. */
Test(history, the_longest_silent_is_forgotten)
{
    char name[16];

    keep((const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 0; i < 15; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        send_many(name, 1);
    }
    (void)k_user(&k, "u");
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_CHANNELS), 16u);
    send_many("c0", 1); /* is not silent */
    (void)k_everyone(&k);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_CHANNELS), 16u);
    cr_assert_eq(k_metric(&k, METRIC_FORGOTTEN), 1u);
    cr_assert_str_eq(channel("c1"), "unknown");
    cr_assert_str_eq(channel("c0"), "2 kept 1-17 evicted 0");
    cr_assert_str_eq(lane(TARGET_USER, "u"), "1 kept 16-16 evicted 0 queued 1");
    cr_assert_str_eq(lane(TARGET_EVERYONE, ""), "1 kept 18-18 evicted 0");
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 17u);
    send_many("c1", 1); /* comes back: what it was is not known */
    cr_assert_str_eq(channel("c1"), "1 kept 19-19 evicted 3");
    cr_assert_str_eq(channel("c2"), "unknown");
    end();
}

/* A publication to many targets does not push out its own. */
Test(history, many_targets_in_few_lanes)
{
    struct str to[40];
    char names[40][8];
    struct publish_result res[40];
    struct publish_verdict verdict;
    struct publication p;

    keep((const char *const[]){"history-channels", "16", NULL});
    for (unsigned i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        to[i] = str_of(names[i]);
    }
    p = k_publication(&k, TARGET_CHANNEL, to);
    p.count = 40;
    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), 0);
        for (unsigned i = 0; i < 40; i++) {
            cr_assert_eq(res[i].cursor.seq, round * 40u + i + 1);
        }
    }
    send_many("x", 1);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(names[0], sizeof(names[0]), "d%u", i);
        send_many(names[0], 1);
    }
    cr_assert_leq(k_metric(&k, METRIC_HISTORY_CHANNELS), 40u);
    end();
}

/* ---- rules ---- */

Test(history, rules_by_prefix)
{
    keep((const char *const[]){"history", "2", "history-for", "a.=4", "history-for", "a.b.=0",
                               "history-for", "c=3,1m,2s", "user-history", "1", NULL});
    send_many("a.x", 5);
    cr_assert_str_eq(channel("a.x"), "4 kept 2-5 evicted 1");
    send_many("a.b.c", 1);
    cr_assert_str_eq(channel("a.b.c"), "0 kept 0-0 evicted 6");
    send_many("b", 3);
    cr_assert_str_eq(channel("b"), "2 kept 8-9 evicted 7");
    send_many("cc", 4);
    cr_assert_str_eq(channel("cc"), "3 kept 11-13 evicted 10");
    tidy(2000);
    cr_assert_str_eq(channel("cc"), "0 kept 0-0 evicted 13");
    cr_assert_str_eq(channel("b"), "2 kept 8-9 evicted 7");
    (void)k_user(&k, "a.x");
    (void)k_user(&k, "a.x");
    cr_assert_str_eq(lane(TARGET_USER, "a.x"), "1 kept 15-15 evicted 14 queued 1");
    for (unsigned i = 0; i < 3; i++) {
        (void)k_everyone(&k);
    }
    cr_assert_str_eq(lane(TARGET_EVERYONE, ""), "2 kept 17-18 evicted 16");
    end();
}

/* ---- ttl, ephemeral ---- */

Test(history, expired_is_not_evicted)
{
    keep(NULL);
    (void)send_ttl("a", 2);
    (void)send_ttl("a", 10);
    (void)send_ttl("a", 2);
    send_many("a", 1);
    (void)send_ttl("a", 2);
    tidy(1999);
    cr_assert_str_eq(channel("a"), "5 kept 1-5 evicted 0");
    tidy(1);
    cr_assert_str_eq(channel("a"), "2 kept 2-4 evicted 0");
    cr_assert_eq(k_metric(&k, METRIC_EXPIRED), 3u);
    tidy(8000);
    cr_assert_str_eq(channel("a"), "1 kept 4-4 evicted 0");
    cr_assert_eq(k_metric(&k, METRIC_EXPIRED), 4u);
    cr_assert_eq(k_metric(&k, METRIC_EVICTED), 0u);
    (void)send_ttl("b", 1);
    tidy(1000);
    cr_assert_str_eq(channel("b"), "0 kept 0-0 evicted 0");
    end();
}

Test(history, expired_but_not_tidied)
{
    keep((const char *const[]){"history", "2", NULL});
    (void)send_ttl("a", 1);
    (void)send_ttl("a", 5);
    k.now_ms += 1000;
    send_many("a", 1); /* the first is over, so none is evicted */
    cr_assert_str_eq(channel("a"), "2 kept 2-3 evicted 0");
    send_many("a", 1);
    cr_assert_str_eq(channel("a"), "2 kept 3-4 evicted 2", "its time was not over");
    end();
}

Test(history, ephemeral_is_kept_nowhere)
{
    keep(NULL);
    (void)send_ephemeral(TARGET_CHANNEL, "a");
    (void)send_ephemeral(TARGET_USER, "u");
    (void)send_ephemeral(TARGET_EVERYONE, NULL);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 0u);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_CHANNELS), 0u);
    send_many("a", 1);
    (void)send_ephemeral(TARGET_CHANNEL, "a");
    cr_assert_str_eq(channel("a"), "1 kept 4-4 evicted 0");
    end();
}

/* ---- users ---- */

static enum publish_status to_user(const char *name, bool ephemeral)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_USER, &to);
    struct publish_result res;
    struct publish_verdict verdict;

    p.ephemeral = ephemeral;
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), 0);
    return res.status;
}

Test(history, queued_for_a_user_that_is_away)
{
    struct reader b;

    keep((const char *const[]){"user-history", "3", NULL});
    cr_assert_eq(to_user("u", false), PUBLISH_QUEUED);
    cr_assert_eq(to_user("u", true), PUBLISH_OFFLINE);
    cr_assert_eq(to_user("u", false), PUBLISH_QUEUED);
    cr_assert_str_eq(lane(TARGET_USER, "u"), "2 kept 1-3 evicted 0 queued 2");
    cr_assert_eq(k_metric(&k, METRIC_QUEUED), 2u);
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "1 3 =3");
    cr_assert_str_eq(lane(TARGET_USER, "u"), "2 kept 1-3 evicted 0");
    cr_assert_eq(to_user("u", false), PUBLISH_ONLINE);
    cr_assert_eq(to_user("u", true), PUBLISH_ONLINE);
    h_drain_all(&k.h);
    reader_expect(&b, "4 5");
    reader_leave(&b);
    cr_assert_str_eq(lane(TARGET_USER, "u"), "3 kept 1-4 evicted 0");
    cr_assert_eq(to_user("u", false), PUBLISH_QUEUED);
    cr_assert_str_eq(lane(TARGET_USER, "u"), "3 kept 3-6 evicted 1 queued 1");
    end();
}

/* Not promised if it cannot be kept. */
Test(history, queued_only_if_it_is_kept)
{
    struct str to = STR_LIT("u");
    struct publication p;
    struct publish_result res;
    struct publish_verdict verdict;
    static char data[5000];

    keep((const char *const[]){"user-history-bytes", "2000", NULL});
    memset(data, '1', sizeof(data));
    p = k_publication(&k, TARGET_USER, &to);
    p.envelope.data = (struct str){data, sizeof(data)};
    cr_assert_eq(router_publish(k.h.r, &p, &res, &verdict), 0);
    cr_assert_eq(res.status, PUBLISH_OFFLINE);
    cr_assert_eq(k_metric(&k, METRIC_QUEUED), 0u);
    end();
    keep((const char *const[]){"user-history", "0", NULL});
    cr_assert_eq(to_user("u", false), PUBLISH_OFFLINE);
    end();
}

/* ---- in the large ---- */

/* Many lanes of which all expires at once: in bounded pieces. */
Test(history, tidying_is_bounded)
{
    char name[16];
    unsigned rounds = 0;

    keep((const char *const[]){"history-age", "10s", NULL});
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        send_many(name, 1);
    }
    k.now_ms += 10000;
    while (router_tidy(k.h.r, k.now_ms)) {
        rounds++;
    }
    cr_assert_geq(rounds, 2u);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 0u);
    end();
}

/* After most have gone their room is given back; what is left is all there. */
Test(history, a_ring_shrinks)
{
    struct reader b;
    char want[64];

    keep((const char *const[]){"history", "5000", "history-age", "10s", NULL});
    send_many("a", 4000);
    k.now_ms += 5000;
    send_many("a", 3);
    k.now_ms += 5000;
    tidy(0);
    cr_assert_str_eq(channel("a"), "3 kept 4001-4003 evicted 4000");
    tidy(0);
    send_many("a", 2);
    reader_open(&b, &k, 0, NULL, "a", "4000");
    snprintf(want, sizeof(want), "4001 4002 4003 4004 4005 =4005");
    reader_expect(&b, want);
    reader_leave(&b);
    end();
}

/* Tidying stands at a lane that is then forgotten. */
Test(history, forgotten_while_tidying)
{
    char name[16];

    keep((const char *const[]){"history-channels", "600", NULL});
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        send_many(name, 1);
    }
    cr_assert(router_tidy(k.h.r, k.now_ms), "it looks at 512 at a time");
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        send_many(name, 1);
    }
    tidy(0);
    cr_assert_eq(k_metric(&k, METRIC_FORGOTTEN), 600u);
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 600u);
    end();
}

/* The place of a message does not depend on how many others were kept and went
 * around it; every tenth stays. */
Test(history, much_comes_and_goes)
{
    struct reader b;
    char want[40] = "";
    uint64_t first = 0, last = 0;

    keep((const char *const[]){"history-total", "1g", "history-bytes", "1g", "history", "100000",
                               "history-for", "gone=3", NULL});
    for (unsigned i = 0; i < 30000; i++) {
        last = k_channel(&k, i % 10 ? "gone" : "kept");
        if (i == 15000) {
            first = last;
        }
    }
    cr_assert_eq(k_metric(&k, METRIC_HISTORY_MESSAGES), 3003u);
    snprintf(want, sizeof(want), "%llu", (unsigned long long)first - 1);
    reader_open(&b, &k, 0, NULL, "kept", want);
    snprintf(want, sizeof(want), "%llu %llu ", (unsigned long long)first,
             (unsigned long long)first + 10);
    cr_assert(str_starts(str_of(b.text), str_of(want)));
    cr_assert_eq(b.slices, 1500u / REPLAY_SLICE + 1);
    reader_leave(&b);
    end();
}
