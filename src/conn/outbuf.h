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

struct outbuf {
    uint32_t refs;
    uint32_t len[2]; /* by enum transport */
    const char *data[2];
    struct frame *frame; /* a published message; NULL: private bytes */
    uint64_t seq;        /* of the message */
    char bytes[];
};

/* One reference; holds a reference of the frame. NULL without memory. */
struct outbuf *outbuf_of_frame(struct frame *f, uint64_t seq);
/* One reference; the bytes are copied, the same for both transports. */
struct outbuf *outbuf_of_bytes(struct str bytes);
void outbuf_unref(struct outbuf *b);

#endif
