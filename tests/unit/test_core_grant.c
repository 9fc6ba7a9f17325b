/* Grants: copies, references, and which patterns cover which. */
#include "core/grant.h"

#include "test_core_nomem.h"

#include "proto/name.h"

#include <stdio.h>

#define S(text) STR_LIT(text)

static bool one_covers(const char *pattern, const char *name)
{
    struct str p = str_of(pattern);

    return grant_covers(&p, 1, str_of(name));
}

Test(grant, copies_everything)
{
    char id[] = "shop", basis[] = "x", user[] = "ann", meta[] = "{\"a\":1}", info[] = "[1]";
    char sub[] = "a.>", pub[] = "b", pub2[] = "";
    struct str subs[] = {str_of(sub)};
    struct str pubs[] = {str_of(pub), str_of(pub2)};
    struct grant_spec spec = {.kind = GRANT_CLIENT,
                              .rights = 5,
                              .id = str_of(id),
                              .basis = str_of(basis),
                              .user = str_of(user),
                              .lists_subscribe = true,
                              .subscribe = subs,
                              .nsubscribe = 1,
                              .publish = pubs,
                              .npublish = 2,
                              .meta = str_of(meta),
                              .info = str_of(info),
                              .expires_ms = 7,
                              .until_ms = 8,
                              .issued_ms = 9};
    struct grant *g = NULL;

    cr_assert_eq(grant_new(&spec, &g), 0);
    memset(id, '?', sizeof id);
    memset(basis, '?', sizeof basis);
    memset(user, '?', sizeof user);
    memset(meta, '?', sizeof meta);
    memset(info, '?', sizeof info);
    memset(sub, '?', sizeof sub);
    memset(pub, '?', sizeof pub);
    memset(subs, 0, sizeof subs);
    memset(pubs, 0, sizeof pubs);
    cr_assert(g->s.kind == GRANT_CLIENT && g->s.rights == 5 && g->s.lists_subscribe);
    cr_assert(str_eq(g->s.id, S("shop")) && str_eq(g->s.user, S("ann")));
    cr_assert(str_eq(g->s.basis, S("x")));
    cr_assert(str_eq(g->s.meta, S("{\"a\":1}")) && str_eq(g->s.info, S("[1]")));
    cr_assert(g->s.nsubscribe == 1 && str_eq(g->s.subscribe[0], S("a.>")));
    cr_assert(g->s.npublish == 2 && str_eq(g->s.publish[0], S("b")));
    cr_assert_eq(g->s.publish[1].len, 0);
    cr_assert(g->s.expires_ms == 7 && g->s.until_ms == 8 && g->s.issued_ms == 9);
    cr_assert_eq(grant_ref(g), g);
    grant_unref(g);
    cr_assert(str_eq(g->s.id, S("shop")));
    grant_unref(g);
    grant_unref(NULL);
}

Test(grant, of_nothing)
{
    struct grant_spec spec = {.kind = GRANT_ANONYMOUS};
    struct grant *g = NULL;

    cr_assert_eq(grant_new(&spec, &g), 0);
    cr_assert(!g->s.subscribe && !g->s.publish && g->s.id.len == 0 && !g->s.lists_subscribe);
    grant_unref(g);
}

Test(grant, open_is_everybodys)
{
    struct grant *g = grant_open();

    cr_assert_eq(g->s.kind, GRANT_OPEN);
    grant_unref(g);
    grant_unref(g);
    cr_assert_eq(grant_ref(g), grant_open());
}

Test(grant, without_memory, .init = nomem_ready)
{
    struct grant_spec spec = {.kind = GRANT_KEY};
    struct grant *g = (struct grant *)&spec;
    long before = live;

    left = 0;
    int rc = grant_new(&spec, &g);
    left = -1;
    cr_assert_eq(rc, ERR_NOMEM);
    cr_assert_null(g);
    cr_assert_eq(live, before);
}

/* ---- patterns ---- */

static const struct {
    const char *pattern, *name;
    bool covers;
} cases[] = {
    {"a", "a", true},
    {"a", "ab", false},
    {"ab", "a", false},
    {"a", "a.b", false},
    {"a.b", "a", false},
    {"a.", "a.", true},
    {"a.", "a", false},
    {"*", "a", true},
    {"*", "*", true},
    {"*", ">", false},
    {"*", "a.b", false},
    {">", "a", true},
    {">", "*", true},
    {">", ">", true},
    {">", "*.b.>", true},
    {"*.>", ">", false},
    {"*.>", "*.>", true},
    {"*.>", "a", false},
    {"*.>", "a.>", true},
    {"*.>", "a.", true},
    {"a.>", "a", false},
    {"a.>", "a.*", true},
    {"a.>", "a.*.>", true},
    {"a.>", "a.", true},
    {"a.*", "a.>", false},
    {"a.*", "a.*", true},
    {"a.*", "a.*.*", false},
    {"a.*.c", "a.b.c", true},
    {"a.*.c", "a.b.*", false},
    {"a.b", "a.*", false},
    {"a.b", "*.b", false},
    {"a.*.>", "a.>", false},
    /* Wildcards stand for nothing private. */
    {">", "private-a", false},
    {"*", "private-a", false},
    {">", "private-a.>", false},
    {"*.b", "presence-a.b", false},
    {"*.*", "fanfare.closing", false},
    {"*", "fanfare", true},
    {">", "private", true},
    {"private-a", "private-a", true},
    {"private-a.>", "private-a.b", true},
    {"private-a.>", "private-a.*", true},
    {"private-a.>", "private-a", false},
    {"private-a.>", "private-b.c", false},
    {"private-a.>", ">", false},
    {"private-", "private-a", false},
    {"presence-a.*", "presence-a.b", true},
    {"", "a", false},
    {"a", "", false},
    {">", "", false},
};

Test(covers, cases)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(one_covers(cases[i].pattern, cases[i].name), cases[i].covers, "%s in %s",
                     cases[i].name, cases[i].pattern);
    }
}

Test(covers, one_of_several)
{
    struct str list[] = {S("a.b"), S("c.>"), S("private-x")};

    cr_assert(grant_covers(list, 3, S("c.d")));
    cr_assert(grant_covers(list, 3, S("private-x")));
    cr_assert_not(grant_covers(list, 3, S("a.c")));
    cr_assert_not(grant_covers(list, 0, S("a.b")));
    cr_assert_not(grant_covers(NULL, 0, S("a.b")));
}

/* The model: every channel of a bounded universe, one segment deeper than the patterns, and
 * with a segment that no pattern names. */
enum { DEPTH = 4, TEXT = 48, CHANNELS = 2000, ROUNDS = 30000, LIST = 3 };

static const char *const firsts[] = {"a",         "b",          "z",       "",       "private-",
                                     "private-a", "presence-a", "fanfare", "private"};
static const char *const others[] = {"a", "b", "z", ""};

enum { FIRSTS = sizeof firsts / sizeof firsts[0], OTHERS = sizeof others / sizeof others[0] };

static char universe[CHANNELS][TEXT];
static unsigned nuniverse;
static uint64_t rng = 88172645463325252u;

static unsigned rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

static void make_universe(void)
{
    unsigned from = 0;

    for (unsigned i = 0; i < FIRSTS; i++) {
        snprintf(universe[nuniverse++], TEXT, "%s", firsts[i]);
    }
    for (unsigned depth = 2; depth <= DEPTH; depth++) {
        unsigned to = nuniverse;
        for (unsigned i = from; i < to; i++) {
            for (unsigned j = 0; j < OTHERS; j++) {
                cr_assert_lt(nuniverse, CHANNELS);
                snprintf(universe[nuniverse++], TEXT, "%s.%s", universe[i], others[j]);
            }
        }
        from = to;
    }
}

static void make_pattern(char out[TEXT])
{
    unsigned n = 1 + rnd(DEPTH - 1);
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        const char *seg = others[rnd(2) ? 0 : rnd(2) ? 1 : 3];
        if (i == 0 && rnd(2)) {
            do {
                seg = firsts[rnd(FIRSTS)];
            } while (*seg == 'z');
        }
        if (rnd(5) < 2) {
            seg = i + 1 == n && rnd(2) ? ">" : "*";
        }
        len += (size_t)snprintf(out + len, TEXT - len, i ? ".%s" : "%s", seg);
    }
    if (len == 0) {
        strcpy(out, "a");
    }
}

static bool model_covers(const struct str *list, unsigned n, struct str name)
{
    for (unsigned i = 0; i < nuniverse; i++) {
        struct str channel = str_of(universe[i]);
        bool matched = channel.len == 0 || !name_match(name, channel);
        for (unsigned j = 0; j < n && !matched; j++) {
            matched = name_match(list[j], channel);
        }
        if (!matched) {
            return false;
        }
    }
    return true;
}

Test(covers, as_the_model_says)
{
    unsigned yes = 0;
    unsigned unions = 0;

    make_universe();
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[LIST][TEXT];
        char name[TEXT];
        struct str list[LIST];
        unsigned n = 1 + rnd(LIST);

        for (unsigned j = 0; j < n; j++) {
            make_pattern(text[j]);
            list[j] = str_of(text[j]);
        }
        make_pattern(name);
        for (unsigned j = 0; j < n; j++) {
            bool one = grant_covers(&list[j], 1, str_of(name));
            cr_assert_eq(one, model_covers(&list[j], 1, str_of(name)), "%s in %s: %d", name,
                         text[j], one);
        }
        bool all = grant_covers(list, n, str_of(name));
        bool truly = model_covers(list, n, str_of(name));
        cr_assert(truly || !all, "%s is not in the list", name);
        yes += all;
        unions += truly && !all;
    }
    cr_assert_gt(yes, ROUNDS / 50);
    cr_log_info("covered: %u, by several patterns only: %u", yes, unions);
}
