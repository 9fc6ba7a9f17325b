/* A stream's credential when memory runs out at every allocation in turn: what is not permitted
 * is never kept, and what is said to have failed has changed nothing, or the stream ends. */
#include "test_core_nomem.h"

#include "core/info.h"
#include "support_access.h"

static struct rig *r;

static void start(void)
{
    nomem_ready();
    r = rig_new();
    rig_set(r, "heartbeat", "1h");
}

static void stop(void)
{
    if (r) {
        rig_free(r);
    }
}

TestSuite(access_nomem, .init = start, .fini = stop);

static bool ends(const struct stream *s)
{
    return s->ending | s->dead;
}

static unsigned refs(struct grant *g)
{
    return atomic_load(&g->refs);
}

/* The stream is gone and buried. */
static void bury(int peer)
{
    close(peer);
    rig_turn(r);
    rig_turn(r);
    cr_assert_eq(r->env.clients.count, 0);
}

Test(access_nomem, opening)
{
    static const struct str names[] = {{"private-b", 9}, {"a", 1}};
    struct grant *g = token_with("", "a", 10, "{\"n\":1}");
    bool failed = true;

    for (int n = 0; failed; n++) {
        struct rig_pair p = rig_socketpair();
        struct plain_stream *c = calloc(1, sizeof(*c));
        struct stream_intro intro = {.fd = p.ours,
                                     .grant = g,
                                     .names = names,
                                     .nnames = 2,
                                     .signed_names = names,
                                     .nsigned = 1};
        int rc;
        left = n;
        rc = stream_open(&c->s, &r->env, &plain_sse, &intro);
        failed = left < 0;
        left = -1;
        if (rc != 0) {
            cr_assert_eq(rc, ERR_NOMEM);
            cr_assert_eq(refs(g), 1);
            cr_assert_null(c->s.access);
            free(c);
        } else {
            cr_assert(failed ? ends(&c->s) || !c->s.agent : refs(g) == 2);
        }
        bury(p.peer);
        cr_assert_eq(refs(g), 1);
        cr_assert_lt(n, 200);
    }
    grant_unref(g);
}

static int forbidden_left(const struct stream *s)
{
    return stream_has_name(s, STR_LIT("b")) + stream_has_name(s, STR_LIT("p.>")) +
           stream_has_name(s, STR_LIT("q.*"));
}

static struct plain_stream *open_for(struct grant *g, const struct position *pos, int *peer)
{
    struct stream_intro intro = {.grant = g};

    if (pos) {
        intro.position = *pos;
    }
    return open_granted(r, &plain_ws, intro, "a b p.> q.*", peer);
}

/* One renewal with the nth allocation failing. False: it did not come to it. */
static bool renewed(int n, const struct position *pos)
{
    struct grant *old = token_with("", "a b p.> q.*", 1000, "{\"old\":1}");
    struct grant *new = token_with("", "a", 2000, "{\"new\":1}");
    int peer;
    struct plain_stream *c = open_for(old, pos, &peer);
    bool failed;
    int rc;

    left = n;
    rc = access_renew(&c->s, new);
    failed = left < 0;
    left = -1;
    if (rc == 0) {
        cr_assert_eq(refs(new), 2);
        cr_assert_eq(refs(old), 1);
        cr_assert_eq(forbidden_left(&c->s), 0);
        cr_assert_str_eq(c->s.meta, "{\"new\":1}");
        cr_assert(str_eqz(info_str(c->s.member.info), "{\"new\":1}"));
    } else {
        cr_assert(rc == ERR_NOMEM || rc == ERR_CLOSED);
        cr_assert_eq(refs(new), 1);
        cr_assert_eq(refs(old), 2);
        cr_assert(ends(&c->s) || (rc == ERR_NOMEM && forbidden_left(&c->s) == 3));
        cr_assert_str_eq(c->s.meta, "{\"old\":1}");
        cr_assert(str_eqz(info_str(c->s.member.info), "{\"old\":1}"));
    }
    bury(peer);
    cr_assert_eq(refs(old), 1);
    cr_assert_eq(refs(new), 1);
    grant_unref(old);
    grant_unref(new);
    return failed;
}

Test(access_nomem, renewing)
{
    int n = 0;

    while (renewed(n, NULL)) {
        n++;
        cr_assert_lt(n, 200);
    }
    cr_assert_gt(n, 5);
}

Test(access_nomem, renewing_during_a_replay)
{
    struct position from = {.kind = POSITION_CURSOR, .cursor = {RIG_EPOCH, 0}};
    int n = 0;

    rig_set(r, "client-queue-messages", "4");
    for (unsigned i = 0; i < 20; i++) {
        rig_publish(r, i % 2 ? "a" : "b", "1");
    }
    while (renewed(n, &from)) {
        n++;
        cr_assert_lt(n, 200);
    }
    cr_assert_gt(n, 2);
}

Test(access_nomem, other_rules)
{
    struct grant *g = token("", NULL, 1000);
    bool failed = true;

    for (int n = 0; failed; n++) {
        int peer;
        struct plain_stream *c = open_for(g, NULL, &peer);
        rig_set(r, "subscribe-for", "b=nobody");
        rig_set(r, "subscribe-for", "p.=nobody");
        rig_set(r, "subscribe-for", "q.=nobody");
        left = n;
        access_recheck(&c->s);
        failed = left < 0;
        left = -1;
        cr_assert(ends(&c->s) || forbidden_left(&c->s) == 0, "%d", n);
        cr_assert(failed || !ends(&c->s));
        bury(peer);
        cr_assert_lt(n, 200);
    }
    grant_unref(g);
}

Test(access_nomem, signing)
{
    struct grant *g = token("", "a b p.> q.*", 1000);
    int peer;
    struct plain_stream *c = open_for(g, NULL, &peer);
    int n = 0;
    int rc;

    do {
        left = n++;
        rc = access_add_signed(&c->s, STR_LIT("private-x"));
        left = -1;
        cr_assert_eq(access_may_subscribe(&c->s, STR_LIT("private-x")), rc == 0);
    } while (rc != 0);
    cr_assert_eq(n, 3);
    bury(peer);
    grant_unref(g);
}

/* The last words need memory: without it the end is none the later. */
Test(access_nomem, the_end)
{
    struct grant *g = token("", "a b p.> q.*", 1000);
    bool failed = true;

    for (int n = 0; failed; n++) {
        int peer;
        struct plain_stream *c = open_for(g, NULL, &peer);
        left = n;
        access_revoke(&c->s);
        failed = left < 0;
        left = -1;
        cr_assert(ends(&c->s));
        bury(peer);
        cr_assert_lt(n, 50);
    }
    grant_unref(g);
}
