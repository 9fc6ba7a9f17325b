/* gap.h - waiting messages give way, and a fanfare.gap takes their place. */
#ifndef FF_CONN_GAP_H
#define FF_CONN_GAP_H

#include "conn/outbuf.h"

struct stream;

/* What the marker stands for that is still unsent in the queue: later drops
 * widen it, so there is never more than one. */
struct gap {
    struct outbuf *marker; /* our reference beside the queue's; NULL: there is none */
    uint64_t from, to;
    bool lost; /* not all were superseded */
};

/* Drops what newer messages, or `next` (about to be queued; may be NULL),
 * supersede. The stream lags. */
void gap_conflate(struct stream *s, struct outbuf *next);
/* Makes room for `next`: superseded messages go first, then the oldest of the
 * drop-oldest channels. False if too little may go, or memory is short: then
 * nothing has changed. The stream lags. */
bool gap_make_room(struct stream *s, struct outbuf *next);
/* Lets go of the memory; the marker stays in the queue. */
void gap_forget(struct gap *g);

#endif
