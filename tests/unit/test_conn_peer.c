#include "conn/peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct peer inet4(const char *ip, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    cr_assert_eq(inet_pton(AF_INET, ip, &in.sin_addr), 1);
    return peer_of((struct sockaddr *)&in, sizeof(in));
}

static struct peer inet6(const char *ip, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    cr_assert_eq(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
    return peer_of((struct sockaddr *)&in6, sizeof(in6));
}

static const char *text(struct peer p)
{
    static char out[PEER_TEXT_MAX];

    return peer_text(&p, out);
}

static bool same(struct peer a, struct peer b)
{
    a = peer_network(&a);
    b = peer_network(&b);
    return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(peer, is_small)
{
    cr_assert_eq(sizeof(struct peer), 20, "no padding: it is hashed as bytes");
}

Test(peer, texts)
{
    cr_assert_str_eq(text(inet4("127.0.0.1", 4711)), "127.0.0.1:4711");
    cr_assert_str_eq(text(inet4("255.255.255.255", 65535)), "255.255.255.255:65535");
    cr_assert_str_eq(text(inet6("2001:db8::1", 4711)), "[2001:db8::1]:4711");
    cr_assert_str_eq(text(inet6("1111:2222:3333:4444:5555:6666:7777:8888", 65535)),
                     "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

Test(peer, mapped_ipv6_is_ipv4)
{
    struct peer p = inet6("::ffff:192.0.2.7", 80);

    cr_assert_eq(p.kind, PEER_INET);
    cr_assert_str_eq(text(p), "192.0.2.7:80");
    cr_assert(same(p, inet4("192.0.2.7", 9)));
}

Test(peer, anything_else_is_unix)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};

    cr_assert_str_eq(text(peer_of((struct sockaddr *)&un, sizeof(un))), "unix");
    cr_assert_str_eq(text(peer_of((struct sockaddr *)&un, sizeof(sa_family_t))), "unix");
    cr_assert_str_eq(text(peer_of(NULL, 0)), "unix");
    cr_assert_eq(peer_of((struct sockaddr *)&in, 4).kind, PEER_UNIX, "too short an address");
}

Test(peer, networks)
{
    cr_assert(same(inet4("192.0.2.1", 1), inet4("192.0.2.1", 2)));
    cr_assert_not(same(inet4("192.0.2.1", 1), inet4("192.0.2.2", 1)));
    cr_assert(same(inet6("2001:db8:0:1::1", 1), inet6("2001:db8:0:1:ffff::9", 2)), "one /64");
    cr_assert_not(same(inet6("2001:db8:0:1::1", 1), inet6("2001:db8:0:2::1", 1)));
}

Test(peer, network_forgets_port_and_place)
{
    struct peer p = inet4("192.0.2.1", 99);

    p.counted = 1;
    p = peer_network(&p);
    cr_assert_eq(p.port, 0);
    cr_assert_eq(p.counted, 0);
}

Test(peer, network_of_unix_is_empty)
{
    struct peer p = peer_of(NULL, 0);
    struct peer zero = {0};

    p = peer_network(&p);
    cr_assert(memcmp(&p, &zero, sizeof(p)) == 0);
}

Test(peer, of_an_address)
{
    struct netaddr a;
    struct peer p;

    cr_assert_eq(netaddr_parse(STR_LIT("2001:db8::1"), &a), 0);
    p = peer_of_addr(&a);
    cr_assert_str_eq(text(p), "2001:db8::1", "a port that is not known is not shown");
    a.port = 80;
    p = peer_of_addr(&a);
    cr_assert_str_eq(text(p), "[2001:db8::1]:80");
    a = peer_addr(&p);
    cr_assert_eq(a.port, 80);
    cr_assert_eq(a.kind, ADDR_INET6);
    cr_assert_eq(netaddr_parse(STR_LIT("::ffff:192.0.2.1"), &a), 0);
    p = peer_of_addr(&a);
    cr_assert_str_eq(text(p), "192.0.2.1");
    cr_assert(same(p, inet4("192.0.2.1", 9)));
    cr_assert_eq(p.counted, 0);
}
