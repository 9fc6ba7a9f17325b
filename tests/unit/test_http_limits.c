#include "http/limits.h"

#include "http/rates.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct limits limits;

static void stop(void)
{
    limits_fini(&limits);
}

static void start(void)
{
    cr_assert_eq(limits_init(&limits, 1000, 7), 0);
}

TestSuite(limits, .init = start, .fini = stop);

static struct peer inet4(unsigned n, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(0x0a000000u + n)};

    return peer_of((struct sockaddr *)&in, sizeof(in));
}

static struct peer inet6(const char *ip, unsigned port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    cr_assert_eq(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
    return peer_of((struct sockaddr *)&in6, sizeof(in6));
}

Test(limits, total)
{
    struct peer p[1001];

    for (unsigned i = 0; i < 1000; i++) {
        p[i] = inet4(i, 1);
        cr_assert_eq(limits_enter(&limits, &p[i], 0), LIMIT_NONE);
    }
    p[1000] = inet4(1000, 1);
    cr_assert_not(limits_exceeded(&limits), "the last place is a place");
    cr_assert_eq(limits_enter(&limits, &p[1000], 0), LIMIT_CONNECTIONS);
    cr_assert(limits_exceeded(&limits));
    cr_assert_eq(atomic_load(&limits.connections), 1001, "it is counted in any case");
    cr_assert_not(limits_overflow(&limits));
    limits_leave(&limits, &p[1000], LIMIT_CONNECTIONS);
    limits_leave(&limits, &p[0], LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &p[0], 0), LIMIT_NONE);
    for (unsigned i = 0; i < 1000; i++) {
        limits_leave(&limits, &p[i], LIMIT_NONE);
    }
    cr_assert_eq(atomic_load(&limits.connections), 0);
}

Test(limits, overflow)
{
    struct peer p = inet4(1, 1);

    for (unsigned i = 0; i < 1000 + LIMITS_TOLD; i++) {
        cr_assert_not(limits_overflow(&limits), "%u", i);
        limits_enter(&limits, &p, 0);
    }
    cr_assert(limits_overflow(&limits), "not even room to say so");
}

Test(limits, one_address)
{
    struct peer p[4] = {inet4(1, 1), inet4(1, 2), inet4(1, 3), inet4(2, 1)};

    cr_assert_eq(limits_enter(&limits, &p[0], 2), LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &p[1], 2), LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &p[2], 2), LIMIT_ADDRESS);
    cr_assert_eq(limits_enter(&limits, &p[3], 2), LIMIT_NONE, "another one");
    limits_leave(&limits, &p[2], LIMIT_ADDRESS);
    limits_leave(&limits, &p[0], LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &p[0], 2), LIMIT_NONE);
    limits_leave(&limits, &p[0], LIMIT_NONE);
    limits_leave(&limits, &p[1], LIMIT_NONE);
    limits_leave(&limits, &p[3], LIMIT_NONE);
    cr_assert_null(limits.table, "nothing is kept of those that are gone");
}

/* An address over its limit cannot take the places where others are told. */
Test(limits, so_many_of_an_address_can_be_told)
{
    struct peer p[LIMITS_TOLD + 2];

    for (unsigned i = 0; i < LIMITS_TOLD + 2; i++) {
        p[i] = inet4(1, i);
        cr_assert_eq(limits_enter(&limits, &p[i], 1), i ? LIMIT_ADDRESS : LIMIT_NONE);
        cr_assert_eq(limits_may_tell(&limits), i <= LIMITS_TOLD, "%u", i);
    }
    limits_leave(&limits, &p[0], LIMIT_NONE);
    cr_assert_not(limits_may_tell(&limits));
    for (unsigned i = 1; i < LIMITS_TOLD + 2; i++) {
        limits_leave(&limits, &p[i], LIMIT_ADDRESS);
        cr_assert(limits_may_tell(&limits));
    }
    cr_assert_eq(atomic_load(&limits.over_address), 0);
    cr_assert_eq(atomic_load(&limits.connections), 0);
}

Test(limits, an_ipv6_network_is_one_address)
{
    struct peer a = inet6("2001:db8:0:1::1", 1);
    struct peer b = inet6("2001:db8:0:1:ffff:ffff:ffff:ffff", 2);
    struct peer c = inet6("2001:db8:0:2::1", 1);
    struct peer d = inet6("::ffff:10.0.0.9", 1);
    struct peer e = inet4(9, 1);

    cr_assert_eq(limits_enter(&limits, &a, 1), LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &b, 1), LIMIT_ADDRESS, "the same /64");
    cr_assert_eq(limits_enter(&limits, &c, 1), LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &d, 1), LIMIT_NONE);
    cr_assert_eq(limits_enter(&limits, &e, 1), LIMIT_ADDRESS, "a mapped one is IPv4");
    limits_leave(&limits, &a, LIMIT_NONE);
    limits_leave(&limits, &b, LIMIT_ADDRESS);
    limits_leave(&limits, &c, LIMIT_NONE);
    limits_leave(&limits, &d, LIMIT_NONE);
    limits_leave(&limits, &e, LIMIT_ADDRESS);
    cr_assert_null(limits.table);
}

Test(limits, unix_peers_have_no_address)
{
    struct peer p = peer_of(NULL, 0);

    for (int i = 0; i < 10; i++) {
        cr_assert_eq(limits_enter(&limits, &p, 1), LIMIT_NONE);
        cr_assert_eq(p.counted, 0);
    }
    cr_assert_null(limits.table);
}

/* The limit may be switched on and off while connections are open: each leaves
 * as it came. */
Test(limits, toggled_live)
{
    struct peer off[3], on[3];

    for (unsigned i = 0; i < 3; i++) {
        off[i] = inet4(1, i);
        cr_assert_eq(limits_enter(&limits, &off[i], 0), LIMIT_NONE);
        cr_assert_eq(off[i].counted, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        on[i] = inet4(1, 10 + i);
        cr_assert_eq(limits_enter(&limits, &on[i], 2), i < 2 ? LIMIT_NONE : LIMIT_ADDRESS);
        cr_assert_eq(on[i].counted, 1);
    }
    limits_leave(&limits, &off[0], LIMIT_NONE);
    limits_leave(&limits, &on[2], LIMIT_ADDRESS);
    cr_assert_eq(limits_enter(&limits, &on[2], 2), LIMIT_ADDRESS,
                 "those that came while it was off do not count, nor does their leaving");
    limits_leave(&limits, &on[2], LIMIT_ADDRESS);
    cr_assert_eq(limits_enter(&limits, &on[2], 0), LIMIT_NONE, "off again");
    limits_leave(&limits, &on[2], LIMIT_NONE);
    limits_leave(&limits, &on[1], LIMIT_NONE);
    limits_leave(&limits, &on[0], LIMIT_NONE);
    limits_leave(&limits, &off[1], LIMIT_NONE);
    limits_leave(&limits, &off[2], LIMIT_NONE);
    cr_assert_eq(atomic_load(&limits.connections), 0);
    cr_assert_null(limits.table);
}

/* Who is over its own limit is told so, and gets no place that becomes free. */
Test(limits, address_before_total)
{
    struct limits small;
    struct peer p = inet4(1, 1), q = inet4(1, 2);

    cr_assert_eq(limits_init(&small, 1, 7), 0);
    cr_assert_eq(limits_enter(&small, &p, 1), LIMIT_NONE);
    cr_assert_eq(limits_enter(&small, &q, 1), LIMIT_ADDRESS);
    cr_assert_eq(q.counted, 1, "both are counted");
    limits_leave(&small, &q, LIMIT_ADDRESS);
    limits_leave(&small, &p, LIMIT_NONE);
    limits_fini(&small);
}

struct job {
    pthread_t thread;
    unsigned number;
};

static void *come_and_go(void *arg)
{
    const struct job *j = arg;

    for (unsigned i = 0; i < 20000; i++) {
        struct peer p = inet4(i % 50, j->number);
        (void)limits_enter(&limits, &p, 1000);
        limits_leave(&limits, &p, LIMIT_NONE);
    }
    return NULL;
}

Test(limits, from_many_threads)
{
    struct job jobs[4];

    for (unsigned i = 0; i < 4; i++) {
        jobs[i].number = i;
        cr_assert_eq(pthread_create(&jobs[i].thread, NULL, come_and_go, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
    cr_assert_eq(atomic_load(&limits.connections), 0);
    cr_assert_null(limits.table);
}

Test(limits, fini_frees_what_is_left)
{
    struct peer p[100];

    for (unsigned i = 0; i < 100; i++) {
        p[i] = inet4(i, 1);
        (void)limits_enter(&limits, &p[i], 5);
    }
}

/* ---- connections whose peer is known later, and streams without a connection ---- */

Test(limits, named_later)
{
    struct peer p[3] = {inet4(1, 1), inet4(1, 2), inet4(1, 3)};
    enum limit_kind over;

    over = limits_enter_unnamed(&limits, &p[0]);
    cr_assert_eq(over, LIMIT_NONE);
    cr_assert_null(limits.table);
    cr_assert_eq(limits_name(&limits, &p[0], 1, over), LIMIT_NONE);
    cr_assert_eq(limits_name(&limits, &p[1], 1, limits_enter_unnamed(&limits, &p[1])),
                 LIMIT_ADDRESS);
    /* One over its rate holds no place of its address, but may be told. */
    (void)limits_enter_unnamed(&limits, &p[2]);
    cr_assert_eq(limits_name(&limits, &p[2], 1, LIMIT_RATE), LIMIT_RATE);
    cr_assert_eq(p[2].counted, 0);
    cr_assert_eq(atomic_load(&limits.over_address), 2);
    limits_leave(&limits, &p[2], LIMIT_RATE);
    limits_leave(&limits, &p[1], LIMIT_ADDRESS);
    cr_assert_eq(atomic_load(&limits.over_address), 0);
    limits_leave(&limits, &p[0], LIMIT_NONE);
    cr_assert_eq(atomic_load(&limits.connections), 0);
    cr_assert_null(limits.table);
}

Test(limits, address_alone)
{
    struct peer p[3] = {inet4(1, 1), inet4(1, 2), inet4(1, 3)};
    struct peer local = peer_of(NULL, 0);

    cr_assert(limits_count_address(&limits, &p[0], 2));
    cr_assert(limits_count_address(&limits, &p[1], 2));
    cr_assert_not(limits_count_address(&limits, &p[2], 2));
    cr_assert_eq(p[2].counted, 0, "what is refused is not counted");
    limits_uncount(&limits, &p[2]);
    cr_assert_not(limits_count_address(&limits, &p[2], 2));
    limits_uncount(&limits, &p[0]);
    limits_uncount(&limits, &p[0]);
    cr_assert(limits_count_address(&limits, &p[2], 2));
    cr_assert(limits_count_address(&limits, &local, 1));
    cr_assert(limits_count_address(&limits, &local, 1), "unix peers have no address");
    limits_uncount(&limits, &p[1]);
    limits_uncount(&limits, &p[2]);
    limits_uncount(&limits, &local);
    cr_assert_null(limits.table);
    cr_assert(limits_count_address(&limits, &p[0], 0), "off");
    cr_assert_null(limits.table);
    cr_assert_eq(atomic_load(&limits.connections), 0);
}

Test(limits, rate)
{
    struct peer a = inet4(1, 1), b = inet4(2, 1), local = peer_of(NULL, 0);
    struct peer six = inet6("2001:db8:0:1::1", 1), same = inet6("2001:db8:0:1::2", 9);
    struct options opt = {.rate_window = 1000};
    struct rates r;
    uint64_t wait;

    cr_assert_eq(rates_init(&r, 1), 0);
    for (int i = 0; i < 100; i++) {
        cr_assert(limits_rate_ok(&r, &opt, &a, 5000, &wait), "off");
    }
    cr_assert_not(rates_any(&r, RATE_CONNECT));
    opt.connect_rate = 2;
    cr_assert(limits_rate_ok(&r, &opt, &a, 5000, &wait));
    a.port = 77;
    cr_assert(limits_rate_ok(&r, &opt, &a, 5000, &wait));
    cr_assert_not(limits_rate_ok(&r, &opt, &a, 5000, &wait));
    cr_assert_eq(wait, 500);
    cr_assert(limits_rate_ok(&r, &opt, &b, 5000, &wait));
    cr_assert_eq(wait, 0);
    cr_assert(limits_rate_ok(&r, &opt, &a, 5500, &wait));
    cr_assert(limits_rate_ok(&r, &opt, &six, 5000, &wait));
    cr_assert(limits_rate_ok(&r, &opt, &same, 5000, &wait));
    cr_assert_not(limits_rate_ok(&r, &opt, &six, 5000, &wait), "a /64 is one address");
    for (int i = 0; i < 100; i++) {
        cr_assert(limits_rate_ok(&r, &opt, &local, 5000, &wait));
    }
    rates_fini(&r);
}

Test(limits, names)
{
    cr_assert_str_eq(limit_name(LIMIT_CONNECTIONS), "max-connections");
    cr_assert_str_eq(limit_name(LIMIT_ADDRESS), "max-connections-per-address");
    cr_assert_str_eq(limit_name(LIMIT_RATE), "connect-rate");
    cr_assert_str_eq(limit_name(LIMIT_DESCRIPTORS), "open files");
}
