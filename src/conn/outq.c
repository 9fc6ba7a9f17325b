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

static int grow(struct outq *q)
{
    uint32_t cap = q->ring ? q->cap * 2 : 8;
    struct outbuf **ring = malloc(cap * sizeof(struct outbuf *));

    if (!ring) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < q->n; i++) {
        ring[i] = *slot(q, i);
    }
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
    return 0;
}

static inline bool is_full(const struct outq *q)
{
    return q->n == (q->ring ? q->cap : OUTQ_FEW);
}

int outq_put(struct outq *q, struct outbuf *b, enum transport t)
{
    if (is_full(q) && grow(q) != 0) {
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
    outbuf_unref(*slot(q, 0));
    q->n--;
    q->sent = 0;
    if (q->ring) {
        q->head = (q->head + 1) & (q->cap - 1);
        if (q->n == 0) {
            free(q->ring);
            q->ring = NULL;
            q->head = q->cap = 0;
        }
    } else {
        for (uint32_t i = 0; i < q->n; i++) {
            q->few[i] = q->few[i + 1];
        }
    }
}

void outq_remove(struct outq *q, uint32_t i, enum transport t)
{
    struct outbuf *b = outq_at(q, i);

    assert(i > 0 || q->sent == 0);
    q->bytes -= b->len[t];
    for (; i > 0; i--) {
        *slot(q, i) = *slot(q, i - 1);
    }
    *slot(q, 0) = b;
    /* What moved to the front is going; a partly written entry moved up. */
    uint32_t sent = q->sent;
    pop(q);
    q->sent = q->n ? sent : 0;
}

int outq_insert(struct outq *q, uint32_t i, struct outbuf *b, enum transport t)
{
    assert(i <= q->n && (i > 0 || q->sent == 0));
    if (is_full(q) && grow(q) != 0) {
        return ERR_NOMEM;
    }
    q->n++;
    for (uint32_t j = q->n - 1; j > i; j--) {
        *slot(q, j) = *slot(q, j - 1);
    }
    *slot(q, i) = b;
    q->bytes += b->len[t];
    return 0;
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
        q->n--;
        q->bytes -= (*slot(q, q->n))->len[t];
        outbuf_unref(*slot(q, q->n));
    }
    if (q->n == 0) {
        q->bytes = 0;
        q->sent = 0;
        free(q->ring);
        q->ring = NULL;
        q->head = q->cap = 0;
    }
}
