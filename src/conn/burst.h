/* burst.h - messages that go to the same clients at the same time.
 *
 * A client that has nothing waiting is written to at once: one system call for
 * all of them, from bytes that were put together once for the shard, and no
 * queue. Whoever has something waiting, or takes less than all, gets the
 * messages one by one into its queue, where the slow-client policy sees them. */
#ifndef FF_CONN_BURST_H
#define FF_CONN_BURST_H

#include "conn/outbuf.h"
#include "core/ports.h"

struct stream;

/* One a shard, zero-initialised; used again and again. */
struct burst {
    unsigned n;
    bool through; /* write at once where possible */
    struct outbuf *parts[CORE_RUN_MAX];
    size_t len[2];         /* of all parts, by enum transport */
    const char *joined[2]; /* their bytes; NULL: not put together yet */
    char *room[2];         /* memory for that */
    size_t cap[2];
};

/* False without memory; then there is no burst. */
bool burst_begin(struct burst *b, const struct core_item *v, unsigned n, struct held *held,
                 bool through);
void burst_put(struct burst *b, struct stream *s);
void burst_end(struct burst *b);
void burst_fini(struct burst *b);

#endif
