#include "conn/outq.h"

#include <assert.h>
#include <stdlib.h>

static inline struct outbuf **slot(const struct outq *q, uint32_t i)
{
    struct outq *w = (struct outq *)(uintptr_t)q;

    if (!w->ring) {
        return &w->few[i]; /* few is kept packed: head is 0 */
    }
    return &w->ring[(w->head + i) & (w->cap - 1)];
}

static size_t ring_size(uint32_t cap)
{
    return cap * sizeof(struct outbuf *);
}

static int resize(struct outq *q, uint32_t cap, struct held *held)
{
    struct outbuf **ring = malloc(ring_size(cap));

    if (!ring) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < q->n; i++) {
        ring[i] = *slot(q, i);
    }
    held_add(held, ring_size(cap));
    held_sub(held, ring_size(q->cap));
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
    return 0;
}

/* There is a ring only while there are entries, so one of them says where it
 * is counted. */
static void free_ring(struct outq *q, struct held *held)
{
    held_sub(held, ring_size(q->cap));
    free(q->ring);
    q->ring = NULL;
    q->head = q->cap = 0;
}

static inline bool is_full(const struct outq *q)
{
    return q->n == (q->ring ? q->cap : OUTQ_FEW);
}

int outq_put(struct outq *q, struct outbuf *b, enum transport t)
{
    if (is_full(q) && resize(q, q->ring ? q->cap * 2 : 8, b->held) != 0) {
        return ERR_NOMEM;
    }
    *slot(q, q->n) = b;
    q->n++;
    b->refs++;
    q->bytes += b->len[t];
    return 0;
}

struct outbuf *outq_at(const struct outq *q, uint32_t i)
{
    assert(i < q->n);
    return *slot(q, i);
}

/* Lets go of the first entry. */
static void pop(struct outq *q)
{
    struct outbuf *b = *slot(q, 0);

    q->n--;
    q->sent = 0;
    if (q->ring) {
        q->head = (q->head + 1) & (q->cap - 1);
        if (q->n == 0) {
            free_ring(q, b->held);
        }
    } else {
        for (uint32_t i = 0; i < q->n; i++) {
            q->few[i] = q->few[i + 1];
        }
    }
    outbuf_unref(b);
}

/* After many have gone at once the ring may be far too large. */
static void shrink(struct outq *q, struct held *held)
{
    uint32_t cap = 8;

    if (!q->ring || q->n > q->cap / 8) {
        return;
    }
    while (cap < q->n * 2) {
        cap *= 2;
    }
    (void)!resize(q, cap, held); /* without memory the large one stays */
}

void outq_replace(struct outq *q, const bool *drop, struct outbuf *b, enum transport t)
{
    struct held *held = b->held;
    uint32_t kept = 0;
    bool placed = false;

    assert(!drop[0] || q->sent == 0);
    for (uint32_t i = 0; i < q->n; i++) {
        struct outbuf *e = *slot(q, i);
        if (!drop[i]) {
            *slot(q, kept++) = e;
            continue;
        }
        q->bytes -= e->len[t];
        outbuf_unref(e);
        if (!placed) {
            *slot(q, kept++) = b;
            q->bytes += b->len[t];
            placed = true;
        }
    }
    assert(placed);
    q->n = kept;
    shrink(q, held);
}

int outq_iov(const struct outq *q, enum transport t, struct iovec *iov, int max)
{
    int n = 0;

    for (uint32_t i = 0; i < q->n && n < max; i++, n++) {
        const struct outbuf *b = *slot(q, i);
        uint32_t skip = i ? 0 : q->sent;
        iov[n].iov_base = (char *)(uintptr_t)b->data[t] + skip;
        iov[n].iov_len = b->len[t] - skip;
    }
    return n;
}

void outq_written(struct outq *q, size_t n, enum transport t, uint64_t *messages)
{
    q->bytes -= n;
    while (q->n) {
        const struct outbuf *b = *slot(q, 0);
        size_t left = b->len[t] - q->sent;
        if (n < left) {
            q->sent += (uint32_t)n;
            return;
        }
        n -= left;
        *messages += b->frame != NULL;
        pop(q);
    }
    assert(n == 0);
}

void outq_clear(struct outq *q, enum transport t, bool keep_partial)
{
    uint32_t keep = keep_partial && q->n && q->sent ? 1 : 0;

    while (q->n > keep) {
        struct outbuf *b = *slot(q, q->n - 1);
        q->n--;
        q->bytes -= b->len[t];
        if (q->n == 0) {
            q->bytes = 0;
            q->sent = 0;
            if (q->ring) {
                free_ring(q, b->held);
            }
        }
        outbuf_unref(b);
    }
}
