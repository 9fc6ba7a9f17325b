/* What claims grant, and what is wrong with them. */
#include "auth/claims.h"

#include "support_jwt.h"

#define NOW_S "1800000000"

static struct rig g;

static void start(void)
{
    rig_init(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(claims, .init = start, .fini = stop, .timeout = 60);

/* The claim has the value; nothing else is there. */
static enum auth_outcome claim(const char *name, const char *value)
{
    static char text[12000];

    snprintf(text, sizeof(text), "{\"%s\":%s}", name, value);
    return rig_claims(&g, text);
}

#define EACH(list, i) for (unsigned i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

Test(claims, nothing_is_enough)
{
    cr_assert_eq(rig_claims(&g, "{}"), AUTH_OK);
    const struct grant_spec *s = &g.grant->s;
    cr_assert_eq(s->kind, GRANT_CLIENT);
    cr_assert_eq(s->rights, 0);
    cr_assert_eq(s->user.len + s->id.len + s->meta.len + s->info.len, 0);
    cr_assert_eq(s->expires_ms + s->until_ms + s->issued_ms, 0);
    cr_assert_not(s->lists_subscribe);
    cr_assert_eq(s->nsubscribe + s->npublish, 0);
}

Test(claims, everything_arrives)
{
    cr_assert_eq(rig_claims(&g, "{\"sub\":\"J\\u00fcrgen\",\"jti\":\"t-1\",\"iat\":1799999999.5,"
                                "\"nbf\":1,\"exp\":1800000600,\"iss\":\"x\",\"aud\":[\"y\"],"
                                "\"channels\":[\"a.>\",\"private-b\"],\"publish\":[\"a.*\"],"
                                "\"meta\":{ \"k\" : [1.0, 2e5] },\"info\": \"\\u0041 b\","
                                "\"scope\":\"other things\",\"nested\":{\"exp\":\"x\"}}"),
                 AUTH_OK, "%s", g.why.text);
    const struct grant_spec *s = &g.grant->s;
    cr_assert(str_eqz(s->user, "J\xc3\xbcrgen"));
    cr_assert(str_eqz(s->id, "t-1"));
    cr_assert_eq(s->issued_ms, (uint64_t)1799999999500);
    cr_assert_eq(s->expires_ms, (uint64_t)1800000600000);
    cr_assert_eq(s->until_ms, (uint64_t)1800000630000);
    cr_assert(s->lists_subscribe && s->nsubscribe == 2 && s->npublish == 1);
    cr_assert(str_eqz(s->subscribe[0], "a.>") && str_eqz(s->subscribe[1], "private-b"));
    cr_assert(str_eqz(s->publish[0], "a.*"));
    cr_assert(str_eqz(s->meta, "{\"k\":[1.0,2e5]}"));
    cr_assert(str_eqz(s->info, "\"\\u0041 b\""));
}

Test(claims, are_an_object)
{
    static const char *const bad[] = {"[]",
                                      "null",
                                      "\"a.b.c\"",
                                      "1",
                                      "{",
                                      "{\"sub\":\"a\"}{}",
                                      "{\"sub\":\"a\"}x",
                                      "{sub:1}",
                                      "{\"sub\":\"a\",}",
                                      "\xef\xbb\xbf{}",
                                      "{\"x\":\"\xff\"}",
                                      "{\"x\":\"\xc0\x80\"}",
                                      "{\"x\":\"\xed\xa0\x80\"}",
                                      "{\"x\":\"a\nb\"}",
                                      "{\"x\":01}",
                                      "{\"x\":NaN}",
                                      "{\"exp\":Infinity}",
                                      "{\"x\":1 /* */}"};

    EACH(bad, i)
    {
        cr_assert_eq(rig_claims(&g, bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
}

Test(claims, are_not_nested_deep)
{
    char text[8000];

    for (unsigned depth = 10; depth < 3000; depth *= 6) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        cr_assert_eq(claim("x", text), depth < 64 ? AUTH_OK : AUTH_MALFORMED, "%u", depth);
        cr_assert_eq(claim("channels", text), AUTH_MALFORMED, "%u", depth);
    }
}

Test(claims, stand_once)
{
    static const char *const bad[] = {"{\"sub\":\"a\",\"sub\":\"b\"}",
                                      "{\"sub\":\"a\",\"sub\":\"a\"}",
                                      "{\"exp\":1,\"exp\":9999999999}",
                                      "{\"exp\":9999999999,\"e\\u0078p\":1}",
                                      "{\"x\":1,\"x\":1}",
                                      "{\"channels\":[],\"channels\":[\"a\"]}",
                                      "{\"\":1,\"\":2}"};

    EACH(bad, i)
    {
        cr_assert_eq(rig_claims(&g, bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
    /* Also among many (another way of looking). */
    char text[4000] = "{\"sub\":\"a\"";
    size_t n = strlen(text);
    for (unsigned i = 0; i < 100; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"c%u\":1", i);
    }
    snprintf(text + n, sizeof(text) - n, "}");
    cr_assert_eq(rig_claims(&g, text), AUTH_OK);
    snprintf(text + n, sizeof(text) - n, ",\"sub\":\"b\"}");
    cr_assert_eq(rig_claims(&g, text), AUTH_MALFORMED);
}

Test(claims, sub)
{
    static const char *const bad[] = {"1",         "null",        "[\"a\"]",      "{}",
                                      "true",      "\"\"",        "\"a\\u0000\"", "\"\\u0000\"",
                                      "\"a\\nb\"", "\"\\ud800\"", "\"\\udc00x\"", "\"a\\u007f\""};
    char text[300];

    cr_assert_eq(claim("sub", "\"\\ud83d\\ude00\""), AUTH_OK);
    cr_assert(str_eqz(g.grant->s.user, "\xf0\x9f\x98\x80"));
    EACH(bad, i)
    {
        cr_assert_eq(claim("sub", bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
    memset(text, 'u', sizeof(text));
    text[0] = text[201] = '"';
    text[202] = '\0';
    cr_assert_eq(claim("sub", text), AUTH_OK);
    text[201] = 'u';
    memcpy(text + 202, "\"", 2);
    cr_assert_eq(claim("sub", text), AUTH_MALFORMED);
}

Test(claims, jti)
{
    static const char *const bad[] = {"1",           "null",          "\"\"", "[]", "\"a\\u0000b\"",
                                      "\"\\ud800\"", "\"\\u001b[2J\""};
    char text[200];

    EACH(bad, i)
    {
        cr_assert_eq(claim("jti", bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
    memset(text, 'j', sizeof(text));
    text[0] = text[129] = '"';
    text[130] = '\0';
    cr_assert_eq(claim("jti", text), AUTH_OK);
    cr_assert_eq(g.grant->s.id.len, 128);
    text[129] = 'j';
    memcpy(text + 130, "\"", 2);
    cr_assert_eq(claim("jti", text), AUTH_MALFORMED);
}

Test(claims, times_are_numbers)
{
    static const char *const names[] = {"exp", "nbf", "iat"};
    static const char *const bad[] = {"\"" NOW_S "\"", "\"99\"", "null", "true",
                                      "[1]",           "{}",     "-1",   "-0",
                                      "-1e9",          "\"\"",   "-0.0", "\"1e3\""};

    EACH(names, n)
    {
        EACH(bad, i)
        {
            cr_assert_eq(claim(names[n], bad[i]), AUTH_MALFORMED, "%s: %s", names[n], bad[i]);
        }
    }
}

/* Leeway is 30 s: worthless from the very millisecond on. */
Test(claims, exp)
{
    static const char *const over[] = {"0",
                                       "1",
                                       "0.0",
                                       "1799999970",
                                       "1799999969.9",
                                       "1.79999997e9",
                                       "1e-400",
                                       "0e999999999",
                                       "1799999969.9999999999999999999999999999999999999999999"};
    static const char *const good[] = {"1799999970.001",
                                       "1799999971",
                                       "18e8",
                                       "1799999970.00000000000000000000000000000000000000001",
                                       "99999999999",
                                       "1e400",
                                       "1e999999999999999999999",
                                       "9223372036854775807",
                                       "18446744073709551616",
                                       "123456789012345678901234567890",
                                       "1E10",
                                       "1.8e+09"};

    EACH(over, i)
    {
        cr_assert_eq(claim("exp", over[i]), AUTH_EXPIRED, "%s", over[i]);
    }
    EACH(good, i)
    {
        cr_assert_eq(claim("exp", good[i]), AUTH_OK, "%s", good[i]);
        cr_assert_gt(g.grant->s.expires_ms, (uint64_t)1799999970000);
        cr_assert_leq(g.grant->s.expires_ms, (uint64_t)253402300799999);
        cr_assert_eq(g.grant->s.until_ms, g.grant->s.expires_ms + 30000);
    }
    /* What is past 2^53 loses nothing, what is huge is as late as a date can be. */
    cr_assert_eq(claim("exp", "253402300799.998"), AUTH_OK);
    cr_assert_eq(g.grant->s.expires_ms, (uint64_t)253402300799998);
    cr_assert_eq(claim("exp", "1e400"), AUTH_OK);
    cr_assert_eq(g.grant->s.expires_ms, (uint64_t)253402300799999);
}

/* 0 is long ago, and not "never". */
Test(claims, exp_zero_within_leeway)
{
    struct str token = rig_hmac(&g, HS256, "{\"exp\":0}", STR_LIT(NODE_SECRET));

    cr_assert_eq(jwt_check(g.keys, &g.policy, token, 5, &g.grant, &g.why), AUTH_OK);
    cr_assert_gt(g.grant->s.expires_ms, 0);
    cr_assert_geq(g.grant->s.until_ms, 30000);
}

Test(claims, nbf)
{
    cr_assert_eq(claim("nbf", "1800000030"), AUTH_OK);
    cr_assert_eq(claim("nbf", "1800000030.000000000000001"), AUTH_NOT_YET);
    cr_assert_eq(claim("nbf", "1800000031"), AUTH_NOT_YET);
    cr_assert_eq(claim("nbf", "1e400"), AUTH_NOT_YET);
    cr_assert_eq(claim("nbf", "0"), AUTH_OK);
    /* Expired and not yet valid: there is no use in waiting. */
    cr_assert_eq(rig_claims(&g, "{\"nbf\":1900000000,\"exp\":1}"), AUTH_EXPIRED);
}

Test(claims, iat)
{
    cr_assert_eq(claim("iat", "1800000030"), AUTH_OK);
    cr_assert_eq(g.grant->s.issued_ms, (uint64_t)1800000030000);
    cr_assert_eq(claim("iat", "1800000030.001"), AUTH_MALFORMED);
    cr_assert_eq(claim("iat", "1e30"), AUTH_MALFORMED);
    cr_assert_eq(claim("iat", "0"), AUTH_OK);
}

Test(claims, leeway_zero_and_the_end_of_time)
{
    g.policy.leeway_ms = 0;
    cr_assert_eq(claim("exp", NOW_S), AUTH_EXPIRED);
    cr_assert_eq(claim("exp", NOW_S ".001"), AUTH_OK);
    cr_assert_eq(claim("nbf", NOW_S), AUTH_OK);
    cr_assert_eq(claim("nbf", NOW_S ".001"), AUTH_NOT_YET);
    g.policy.leeway_ms = UINT64_MAX;
    cr_assert_eq(claim("exp", "0"), AUTH_OK);
    cr_assert_eq(g.grant->s.until_ms, UINT64_MAX);
    cr_assert_eq(claim("nbf", "1e400"), AUTH_OK);
}

static char first_name[] = "https://a.example", second_name[] = "b";
static char *names_of_two[] = {first_name, second_name};
static const struct opt_list two = {names_of_two, 2};

Test(claims, iss)
{
    cr_assert_eq(claim("iss", "\"anybody\""), AUTH_OK);
    cr_assert_eq(claim("iss", "1"), AUTH_MALFORMED);
    cr_assert_eq(claim("iss", "[\"b\"]"), AUTH_MALFORMED);
    g.policy.issuers = &two;
    cr_assert_eq(claim("iss", "\"https://a.example\""), AUTH_OK);
    cr_assert_eq(claim("iss", "\"b\""), AUTH_OK);
    cr_assert_eq(claim("iss", "\"B\""), AUTH_UNKNOWN);
    cr_assert_eq(claim("iss", "\"https://a.example/\""), AUTH_UNKNOWN);
    cr_assert_eq(claim("iss", "\"b\\u0000\""), AUTH_UNKNOWN);
    cr_assert_eq(claim("iss", "\"\""), AUTH_UNKNOWN);
    cr_assert_eq(rig_claims(&g, "{}"), AUTH_UNKNOWN);
    cr_assert_eq(claim("iss", "[\"b\"]"), AUTH_MALFORMED);
    /* A wrong issuer is told before the time: there is nothing to renew. */
    cr_assert_eq(rig_claims(&g, "{\"iss\":\"c\",\"exp\":1}"), AUTH_UNKNOWN);
    cr_assert_eq(rig_claims(&g, "{\"iss\":\"b\",\"exp\":1}"), AUTH_EXPIRED);
}

Test(claims, aud)
{
    static const char *const bad[] = {"1",         "null",     "{}", "[1]", "[\"b\",null]",
                                      "[[\"b\"]]", "{\"b\":1}"};
    static const char *const good[] = {"\"b\"", "[\"b\"]", "[\"x\",\"b\",\"y\"]",
                                       "[\"https://a.example\",\"b\"]"};
    static const char *const others[] = {"\"c\"", "[]", "[\"c\"]", "\"\"", "[\"B\",\"b \"]"};

    EACH(bad, i)
    {
        cr_assert_eq(claim("aud", bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
    cr_assert_eq(claim("aud", "\"c\""), AUTH_OK, "nothing is configured");
    g.policy.audiences = &two;
    EACH(bad, i)
    {
        cr_assert_eq(claim("aud", bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
    EACH(good, i)
    {
        cr_assert_eq(claim("aud", good[i]), AUTH_OK, "%s", good[i]);
    }
    EACH(others, i)
    {
        cr_assert_eq(claim("aud", others[i]), AUTH_UNKNOWN, "%s", others[i]);
    }
    cr_assert_eq(rig_claims(&g, "{}"), AUTH_UNKNOWN);
    /* Both count. */
    g.policy.issuers = &two;
    cr_assert_eq(claim("aud", "\"b\""), AUTH_UNKNOWN);
    cr_assert_eq(rig_claims(&g, "{\"aud\":\"b\",\"iss\":\"b\"}"), AUTH_OK);
}

/* Made to subscribe to one channel, by others: no token to connect with. */
Test(claims, channel)
{
    cr_assert_eq(claim("channel", "\"news\""), AUTH_MALFORMED);
    cr_assert_eq(claim("channel", "null"), AUTH_MALFORMED);
    cr_assert_eq(claim("chan\\u006eel", "\"news\""), AUTH_MALFORMED);
}

Test(claims, lists)
{
    static const char *const names[] = {"channels", "publish"};
    static const char *const bad[] = {"\"a\"",
                                      "null",
                                      "{}",
                                      "{\"a\":1}",
                                      "[1]",
                                      "[\"a\",null]",
                                      "[[\"a\"]]",
                                      "[\"\"]",
                                      "[\"a b\"]",
                                      "[\"a\\u0000\"]",
                                      "[\"a.>.b\"]",
                                      "[\"a~b\"]",
                                      "[\"\\ud800\"]",
                                      "[\"fanfare.x\"]",
                                      "[\"J\\u00fcrgen\"]",
                                      "[\"a\",\"b\",\"c\",\"d\",\"e\"]"};

    EACH(names, n)
    {
        EACH(bad, i)
        {
            cr_assert_eq(claim(names[n], bad[i]), AUTH_MALFORMED, "%s: %s", names[n], bad[i]);
            cr_assert_neq(strstr(g.why.text, names[n]), NULL, "%s", g.why.text);
        }
        cr_assert_eq(claim(names[n], "[\"a\",\"b.*\",\">\",\"presence-d\"]"), AUTH_OK);
    }
    cr_assert_eq(claim("channels", "[]"), AUTH_OK);
    cr_assert(g.grant->s.lists_subscribe && g.grant->s.nsubscribe == 0);
    /* Each list has a limit of its own. */
    cr_assert_eq(rig_claims(&g, "{\"channels\":[\"a\",\"b\",\"c\"],\"publish\":[\"a\",\"b\"]}"),
                 AUTH_OK);
    g.policy.max_channels = 0;
    cr_assert_eq(claim("channels", "[\"a\"]"), AUTH_MALFORMED);
    cr_assert_eq(claim("channels", "[]"), AUTH_OK);
}

Test(claims, lists_as_long_as_a_token)
{
    char text[8000] = "[\"a\"";
    size_t n = strlen(text);
    unsigned count = 1;

    for (; n < 5900; count++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"c\"");
    }
    snprintf(text + n, sizeof(text) - n, "]");
    g.policy.max_channels = 100000;
    cr_assert_eq(claim("channels", text), AUTH_OK, "%s", g.why.text);
    cr_assert_eq(g.grant->s.nsubscribe, count);
    g.policy.max_channels = count - 1;
    cr_assert_eq(claim("channels", text), AUTH_MALFORMED);
}

Test(claims, meta_and_info)
{
    static const char *const bad[] = {"1", "null", "\"a\"", "[]", "[{}]", "true"};

    EACH(bad, i)
    {
        cr_assert_eq(claim("meta", bad[i]), AUTH_MALFORMED, "%s", bad[i]);
        cr_assert_eq(claim("info", bad[i]), AUTH_OK, "%s", bad[i]);
        cr_assert(str_eqz(g.grant->s.info, bad[i]));
    }
    /* Without white space 64 bytes each. */
#define BYTES_56 "01234567890123456789012345678901234567890123456789012345"
    cr_assert_eq(claim("meta", "{ \"a\" :       \"" BYTES_56 "\"    }"), AUTH_OK, "%s", g.why.text);
    cr_assert_eq(g.grant->s.meta.len, 64);
    cr_assert_eq(claim("meta", "{\"a\":\"" BYTES_56 "7\"}"), AUTH_MALFORMED);
    cr_assert_neq(strstr(g.why.text, "meta has 65 bytes; 64"), NULL, "%s", g.why.text);
    cr_assert_eq(claim("info", "\"" BYTES_56 "789012\""), AUTH_OK);
    cr_assert_eq(claim("info", "\"" BYTES_56 "7890123\""), AUTH_MALFORMED);
    g.policy.max_meta = 0;
    cr_assert_eq(claim("meta", "{}"), AUTH_MALFORMED);
    cr_assert_eq(rig_claims(&g, "{\"sub\":\"a\"}"), AUTH_OK);
}

/* Nobody learns from claims that nobody signed. */
Test(claims, come_after_the_signature)
{
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, "{\"exp\":1}", STR_LIT("wrong"))), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, "not JSON", STR_LIT("wrong"))), AUTH_FORGED);
}
