/* lanes.h - which of the waiting messages a newer one stands for.
 *
 * A lane is what a publication is the newest value of: its channel, its user,
 * everyone, or one client, and its key. Messages whose policy is `conflate`
 * supersede older ones of their lane. */
#ifndef FF_CONN_LANES_H
#define FF_CONN_LANES_H

#include "conf/options.h"
#include "conn/outbuf.h"
#include "conn/outq.h"

/* The policy of the message's channel, looked up once a message; of messages
 * without a channel the one for all. */
enum slow_client lane_policy(struct outbuf *b, const struct options *opt);

/* Marks in `drop` the entries of the queue from `first` on that a newer entry,
 * or `next` (not yet in the queue; may be NULL), supersedes. Marks none without
 * memory. `seed` keys the hashes. */
void lanes_mark(const struct outq *q, uint32_t first, struct outbuf *next,
                const struct options *opt, uint64_t seed, bool *drop);

#endif
