/* cidr.h - addresses of peers as numbers, and networks of them.
 *
 * An IPv4 address has one form here: IPv4-mapped IPv6 (::ffff:10.0.0.1) becomes
 * IPv4, so a network of one family matches however the address was written. */
#ifndef FF_BASE_CIDR_H
#define FF_BASE_CIDR_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum addr_kind { ADDR_UNIX, ADDR_INET, ADDR_INET6 };

struct netaddr {
    uint8_t addr[16]; /* IPv4: the first four, the rest zero */
    uint16_t port;    /* host order; 0: unknown */
    uint8_t kind;     /* enum addr_kind */
};

/* A numeric address without port, brackets or zone. ERR_INVALID. */
int netaddr_parse(struct str text, struct netaddr *out) FF_USE_RESULT;
/* From the 4 or 16 bytes of the network; `kind` is ADDR_INET or ADDR_INET6. */
struct netaddr netaddr_of(enum addr_kind kind, const void *bytes, uint16_t port);

struct cidr {
    struct netaddr net;
    uint8_t bits;
};

#define CIDR_TEXT_MAX 50 /* with its NUL */

/* "10.0.0.0/8", "2001:db8::/32", an address alone, or "unix" for every peer on a unix
 * socket. ERR_INVALID: also if the address has bits that the network leaves out, since
 * one of the two is then a mistake. `why` may be NULL. */
int cidr_parse(struct str text, struct cidr *out, struct errmsg *why) FF_USE_RESULT;
/* Is the address in the network? The port does not matter. */
bool cidr_match(const struct cidr *c, const struct netaddr *a);

/* Several of them. */
struct cidr_set {
    struct cidr *v;
    unsigned n;
};

/* Parses a list of options; on failure *out is empty. ERR_INVALID, ERR_NOMEM. */
int cidr_set_make(char *const *items, unsigned n, struct cidr_set *out) FF_USE_RESULT;
void cidr_set_fini(struct cidr_set *s);
bool cidr_set_match(const struct cidr_set *s, const struct netaddr *a);

#endif
