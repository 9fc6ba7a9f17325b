/* admit.h - which limits a new connection exceeds. Internal to src/lib. */
#ifndef FF_LIB_ADMIT_H
#define FF_LIB_ADMIT_H

#include "lib/gateway.h"

/* Counts the connection and sets a->over; its address counts only if no PROXY header is to name
 * another one. False: it is to be given up, for others must not wait behind an address that fills
 * what is kept for being told, nor for its handshakes. */
bool admit_connection(struct shard *s, struct accepted *a, bool scarce) FF_USE_RESULT;
/* The PROXY header named the peer, a->peer. As above. */
bool admit_named(struct shard *s, struct accepted *a) FF_USE_RESULT;
/* As HTTP takes it over. */
struct http_arrival admit_arrival(const struct accepted *a);
/* Uncounts and closes. */
void admit_give_up(struct shard *s, const struct accepted *a);

#endif
