#include "base/suggest.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const names[] = {"listen",   "shards", "heartbeat",    "retry",
                                    "max-body", "demo",   "max-channels", "log-level"};

static void check(const char *given, const char *want)
{
    const char *got = suggest(str_of(given), names, sizeof names / sizeof names[0]);
    if (!want) {
        cr_assert_null(got, "%s: %s", given, got);
        return;
    }
    cr_assert_not_null(got, "%s", given);
    cr_assert_str_eq(got, want, "%s: %s", given, got);
}

Test(suggest, each_kind_of_edit)
{
    check("listen", "listen");
    check("liste", "listen");
    check("listenn", "listen");
    check("lisTEn", "listen");
    check("lixten", "listen");
    check("lsiten", "listen");
    check("hearbeat", "heartbeat");
    check("heart-beat", "heartbeat");
    check("rtery", "retry"); /* two swaps */
    check("max_channel", "max-channels");
    check("LOGLEVEL", "log-level");
}

Test(suggest, nothing_near)
{
    check("port", NULL);
    check("xyzzy", NULL);
    check("", NULL);
    check("abcdefghijkl", NULL);
}

Test(suggest, limit_is_a_third_of_the_longer_rounded_up)
{
    const char *const one[] = {"abcdef"};
    cr_assert_not_null(suggest(STR_LIT("abcdxx"), one, 1));
    cr_assert_null(suggest(STR_LIT("abcxxx"), one, 1));
    const char *const seven[] = {"abcdefg"};
    cr_assert_not_null(suggest(STR_LIT("abcdxxx"), seven, 1));
    cr_assert_null(suggest(STR_LIT("abcxxxx"), seven, 1));
}

Test(suggest, nearest_wins_then_the_first)
{
    const char *const list[] = {"stale", "state", "stats"};
    cr_assert_str_eq(suggest(STR_LIT("stats"), list, 3), "stats");
    cr_assert_str_eq(suggest(STR_LIT("statx"), list, 3), "state");
    cr_assert_str_eq(suggest(STR_LIT("stalx"), list, 3), "stale");
}

Test(suggest, swap_counts_once)
{
    const char *const list[] = {"ab"};
    cr_assert_not_null(suggest(STR_LIT("ba"), list, 1));
    cr_assert_null(suggest(STR_LIT("cd"), list, 1));
}

Test(suggest, long_input_and_names)
{
    char given[70];
    char name[300];
    memset(given, 'a', sizeof given);
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    const char *list[] = {name, name + 299 - 64, name + 299 - 96, name + 299 - 127};
    cr_assert_eq(suggest((struct str){given, 64}, list, 4), list[1]);
    cr_assert_null(suggest((struct str){given, 65}, list, 4));
    cr_assert_eq(suggest((struct str){given, 64}, list + 2, 2), list[2]); /* 32 of 96 */
    cr_assert_null(suggest((struct str){given, 64}, list + 3, 1));
    cr_assert_null(suggest((struct str){given, 64}, list, 1));
    cr_assert_null(suggest(STR_LIT("a"), NULL, 0));
}
