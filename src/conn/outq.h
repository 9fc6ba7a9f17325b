/* outq.h - a client's queue of outbufs: a ring that costs nothing when idle. */
#ifndef FF_CONN_OUTQ_H
#define FF_CONN_OUTQ_H

#include "base/err.h"
#include "conn/outbuf.h"

#include <sys/uio.h>

#define OUTQ_FEW 2

/* Zero-initialised is empty. */
struct outq {
    struct outbuf **ring; /* NULL: the entries are in few */
    struct outbuf *few[OUTQ_FEW];
    uint32_t head, n, cap; /* of the ring; cap is a power of two */
    uint32_t sent;         /* bytes of the first entry already written */
    uint64_t bytes;        /* not yet written, all entries together */
};

/* Appends and takes a reference of its own. ERR_NOMEM. */
int outq_put(struct outq *q, struct outbuf *b, enum transport t) FF_USE_RESULT;
/* The entry at position i from the front, borrowed. */
struct outbuf *outq_at(const struct outq *q, uint32_t i);
/* Takes out the entries i with drop[i], and puts `b`, whose reference it takes
 * over, in the place of the first of them. There is at least one, and none of
 * them is partly written. */
void outq_replace(struct outq *q, const bool *drop, struct outbuf *b, enum transport t);
/* Describes up to `max` entries from the front for sendmsg. */
int outq_iov(const struct outq *q, enum transport t, struct iovec *iov, int max);
/* `n` bytes were written: lets go of finished entries; *messages counts those
 * that were published messages. */
void outq_written(struct outq *q, size_t n, enum transport t, uint64_t *messages);
/* Drops everything, except the first entry if it is partly written. */
void outq_clear(struct outq *q, enum transport t, bool keep_partial);

#endif
