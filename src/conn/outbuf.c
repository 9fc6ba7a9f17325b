#include "conn/outbuf.h"

#include "conf/options.h"

#include <stdlib.h>

/* What malloc adds to a block, about. */
#define MALLOC_EXTRA 16

static size_t frame_block(const struct frame *f)
{
    return frame_size(f) + MALLOC_EXTRA;
}

static size_t own_block(const struct outbuf *b)
{
    return sizeof(*b) + (b->frame ? 0 : b->len[0]) + MALLOC_EXTRA;
}

struct outbuf *outbuf_of_frame(struct frame *f, uint64_t seq, struct held *held)
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
    b->lane = 0;
    b->frame = frame_ref(f);
    b->seq = seq;
    b->held = held;
    b->policy = f->notice ? 1 + SLOW_DISCONNECT : 0; /* no gap would cover a notice */
    b->direct = f->notice;
    held_add(held, own_block(b));
    held->here += frame_block(f);
    if (atomic_fetch_add_explicit(&f->holders, 1, memory_order_relaxed) == 0) {
        held->share += (int64_t)frame_block(f);
    }
    return b;
}

struct outbuf *outbuf_of_bytes(struct str bytes, struct held *held)
{
    struct outbuf *b = malloc(sizeof(*b) + bytes.len);

    if (!b) {
        return NULL;
    }
    *b = (struct outbuf){.refs = 1, .held = held};
    if (bytes.len) {
        memcpy(b->bytes, bytes.p, bytes.len);
    }
    for (int t = 0; t < 2; t++) {
        b->len[t] = (uint32_t)bytes.len;
        b->data[t] = b->bytes;
    }
    held_add(held, own_block(b));
    return b;
}

static void drop_frame(struct held *held, struct frame *f)
{
    held->here -= frame_block(f);
    if (atomic_fetch_sub_explicit(&f->holders, 1, memory_order_relaxed) == 1) {
        held->share -= (int64_t)frame_block(f);
    }
    frame_unref(f);
}

void outbuf_unref(struct outbuf *b)
{
    if (--b->refs == 0) {
        held_sub(b->held, own_block(b));
        if (b->frame) {
            drop_frame(b->held, b->frame);
        }
        free(b);
    }
}
