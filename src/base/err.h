/* err.h - the one list of error codes, shared by every floor.
 *
 * A fallible function returns 0 or one of these negative codes. The numbers
 * are stable: include/fanfare/fanfare.h publishes the same ones (src/lib
 * asserts that they agree). */
#ifndef FF_BASE_ERR_H
#define FF_BASE_ERR_H

#include <stddef.h>

enum err {
    ERR_OK = 0,
    ERR_NOMEM = -1,     /* memory could not be had */
    ERR_INVALID = -2,   /* a value has the wrong form */
    ERR_RANGE = -3,     /* a value is outside its limits */
    ERR_NOT_FOUND = -4, /* no such client, option, channel ... */
    ERR_EXISTS = -5,    /* it is there already */
    ERR_LIMIT = -6,     /* a configured limit is reached */
    ERR_SYSTEM = -7,    /* a system call failed; the message has errno's text */
    ERR_STATE = -8,     /* not possible in this state */
    ERR_BUSY = -9,      /* overloaded: try again later */
    ERR_IN_USE = -10,   /* the address is in use */
    ERR_RESERVED = -11, /* the name is reserved */
    ERR_CLOSED = -12,   /* the peer or the gateway is gone */
    ERR_STORE = -13,    /* the durable store has failed */
    ERR_CONFLICT = -14, /* the id stands for something else */
    ERR_MOVED = -15,    /* there is something newer than expected */
};

#define FF_USE_RESULT __attribute__((warn_unused_result))
#define FF_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* A short text for the code; static storage. */
const char *err_text(int code);

/* Room for one human sentence: the reason and the fix. */
struct errmsg {
    char text[320];
};

/* Formats into `m` (which may be NULL) and returns `code`, so that a caller
 * can write `return errmsg_set(m, ERR_INVALID, "...", ...)`. Truncates. */
int errmsg_set(struct errmsg *m, int code, const char *fmt, ...) FF_PRINTF(3, 4);

#endif
