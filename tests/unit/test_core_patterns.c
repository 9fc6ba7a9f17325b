/* The tree of patterns against name_match(), the definition. */
#include "core/patterns.h"
#include "proto/name.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUPS = 24, PER_GROUP = 3, ROUNDS = 150, NAMES = 60, TEXT = 64 };

static uint64_t rng;

static unsigned rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

/* Few different segments, so that names and patterns often meet. */
static void make(char out[TEXT], bool pattern)
{
    static const char *const first[] = {"private-", "private-a", "presence-", "presence-a",
                                        "fanfare",  "private",   "fanfare-"};
    static const char *const other[] = {"a", "b", "", "ab"};
    unsigned n = 1 + rnd(4);
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        const char *seg = i == 0 && rnd(3) == 0 ? first[rnd(7)] : other[rnd(4)];
        if (pattern && rnd(3) == 0) {
            seg = i + 1 == n && rnd(2) ? ">" : "*";
        }
        len += (size_t)snprintf(out + len, TEXT - len, i ? ".%s" : "%s", seg);
    }
    if (len == 0) {
        strcpy(out, "a");
    }
}

struct group {
    char patterns[PER_GROUP][TEXT];
    struct topic *topic;
};

static struct topic_table table;
static struct patterns tree;

static void enter(struct group *g)
{
    char name[PER_GROUP * TEXT] = "";
    unsigned n = 1 + rnd(PER_GROUP);

    for (unsigned i = 0; i < PER_GROUP; i++) {
        g->patterns[i][0] = '\0';
    }
    for (unsigned i = 0; i < n; i++) {
        make(g->patterns[i], true);
        strcat(strcat(name, i ? " " : ""), g->patterns[i]);
    }
    g->topic = topic_obtain(&table, str_of(name));
    cr_assert(g->topic);
    if (g->topic->listed++ == 0) {
        cr_assert_eq(patterns_enter(&tree, g->topic), 0);
    }
}

static void leave(struct group *g)
{
    if (--g->topic->listed == 0) {
        patterns_remove(&tree, g->topic);
    }
    topic_release(&table, g->topic);
    g->topic = NULL;
}

static bool group_matches(const struct group *g, struct str channel)
{
    for (unsigned i = 0; i < PER_GROUP; i++) {
        if (g->patterns[i][0] && name_match(str_of(g->patterns[i]), channel)) {
            return true;
        }
    }
    return false;
}

static unsigned times_in(const struct group_set *set, const struct topic *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < set->n; i++) {
        n += set->v[i] == t;
    }
    return n;
}

/* Returns how many groups matched. */
static unsigned compare(const struct group *groups, const char *name)
{
    struct group_set set;
    unsigned n;

    cr_assert_eq(patterns_match(&tree, str_of(name), &set), 0);
    for (unsigned i = 0; i < GROUPS; i++) {
        const struct group *g = &groups[i];
        if (g->topic) {
            bool want = group_matches(g, str_of(name));
            cr_assert_eq(times_in(&set, g->topic), want, "%s against {%.*s}: %u times", name,
                         (int)g->topic->name_len, g->topic->name, times_in(&set, g->topic));
        }
    }
    n = set.n;
    group_set_fini(&set);
    return n;
}

Test(patterns, tree_agrees_with_name_match)
{
    static struct group groups[GROUPS];
    unsigned long matches = 0;
    char name[TEXT];

    rng = 4242;
    table = (struct topic_table){NULL, 7, TOPIC_GROUP, 2};
    cr_assert_eq(patterns_init(&tree, 7), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned k = 0; k < GROUPS / 2; k++) {
            struct group *g = &groups[rnd(GROUPS)];
            if (g->topic) {
                leave(g);
            } else {
                enter(g);
            }
        }
        for (unsigned k = 0; k < NAMES; k++) {
            make(name, false);
            matches += compare(groups, name);
        }
    }
    cr_assert_gt(matches, (unsigned long)ROUNDS * NAMES / 4);
    for (unsigned i = 0; i < GROUPS; i++) {
        if (groups[i].topic) {
            leave(&groups[i]);
        }
    }
    cr_assert_null(table.head);
    patterns_fini(&tree); /* asserts that nothing is left in it */
}

/* One pattern, one name, written out. */
Test(patterns, rules)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } cases[] = {
        {"a.*", "a.b", true},
        {"a.*", "a.", true},
        {"a.*", "a", false},
        {"a.*", "a.b.c", false},
        {"a.>", "a", false},
        {"a.>", "a.", true},
        {"a.>", "a.b.c", true},
        {"*", "a", true},
        {"*", "a.b", false},
        {">", "a", true},
        {">", "a.b", true},
        {">", ".", true},
        {"*.*", ".", true},
        {"*.a", ".a", true},
        {"a.*.c", "a..c", true},
        {"a.*.c", "a.b.d", false},
        {"*.>", "a.b", true},
        {"*.>", "a", false},
        {">", "private-a", false},
        {"*", "private-a", false},
        {"*.b", "private-a.b", false},
        {"*.>", "presence-a.b", false},
        {"private-a.*", "private-a.b", true},
        {"private-a.>", "private-a.b.c", true},
        {"private-.*", "private-.b", true},
        {"presence-a.>", "presence-a.b", true},
        {">", "fanfare.users", false},
        {"*.users", "fanfare.users", false},
        {"fanfare.*", "fanfare.users", true},
        {"fanfare.>", "fanfare.users", true},
        {"*", "fanfare", true},
        {"*.b", "fanfare-a.b", true},
        {"*.private-a", "x.private-a", true},
        {">", "private", true},
        {"A.*", "a.b", false},
    };

    table = (struct topic_table){NULL, 7, TOPIC_GROUP, 1};
    cr_assert_eq(patterns_init(&tree, 7), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str pattern = str_of(cases[i].pattern);
        struct str name = str_of(cases[i].name);
        struct topic *t = topic_obtain(&table, pattern);
        struct group_set set;
        cr_assert_eq(patterns_enter(&tree, t), 0);
        cr_assert_eq(patterns_match(&tree, name, &set), 0);
        cr_expect_eq(set.n, cases[i].match, "%s against %s", pattern.p, name.p);
        cr_expect_eq(name_match(pattern, name), cases[i].match, "%s, %s", pattern.p, name.p);
        group_set_fini(&set);
        patterns_remove(&tree, t);
        topic_release(&table, t);
    }
    patterns_fini(&tree);
}

/* As deep and as wide as names can be: 200 empty segments, stars everywhere. */
Test(patterns, deepest)
{
    static char name[NAME_MAX_LEN + 1];
    static char stars[NAME_MAX_LEN + 1];
    struct group_set set;
    struct topic *v[100];

    table = (struct topic_table){NULL, 7, TOPIC_GROUP, 1};
    cr_assert_eq(patterns_init(&tree, 7), 0);
    memset(name, '.', NAME_MAX_LEN);
    for (size_t i = 0; i < NAME_MAX_LEN; i++) {
        stars[i] = i % 2 ? '.' : '*';
    }
    for (unsigned i = 0; i < 100; i++) { /* the first i stars, the rest empty, and `>` */
        char p[2 * NAME_MAX_LEN];
        int n = snprintf(p, sizeof(p), "%.*s", (int)(2 * i), stars);
        memset(p + n, '.', NAME_MAX_LEN - i - 1);
        strcpy(p + n + NAME_MAX_LEN - i - 1, ".>");
        v[i] = topic_obtain(&table, str_of(p));
        cr_assert_eq(patterns_enter(&tree, v[i]), 0);
    }
    cr_assert_eq(patterns_match(&tree, str_of(name), &set), 0);
    cr_assert_eq(set.n, 100u);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(times_in(&set, v[i]), 1u);
        patterns_remove(&tree, v[i]);
        topic_release(&table, v[i]);
    }
    group_set_fini(&set);
    patterns_fini(&tree);
}

Test(patterns, names_of_a_group)
{
    struct str rest = STR_LIT("a.* b.> *");
    struct str p;

    cr_assert(patterns_next(&rest, &p) && str_eqz(p, "a.*"));
    cr_assert(patterns_next(&rest, &p) && str_eqz(p, "b.>"));
    cr_assert(patterns_next(&rest, &p) && str_eqz(p, "*"));
    cr_assert_not(patterns_next(&rest, &p));
}
