/* Timers, drain and the end of all streams of a shard. */
#include "support_stream.h"

#define MANY 200

static struct rig *r;

static void start(void)
{
    r = rig_new();
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(env, .init = start, .fini = stop);

/* ---- heartbeats ---- */

Test(env, beats_only_in_silence)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);

    for (int i = 0; i < 100; i++) { /* something every 20 s, for 2000 s */
        rig_publish(r, "orders", "1");
        rig_pass(r, 20000);
    }
    cr_assert_eq(c->beats, 0, "a client that just got data needs none");
    rig_pass(r, 300000);
    cr_assert_geq(c->beats, 9);
    cr_assert_leq(c->beats, 20);
    cr_assert_eq(rig_metric(r, METRIC_HEARTBEATS), c->beats);
    rig_drop(r, peer);
    close(peer);
}

Test(env, first_beats_are_spread)
{
    int peer[MANY];
    struct plain_stream *c[MANY];
    unsigned at_once = 0, last = 0;

    for (int i = 0; i < MANY; i++) {
        c[i] = plain_open(r, &plain_sse, NULL, &peer[i]);
    }
    while (last < MANY && r->now < 1000000 + 60000) {
        unsigned n = 0;
        rig_pass(r, 100);
        for (int i = 0; i < MANY; i++) {
            n += c[i]->beats > 0;
        }
        at_once = n - last > at_once ? n - last : at_once;
        last = n;
    }
    cr_assert_eq(last, MANY, "each had one within a minute");
    for (int i = 0; i < MANY; i++) {
        close(peer[i]);
    }
    cr_assert_lt(at_once, MANY / 4, "%u of %u fall into one tenth of a second", at_once, MANY);
}

Test(env, heartbeat_changes_live)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, NULL, &peer);

    rig_pass(r, 60000);
    rig_set(r, "heartbeat", "1s");
    rig_pass(r, 30000);
    c->beats = 0;
    rig_pass(r, 10000);
    cr_assert_geq(c->beats, 9);
    cr_assert_leq(c->beats, 20);
    close(peer);
}

Test(env, an_ending_stream_has_no_beats)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "heartbeat", "1s");
    rig_set(r, "close-timeout", "60s");
    c = plain_open(r, &plain_sse, NULL, &peer);
    stream_end(&c->s, 1001, "test");
    rig_pass(r, 30000);
    cr_assert_eq(c->beats, 0);
    stream_start_beat(&c->s);
    rig_pass(r, 20000);
    cr_assert_eq(c->beats, 0);
    close(peer);
}

/* ---- drain ---- */

Test(env, drain_tells_and_spreads)
{
    int peer[MANY];
    unsigned half;
    uint64_t t;
    char *text;

    rig_set(r, "close-timeout", "100ms");
    for (int i = 0; i < MANY; i++) {
        plain_open(r, i % 2 ? &plain_ws : &plain_sse, NULL, &peer[i]);
    }
    rig_drop(r, peer[0]);
    conn_env_drain(&r->env, 10000);
    cr_assert(r->env.draining);
    conn_env_flush(&r->env);
    {
        struct strbuf sb = STRBUF_INIT;
        rig_read(peer[0], &sb);
        text = strbuf_steal(&sb, NULL);
    }
    cr_assert(str_starts(str_of(text), STR_LIT("retry: ")), "%s", text);
    {
        unsigned long retry = 0, after = 0;
        cr_assert_eq(sscanf(text, "retry: %lu\n", &retry), 1);
        cr_assert_eq(sscanf(strstr(text, "\"reconnectAfter\":"), "\"reconnectAfter\":%lu", &after),
                     1);
        cr_assert_eq(retry, after, "one number: %s", text);
        cr_assert_geq(retry, 2000);
        cr_assert_leq(retry, 2 * 2000 + 10000);
    }
    cr_assert_eq(rig_count(text, "event: fanfare.draining\n"), 1);
    rig_pass(r, 5000);
    half = r->disconnected;
    cr_assert_gt(half, MANY / 5);
    cr_assert_lt(half, MANY * 4 / 5);
    t = r->now;
    rig_pass(r, 5300);
    cr_assert_eq(r->disconnected, MANY, "all within the time");
    cr_assert_eq(r->now, t + 5300);
    cr_assert_str_eq(r->reason, "draining");
    free(text);
    for (int i = 0; i < MANY; i++) {
        close(peer[i]);
    }
}

Test(env, drain_over_no_time)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, NULL, &peer);

    conn_env_drain(&r->env, 0);
    rig_pass(r, 2 * WHEEL_TICK_MS);
    cr_assert_eq(c->code, 1012);
    cr_assert(rig_drop(r, peer));
    close(peer);
}

Test(env, drain_leaves_ending_streams_alone)
{
    int a, b;
    struct plain_stream *c = plain_open(r, &plain_sse, NULL, &a);
    struct plain_stream *d = plain_open(r, &plain_sse, NULL, &b);

    stream_end(&c->s, 1001, "test");
    stream_kill(&d->s, "test");
    conn_env_drain(&r->env, 0);
    rig_pass(r, 1000);
    cr_assert_eq(c->farewells, 1);
    cr_assert_eq(c->code, 1001);
    close(a);
    close(b);
}

/* ---- the end of all ---- */

Test(env, end_all_in_order)
{
    int peer[10];
    struct plain_stream *c[10];

    for (int i = 0; i < 10; i++) {
        c[i] = plain_open(r, &plain_ws, NULL, &peer[i]);
        rig_drop(r, peer[i]);
    }
    conn_env_end_all(&r->env, 1001, "bye");
    rig_turn(r);
    for (int i = 0; i < 10; i++) {
        char *text = rig_text(r, peer[i]);
        cr_assert_eq(c[i]->code, 1001);
        cr_assert_str_eq(text, "farewell\n");
        free(text);
        close(peer[i]);
    }
    rig_turn(r);
    cr_assert_eq(r->disconnected, 10);
    cr_assert_eq(r->env.clients.count, 0);
}

Test(env, close_all_at_once)
{
    int peer[10];

    for (int i = 0; i < 10; i++) {
        plain_open(r, &plain_ws, NULL, &peer[i]);
    }
    conn_env_close_all(&r->env, "bye");
    cr_assert_eq(r->disconnected, 0);
    conn_env_flush(&r->env);
    cr_assert_eq(r->disconnected, 10);
    for (int i = 0; i < 10; i++) {
        close(peer[i]);
    }
}

/* Clients that come and go leave nothing behind. */
Test(env, many_come_and_go)
{
    for (int i = 0; i < 2000; i++) {
        int peer;
        struct plain_stream *c = plain_open(r, i % 2 ? &plain_ws : &plain_sse, "orders", &peer);
        rig_publish(r, "orders", "1");
        rig_turn(r);
        if (i % 3 == 0) {
            stream_end(&c->s, 1001, "test");
        }
        close(peer);
        rig_turn(r);
    }
    cr_assert_eq(r->disconnected, 2000);
    cr_assert_eq(r->env.clients.count, 0);
    cr_assert_eq(wheel_next_ms(r->env.wheel, r->now), -1, "no timer is left");
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SSE) + rig_metric(r, METRIC_CLIENTS_WS), 0);
}

/* ---- portions ---- */

static unsigned drained(const int *peer, unsigned n)
{
    unsigned told = 0;

    for (unsigned i = 0; i < n; i++) {
        struct strbuf sb = STRBUF_INIT;
        (void)rig_read(peer[i], &sb);
        if (sb.len) {
            unsigned times = rig_count(sb.data, "event: fanfare.draining\n");
            cr_assert_leq(times, 1);
            told += times;
        }
        strbuf_fini(&sb);
    }
    return told;
}

Test(env, so_many_writes_and_burials_in_a_turn)
{
    int peer[20], gone[20];

    for (int i = 0; i < 20; i++) {
        plain_open(r, &plain_sse, NULL, &gone[i]);
    }
    for (int i = 0; i < 20; i++) {
        plain_open(r, &plain_sse, "orders", &peer[i]);
    }
    rig_turn(r);
    cr_assert_not(conn_env_waits(&r->env));
    (void)drained(peer, 20);
    for (int i = 0; i < 20; i++) {
        close(gone[i]);
    }
    cr_assert_geq(reactor_wait(r->env.reactor, 0), 20);
    cr_assert_eq(r->disconnected, 0);
    rig_publish(r, "orders", "1");
    mailbox_drain(r->deliveries, 0);
    /* The dead stand before the living in the list, but are not in their way. */
    cr_assert(conn_env_flush_some(&r->env, 30, 1));
    cr_assert_eq(r->disconnected, 1);
    cr_assert_eq(rig_metric(r, METRIC_SENDS), 40 + 10);
    cr_assert(conn_env_flush_some(&r->env, 30, 1));
    cr_assert_eq(r->disconnected, 2);
    cr_assert_eq(rig_metric(r, METRIC_SENDS), 40 + 20);
    cr_assert_null(r->env.dirty.first);
    for (unsigned n = 3; n < 20; n++) {
        cr_assert(conn_env_flush_some(&r->env, 30, 1), "%u", n);
        cr_assert_eq(r->disconnected, n);
    }
    cr_assert_not(conn_env_flush_some(&r->env, 30, 1));
    cr_assert_eq(r->disconnected, 20);
    cr_assert_eq(r->env.clients.count, 20);
    for (int i = 0; i < 20; i++) {
        close(peer[i]);
    }
}

/* A dead stream that waits for its burial is left alone by everybody. */
Test(env, the_dead_wait_in_peace)
{
    int peer[2];
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer[0]);

    plain_open(r, &plain_sse, "orders", &peer[1]);
    conn_env_flush(&r->env);
    stream_kill(&c->s, "first");
    cr_assert(conn_env_flush_some(&r->env, 10, 0));
    cr_assert_eq(r->disconnected, 0);
    stream_kill(&c->s, "second");
    stream_end(&c->s, 1001, "third");
    stream_put_bytes(&c->s, STR_LIT("x"));
    stream_mark_dirty(&c->s);
    rig_publish(r, "orders", "1");
    rig_pass(r, 100000);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "first");
    cr_assert_eq(r->env.clients.count, 1);
    for (int i = 0; i < 2; i++) {
        close(peer[i]);
    }
}

Test(env, drain_tells_so_many_in_a_turn)
{
    int peer[100], more[10];

    for (int i = 0; i < 100; i++) {
        plain_open(r, &plain_sse, NULL, &peer[i]);
    }
    conn_env_flush(&r->env);
    conn_env_drain(&r->env, 10000);
    for (unsigned i = 1; i <= 4; i++) {
        cr_assert(conn_env_flush_some(&r->env, 20, 20));
        cr_assert_eq(drained(peer, 100), 20);
    }
    /* Who comes now is told at once; some get places that were not asked yet. */
    for (int i = 0; i < 10; i++) {
        plain_open(r, &plain_sse, NULL, &more[i]);
    }
    while (conn_env_flush_some(&r->env, 20, 20)) {
    }
    cr_assert_eq(drained(peer, 100), 20);
    cr_assert_eq(drained(more, 10), 10);
    for (int i = 0; i < 100; i++) {
        close(peer[i]);
    }
    for (int i = 0; i < 10; i++) {
        close(more[i]);
    }
}
