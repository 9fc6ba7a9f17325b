/* peer.h - a peer's address in 20 bytes. */
#ifndef FF_CONN_PEER_H
#define FF_CONN_PEER_H

#include "base/cidr.h"

#include <stdint.h>
#include <sys/socket.h>

enum peer_kind { PEER_UNIX = ADDR_UNIX, PEER_INET = ADDR_INET, PEER_INET6 = ADDR_INET6 };

struct peer {
    uint8_t addr[16]; /* IPv4: the first four; IPv4-mapped IPv6 becomes IPv4 */
    uint16_t port;    /* host order */
    uint8_t kind;     /* enum peer_kind */
    uint8_t counted;  /* for the owner: holds a place in the per-address limit */
};

#define PEER_TEXT_MAX 56

struct peer peer_of(const struct sockaddr *sa, socklen_t len);
/* As a header names it; and back, for networks of proxies. */
struct peer peer_of_addr(const struct netaddr *a);
struct netaddr peer_addr(const struct peer *p);
/* "127.0.0.1:4711", "[2001:db8::1]:4711", "unix"; with an unknown port the address alone. */
const char *peer_text(const struct peer *p, char out[PEER_TEXT_MAX]);
/* What counts as one address for limits: IPv4 whole, IPv6 its /64; without
 * port. Empty key (all zero, kind unix) for unix peers. */
struct peer peer_network(const struct peer *p);

#endif
