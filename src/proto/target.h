/* target.h - the raw request target (RFC 9112 3.2.1): split first, then decode.
 *
 * Routing on a decoded path would let `a%2Fhistory` change the route. */
#ifndef FF_PROTO_TARGET_H
#define FF_PROTO_TARGET_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

#define TARGET_MAX_SEGMENTS 6
#define TARGET_MAX_PARAMS 256

struct param {
    struct str name, value;
};

/* Segments and parameters are decoded, NUL-free, valid UTF-8, and live in
 * memory owned by the struct. "/channels/a%2Fb?x=1" has the segments
 * "channels", "a/b"; "/" has none; a trailing or double slash gives an empty
 * segment; with more than TARGET_MAX_SEGMENTS, nsegments is one more than that
 * and only the first are kept. In the query '+' is a space and a name without '=' has the value "". */
struct target {
    struct str segments[TARGET_MAX_SEGMENTS];
    unsigned nsegments;
    struct param *params;
    unsigned nparams;
    char *memory;
    size_t size; /* of it */
};

/* `raw` is origin-form ("/..."), with or without a query; a fragment, absolute
 * or asterisk form is ERR_INVALID. Bad escapes, %00, controls, bytes over
 * 0x7F unescaped, invalid UTF-8 after decoding: ERR_INVALID with the byte
 * position; too many parts: ERR_LIMIT. On error nothing is to be freed. */
int target_parse(struct str raw, struct target *out, struct errmsg *why) FF_USE_RESULT;
void target_fini(struct target *t);

/* The first parameter of that name, or NULL. */
const struct param *target_param(const struct target *t, const char *name);
/* The next one of the same name after `p`, or NULL. */
const struct param *target_next(const struct target *t, const struct param *p);
/* The first parameter whose name is in none of the lists, or NULL. */
const struct param *target_unknown(const struct target *t, const char *const *known, size_t n);

#endif
