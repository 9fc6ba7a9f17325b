#include "support_stream.h"

#include "conn/load.h"

static struct rig *r;
static struct loads loads;

static void start(void)
{
    r = rig_new();
    cr_assert_eq(loads_init(&loads, 7), 0);
    r->env.loads = &loads;
}

/* How many users are remembered. */
static unsigned users(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        n += loads.part[i].table != NULL;
    }
    return n;
}

static void stop(void)
{
    rig_free(r);
    cr_assert_eq(users(), 0, "nothing is kept of those that are gone");
    loads_fini(&loads);
}

TestSuite(load, .init = start, .fini = stop);

#define ANN STR_LIT("ann")
#define EVE STR_LIT("eve")

static enum load_verdict enter(struct str user, unsigned names, unsigned streams, unsigned max)
{
    struct load_user *counted;
    enum load_verdict v = loads_enter(&loads, user, names, streams, max, &counted);

    cr_assert_eq(counted != NULL, v == LOAD_OK);
    return v;
}

/* One that has entered leaves. */
static void leave(struct str user, unsigned names)
{
    struct load_user *u;

    cr_assert_eq(loads_enter(&loads, user, 0, 0, 0, &u), LOAD_OK);
    loads_leave(&loads, u, 0);
    loads_leave(&loads, u, names);
}

Test(load, streams)
{
    cr_expect_eq(enter(ANN, 0, 2, 0), LOAD_OK);
    cr_expect_eq(enter(ANN, 7, 2, 0), LOAD_OK, "0 is no limit");
    cr_expect_eq(enter(ANN, 0, 2, 0), LOAD_STREAMS);
    cr_expect_eq(enter(EVE, 0, 2, 0), LOAD_OK);
    cr_expect_eq(enter(ANN, 0, 3, 0), LOAD_OK, "the limit is the present one");
    leave(ANN, 0);
    leave(ANN, 7);
    cr_expect_eq(enter(ANN, 0, 2, 0), LOAD_OK);
    cr_expect_eq(enter(ANN, 0, 2, 0), LOAD_STREAMS);
    leave(ANN, 0);
    leave(ANN, 0);
    leave(EVE, 0);
}

Test(load, names)
{
    cr_expect_eq(enter(ANN, 3, 0, 5), LOAD_OK);
    cr_expect_eq(enter(ANN, 3, 0, 5), LOAD_NAMES);
    cr_expect_eq(enter(ANN, 2, 0, 5), LOAD_OK);
    cr_expect_eq(enter(ANN, 0, 0, 5), LOAD_OK, "without any subscription");
    cr_expect_eq(enter(ANN, 1, 0, 5), LOAD_NAMES);
    cr_expect_eq(enter(ANN, 1, 3, 5), LOAD_STREAMS);
    cr_expect_eq(enter(ANN, 0, 0, 4), LOAD_OK, "over a limit that has shrunk");
    leave(ANN, 3);
    leave(ANN, 2);
    leave(ANN, 0);
    leave(ANN, 0);
    cr_expect_eq(enter(ANN, 6, 0, 5), LOAD_NAMES, "more than fit at once");
}

static void is_named(const char *user, enum grant_kind kind, const char *id, const char *want)
{
    struct grant g = {.s = {.kind = kind, .id = str_of(id)}};
    char room[LOAD_NAME_ROOM];
    struct str name = load_name(str_of(user), &g, room);

    cr_expect(str_eqz(name, want), "%.*s is not %s", (int)name.len, name.p, want);
}

Test(load, for_whom)
{
    char id[200], room[LOAD_NAME_ROOM];

    is_named("ann", GRANT_KEY, "shop", "ann");
    is_named("ann", GRANT_CLIENT, "t", "ann");
    is_named("", GRANT_KEY, "shop",
             "\x01"
             "key:shop");
    is_named("", GRANT_CLIENT, "shop",
             "\x01"
             "jti:shop");
    is_named("", GRANT_CLIENT, "", "");
    is_named("", GRANT_ANONYMOUS, "", "");
    is_named("", GRANT_OPEN, "", "");
    cr_expect_eq(load_name(STR_NONE, NULL, room).len, 0);
    memset(id, 'x', sizeof(id));
    id[sizeof(id) - 1] = '\0';
    cr_expect_eq(
        load_name(STR_NONE, &(struct grant){.s = {.kind = GRANT_KEY, .id = str_of(id)}}, room).len,
        LOAD_NAME_ROOM - 1);
}

/* ---- of streams ---- */

static struct plain_stream *open_as(struct str user, const struct str *names, unsigned n,
                                    struct position position, int *peer)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct stream_intro intro = {
        .fd = p.ours, .user = user, .names = names, .nnames = n, .position = position};

    cr_assert_eq(loads_enter(&loads, user, n, 0, r->opt.max_channels_user, &intro.loaded), LOAD_OK);
    *peer = p.peer;
    cr_assert_eq(stream_open(&c->s, &r->env, &plain_ws, &intro), 0);
    return c;
}

static const struct position from_now = {.kind = POSITION_NONE};

static int subscribe(struct plain_stream *c, const char *name, const struct position *pos)
{
    struct cursor at;

    if (!load_grow(&c->s, str_of(name))) {
        return ERR_LIMIT;
    }
    return stream_subscribe(&c->s, str_of(name), pos, STR_NONE, &at);
}

Test(load, subscriptions)
{
    struct str names[] = {STR_LIT("a"), STR_LIT("b")};
    struct plain_stream *one, *two;
    int peer1, peer2;

    rig_set(r, "max-channels-per-user", "4");
    one = open_as(ANN, names, 2, from_now, &peer1);
    two = open_as(ANN, names, 1, from_now, &peer2);
    rig_turn(r);
    cr_expect_eq(subscribe(one, "c", &from_now), 0);
    cr_expect_eq(subscribe(two, "d", &from_now), ERR_LIMIT);
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_USERS), 1);
    cr_expect_eq(subscribe(two, "a", &from_now), ERR_EXISTS, "what it has is never too much");
    cr_expect_eq(subscribe(one, "c", &from_now), ERR_EXISTS);
    cr_expect_eq(subscribe(two, "d", &from_now), ERR_LIMIT, "nor has that made room");
    cr_expect_eq(stream_unsubscribe(&one->s, STR_LIT("b")), 0);
    cr_expect_eq(stream_unsubscribe(&one->s, STR_LIT("b")), ERR_NOT_FOUND);
    cr_expect_eq(subscribe(two, "d", &from_now), 0);
    cr_expect_eq(subscribe(two, "e", &from_now), ERR_LIMIT);
    stream_kill(&one->s, "test");
    rig_turn(r);
    cr_expect_eq(subscribe(two, "e", &from_now), 0);
    cr_expect_eq(subscribe(two, "f", &from_now), 0);
    cr_expect_eq(subscribe(two, "g", &from_now), ERR_LIMIT);
    close(peer1);
    close(peer2);
}

/* What is being replayed counts, and no more when it is live. */
Test(load, replays)
{
    struct position all = {.kind = POSITION_NEWEST, .count = 10};
    struct str names[] = {STR_LIT("a"), STR_LIT("b")};
    struct plain_stream *c;
    int peer;

    rig_set(r, "max-channels-per-user", "4");
    rig_publish(r, "a", "1");
    rig_publish(r, "c", "1");
    c = open_as(ANN, names, 2, all, &peer);
    cr_expect_eq(subscribe(c, "c", &all), 0);
    cr_expect_eq(subscribe(c, "d", &all), 0);
    cr_expect_eq(subscribe(c, "e", &all), ERR_LIMIT);
    for (int i = 0; i < 10; i++) {
        rig_turn(r);
        rig_drop(r, peer);
    }
    cr_expect_eq(stream_name_count(&c->s), 4);
    cr_expect_eq(subscribe(c, "e", &all), ERR_LIMIT);
    cr_expect_eq(stream_unsubscribe(&c->s, STR_LIT("a")), 0);
    cr_expect_eq(subscribe(c, "e", &all), 0);
    cr_expect_eq(stream_unsubscribe(&c->s, STR_LIT("e")), 0, "while it is replayed");
    cr_expect_eq(subscribe(c, "f", &from_now), 0);
    cr_expect_eq(subscribe(c, "g", &from_now), ERR_LIMIT);
    close(peer);
}

/* However it ends, and in whatever state: see stop(). */
Test(load, ends)
{
    struct position all = {.kind = POSITION_NEWEST, .count = 10};
    struct str names[] = {STR_LIT("a")};
    struct plain_stream *c;
    int peers[5];

    rig_set(r, "max-channels-per-user", "100");
    rig_publish(r, "a", "1");
    c = open_as(ANN, names, 1, all, &peers[0]); /* while it is replayed */
    stream_kill(&c->s, "test");
    c = open_as(ANN, names, 1, all, &peers[1]);
    stream_end(&c->s, 1000, "test");
    c = open_as(EVE, names, 1, from_now, &peers[2]);
    rig_turn(r);
    stream_end(&c->s, 1000, "test");
    rig_turn(r);
    c = open_as(EVE, names, 1, from_now, &peers[3]);
    (void)open_as(ANN, names, 1, from_now, &peers[4]); /* until the end of the test */
    for (unsigned i = 0; i < 4; i++) {
        close(peers[i]);
    }
    rig_turn(r);
    cr_expect_eq(users(), 1);
    close(peers[4]);
}

Test(load, without)
{
    struct cursor at;
    struct plain_stream *c;
    int peer;

    rig_set(r, "max-channels-per-user", "1");
    c = plain_open(r, &plain_ws, "a", &peer); /* began when nothing was limited, or has no user */
    cr_expect(load_grow(&c->s, STR_LIT("b")));
    cr_expect_eq(stream_subscribe(&c->s, STR_LIT("b"), &from_now, STR_NONE, &at), 0);
    close(peer);
}

Test(load, full_channels)
{
    struct plain_stream *one, *two;
    int peer1, peer2;

    rig_set(r, "max-subscribers-for", "room.=1");
    cr_expect_not(load_is_full(&r->env, STR_LIT("room.1")));
    one = plain_open(r, &plain_ws, "room.1", &peer1);
    two = plain_open(r, &plain_ws, "room.2", &peer2);
    cr_expect(load_is_full(&r->env, STR_LIT("room.1")));
    cr_expect_not(load_is_full(&r->env, STR_LIT("room.3")));
    cr_expect_not(load_is_full(&r->env, STR_LIT("lobby")));
    cr_expect_not(load_is_full(&r->env, STR_LIT("room.>")), "patterns are not counted");
    cr_expect(load_refuses(&two->s, STR_LIT("room.1")));
    cr_expect_not(load_refuses(&one->s, STR_LIT("room.1")), "it is in it");
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_CHANNELS), 1);
    cr_expect_eq(stream_unsubscribe(&one->s, STR_LIT("room.1")), 0);
    cr_expect_not(load_refuses(&two->s, STR_LIT("room.1")));
    close(peer1);
    close(peer2);
}
