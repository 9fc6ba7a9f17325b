/* A stream's credential: the warning, the end, renewal. */
#include "support_access.h"

#include "core/info.h"

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

TestSuite(access, .init = start, .fini = stop);

/* Takes the grant over. */
static struct plain_stream *open_with(const struct stream_ops *ops, struct grant *g)
{
    struct plain_stream *c = open_granted(
        r, ops, (struct stream_intro){.grant = g, .user = g ? g->s.user : STR_NONE}, "a", &peer);

    grant_unref(g);
    return c;
}

static int renew(struct plain_stream *c, struct grant *g)
{
    int rc = access_renew(&c->s, g);

    grant_unref(g);
    return rc;
}

/* ---- open mode ---- */

static void nothing_is_asked(struct grant *g)
{
    struct plain_stream *c = open_with(&plain_sse, g);
    struct grant *other = token("", "a", 1);

    cr_assert_null(c->s.access);
    cr_assert_null(access_grant(&c->s));
    cr_assert(access_may_subscribe(&c->s, STR_LIT("private-x")));
    cr_assert_eq(access_add_signed(&c->s, STR_LIT("x")), 0);
    access_drop_signed(&c->s, STR_LIT("x"));
    access_recheck(&c->s);
    cr_assert_eq(access_renew(&c->s, other), ERR_STATE);
    cr_assert_eq(atomic_load(&other->refs), 1);
    grant_unref(other);
    expect_gist(r, peer, "C0 S0");
    access_revoke(&c->s);
    expect_gist(r, peer, "X0:revoked bye");
}

Test(access, open_mode)
{
    nothing_is_asked(NULL);
}

Test(access, open_mode_by_its_grant)
{
    nothing_is_asked(grant_open());
}

/* ---- warning and end ---- */

static void warning_and_end(const struct stream_ops *ops)
{
    struct plain_stream *c = open_with(ops, token("ann", "a", 100));
    char *text;

    expect_gist(r, peer, "C0 S0");
    rig_publish(r, "a", "1");
    expect_gist(r, peer, "1");
    pass(r, 39990);
    expect_silence(r, peer);
    pass(r, 30);
    text = told(r, peer);
    cr_assert_not_null(strstr(text,
                              "{\"type\":\"fanfare.auth_expiring\",\"cursor\":\"" RIG_EPOCH_TEXT
                              "-1\",\"data\":{\"expiresAt\":\"2027-01-15T08:01:40.000Z\"}}"),
                       "%s", text);
    free(text);
    pass(r, 64960); /* the leeway counts */
    expect_silence(r, peer);
    cr_assert_not(c->s.ending);
    rig_publish(r, "a", "1");
    pass(r, 40);
    text = told(r, peer);
    cr_assert_str_eq(gist(text), "2 X2:expired bye", "%s", text);
    cr_assert_not_null(strstr(text, "\"data\":{\"code\":\"expired\",\"reconnect\":true}}"), "%s",
                       text);
    cr_assert_eq(c->code, CLOSE_EXPIRED);
    free(text);
    rig_publish(r, "a", "1");
    expect_silence(r, peer);
    close(peer);
    pass(r, 20000);
    cr_assert_str_eq(r->reason, "credential expired");
}

Test(access, warning_and_end_sse)
{
    warning_and_end(&plain_sse);
}

Test(access, warning_and_end_websocket)
{
    warning_and_end(&plain_ws);
}

Test(access, less_than_the_warning_is_left)
{
    (void)open_with(&plain_sse, token("", "a", 10));
    rig_publish(r, "a", "1");
    expect_gist(r, peer, "C0 S0 W0 1");
    pass(r, 14900);
    expect_silence(r, peer);
    pass(r, 200);
    expect_gist(r, peer, "X1:expired bye");
}

/* Valid only by the leeway: told so, but not warned of what is over. */
Test(access, over_already)
{
    struct grant *g = token("ann", "a", 100);
    struct plain_stream *c;

    wall += 105000;
    c = open_with(&plain_ws, g);
    cr_assert(c->s.ending);
    cr_assert_eq(r->connected, 1);
    rig_publish(r, "a", "1");
    expect_gist(r, peer, "C0 S0 X0:expired bye");
    cr_assert_eq(c->code, CLOSE_EXPIRED);
}

Test(access, never)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 0));
    unsigned beats;

    expect_gist(r, peer, "C0 S0");
    wall_reads = 0;
    pass(r, 7200000);
    beats = c->beats;
    cr_assert_gt(beats, 0);
    cr_assert_eq(wall_reads, 0, "no timer runs for it");
    cr_assert_not(c->s.ending);
}

Test(access, a_key_expires_too)
{
    struct grant_spec spec = {.kind = GRANT_KEY,
                              .rights = RIGHT_READ,
                              .id = STR_LIT("shop"),
                              .expires_ms = WALL_START + 30000,
                              .until_ms = WALL_START + 30000};
    struct grant *g;

    cr_assert_eq(grant_new(&spec, &g), 0);
    (void)open_with(&plain_sse, g);
    expect_gist(r, peer, "C0 S0 W0");
    pass(r, 30020);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, warning_of_another_length)
{
    rig_set(r, "token-warning", "0");
    (void)open_with(&plain_sse, token("", "a", 10));
    expect_gist(r, peer, "C0 S0");
    pass(r, 9980);
    expect_silence(r, peer);
    pass(r, 40);
    expect_gist(r, peer, "W0");
    pass(r, 5000);
    expect_gist(r, peer, "X0:expired bye");
}

/* ---- the wall clock is set ---- */

Test(access, the_clock_is_set_forward)
{
    (void)open_with(&plain_sse, token("", "a", 36000));
    expect_gist(r, peer, "C0 S0");
    pass(r, 120000);
    expect_silence(r, peer);
    wall += 35860000; /* 20 s are left, without the leeway */
    pass(r, 60020);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, the_clock_is_set_forward_into_the_warning)
{
    (void)open_with(&plain_sse, token("", "a", 36000));
    expect_gist(r, peer, "C0 S0");
    wall += 35880000;
    pass(r, 60020);
    expect_gist(r, peer, "W0");
    pass(r, 65000);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, the_clock_is_set_back)
{
    (void)open_with(&plain_sse, token("", "a", 100));
    expect_gist(r, peer, "C0 S0");
    pass(r, 50000);
    expect_gist(r, peer, "W0");
    wall -= 600000;
    pass(r, 654000);
    expect_silence(r, peer);
    pass(r, 1020);
    expect_gist(r, peer, "X0:expired bye");
}

/* Farther than the wheel reaches; and it is looked at about once a minute. */
Test(access, far_away)
{
    (void)open_with(&plain_sse, token("", "a", 400000000));
    expect_gist(r, peer, "C0 S0");
    wall_reads = 0;
    pass(r, 3600000);
    cr_assert_leq(wall_reads, 2 * 61 + 10, "%u", wall_reads);
    expect_gist(r, peer, ""); /* beats */
    wall += 400000000000u - 3600000u - 30000u;
    pass(r, 60020);
    expect_gist(r, peer, "X0:expired bye");
}

/* ---- renewal ---- */

Test(access, renewed_for_longer)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 100));

    pass(r, 50000);
    expect_gist(r, peer, "C0 S0 W0");
    cr_assert_eq(renew(c, token("ann", "a", 100)), 0);
    pass(r, 39980);
    expect_silence(r, peer);
    pass(r, 40);
    expect_gist(r, peer, "W0");
    pass(r, 64960);
    expect_silence(r, peer);
    pass(r, 40);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, renewed_for_less)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 1000));

    expect_gist(r, peer, "C0 S0");
    cr_assert_eq(renew(c, token("ann", "a", 10)), 0);
    expect_silence(r, peer); /* behind the answer of whoever renewed it */
    pass(r, 32);
    expect_gist(r, peer, "W0");
    pass(r, 15000);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, renewed_for_ever)
{
    struct plain_stream *c = open_with(&plain_ws, token("ann", "a", 100));

    expect_gist(r, peer, "C0 S0");
    cr_assert_eq(renew(c, token("ann", "a", 0)), 0);
    pass(r, 1000000);
    expect_silence(r, peer);
    cr_assert_eq(renew(c, token("ann", "a", 70)), 0);
    pass(r, 10032);
    expect_gist(r, peer, "W0");
    pass(r, 65000);
    expect_gist(r, peer, "X0:expired bye");
}

static void is_refused(struct plain_stream *c, struct grant *g)
{
    const struct grant *old = access_grant(&c->s);

    cr_assert_eq(renew(c, g), ERR_CONFLICT);
    cr_assert_eq(access_grant(&c->s), old);
}

Test(access, nobody_becomes_somebody_else)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 100));

    expect_gist(r, peer, "C0 S0");
    is_refused(c, token("bob", "a", 1000));
    is_refused(c, token("", "a", 1000));
    is_refused(c, token("an", "a", 1000));
    is_refused(c, grant_of(GRANT_KEY, RIGHT_ALL));
    is_refused(c, grant_of(GRANT_ANONYMOUS, 0));
    is_refused(c, grant_open());
    pass(r, 105020);
    expect_gist(r, peer, "W0 X0:expired bye");
    cr_assert_eq(renew(c, token("ann", "a", 100)), ERR_CLOSED);
}

Test(access, somebody_anonymous_stays_so)
{
    struct plain_stream *c = open_with(&plain_sse, grant_of(GRANT_ANONYMOUS, 0));

    is_refused(c, token("ann", "a", 100));
    cr_assert_eq(renew(c, token("", "a b", 100)), 0);
    cr_assert(access_may_subscribe(&c->s, STR_LIT("b")));
    expect_gist(r, peer, "C0 S0");
}

/* While it is replayed the user is not a member's yet. */
Test(access, the_user_of_a_replay)
{
    struct position from = {.kind = POSITION_CURSOR, .cursor = {RIG_EPOCH, 0}};
    struct grant *g = token("ann", "a", 100);
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "4");
    for (unsigned i = 0; i < 20; i++) {
        rig_publish(r, "a", "1");
    }
    c = open_granted(r, &plain_sse,
                     (struct stream_intro){.grant = g, .user = g->s.user, .position = from}, "a",
                     &peer);
    cr_assert_not(c->s.member.joined);
    is_refused(c, token("bob", "a", 100));
    cr_assert_eq(renew(c, g), 0, "the same again, and gone from here");
}

/* ---- the end by hand ---- */

static void revoked(const struct stream_ops *ops)
{
    struct plain_stream *c = open_with(ops, token("ann", "a", 100));
    char *text;

    rig_publish(r, "a", "1");
    rig_turn(r);
    access_revoke(&c->s);
    access_revoke(&c->s);
    access_expire(&c->s);
    rig_publish(r, "a", "1");
    text = told(r, peer);
    cr_assert_str_eq(gist(text), "C0 S0 1 X1:revoked bye", "%s", text);
    cr_assert_not_null(strstr(text, "\"data\":{\"code\":\"revoked\",\"reconnect\":false}}"), "%s",
                       text);
    free(text);
    cr_assert_eq(c->code, CLOSE_REVOKED);
    cr_assert_eq(renew(c, token("ann", "a", 100)), ERR_CLOSED);
    close(peer);
    pass(r, 110000);
    cr_assert_str_eq(r->reason, "credential revoked");
}

Test(access, revoked_sse)
{
    revoked(&plain_sse);
}

Test(access, revoked_websocket)
{
    revoked(&plain_ws);
}

static const struct grant *bad;

static enum standing is_bad(void *ctx, const struct grant *g)
{
    (void)ctx;
    return g == bad ? IS_REVOKED : STANDS;
}

static enum standing is_old(void *ctx, const struct grant *g)
{
    (void)ctx;
    return g == bad ? HAS_EXPIRED : STANDS;
}

/* Between the check and the beginning nobody could find this stream by it. */
Test(access, revoked_before_it_begins)
{
    struct grant *g = token("ann", "a", 10);

    r->env.hooks.standing = is_bad;
    bad = g;
    (void)open_with(&plain_sse, g);
    expect_gist(r, peer, "X0:revoked bye");
}

/* Its key was taken out meanwhile. */
Test(access, expired_before_it_begins)
{
    struct grant *g = token("ann", "a", 10);

    r->env.hooks.standing = is_old;
    bad = g;
    (void)open_with(&plain_sse, g);
    expect_gist(r, peer, "X0:expired bye");
}

Test(access, renewed_by_what_is_revoked)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 100));
    struct grant *g = token("ann", "a", 1000);

    r->env.hooks.standing = is_bad;
    bad = g;
    cr_assert_eq(renew(c, g), ERR_CLOSED);
    expect_gist(r, peer, "C0 S0 X0:revoked bye");
}

/* Its key was taken out since it was checked: the stream goes on with what it has. */
Test(access, renewed_by_what_is_gone)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 100));
    struct grant *g = token("ann", "b", 1000);

    r->env.hooks.standing = is_old;
    bad = g;
    cr_assert_eq(renew(c, g), ERR_INVALID);
    expect_gist(r, peer, "C0 S0");
}

/* What waited comes first, none of it is lost for the sake of the last words. */
Test(access, a_slow_client_at_the_end)
{
    struct plain_stream *c;
    char *data = malloc(20003);
    char want[600] = "C0 S0";
    char *text;

    rig_set(r, "client-queue-messages", "16");
    rig_set(r, "close-timeout", "10s");
    c = open_with(&plain_sse, token("ann", "a", 10));
    expect_gist(r, peer, "C0 S0 W0");
    *want = '\0';
    for (unsigned i = 1; i < 200 && c->s.q.n < 16; i++) {
        rig_publish(r, "a", plain_data(data, 20000, i));
        rig_turn(r);
        snprintf(want + strlen(want), sizeof(want) - strlen(want), "%u ", i);
    }
    cr_assert_eq(c->s.q.n, 16);
    cr_assert(c->s.lagging);
    pass(r, 15020);
    cr_assert(c->s.ending);
    cr_assert_eq(c->s.q.n, 18);
    text = told(r, peer);
    strcat(want, "X");
    cr_assert(str_starts(str_of(gist(text)), str_of(want)), "%s instead of %s", gist(text), want);
    cr_assert_str_eq(strchr(gist(text), ':'), ":expired bye");
    free(text);
    free(data);
}

/* ---- what is known of it ---- */

static bool described(struct plain_stream *c, const char *part)
{
    struct strbuf sb = STRBUF_INIT;
    bool is;

    stream_describe(&c->s, &sb);
    is = strstr(sb.data, part) != NULL;
    strbuf_fini(&sb);
    return is;
}

Test(access, described)
{
    struct plain_stream *c = open_with(&plain_sse, token("ann", "a", 100));
    int first = peer;

    cr_assert(described(c, ",\"credential\":{\"kind\":\"token\",\"id\":\"jti-1\"},"
                           "\"expiresAt\":\"2027-01-15T08:01:40.000Z\","));
    c = open_with(&plain_sse, grant_of(GRANT_KEY, RIGHT_READ));
    cr_assert(described(c, ",\"credential\":{\"kind\":\"key\",\"id\":\"shop\"},\"connectedAt\":"));
    close(peer);
    c = open_with(&plain_sse, NULL);
    cr_assert_not(described(c, "credential"));
    cr_assert_not(described(c, "expiresAt"));
    close(first);
}

Test(access, the_credentials_metadata)
{
    struct grant *g = token_with("ann", "a", 100, "{\"plan\":1}");
    struct stream_intro intro = {.grant = g, .user = g->s.user, .meta = STR_LIT("{\"mine\":1}")};
    struct plain_stream *c = open_granted(r, &plain_sse, intro, "a", &peer);

    grant_unref(g);
    cr_assert_str_eq(c->s.meta, "{\"plan\":1}");
    cr_assert_eq(renew(c, token_with("ann", "a", 100, "{\"plan\":2}")), 0);
    cr_assert_str_eq(c->s.meta, "{\"plan\":2}");
    cr_assert_eq(renew(c, token("ann", "a", 100)), 0);
    cr_assert_null(c->s.meta, "nobody says it any more");
}

Test(access, the_clients_metadata)
{
    struct grant *g = token("ann", "a", 100);
    struct stream_intro intro = {.grant = g, .user = g->s.user, .meta = STR_LIT("{\"mine\":1}")};
    struct plain_stream *c = open_granted(r, &plain_sse, intro, "a", &peer);

    grant_unref(g);
    cr_assert_eq(renew(c, token("ann", "a", 100)), 0);
    cr_assert_str_eq(c->s.meta, "{\"mine\":1}");
    cr_assert_eq(renew(c, token_with("ann", "a", 100, "{\"plan\":2}")), 0);
    cr_assert_str_eq(c->s.meta, "{\"plan\":2}");
}

/* ---- what others see ---- */

static struct grant *token_info(const char *info)
{
    struct str list[] = {{"a", 1}};
    struct grant_spec spec = {.kind = GRANT_CLIENT,
                              .user = STR_LIT("ann"),
                              .info = str_of(info),
                              .lists_subscribe = true,
                              .subscribe = list,
                              .nsubscribe = 1};
    struct grant *g = NULL;

    cr_assert_eq(grant_new(&spec, &g), 0);
    return g;
}

Test(access, a_renewal_may_bring_another_info)
{
    struct plain_stream *c = open_with(&plain_ws, token_info("{\"v\":1}"));

    cr_assert(str_eqz(info_str(c->s.member.info), "{\"v\":1}"));
    cr_assert_eq(renew(c, token_info("[2]")), 0);
    cr_assert(str_eqz(info_str(c->s.member.info), "[2]"));
    cr_assert_eq(renew(c, token_info("")), 0);
    cr_assert(str_eqz(info_str(c->s.member.info), "[2]"), "nothing said changes nothing");
}
