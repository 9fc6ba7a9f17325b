#include "conn/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct peer peer_of(const struct sockaddr *sa, socklen_t len)
{
    struct peer p = {.kind = PEER_UNIX};

    if (sa && sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        p.kind = PEER_INET;
        p.port = ntohs(in.sin_port);
        memcpy(p.addr, &in.sin_addr, 4);
    } else if (sa && sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        p.port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            p.kind = PEER_INET;
            memcpy(p.addr, in6.sin6_addr.s6_addr + 12, 4);
        } else {
            p.kind = PEER_INET6;
            memcpy(p.addr, &in6.sin6_addr, 16);
        }
    }
    return p;
}

const char *peer_text(const struct peer *p, char out[PEER_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";

    switch (p->kind) {
    case PEER_INET:
        inet_ntop(AF_INET, p->addr, ip, sizeof(ip));
        snprintf(out, PEER_TEXT_MAX, "%s:%u", ip, (unsigned)p->port);
        break;
    case PEER_INET6:
        inet_ntop(AF_INET6, p->addr, ip, sizeof(ip));
        snprintf(out, PEER_TEXT_MAX, "[%s]:%u", ip, (unsigned)p->port);
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
