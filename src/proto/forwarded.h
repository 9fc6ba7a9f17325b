/* forwarded.h - who a request is from when proxies stand in front: the Forwarded header
 * (RFC 7239) or X-Forwarded-For.
 *
 * Each proxy adds at the right whom it was asked by, so only what trusted proxies added
 * means anything: the walk goes from the right, past them, and ends at the first address
 * that is not one of theirs. What lies further left is the client's own invention, and is
 * not looked at. */
#ifndef FF_PROTO_FORWARDED_H
#define FF_PROTO_FORWARDED_H

#include "base/cidr.h"

enum forwarded_syntax { FORWARDED_FOR, X_FORWARDED_FOR };

enum forwarded_end {
    FORWARDED_NONE,    /* the header names nobody */
    FORWARDED_CLIENT,  /* *out is the client */
    FORWARDED_TRUSTED, /* all are trusted proxies: *out is the first of them */
    FORWARDED_BAD      /* the walk met something that is no address: malformed, or hidden
                          ("unknown", "_name") */
};

/* The lines of the header in their order, for a connection from a trusted proxy. Port 0:
 * none was given, or a hidden one. */
enum forwarded_end forwarded_walk(enum forwarded_syntax syntax, const struct str *lines, unsigned n,
                                  const struct cidr_set *trusted, struct netaddr *out);

#endif
