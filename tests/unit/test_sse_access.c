/* The end of an SSE stream's credential: the event, then the end of the body. */
#include "sse/stream.h"
#include "support_access.h"

static struct rig *r;
static int peer;

static void start(void)
{
    struct rig_pair p = rig_socketpair();
    struct grant *g = token("ann", "a b", 100);
    struct str names[] = {STR_LIT("a"), STR_LIT("b")};
    struct stream_intro intro = {
        .fd = p.ours, .grant = g, .user = g->s.user, .names = names, .nnames = 2};

    r = rig_new();
    rig_set(r, "heartbeat", "1h");
    rig_set(r, "token-warning", "1h");
    peer = p.peer;
    cr_assert_eq(sse_open(&r->env, &intro), 0);
    grant_unref(g);
}

static void stop(void)
{
    close(peer);
    rig_free(r);
}

TestSuite(sse_access, .init = start, .fini = stop);

static struct stream *only(void)
{
    return r->env.clients.slots[0];
}

#define DATA(n, name, data)                                                                   \
    "event: fanfare." name "\nid: " RIG_EPOCH_TEXT "-" #n "\ndata: {\"type\":\"fanfare." name \
    "\",\"cursor\":\"" RIG_EPOCH_TEXT "-" #n "\",\"data\":" data "}\n\n"

/* All that is said until the end of the body. */
static void ends_with(const char *want)
{
    struct strbuf sb = STRBUF_INIT;
    const char *at;

    rig_turn(r);
    cr_assert(rig_read_all(r, peer, &sb), "the body ends");
    strbuf_addc(&sb, '\0');
    at = strstr(sb.data, want);
    cr_assert_not_null(at, "%s", sb.data);
    cr_assert_eq(at[strlen(want)], '\0', "%s", sb.data);
    strbuf_fini(&sb);
}

Test(sse_access, warned_behind_the_greeting)
{
    char *text = rig_text(r, peer);

    cr_assert_not_null(
        strstr(text, "\"data\":{}}\n\n" DATA(0, "auth_expiring",
                                             "{\"expiresAt\":\"2027-01-15T08:01:40.000Z\"}")),
        "%s", text);
    free(text);
}

Test(sse_access, expired)
{
    pass(r, 105020);
    ends_with(DATA(0, "closing", "{\"code\":\"expired\",\"reconnect\":true}"));
}

Test(sse_access, revoked)
{
    rig_publish(r, "a", "1");
    rig_turn(r);
    access_revoke(only());
    rig_publish(r, "a", "1");
    ends_with(DATA(1, "closing", "{\"code\":\"revoked\",\"reconnect\":false}"));
}

Test(sse_access, renewed_without_a_channel)
{
    struct grant *g = token("ann", "b", 100);
    char *text;

    rig_drop(r, peer);
    rig_publish(r, "a", "1");
    cr_assert_eq(access_renew(only(), g), 0);
    grant_unref(g);
    rig_publish(r, "a", "1");
    rig_publish(r, "b", "1");
    text = told(r, peer);
    cr_assert(str_starts(str_of(gist(text)), STR_LIT("1 U1:a 3")), "%s", text);
    free(text);
}
