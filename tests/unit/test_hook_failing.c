/* An application that fails is left alone; and the end of the hook. */
#include "support_hookrig.h"

TestSuite(hook_failing, .init = setup, .fini = teardown);

/* ---- an application that fails ---- */

static void fail_until_left_alone(void)
{
    app_says(&app, APP_ANSWERS, 500, "");
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    }
    cr_assert_eq(atomic_load(&app.asked), 3);
    cr_assert_eq(metric(METRIC_HOOK_PAUSED), 1);
}

Test(hook_failing, leaves_it_alone)
{
    start();
    fail_until_left_alone();
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    cr_assert_eq(atomic_load(&app.asked), 3);
    cr_assert_eq(metric(METRIC_HOOK_SKIPPED), 1);
    cr_assert(strstr(logged(), "left alone"), "%s", logged());
}

Test(hook_failing, one_tries_again)
{
    struct hook_config cfg = config();
    struct asker trial, same, other;
    struct hook_question q = connects("sid=2"), r = connects("sid=3");

    cfg.pause_ms = 100;
    start_with(&cfg);
    fail_until_left_alone();
    app_hold(&app, true);
    do {
        usleep(10000);
        asker_ask(&trial, h, &q);
    } while (asker_is_done(&trial));
    asker_ask(&same, h, &q);
    asker_ask(&other, h, &r);
    cr_assert(asker_is_done(&other) && !asker_is_done(&same));
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    app_hold(&app, false);
    cr_assert_eq(asker_wait(&trial).verdict, HOOK_ALLOWED);
    cr_assert_eq(asker_wait(&same).verdict, HOOK_ALLOWED);
    grant_unref(trial.call.answer.grant);
    grant_unref(same.call.answer.grant);
    cr_assert_eq(atomic_load(&app.asked), 4);
    cr_assert_eq(metric(METRIC_HOOK_PAUSED), 0);
    cr_assert_eq(verdict_of("sid=4"), HOOK_ALLOWED);
    cr_assert(strstr(logged(), "answers again"), "%s", logged());
}

/* Whoever asks can choose a cookie that the application does not like. */
Test(hook_failing, what_an_asker_can_cause_does_not_open_the_breaker)
{
    static const int statuses[] = {302, 400, 404, 413, 422, 431};

    start();
    for (unsigned i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        app_says(&app, APP_ANSWERS, statuses[i], "");
        cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    }
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"userId\":\"not a user\\u0001\"}");
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
    }
    cr_assert_eq(atomic_load(&app.asked), 10);
    cr_assert_eq(metric(METRIC_HOOK_PAUSED), 0);
}

/* Those that have not been asked yet need not wait for the timeout. */
Test(hook_failing, the_line_is_emptied_when_it_fails)
{
    enum { N = 200 };
    static struct asker a[N];

    app_hold(&app, true);
    app_says(&app, APP_ANSWERS, 500, "");
    start();
    ask_many(a, N);
    await(&app.asked, HOOK_CONNECTIONS);
    app_hold(&app, false);
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(asker_wait(&a[i]).verdict, HOOK_UNAVAILABLE);
    }
    cr_assert_lt(atomic_load(&app.asked), N);
    cr_assert_eq(metric(METRIC_HOOK_SKIPPED) + metric(METRIC_HOOK_FAILED), N);
}

/* ---- the end ---- */

Test(hook_failing, free_answers_those_who_wait)
{
    enum { N = 100 };
    static struct asker a[N];
    uint64_t before = clock_mono_ms();
    char cookie[16];

    app_says(&app, APP_HANGS, 200, "");
    start();
    for (unsigned i = 0; i < N; i++) {
        snprintf(cookie, sizeof cookie, "sid=%u", i / 2);
        struct hook_question q = connects(cookie);
        asker_ask(&a[i], h, &q);
    }
    await(&app.asked, 20);
    hook_free(h);
    h = NULL;
    for (unsigned i = 0; i < N; i++) {
        cr_assert(asker_is_done(&a[i]));
        cr_assert_eq(asker_wait(&a[i]).verdict, HOOK_UNAVAILABLE);
    }
    cr_assert_lt(clock_mono_ms() - before, 15000);
}

Test(hook_failing, after_a_stop_nobody_is_asked)
{
    struct asker a;
    struct hook_question q = connects("sid=1");

    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    hook_stop(h);
    asker_ask(&a, h, &q);
    cr_assert(asker_is_done(&a));
    cr_assert_eq(asker_wait(&a).verdict, HOOK_UNAVAILABLE);
    cr_assert_eq(atomic_load(&app.asked), 0);
    hook_stop(NULL);
    hook_free(NULL);
}

Test(hook_failing, a_name_that_is_nowhere)
{
    struct hook_config cfg = config();

    cfg.url = "https://nowhere.invalid/who";
    cfg.timeout_ms = 500;
    start_with(&cfg);
    cr_assert_eq(verdict_of("sid=1"), HOOK_UNAVAILABLE);
}
