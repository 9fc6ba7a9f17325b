/* outbuf.h - bytes that wait in clients' queues, counted within one shard.
 *
 * A published message reaches a shard once; its clients share one outbuf, whose
 * count needs no atomic instruction. What is for one client alone (control
 * events, WebSocket control frames) has its bytes inside. */
#ifndef FF_CONN_OUTBUF_H
#define FF_CONN_OUTBUF_H

#include "proto/control.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* What outbufs and the rings that they stand in take on one shard, bytes. */
struct held {
    uint64_t here; /* each frame as if it were this shard's alone */
    /* A frame that several shards hold is counted by the first to come and
     * uncounted by the last to go: only the sum over all shards means anything. */
    int64_t share;
};

static inline void held_add(struct held *h, size_t size)
{
    h->here += size;
    h->share += (int64_t)size;
}
static inline void held_sub(struct held *h, size_t size)
{
    h->here -= size;
    h->share -= (int64_t)size;
}

struct outbuf {
    uint32_t refs;
    uint32_t len[2]; /* by enum transport */
    uint32_t lane;   /* conn/lanes.h; 0: not known yet */
    const char *data[2];
    struct frame *frame; /* a published message; NULL: private bytes */
    uint64_t seq;        /* of the message; of a fanfare.gap that gap.c made, its cursor */
    struct held *held;   /* where it is counted */
    uint8_t policy;      /* 1 + enum slow_client; 0: not looked up yet */
    bool direct;         /* to one client, without a place in the log */
    char bytes[];
};

/* One reference; holds a reference of the frame. NULL without memory. */
struct outbuf *outbuf_of_frame(struct frame *f, uint64_t seq, struct held *held);
/* One reference; the bytes are copied, the same for both transports. */
struct outbuf *outbuf_of_bytes(struct str bytes, struct held *held);
void outbuf_unref(struct outbuf *b);

#endif
