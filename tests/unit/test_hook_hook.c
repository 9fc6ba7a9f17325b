/* Questions to an application that is there, or not, or behaves badly. */
#include "support_hookrig.h"

#include <nettle/hmac.h>

TestSuite(hook_hook, .init = setup, .fini = teardown);

/* ---- the question ---- */

Test(hook_hook, says_who_connects)
{
    struct hook_question q = {.event = HOOK_CONNECT,
                              .cookie = S("sid=\"a\\b\"; x=1"),
                              .origin = S("https://app.example"),
                              .address = S("192.0.2.1")};
    struct hook_answer a;
    char *body;

    app_says(&app, APP_ANSWERS, 200,
             "{\"allow\":true,\"userId\":\"ann\",\"channels\":[\"news\",\"private-ann\"],"
             "\"publish\":[\"chat\"],\"meta\":{\"a\": 1},\"info\":[1, 2],\"expiresIn\":60,"
             "\"reason\":null}");
    start();
    a = ask(&q);
    cr_assert_eq(a.verdict, HOOK_ALLOWED);
    cr_assert(a.grant && a.grant->s.kind == GRANT_CLIENT);
    cr_assert(str_eqz(a.grant->s.user, "ann") && str_eqz(a.grant->s.meta, "{\"a\":1}") &&
              str_eqz(a.grant->s.info, "[1,2]"));
    cr_assert(a.grant->s.lists_subscribe && a.grant->s.nsubscribe == 2 && a.grant->s.npublish == 1);
    cr_assert(a.grant->s.expires_ms > clock_real_ms() + 50000 &&
              a.grant->s.expires_ms <= clock_real_ms() + 60000);
    grant_unref(a.grant);
    body = strstr(app.request, "\r\n\r\n") + 4;
    cr_assert_str_eq(body, "{\"event\":\"connect\",\"address\":\"192.0.2.1\","
                           "\"origin\":\"https://app.example\","
                           "\"headers\":{\"cookie\":\"sid=\\\"a\\\\b\\\"; x=1\"}}");
    cr_assert(strncmp(app.request, "POST /who HTTP/1.1\r\n", 20) == 0);
    cr_assert(strstr(app.request, "Content-Type: application/json\r\n"));
    cr_assert(!strstr(app.request, "Expect:"));
    cr_assert_eq(metric(METRIC_HOOK_ALLOWED), 1);
}

Test(hook_hook, asks_for_channels)
{
    const struct str names[] = {S("a"), S("b.*")};
    struct hook_question q = {.event = HOOK_SUBSCRIBE,
                              .user = S("ann"),
                              .client_id = S("0011223344556677"),
                              .channels = names,
                              .nchannels = 2};
    struct hook_answer a;

    app_says(&app, APP_ANSWERS, 200, "{\"allow\":false,\"reason\":\"not paid\"}");
    start();
    a = ask(&q);
    cr_assert_eq(a.verdict, HOOK_DENIED);
    cr_assert_str_eq(a.reason, "not paid");
    cr_assert(!a.unknown && !a.grant);
    cr_assert_str_eq(strstr(app.request, "\r\n\r\n") + 4,
                     "{\"event\":\"subscribe\",\"userId\":\"ann\","
                     "\"clientId\":\"0011223344556677\",\"channels\":[\"a\",\"b.*\"]}");
    q.event = HOOK_PUBLISH;
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"reason\":7}");
    a = ask(&q);
    cr_assert_eq(a.verdict, HOOK_ALLOWED, "what belongs to connect is not looked at");
    cr_assert(!a.grant);
    cr_assert(strstr(app.request, "\"event\":\"publish\""));
}

Test(hook_hook, signs)
{
    char *line, *body, text[128];
    unsigned long t;
    struct hmac_sha256_ctx ctx;
    uint8_t digest[32];
    uint64_t now = clock_real_ms() / 1000;

    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    (void)verdict_of("sid=1");
    line = strstr(app.request, "Fanfare-Signature: t=");
    cr_assert(line);
    t = strtoul(line + 21, &line, 10);
    cr_assert(t >= now && t <= now + 60 && strncmp(line, ",v1=", 4) == 0);
    body = strstr(app.request, "\r\n\r\n") + 4;
    hmac_sha256_set_key(&ctx, strlen(SECRET), (const uint8_t *)SECRET);
    snprintf(text, sizeof text, "%lu.", t);
    hmac_sha256_update(&ctx, strlen(text), (const uint8_t *)text);
    hmac_sha256_update(&ctx, strlen(body), (const uint8_t *)body);
    hmac_sha256_digest(&ctx, sizeof digest, digest);
    for (unsigned i = 0; i < sizeof digest; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    cr_assert(strncmp(line + 4, text, 64) == 0 && strncmp(line + 68, "\r\n", 2) == 0);
}

Test(hook_hook, without_a_secret_nothing_is_signed)
{
    struct hook_config cfg = config();

    cfg.secret = NULL;
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start_with(&cfg);
    cr_assert_eq(verdict_of("a"), HOOK_ALLOWED);
    cr_assert(!strstr(app.request, "Fanfare-Signature"));
}

/* ---- answers of all sorts ---- */

Test(hook_hook, statuses)
{
    static const struct {
        int status;
        enum hook_verdict verdict;
        bool unknown;
    } cases[] = {{401, HOOK_DENIED, true},       {403, HOOK_DENIED, false},
                 {204, HOOK_UNAVAILABLE, false}, {201, HOOK_UNAVAILABLE, false},
                 {404, HOOK_UNAVAILABLE, false}, {500, HOOK_UNAVAILABLE, false},
                 {503, HOOK_UNAVAILABLE, false}};
    struct hook_config cfg = config();

    cfg.failures = 1000;
    start_with(&cfg);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hook_question q = connects("sid=1");
        app_says(&app, APP_ANSWERS, cases[i].status, "{\"allow\":true}");
        struct hook_answer a = ask(&q);
        cr_assert_eq(a.verdict, cases[i].verdict, "%d", cases[i].status);
        cr_assert_eq(a.unknown, cases[i].unknown, "%d", cases[i].status);
        cr_assert_null(a.grant);
    }
}

Test(hook_hook, goes_where_it_was_told_only)
{
    start();
    snprintf(app.headers, sizeof app.headers, "Location: %s/elsewhere\r\n", app.url);
    app_says(&app, APP_ANSWERS, 302, "");
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    app_says(&app, APP_ANSWERS, 307, "");
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    cr_assert_eq(atomic_load(&app.asked), 2);
    cr_assert(strstr(logged(), "302"), "%s", logged());
}

Test(hook_hook, does_not_ask_a_proxy_of_the_environment)
{
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    cr_assert_eq(verdict_of("sid=1"), HOOK_ALLOWED);
}

Test(hook_hook, bad_behaviour)
{
    static const struct {
        enum app_mode mode;
        const char *logs;
    } cases[] = {{APP_CLOSES, "because="},
                 {APP_STOPS, "because="},
                 {APP_FLOODS, "too long"},
                 {APP_BLOATS, "too long"},
                 {APP_RAMBLES, "because="}};

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(); /* each with log lines of its own */
        app_says(&app, cases[i].mode, 200, "{\"allow\":true}");
        cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE, "%u", i);
        cr_assert(strstr(logged(), cases[i].logs), "%u: %s", i, logged());
        cr_assert_eq(truncate(log_path, 0), 0);
        hook_free(h);
    }
    h = NULL;
    cr_assert_eq(metric(METRIC_HOOK_FAILED), 5);
}

Test(hook_hook, nobody_is_there)
{
    struct hook_config cfg = config();

    app_stop(&app);
    start_with(&cfg);
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    app_start(&app); /* for the teardown */
}

Test(hook_hook, too_slow)
{
    struct hook_config cfg = config();
    uint64_t before = clock_mono_ms();

    cfg.timeout_ms = 200;
    app_says(&app, APP_HANGS, 200, "{\"allow\":true}");
    start_with(&cfg);
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    cr_assert_geq(clock_mono_ms() - before, 190);
}

/* ---- many ---- */

Test(hook_hook, several_at_once)
{
    enum { N = 40 };
    struct asker a[N];
    char cookies[N][16];

    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    for (unsigned i = 0; i < N; i++) {
        snprintf(cookies[i], sizeof cookies[i], "sid=%u", i);
        struct hook_question q = connects(cookies[i]);
        asker_ask(&a[i], h, &q);
    }
    await(&app.asked, N);
    app_hold(&app, false);
    for (unsigned i = 0; i < N; i++) {
        struct hook_answer answer = asker_wait(&a[i]);
        cr_assert_eq(answer.verdict, HOOK_ALLOWED);
        grant_unref(answer.grant);
    }
}

/* Over 64 wait in a line, without a connection. */
Test(hook_hook, no_more_connections_than_permitted)
{
    enum { N = 300 };
    static struct asker a[N];

    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    ask_many(a, N);
    await(&app.asked, HOOK_CONNECTIONS);
    app_hold(&app, false);
    for (unsigned i = 0; i < N; i++) {
        struct hook_answer answer = asker_wait(&a[i]);
        cr_assert_eq(answer.verdict, HOOK_ALLOWED);
        grant_unref(answer.grant);
    }
    cr_assert_eq(atomic_load(&app.asked), N);
    /* The test's server counts a connection until its thread has closed it. */
    cr_assert_leq(atomic_load(&app.most), 2 * HOOK_CONNECTIONS);
}

Test(hook_hook, those_in_the_line_wait_no_longer_than_others)
{
    enum { N = 100 };
    static struct asker a[N];
    struct hook_config cfg = config();
    uint64_t before = clock_mono_ms();

    cfg.timeout_ms = 500;
    cfg.failures = 1000;
    app_says(&app, APP_HANGS, 200, "{\"allow\":true}");
    start_with(&cfg);
    ask_many(a, N);
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(asker_wait(&a[i]).verdict, HOOK_UNAVAILABLE);
    }
    cr_assert_lt(clock_mono_ms() - before, 20000);
    cr_assert_eq(metric(METRIC_HOOK_FAILED), N);
}

Test(hook_hook, the_same_question_is_asked_once)
{
    enum { N = 50 };
    struct asker a[N], other[2];
    struct hook_question q = connects("sid=1");

    q.address = S("192.0.2.1");
    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"userId\":\"ann\"}");
    start();
    for (unsigned i = 0; i < N; i++) {
        asker_ask(&a[i], h, &q);
    }
    /* The application may decide by what is different here. */
    q.address = S("192.0.2.2");
    asker_ask(&other[0], h, &q);
    q.client_id = S("0011223344556677");
    asker_ask(&other[1], h, &q);
    await(&app.asked, 3);
    app_hold(&app, false);
    for (unsigned i = 0; i < N + 2; i++) {
        struct hook_answer answer = asker_wait(i < N ? &a[i] : &other[i - N]);
        cr_assert(answer.verdict == HOOK_ALLOWED && str_eqz(answer.grant->s.user, "ann"));
        grant_unref(answer.grant);
    }
    cr_assert_eq(atomic_load(&app.asked), 3);
    cr_assert_eq(verdict_of("sid=1"), HOOK_ALLOWED);
    cr_assert_eq(atomic_load(&app.asked), 4, "nothing is remembered without ttl");
}

Test(hook_hook, too_many_wait)
{
    struct hook_config cfg = config();
    struct asker a[2];
    struct hook_question q = connects("sid=1"), r = connects("sid=2");

    cfg.max_waiting = 1;
    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start_with(&cfg);
    asker_ask(&a[0], h, &q);
    asker_ask(&a[1], h, &r);
    cr_assert(asker_is_done(&a[1]), "at once");
    cr_assert_eq(asker_wait(&a[1]).verdict, HOOK_UNAVAILABLE);
    cr_assert_eq(metric(METRIC_HOOK_SKIPPED), 1);
    app_hold(&app, false);
    cr_assert_eq(asker_wait(&a[0]).verdict, HOOK_ALLOWED);
    grant_unref(a[0].call.answer.grant);
}

/* ---- one address ---- */

static void ask_from(struct asker *a, const char *network, const char *cookie)
{
    struct hook_question q = connects(cookie);

    q.network = str_of(network);
    q.address = q.network;
    asker_ask(a, h, &q);
}

static void forget(struct asker *a)
{
    grant_unref(asker_wait(a).grant);
}

/* An eighth of all that may wait. */
Test(hook_hook, an_address_has_a_share)
{
    struct hook_config cfg = config();
    struct asker a[2], more, same, other, unix_peer[5];
    char cookie[16];

    cfg.max_waiting = 16;
    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start_with(&cfg);
    ask_from(&a[0], "192.0.2.1", "sid=1");
    ask_from(&a[1], "192.0.2.1", "sid=2");
    ask_from(&more, "192.0.2.1", "sid=3");
    cr_assert(asker_is_done(&more), "at once");
    cr_assert_eq(asker_wait(&more).verdict, HOOK_UNAVAILABLE);
    cr_assert_eq(metric(METRIC_HOOK_SKIPPED), 1);
    cr_assert(strstr(logged(), "address=192.0.2.1\n"), "%s", logged());
    ask_from(&same, "192.0.2.1", "sid=1");
    ask_from(&other, "2001:db8::", "sid=3");
    for (unsigned i = 0; i < 5; i++) {
        snprintf(cookie, sizeof cookie, "unix=%u", i);
        ask_from(&unix_peer[i], "", cookie);
        cr_assert(!asker_is_done(&unix_peer[i]), "nobody's share");
    }
    cr_assert(!asker_is_done(&same) && !asker_is_done(&other));
    app_hold(&app, false);
    cr_assert_eq(asker_wait(&same).verdict, HOOK_ALLOWED, "it is asked already");
    cr_assert_eq(asker_wait(&other).verdict, HOOK_ALLOWED);
    forget(&same);
    forget(&other);
    for (unsigned i = 0; i < 5; i++) {
        forget(&unix_peer[i]);
    }
    forget(&a[0]);
    forget(&a[1]);
    ask_from(&more, "192.0.2.1", "sid=3");
    cr_assert_eq(asker_wait(&more).verdict, HOOK_ALLOWED, "its places are free again");
    forget(&more);
}

/* Slow answers to one leave connections for others. */
Test(hook_hook, an_address_does_not_take_all_connections)
{
    enum { N = 100 };
    static struct asker a[N];
    struct asker other[20];
    char cookie[16];

    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    for (unsigned i = 0; i < N; i++) {
        snprintf(cookie, sizeof cookie, "sid=%u", i);
        ask_from(&a[i], "192.0.2.1", cookie);
    }
    await(&app.asked, 40);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(cookie, sizeof cookie, "sid=b%u", i);
        ask_from(&other[i], i % 4 ? "192.0.2.2" : "192.0.2.3", cookie);
    }
    /* 5 of one, 8 of the other; the rest stands back behind the first one's. */
    await(&app.asked, 53);
    usleep(50000);
    cr_assert_eq(atomic_load(&app.asked), 53);
    app_hold(&app, false);
    for (unsigned i = 0; i < N + 20; i++) {
        struct asker *it = i < N ? &a[i] : &other[i - N];
        cr_assert_eq(asker_wait(it).verdict, HOOK_ALLOWED, "%u", i);
        forget(it);
    }
}

/* What stood back until its time was over does not make the application look broken. */
Test(hook_hook, an_address_does_not_open_the_breaker_by_waiting)
{
    enum { N = 100 };
    static struct asker a[N];
    struct hook_config cfg = config();
    char cookie[16];

    cfg.timeout_ms = 300;
    cfg.failures = 20;
    app_says(&app, APP_HANGS, 200, "");
    start_with(&cfg);
    for (unsigned i = 0; i < N; i++) {
        snprintf(cookie, sizeof cookie, "sid=%u", i);
        ask_from(&a[i], "192.0.2.1", cookie);
    }
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(asker_wait(&a[i]).verdict, HOOK_UNAVAILABLE);
    }
    cr_assert_eq(metric(METRIC_HOOK_PAUSED), 0);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    cr_assert_eq(verdict_of("sid=good"), HOOK_ALLOWED);
}

/* Everybody may ask one question at least. */
Test(hook_hook, the_smallest_share)
{
    struct hook_config cfg = config();
    struct asker a, more;

    cfg.max_waiting = 2;
    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start_with(&cfg);
    ask_from(&a, "192.0.2.1", "sid=1");
    ask_from(&more, "192.0.2.1", "sid=2");
    cr_assert(asker_is_done(&more) && !asker_is_done(&a));
    app_hold(&app, false);
    cr_assert_eq(asker_wait(&a).verdict, HOOK_ALLOWED);
    forget(&a);
}

/* ---- memory ---- */

Test(hook_hook, remembers_as_long_as_it_may)
{
    struct hook_question q = connects("sid=1");
    struct hook_config cfg = config();
    struct asker a;
    struct grant *first;

    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"userId\":\"ann\",\"ttl\":600}");
    cfg.cache_ms = 3600000;
    start_with(&cfg);
    first = ask(&q).grant;
    app_says(&app, APP_ANSWERS, 500, "");
    asker_ask(&a, h, &q);
    cr_assert(asker_is_done(&a), "at once");
    cr_assert(asker_wait(&a).grant == first);
    grant_unref(first);
    grant_unref(first);
    cr_assert_eq(metric(METRIC_HOOK_CACHED), 1);
    cr_assert_eq(verdict_of("sid=2"), HOOK_UNAVAILABLE, "for others nothing is known");
    q.address = S("192.0.2.7");
    cr_assert_eq(ask(&q).verdict, HOOK_UNAVAILABLE, "nor for another address");
    q.address = STR_NONE;
    q.origin = S("https://evil.example");
    cr_assert_eq(ask(&q).verdict, HOOK_UNAVAILABLE, "nor for another page");
}

Test(hook_hook, forgets)
{
    struct hook_config cfg = config();

    cfg.cache_ms = 1; /* less than the application allows */
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"ttl\":600}");
    start_with(&cfg);
    cr_assert_eq(verdict_of("sid=1"), HOOK_ALLOWED);
    usleep(5000);
    cr_assert_eq(verdict_of("sid=1"), HOOK_ALLOWED);
    cr_assert_eq(atomic_load(&app.asked), 2);
}

Test(hook_hook, remembers_a_no)
{
    start();
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":false,\"reason\":\"go\",\"ttl\":600}");
    cr_assert_eq(verdict_of("sid=1"), HOOK_DENIED);
    cr_assert_eq(verdict_of("sid=1"), HOOK_DENIED);
    cr_assert_eq(atomic_load(&app.asked), 1);
}
