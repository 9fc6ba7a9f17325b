#include "conn/outbuf.h"

#include <stdlib.h>

struct outbuf *outbuf_of_frame(struct frame *f, uint64_t seq)
{
    struct outbuf *b = malloc(sizeof(*b));

    if (!b) {
        return NULL;
    }
    b->refs = 1;
    b->len[TRANSPORT_SSE] = f->sse_len;
    b->data[TRANSPORT_SSE] = frame_sse(f).p;
    b->len[TRANSPORT_WS] = f->ws_len;
    b->data[TRANSPORT_WS] = frame_ws(f).p;
    b->frame = frame_ref(f);
    b->seq = seq;
    return b;
}

struct outbuf *outbuf_of_bytes(struct str bytes)
{
    struct outbuf *b = malloc(sizeof(*b) + bytes.len);

    if (!b) {
        return NULL;
    }
    b->refs = 1;
    b->frame = NULL;
    b->seq = 0;
    if (bytes.len) {
        memcpy(b->bytes, bytes.p, bytes.len);
    }
    for (int t = 0; t < 2; t++) {
        b->len[t] = (uint32_t)bytes.len;
        b->data[t] = b->bytes;
    }
    return b;
}

void outbuf_unref(struct outbuf *b)
{
    if (--b->refs == 0) {
        frame_unref(b->frame);
        free(b);
    }
}
