#include "conn/burst.h"

#include "conn/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void drop_parts(struct burst *b)
{
    while (b->n) {
        outbuf_unref(b->parts[--b->n]);
    }
}

bool burst_begin(struct burst *b, const struct core_item *v, unsigned n, struct held *held,
                 bool through)
{
    assert(b->n == 0 && n <= CORE_RUN_MAX);
    b->through = through;
    for (int t = 0; t < 2; t++) {
        b->len[t] = 0;
        b->joined[t] = NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        struct outbuf *part = outbuf_of_frame(v[i].frame, v[i].seq, held);
        if (!part) {
            drop_parts(b);
            return false;
        }
        b->parts[b->n++] = part;
        b->len[TRANSPORT_SSE] += part->len[TRANSPORT_SSE];
        b->len[TRANSPORT_WS] += part->len[TRANSPORT_WS];
    }
    return true;
}

void burst_end(struct burst *b)
{
    drop_parts(b);
}

void burst_fini(struct burst *b)
{
    for (int t = 0; t < 2; t++) {
        free(b->room[t]);
        b->room[t] = NULL;
        b->cap[t] = 0;
    }
}

/* The bytes of all parts in a row, or NULL without memory. */
static const char *join(struct burst *b, enum transport t)
{
    char *p;

    if (b->n == 1) {
        return b->joined[t] = b->parts[0]->data[t];
    }
    if (b->cap[t] < b->len[t]) {
        p = realloc(b->room[t], b->len[t]);
        if (!p) {
            return NULL;
        }
        b->room[t] = p;
        b->cap[t] = b->len[t];
    }
    p = b->room[t];
    for (unsigned i = 0; i < b->n; i++) {
        memcpy(p, b->parts[i]->data[t], b->parts[i]->len[t]);
        p += b->parts[i]->len[t];
    }
    return b->joined[t] = b->room[t];
}

/* What a write of `sent` bytes left over goes into the queue. */
static void put_rest(struct burst *b, struct stream *s, size_t sent)
{
    enum transport t = s->ops->transport;
    unsigned i = 0;

    for (; i < b->n && sent >= b->parts[i]->len[t]; i++) {
        sent -= b->parts[i]->len[t];
        s->messages++;
        s->position = b->parts[i]->seq;
    }
    if (i < b->n && sent) {
        stream_put_begun(s, b->parts[i++], sent);
    }
    for (; i < b->n; i++) {
        stream_put(s, b->parts[i]);
    }
}

void burst_put(struct burst *b, struct stream *s)
{
    enum transport t = s->ops->transport;
    const char *bytes = b->joined[t];
    size_t sent = 0;

    if (b->through && stream_is_clear(s) && (bytes || (bytes = join(b, t)) != NULL)) {
        sent = stream_write(s, bytes, b->len[t]);
        if (sent == b->len[t]) {
            s->messages += b->n;
            s->position = b->parts[b->n - 1]->seq;
            return;
        }
    }
    put_rest(b, s, sent);
}
