#include "core/seqlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256

struct seqlog_chunk {
    uint32_t n;    /* entries, those taken out included: their lane is NULL */
    uint32_t live; /* never 0 */
    struct seqlog_entry e[CHUNK];
};

static struct seqlog_chunk *chunk_at(const struct seqlog *l, uint32_t i)
{
    return l->dir[l->head + i];
}

void seqlog_fini(struct seqlog *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        free(chunk_at(l, i));
    }
    free(l->dir);
    *l = (struct seqlog){0};
}

/* Room for one more chunk in the directory. */
static int reserve(struct seqlog *l)
{
    struct seqlog_chunk **dir;
    uint32_t cap;

    if (l->head + l->n < l->cap) {
        return 0;
    }
    if (l->head > l->cap / 2) {
        memmove(l->dir, l->dir + l->head, l->n * sizeof(struct seqlog_chunk *));
        l->head = 0;
        return 0;
    }
    cap = l->cap ? l->cap * 2 : 8;
    dir = realloc(l->dir, cap * sizeof(struct seqlog_chunk *));
    if (!dir) {
        return ERR_NOMEM;
    }
    l->dir = dir;
    l->cap = cap;
    return 0;
}

static void squeeze(struct seqlog_chunk *c)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < c->n; i++) {
        if (c->e[i].lane) {
            c->e[to++] = c->e[i];
        }
    }
    c->n = to;
}

int seqlog_append(struct seqlog *l, uint64_t seq, struct lane *lane)
{
    struct seqlog_chunk *c = l->n ? chunk_at(l, l->n - 1) : NULL;

    if (c && c->n == CHUNK && c->live <= CHUNK / 2) {
        squeeze(c); /* most of it went again at once */
    }
    if (!c || c->n == CHUNK) {
        if (reserve(l) != 0) {
            return ERR_NOMEM;
        }
        c = malloc(sizeof(*c));
        if (!c) {
            return ERR_NOMEM;
        }
        c->n = c->live = 0;
        l->dir[l->head + l->n++] = c;
    }
    assert(c->n == 0 || c->e[c->n - 1].seq < seq);
    c->e[c->n++] = (struct seqlog_entry){seq, lane};
    c->live++;
    return 0;
}

/* The first chunk whose last entry is over `after`. */
static uint32_t find_chunk(const struct seqlog *l, uint64_t after)
{
    uint32_t low = 0, high = l->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct seqlog_chunk *c = chunk_at(l, mid);
        if (c->e[c->n - 1].seq > after) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

static uint32_t find_entry(const struct seqlog_chunk *c, uint64_t after)
{
    uint32_t low = 0, high = c->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (c->e[mid].seq > after) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

struct seqlog_pos seqlog_seek(const struct seqlog *l, uint64_t after)
{
    struct seqlog_pos pos = {find_chunk(l, after), 0};

    if (pos.chunk < l->n) {
        pos.at = find_entry(chunk_at(l, pos.chunk), after);
    }
    return pos;
}

const struct seqlog_entry *seqlog_next(const struct seqlog *l, struct seqlog_pos *pos)
{
    for (; pos->chunk < l->n; pos->chunk++, pos->at = 0) {
        const struct seqlog_chunk *c = chunk_at(l, pos->chunk);
        while (pos->at < c->n) {
            const struct seqlog_entry *e = &c->e[pos->at++];
            if (e->lane) {
                return e;
            }
        }
    }
    return NULL;
}

const struct seqlog_entry *seqlog_prev(const struct seqlog *l, struct seqlog_pos *pos)
{
    for (;;) {
        while (pos->at > 0) {
            const struct seqlog_entry *e = &chunk_at(l, pos->chunk)->e[--pos->at];
            if (e->lane) {
                return e;
            }
        }
        if (pos->chunk == 0) {
            return NULL;
        }
        pos->at = chunk_at(l, --pos->chunk)->n;
    }
}

static void drop_chunk(struct seqlog *l, uint32_t i)
{
    free(chunk_at(l, i));
    if (i == 0) {
        l->head++;
    } else {
        memmove(l->dir + l->head + i, l->dir + l->head + i + 1,
                (l->n - i - 1) * sizeof(struct seqlog_chunk *));
    }
    l->n--;
}

/* Moves what is left of chunk i + 1 into chunk i, if it fits. */
static void merge(struct seqlog *l, uint32_t i)
{
    struct seqlog_chunk *a = chunk_at(l, i);
    const struct seqlog_chunk *b = chunk_at(l, i + 1);

    if (a->live + b->live > CHUNK) {
        return;
    }
    squeeze(a);
    for (uint32_t k = 0; k < b->n; k++) {
        if (b->e[k].lane) {
            a->e[a->n++] = b->e[k];
        }
    }
    a->live = a->n;
    drop_chunk(l, i + 1);
}

void seqlog_remove(struct seqlog *l, uint64_t seq)
{
    struct seqlog_pos pos = seqlog_seek(l, seq - 1);
    struct seqlog_chunk *c = chunk_at(l, pos.chunk);
    uint32_t at = pos.at;

    assert(c->e[at].seq == seq && c->e[at].lane);
    c->e[at].lane = NULL;
    c->live--;
    if (c->live == 0) {
        drop_chunk(l, pos.chunk);
        return;
    }
    /* The last one is still being filled. At a few sizes only, so that a pair
     * that does not fit is not looked at each time. */
    if (pos.chunk + 1 < l->n && c->live < CHUNK / 2 && (c->live & (c->live - 1)) == 0) {
        if (pos.chunk + 2 < l->n) {
            merge(l, pos.chunk);
        }
        if (pos.chunk > 0) {
            merge(l, pos.chunk - 1);
        }
    }
}
