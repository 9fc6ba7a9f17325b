#include "base/strbuf.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

Test(strbuf, starts_empty_without_memory)
{
    struct strbuf sb = STRBUF_INIT;
    cr_assert_null(sb.data);
    cr_assert_eq(strbuf_str(&sb).len, 0);
    strbuf_add(&sb, NULL, 0);
    strbuf_adds(&sb, NULL);
    strbuf_addstr(&sb, STR_NONE);
    cr_assert_null(sb.data);
    strbuf_fini(&sb);
}

Test(strbuf, adds_of_every_kind)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_add(&sb, "a\0b", 3);
    strbuf_addc(&sb, '-');
    strbuf_adds(&sb, "text");
    strbuf_addstr(&sb, STR_LIT("/slice"));
    strbuf_addf(&sb, " %s=%d", "n", 7);
    strbuf_addf(&sb, "%s", "");
    strbuf_add_u64(&sb, 0);
    strbuf_addc(&sb, ' ');
    strbuf_add_u64(&sb, UINT64_MAX);
    struct str want = STR_LIT("a\0b-text/slice n=70 18446744073709551615");
    cr_assert(str_eq(strbuf_str(&sb), want));
    cr_assert_eq(sb.data[sb.len], '\0');
    cr_assert_not(strbuf_failed(&sb));
    strbuf_fini(&sb);
    cr_assert_null(sb.data);
}

Test(strbuf, grows_byte_by_byte)
{
    struct strbuf sb = STRBUF_INIT;
    for (unsigned i = 0; i < 100000; i++) {
        strbuf_addc(&sb, (char)('a' + i % 26));
        cr_assert(sb.len < sb.cap);
    }
    for (unsigned i = 0; i < 100000; i++) {
        cr_assert_eq(sb.data[i], (char)('a' + i % 26));
    }
    cr_assert_eq(sb.data[100000], '\0');
    strbuf_fini(&sb);
}

Test(strbuf, addf_at_every_fill)
{
    for (size_t fill = 0; fill < 300; fill++) {
        struct strbuf sb = STRBUF_INIT;
        for (size_t i = 0; i < fill; i++) {
            strbuf_addc(&sb, '.');
        }
        strbuf_addf(&sb, "%050d", 7);
        cr_assert_eq(sb.len, fill + 50);
        cr_assert_eq(strlen(sb.data), fill + 50);
        cr_assert_eq(sb.data[sb.len - 1], '7');
        strbuf_fini(&sb);
    }
}

Test(strbuf, u64_matches_printf)
{
    uint64_t v = 1;
    for (unsigned i = 0; i < 64; i++, v = v << 1 | (i & 1)) {
        char want[32];
        snprintf(want, sizeof want, "%" PRIu64, v);
        struct strbuf sb = STRBUF_INIT;
        strbuf_add_u64(&sb, v);
        cr_assert_str_eq(sb.data, want);
        strbuf_fini(&sb);
    }
}

Test(strbuf, reserve_keeps_later_adds_in_place)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_adds(&sb, "head");
    cr_assert_eq(strbuf_reserve(&sb, 5000), 0);
    const char *at = sb.data;
    cr_assert_str_eq(sb.data, "head");
    for (unsigned i = 0; i < 5000; i++) {
        strbuf_addc(&sb, 'x');
    }
    cr_assert_eq(sb.data, at);
    strbuf_fini(&sb);
}

Test(strbuf, failure_is_sticky_until_reset)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_adds(&sb, "kept");
    cr_assert_eq(strbuf_reserve(&sb, SIZE_MAX - 2), ERR_NOMEM);
    cr_assert(strbuf_failed(&sb));
    cr_assert_eq(strbuf_reserve(&sb, 1), ERR_NOMEM);
    strbuf_adds(&sb, "x");
    strbuf_addf(&sb, "%d", 1);
    strbuf_add_u64(&sb, 1);
    cr_assert_eq(sb.len, 4);
    strbuf_reset(&sb);
    cr_assert_not(strbuf_failed(&sb));
    cr_assert_eq(sb.len, 0);
    cr_assert_str_eq(sb.data, "");
    strbuf_adds(&sb, "again");
    cr_assert_str_eq(sb.data, "again");
    strbuf_fini(&sb);
}

Test(strbuf, steal)
{
    struct strbuf sb = STRBUF_INIT;
    size_t len = 99;
    char *p = strbuf_steal(&sb, &len);
    cr_assert_not_null(p);
    cr_assert_str_eq(p, "");
    cr_assert_eq(len, 0);
    free(p);

    strbuf_adds(&sb, "mine");
    p = strbuf_steal(&sb, &len);
    cr_assert_str_eq(p, "mine");
    cr_assert_eq(len, 4);
    cr_assert_null(sb.data);
    cr_assert_eq(sb.cap, 0);
    free(p);

    strbuf_adds(&sb, "lost");
    cr_assert_eq(strbuf_reserve(&sb, SIZE_MAX / 2), ERR_NOMEM);
    cr_assert_null(strbuf_steal(&sb, &len));
    cr_assert_eq(len, 0);
    cr_assert_not(strbuf_failed(&sb));
    cr_assert_null(strbuf_steal(&(struct strbuf){NULL, 0, 0, true}, NULL));
}

Test(str, compare_and_prefix)
{
    cr_assert(str_eq(STR_NONE, STR_LIT("")));
    cr_assert_not(str_eq(STR_LIT("a"), STR_LIT("b")));
    cr_assert(str_eqz(STR_LIT("abc"), "abc"));
    cr_assert_not(str_eqz(STR_LIT("abc"), "ab"));
    cr_assert(str_eqz(STR_NONE, NULL));
    cr_assert(str_starts(STR_LIT("abc"), STR_LIT("ab")));
    cr_assert(str_starts(STR_LIT("abc"), STR_NONE));
    cr_assert_not(str_starts(STR_LIT("a"), STR_LIT("ab")));
    cr_assert_eq(str_cmp(STR_LIT("ab"), STR_LIT("ab")), 0);
    cr_assert_lt(str_cmp(STR_LIT("ab"), STR_LIT("abc")), 0);
    cr_assert_gt(str_cmp(STR_LIT("b"), STR_LIT("abc")), 0);
    cr_assert_lt(str_cmp(STR_NONE, STR_LIT("a")), 0);
    cr_assert_gt(str_cmp(STR_LIT("\xff"), STR_LIT("a")), 0);
}
