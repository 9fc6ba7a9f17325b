/* Publications by id: what is found, what makes room, what is forgotten. */
#include "core/dedupe.h"

#include "test_core_nomem.h"

#include <stdio.h>

enum { WINDOW = 1000, MAX = 5 };

static const uint8_t hash[ONCE_HASH] = {1, 2, 3};

static struct dedupe *d;

static void start(void)
{
    cr_assert_eq(dedupe_new(7, WINDOW, MAX, &d), 0);
}

static void stop(void)
{
    dedupe_free(d);
    d = NULL;
}

TestSuite(dedupe, .init = start, .fini = stop);

/* Only the table holds it afterwards. */
static struct once *add(const char *id, uint64_t at_ms)
{
    struct once *o = once_new(str_of(id), hash, 1);

    cr_assert(o);
    o->at_ms = at_ms;
    cr_assert_eq(dedupe_add(d, o), 0);
    once_unref(o);
    return o;
}

static struct once *find(const char *id, uint64_t now_ms)
{
    return dedupe_find(d, str_of(id), now_ms);
}

Test(dedupe, a_once_is_what_it_was_made_of)
{
    char id[] = "0198-abc";
    struct once *o = once_new(str_of(id), hash, 3);

    cr_assert(o);
    id[0] = '?'; /* it has its own copy */
    cr_assert(str_eqz(once_id(o), "0198-abc"));
    cr_assert_eq(o->count, 3u);
    cr_assert_eq(memcmp(o->hash, hash, ONCE_HASH), 0);
    cr_assert_eq(o->first, 0u);
    cr_assert_eq(o->at_ms, 0u);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(o->results[i].matched, 0u);
        cr_assert_eq(o->results[i].status, 0u);
        o->results[i] = (struct once_result){i + 10, i};
    }
    cr_assert(str_eqz(once_id(o), "0198-abc"), "the id lies behind the results");
    cr_assert_eq(once_ref(o), o);
    once_unref(o);
    cr_assert_eq(o->results[2].matched, 12u);
    once_unref(o);
    once_unref(NULL);
}

Test(dedupe, finds_by_the_whole_id)
{
    struct once *a = add("a", 1);
    struct once *ab = add("ab", 1);

    cr_assert_eq(find("a", 2), a);
    cr_assert_eq(find("ab", 2), ab);
    cr_assert_null(find("b", 2));
    cr_assert_null(find("", 2));
    cr_assert_null(find("abc", 2));
    cr_assert_eq(dedupe_count(d), 2u);
}

/* Found before, it is the holder's own reference that keeps it. */
Test(dedupe, a_reference_outlives_the_table)
{
    struct once *o = once_ref(add("a", 1));

    cr_assert_null(find("a", 1 + WINDOW));
    cr_assert_eq(dedupe_count(d), 0u);
    cr_assert(str_eqz(once_id(o), "a"));
    once_unref(o);
}

Test(dedupe, forgets_after_the_window)
{
    struct once *o = add("a", 500);

    cr_assert_eq(find("a", 500), o);
    cr_assert_eq(find("a", 500 + WINDOW - 1), o);
    cr_assert_null(find("a", 500 + WINDOW));
    cr_assert_null(find("a", 500), "it is gone for good");
}

Test(dedupe, the_oldest_makes_room)
{
    const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g"};

    for (unsigned i = 0; i < 7; i++) {
        (void)add(ids[i], 10);
        cr_assert_eq(dedupe_count(d), i < MAX ? i + 1 : MAX);
    }
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(find(ids[i], 11) != NULL, i >= 2);
    }
    dedupe_remove(d, find("e", 11)); /* out of the middle: the order of the others stays */
    (void)add("h", 12);
    cr_assert(find("c", 12));
    (void)add("i", 12);
    cr_assert_null(find("c", 12));
    cr_assert(find("d", 12));
}

/* One of several targets takes the place of as many. */
Test(dedupe, targets_count)
{
    struct once *three = once_new(STR_LIT("three"), hash, 3);
    struct once *ten = once_new(STR_LIT("ten"), hash, 10);

    (void)add("a", 1);
    (void)add("b", 1);
    (void)add("c", 1);
    cr_assert_eq(dedupe_add(d, three), 0); /* of five */
    cr_assert_null(find("a", 1));
    cr_assert(find("b", 1) && find("c", 1));
    (void)add("d", 1);
    cr_assert_null(find("b", 1));
    cr_assert_eq(dedupe_count(d), 3u);
    dedupe_remove(d, three);
    (void)add("e", 1);
    (void)add("f", 1);
    (void)add("g", 1);
    cr_assert_eq(dedupe_count(d), 5u);
    cr_assert_eq(dedupe_add(d, ten), 0);
    cr_assert_eq(dedupe_count(d), 1u, "alone");
    cr_assert_eq(find("ten", 1), ten);
    (void)add("h", 1);
    cr_assert_null(find("ten", 1));
    cr_assert_eq(dedupe_count(d), 1u);
    once_unref(three);
    once_unref(ten);
}

Test(dedupe, expires_the_oldest_and_no_more_than_asked)
{
    (void)add("a", 10);
    (void)add("b", 20);
    (void)add("c", 30);
    dedupe_expire(d, 30 + WINDOW, 0);
    cr_assert_eq(dedupe_count(d), 3u);
    dedupe_expire(d, 30 + WINDOW, 1);
    cr_assert_eq(dedupe_count(d), 2u);
    dedupe_expire(d, 20 + WINDOW - 1, 10);
    cr_assert_eq(dedupe_count(d), 2u, "b is within the window");
    dedupe_expire(d, 20 + WINDOW, 10);
    cr_assert_eq(dedupe_count(d), 1u);
    cr_assert(find("c", 20 + WINDOW));
    dedupe_expire(d, UINT64_MAX, 10);
    cr_assert_eq(dedupe_count(d), 0u);
    dedupe_expire(d, UINT64_MAX, 10);
}

/* The clock was set back between them: the newer one has the smaller time. */
Test(dedupe, a_clock_that_goes_backwards)
{
    struct once *a = add("a", 5000);
    struct once *b = add("b", 4500);

    cr_assert_eq(find("a", 4600), a, "from a time to come");
    cr_assert_eq(find("b", 4600), b);
    (void)add("c", 4600);
    (void)add("d", 4600);
    (void)add("e", 4600);
    (void)add("f", 4600);
    cr_assert_null(find("a", 4600), "a came first, so it makes room");
    cr_assert_eq(find("b", 4600), b);
    dedupe_expire(d, UINT64_MAX, 100);
    (void)add("g", 5000);
    (void)add("h", 4000);
    cr_assert_null(find("h", 4000 + WINDOW), "its own time counts");
    cr_assert(find("g", 4000 + WINDOW));
    cr_assert(find("g", 0));
}

Test(dedupe, removes_only_that_one)
{
    struct once *a = once_ref(add("a", 1));
    struct once *again;
    struct once *stranger = once_new(STR_LIT("b"), hash, 1);

    dedupe_remove(d, a);
    cr_assert_null(find("a", 1));
    again = add("a", 2);
    dedupe_remove(d, a); /* not this one of the same id */
    cr_assert_eq(find("a", 2), again);
    dedupe_remove(d, stranger);
    cr_assert_eq(dedupe_count(d), 1u);
    cr_assert_eq(dedupe_add(d, stranger), 0);
    dedupe_remove(d, stranger);
    cr_assert_eq(dedupe_add(d, stranger), 0, "once more");
    cr_assert_eq(find("b", 0), stranger);
    once_unref(stranger);
    once_unref(a);
}

static void off(uint64_t window, uint32_t max)
{
    struct dedupe *none;
    struct once *o = once_new(STR_LIT("a"), hash, 1);

    cr_assert_eq(dedupe_new(7, window, max, &none), 0);
    cr_assert(dedupe_off(none));
    cr_assert_eq(dedupe_add(none, o), 0);
    cr_assert_eq(dedupe_count(none), 0u);
    cr_assert_null(dedupe_find(none, STR_LIT("a"), 0));
    dedupe_remove(none, o);
    dedupe_free(none);
    once_unref(o);
}

Test(dedupe, off_remembers_nothing)
{
    cr_assert_not(dedupe_off(d));
    off(0, MAX);
    off(WINDOW, 0);
    dedupe_free(NULL);
}

/* A look-up does not forget thousands at once; what is over is not found all the
 * same. */
Test(dedupe, many)
{
    enum { MANY = 3000 };
    struct dedupe *big;
    char id[32];

    cr_assert_eq(dedupe_new(7, WINDOW, MANY, &big), 0);
    for (unsigned i = 0; i < MANY; i++) {
        struct once *o;
        snprintf(id, sizeof(id), "id-%u", i);
        o = once_new(str_of(id), hash, 1);
        o->at_ms = i < MANY / 2 ? 10 : 20;
        cr_assert_eq(dedupe_add(big, o), 0);
        once_unref(o);
    }
    cr_assert_eq(dedupe_count(big), (uint32_t)MANY);
    cr_assert_null(dedupe_find(big, STR_LIT("id-1400"), 10 + WINDOW));
    cr_assert_geq(dedupe_count(big), (uint32_t)MANY - 20);
    dedupe_expire(big, 10 + WINDOW, MANY);
    cr_assert_eq(dedupe_count(big), (uint32_t)MANY / 2);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        cr_assert_eq(dedupe_find(big, str_of(id), 10 + WINDOW) != NULL, i >= MANY / 2);
    }
    dedupe_free(big);
}

TestSuite(dedupe_nomem, .init = nomem_ready);

Test(dedupe_nomem, new)
{
    struct dedupe *none = NULL;

    left = 0;
    cr_assert_eq(dedupe_new(7, WINDOW, MAX, &none), ERR_NOMEM);
    left = 0;
    cr_assert_null(once_new(STR_LIT("a"), hash, 2));
    left = -1;
}

/* Every allocation of every addition fails, through several growths of the
 * table: nothing is added, nothing is lost, and the next try succeeds. */
Test(dedupe_nomem, add)
{
    enum { MANY = 600 };
    struct dedupe *big;
    unsigned failures = 0;
    long before = live;
    char id[32];

    cr_assert_eq(dedupe_new(7, WINDOW, MANY, &big), 0);
    for (unsigned i = 0; i < MANY; i++) {
        struct once *o;
        int rc;
        snprintf(id, sizeof(id), "id-%u", i);
        o = once_new(str_of(id), hash, 1);
        for (int n = 0;; n++) {
            left = n;
            rc = dedupe_add(big, o);
            bool failed = left < 0;
            left = -1;
            cr_assert_eq(rc, failed ? ERR_NOMEM : 0);
            cr_assert_eq(dedupe_count(big), i + !rc);
            cr_assert_eq(atomic_load(&o->refs), rc ? 1u : 2u);
            if (rc == 0) {
                break;
            }
            failures++;
            cr_assert_null(dedupe_find(big, str_of(id), 0));
            dedupe_remove(big, o); /* is not in it */
        }
        once_unref(o);
    }
    cr_assert_geq(failures, 4u);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        cr_assert(dedupe_find(big, str_of(id), 0));
    }
    dedupe_free(big);
    cr_assert_eq(live, before, "%ld blocks leak", live - before);
}
