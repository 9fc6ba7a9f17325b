/* proxyhdr.h - the PROXY protocol: what a proxy sends first on a connection, to say who
 * the client is. Versions 1 (text) and 2 (binary) of HAProxy's specification.
 *
 * Only for connections from proxies that are trusted and known to send it: a client that
 * may send one itself could be anybody. */
#ifndef FF_PROTO_PROXYHDR_H
#define FF_PROTO_PROXYHDR_H

#include "base/cidr.h"

/* Longer headers are refused: the specification has senders stay below what one
 * segment surely takes. */
#define PROXYHDR_MAX 552

enum proxyhdr_result {
    PROXYHDR_MORE, /* good so far */
    PROXYHDR_DONE,
    PROXYHDR_BAD /* close the connection: nothing on it can be trusted */
};

struct proxyhdr {
    /* DONE: bytes of the header; what follows is the connection's own. MORE: it has at
     * least so many, so who reads no more than this takes nothing that is not its. */
    size_t length;
    bool named; /* false: the connection's own peer counts (LOCAL, UNKNOWN, UNSPEC, unix) */
    struct netaddr client;
};

/* Looks at all bytes that came so far, which are kept by the caller. A wrong byte is
 * seen as soon as it is there. `why` (may be NULL) is set for BAD. */
enum proxyhdr_result proxyhdr_parse(struct str bytes, struct proxyhdr *out, struct errmsg *why)
    FF_USE_RESULT;

#endif
