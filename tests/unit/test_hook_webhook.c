/* Telling the application what happens: what is sent, in which order, again and again until it is
 * taken or too old. */
#include "support_webhook.h"

#include <netinet/in.h>
#include <nettle/hmac.h>

TestSuite(webhook, .init = setup, .fini = teardown);

/* ---- what is sent ---- */

Test(webhook, tells)
{
    char *body, want[1024];

    start();
    add_text(",\"userId\":\"ann\",\"info\":{\"a\":[1]}");
    await_metric(METRIC_WEBHOOK_SENT, 1);
    body = strstr(app.request, "\r\n\r\n") + 4;
    snprintf(want, sizeof want,
             "{\"gateway\":\"b7ul4qit\",\"started\":\"2025-11-20T09:59:59.999Z\",\"events\":[{"
             "\"seq\":1,\"id\":\"%s\",\"event\":"
             "\"user.online\",\"at\":\"2025-11-20T10:00:00.000Z\",\"userId\":\"ann\","
             "\"info\":{\"a\":[1]}}]}",
             told[0].id);
    cr_expect_str_eq(body, want);
    cr_expect_eq(strncmp(told[0].id, "019aa0b4-e100-7", 15), 0, "%s has the event's time",
                 told[0].id);
    cr_expect_eq(strncmp(app.request, "POST /who HTTP/1.1\r\n", 20), 0, "%s", app.request);
    cr_expect(strstr(app.request, "\r\nContent-Type: application/json\r\n"), "%s", app.request);
    cr_expect_eq(metric(METRIC_WEBHOOK_FAILED) + metric(METRIC_WEBHOOK_DEAD), 0);
    await_queued(0);
}

Test(webhook, signs_the_bytes_it_sends)
{
    char *line, *body, text[128];
    unsigned long t;
    struct hmac_sha256_ctx ctx;
    uint8_t digest[32];
    uint64_t now = clock_real_ms() / 1000;

    start();
    add(3);
    await_metric(METRIC_WEBHOOK_SENT, 3);
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

Test(webhook, without_a_secret_nothing_is_signed)
{
    struct webhook_config cfg = config();

    cfg.secret = NULL;
    start_with(&cfg);
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 1);
    cr_assert(!strstr(app.request, "Fanfare-Signature"));
}

Test(webhook, batches_what_came_meanwhile)
{
    app_hold(&app, true);
    start();
    add(1);
    await_asked(1);
    add(25);
    usleep(50000);
    cr_assert_eq(atomic_load(&app.asked), 1, "one request at a time");
    app_hold(&app, false);
    await_metric(METRIC_WEBHOOK_SENT, 26);
    expect_told(1, 26);
    cr_assert_eq(requests, 4);
    cr_assert(sizes[0] == 1 && sizes[1] == 10 && sizes[2] == 10 && sizes[3] == 5);
}

Test(webhook, large_events_make_short_batches)
{
    struct webhook_config cfg = config();
    struct strbuf sb = STRBUF_INIT;

    cfg.max_bytes = 16 << 20;
    strbuf_adds(&sb, ",\"data\":\"");
    for (unsigned i = 0; i < 300000; i++) {
        strbuf_addc(&sb, 'x');
    }
    strbuf_adds(&sb, "\"");
    app_hold(&app, true);
    start_with(&cfg);
    add(1);
    await_asked(1);
    for (unsigned i = 0; i < 7; i++) {
        webhook_add(w, "message.received", 0, &nobody, &sb);
    }
    sb.len--;
    for (unsigned i = 0; i < 1200000; i++) { /* alone it may be longer than a request */
        strbuf_addc(&sb, 'x');
    }
    strbuf_addc(&sb, '"');
    webhook_add(w, "message.received", 0, &nobody, &sb);
    strbuf_fini(&sb);
    app_hold(&app, false);
    await_metric(METRIC_WEBHOOK_SENT, 9);
    expect_told(1, 9);
    cr_assert(sizes[1] == 3 && sizes[2] == 3 && sizes[3] == 1 && sizes[4] == 1, "%u %u %u %u",
              sizes[1], sizes[2], sizes[3], sizes[4]);
}

/* ---- an application that fails ---- */

/* All that was told at first was told again, in the same order and with the same ids. */
static void expect_again(unsigned first, unsigned again, unsigned n)
{
    pthread_mutex_lock(&app.lock);
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(told[again + i].seq, told[first + i].seq);
        cr_assert_str_eq(told[again + i].id, told[first + i].id);
    }
    pthread_mutex_unlock(&app.lock);
}

static void fails_and_works_again(enum app_mode mode, int status)
{
    app_says(&app, mode, status, "");
    start();
    add(3);
    await_metric(METRIC_WEBHOOK_FAILED, 3);
    add(4);
    app_says(&app, APP_ANSWERS, 200, "whatever");
    await_metric(METRIC_WEBHOOK_SENT, 7);
    await_queued(0);
    cr_expect(strstr(logged(), "does not take webhooks") && strstr(logged(), "again"), "%s",
              logged());
    cr_expect_eq(metric(METRIC_WEBHOOK_DEAD), 0);
}

Test(webhook, tries_again_after_5xx)
{
    fails_and_works_again(APP_ANSWERS, 500);
    cr_expect(strstr(logged(), "its answer is 500"), "%s", logged());
    expect_again(0, sizes[0], sizes[0]);
    cr_expect_eq(told[ntold - 1].seq, 7);
}

Test(webhook, tries_again_after_4xx)
{
    fails_and_works_again(APP_ANSWERS, 400);
}

Test(webhook, tries_again_after_a_redirection)
{
    strcpy(app.headers, "Location: http://127.0.0.1:1/\r\n");
    fails_and_works_again(APP_ANSWERS, 302);
    cr_expect(strstr(logged(), "its answer is 302"), "%s", logged());
}

Test(webhook, tries_again_after_no_answer)
{
    fails_and_works_again(APP_CLOSES, 0);
}

Test(webhook, tries_again_after_half_an_answer)
{
    fails_and_works_again(APP_STOPS, 200);
}

Test(webhook, tries_again_after_what_is_no_answer)
{
    fails_and_works_again(APP_RAMBLES, 200);
}

Test(webhook, too_long_answers_count_by_their_status)
{
    app_says(&app, APP_FLOODS, 200, "");
    start();
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 1);
    app_says(&app, APP_BLOATS, 200, "");
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 2);
    cr_assert_eq(metric(METRIC_WEBHOOK_FAILED), 0);
}

Test(webhook, tries_again_after_a_timeout)
{
    struct webhook_config cfg = config();

    cfg.timeout_ms = 50;
    app_says(&app, APP_HANGS, 200, "");
    start_with(&cfg);
    add(1);
    await_metric(METRIC_WEBHOOK_FAILED, 2);
    app_says(&app, APP_ANSWERS, 200, "");
    await_metric(METRIC_WEBHOOK_SENT, 1);
}

Test(webhook, nobody_is_there)
{
    struct webhook_config cfg = config();

    cfg.url = "http://127.0.0.1:1/";
    start_with(&cfg);
    add(1);
    await_metric(METRIC_WEBHOOK_FAILED, 3);
    cr_assert(strstr(logged(), "because="), "%s", logged());
}

Test(webhook, waits_longer_and_longer)
{
    struct webhook_config cfg = config();
    uint64_t before = clock_mono_ms();

    cfg.wait_ms = 40;
    cfg.most_wait_ms = 160;
    app_says(&app, APP_ANSWERS, 503, "");
    start_with(&cfg);
    add(1);
    await_asked(6); /* 40, 80, 160, 160, 160, of each at least half */
    cr_assert_geq(clock_mono_ms() - before, 300 - 5);
}

Test(webhook, waits_as_long_as_it_is_asked_to)
{
    struct webhook_config cfg = config();
    uint64_t before = clock_mono_ms();

    cfg.wait_ms = 1;
    cfg.most_wait_ms = 200; /* and no longer */
    strcpy(app.headers, "Retry-After: 3600\r\n");
    app_says(&app, APP_ANSWERS, 503, "");
    start_with(&cfg);
    add(1);
    await_asked(2);
    cr_assert_geq(clock_mono_ms() - before, 195);
    cr_assert_lt(clock_mono_ms() - before, 30000);
}

Test(webhook, lag_grows_and_ends)
{
    app_says(&app, APP_ANSWERS, 500, "");
    start();
    add(1);
    await_metric(METRIC_WEBHOOK_LAG, 50);
    app_says(&app, APP_ANSWERS, 200, "");
    await_metric(METRIC_WEBHOOK_SENT, 1);
    while (metric(METRIC_WEBHOOK_LAG)) {
        usleep(1000);
    }
}

/* ---- dead letters ---- */

Test(webhook, gives_up_what_is_too_old)
{
    struct webhook_config cfg = config();

    cfg.retry_ms = 100;
    app_says(&app, APP_ANSWERS, 500, "");
    start_with(&cfg);
    add(30); /* more than a request has */
    await_metric(METRIC_WEBHOOK_DEAD, 30);
    await_queued(0);
    cr_assert_geq(metric(METRIC_WEBHOOK_FAILED), 2, "it was tried more than once");
    cr_assert_eq(metric(METRIC_WEBHOOK_SENT), 0);
    app_says(&app, APP_ANSWERS, 200, "");
    pthread_mutex_lock(&app.lock);
    ntold = 0;
    pthread_mutex_unlock(&app.lock);
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 1);
    expect_told(31, 1);
    cr_assert(strstr(logged(), "events are lost") && strstr(logged(), "its answer is 500"), "%s",
              logged());
}

Test(webhook, keeps_what_is_young)
{
    struct webhook_config cfg = config();

    cfg.retry_ms = 400;
    cfg.batch = 100;
    app_says(&app, APP_ANSWERS, 500, "");
    start_with(&cfg);
    add(5);
    usleep(300000);
    add(5);
    await_metric(METRIC_WEBHOOK_DEAD, 5);
    app_says(&app, APP_ANSWERS, 200, "");
    await_queued(0);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD) + metric(METRIC_WEBHOOK_SENT), 10);
}

Test(webhook, tries_once_without_retries)
{
    struct webhook_config cfg = config();

    cfg.retry_ms = 0;
    app_says(&app, APP_ANSWERS, 500, "");
    start_with(&cfg);
    add(1);
    await_metric(METRIC_WEBHOOK_DEAD, 1);
    cr_assert_eq(atomic_load(&app.asked), 1);
}

Test(webhook, drops_the_newest_when_too_many_wait)
{
    struct webhook_config cfg = config();

    cfg.max_events = 20;
    app_hold(&app, true);
    start_with(&cfg);
    add(30);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 10);
    cr_assert_eq(metric(METRIC_WEBHOOK_QUEUED), 20);
    app_hold(&app, false);
    await_metric(METRIC_WEBHOOK_SENT, 20);
    await_queued(0);
    expect_told(1, 20);
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 21);
    cr_assert_eq(told[20].seq, 31, "the lost ones have numbers");
    cr_assert(strstr(logged(), "no room"), "%s", logged());
}

Test(webhook, drops_what_is_too_large)
{
    struct webhook_config cfg = config();
    char *large = calloc(1, 70001);

    memset(large, ' ', 70000);
    cfg.max_bytes = 100000;
    app_hold(&app, true);
    start_with(&cfg);
    add_text(large);
    add_text(large);
    add(1);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 1);
    app_hold(&app, false);
    await_metric(METRIC_WEBHOOK_SENT, 2);
    add_text(large);
    await_metric(METRIC_WEBHOOK_SENT, 3);
    cr_assert(told[1].seq == 3 && told[2].seq == 4);
    free(large);
}

/* ---- shares ---- */

/* How many find room before one does not. */
static unsigned add_until_lost(struct webhook_cause by)
{
    uint64_t dead = metric(METRIC_WEBHOOK_DEAD);
    unsigned n = 0;

    for (; add_by(&by, ""), metric(METRIC_WEBHOOK_DEAD) == dead; n++) {
        cr_assert_lt(n, 1000);
    }
    return n;
}

/* As long as the counters are others': the seed is new each time, so another name may have the
 * same one, but hardly three of them. */
static unsigned most_until_lost(struct webhook_cause a, struct webhook_cause b,
                                struct webhook_cause c)
{
    unsigned n = add_until_lost(a), m = add_until_lost(b), o = add_until_lost(c);

    n = n > m ? n : m;
    return n > o ? n : o;
}

Test(webhook, nobody_has_more_than_a_share)
{
    const struct webhook_cause ann = {STR_LIT("ann"), 1, STR_LIT("a")},
                               ann_again = {STR_LIT("ann"), 2, STR_LIT("b")};
    struct webhook_config cfg = config();
    uint64_t queued;

    cfg.max_events = 400;
    app_hold(&app, true);
    start_with(&cfg);
    cr_assert_eq(add_until_lost(ann), 50);
    cr_assert_eq(add_until_lost(ann_again), 0, "whatever the client and the channel");
    cr_assert_eq(most_until_lost((struct webhook_cause){.user = STR_LIT("bob")},
                                 (struct webhook_cause){.user = STR_LIT("cid")},
                                 (struct webhook_cause){.user = STR_LIT("dan")}),
                 50);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 5);
    queued = metric(METRIC_WEBHOOK_QUEUED);
    add(1); /* nobody's have room as long as there is any */
    cr_assert_eq(metric(METRIC_WEBHOOK_QUEUED), queued + 1);
    app_hold(&app, false);
    await_queued(0);
    app_hold(&app, true);
    cr_assert_eq(add_until_lost(ann), 50, "what was sent does not count any more");
    cr_assert(strstr(logged(), "no room"), "%s", logged());
    app_hold(&app, false);
    await_queued(0);
}

Test(webhook, kinds_of_causes_have_counters_of_their_own)
{
    struct webhook_config cfg = config();

    cfg.max_events = 1000;
    app_hold(&app, true);
    start_with(&cfg);
    cr_assert_eq(add_until_lost((struct webhook_cause){.channel = STR_LIT("ann")}), 125);
    cr_assert_eq(most_until_lost((struct webhook_cause){.user = STR_LIT("ann")},
                                 (struct webhook_cause){.client = 7, .channel = STR_LIT("ann")},
                                 (struct webhook_cause){.client = 8, .channel = STR_LIT("ann")}),
                 125);
    app_hold(&app, false);
}

Test(webhook, what_is_given_up_does_not_count_any_more)
{
    const struct webhook_cause ann = {.user = STR_LIT("ann")};
    struct webhook_config cfg = config();

    cfg.max_events = 400;
    cfg.retry_ms = 0;
    app_says(&app, APP_ANSWERS, 500, "");
    app_hold(&app, true);
    start_with(&cfg);
    cr_assert_eq(add_until_lost(ann), 50);
    app_hold(&app, false);
    await_queued(0);
    app_hold(&app, true);
    cr_assert_eq(add_until_lost(ann), 50);
    app_hold(&app, false);
    await_queued(0);
}

Test(webhook, a_small_queue_has_no_smaller_shares)
{
    struct webhook_config cfg = config();

    cfg.max_events = 40;
    app_hold(&app, true);
    start_with(&cfg);
    cr_assert_eq(add_until_lost((struct webhook_cause){.client = 1}), WEBHOOK_LEAST);
    app_hold(&app, false);
}

/* ---- the end ---- */

Test(webhook, sends_what_waits_before_it_ends)
{
    app_hold(&app, true);
    start();
    add(1);
    await_asked(1);
    add(34);
    app_hold(&app, false);
    webhook_stop(w, 20000);
    cr_assert_eq(metric(METRIC_WEBHOOK_SENT), 35);
    expect_told(1, 35);
    add(1); /* nothing more is taken */
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 1);
    cr_assert_eq(metric(METRIC_WEBHOOK_QUEUED), 0);
}

Test(webhook, tries_once_more_at_the_end)
{
    struct webhook_config cfg = config();

    cfg.wait_ms = cfg.most_wait_ms = 3600000;
    app_says(&app, APP_ANSWERS, 500, "");
    start_with(&cfg);
    add(2);
    await_metric(METRIC_WEBHOOK_FAILED, 1);
    app_says(&app, APP_ANSWERS, 200, "");
    webhook_stop(w, 20000);
    cr_assert_eq(metric(METRIC_WEBHOOK_SENT), 2);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 0);
}

Test(webhook, and_only_once)
{
    uint64_t before;

    app_says(&app, APP_ANSWERS, 500, "");
    start();
    add(25);
    await_metric(METRIC_WEBHOOK_FAILED, 1);
    before = clock_mono_ms();
    webhook_stop(w, 20000);
    cr_assert_lt(clock_mono_ms() - before, 10000);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 25);
    cr_assert_eq(metric(METRIC_WEBHOOK_QUEUED), 0);
    cr_assert(strstr(logged(), "events are lost events=25"), "%s", logged());
}

Test(webhook, ends_in_time_though_the_application_hangs)
{
    uint64_t before;

    app_hold(&app, true);
    start();
    add(3);
    await_asked(1);
    before = clock_mono_ms();
    webhook_stop(w, 200);
    cr_assert_lt(clock_mono_ms() - before, 2000);
    cr_assert_geq(clock_mono_ms() - before, 200);
    cr_assert_eq(metric(METRIC_WEBHOOK_DEAD), 3);
    cr_assert(strstr(logged(), "the gateway stops"), "%s", logged());
}

Test(webhook, ends_at_once_if_nothing_waits)
{
    uint64_t before;

    start();
    add(1);
    await_metric(METRIC_WEBHOOK_SENT, 1);
    before = clock_mono_ms();
    webhook_stop(w, 20000);
    cr_assert_lt(clock_mono_ms() - before, 2000);
}
