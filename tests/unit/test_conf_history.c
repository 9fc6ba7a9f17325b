/* Options: what is kept of whom, and where. */
#include "support_conf.h"

TestSuite(conf_history, .init = setup, .fini = teardown);

static void is(struct history_rule rule, uint32_t count, uint64_t bytes, uint64_t age_ms,
               const char *what)
{
    cr_expect_eq(rule.count, count, "%s: %u messages", what, rule.count);
    cr_expect_eq(rule.bytes, bytes, "%s: %lu bytes", what, (unsigned long)rule.bytes);
    cr_expect_eq(rule.age_ms, age_ms, "%s: %lu ms", what, (unsigned long)rule.age_ms);
}

#define MIB (UINT64_C(1) << 20)
#define HOUR UINT64_C(3600000)

Test(conf_history, rules)
{
    static const struct {
        const char *text, *prefix;
        uint32_t count;
        uint64_t bytes, age_ms;
    } cases[] = {
        {"orders.=5000,8m,24h", "orders.", 5000, 8 * MIB, 24 * HOUR},
        {"metrics.=0", "metrics.", 0, 2 * MIB, 3 * HOUR},
        {"a=100,,1h", "a", 100, 2 * MIB, HOUR},
        {"a=100,1k", "a", 100, 1024, 3 * HOUR},
        {"a=100,1k,", "a", 100, 1024, 3 * HOUR},
        {"a=,1k,5s", "a", 7, 1024, 5000},
        {"a=,,5s", "a", 7, 2 * MIB, 5000},
        {"a=1=2,3=4", "a=1=2,3", 4, 2 * MIB, 3 * HOUR},
        {"a=10000000,64g,8760h", "a", 10000000, UINT64_C(64) << 30, 8760 * HOUR},
        {"a=5,0", "a", 0, 0, 3 * HOUR}, /* no room, so nothing */
        {"Aa0_-.:@=,;/=1", "Aa0_-.:@=,;/", 1, 2 * MIB, 3 * HOUR},
    };

    cr_assert_eq(set("history", "7"), 0);
    cr_assert_eq(set("history-bytes", "2m"), 0);
    cr_assert_eq(set("history-age", "3h"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct history_rule rule;
        struct str prefix;
        const char *text = cases[i].text;
        cr_assert_eq(options_parse_history_rule(&o, text, &prefix, &rule, &why), 0, "%s: %s", text,
                     why.text);
        cr_expect(str_eqz(prefix, cases[i].prefix), "%s", text);
        is(rule, cases[i].count, cases[i].bytes, cases[i].age_ms, text);
        cr_expect_eq(set("history-for", text), 0, "%s", why.text);
    }
}

Test(conf_history, wrong_rules)
{
#define FIX "; write PREFIX=N[,SIZE[,TIME]], such as orders.=5000,8m,24h"
    static const struct {
        const char *text, *says;
        int rc;
    } cases[] = {
        {"orders.", "history-for: \"orders.\": there is no \"=\" and number of messages" FIX,
         ERR_INVALID},
        {"=5", "history-for: \"=5\": the prefix is missing (for all channels there is history)" FIX,
         ERR_INVALID},
        {"a.*=5", "history-for: \"a.*=5\": a prefix has no wildcards" FIX, ERR_INVALID},
        {"a.>=5", "history-for: \"a.>=5\": a prefix has no wildcards" FIX, ERR_INVALID},
        {"a b=5",
         "history-for: \"a b=5\": the prefix has a byte that no channel's name may have" FIX,
         ERR_INVALID},
        {"a=", "history-for: \"a=\": nothing follows the \"=\"" FIX, ERR_INVALID},
        {"a=,,", "history-for: \"a=,,\": nothing follows the \"=\"" FIX, ERR_INVALID},
        {"a=1,2,3,4",
         "history-for: \"a=1,2,3,4\": there are more than a number, a size and a time" FIX,
         ERR_INVALID},
        {"a=1,2,3,",
         "history-for: \"a=1,2,3,\": there are more than a number, a size and a time" FIX,
         ERR_INVALID},
        {"a=x", "history-for: \"x\" is not a whole number", ERR_INVALID},
        {"a=1k", "history-for: \"1k\" is not a whole number", ERR_INVALID},
        {"a=-1", "history-for: \"-1\" is not a whole number", ERR_INVALID},
        {"a=1, 8m",
         "history-for: \" 8m\" is not a size; write a whole number of bytes, or with k, m or g, "
         "such as 64k",
         ERR_INVALID},
        {"a=1,8m,1w",
         "history-for: \"1w\" is not a time; write a whole number with ms, s, m or h, such as 30s",
         ERR_INVALID},
        {"a=10000001", "history-for: 10000001 is outside its limits, 0 to 10000000", ERR_RANGE},
        {"a=1,65g", "history-for: 65g is outside its limits, 0 to 64g", ERR_RANGE},
        {"a=1,,1ms", "history-for: 1ms is outside its limits, 1s to 8760h", ERR_RANGE},
    };
    char text[220];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(set("history-for", cases[i].text), cases[i].rc, "%s", cases[i].text);
        cr_expect_str_eq(why.text, cases[i].says);
    }
    cr_expect_eq(o.history_for.n, 0, "errors change nothing");
    memset(text, 'a', sizeof text);
    strcpy(text + 200, "=5");
    cr_expect_eq(set("history-for", text), 0);
    strcpy(text + 200, "a=5");
    cr_expect_eq(set("history-for", text), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "longer than a channel's name may be, 200 bytes"));
}

/* What does not fit is no number, whatever its first bytes are. */
Test(conf_history, long_parts_are_no_numbers)
{
    cr_expect_eq(set("history-for", "a=0000000000000000000000000000000000000001"), ERR_INVALID);
    cr_expect_eq(set("history-for", "a=1,0000000000000000000000000000000000001k"), ERR_INVALID);
    cr_expect_eq(set("history-for", "a=99999999999999999999999999999999999999999"), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "999\": this is too long for a number; write PREFIX=N"));
}

Test(conf_history, a_prefix_has_one_rule)
{
    cr_assert_eq(set("history-for", "a.=5,1m"), 0);
    cr_assert_eq(set("history-for", "a=6"), 0);
    cr_assert_eq(set("history-for", "a.=5,1024k"), 0);
    cr_assert_eq(options_check(&o, &why), 0, "the same twice is no harm");
    cr_assert_eq(set("history-for", "a.=5,2m"), 0);
    cr_assert_eq(options_check(&o, &why), ERR_EXISTS);
    cr_assert_str_eq(why.text,
                     "history-for: a.=5,2m gives second bounds to the same prefix; leave one out");
}

Test(conf_history, the_rule_of_a_channel)
{
    is(options_channel_history(&o, STR_LIT("x")), 1000, MIB, HOUR, "the default");
    is(options_everyone_history(&o), 1000, MIB, HOUR, "everyone");
    is(options_user_history(&o), 1000, MIB, 168 * HOUR, "users");
    cr_assert_eq(set("history-for", "ticks.raw=9,,2h"), 0);
    cr_assert_eq(set("history-for", "ticks.=0"), 0);
    cr_assert_eq(set("history-for", "a=b=,4k"), 0);
    cr_assert_eq(set("history", "50"), 0);
    cr_assert_eq(set("user-history", "60"), 0);
    cr_assert_eq(set("user-history-bytes", "5k"), 0);
    cr_assert_eq(set("user-history-age", "70s"), 0);
    is(options_channel_history(&o, STR_LIT("")), 50, MIB, HOUR, "empty");
    is(options_channel_history(&o, STR_LIT("ticks")), 50, MIB, HOUR, "shorter than a prefix");
    is(options_channel_history(&o, STR_LIT("ticks.")), 0, MIB, HOUR, "the prefix itself");
    is(options_channel_history(&o, STR_LIT("ticks.eur")), 0, MIB, HOUR, "the shorter prefix");
    is(options_channel_history(&o, STR_LIT("ticks.raw.x")), 9, MIB, 2 * HOUR, "the longest");
    is(options_channel_history(&o, STR_LIT("a=bc")), 50, 4096, HOUR, "without a number");
    is(options_channel_history(&o, STR_LIT("Ticks.eur")), 50, MIB, HOUR, "case counts");
    is(options_everyone_history(&o), 50, MIB, HOUR, "everyone has no prefix");
    is(options_user_history(&o), 60, 5120, 70000, "users");
    cr_assert_eq(set("user-history-bytes", "0"), 0);
    is(options_user_history(&o), 0, 0, 70000, "no room for users");
    cr_assert_eq(set("history-bytes", "0"), 0);
    is(options_channel_history(&o, STR_LIT("x")), 0, 0, HOUR, "no room");
}

Test(conf_history, stores)
{
#define STORE_FIX                                                       \
    "; write memory, or sqlite: and the path of the database, such as " \
    "sqlite:/var/lib/fanfare/log.db"
    static const char *const bad[][2] = {
        {"", "store: \"\": there is no such kind of store" STORE_FIX},
        {"Memory", "store: \"Memory\": there is no such kind of store" STORE_FIX},
        {"/x.db", "store: \"/x.db\": there is no such kind of store" STORE_FIX},
        {"sqlite", "store: \"sqlite\": there is no such kind of store" STORE_FIX},
        {"sqlite:", "store: \"sqlite:\": the path is missing" STORE_FIX},
        {"sqlite:/x/", "store: \"sqlite:/x/\": the path names a directory" STORE_FIX},
        {"sqlite::memory:", "store: \"sqlite::memory:\": there is no path" STORE_FIX},
    };

    cr_expect_null(options_store_path(&o));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(set("store", bad[i][0]), ERR_INVALID, "%s", bad[i][0]);
        cr_expect_str_eq(why.text, bad[i][1]);
    }
    cr_expect_eq(set("sync", "off"), 0);
    cr_expect_eq(set("fanout-early", "yes"), 0);
    cr_expect_eq(options_check(&o, &why), 0, "options of a store that is not used");
    cr_expect_eq(set("store", "sqlite:/var/lib/x.db"), 0);
    cr_expect_str_eq(options_store_path(&o), "/var/lib/x.db");
    cr_expect_eq(set("store", "sqlite:x.db"), 0);
    cr_expect_str_eq(options_store_path(&o), "x.db");
    cr_expect_eq(options_check(&o, &why), 0, "%s", why.text);
    cr_expect_eq(set("store", "memory"), 0);
    cr_expect_null(options_store_path(&o));
}

Test(conf_history, choices_have_the_order_of_their_names)
{
    static const char *const sync[] = {"always", "interval", "off"};

    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(set("sync", sync[i]), 0);
        cr_expect_eq(o.sync, i);
    }
    cr_expect(SYNC_ALWAYS == 0 && SYNC_INTERVAL == 1 && SYNC_OFF == 2);
    cr_expect_eq(set("store-failure", "memory"), 0);
    cr_expect_eq(o.store_failure, (unsigned)STORE_FAILURE_MEMORY);
    cr_expect_eq(set("store-failure", "refuse"), 0);
    cr_expect_eq(o.store_failure, (unsigned)STORE_FAILURE_REFUSE);
}
