/* All users as a channel, and reading who is there. */
#include "test_core_presence.h"

TestSuite(presence_users, .timeout = 60);

#define AT_0 "2026-09-21T14:13:20.000Z"

static void expect_user(struct pworld *w, const char *user, bool online, uint64_t since_ms,
                        uint64_t last_ms)
{
    struct user_presence up;

    router_user_presence(w->h.r, str_of(user), &up);
    cr_assert_eq(up.online, online, "%s", user);
    cr_assert_eq(up.since_ms, since_ms, "%s", user);
    cr_assert_eq(up.last_seen_ms, last_ms, "%s", user);
}

Test(presence_users, are_online_with_any_connection)
{
    struct pworld *w = p_world(NULL);
    struct pclient *eye = p_join(w, "eye", USERS_CHANNEL, NULL);
    struct pclient *ann;
    uint64_t t0 = w->h.real;

    /* It subscribed before it came. */
    P_NEXT(w, eye,
           "{\"channel\":\"fanfare.users\",\"event\":\"snapshot\",\"version\":0,"
           "\"count\":0,\"members\":[]}");
    P_NEXT(w, eye,
           "{\"channel\":\"fanfare.users\",\"event\":\"changes\",\"version\":1,"
           "\"count\":1,\"changes\":[{\"change\":\"join\",\"userId\":\"eye\","
           "\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    P_TOLD(w, "online/eye");
    p_wait(w, 250);
    ann = p_join(w, "ann", "", "\"Ann\"");
    P_NEXT(w, eye,
           "{\"channel\":\"fanfare.users\",\"event\":\"changes\",\"version\":2,"
           "\"count\":2,\"changes\":[{\"change\":\"join\",\"userId\":\"ann\","
           "\"info\":\"Ann\",\"connections\":1,"
           "\"since\":\"2026-09-21T14:13:20.250Z\"}]}");
    P_TOLD(w, "online/ann\"Ann\"");
    p_say(w, ann, "2");
    p_wait(w, 250);
    P_NEXT(w, eye,
           "{\"channel\":\"fanfare.users\",\"event\":\"changes\",\"version\":3,"
           "\"count\":2,\"changes\":[{\"change\":\"update\",\"userId\":\"ann\","
           "\"info\":2}]}");
    P_TOLD(w, "");
    expect_user(w, "ann", true, t0 + 250, 0);
    p_end(w, ann);
    p_wait(w, 9000);
    expect_user(w, "ann", true, t0 + 250, 0);
    p_wait(w, 1000);
    P_TOLD(w, "offline/ann");
    expect_user(w, "ann", false, 0, t0 + 500);
    P_NEXT(w, eye,
           "{\"channel\":\"fanfare.users\",\"event\":\"changes\",\"version\":4,"
           "\"count\":1,\"changes\":[{\"change\":\"leave\",\"userId\":\"ann\"}]}");
    ann = p_join(w, "ann", "", NULL);
    expect_user(w, "ann", true, w->h.real, 0);
    ann->m.leaves = 1;
    p_end(w, ann);
    expect_user(w, "ann", false, 0, w->h.real);
    expect_user(w, "nobody", false, 0, 0);
    p_end(w, eye);
    p_free(w);
}

Test(presence_users, may_be_left_out)
{
    static const char *const set[] = {"user-presence", "no", NULL};
    struct pworld *w = p_world(set);
    struct pclient *ann = p_join(w, "ann", USERS_CHANNEL, NULL);

    P_NOTHING(w, ann);
    P_TOLD(w, "");
    expect_user(w, "ann", true, 0, 0);
    p_end(w, ann);
    expect_user(w, "ann", false, 0, 0);
    p_free(w);
}

Test(presence_users, the_latest_are_remembered)
{
    static const char *const set[] = {"max-last-seen", "2", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);
    uint64_t t0 = w->h.real;

    p_end(w, p_join(w, "a", "", NULL));
    p_wait(w, 1);
    p_end(w, p_join(w, "b", "", NULL));
    p_wait(w, 1);
    p_end(w, p_join(w, "a", "", NULL));
    p_wait(w, 1);
    p_end(w, p_join(w, "c", "", NULL));
    expect_user(w, "a", false, 0, t0 + 2);
    expect_user(w, "b", false, 0, 0);
    expect_user(w, "c", false, 0, t0 + 3);
    p_free(w);
}

Test(presence_users, none_are_remembered_with_no_room)
{
    static const char *const set[] = {"max-last-seen", "0", "presence-grace", "0", NULL};
    struct pworld *w = p_world(set);

    p_end(w, p_join(w, "a", "", NULL));
    expect_user(w, "a", false, 0, 0);
    p_free(w);
}

static const char *page(struct pworld *w, const char *channel, const char *after, unsigned limit)
{
    static char text[4096];
    struct strbuf sb = STRBUF_INIT;

    cr_assert_eq(router_presence_page(w->h.r, str_of(channel), str_of(after), limit, &sb), 0);
    snprintf(text, sizeof(text), "%s", sb.data);
    strbuf_fini(&sb);
    return text;
}

Test(presence_users, pages_go_by_name)
{
    static const char *const names[] = {"m", "z", "a", "q", "b", "y", "c"};
    static const char sorted[] = "abcmqyz";
    static const char *const set[] = {"user-presence", "no", "presence-max", "6", NULL};
    struct pworld *w = p_world(set);
    struct pclient *v[7];
    struct strbuf sb = STRBUF_INIT;

    cr_assert_str_eq(page(w, "presence-x", "", 3),
                     "\"version\":0,\"count\":0,\"listed\":true,\"members\":[]");
    cr_assert_eq(router_presence_page(w->h.r, STR_LIT("x"), STR_NONE, 3, &sb), ERR_NOT_FOUND);
    cr_assert_eq(router_presence_page(w->h.r, STR_LIT(USERS_CHANNEL), STR_NONE, 3, &sb),
                 ERR_NOT_FOUND);
    cr_assert_eq(router_presence_snapshot(w->h.r, 0, STR_LIT("x"), &sb), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 7; i++) {
        v[i] = p_join(w, names[i], "presence-x", NULL);
    }
    p_wait(w, 250); /* too many to be listed to subscribers, but not here */
    cr_assert_str_eq(page(w, "presence-x", "y", 3),
                     "\"version\":2,\"count\":7,\"listed\":false,\"members\":[{\"userId\":\"z\","
                     "\"connections\":1,\"since\":\"" AT_0 "\"}]");
    for (unsigned limit = 1; limit < 9; limit++) {
        char after[2] = "";
        for (unsigned at = 0; at < 7;) {
            const char *text = page(w, "presence-x", after, limit);
            char next[32];
            for (unsigned i = 0; i < limit && at < 7; i++, at++) {
                char key[16];
                snprintf(key, sizeof(key), "{\"userId\":\"%c\"", sorted[at]);
                text = strstr(text, key);
                cr_assert_not_null(text, "%c at limit %u", sorted[at], limit);
                after[0] = sorted[at];
            }
            snprintf(next, sizeof(next), "],\"next\":\"%s\"", after);
            cr_assert_eq(strstr(text, next) != NULL, at < 7);
        }
    }
    for (unsigned i = 0; i < 7; i++) {
        p_end(w, v[i]);
    }
    p_free(w);
}

Test(presence_users, the_snapshot_fits_the_stream)
{
    static const char *const set[] = {"user-presence", "no", NULL};
    struct pworld *w = p_world(set);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x", "{\"a\":\"}\"}");
    struct strbuf sb = STRBUF_INIT;

    /* What was published before is delivered first. */
    cr_assert_eq(eye->n, 1);
    cr_assert_eq(router_presence_snapshot(w->h.r, eye->m.shard, STR_LIT("presence-x"), &sb), 0);
    cr_assert_eq(eye->n, 2);
    cr_assert_str_eq(sb.data, "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":1,"
                              "\"count\":1,\"members\":[{\"userId\":\"ann\",\"info\":{\"a\":"
                              "\"}\"},\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    strbuf_fini(&sb);
    p_end(w, ann);
    p_end(w, eye);
    p_free(w);
}
