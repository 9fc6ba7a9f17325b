/* A gateway under way: stop with clients, drain, reload, streams kept inside
 * libmicrohttpd. */
#include "support_gateway.h"

#include <fcntl.h>
#include <pthread.h>

/* ---- stop ---- */

Test(running, stop_ends_the_streams)
{
    struct fanfare *gw = gw_start();
    struct gw_client a = gw_sse(gw, "channel=a"), b = gw_ws(gw, "channel=a");

    cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, "\"last\"", NULL), 0);
    fanfare_stop(gw);
    gw_expect(&a, "\"data\":\"last\"");
    gw_expect_end(&a);
    gw_expect(&b, "\"data\":\"last\"");
    gw_expect(&b, "\x88\x11\x03\xe9"
                  "gateway stopped");
    gw_expect_end(&b);
    fanfare_free(gw);
    gw_close(&a);
    gw_close(&b);
}

Test(running, stop_with_requests_under_way)
{
    struct fanfare *gw = gw_start();
    struct gw_client c[30];

    for (int i = 0; i < 30; i++) {
        static const char *const begun[] = {
            "", "GET /hea",
            "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
            "GET /clients HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"};
        c[i] = gw_send(gw_port(gw), begun[i % 5]);
    }
    fanfare_stop(gw);
    fanfare_free(gw);
    for (int i = 0; i < 30; i++) {
        gw_expect_end(&c[i]);
        gw_close(&c[i]);
    }
}

/* A client that does not read must not hold up the stop. */
Test(running, stop_with_a_blocked_client)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;
    struct gw_client c;
    char *data = malloc(100003);
    uint64_t begun;

    gw_set(o, "client-queue-bytes", "1g");
    gw = gw_new(o);
    gw_run(gw);
    c = gw_sse(gw, "channel=a");
    memset(data, 'x', 100002);
    data[0] = data[100001] = '"';
    data[100002] = '\0';
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, data, NULL), 0);
    }
    begun = clock_mono_ms();
    fanfare_stop(gw);
    cr_assert_lt(clock_mono_ms() - begun, GW_DEADLINE_MS);
    fanfare_free(gw);
    gw_close(&c);
    free(data);
}

static atomic_bool stopped;
static struct fanfare *shared;

static void *publish_until_stopped(void *arg)
{
    struct fanfare_options *o = arg;

    while (!atomic_load(&stopped)) {
        (void)!fanfare_broadcast_everyone(shared, NULL, "1", NULL);
        (void)!fanfare_send_client(shared, "0000000000000000", NULL, NULL);
        (void)!fanfare_disconnect(shared, "0000000000000000", NULL);
        (void)fanfare_drained(shared);
        if (o) {
            (void)!fanfare_reload(shared, o, NULL);
        }
    }
    return NULL;
}

Test(running, others_publish_while_it_stops)
{
    for (int round = 0; round < 5; round++) {
        pthread_t t[2];
        struct gw_client c;
        shared = gw_start();
        c = gw_sse(shared, "");
        atomic_store(&stopped, false);
        for (int i = 0; i < 2; i++) {
            cr_assert_eq(pthread_create(&t[i], NULL, publish_until_stopped, NULL), 0);
        }
        gw_expect(&c, "\"data\":1}");
        fanfare_stop(shared);
        atomic_store(&stopped, true);
        for (int i = 0; i < 2; i++) {
            pthread_join(t[i], NULL);
        }
        fanfare_free(shared);
        gw_close(&c);
    }
}

/* ---- drain ---- */

Test(running, drain)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;
    struct gw_client a, b, d;
    char *text;

    gw_set(o, "drain", "200ms");
    gw = gw_new(o);
    cr_assert_eq(fanfare_drained(gw), 1, "there is nobody before the start");
    gw_run(gw);
    cr_assert_eq(fanfare_drained(gw), 0, "not asked");
    a = gw_sse(gw, "");
    b = gw_ws(gw, "");
    fanfare_drain(gw);
    fanfare_drain(gw);
    gw_expect(&a, "event: fanfare.draining\n");
    gw_expect(&b, "\"type\":\"fanfare.draining\"");
    text = gw_ask(gw, "GET /ready", NULL);
    cr_assert_not_null(strstr(text, " 503 "), "%s", text);
    free(text);
    text = gw_ask(gw, "GET /events", NULL);
    cr_assert_not_null(strstr(text, " 503 "), "%s", text);
    free(text);
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0, "it still serves");
    gw_expect_end(&a);
    gw_expect(&b, "\x88\x0a\x03\xf4"
                  "draining");
    gw_expect_end(&b);
    gw_close(&a);
    gw_close(&b);
    GW_UNTIL(fanfare_drained(gw));
    cr_assert_eq(gw_stats(gw).clients_sse, 0);
    d = gw_send(gw_port(gw), "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    gw_expect(&d, "{\"status\":\"ok\"}");
    gw_close(&d);
    fanfare_stop(gw);
    cr_assert_eq(fanfare_drained(gw), 1);
    fanfare_drain(gw);
    fanfare_free(gw);
}

Test(running, drain_of_nobody_is_over_at_once)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    gw_set(o, "drain", "1h");
    gw = gw_new(o);
    fanfare_drain(gw); /* before the start: nothing */
    gw_run(gw);
    fanfare_drain(gw);
    GW_UNTIL(fanfare_drained(gw));
    fanfare_free(gw);
}

/* A client that does not go is not waited for longer than the time. */
Test(running, drain_ends_when_the_time_is_up)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;
    struct gw_client c;

    gw_set(o, "drain", "100ms");
    gw_set(o, "close-timeout", "60s");
    gw = gw_new(o);
    gw_run(gw);
    c = gw_ws(gw, "");
    fanfare_drain(gw);
    GW_UNTIL(fanfare_drained(gw));
    cr_assert_eq(gw_stats(gw).clients_websocket, 1, "it is still there");
    fanfare_free(gw);
    gw_close(&c);
}

/* ---- reload ---- */

Test(running, reload_applies_what_is_live)
{
    struct fanfare *gw = gw_start();
    struct fanfare_options *o = gw_options();
    struct fanfare_why why = {""};
    char *text;

    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL,
                                            "\"0123456789012345678901234567890123456789"
                                            "01234567890123456789012345678901234567890"
                                            "12345678901234567890123456789012345678901"
                                            "234567890123456789\"",
                                            NULL),
                 0);
    gw_set(o, "max-message", "128");
    gw_set(o, "max-channels-per-client", "1");
    gw_set(o, "shards", "3"); /* not live */
    cr_assert_eq(fanfare_reload(gw, o, &why), 0, "%s", why.text);
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL,
                                            "\"0123456789012345678901234567890123456789"
                                            "01234567890123456789012345678901234567890"
                                            "12345678901234567890123456789012345678901"
                                            "234567890123456789\"",
                                            NULL),
                 FANFARE_ERR_RANGE);
    for (int i = 0; i < 10; i++) { /* whichever shard takes it */
        bool refused = false;
        for (int n = 0; n < 1000 && !refused; n++) {
            text = gw_ask(gw, "HEAD /events?channel=a&channel=b", NULL);
            refused = strstr(text, " 400 ") != NULL;
            free(text);
        }
        cr_assert(refused);
    }
    cr_assert_eq(gw_stats(gw).shards, 2);
    fanfare_options_free(o);
    fanfare_free(gw);
}

Test(running, reload_refuses)
{
    struct fanfare *gw = gw_new(gw_options());
    struct fanfare_options *o = gw_options();
    struct fanfare_why why = {""};

    cr_assert_eq(fanfare_reload(gw, o, &why), FANFARE_ERR_STATE);
    gw_run(gw);
    gw_set(o, "max-body", "1k");
    gw_set(o, "max-message", "1m");
    cr_assert_neq(fanfare_reload(gw, o, &why), 0);
    cr_assert_gt(strlen(why.text), 5);
    cr_assert_neq(fanfare_reload(gw, o, NULL), 0);
    fanfare_stop(gw);
    gw_set(o, "max-body", "4m");
    cr_assert_eq(fanfare_reload(gw, o, NULL), FANFARE_ERR_STATE);
    fanfare_options_free(o);
    fanfare_free(gw);
}

Test(running, reload_opens_the_log_again)
{
    char dir[] = "/tmp/fanfare-test-XXXXXX";
    char path[60], moved[64];
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(moved, sizeof(moved), "%s.1", path);
    gw_set(o, "log-file", path);
    cr_assert_eq(fanfare_new(o, &gw, NULL), 0);
    gw_run(gw);
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_eq(rename(path, moved), 0);
    cr_assert_eq(fanfare_reload(gw, o, NULL), 0);
    cr_assert_eq(access(path, F_OK), 0);
    fanfare_free(gw);
    fanfare_options_free(o);
    unlink(path);
    unlink(moved);
    rmdir(dir);
}

Test(running, reload_while_others_publish)
{
    pthread_t t[3];
    struct fanfare_options *o = gw_options();
    struct gw_client c;

    shared = gw_start();
    c = gw_sse(shared, "");
    atomic_store(&stopped, false);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, publish_until_stopped, NULL), 0);
    }
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(fanfare_reload(shared, o, NULL), 0);
    }
    gw_expect(&c, "\"data\":1}");
    atomic_store(&stopped, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
    fanfare_options_free(o);
    fanfare_free(shared);
    gw_close(&c);
}

/* ---- streams kept inside libmicrohttpd ---- */

static struct fanfare *start_kept_inside(void)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    gw_set(o, "no-detach", "yes");
    gw = gw_new(o);
    gw_run(gw);
    return gw;
}

Test(running, kept_inside)
{
    struct fanfare *gw = start_kept_inside();
    struct gw_client a = gw_sse(gw, "channel=a"), b = gw_ws(gw, "channel=a");
    struct gw_client c = gw_sse(gw, "channel=a");

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, "1", NULL), 0);
    }
    cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, "\"last\"", NULL), 0);
    gw_expect(&a, "\"last\"");
    gw_expect(&b, "\"last\"");
    gw_expect(&c, "\"last\"");
    cr_assert_eq(fanfare_disconnect(gw, c.id, NULL), 0);
    gw_expect_end(&c);
    gw_close(&c);
    gw_close(&a);
    GW_UNTIL(gw_stats(gw).clients_sse == 0);
    GW_UNTIL(gw_stats(gw).http_connections == 0);
    free(gw_ask(gw, "GET /health", NULL));
    fanfare_free(gw);
    gw_close(&b);
}

Test(running, kept_inside_come_and_go)
{
    struct fanfare *gw = start_kept_inside();

    for (int i = 0; i < 200; i++) {
        struct gw_client c = gw_sse(gw, "channel=a");
        cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, "1", NULL), 0);
        if (i % 2) {
            cr_assert_eq(fanfare_disconnect(gw, c.id, NULL), 0);
        }
        gw_close(&c);
    }
    GW_UNTIL(gw_stats(gw).clients_sse == 0);
    GW_UNTIL(gw_stats(gw).http_connections == 0);
    fanfare_free(gw);
}

Test(running, kept_inside_stop_with_clients)
{
    struct fanfare *gw = start_kept_inside();
    struct gw_client c[10];

    for (int i = 0; i < 10; i++) {
        c[i] = gw_sse(gw, "channel=a");
    }
    fanfare_stop(gw);
    for (int i = 0; i < 10; i++) {
        gw_expect_end(&c[i]);
        gw_close(&c[i]);
    }
    fanfare_free(gw);
}

/* ---- backlog and limits ---- */

Test(running, one_shard_and_many)
{
    static const char *const shards[] = {"1", "5"};

    for (int n = 0; n < 2; n++) {
        struct fanfare_options *o = gw_options();
        struct gw_client c[12];
        struct fanfare *gw;
        struct fanfare_receipt r;
        gw_set(o, "shards", shards[n]);
        gw = gw_new(o);
        gw_run(gw);
        for (int i = 0; i < 12; i++) {
            c[i] = i % 2 ? gw_ws(gw, "channel=a") : gw_sse(gw, "channel=a");
        }
        cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, "\"x\"", &r), 0);
        cr_assert_eq(r.matched, 12);
        for (int i = 0; i < 12; i++) {
            gw_expect(&c[i], "\"data\":\"x\"");
            gw_close(&c[i]);
        }
        fanfare_free(gw);
    }
}
