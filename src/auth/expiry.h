/* expiry.h - what comes to its end first: a heap of things with a time, each of which knows its
 * place. Inside src/auth; the owner locks. */
#ifndef FF_AUTH_EXPIRY_H
#define FF_AUTH_EXPIRY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The first member of whatever expires. */
struct expiring {
    uint64_t at_ms;
    size_t place;
};

struct expiry {
    struct expiring **v;
    size_t n, cap;
};

int expiry_add(struct expiry *e, struct expiring *x, uint64_t at_ms) FF_USE_RESULT;
void expiry_remove(struct expiry *e, struct expiring *x);
void expiry_move(struct expiry *e, struct expiring *x, uint64_t at_ms);
/* The one that expires first, if it has by now: at_ms <= now_ms. */
struct expiring *expiry_due(const struct expiry *e, uint64_t now_ms);
/* The heap; what is in it is its owner's. */
void expiry_fini(struct expiry *e);

#endif
