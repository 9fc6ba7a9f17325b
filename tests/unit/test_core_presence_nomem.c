/* Every allocation of presence fails once: nobody is told anything wrong, what could not be told
 * is told later, and nothing leaks. */
#include "test_core_presence.h"

#include "test_core_nomem.h"

TestSuite(presence_nomem, .init = nomem_ready, .timeout = 120);

enum { CLIENTS = 5 };

struct rig {
    struct pworld *w;
    struct pclient c[CLIENTS];
    struct info *one, *two;
};

static void join(struct rig *g, unsigned i, const char *user, const char *names, struct info *info)
{
    struct pclient *c = &g->c[i];
    int rc;

    for (unsigned tries = 0; tries < 2; tries++) {
        struct str v[2];
        struct cursor top;
        unsigned n = 0;
        c->m = (struct member){.id = i + 1, .shard = (uint16_t)(i % 2)};
        router_set_info(g->w->h.r, &c->m, info);
        while (*names) {
            size_t len = strcspn(names, " ");
            v[n++] = (struct str){names, len};
            names += len + (names[len] == ' ');
        }
        rc = router_join(g->w->h.r, &c->m, str_of(user), v, n, &top);
        if (rc == 0) {
            router_notes(g->w->h.r, &c->m, p_note, c);
            return;
        }
        cr_assert_eq(rc, ERR_NOMEM);
        info_unref(c->m.info);
        names = v[0].p; /* the same once more */
    }
    cr_assert_fail("it fails twice");
}

static void subscribe(struct rig *g, unsigned i, const char *name)
{
    struct cursor top;
    int rc = router_subscribe(g->w->h.r, &g->c[i].m, str_of(name), &top);

    if (rc == ERR_NOMEM) {
        rc = router_subscribe(g->w->h.r, &g->c[i].m, str_of(name), &top);
    }
    cr_assert_eq(rc, 0);
    router_notes(g->w->h.r, &g->c[i].m, p_note, &g->c[i]);
}

static void leave(struct rig *g, unsigned i)
{
    router_leave(g->w->h.r, &g->c[i].m);
    info_unref(g->c[i].m.info);
    g->c[i].m.info = NULL;
}

static void read_some(struct rig *g)
{
    struct strbuf sb = STRBUF_INIT;
    struct user_presence up;
    int rc = router_presence_snapshot(g->w->h.r, 0, STR_LIT("presence-x"), &sb);

    cr_assert(rc == 0 || rc == ERR_NOMEM);
    strbuf_fini(&sb);
    rc = router_presence_page(g->w->h.r, STR_LIT("presence-x"), STR_NONE, 10, &sb);
    cr_assert(rc == 0 || rc == ERR_NOMEM);
    strbuf_fini(&sb);
    router_user_presence(g->w->h.r, STR_LIT("bob"), &up);
}

static void play(struct rig *g)
{
    join(g, 0, "", "presence-x fanfare.users", NULL);
    join(g, 1, "ann", "presence-x", g->one);
    join(g, 2, "bob", "presence-x presence-y", NULL);
    read_some(g);
    p_wait(g->w, 300);
    join(g, 3, "carl", "", g->one);
    subscribe(g, 3, "presence-x");
    router_set_info(g->w->h.r, &g->c[1].m, g->two);
    p_wait(g->w, 300);
    leave(g, 2);
    p_wait(g->w, 11000);
    read_some(g);
    leave(g, 3); /* then the rest is listed again */
    p_wait(g->w, 11000);
}

/* Every version once, after the first snapshot, if it had one. Returns the last. */
static uint64_t versions(const struct pclient *c, const char *channel)
{
    unsigned long last = 0;
    bool known = false;

    for (unsigned i = 0; i < c->n; i++) {
        unsigned long v;
        if (!strstr(c->got[i], channel)) {
            continue;
        }
        cr_assert_eq(sscanf(strstr(c->got[i], "\"version\":"), "\"version\":%lu", &v), 1);
        cr_assert(!known || v == last + 1, "%lu after %lu", v, last);
        known = known || strstr(c->got[i], "snapshot");
        last = v;
    }
    return known ? last : 0;
}

static unsigned shown(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static void check(struct rig *g)
{
    struct strbuf sb = STRBUF_INIT;
    unsigned long version;
    uint64_t seen;

    h_drain_all(&g->w->h);
    cr_assert_eq(router_presence_snapshot(g->w->h.r, 0, STR_LIT("presence-x"), &sb), 0);
    sscanf(strstr(sb.data, "\"version\":"), "\"version\":%lu", &version);
    if (p_metric(g->w, METRIC_PRESENCE_UNSEEN) == 0) {
        cr_assert(shown(sb.data, "{\"userId\":\"ann\",\"info\":2,\"connections\":1,"), "%s",
                  sb.data);
        cr_assert(shown(sb.data, "\"count\":1"));
    }
    cr_assert_not(shown(sb.data, "bob") || shown(sb.data, "carl"));
    strbuf_fini(&sb);
    for (unsigned i = 0; i < CLIENTS; i++) {
        seen = i >= 2 ? 0 : versions(&g->c[i], "presence-x");
        cr_assert(!seen || seen == version, "client %u: %lu of %lu", i, (unsigned long)seen,
                  version);
        (void)versions(&g->c[i], USERS_CHANNEL);
    }
}

/* True if the allocation that was to fail was made. */
static bool once(const char *const *set, unsigned fail, bool pattern)
{
    long before = live;
    struct rig *g = calloc(1, sizeof(*g));
    bool failed;

    g->w = p_world(set);
    g->one = info_new(STR_LIT("1"));
    g->two = info_new(STR_LIT("2"));
    if (pattern) {
        join(g, 4, "", "presence-x.>", NULL);
    }
    left = (int)fail;
    p_short = &left;
    play(g);
    failed = left == -1;
    left = -1;
    p_short = NULL;
    p_wait(g->w, 60000);
    check(g);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (g->c[i].m.joined) {
            leave(g, i);
        }
        for (unsigned k = 0; k < g->c[i].n; k++) {
            free(g->c[i].got[k]);
        }
    }
    p_wait(g->w, 60000);
    cr_assert_eq(p_metric(g->w, METRIC_PRESENCE_MEMBERS), 0);
    p_free(g->w);
    info_unref(g->one);
    info_unref(g->two);
    free(g);
    cr_assert_eq(live, before, "%ld blocks leak", live - before);
    return failed;
}

static void all(const char *max, bool pattern)
{
    const char *const set[] = {"presence-max", max, NULL};
    unsigned n = 0;

    while (once(set, n, pattern)) {
        n++;
    }
    cr_assert_gt(n, 50, "%u", n);
}

Test(presence_nomem, each_allocation_fails_once)
{
    all("1000", false);
    all("1000", true);
}

Test(presence_nomem, also_while_switching_to_counts_and_back)
{
    const char *const set[] = {"presence-max", "2", NULL};
    unsigned n = 0;

    while (once(set, n, true)) {
        n++;
    }
}
