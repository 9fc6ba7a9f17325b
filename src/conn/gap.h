/* gap.h - the drop-oldest policy: the oldest waiting messages give way, and a
 * fanfare.gap takes their place in the stream. */
#ifndef FF_CONN_GAP_H
#define FF_CONN_GAP_H

#include "conn/stream.h"

/* Makes room for `len` more bytes in one more entry. False if it cannot be
 * done (nothing to drop, or no memory). */
bool gap_make_room(struct stream *s, uint64_t len);
/* Lets go of the memory of it; the marker stays in the queue. */
void gap_forget(struct stream *s);

#endif
