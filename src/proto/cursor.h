/* cursor.h - a position in the log, written `epoch-seq`.
 *
 * `epoch` is lower-case base 36 of a non-zero number, `seq` decimal; both
 * without leading zeros ("0-0" is the beginning of any log). Only bytes that
 * a reconnecting EventSource may send without a CORS preflight occur. */
#ifndef FF_PROTO_CURSOR_H
#define FF_PROTO_CURSOR_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct cursor {
    uint64_t epoch;
    uint64_t seq;
};

/* 13 base-36 digits, '-', 20 decimal digits, NUL. */
#define CURSOR_MAX 35

/* Writes it with a NUL; returns the length. */
size_t cursor_format(struct cursor c, char out[CURSOR_MAX]);
/* ERR_INVALID for anything but the form above (overflow included). */
int cursor_parse(struct str s, struct cursor *out) FF_USE_RESULT;
/* The epoch alone, with a NUL; returns the length. */
size_t cursor_format_epoch(uint64_t epoch, char out[CURSOR_MAX]);

#endif
