/* cookie.h - one cookie out of a Cookie header (RFC 6265 4.2, 5.4). */
#ifndef FF_PROTO_COOKIE_H
#define FF_PROTO_COOKIE_H

#include "base/str.h"

#include <stdbool.h>

/* How often the cookie stands in the header's value (of one line: a comma divides nothing,
 * browsers send it within values); *value is the first one's, borrowed, without the quotes around
 * it. Names are case-sensitive. The name alone, without '=', is one with the value "": who meant to
 * show something is not taken for nobody. */
unsigned cookie_find(struct str header, struct str name, struct str *value);
/* Is it a token (RFC 9110 5.6.2), as a cookie's name must be? */
bool cookie_name_ok(struct str name);

#endif
