/* Acknowledgements through the router: who gets what again, and when. */
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

static int send_id(const char *user, const char *id, uint32_t ttl_s, struct publish_result *res)
{
    struct str to = str_of(user);
    struct publication p = k_publication(&k, TARGET_USER, &to);
    struct publish_verdict verdict;

    p.require_ack = true;
    p.ttl_s = ttl_s;
    p.envelope.id = str_of(id);
    return router_publish(k.h.r, &p, res, &verdict);
}

static uint64_t send_ok(const char *user, const char *id)
{
    struct publish_result res;

    cr_assert_eq(send_id(user, id, 0, &res), 0);
    return res.cursor.seq;
}

static char text[1024];

/* "x2@7 y3@7": ids (their seqs), attempts, members; the references are let go. */
static const char *again_text(const struct again *v, unsigned n, uint64_t base)
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        struct str s = frame_sse(v[i].frame);
        const char *dash = memchr(memmem(s.p, s.len, "id: ", 4), '-', 30);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lu#%u@%llu", i ? " " : "",
                                strtoul(dash + 1, NULL, 10), v[i].attempt,
                                (unsigned long long)(v[i].member - base));
        frame_unref(v[i].frame);
    }
    return text;
}

static const char *due(uint64_t after_ms, uint64_t base)
{
    struct again v[16];

    k.mono_ms += after_ms;
    return again_text(v, router_acks_due(k.h.r, k.mono_ms, v, 16), base);
}

static const char *unacked(struct reader *b, uint64_t upto)
{
    struct again v[16];
    uint64_t after = 0;

    return again_text(v, router_unacked(k.h.r, &b->m, upto, k.mono_ms, &after, v, 16, SIZE_MAX),
                      b->m.id);
}

static const char *waiting(const char *user)
{
    static char out[256];
    struct user_unacked v[4];
    uint64_t total, given_up;
    unsigned n = router_user_unacked(k.h.r, str_of(user), v, 4, &total, &given_up);
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s(%llu)%u ", v[i].id,
                                (unsigned long long)v[i].cursor.seq, v[i].attempts);
    }
    snprintf(out + len, sizeof(out) - len, "of %llu, %llu", (unsigned long long)total,
             (unsigned long long)given_up);
    return out;
}

Test(unacked, acknowledged)
{
    struct reader b;

    keep(NULL);
    reader_open(&b, &k, 0, "u", "", "now");
    (void)send_ok("u", "x");
    (void)send_ok("u", "y");
    cr_assert_str_eq(waiting("u"), "x(1)1 y(2)1 of 2, 0");
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 2u);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), 0);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), ERR_NOT_FOUND);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("v"), STR_LIT("y")), ERR_NOT_FOUND, "not its user");
    cr_assert_str_eq(waiting("u"), "y(2)1 of 1, 0");
    cr_assert_eq(k_metric(&k, METRIC_ACKED), 1u);
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 1u);
    reader_leave(&b);
    end();
}

Test(unacked, again_after_the_timeout)
{
    struct reader b;

    keep((const char *const[]){"ack-timeout", "1s", "ack-attempts", "3", NULL});
    reader_open(&b, &k, 0, "u", "", "now");
    (void)send_ok("u", "x");
    h_drain_all(&k.h);
    cr_assert_str_eq(due(999, b.m.id), "");
    cr_assert_str_eq(due(1, b.m.id), "1#2@0");
    cr_assert_str_eq(due(999, b.m.id), "");
    cr_assert_str_eq(due(1, b.m.id), "1#3@0");
    cr_assert_eq(k_metric(&k, METRIC_REDELIVERED), 2u);
    cr_assert_str_eq(due(1000, b.m.id), "", "three times is enough");
    cr_assert_str_eq(waiting("u"), "of 0, 1");
    cr_assert_eq(k_metric(&k, METRIC_GIVEN_UP), 1u);
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 0u);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), ERR_NOT_FOUND);
    reader_leave(&b);
    end();
}

/* To another connection of the user, if there is one. */
Test(unacked, to_another_connection)
{
    struct reader a, b, c;
    uint64_t base;

    keep((const char *const[]){"ack-timeout", "1s", "ack-attempts", "9", NULL});
    reader_open(&a, &k, 0, "u", "", "now");
    reader_open(&b, &k, 3, "u", "", "now");
    reader_open(&c, &k, 2, "v", "", "now");
    base = a.m.id;
    (void)send_ok("u", "x");
    cr_assert_str_eq(due(1000, base), "1#2@0");
    cr_assert_str_eq(due(1000, base), "1#3@1");
    cr_assert_str_eq(due(1000, base), "1#4@0");
    reader_leave(&b);
    cr_assert_str_eq(due(1000, base), "1#5@0");
    reader_leave(&a);
    cr_assert_str_eq(due(1000, base), "", "nobody is there");
    cr_assert_str_eq(due(100000, base), "", "and nothing is counted");
    cr_assert_str_eq(waiting("u"), "x(1)5 of 1, 0");
    reader_leave(&c);
    end();
}

/* It comes out of the queue first, and again when a client comes back. */
Test(unacked, again_on_reconnect)
{
    struct reader b;
    struct publish_result res;

    keep((const char *const[]){"ack-timeout", "1s", "ack-attempts", "3", NULL});
    cr_assert_eq(send_id("u", "x", 0, &res), 0);
    cr_assert_eq(res.status, PUBLISH_QUEUED);
    cr_assert_str_eq(due(100000, 0), "");
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "1 =1");
    cr_assert_str_eq(unacked(&b, 0), "", "it has just come");
    cr_assert_str_eq(waiting("u"), "x(1)1 of 1, 0");
    reader_leave(&b);
    reader_open(&b, &k, 0, "u", "", "1");
    reader_expect(&b, "=1");
    cr_assert_str_eq(unacked(&b, 1), "1#2@0");
    (void)send_ok("u", "y"); /* live */
    cr_assert_str_eq(due(1000, b.m.id), "1#3@0 2#2@0");
    reader_leave(&b);
    reader_open(&b, &k, 0, "u", "", "2");
    cr_assert_str_eq(unacked(&b, 2), "2#3@0", "x was sent often enough");
    cr_assert_str_eq(waiting("u"), "x(1)3 y(2)3 of 2, 0", "but has its time");
    cr_assert_str_eq(due(1000, b.m.id), "");
    cr_assert_str_eq(waiting("u"), "of 0, 2");
    reader_leave(&b);
    end();
}

Test(unacked, over_its_ttl)
{
    struct reader b;
    struct publish_result res;

    keep((const char *const[]){"ack-timeout", "1s", NULL});
    reader_open(&b, &k, 0, "u", "", "now");
    cr_assert_eq(send_id("u", "x", 5, &res), 0);
    cr_assert_eq(send_id("u", "y", 0, &res), 0);
    k.now_ms += 4999;
    (void)router_tidy(k.h.r, k.now_ms);
    cr_assert_str_eq(waiting("u"), "x(1)1 y(2)1 of 2, 0");
    k.now_ms += 1;
    (void)router_tidy(k.h.r, k.now_ms);
    cr_assert_str_eq(waiting("u"), "y(2)1 of 1, 1");
    cr_assert_eq(k_metric(&k, METRIC_GIVEN_UP), 1u);
    reader_leave(&b);
    end();
}

Test(unacked, tidied_in_rounds)
{
    struct publish_result res;
    char id[16];
    unsigned rounds = 0;

    keep((const char *const[]){"max-unacked", "5000", NULL});
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(id, sizeof(id), "i%u", i);
        cr_assert_eq(send_id("u", id, i % 2 ? 1 : 0, &res), 0);
    }
    k.now_ms += 1000;
    for (; rounds < 20 && k_metric(&k, METRIC_UNACKED) > 1000; rounds++) {
        (void)router_tidy(k.h.r, k.now_ms);
    }
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 1000u);
    cr_assert_geq(rounds, 2u, "in pieces");
    cr_assert_str_eq(waiting("u"), "i0(1)0 i2(3)0 i4(5)0 i6(7)0 of 1000, 1000");
    end();
}

/* The one that tidying stands at is acknowledged. */
Test(unacked, acknowledged_while_tidying)
{
    struct publish_result res;
    char id[16];

    keep((const char *const[]){"max-unacked", "5000", NULL});
    for (unsigned i = 0; i < 600; i++) {
        snprintf(id, sizeof(id), "i%u", i);
        cr_assert_eq(send_id("u", id, 1, &res), 0);
    }
    (void)router_tidy(k.h.r, k.now_ms);
    for (unsigned i = 0; i < 600; i++) {
        snprintf(id, sizeof(id), "i%u", i);
        if (i % 7) {
            cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), str_of(id)), 0);
        }
    }
    k.now_ms += 1000;
    for (unsigned i = 0; i < 5; i++) {
        (void)router_tidy(k.h.r, k.now_ms);
    }
    cr_assert_eq(k_metric(&k, METRIC_UNACKED), 0u);
    cr_assert_eq(k_metric(&k, METRIC_GIVEN_UP), 86u);
    end();
}

Test(unacked, without_keep)
{
    struct harness h;
    struct again v[1];
    struct user_unacked u[1];
    struct member m = {.id = 1};
    uint64_t total, given_up, after = 0;

    cr_assert_eq(h_init(&h), 0);
    cr_assert_eq(router_ack(h.r, STR_LIT("u"), STR_LIT("x")), ERR_NOT_FOUND);
    cr_assert_eq(router_acks_due(h.r, 1000, v, 1), 0u);
    cr_assert_eq(router_unacked(h.r, &m, 0, 1000, &after, v, 1, SIZE_MAX), 0u);
    cr_assert_eq(router_user_unacked(h.r, STR_LIT("u"), u, 1, &total, &given_up), 0u);
    cr_assert_eq(total + given_up, 0u);
    h_fini(&h);
}

Test(unacked, limits)
{
    struct publish_result res;

    keep((const char *const[]){"max-unacked", "2", "max-unacked-total", "3", NULL});
    (void)send_ok("u", "x");
    cr_assert_eq(send_id("u", "x", 0, &res), ERR_EXISTS);
    (void)send_ok("u", "y");
    cr_assert_eq(send_id("u", "z", 0, &res), ERR_LIMIT);
    (void)send_ok("v", "x");
    cr_assert_eq(send_id("w", "x", 0, &res), ERR_LIMIT);
    cr_assert_eq(router_top(k.h.r).seq, 3u);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("v"), STR_LIT("x")), 0);
    (void)send_ok("w", "x");
    end();
}

/* Of several users one has too many: nobody gets it. */
Test(unacked, all_or_none)
{
    struct str to[3] = {STR_LIT("a"), STR_LIT("b"), STR_LIT("c")};
    struct publication p;
    struct publish_result res[3];
    struct publish_verdict verdict;

    keep(NULL);
    (void)send_ok("b", "x");
    p = k_publication(&k, TARGET_USER, to);
    p.count = 3;
    p.require_ack = true;
    p.envelope.id = STR_LIT("x");
    cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), ERR_EXISTS);
    cr_assert_eq(verdict.target, 1u);
    cr_assert_str_eq(waiting("a"), "of 0, 0");
    cr_assert_str_eq(waiting("c"), "of 0, 0");
    cr_assert_eq(router_ack(k.h.r, STR_LIT("b"), STR_LIT("x")), 0);
    cr_assert_eq(router_publish(k.h.r, &p, res, &verdict), 0);
    cr_assert_str_eq(waiting("c"), "x(4)0 of 1, 0");
    end();
}

/* Nothing is kept of users, but what is to be acknowledged waits all the same. */
Test(unacked, without_history)
{
    struct reader b;
    struct publish_result res;

    keep((const char *const[]){"user-history", "0", "ack-timeout", "1s", NULL});
    cr_assert_eq(send_id("u", "x", 0, &res), 0);
    reader_open(&b, &k, 0, "u", "", "now");
    reader_expect(&b, "=1");
    cr_assert(str_starts(str_of(unacked(&b, 1)), STR_LIT("1#")), "%s", text);
    cr_assert_eq(router_ack(k.h.r, STR_LIT("u"), STR_LIT("x")), 0);
    reader_leave(&b);
    end();
}

/* Nor more bytes than it asks for, but always one. */
Test(unacked, in_portions_of_bytes)
{
    struct reader b;
    struct again v[4];
    uint64_t after = 0;
    char id[8];

    keep((const char *const[]){"ack-timeout", "1s", NULL});
    reader_open(&b, &k, 0, "u", "", "now");
    for (unsigned i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "i%u", i);
        (void)send_ok("u", id);
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = router_unacked(k.h.r, &b.m, 10, k.mono_ms, &after, v, 4, 1);
        cr_assert_eq(n, 1u);
        (void)again_text(v, n, b.m.id);
    }
    cr_assert_eq(router_unacked(k.h.r, &b.m, 10, k.mono_ms, &after, v, 4, 1), 0u);
    reader_leave(&b);
    end();
}

/* More than the caller has room for: it asks again. */
Test(unacked, in_portions)
{
    struct reader b;
    struct again v[4];
    uint64_t after = 0;
    unsigned n, all = 0;
    char id[8];

    keep((const char *const[]){"ack-timeout", "1s", NULL});
    reader_open(&b, &k, 0, "u", "", "now");
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "i%u", i);
        (void)send_ok("u", id);
    }
    do {
        n = router_unacked(k.h.r, &b.m, 10, k.mono_ms, &after, v, 4, SIZE_MAX);
        (void)again_text(v, n, b.m.id);
        all += n;
    } while (n == 4);
    cr_assert_eq(all, 10u);
    cr_assert_str_eq(waiting("u"), "i0(1)2 i1(2)2 i2(3)2 i3(4)2 of 10, 0");
    k.mono_ms += 1000;
    all = 0;
    while ((n = router_acks_due(k.h.r, k.mono_ms, v, 4)) > 0) {
        (void)again_text(v, n, b.m.id);
        all += n;
    }
    cr_assert_eq(all, 10u);
    reader_leave(&b);
    end();
}
