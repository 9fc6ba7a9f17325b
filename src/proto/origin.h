/* origin.h - Host and Origin headers, for the loopback and allow-list rules. */
#ifndef FF_PROTO_ORIGIN_H
#define FF_PROTO_ORIGIN_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct origin {
    struct str scheme; /* "http", "https", ... ; empty for a Host header */
    struct str host;   /* without brackets for IPv6; may be mixed case */
    uint16_t port;     /* the scheme's default filled in for http and https, else 0 */
};

/* An Origin header: scheme "://" host [":" port], nothing more. "null" and
 * anything else are ERR_INVALID. Slices are borrowed. */
int origin_parse(struct str s, struct origin *out) FF_USE_RESULT;
/* A Host header: host [":" port]; port 0 if absent. */
int origin_parse_host(struct str s, struct origin *out) FF_USE_RESULT;
/* localhost, *.localhost, 127.0.0.0/8 or ::1 (as an address, not a prefix of
 * a name such as 127.0.0.1.evil.example). */
bool origin_is_loopback(struct str host);
/* Same scheme, host (ASCII case ignored) and port. */
bool origin_same(const struct origin *a, const struct origin *b);

#endif
