/* Slow clients: fresh values instead of stale ones, the bound of all queues
 * together, and peers that take nothing at all. */
#include "support_stream.h"

#include "conn/slow.h"

static struct rig *r;
static char data[70000];

static void start(void)
{
    r = rig_new();
    rig_set(r, "send-buffer", "2k");
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(slow_bounds, .init = start, .fini = stop);

static void publish_key(const char *channel, const char *key, unsigned n)
{
    struct str name = str_of(channel);
    struct publication p = {.envelope = rig_envelope(TARGET_CHANNEL, plain_data(data, 10, n)),
                            .targets = &name,
                            .count = 1};
    struct publish_result res;
    struct publish_verdict verdict;

    p.envelope.key = str_of(key);
    cr_assert_eq(router_publish(r->env.router, &p, &res, &verdict), 0);
}

/* Subscribed to `name`, and blocked by a message larger than the socket takes. */
static struct plain_stream *blocked(const char *name, const char *channel, int *peer)
{
    struct plain_stream *c = plain_open(r, &plain_sse, name, peer);

    rig_drop(r, *peer);
    rig_publish(r, channel, plain_data(data, 60000, 0));
    rig_turn(r);
    cr_assert(c->s.blocked);
    cr_assert(c->s.lagging);
    return c;
}

/* What the client finds behind the message that blocked it. */
static char *rest(int peer)
{
    struct strbuf sb = STRBUF_INIT;
    char *at, *copy;

    rig_read_all(r, peer, &sb);
    at = strstr(sb.data, "\n\n");
    copy = strdup(at + 2);
    strbuf_fini(&sb);
    return copy;
}

/* ---- conflate ---- */

Test(slow_bounds, a_slow_client_finds_fresh_values)
{
    static const char *const channels[] = {"c.a", "c.b", "c.c"};
    int peer;
    struct plain_stream *c;
    char *text;

    rig_set(r, "slow-client-for", "c.=conflate");
    c = blocked("c.>", "c.first", &peer);
    for (unsigned i = 1; i <= 900; i++) {
        rig_publish(r, channels[i % 3], plain_data(data, 10, i));
        rig_turn(r);
        cr_assert_leq(c->s.q.n, 17, "long before the queue is full");
        cr_assert_leq(c->s.q.cap, 32);
    }
    text = rest(peer);
    cr_assert_leq(rig_count(text, "\n\n"), 17);
    cr_assert_eq(rig_count(text, "event: fanfare.gap\n"), 1);
    cr_assert_eq(rig_count(text, "\"reason\":\"conflated\""), 1);
    cr_assert_not_null(strstr(text, "\"0000000898\""));
    cr_assert_not_null(strstr(text, "\"0000000899\""));
    cr_assert_not_null(strstr(text, "\"0000000900\""));
    cr_assert_eq(rig_metric(r, METRIC_DROPPED), 0);
    cr_assert_eq(rig_metric(r, METRIC_CONFLATED) + rig_count(text, "\n\n") - 1, 900);
    cr_assert_null(c->s.slow, "a client that has caught up has no memory for it");
    cr_assert_not(c->s.lagging);
    free(text);
    close(peer);
}

Test(slow_bounds, a_gap_of_conflated_messages_has_its_place)
{
    static const char want[] = "event: fanfare.gap\nid: " RIG_EPOCH_TEXT
                               "-8\ndata: {\"type\":\"fanfare.gap\",\"cursor\":\"" RIG_EPOCH_TEXT
                               "-8\",\"data\":{\"scope\":\"all\",\"from\":\"" RIG_EPOCH_TEXT
                               "-1\",\"to\":\"" RIG_EPOCH_TEXT
                               "-8\",\"reason\":\"conflated\"}}\n\nid: " RIG_EPOCH_TEXT "-9\n";
    int peer;
    char *text;

    rig_set(r, "slow-client", "conflate");
    rig_set(r, "client-queue-messages", "8");
    (void)blocked("orders", "orders", &peer); /* seq 1, partly written */
    for (unsigned i = 2; i <= 9; i++) {
        rig_publish(r, "orders", plain_data(data, 10, i));
    }
    rig_turn(r);
    text = rest(peer);
    cr_assert_eq(rig_count(text, "\n\n"), 2);
    cr_assert_eq(strncmp(text, want, sizeof(want) - 1), 0, "%s", text);
    free(text);
    close(peer);
}

/* The marker's cursor stays before what was kept behind it. */
Test(slow_bounds, a_gap_around_a_kept_message)
{
    int peer;
    char *text;
    const char *gap;

    rig_set(r, "slow-client-for", "o.=drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    (void)blocked(">", "x", &peer);
    rig_publish(r, "o.a", "2");
    rig_publish(r, "orders", "3"); /* under disconnect: kept */
    for (unsigned i = 4; i <= 9; i++) {
        rig_publish(r, "o.a", plain_data(data, 10, i));
    }
    rig_turn(r);
    text = rest(peer);
    gap = strstr(text, "event: fanfare.gap\nid: " RIG_EPOCH_TEXT "-2\n");
    cr_assert_eq(gap, text, "%s", text);
    cr_assert_not_null(strstr(gap, "\"from\":\"" RIG_EPOCH_TEXT "-1\",\"to\":\"" RIG_EPOCH_TEXT
                                   "-5\",\"reason\":\"slow\"}}\n\nid: " RIG_EPOCH_TEXT "-3\n"));
    cr_assert_eq(rig_count(text, "\n\n"), 6, "the gap, 3, 6 to 9");
    free(text);
    close(peer);
}

Test(slow_bounds, a_key_keeps_values_of_one_channel_apart)
{
    int peer;
    char *text;

    rig_set(r, "slow-client", "conflate");
    (void)blocked("rates", "rates", &peer);
    for (unsigned i = 1; i <= 300; i++) {
        publish_key("rates", i % 3 == 0 ? "eur" : i % 3 == 1 ? "usd" : "", i);
        rig_turn(r);
    }
    text = rest(peer);
    cr_assert_not_null(strstr(text, "\"0000000298\""), "the newest of usd");
    cr_assert_not_null(strstr(text, "\"0000000299\""), "of no key");
    cr_assert_not_null(strstr(text, "\"0000000300\""), "of eur");
    cr_assert_leq(rig_count(text, "\n\n"), 17);
    cr_assert_null(strstr(text, "usd"), "a key is not passed on");
    free(text);
    close(peer);
}

/* A burst that comes within one turn is looked through when it does not fit
 * into the socket, not only when the next message comes. */
Test(slow_bounds, a_burst_is_conflated_at_once)
{
    int peer;
    struct plain_stream *c;
    char *text;

    rig_set(r, "slow-client", "conflate");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    for (unsigned i = 1; i <= 3000; i++) {
        rig_publish(r, "orders", plain_data(data, 10, i));
    }
    rig_turn(r);
    cr_assert(c->s.blocked);
    cr_assert_leq(c->s.q.n, 3, "what is partly written, the gap, the newest");
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "\"0000003000\""));
    cr_assert_eq(rig_count(text, "\"reason\":\"conflated\""), 1);
    free(text);
    close(peer);
}

Test(slow_bounds, a_client_that_keeps_up_gets_every_value)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "slow-client", "conflate");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    for (unsigned i = 1; i <= 100; i++) {
        rig_publish(r, "orders", plain_data(data, 10, i));
        rig_turn(r);
        rig_drop(r, peer);
        cr_assert_null(c->s.slow);
    }
    cr_assert_eq(c->s.messages, 100);
    cr_assert_eq(rig_metric(r, METRIC_CONFLATED), 0);
    close(peer);
}

/* More newest values than the queue takes: nothing can give way. */
Test(slow_bounds, too_many_values_end_the_client)
{
    int peer;
    struct plain_stream *c;
    char name[16];

    rig_set(r, "slow-client", "conflate");
    rig_set(r, "client-queue-messages", "50");
    c = blocked(">", "x", &peer);
    for (unsigned i = 0; i < 49; i++) {
        snprintf(name, sizeof(name), "v%u", i);
        rig_publish(r, name, "1");
    }
    rig_turn(r);
    cr_assert_not(c->s.ending);
    rig_publish(r, "one-too-many", "1");
    rig_turn(r);
    cr_assert(c->s.ending);
    cr_assert_eq(c->code, 4008);
    cr_assert_eq(rig_metric(r, METRIC_SLOW_CLOSED), 1);
    close(peer);
}

/* A queue of which nearly nothing may go is not looked through for each message:
 * an eighth must go at a time. */
Test(slow_bounds, what_frees_too_little_ends_the_client)
{
    int peer;
    struct plain_stream *c;
    char name[16];

    rig_set(r, "slow-client", "conflate");
    rig_set(r, "client-queue-messages", "800");
    c = blocked(">", "x", &peer);
    for (unsigned i = 0; i < 790; i++) {
        snprintf(name, sizeof(name), "v%u", i);
        rig_publish(r, name, "1");
    }
    for (unsigned i = 0; i < 20 && !c->s.ending; i++) {
        rig_publish(r, "same", "1");
        rig_turn(r);
    }
    cr_assert(c->s.ending);
    close(peer);
}

Test(slow_bounds, the_longest_prefix_counts)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "8");
    rig_set(r, "slow-client", "conflate");
    rig_set(r, "slow-client-for", "a.b.=disconnect");
    rig_set(r, "slow-client-for", "a.=drop-oldest");
    c = blocked(">", "x", &peer);
    for (unsigned i = 0; i < 50; i++) {
        rig_publish(r, "a.c", "1");
    }
    rig_turn(r);
    cr_assert_not(c->s.ending);
    cr_assert_eq(rig_metric(r, METRIC_CONFLATED), 0);
    cr_assert_gt(rig_metric(r, METRIC_DROPPED), 40);
    for (unsigned i = 0; i < 6; i++) { /* beside what is partly written and the gap */
        rig_publish(r, "a.b.c", "1");
        rig_turn(r);
        cr_assert_not(c->s.ending);
    }
    rig_publish(r, "a.b.c", "1");
    rig_turn(r);
    cr_assert(c->s.ending);
    close(peer);
}

/* ---- the bound of all together ---- */

Test(slow_bounds, what_many_queues_share_is_held_once)
{
    enum { CLIENTS = 50 };
    int peer[CLIENTS];
    uint64_t one;

    rig_set(r, "client-queue-messages", "100000");
    for (int i = 0; i < CLIENTS; i++) {
        (void)plain_open(r, &plain_sse, "orders", &peer[i]);
        rig_drop(r, peer[i]);
    }
    cr_assert_eq(rig_metric(r, METRIC_SLOW_BYTES), 0);
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SLOW), 0);
    for (unsigned i = 0; i < 10; i++) {
        rig_publish(r, "orders", plain_data(data, 60000, i));
    }
    rig_turn(r);
    one = rig_metric(r, METRIC_SLOW_BYTES);
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SLOW), CLIENTS);
    cr_assert_geq(one, 10 * 2 * 60000, "both forms of each");
    cr_assert_leq(one, 10 * 2 * 61000 + CLIENTS * 400);
    for (int i = 0; i < CLIENTS; i++) {
        rig_drop(r, peer[i]);
        close(peer[i]);
    }
    cr_assert_eq(rig_metric(r, METRIC_SLOW_BYTES), 0);
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SLOW), 0);
}

Test(slow_bounds, the_rings_of_the_queues_count)
{
    int peer;
    uint64_t before;

    rig_set(r, "client-queue-messages", "100000");
    (void)blocked("orders", "orders", &peer);
    before = rig_metric(r, METRIC_SLOW_BYTES);
    for (unsigned i = 0; i < 5000; i++) { /* private bytes have no frame */
        stream_put_control(r->env.clients.slots[0], STR_LIT("fanfare.x"), STR_LIT("{}"));
    }
    rig_turn(r);
    cr_assert_geq(rig_metric(r, METRIC_SLOW_BYTES) - before, 5000 * 100 + 8192 * sizeof(void *));
    close(peer);
}

Test(slow_bounds, over_the_total_those_with_the_most_waiting_are_closed)
{
    enum { CLIENTS = 8 };
    int peer[CLIENTS];
    struct plain_stream *c[CLIENTS];
    char name[16];
    uint64_t most = 0;

    rig_set(r, "client-queues-total", "2m");
    rig_set(r, "client-queue-bytes", "1g");
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(name, sizeof(name), "own%d", i);
        c[i] = blocked(name, name, &peer[i]);
    }
    /* The later ones get more. */
    for (unsigned n = 0; rig_metric(r, METRIC_MEMORY_CLOSED) == 0; n++) {
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(name, sizeof(name), "own%d", i);
            rig_publish(r, name, plain_data(data, 500u * (unsigned)(i + 1), n));
        }
        rig_turn(r);
        most = rig_metric(r, METRIC_SLOW_BYTES) > most ? rig_metric(r, METRIC_SLOW_BYTES) : most;
        cr_assert_lt(n, 1000);
    }
    cr_assert_leq(most, 2 << 20);
    cr_assert_leq(rig_metric(r, METRIC_SLOW_BYTES), 3 << 19, "down to three quarters");
    cr_assert_eq(rig_metric(r, METRIC_MEMORY_CLOSED), 1);
    cr_assert_eq(rig_metric(r, METRIC_SLOW_CLOSED), 1);
    cr_assert_eq(r->disconnected, 1, "at once");
    cr_assert_str_eq(r->reason, "slow client");
    for (int i = 0; i < CLIENTS - 1; i++) {
        cr_assert_not(c[i]->s.dead | c[i]->s.ending);
    }
    for (int i = 0; i < CLIENTS; i++) {
        close(peer[i]);
    }
}

Test(slow_bounds, no_total_is_no_bound)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "client-queues-total", "0");
    rig_set(r, "client-queue-bytes", "1g");
    c = blocked("orders", "orders", &peer);
    for (unsigned i = 0; i < 5000; i++) {
        rig_publish(r, "orders", plain_data(data, 60000, i));
        rig_turn(r);
    }
    cr_assert_not(c->s.dead);
    close(peer);
}

static unsigned woken;

static void note_wake(void *ctx, unsigned shard)
{
    (void)ctx;
    (void)shard;
    woken++;
}

/* A shard that holds little wakes the others instead of closing its own. */
Test(slow_bounds, each_shard_closes_of_its_own)
{
    static struct slow_total total = {.shards = 2, .wake_others = note_wake};
    int peer;
    struct plain_stream *c;

    r->env.total = &total;
    rig_set(r, "client-queues-total", "2m");
    rig_set(r, "client-queue-bytes", "1g");
    c = blocked("orders", "orders", &peer);
    cr_assert_gt(atomic_load(&total.bytes), 120000);
    cr_assert_eq(woken, 0);
    atomic_fetch_add(&total.bytes, 2 << 20); /* of the other shard */
    rig_publish(r, "orders", "1");
    rig_turn(r);
    cr_assert_eq(woken, 1);
    cr_assert_not(c->s.dead);
    for (unsigned i = 0; i < 8; i++) {
        rig_publish(r, "orders", plain_data(data, 60000, i));
    }
    rig_turn(r);
    cr_assert_eq(rig_metric(r, METRIC_MEMORY_CLOSED), 1, "now it holds more than its part");
    cr_assert_eq(atomic_load(&total.bytes), 2 << 20);
    close(peer);
}

/* ---- peers that take nothing ---- */

Test(slow_bounds, no_heartbeats_pile_up_and_the_stalled_are_closed)
{
    int peer;
    struct plain_stream *c;
    bool freed = false;

    rig_set(r, "heartbeat", "10s");
    rig_set(r, "user-timeout", "60s");
    c = blocked("orders", "orders", &peer);
    c->freed = &freed;
    rig_pass(r, 55000);
    cr_assert_eq(c->beats, 0);
    cr_assert_eq(c->s.q.n, 1);
    rig_pass(r, 16000);
    cr_assert(freed);
    cr_assert_str_eq(r->reason, "peer does not answer");
    cr_assert_eq(rig_metric(r, METRIC_SLOW_CLOSED), 1);
    close(peer);
}

Test(slow_bounds, who_takes_a_little_now_and_then_is_not_stalled)
{
    int peer;
    struct plain_stream *c;
    char buf[3000];

    rig_set(r, "heartbeat", "10s");
    rig_set(r, "user-timeout", "60s");
    c = blocked("orders", "orders", &peer);
    for (int i = 0; i < 5; i++) {
        rig_pass(r, 40000);
        cr_assert_not(c->s.dead);
        for (int k = 0; k < 3; k++) {
            cr_assert_gt(recv(peer, buf, sizeof(buf), MSG_DONTWAIT), 0);
            rig_turn(r);
        }
    }
    rig_drop(r, peer);
    rig_pass(r, 20000);
    cr_assert_gt(c->beats, 0, "and then all is as before");
    close(peer);
}
