/* unacked.h - deliveries that were not acknowledged, in the router. Internal to
 * core; lock held. */
#ifndef FF_CORE_UNACKED_H
#define FF_CORE_UNACKED_H

#include "core/router_private.h"

/* Looks at `max` of them: those over their ttl are given up. True if some are left. */
bool unacked_tidy(struct router *r, unsigned max);
/* The user's message `seq` waits no more, if it did: it is given up. */
void unacked_forget(struct router *r, struct str user, uint64_t seq);

#endif
