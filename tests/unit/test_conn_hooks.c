/* What the floor above is told of a stream's subscriptions and of its end. */
#include "support_stream.h"

static struct rig *r;
static char seen[1024];

static void note(const char *what, const struct stream *s, struct str name, const char *reason)
{
    size_t at = strlen(seen);
    struct str user = stream_user(s);

    snprintf(seen + at, sizeof seen - at, "%s%.*s:%.*s%s%s", what, (int)user.len,
             user.len ? user.p : "", (int)name.len, name.len ? name.p : "", reason ? "!" : "",
             reason ? reason : "");
    strncat(seen, " ", sizeof seen - strlen(seen) - 1);
}

static void on_subscribed(void *ctx, const struct stream *s, struct str name)
{
    (void)ctx;
    note("+", s, name, NULL);
}

static void on_unsubscribed(void *ctx, const struct stream *s, struct str name, const char *reason)
{
    (void)ctx;
    note("-", s, name, reason);
}

struct ending {
    const struct stream *s;
};

static void on_name(void *ctx, struct str name)
{
    note(".", ((struct ending *)ctx)->s, name, NULL);
}

static void on_leaves(void *ctx, const struct stream *s, const char *reason)
{
    struct ending e = {s};

    (void)ctx;
    note("E", s, STR_NONE, reason);
    stream_names(s, on_name, &e);
}

static void start(void)
{
    r = rig_new();
    r->env.hooks.leaves = on_leaves;
    r->env.hooks.subscribed = on_subscribed;
    r->env.hooks.unsubscribed = on_unsubscribed;
    seen[0] = '\0';
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(hooks, .init = start, .fini = stop);

static struct plain_stream *open_user(const char *user, int *peer)
{
    static const struct str names[] = {{"a", 1}, {"b.*", 3}};
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct stream_intro intro = {.fd = p.ours, .names = names, .nnames = 2, .user = str_of(user)};

    *peer = p.peer;
    cr_assert_eq(stream_open(&c->s, &r->env, &plain_ws, &intro), 0);
    rig_turn(r);
    return c;
}

Test(hooks, subscriptions)
{
    const struct position now = {.kind = POSITION_NONE};
    struct plain_stream *c;
    struct cursor at;
    int peer;

    c = open_user("ann", &peer);
    cr_expect_str_eq(seen, "", "what it connects with is told then");
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("c"), &now, STR_NONE, &at), 0);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("c"), &now, STR_NONE, &at), ERR_EXISTS);
    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("a")), 0);
    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("a")), ERR_NOT_FOUND);
    cr_assert_eq(stream_drop_name(&c->s, STR_LIT("c"), "forbidden"), 0);
    cr_expect_str_eq(seen, "+ann:c -ann:a -ann:c!forbidden ");
    close(peer);
}

Test(hooks, an_end_in_order)
{
    struct plain_stream *c;
    int peer;

    c = open_user("ann", &peer);
    stream_end(&c->s, 1001, "test");
    rig_turn(r);
    cr_expect_str_eq(seen, "Eann:!test .ann:a .ann:b.* ", "while it is known: %s", seen);
    cr_expect_eq(r->disconnected, 0);
    close(peer);
    rig_turn(r);
    cr_expect_str_eq(seen, "Eann:!test .ann:a .ann:b.* ", "and once: %s", seen);
    cr_expect_eq(r->disconnected, 1);
}

Test(hooks, a_sudden_end)
{
    struct plain_stream *c;
    int peer;

    c = open_user("", &peer);
    stream_kill(&c->s, "gone");
    rig_turn(r);
    cr_expect_str_eq(seen, "E:!gone .:a .:b.* ");
    cr_expect_eq(r->disconnected, 1);
    close(peer);
}

/* One that is still being replayed has names, too. */
Test(hooks, an_end_during_a_replay)
{
    struct position from = {.kind = POSITION_CURSOR, .cursor = {r->env.epoch, 0}};
    struct plain_stream *c;
    struct cursor at;
    int peer;

    rig_set(r, "client-queue-messages", "4");
    for (unsigned i = 0; i < 50; i++) {
        rig_publish(r, "c", "1");
    }
    c = open_user("ann", &peer);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("c"), &from, STR_NONE, &at), 0);
    rig_turn(r);
    cr_assert_not(member_has_name(&c->s.member, STR_LIT("c")));
    seen[0] = '\0';
    stream_end(&c->s, 1001, "test");
    rig_turn(r);
    close(peer);
    rig_turn(r);
    cr_expect_str_eq(seen, "Eann:!test .ann:a .ann:b.* .ann:c ");
}
