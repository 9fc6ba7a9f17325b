/* Options: who may subscribe and publish, and how much, by channel. */
#include "support_conf.h"

TestSuite(conf_access, .init = setup, .fini = teardown);

static void rule(const char *name, const char *value)
{
    cr_assert_eq(set(name, value), 0, "%s", why.text);
}

struct expected {
    const char *name;
    enum permit_who who;
};

static void subscribers(const struct expected *e)
{
    for (; e->name != NULL; e++) {
        enum permit_who who = options_subscribe_who(&o, str_of(e->name));
        cr_expect_eq(who, e->who, "%s: %u", e->name, (unsigned)who);
    }
}

Test(conf_access, permit_rules)
{
    static const struct {
        const char *text, *prefix;
        enum opt_id id;
        enum permit_who who;
    } cases[] = {
        {"news.=anyone", "news.", OPT_ID_subscribe_for, WHO_ANYONE},
        {"my.=user", "my.", OPT_ID_subscribe_for, WHO_USER},
        {"a=granted", "a", OPT_ID_subscribe_for, WHO_GRANTED},
        {"a=1=nobody", "a=1", OPT_ID_subscribe_for, WHO_NOBODY},
        {"=granted", "", OPT_ID_subscribe_for, WHO_GRANTED},
        {"chat.=granted", "chat.", OPT_ID_publish_for, WHO_GRANTED},
        {"=nobody", "", OPT_ID_publish_for, WHO_NOBODY},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct permit_rule r;
        cr_assert_eq(options_parse_permit_rule(cases[i].id, cases[i].text, &r, &why), 0, "%s",
                     why.text);
        cr_expect(str_eqz(r.prefix, cases[i].prefix), "%s", cases[i].text);
        cr_expect_eq(r.who, cases[i].who, "%s", cases[i].text);
        rule(options_info(cases[i].id)->name, cases[i].text);
    }
}

Test(conf_access, wrong_rules)
{
    static const struct {
        const char *option, *text, *says;
        int rc;
    } cases[] = {
        {"subscribe-for", "news.",
         "subscribe-for: \"news.\": there is no \"=\"; write PREFIX=WHO, such as news.=anyone",
         ERR_INVALID},
        {"subscribe-for", "news.=",
         "subscribe-for: \"news.=\": nothing follows the \"=\"; write PREFIX=WHO, such as "
         "news.=anyone",
         ERR_INVALID},
        {"subscribe-for", "news.*=user",
         "subscribe-for: \"news.*=user\": a prefix has no wildcards; write PREFIX=WHO, such as "
         "news.=anyone",
         ERR_INVALID},
        {"subscribe-for", "news.=users",
         "subscribe-for: \"users\" is not one of anyone|user|granted|nobody; did you mean user?",
         ERR_INVALID},
        {"publish-for", "news.=anyone", "publish-for: \"anyone\" is not one of granted|nobody",
         ERR_INVALID},
        {"publish-for", "a b=granted",
         "publish-for: \"a b=granted\": the prefix has a byte that no channel's name may have; "
         "write PREFIX=WHO, such as orders.=granted",
         ERR_INVALID},
        {"rate-for", "a",
         "rate-for: \"a\": there is no \"=\"; write PREFIX=N[,SIZE], such as orders.=100,1m",
         ERR_INVALID},
        {"rate-for", "a=x", "rate-for: \"x\" is not a whole number", ERR_INVALID},
        {"rate-for", "a=1,2,3", "rate-for: there are more than a number and a size", ERR_INVALID},
        {"rate-for", "a=1,65g", "rate-for: 65g is outside its limits, 0 to 64g", ERR_RANGE},
        {"max-subscribers-for", "a=10000001",
         "max-subscribers-for: 10000001 is outside its limits, 0 to 10000000", ERR_RANGE},
        {"max-subscribers-for", "a=1,2", "max-subscribers-for: \"1,2\" is not a whole number",
         ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(set(cases[i].option, cases[i].text), cases[i].rc, "%s", cases[i].text);
        cr_expect_str_eq(why.text, cases[i].says);
    }
    cr_expect_eq(o.subscribe_for.n + o.publish_for.n + o.rate_for.n + o.max_subscribers_for.n, 0,
                 "errors change nothing");
    cr_expect_eq(set("rate-for", "a=11111111111111111111111111111111111"), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "this is too long for a number"));
}

Test(conf_access, without_rules)
{
    static const struct expected expected[] = {
        {"news", WHO_ANYONE},         {"news.*", WHO_ANYONE},    {">", WHO_ANYONE},
        {"private", WHO_ANYONE},      {"private.a", WHO_ANYONE}, {"a.private-b", WHO_ANYONE},
        {"private-a", WHO_GRANTED},   {"private-", WHO_GRANTED}, {"presence-a", WHO_GRANTED},
        {"private-a.>", WHO_GRANTED}, {"Private-a", WHO_ANYONE}, {NULL, WHO_NOBODY},
    };

    subscribers(expected);
    cr_expect_eq(options_publish_who(&o, STR_LIT("news")), WHO_GRANTED);
    cr_expect_eq(options_max_subscribers(&o, STR_LIT("news")), 0);
    cr_expect_not(options_have_keys(&o));
}

Test(conf_access, the_longest_prefix_counts)
{
    static const struct expected expected[] = {
        {"news", WHO_USER},          {"news.open", WHO_ANYONE},
        {"news.open.x", WHO_ANYONE}, {"news.secret", WHO_NOBODY},
        {"new", WHO_GRANTED},        {"", WHO_GRANTED},
        {"private-a", WHO_GRANTED},  {"private-lobby.1", WHO_ANYONE},
        {NULL, WHO_NOBODY},
    };

    rule("subscribe-for", "news.open=anyone"); /* in any order */
    rule("subscribe-for", "news=user");
    rule("subscribe-for", "news.secret=nobody");
    rule("subscribe-for", "=granted");
    rule("subscribe-for", "private-lobby.=anyone");
    subscribers(expected);
}

Test(conf_access, short_prefixes_do_not_open_private_channels)
{
    static const struct expected expected[] = {
        {"x", WHO_ANYONE},       {"private-x", WHO_GRANTED}, {"presence-x", WHO_GRANTED},
        {"private", WHO_ANYONE}, {"prices", WHO_ANYONE},     {"private-x.*", WHO_GRANTED},
        {NULL, WHO_NOBODY},
    };

    rule("subscribe-for", "=anyone");
    rule("subscribe-for", "pr=anyone");
    rule("subscribe-for", "private=user");
    cr_expect_eq(options_subscribe_who(&o, STR_LIT("private")), WHO_USER);
    rule("subscribe-for", ""); /* anew */
    rule("subscribe-for", "=anyone");
    rule("subscribe-for", "private=anyone");
    subscribers(expected);
    rule("subscribe-for", "priv=nobody"); /* a shorter one does not count at all */
    subscribers(expected);
    rule("subscribe-for", "");
    rule("subscribe-for", "priv=nobody");
    cr_expect_eq(options_subscribe_who(&o, STR_LIT("private-x")), WHO_NOBODY, "but it may close");
    rule("subscribe-for", "private-=user");
    cr_expect_eq(options_subscribe_who(&o, STR_LIT("private-x")), WHO_USER,
                 "what it names, it may");
}

Test(conf_access, of_patterns_the_strictest_counts)
{
    static const struct expected expected[] = {
        {">", WHO_NOBODY},
        {"*", WHO_NOBODY}, /* "x" and longer ones without a dot */
        {"a.>", WHO_GRANTED},
        {"a.*", WHO_USER}, /* too short for a.b.c */
        {"a.b.*", WHO_GRANTED},
        {"a.b.>", WHO_GRANTED},
        {"a.c.>", WHO_USER},
        {"a.*.c", WHO_GRANTED},
        {"*.b.c", WHO_NOBODY},
        {"*.q.d", WHO_NOBODY}, /* "xx.q.d" */
        {"b.>", WHO_ANYONE},
        {"b.*.d", WHO_ANYONE},
        {"a.q.*", WHO_ANYONE},
        {"a.q.>", WHO_ANYONE},
        {"deep.*", WHO_ANYONE},   /* too short to reach deep.b.c. */
        {"deep.*.*", WHO_ANYONE}, /* "deep.b.c" is not "deep.b.c.…" */
        {"deep.*.*.*", WHO_NOBODY},
        {"deep.*.x.*", WHO_ANYONE},
        {"deep.>", WHO_NOBODY},
        {"private-a.>", WHO_GRANTED},
        {"private-b.>", WHO_NOBODY},
        {"private-b.x.*", WHO_NOBODY},
        {"private-b.y.*", WHO_GRANTED},
        {NULL, WHO_NOBODY},
    };

    rule("subscribe-for", "a.=user");
    rule("subscribe-for", "a.b.c=granted");
    rule("subscribe-for", "a.q.=anyone");
    rule("subscribe-for", "x=nobody");
    rule("subscribe-for", "deep.b.c.=nobody");
    rule("subscribe-for", "private-b.x=nobody");
    subscribers(expected);
}

Test(conf_access, wildcards_do_not_reach_private_channels)
{
    static const struct expected expected[] = {
        {">", WHO_ANYONE},           {"*", WHO_ANYONE},  {"*.x", WHO_ANYONE},
        {"private-x.>", WHO_NOBODY}, {NULL, WHO_NOBODY},
    };

    rule("subscribe-for", "private-=nobody");
    rule("subscribe-for", "presence-room.=nobody");
    subscribers(expected);
    rule("subscribe-for", "priv=nobody");
    cr_expect_eq(options_subscribe_who(&o, STR_LIT(">")), WHO_NOBODY, "\"privet\" is public");
}

Test(conf_access, publishing)
{
    rule("publish-for", "=nobody");
    rule("publish-for", "chat.=granted");
    rule("publish-for", "chat.admin.=nobody");
    cr_expect_eq(options_publish_who(&o, STR_LIT("x")), WHO_NOBODY);
    cr_expect_eq(options_publish_who(&o, STR_LIT("chat.1")), WHO_GRANTED);
    cr_expect_eq(options_publish_who(&o, STR_LIT("chat.admin.1")), WHO_NOBODY);
    cr_expect_eq(options_publish_who(&o, STR_LIT("private-x")), WHO_NOBODY);
}

Test(conf_access, rates_and_counts)
{
    static const struct {
        const char *text, *prefix;
        uint32_t count;
        uint64_t bytes;
    } cases[] = {
        {"orders.=100,1m", "orders.", 100, 1048576},
        {"a=5", "a", 5, 0},
        {"=,64k", "", 0, 65536},
        {"a=0", "a", 0, 0},
        {"a=1=2,3", "a=1", 2, 3},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rate_rule r;
        cr_assert_eq(options_parse_rate_rule(cases[i].text, &r, &why), 0, "%s", why.text);
        cr_expect(str_eqz(r.prefix, cases[i].prefix), "%s", cases[i].text);
        cr_expect_eq(r.count, cases[i].count, "%s", cases[i].text);
        cr_expect_eq(r.bytes, cases[i].bytes, "%s", cases[i].text);
    }
    rule("max-subscribers-for", "room.=50");
    rule("max-subscribers-for", "room.big.=5000");
    rule("max-subscribers-for", "room.any.=0");
    rule("max-subscribers-for", "=100000");
    cr_expect_eq(options_max_subscribers(&o, STR_LIT("room.1")), 50);
    cr_expect_eq(options_max_subscribers(&o, STR_LIT("room.big.1")), 5000);
    cr_expect_eq(options_max_subscribers(&o, STR_LIT("room.any.1")), 0);
    cr_expect_eq(options_max_subscribers(&o, STR_LIT("other")), 100000);
}

Test(conf_access, anything_that_identifies_is_a_key)
{
    static const char *const keys[][2] = {
        {"keys", "/k"},
        {"api-key", "0123456789abcdef0123456789abcdef"},
        {"api-key-file", "/k"},
        {"token-key", "HS256=/k"},
        {"token-secret", "0123456789abcdef0123456789abcdef"},
        {"token-jwks", "/k"},
        {"auth-url", "http://127.0.0.1/auth"},
    };
    static const char *const others[][2] = {
        {"tls-client-ca", "/k"},
        {"channel-secret", "0123456789abcdef0123456789abcdef"},
        {"anonymous", "yes"},
        {"subscribe-for", "a=user"},
    };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        rule(others[i][0], others[i][1]);
        cr_expect_not(options_have_keys(&o), "%s", others[i][0]);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        rule(keys[i][0], keys[i][1]);
        cr_expect(options_have_keys(&o), "%s", keys[i][0]);
        rule(keys[i][0], "");
        cr_expect_not(options_have_keys(&o), "%s", keys[i][0]);
    }
}
