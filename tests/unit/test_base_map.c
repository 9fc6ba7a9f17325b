#include "base/map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
    UT_hash_handle hh;
    unsigned value;
    char key[24];
};

Test(map, hash_depends_on_bytes_length_and_seed)
{
    struct str a = STR_LIT("orders");
    cr_assert_eq(map_hash(1, a), map_hash(1, str_of("orders")));
    cr_assert_neq(map_hash(1, a), map_hash(2, a));
    cr_assert_neq(map_hash(1, a), map_hash(1, STR_LIT("order")));
    cr_assert_neq(map_hash(1, STR_LIT("a\0b")), map_hash(1, STR_LIT("a\0c")));
    cr_assert_eq(map_hash(7, STR_NONE), map_hash(7, STR_LIT("")));
}

Test(map, hash_spreads_every_length)
{
    char key[600];
    memset(key, 'k', sizeof key);
    unsigned buckets[64] = {0};
    for (size_t len = 0; len < sizeof key; len++) {
        buckets[map_hash(42, (struct str){key, len}) & 63]++;
    }
    for (unsigned i = 0; i < 64; i++) { /* expected 9.4 */
        cr_assert_lt(buckets[i], 40, "bucket %u has %u", i, buckets[i]);
    }
}

Test(map, works_as_a_uthash_table)
{
    enum { N = 5000 };
    const uint64_t seed = 99;
    struct entry *head = NULL;
    for (unsigned i = 0; i < N; i++) {
        struct entry *e = calloc(1, sizeof *e);
        cr_assert_not_null(e);
        e->value = i;
        snprintf(e->key, sizeof e->key, "channel-%u", i);
        struct str k = str_of(e->key);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, head, e->key, (unsigned)k.len, map_hash(seed, k), e);
        cr_assert_not_null(e->hh.tbl);
    }
    cr_assert_eq(HASH_COUNT(head), N);
    for (unsigned i = 0; i < N; i++) {
        char key[24];
        snprintf(key, sizeof key, "channel-%u", i);
        struct str k = str_of(key);
        struct entry *e = NULL;
        HASH_FIND_BYHASHVALUE(hh, head, key, (unsigned)k.len, map_hash(seed, k), e);
        cr_assert_not_null(e);
        cr_assert_eq(e->value, i);
        HASH_DEL(head, e);
        free(e);
    }
    cr_assert_null(head);
}
