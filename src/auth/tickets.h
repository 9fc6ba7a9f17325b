/* tickets.h - what POST /tickets gave out: each stands once for a grant. Inside src/auth; any
 * thread. Only hashes are kept, so that a ticket cannot be read from memory. */
#ifndef FF_AUTH_TICKETS_H
#define FF_AUTH_TICKETS_H

#include "auth/auth.h"

struct tickets;

int tickets_new(struct tickets **out) FF_USE_RESULT;
void tickets_free(struct tickets *t);

/* At most `max` are out. ERR_LIMIT, ERR_NOMEM, ERR_SYSTEM (no randomness). */
int tickets_issue(struct tickets *t, struct grant *g, uint64_t now_ms, uint64_t until_ms,
                  unsigned max, char out[AUTH_TICKET_LEN + 1]) FF_USE_RESULT;
/* As auth_ticket_return. */
int tickets_return(struct tickets *t, struct str text, struct grant *g, uint64_t now_ms,
                   uint64_t until_ms, unsigned max) FF_USE_RESULT;
/* Of several that spend one ticket at the same time, one gets the grant (a reference). Others get
 * AUTH_UNKNOWN. AUTH_MALFORMED: no ticket's text. AUTH_EXPIRED: as long as it is remembered. */
enum auth_outcome tickets_spend(struct tickets *t, struct str text, uint64_t now_ms,
                                struct grant **out) FF_USE_RESULT;
/* How many are remembered. */
unsigned tickets_count(struct tickets *t);

#endif
