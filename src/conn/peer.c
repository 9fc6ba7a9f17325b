#include "conn/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct peer peer_of_addr(const struct netaddr *a)
{
    struct peer p = {.port = a->port, .kind = a->kind};

    memcpy(p.addr, a->addr, sizeof(p.addr));
    return p;
}

struct netaddr peer_addr(const struct peer *p)
{
    struct netaddr a = {.port = p->port, .kind = p->kind};

    memcpy(a.addr, p->addr, sizeof(a.addr));
    return a;
}

struct peer peer_of(const struct sockaddr *sa, socklen_t len)
{
    struct netaddr a = {.kind = ADDR_UNIX};

    if (sa && sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        a = netaddr_of(ADDR_INET, &in.sin_addr, ntohs(in.sin_port));
    } else if (sa && sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        a = netaddr_of(ADDR_INET6, &in6.sin6_addr, ntohs(in6.sin6_port));
    }
    return peer_of_addr(&a);
}

const char *peer_text(const struct peer *p, char out[PEER_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";

    switch (p->kind) {
    case PEER_INET:
        inet_ntop(AF_INET, p->addr, ip, sizeof(ip));
        snprintf(out, PEER_TEXT_MAX, p->port ? "%s:%u" : "%s", ip, (unsigned)p->port);
        break;
    case PEER_INET6:
        inet_ntop(AF_INET6, p->addr, ip, sizeof(ip));
        snprintf(out, PEER_TEXT_MAX, p->port ? "[%s]:%u" : "%s", ip, (unsigned)p->port);
        break;
    default:
        snprintf(out, PEER_TEXT_MAX, "unix");
    }
    return out;
}

struct peer peer_network(const struct peer *p)
{
    struct peer n = *p;

    n.port = 0;
    n.counted = 0;
    if (n.kind == PEER_INET6) {
        memset(n.addr + 8, 0, 8);
    }
    return n;
}
