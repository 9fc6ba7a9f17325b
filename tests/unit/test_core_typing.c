/* Who types where: told at the beginning and at the end, whatever ends it. */
#include "test_core_people.h"

static struct people_keeper pk;

static void init(const char *const *settings)
{
    pk_init(&pk, settings, NULL);
}

static int type(struct watcher *w, const char *channel, bool on)
{
    return router_typing(pk.k.h.r, &w->m, str_of(channel), on);
}

static uint64_t run_at(uint64_t mono_ms)
{
    pk.k.mono_ms = mono_ms;
    return router_people_run(pk.k.h.r);
}

#define ANN_TYPES "{\"channel\":\"room\",\"userId\":\"ann\",\"typing\":true}"
#define ANN_STOPS "{\"channel\":\"room\",\"userId\":\"ann\",\"typing\":false}"

Test(typing, told_once_to_the_others)
{
    struct watcher a, b, c, d;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&b, &pk, 1, "bob", "room");
    watcher_join(&c, &pk, 2, NULL, "room *");
    watcher_join(&d, &pk, 0, "dan", "other");
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(type(&a, "room", true), 0);
        pk.k.mono_ms += 300;
    }
    watcher_expect(&a, "");
    watcher_expect(&b, ANN_TYPES);
    watcher_expect(&c, ANN_TYPES);
    watcher_expect(&d, "");
    cr_assert_eq(type(&a, "room", false), 0);
    cr_assert_eq(type(&a, "room", false), 0, "it does not");
    watcher_expect(&a, "");
    watcher_expect(&b, ANN_STOPS);
    watcher_expect(&c, ANN_STOPS);
    cr_assert_eq(a.m.typing, 0);
    watcher_leave(&a);
    watcher_leave(&b);
    watcher_leave(&c);
    watcher_leave(&d);
    pk_fini(&pk);
}

Test(typing, who_may)
{
    struct watcher a, b, c;

    init(NULL);
    watcher_join(&a, &pk, 0, NULL, "room");
    watcher_join(&b, &pk, 0, "bob", "*");
    watcher_join(&c, &pk, 1, "cleo", "room");
    cr_assert_eq(type(&a, "room", true), ERR_STATE);
    cr_assert_eq(type(&b, "room", true), ERR_NOT_FOUND, "by a pattern only");
    cr_assert_eq(type(&b, "*", true), ERR_NOT_FOUND);
    cr_assert_eq(type(&c, "other", true), ERR_NOT_FOUND);
    watcher_expect(&b, "");
    watcher_leave(&a);
    watcher_leave(&b);
    watcher_leave(&c);
    pk_fini(&pk);
}

/* Without people. */
Test(typing, not_set_up)
{
    struct member m = {.id = 1};
    struct str room = STR_LIT("room");
    struct cursor top;
    struct keeper k;

    k_init(&k, NULL, NULL);
    cr_assert_eq(router_join(k.h.r, &m, STR_LIT("ann"), &room, 1, &top), 0);
    cr_assert_eq(router_typing(k.h.r, &m, room, true), ERR_STATE);
    cr_assert_eq(router_people_run(k.h.r), UINT64_MAX);
    router_leave(k.h.r, &m);
    k_fini(&k);
}

/* 5 s after the last keystroke, and not before. */
Test(typing, ends_by_itself)
{
    struct watcher a, b, c;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&b, &pk, 1, "bob", "room");
    watcher_join(&c, &pk, 2, NULL, "room");
    cr_assert_eq(type(&a, "room", true), 0);
    cr_assert_eq(pk.due_ms, 6000, "it is asked for");
    pk.k.mono_ms = 2000;
    cr_assert_eq(type(&b, "room", true), 0);
    pk.k.mono_ms = 3000;
    cr_assert_eq(type(&a, "room", true), 0);
    watcher_expect(&c, ANN_TYPES " {\"channel\":\"room\",\"userId\":\"bob\",\"typing\":true}");
    cr_assert_eq(run_at(6000), 7000, "the next is bob");
    cr_assert_eq(run_at(6999), 7000);
    watcher_expect(&c, "");
    cr_assert_eq(run_at(7000), 8000);
    watcher_expect(&c, "{\"channel\":\"room\",\"userId\":\"bob\",\"typing\":false}");
    cr_assert_eq(run_at(8000), UINT64_MAX);
    watcher_expect(&c, ANN_STOPS);
    cr_assert_eq(a.m.typing + b.m.typing, 0);
    watcher_leave(&a);
    watcher_leave(&b);
    watcher_leave(&c);
    pk_fini(&pk);
}

/* With the connection that said so last, whatever ends it. */
Test(typing, ends_with_its_connection)
{
    struct watcher a, a2, b;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&a2, &pk, 1, "ann", "room");
    watcher_join(&b, &pk, 1, "bob", "room");
    cr_assert_eq(type(&a, "room", true), 0);
    cr_assert_eq(type(&a2, "room", true), 0);
    watcher_leave(&a);
    watcher_expect(&b, ANN_TYPES);
    watcher_expect(&a2, ANN_TYPES);
    cr_assert_eq(router_unsubscribe(pk.k.h.r, &a2.m, STR_LIT("room")), 0);
    watcher_expect(&b, ANN_STOPS);
    watcher_expect(&a2, "");
    watcher_join(&a, &pk, 0, "ann", "room");
    cr_assert_eq(type(&a, "room", true), 0);
    watcher_leave(&a);
    watcher_expect(&b, ANN_TYPES " " ANN_STOPS);
    cr_assert_eq(run_at(1000000), UINT64_MAX);
    watcher_expect(&b, "");
    watcher_leave(&a2);
    watcher_leave(&b);
    pk_fini(&pk);
}

/* Said by another connection of the user: it is the user that does not type any more. */
Test(typing, stopped_by_another_connection)
{
    struct watcher a, a2, b;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&a2, &pk, 1, "ann", "room");
    watcher_join(&b, &pk, 2, NULL, "room");
    cr_assert_eq(type(&a, "room", true), 0);
    cr_assert_eq(type(&a2, "room", false), 0);
    watcher_expect(&b, ANN_TYPES " " ANN_STOPS);
    watcher_expect(&a, ANN_STOPS);
    watcher_expect(&a2, ANN_TYPES);
    cr_assert_eq(a.m.typing, 0);
    watcher_leave(&a);
    watcher_leave(&a2);
    watcher_leave(&b);
    pk_fini(&pk);
}

Test(typing, whoever_comes_later_is_told)
{
    struct watcher a, b, late;
    struct cursor top;

    init(NULL);
    watcher_join(&a, &pk, 0, "ann", "room");
    watcher_join(&b, &pk, 1, "bob", "room");
    cr_assert_eq(type(&a, "room", true), 0);
    cr_assert_eq(type(&b, "room", true), 0);
    watcher_join(&late, &pk, 0, NULL, "else room");
    watcher_expect(&late, "{\"channel\":\"room\",\"userId\":\"bob\",\"typing\":true} " ANN_TYPES);
    cr_assert_eq(router_unsubscribe(pk.k.h.r, &late.m, STR_LIT("room")), 0);
    cr_assert_eq(type(&b, "room", false), 0);
    cr_assert_eq(router_subscribe(pk.k.h.r, &late.m, STR_LIT("room"), &top), 0);
    watcher_expect(&late, ANN_TYPES);
    cr_assert_eq(router_unsubscribe(pk.k.h.r, &late.m, STR_LIT("room")), 0);
    cr_assert_eq(router_subscribe(pk.k.h.r, &late.m, STR_LIT("room"), &top), 0);
    watcher_leave(&late); /* with a note that nobody asked for */
    watcher_leave(&a);
    watcher_leave(&b);
    pk_fini(&pk);
}

Test(typing, a_newcomer_is_told_of_a_hundred)
{
    static struct watcher w[150];
    struct watcher late;
    unsigned n = 0;

    init(NULL);
    for (unsigned i = 0; i < 150; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        watcher_join(&w[i], &pk, i % H_SHARDS, user, "room");
        cr_assert_eq(type(&w[i], "room", true), 0);
    }
    watcher_join(&late, &pk, 0, NULL, "room");
    router_notes(pk.k.h.r, &late.m, watcher_put_note, &late);
    for (const char *p = late.text; (p = strstr(p, "typing\":true")); p++) {
        n++;
    }
    cr_assert_eq(n, 100);
    cr_assert_not_null(strstr(late.text, "\"u149\""), "the newest");
    watcher_leave(&late);
    for (unsigned i = 0; i < 150; i++) {
        watcher_leave(&w[i]);
    }
    pk_fini(&pk);
}

Test(typing, bounds)
{
    static const char *const settings[] = {"max-typing", "20", NULL};
    struct watcher a, a2, b;
    char channel[8];
    struct cursor top;

    init(settings);
    watcher_join(&a, &pk, 0, "ann", NULL);
    watcher_join(&a2, &pk, 1, "ann", NULL);
    watcher_join(&b, &pk, 1, "bob", NULL);
    for (unsigned i = 0; i < 17; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        cr_assert_eq(router_subscribe(pk.k.h.r, &a.m, str_of(channel), &top), 0);
        cr_assert_eq(router_subscribe(pk.k.h.r, &a2.m, str_of(channel), &top), 0);
        cr_assert_eq(router_subscribe(pk.k.h.r, &b.m, str_of(channel), &top), 0);
        cr_assert_eq(type(&a, channel, true), i < 16 ? 0 : ERR_LIMIT);
    }
    cr_assert_eq(type(&a, "c3", true), 0, "again is no more");
    cr_assert_eq(type(&a2, "c3", true), 0, "taken over");
    cr_assert_eq(a.m.typing, 15);
    cr_assert_eq(type(&a, "c16", true), 0);
    cr_assert_eq(type(&a, "c3", true), ERR_LIMIT, "not taken back");
    for (unsigned i = 0; i < 5; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        cr_assert_eq(type(&b, channel, true), i < 3 ? 0 : ERR_LIMIT, "of all");
    }
    cr_assert_eq(run_at(100000), UINT64_MAX);
    cr_assert_eq(type(&b, "c7", true), 0);
    watcher_leave(&a);
    watcher_leave(&a2);
    watcher_leave(&b);
    pk_fini(&pk);
}

/* One run does not hold the lock for thousands. */
Test(typing, many_ends_at_once)
{
    static struct watcher w[600];
    unsigned runs = 0;

    init(NULL);
    for (unsigned i = 0; i < 600; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        watcher_join(&w[i], &pk, 0, name, name);
        cr_assert_eq(type(&w[i], name, true), 0);
    }
    cr_assert_eq(k_metric(&pk.k, METRIC_TYPING), 600);
    while (run_at(50000) != UINT64_MAX) {
        cr_assert_lt(runs++, 10u);
    }
    cr_assert_eq(runs, 2);
    cr_assert_eq(k_metric(&pk.k, METRIC_TYPING), 0);
    for (unsigned i = 0; i < 600; i++) {
        cr_assert_eq(w[i].m.typing, 0);
        watcher_leave(&w[i]);
    }
    pk_fini(&pk);
}
