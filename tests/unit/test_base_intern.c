#include "base/intern.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

static struct intern *table;

static void start(void)
{
    cr_assert_eq(intern_new(123, &table), 0);
}

TestSuite(intern, .init = start);

Test(intern, equal_strings_are_one)
{
    char first[] = "curl/7.88.1";
    char second[] = "curl/7.88.1";
    struct interned *a = intern_get(table, str_of(first));
    struct interned *b = intern_get(table, str_of(second));
    struct interned *c = intern_get(table, STR_LIT("curl/7.88"));
    cr_assert_eq(a, b);
    cr_assert_neq(a, c);
    first[0] = '?'; /* it has its own copy */
    cr_assert(str_eqz(interned_str(a), "curl/7.88.1"));
    cr_assert_eq(interned_str(a).p[interned_str(a).len], '\0');
    intern_put(table, a);
    cr_assert(str_eqz(interned_str(b), "curl/7.88.1"));
    intern_put(table, b);
    intern_put(table, c);
    intern_free(table);
}

Test(intern, empty_null_and_binary)
{
    struct interned *none = intern_get(table, STR_NONE);
    struct interned *empty = intern_get(table, STR_LIT(""));
    struct interned *bin = intern_get(table, STR_LIT("a\0b"));
    struct interned *bin2 = intern_get(table, STR_LIT("a\0c"));
    cr_assert_eq(none, empty);
    cr_assert_neq(bin, bin2);
    cr_assert_eq(interned_str(bin).len, 3);
    cr_assert_eq(interned_str(NULL).len, 0);
    intern_put(table, NULL);
    intern_put(table, none);
    intern_put(table, empty);
    intern_put(table, bin);
    intern_put(table, bin2);
    intern_free(table);
}

Test(intern, many_come_and_go)
{
    enum { N = 3000 };
    static struct interned *held[N];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N; i++) {
            char text[32];
            snprintf(text, sizeof text, "agent %u", i % 1000);
            held[i] = intern_get(table, str_of(text));
            cr_assert_not_null(held[i]);
            cr_assert_eq(held[i], held[i % 1000]);
        }
        for (unsigned i = 0; i < N; i++) {
            intern_put(table, held[i]);
        }
    }
    intern_free(table);
    intern_free(NULL);
}

Test(intern, free_asserts_that_all_were_put_back, .signal = SIGABRT)
{
    cr_assert_not_null(intern_get(table, STR_LIT("kept")));
    intern_free(table);
}
