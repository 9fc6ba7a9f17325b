/* What a stream subscribes to follows its credential: renewal, changed rules, signed names,
 * while it is replayed, and in the order of the messages. */
#include "support_access.h"

#include "conn/replays.h"

static struct rig *r;
static int peer;

static void start(void)
{
    r = rig_new();
    rig_set(r, "heartbeat", "1h");
}

static void stop(void)
{
    close(peer);
    rig_free(r);
}

TestSuite(access_names, .init = start, .fini = stop);

static const struct position from_start = {.kind = POSITION_CURSOR, .cursor = {RIG_EPOCH, 0}};

/* A token's stream, ann's if it is to be replayed from the start. */
static struct plain_stream *open_at(const struct stream_ops *ops, const char *granted,
                                    const char *names, const struct position *pos)
{
    struct grant *g = token("", granted, 1000);
    struct stream_intro intro = {.grant = g};
    struct plain_stream *c;

    if (pos) {
        intro.position = *pos;
    }
    c = open_granted(r, ops, intro, names, &peer);
    grant_unref(g);
    return c;
}

static void renew(struct plain_stream *c, const char *granted)
{
    struct grant *g = token("", granted, 1000);

    cr_assert_eq(access_renew(&c->s, g), 0);
    grant_unref(g);
}

static void publish(const char *channel, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        rig_publish(r, channel, "1");
    }
}

/* ---- what may be subscribed to ---- */

Test(access_names, without_a_list_what_is_public)
{
    struct plain_stream *c = open_at(&plain_sse, NULL, "a", NULL);

    cr_assert(access_may_subscribe(&c->s, STR_LIT("a")));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("b.>")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("private-a")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("presence-a")));
}

Test(access_names, with_a_list_that)
{
    struct plain_stream *c = open_at(&plain_sse, "a.* private-x", "a.b", NULL);

    cr_assert(access_may_subscribe(&c->s, STR_LIT("a.b")));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("a.*")));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-x")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("a.>")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("b")));
}

/* ---- renewal ---- */

/* What was published before is delivered before the event, and nothing after it. */
static void in_order(const struct stream_ops *ops)
{
    struct plain_stream *c = open_at(ops, "a b p.> q.*", "a b p.> q.*", NULL);

    rig_publish(r, "b", "1");
    rig_publish(r, "p.x", "1");
    renew(c, "a p.x q.>"); /* of p.> a part only */
    cr_assert_eq(stream_name_count(&c->s), 2);
    rig_publish(r, "b", "1");
    rig_publish(r, "p.x", "1");
    rig_publish(r, "a", "1");
    rig_publish(r, "q.y", "1");
    expect_gist(r, peer, "C0 S0 1 2 U2:b U2:p.> 5 6");
}

Test(access_names, in_order_sse)
{
    in_order(&plain_sse);
}

Test(access_names, in_order_websocket)
{
    in_order(&plain_ws);
}

Test(access_names, the_event)
{
    struct plain_stream *c = open_at(&plain_sse, "a private-\xc3\xa4", "a private-\xc3\xa4", NULL);
    char *text;

    rig_publish(r, "a", "1");
    renew(c, "a");
    text = told(r, peer);
    cr_assert_not_null(strstr(text,
                              "event: fanfare.unsubscribed\nid: " RIG_EPOCH_TEXT "-1\ndata: "
                              "{\"type\":\"fanfare.unsubscribed\",\"cursor\":\"" RIG_EPOCH_TEXT
                              "-1\",\"data\":{\"channel\":\"private-\xc3\xa4\","
                              "\"reason\":\"forbidden\"}}\n\n"),
                       "%s", text);
    free(text);
}

/* The pattern that goes had delivered for the channel that stays. */
Test(access_names, a_channel_in_the_shadow_of_a_pattern)
{
    struct plain_stream *c = open_at(&plain_sse, "a.>", "a.> a.b", NULL);

    rig_publish(r, "a.b", "1");
    renew(c, "a.b");
    rig_publish(r, "a.b", "1");
    rig_publish(r, "a.c", "1");
    expect_gist(r, peer, "C0 S0 1 U1:a.> 2");
}

Test(access_names, more_is_permitted_then)
{
    struct plain_stream *c = open_at(&plain_sse, "a", "a", NULL);
    struct position now = {.kind = POSITION_NONE};
    struct cursor at;

    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("b")));
    renew(c, "a b");
    cr_assert(access_may_subscribe(&c->s, STR_LIT("b")));
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("b"), &now, STR_NONE, &at), 0);
    rig_publish(r, "b", "1");
    expect_gist(r, peer, "C0 S0 1");
}

Test(access_names, a_refused_renewal_takes_nothing)
{
    struct plain_stream *c = open_at(&plain_sse, "a b", "a b", NULL);
    struct grant *g = token("bob", "a", 1000);

    cr_assert_eq(access_renew(&c->s, g), ERR_CONFLICT);
    grant_unref(g);
    cr_assert_eq(stream_name_count(&c->s), 2);
    expect_gist(r, peer, "C0 S0");
}

/* All that was left goes; the stream stays, for everyone's messages. */
Test(access_names, nothing_is_left)
{
    struct plain_stream *c = open_at(&plain_sse, "a b", "a b", NULL);

    renew(c, "");
    (void)rig_publish_kind(r, TARGET_EVERYONE, NULL, "1");
    expect_gist(r, peer, "C0 S0 U0:a U0:b 1");
}

/* ---- while it is replayed ---- */

static void during_a_replay(const struct stream_ops *ops)
{
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "4");
    for (unsigned i = 0; i < 3; i++) {
        publish("a", 1);
        publish("b", 1);
        publish("p.x", 1);
    }
    c = open_at(ops, "a b p.>", "a b b p.>", &from_start);
    cr_assert_not(c->s.member.joined);
    renew(c, "a");
    cr_assert_eq(stream_name_count(&c->s), 1);
    publish("b", 1);
    publish("a", 1);
    /* Two to a slice: the first one came with the greeting. */
    expect_gist(r, peer, "C0 1 2 U2:b U2:p.> 4 7 11 S11");
    publish("b", 1);
    publish("p.y", 1);
    publish("a", 1);
    expect_gist(r, peer, "14");
}

Test(access_names, during_a_replay_sse)
{
    during_a_replay(&plain_sse);
}

Test(access_names, during_a_replay_websocket)
{
    during_a_replay(&plain_ws);
}

/* A later subscription's replay: it stops, and the next one has its turn. */
Test(access_names, during_a_subscriptions_replay)
{
    struct plain_stream *c = open_at(&plain_ws, "a b c", "a", NULL);
    struct cursor at;

    rig_set(r, "client-queue-messages", "4");
    expect_gist(r, peer, "C0 S0");
    publish("b", 20);
    publish("c", 3);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("b"), &from_start, STR_NONE, &at), 0);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("c"), &from_start, STR_NONE, &at), 0);
    (void)conn_env_replay_some(&r->env);
    renew(c, "a c");
    cr_assert_not(stream_has_name(&c->s, STR_LIT("b")));
    publish("b", 1);
    expect_gist(r, peer, "1 2 U0:b 21 22 23 S24");
    publish("c", 1);
    publish("b", 1);
    expect_gist(r, peer, "25");
}

/* It ends in the middle, in order: what was sent of the replay, the event, nothing more. */
static void ended_during_a_replay(void (*end)(struct stream *s), const char *want)
{
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 20);
    c = open_at(&plain_ws, "a", "a", &from_start);
    end(&c->s);
    publish("a", 1);
    expect_gist(r, peer, want);
    cr_assert_eq(c->farewells, 1);
    close(peer);
    pass(r, 10000);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 0);
}

Test(access_names, revoked_during_a_replay)
{
    ended_during_a_replay(access_revoke, "C0 1 2 X2:revoked bye");
}

Test(access_names, expired_during_a_replay)
{
    ended_during_a_replay(access_expire, "C0 1 2 X2:expired bye");
}

Test(access_names, warned_during_a_replay)
{
    struct grant *g = token("", "a", 10);
    struct stream_intro intro = {.grant = g, .position = from_start};

    rig_set(r, "client-queue-messages", "4");
    publish("a", 5);
    (void)open_granted(r, &plain_sse, intro, "a", &peer);
    grant_unref(g);
    expect_gist(r, peer, "C0 1 2 W2 3 4 5 S5");
}

/* ---- signed names ---- */

static struct plain_stream *open_signed(void)
{
    static const struct str names[] = {{"private-b", 9}, {"private-a", 9}, {"private-b", 9}};
    struct grant *g = token("", "c", 1000);
    struct stream_intro intro = {.grant = g, .signed_names = names, .nsigned = 3};
    struct plain_stream *c = open_granted(r, &plain_sse, intro, "private-b c private-a", &peer);

    grant_unref(g);
    return c;
}

Test(access_names, a_signature_outlives_the_token)
{
    struct plain_stream *c = open_signed();

    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-a")));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-b")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("private-")));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("private-aa")));
    renew(c, "d");
    rig_publish(r, "private-a", "1");
    rig_publish(r, "private-b", "1");
    rig_publish(r, "c", "1");
    expect_gist(r, peer, "C0 S0 U0:c 1 2");
}

Test(access_names, a_signature_goes_with_its_subscription)
{
    struct plain_stream *c = open_signed();

    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("private-a")), 0);
    access_drop_signed(&c->s, STR_LIT("private-a"));
    access_drop_signed(&c->s, STR_LIT("private-a"));
    access_drop_signed(&c->s, STR_LIT("never"));
    cr_assert_not(access_may_subscribe(&c->s, STR_LIT("private-a")));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-b")));
    cr_assert_eq(access_add_signed(&c->s, STR_LIT("private-a")), 0);
    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-a")));
}

Test(access_names, many_signatures)
{
    struct plain_stream *c = open_signed();
    char name[20];

    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "private-%u", i * 7919 % 500);
        cr_assert_eq(access_add_signed(&c->s, str_of(name)), 0);
    }
    for (unsigned i = 0; i < 500; i += 2) {
        snprintf(name, sizeof(name), "private-%u", i);
        access_drop_signed(&c->s, str_of(name));
    }
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "private-%u", i);
        cr_assert_eq(access_may_subscribe(&c->s, str_of(name)), i % 2 == 1);
    }
}

/* ---- other rules ---- */

Test(access_names, rules_change)
{
    struct plain_stream *c = open_at(&plain_sse, NULL, "a b.x b.> c", NULL);

    rig_set(r, "subscribe-for", "b.=granted");
    rig_publish(r, "b.x", "1");
    access_recheck(&c->s);
    rig_publish(r, "b.x", "1");
    rig_publish(r, "c", "1");
    expect_gist(r, peer, "C0 S0 1 U1:b.x U1:b.> 3");
    access_recheck(&c->s);
    expect_silence(r, peer);
}

Test(access_names, rules_change_during_a_replay)
{
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 10);
    c = open_at(&plain_sse, NULL, "a b", &from_start);
    rig_set(r, "subscribe-for", "a=nobody");
    access_recheck(&c->s);
    expect_gist(r, peer, "C0 1 2 U2:a S10");
}

/* Delivering what came before may end a client that is too slow: nothing behind its farewell. */
Test(access_names, a_slow_client_ends_by_it)
{
    struct plain_stream *c = open_at(&plain_ws, "a b", "a b", NULL);
    struct grant *g = token("", "c", 1000);
    char *data = malloc(40003);
    char *text;

    rig_set(r, "client-queue-messages", "8");
    for (unsigned i = 0; i < 100 && c->s.q.n < 8; i++) {
        rig_publish(r, "a", plain_data(data, 40000, i));
        rig_turn(r);
    }
    cr_assert(c->s.lagging);
    rig_publish(r, "a", "1"); /* one too many, and not looked at yet */
    cr_assert_eq(access_renew(&c->s, g), ERR_CLOSED);
    cr_assert_neq(access_grant(&c->s), g);
    grant_unref(g);
    cr_assert_eq(c->code, 4008);
    text = told(r, peer);
    cr_assert_null(strstr(text, "fanfare.unsubscribed"));
    free(text);
    free(data);
}
