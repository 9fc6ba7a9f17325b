/* test_core_fakestore.h - a store that keeps the records until the test gives
 * them back. */
#ifndef FF_TEST_CORE_FAKESTORE_H
#define FF_TEST_CORE_FAKESTORE_H

#include "test_core_keep.h"

struct fake {
    struct core_store port;
    struct record *first, **end;
    unsigned waiting;
    unsigned puts;    /* calls */
    int refuse;       /* what admit says */
    uint64_t seq;     /* what admit was asked for last */
    size_t admitted;  /* bytes of that */
    uint64_t written; /* newest message put */
    char text[4096];  /* what came, in short */
    size_t len;
};

static inline int fake_admit(void *ctx, size_t bytes, uint64_t seq)
{
    struct fake *f = ctx;

    f->seq = seq;
    f->admitted = bytes;
    return f->refuse;
}

/* "lane a evicted 3", "5" (a message), "5e" (ephemeral), "forget 2", "acked 5", "|" */
static inline void fake_note(struct fake *f, const struct record *rec)
{
    char *out = f->text + f->len;
    size_t room = sizeof(f->text) - f->len;
    const char *space = f->len ? " " : "";
    int n = 0;

    switch (rec->kind) {
    case RECORD_MESSAGE:
        n = snprintf(out, room, "%s%llu%s", space, (unsigned long long)rec->seq,
                     rec->ephemeral ? "e" : "");
        cr_assert_gt(rec->seq, f->written, "messages come in the order of the log");
        f->written = rec->seq;
        cr_assert(rec->frame);
        break;
    case RECORD_LANE:
        n = snprintf(out, room, "%slane %.*s", space, (int)rec->name.len,
                     rec->name.p ? rec->name.p : "");
        if (rec->evicted) {
            n += snprintf(out + n, room - (size_t)n, " evicted %llu",
                          (unsigned long long)rec->evicted);
        }
        if (rec->queued) {
            n += snprintf(out + n, room - (size_t)n, " queued %llu",
                          (unsigned long long)rec->queued);
        }
        break;
    case RECORD_FORGET:
        n = snprintf(out, room, "%sforget %llu", space, (unsigned long long)rec->floor);
        break;
    case RECORD_ACKED:
        n = snprintf(out, room, "%sacked %llu", space, (unsigned long long)rec->seq);
        break;
    case RECORD_READ:
        n = snprintf(out, room, "%sread %.*s/%.*s %llu", space, (int)rec->name.len, rec->name.p,
                     (int)rec->user.len, rec->user.p, (unsigned long long)rec->seq);
        break;
    case RECORD_UNREAD:
        n = snprintf(out, room, "%sunread %.*s/%.*s", space, (int)rec->name.len, rec->name.p,
                     (int)rec->user.len, rec->user.p);
        break;
    case RECORD_BARRIER:
        n = snprintf(out, room, "%s|", space);
        break;
    }
    f->len += (size_t)n;
    cr_assert_lt(f->len, sizeof(f->text));
}

static inline void fake_put(void *ctx, struct record *first, struct record *last, size_t bytes)
{
    struct fake *f = ctx;

    cr_assert_gt(bytes, 0u);
    cr_assert_null(last->next);
    f->puts++;
    *f->end = first;
    f->end = &last->next;
    for (const struct record *rec = first; rec; rec = rec->next) {
        f->waiting++;
        fake_note(f, rec);
    }
}

static inline void fake_init(struct fake *f, bool delayed, bool waits)
{
    memset(f, 0, sizeof(*f));
    f->end = &f->first;
    f->port.ctx = f;
    f->port.delayed = delayed;
    f->port.waits = waits;
    f->port.admit = fake_admit;
    f->port.put = fake_put;
    atomic_init(&f->port.reserved, UINT64_MAX);
}

static inline struct record *fake_take(struct fake *f)
{
    struct record *rec = f->first;

    f->first = rec->next;
    if (!f->first) {
        f->end = &f->first;
    }
    rec->next = NULL;
    f->waiting--;
    return rec;
}

static inline bool fake_must_be_written(const struct record *rec)
{
    return rec->kind != RECORD_MESSAGE && rec->kind != RECORD_READ && rec->kind != RECORD_BARRIER;
}

/* Gives back up to n records, in one chain; with an error only messages and
 * barriers and read positions, the others wait on. */
static inline void fake_give(struct fake *f, struct router *r, unsigned n, int rc)
{
    struct record *chain = NULL;
    struct record **end = &chain;
    struct record *rest = NULL;
    struct record **rest_end = &rest;

    for (; n && f->first; n--) {
        struct record *rec = fake_take(f);
        if (rc != 0 && fake_must_be_written(rec)) {
            *rest_end = rec;
            rest_end = &rec->next;
            f->waiting++;
        } else {
            *end = rec;
            end = &rec->next;
        }
    }
    if (rest) { /* in front again */
        *rest_end = f->first;
        if (!f->first) {
            f->end = rest_end;
        }
        f->first = rest;
    }
    if (chain) {
        router_stored(r, chain, rc);
    }
}

static inline void fake_give_all(struct fake *f, struct router *r)
{
    while (f->first) {
        fake_give(f, r, ~0u, 0);
    }
}

static inline void fake_expect(struct fake *f, const char *text)
{
    cr_assert_str_eq(f->text, text);
    f->len = 0;
    f->text[0] = '\0';
}

/* ---- tickets ---- */

struct wait {
    struct publish_ticket t; /* first */
    unsigned done;
};

static inline void wait_done(struct publish_ticket *t)
{
    struct wait *w = (struct wait *)(void *)t;

    w->done++;
}

static inline void wait_init(struct wait *w)
{
    memset(w, 0, sizeof(*w));
    w->t.done = wait_done;
    atomic_init(&w->t.left, 1);
}

#endif
