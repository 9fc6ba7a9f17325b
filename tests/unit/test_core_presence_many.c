/* Presence of many: only how many there are, what one event holds, bounds; the channels that are
 * known, and the times of work. */
#include "test_core_presence.h"

TestSuite(presence_many, .timeout = 60);

#define USER "user-presence", "no"

static char *named(const char *lead, unsigned i)
{
    static char text[4][32];
    static unsigned at;
    char *out = text[at++ % 4];

    snprintf(out, sizeof(text[0]), "%s%u", lead, i);
    return out;
}

static unsigned times(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

static void end_all(struct pworld *w, struct pclient **v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (v[i]) {
            p_end(w, v[i]);
        }
    }
}

Test(presence_many, too_many_are_only_counted)
{
    static const char *const set[] = {USER, "presence-max", "4", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[8] = {0};
    const char *text;

    for (unsigned i = 0; i < 4; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
    }
    p_wait(w, 1000); /* version 2 */
    v[4] = p_join(w, "u4", "presence-x", NULL);
    while (strstr((text = p_next(w, v[0])), "version\":3") == NULL) {
        cr_assert(*text);
    }
    cr_assert_str_eq(text, "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":3,"
                           "\"count\":5,\"listed\":false}");
    P_NEXT(w, v[4],
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":3,"
           "\"count\":5,\"listed\":false}");
    for (unsigned i = 5; i < 8; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
    }
    p_wait(w, 999); /* four intervals */
    P_NOTHING(w, v[0]);
    p_wait(w, 1);
    P_NEXT(w, v[0],
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":4,"
           "\"count\":8,\"listed\":false}");
    for (unsigned i = 3; i < 8; i++) { /* 3 are few enough, but not yet to go back */
        p_end(w, v[i]);
        v[i] = NULL;
    }
    p_wait(w, 1000);
    P_NEXT(w, v[0],
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":5,"
           "\"count\":3,\"listed\":false}");
    p_say(w, v[1], "9"); /* nobody is told, but it is known when they are listed again */
    p_end(w, v[2]);
    v[2] = NULL;
    p_wait(w, 1000);
    text = p_next(w, v[0]);
    cr_assert(strstr(text, "\"event\":\"snapshot\",\"version\":6,\"count\":2,\"members\":[{"), "%s",
              text);
    cr_assert_eq(times(text, "userId"), 2);
    cr_assert(strstr(text, "{\"userId\":\"u1\",\"info\":9,"));
    P_NOTHING(w, v[0]);
    v[2] = p_join(w, "u2", "presence-x", NULL); /* the usual pace again, at the next turn */
    p_wait(w, 250);
    text = p_next(w, v[0]);
    cr_assert(strstr(text, "\"event\":\"changes\",\"version\":7,\"count\":3,\"changes\""), "%s",
              text);
    end_all(w, v, 8);
    p_free(w);
}

Test(presence_many, one_that_comes_and_goes_is_not_counted)
{
    static const char *const set[] = {USER, "presence-max", "0", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);

    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":0,"
           "\"count\":0,\"members\":[]}");
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":1,"
           "\"count\":1,\"listed\":false}");
    p_end(w, p_join(w, "bob", "presence-x", NULL));
    p_wait(w, 5000);
    P_NOTHING(w, eye);
    p_end(w, ann);
    p_wait(w, 0);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":2,"
           "\"count\":0,\"members\":[]}");
    p_end(w, eye);
    p_free(w);
}

Test(presence_many, an_event_has_no_more_than_256_changes)
{
    enum { N = 600 };
    static const char *const set[] = {USER, "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *v[N];
    static const unsigned want[] = {1, 256, 256, 87};
    unsigned count = 0;
    const char *text;

    for (unsigned i = 0; i < N; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
    }
    p_next(w, eye);
    for (unsigned i = 0; i < 4; i++) {
        char head[80];
        text = p_next(w, eye);
        count += want[i];
        snprintf(head, sizeof(head), "\"version\":%u,\"count\":%u,", i + 1, count);
        cr_assert(strstr(text, head), "%s: %.100s", head, text);
        cr_assert_eq(times(text, "\"join\""), want[i]);
        P_NOTHING(w, eye);
        p_wait(w, 250);
    }
    P_NOTHING(w, eye);
    end_all(w, v, N);
    p_end(w, eye);
    p_free(w);
}

Test(presence_many, over_the_bound_nobody_is_a_member)
{
    static const char *const set[] = {USER, "presence-members", "16", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[18] = {0};
    struct pclient *again;

    for (unsigned i = 0; i < 18; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
        cr_assert_eq(v[i]->n, 1, "it is greeted all the same");
    }
    p_wait(w, 1000);
    cr_assert_eq(p_metric(w, METRIC_PRESENCE_MEMBERS), 16);
    cr_assert_eq(p_metric(w, METRIC_PRESENCE_UNSEEN), 2);
    p_end(w, v[0]); /* makes room, for another connection of one that has none */
    p_wait(w, 1000);
    again = p_join(w, "u17", "presence-x", NULL);
    p_end(w, v[17]); /* was not counted */
    v[0] = v[17] = NULL;
    p_wait(w, 1000);
    p_next(w, v[1]);
    P_TOLD(w, "joined:presence-x/u0 joined:presence-x/u1 joined:presence-x/u2 "
              "joined:presence-x/u3 joined:presence-x/u4 joined:presence-x/u5 "
              "joined:presence-x/u6 joined:presence-x/u7 joined:presence-x/u8 "
              "joined:presence-x/u9 joined:presence-x/u10 joined:presence-x/u11 "
              "joined:presence-x/u12 joined:presence-x/u13 joined:presence-x/u14 "
              "joined:presence-x/u15 left:presence-x/u0 joined:presence-x/u17");
    p_end(w, again);
    P_TOLD(w, "left:presence-x/u17");
    end_all(w, v, 18);
    p_wait(w, 1000);
    cr_assert_eq(p_metric(w, METRIC_PRESENCE_MEMBERS), 0);
    p_free(w);
}

Test(presence_many, much_is_done_in_portions)
{
    enum { N = 200 };
    static const char *const set[] = {USER, NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[N];
    unsigned runs = 0;
    uint64_t before;

    for (unsigned i = 0; i < N; i++) {
        v[i] = p_join(w, "ann", named("presence-", i), NULL);
    }
    p_wait(w, 1000);
    for (unsigned i = 0; i < N; i++) {
        p_leave(w, v[i]);
    }
    before = p_metric(w, METRIC_PRESENCE_EVENTS);
    w->h.mono += 10000; /* all graces are over */
    while (p_metric(w, METRIC_PRESENCE_EVENTS) < before + N) {
        uint64_t at = p_metric(w, METRIC_PRESENCE_EVENTS);
        uint64_t due = router_people_run(w->h.r);
        cr_assert_leq(p_metric(w, METRIC_PRESENCE_EVENTS) - at, 64);
        cr_assert(p_metric(w, METRIC_PRESENCE_EVENTS) == before + N || due <= w->h.mono,
                  "it asks to be called again at once");
        runs++;
    }
    cr_assert_eq(runs, 4);
    w->h.due = w->h.mono;
    p_wait(w, 1000); /* and forgets the channels */
    cr_assert_eq(w->h.due, UINT64_MAX);
    for (unsigned i = 0; i < N; i++) {
        p_drop(v[i]);
    }
    p_free(w);
}

Test(presence_many, graces_end_in_portions)
{
    enum { N = 1500 };
    static const char *const set[] = {USER, "presence-max", "100000", NULL};
    struct pworld *w = p_world(set);
    struct pclient **v = calloc(N, sizeof(struct pclient *));
    struct user_presence up;

    for (unsigned i = 0; i < N; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
    }
    end_all(w, v, N);
    free(v);
    w->told[0] = '\0';
    w->h.mono += 10000;
    for (unsigned i = 1; i <= 5; i++) {
        cr_assert_leq(router_people_run(w->h.r), w->h.mono, "there are more");
        cr_assert_eq(times(w->told, "left"), 256 * i);
    }
    cr_assert_gt(router_people_run(w->h.r), w->h.mono);
    w->h.due = w->h.mono;
    p_wait(w, 10000);
    cr_assert_eq(p_metric(w, METRIC_PRESENCE_MEMBERS), 0);
    router_user_presence(w->h.r, STR_LIT("u1"), &up);
    cr_assert(!up.online && !up.since_ms && !up.last_seen_ms);
    p_free(w);
}

Test(presence_many, versions_of_a_channel_never_come_again)
{
    static const char *const set[] = {USER, "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);
    struct strbuf sb = STRBUF_INIT;

    p_end(w, ann);
    p_wait(w, 1000); /* the channel is forgotten */
    cr_assert_eq(router_presence_snapshot(w->h.r, 0, STR_LIT("presence-x"), &sb), 0);
    cr_assert_str_eq(sb.data, "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":2,"
                              "\"count\":0,\"members\":[]}");
    strbuf_fini(&sb);
    ann = p_join(w, "", "presence-x", NULL);
    P_NEXT(w, ann,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":2,"
           "\"count\":0,\"members\":[]}");
    p_end(w, ann);
    p_free(w);
}

Test(presence_many, patterns_watch_but_are_not_there)
{
    static const char *const set[] = {USER, "presence-for", "room.", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    struct pclient *eye = p_join(w, "eye", "room.*", NULL);
    struct pclient *both = p_join(w, "both", "room.* room.1", NULL);
    struct pclient *off = p_join(w, "off", "hall.1", NULL);

    P_NOTHING(w, off);
    p_wait(w, 250);
    p_next(w, both);
    p_end(w, p_join(w, "ann", "room.1", NULL));
    cr_assert(strstr(p_next(w, eye), "\"version\":1"));
    cr_assert(strstr(p_next(w, eye), "\"version\":2,\"count\":2,"));
    P_NOTHING(w, eye);
    cr_assert(strstr(p_next(w, both), "\"version\":2,\"count\":2,"), "once");
    P_NOTHING(w, both);
    p_wait(w, 250);
    cr_assert(strstr(p_next(w, both), "\"version\":3,\"count\":1,"), "once");
    P_NOTHING(w, both);
    p_end(w, both);
    p_end(w, eye);
    p_end(w, off);
    p_free(w);
}

Test(presence_many, small_snapshots_show_connections_as_they_are)
{
    static const char *const set[] = {USER, NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[4];

    v[0] = p_join(w, "ann", "presence-x", NULL);
    v[1] = p_join(w, "ann", "presence-x", NULL);
    v[2] = p_join(w, "", "presence-x", NULL);
    cr_assert(strstr(p_next(w, v[2]), "\"connections\":2"));
    v[3] = p_join(w, "ann", "presence-x", NULL);
    cr_assert(strstr(p_next(w, v[3]), "\"connections\":3"));
    P_NOTHING(w, v[2]);
    end_all(w, v, 4);
    p_free(w);
}

Test(presence_many, a_large_snapshot_is_made_once_a_version)
{
    enum { N = 80 };
    static const char *const set[] = {USER, NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[N + 3];

    for (unsigned i = 0; i < N; i++) {
        v[i] = p_join(w, named("u", i), "presence-x", NULL);
    }
    p_wait(w, 1000);
    v[N] = p_join(w, "u0", "presence-x", NULL);
    v[N + 1] = p_join(w, "u0", "presence-x", NULL);
    cr_assert_str_eq(p_next(w, v[N]), p_next(w, v[N + 1]));
    p_wait(w, 1000);
    p_say(w, v[0], "1");
    p_wait(w, 1000);
    v[N + 2] = p_join(w, "", "presence-x", NULL);
    cr_assert(strstr(p_next(w, v[N + 2]), "\"userId\":\"u0\",\"info\":1,\"connections\":3,"));
    end_all(w, v, N + 3);
    p_free(w);
}
