/* What is kept of one channel or user, page by page. */
#include "test_core_keep.h"

static struct keeper k;

static void keep(const char *const *settings)
{
    k_init(&k, settings, NULL);
}

static void end(void)
{
    k_fini(&k);
}

static void send_many(const char *name, unsigned n)
{
    while (n--) {
        (void)k_channel(&k, name);
    }
}

static uint64_t send_ttl(const char *name, uint32_t ttl_s)
{
    struct str to = str_of(name);
    struct publication p = k_publication(&k, TARGET_CHANNEL, &to);

    p.ttl_s = ttl_s;
    return k_publish(&k, &p);
}

static uint64_t seq_of(const struct frame *f)
{
    const char *id = memmem(f->bytes, f->sse_len, "id: ", 4);
    const char *dash = memchr(id, '-', 30);

    return strtoull(dash + 1, NULL, 10);
}

/* "3 4 5 more [2-3 evicted] =9" */
static const char *page(const char *name, bool newest_first, struct cursor after, unsigned limit)
{
    static char out[8192];
    struct frame *v[64] = {NULL};
    struct history_page pg = {.gap = false};
    const struct history_query q = {TARGET_CHANNEL, str_of(name), newest_first,
                                    after,          limit,        k.now_ms};
    size_t n = 0;

    router_history(k.h.r, &q, v, &pg);
    cr_assert_leq(pg.n, limit);
    for (unsigned i = 0; i < pg.n; i++) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%llu ", (unsigned long long)seq_of(v[i]));
        frame_unref(v[i]);
    }
    if (pg.more) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "more ");
    }
    if (pg.gap) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "[%llu-%llu %s] ",
                              (unsigned long long)after.seq, (unsigned long long)pg.gap_to.seq,
                              gap_reason_text(pg.reason));
    }
    snprintf(out + n, sizeof(out) - n, "=%llu", (unsigned long long)pg.top.seq);
    return out;
}

static const char *oldest(const char *name, uint64_t after, unsigned limit)
{
    return page(name, false, (struct cursor){H_EPOCH, after}, limit);
}

static const char *newest(const char *name, uint64_t after, unsigned limit)
{
    return page(name, true, (struct cursor){after ? H_EPOCH : 0, after}, limit);
}

static const struct cursor none;

Test(pages, forwards)
{
    keep(NULL);
    cr_assert_str_eq(page("a", false, none, 10), "=0");
    for (unsigned i = 0; i < 5; i++) { /* a: 1 3 5 7 9 */
        send_many("a", 1);
        send_many("b", 1);
    }
    cr_assert_str_eq(page("a", false, none, 10), "1 3 5 7 9 =10");
    cr_assert_str_eq(page("a", false, none, 2), "1 3 more =10");
    cr_assert_str_eq(oldest("a", 3, 2), "5 7 more =10");
    cr_assert_str_eq(oldest("a", 4, 2), "5 7 more =10");
    cr_assert_str_eq(oldest("a", 7, 2), "9 =10");
    cr_assert_str_eq(oldest("a", 5, 2), "7 9 =10");
    cr_assert_str_eq(oldest("a", 9, 2), "=10");
    cr_assert_str_eq(oldest("a", 10, 2), "=10");
    cr_assert_str_eq(oldest("nobody", 3, 2), "=10");
    end();
}

Test(pages, backwards)
{
    keep(NULL);
    cr_assert_str_eq(newest("a", 0, 10), "=0");
    for (unsigned i = 0; i < 5; i++) {
        send_many("a", 1);
        send_many("b", 1);
    }
    cr_assert_str_eq(newest("a", 0, 10), "9 7 5 3 1 =10");
    cr_assert_str_eq(newest("a", 0, 2), "9 7 more =10");
    cr_assert_str_eq(newest("a", 7, 2), "5 3 more =10");
    cr_assert_str_eq(newest("a", 8, 2), "7 5 more =10");
    cr_assert_str_eq(newest("a", 5, 2), "3 1 =10");
    cr_assert_str_eq(newest("a", 3, 2), "1 =10");
    cr_assert_str_eq(newest("a", 1, 2), "=10");
    cr_assert_str_eq(newest("nobody", 3, 2), "=10");
    end();
}

Test(pages, know_what_is_gone)
{
    keep((const char *const[]){"history", "3", NULL});
    send_many("a", 6); /* 1-3 are gone */
    cr_assert_str_eq(page("a", false, none, 10), "4 5 6 =6", "nothing was asked for");
    cr_assert_str_eq(oldest("a", 1, 2), "4 5 more [1-3 evicted] =6");
    cr_assert_str_eq(oldest("a", 2, 2), "4 5 more [2-3 evicted] =6");
    cr_assert_str_eq(oldest("a", 3, 2), "4 5 more =6");
    cr_assert_str_eq(newest("a", 0, 10), "6 5 4 =6");
    end();
}

/* What was lost with a process before, and what is evicted: up to the later one. */
Test(pages, know_what_was_lost)
{
    struct restored_log log = {.top = 9, .lost = {{2, 3}, {5, 8}}, .nlost = 2};

    keep(NULL);
    router_restore_log(k.h.r, &log);
    cr_assert_eq(router_restore_lane(k.h.r, 1, TARGET_CHANNEL, STR_LIT("a"), 4, 0), 0);
    router_restored(k.h.r, k.now_ms);
    send_many("a", 1);
    cr_assert_str_eq(oldest("a", 1, 9), "10 [1-8 unclean-stop] =10");
    cr_assert_str_eq(oldest("a", 7, 9), "10 [7-8 unclean-stop] =10");
    cr_assert_str_eq(oldest("a", 8, 9), "10 =10");
    cr_assert_str_eq(oldest("b", 6, 9), "[6-8 unclean-stop] =10");
    end();
}

/* The position is of another log. */
Test(pages, of_a_foreign_epoch)
{
    keep(NULL);
    send_many("a", 3);
    cr_assert_str_eq(page("a", false, (struct cursor){77, 2}, 2), "1 2 more [2-3 epoch] =3");
    end();
}

Test(pages, without_what_has_expired)
{
    keep(NULL);
    (void)send_ttl("a", 1);
    send_many("a", 1);
    (void)send_ttl("a", 1);
    (void)send_ttl("a", 1);
    send_many("a", 1);
    (void)send_ttl("a", 1);
    k.now_ms += 1000;
    cr_assert_str_eq(page("a", false, none, 10), "2 5 =6");
    cr_assert_str_eq(page("a", false, none, 1), "2 more =6");
    cr_assert_str_eq(oldest("a", 2, 1), "5 =6");
    cr_assert_str_eq(newest("a", 0, 10), "5 2 =6");
    cr_assert_str_eq(newest("a", 5, 10), "2 =6");
    end();
}

/* The age is looked at when it is asked for, not only when it is tidied. */
Test(pages, without_what_is_too_old)
{
    keep((const char *const[]){"history-age", "10s", NULL});
    send_many("a", 2);
    k.now_ms += 5000;
    send_many("a", 1);
    k.now_ms += 5000;
    cr_assert_str_eq(page("a", false, none, 10), "3 =3");
    cr_assert_str_eq(oldest("a", 1, 10), "3 [1-2 evicted] =3");
    end();
}

/* Not what has a number but is not out yet: see test_core_store.c. */
Test(pages, of_users_and_everyone)
{
    struct frame *v[4];
    struct history_page pg;
    struct history_query q = {TARGET_USER, STR_LIT("u"), false, none, 4, 0};

    keep(NULL);
    (void)k_user(&k, "u");
    (void)k_everyone(&k);
    q.now_ms = k.now_ms;
    router_history(k.h.r, &q, v, &pg);
    cr_assert_eq(pg.n, 1u);
    cr_assert_eq(seq_of(v[0]), 1u);
    frame_unref(v[0]);
    q.kind = TARGET_EVERYONE;
    q.name = STR_NONE;
    router_history(k.h.r, &q, v, &pg);
    cr_assert_eq(pg.n, 1u);
    cr_assert_eq(seq_of(v[0]), 2u);
    frame_unref(v[0]);
    end();
}
