/* Who is in a channel, as its subscribers are told. */
#include "test_core_presence.h"

TestSuite(presence, .timeout = 60);

#define AT_0 "2026-09-21T14:13:20.000Z"
#define AT_100MS "2026-09-21T14:13:20.100Z"

static const char *const no_users[] = {"user-presence", "no", NULL};

Test(presence, the_first_change_is_told_at_once)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann;

    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":0,\"count\":0,"
           "\"members\":[]}");
    ann = p_join(w, "ann", "presence-x", "{\"name\":\"Ann\"}");
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":1,\"count\":1,"
           "\"changes\":[{\"change\":\"join\",\"userId\":\"ann\",\"info\":{\"name\":\"Ann\"},"
           "\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    P_NEXT(w, ann,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":1,\"count\":1,"
           "\"members\":[{\"userId\":\"ann\",\"info\":{\"name\":\"Ann\"},\"connections\":1,"
           "\"since\":\"" AT_0 "\"}]}");
    P_NOTHING(w, eye);
    P_NOTHING(w, ann);
    p_end(w, ann);
    p_end(w, eye);
    p_free(w);
}

Test(presence, further_changes_are_gathered)
{
    struct pworld *w = p_world(no_users);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);
    struct pclient *bob, *eve;

    P_NEXT(w, ann,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":1,\"count\":1,"
           "\"members\":[{\"userId\":\"ann\",\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    p_wait(w, 100);
    bob = p_join(w, "bob", "presence-x", NULL);
    eve = p_join(w, "eve", "presence-x", "7");
    P_NEXT(w, bob,
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":1,\"count\":1,"
           "\"members\":[{\"userId\":\"ann\",\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    P_NOTHING(w, ann);
    p_wait(w, 149);
    P_NOTHING(w, ann);
    p_wait(w, 1);
    for (unsigned i = 0; i < 2; i++) {
        P_NEXT(w, i ? ann : bob,
               "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":3,"
               "\"changes\":[{\"change\":\"join\",\"userId\":\"bob\",\"connections\":1,"
               "\"since\":\"" AT_100MS "\"},{\"change\":\"join\",\"userId\":\"eve\",\"info\":7,"
               "\"connections\":1,\"since\":\"" AT_100MS "\"}]}");
    }
    p_wait(w, 10000);
    P_NOTHING(w, ann);
    p_end(w, ann);
    p_end(w, bob);
    p_end(w, eve);
    p_free(w);
}

Test(presence, a_short_loss_is_silent)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);

    p_next(w, eye);
    p_next(w, eye);
    P_TOLD(w, "joined:presence-x/ann");
    p_end(w, ann);
    p_wait(w, 9999);
    ann = p_join(w, "ann", "presence-x", NULL);
    p_wait(w, 60000);
    P_NOTHING(w, eye);
    P_TOLD(w, "");
    p_end(w, ann);
    p_wait(w, 9999);
    P_NOTHING(w, eye);
    p_wait(w, 1);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":0,"
           "\"changes\":[{\"change\":\"leave\",\"userId\":\"ann\"}]}");
    P_TOLD(w, "left:presence-x/ann");
    p_end(w, eye);
    p_free(w);
}

Test(presence, the_last_connection_counts)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *v[3];

    for (unsigned i = 0; i < 3; i++) {
        v[i] = p_join(w, "ann", "presence-x", NULL);
    }
    p_next(w, eye);
    p_next(w, eye);
    p_end(w, v[0]);
    p_unsubscribe(w, v[1], "presence-x");
    p_wait(w, 30000);
    P_NOTHING(w, eye);
    v[0] = p_join(w, "", "presence-x", NULL);
    P_NEXT(w, v[0],
           "{\"channel\":\"presence-x\",\"event\":\"snapshot\",\"version\":1,\"count\":1,"
           "\"members\":[{\"userId\":\"ann\",\"connections\":1,\"since\":\"" AT_0 "\"}]}");
    v[2]->m.leaves = 1;
    p_end(w, v[2]);
    p_wait(w, 0);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":0,"
           "\"changes\":[{\"change\":\"leave\",\"userId\":\"ann\"}]}");
    p_end(w, v[0]);
    p_end(w, v[1]);
    p_end(w, eye);
    p_free(w);
}

Test(presence, who_unsubscribes_leaves_at_once)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);

    p_next(w, eye);
    p_next(w, eye);
    p_wait(w, 250);
    p_unsubscribe(w, ann, "presence-x");
    p_wait(w, 0);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":0,"
           "\"changes\":[{\"change\":\"leave\",\"userId\":\"ann\"}]}");
    p_end(w, ann);
    p_end(w, eye);
    p_free(w);
}

Test(presence, what_comes_and_goes_within_an_interval_is_not_told)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x", NULL);
    struct pclient *bob;

    p_next(w, eye);
    p_next(w, eye);
    bob = p_join(w, "bob", "presence-x", NULL); /* comes, and goes */
    p_unsubscribe(w, bob, "presence-x");
    p_unsubscribe(w, ann, "presence-x"); /* goes, and comes */
    p_wait(w, 100);
    p_subscribe(w, ann, "presence-x");
    p_say(w, ann, "1"); /* says something new, and something else, and is silent */
    p_wait(w, 100);
    P_TOLD(w, "joined:presence-x/ann joined:presence-x/bob left:presence-x/bob "
              "left:presence-x/ann joined:presence-x/ann updated:presence-x/ann1");
    p_wait(w, 1000);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":1,"
           "\"changes\":[{\"change\":\"update\",\"userId\":\"ann\",\"info\":1}]}");
    p_say(w, ann, "2"); /* is told at once */
    p_wait(w, 0);
    p_say(w, ann, "3");
    p_say(w, ann, "2");
    p_wait(w, 1000);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":3,\"count\":1,"
           "\"changes\":[{\"change\":\"update\",\"userId\":\"ann\",\"info\":2}]}");
    P_NOTHING(w, eye);
    p_end(w, bob);
    p_end(w, ann);
    p_end(w, eye);
    p_free(w);
}

Test(presence, the_connection_that_spoke_last_counts)
{
    struct pworld *w = p_world(no_users);
    struct pclient *eye = p_join(w, "", "presence-x", NULL);
    struct pclient *a = p_join(w, "ann", "presence-x", "1");
    struct pclient *b, *c;

    p_next(w, eye);
    p_next(w, eye);
    p_wait(w, 1000);
    b = p_join(w, "ann", "presence-x", NULL); /* says nothing */
    c = p_join(w, "ann", "presence-x", "1");  /* says the same */
    p_wait(w, 1000);
    P_NOTHING(w, eye);
    p_say(w, b, "2");
    p_end(w, b); /* what it said stays */
    p_wait(w, 20000);
    P_NEXT(w, eye,
           "{\"channel\":\"presence-x\",\"event\":\"changes\",\"version\":2,\"count\":1,"
           "\"changes\":[{\"change\":\"update\",\"userId\":\"ann\",\"info\":2}]}");
    P_NOTHING(w, eye);
    p_say(w, c, NULL);
    p_wait(w, 1000);
    P_NOTHING(w, eye);
    p_end(w, a);
    p_end(w, c);
    p_end(w, eye);
    p_free(w);
}

Test(presence, a_user_who_is_dismissed_is_not_waited_for)
{
    struct pworld *w = p_world(NULL);
    struct pclient *eye = p_join(w, "", "presence-x presence-y", NULL);
    struct pclient *ann = p_join(w, "ann", "presence-x presence-y", NULL);
    struct pclient *bob = p_join(w, "bob", "presence-x", NULL);
    struct user_presence up;

    p_end(w, ann);
    p_end(w, bob);
    ann = p_join(w, "ann", "presence-y", NULL);
    p_wait(w, 1000);
    p_told(w);
    router_dismiss_user(w->h.r, STR_LIT("ann"));
    P_TOLD(w, "left:presence-x/ann");
    ann->m.leaves = 1;
    p_end(w, ann);
    P_TOLD(w, "offline/ann left:presence-y/ann");
    router_user_presence(w->h.r, STR_LIT("ann"), &up);
    cr_assert_eq(up.last_seen_ms, w->h.real);
    router_dismiss_user(w->h.r, STR_LIT("bob"));
    P_TOLD(w, "offline/bob left:presence-x/bob");
    router_user_presence(w->h.r, STR_LIT("bob"), &up);
    cr_assert_eq(up.last_seen_ms, w->h.real - 1000);
    p_end(w, eye);
    p_free(w);
}
