#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "invalid value";
    case ERR_RANGE:
        return "value out of range";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_EXISTS:
        return "already exists";
    case ERR_LIMIT:
        return "limit reached";
    case ERR_SYSTEM:
        return "system call failed";
    case ERR_STATE:
        return "not possible in this state";
    case ERR_BUSY:
        return "busy, try again later";
    case ERR_IN_USE:
        return "address in use";
    case ERR_RESERVED:
        return "name is reserved";
    case ERR_CLOSED:
        return "closed";
    case ERR_STORE:
        return "the store has failed";
    case ERR_CONFLICT:
        return "the id stands for something else";
    case ERR_MOVED:
        return "there is something newer";
    default:
        return "unknown error";
    }
}

int errmsg_set(struct errmsg *m, int code, const char *fmt, ...)
{
    if (!m) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(m->text, sizeof m->text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        m->text[0] = '\0';
    }
    return code;
}
