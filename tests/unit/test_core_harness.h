/* test_core_harness.h - a router whose ports are plain lists on one thread, so
 * that a test decides when a shard delivers. */
#ifndef FF_TEST_CORE_HARNESS_H
#define FF_TEST_CORE_HARNESS_H

#include "core/people.h"
#include "core/router.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { H_SHARDS = 5, H_EPOCH = 12345 };

/* The mailbox's node, inside the message. */
struct h_link {
    struct h_link *next;
    struct message *m;
};
_Static_assert(sizeof(struct h_link) <= PORT_LINK_SIZE, "a link has room");

struct harness;

struct h_shard {
    struct harness *h;
    unsigned index;
    struct h_link *first, **end;
    unsigned waiting;
    unsigned posted;   /* messages, ever */
    uint64_t last_seq; /* newest delivered */
    unsigned lost;     /* how often the sink was told that one is */
    bool full;
};

struct harness {
    struct router *r;
    struct h_shard shards[H_SHARDS];
    bool locked;
    bool in_hook;
    bool eager;                  /* every message is delivered before it is quite posted */
    const struct core_item *run; /* being delivered */
    unsigned run_n, longest;
    /* Called before the lock is taken: what another thread might do just then. */
    void (*before_lock)(void *ctx);
    void (*frame)(void *ctx, const struct frame *f, uint64_t seq);
    void (*deliver)(void *ctx, struct member *m, uint64_t seq);
    void (*notice)(void *ctx, struct member *m, const struct frame *f);
    void *ctx;
    /* What router_people needs. */
    uint64_t mono, real; /* the clocks, ms */
    uint64_t due;        /* the earliest that was asked for since h_people */
    void (*happened)(void *ctx, const struct core_event *ev);
};

static inline void h_lock(void *ctx)
{
    struct harness *h = ctx;

    if (h->before_lock && !h->in_hook) {
        h->in_hook = true;
        h->before_lock(h->ctx);
        h->in_hook = false;
    }
    cr_assert_not(h->locked, "the lock is not recursive");
    h->locked = true;
}

static inline void h_unlock(void *ctx)
{
    struct harness *h = ctx;

    cr_assert(h->locked);
    h->locked = false;
}

static inline bool h_full(void *ctx, unsigned shard)
{
    const struct harness *h = ctx;

    return h->shards[shard].full;
}

static inline bool h_pending(void *ctx, unsigned shard)
{
    const struct harness *h = ctx;

    return h->shards[shard].first != NULL;
}

static inline void h_check_frame(struct h_shard *s, const struct frame *f, uint64_t seq)
{
    char id[CURSOR_MAX + 8];
    char cursor[CURSOR_MAX];

    if (f->notice) { /* has no place of its own */
        cr_assert_geq(seq, s->last_seq);
        s->last_seq = seq;
        return;
    }
    cr_assert_gt(seq, s->last_seq, "a shard's order is the log's");
    s->last_seq = seq;
    cursor_format((struct cursor){H_EPOCH, seq}, cursor);
    snprintf(id, sizeof(id), "id: %s\n", cursor);
    cr_assert(memmem(f->bytes, f->sse_len, id, strlen(id)), "the frame is sealed: %s", id);
}

static inline void *h_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct h_shard *s = ctx;

    for (unsigned i = 0; i < n; i++) {
        h_check_frame(s, v[i].frame, v[i].seq);
        if (s->h->frame && !v[i].frame->notice) {
            s->h->frame(s->h->ctx, v[i].frame, v[i].seq);
        }
    }
    s->h->run = v;
    s->h->run_n = n;
    s->h->longest = n > s->h->longest ? n : s->h->longest;
    return s;
}

static inline void h_deliver(void *ctx, void *token, struct member *m)
{
    const struct h_shard *s = ctx;

    cr_assert_eq(token, s);
    cr_assert_eq(m->shard, s->index, "delivered on another's shard");
    for (unsigned i = 0; i < s->h->run_n; i++) {
        const struct core_item *it = &s->h->run[i];
        if (it->frame->notice) {
            if (s->h->notice) {
                s->h->notice(s->h->ctx, m, it->frame);
            }
        } else if (s->h->deliver) {
            s->h->deliver(s->h->ctx, m, it->seq);
        }
    }
}

static inline void h_end(void *ctx, void *token)
{
    (void)ctx;
    (void)token;
}

static inline void h_lost(void *ctx)
{
    struct h_shard *s = ctx;

    s->lost++;
}

static inline struct message *h_take(struct h_shard *s)
{
    struct message *m = s->first->m;

    s->first = s->first->next;
    if (!s->first) {
        s->end = &s->first;
    }
    s->waiting--;
    return m;
}

/* Delivers up to `max` messages on the shard, in runs as long as can be. */
static inline unsigned h_drain(struct harness *h, unsigned shard, unsigned max)
{
    struct h_shard *s = &h->shards[shard];
    const struct core_sink sink = {s, h_begin, h_deliver, h_end, h_lost};
    unsigned n = 0;

    while (s->first && n < max) {
        struct message *run[CORE_RUN_MAX];
        unsigned len = 0;
        do {
            run[len++] = h_take(s);
        } while (s->first && n + len < max && len < CORE_RUN_MAX &&
                 router_same_members(run[0], s->first->m));
        n += len;
        router_deliver(h->r, shard, run, len, &sink);
    }
    return n;
}

static inline void h_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct harness *h = ctx;
    struct h_shard *s = &h->shards[shard];
    struct h_link *l = link;

    cr_assert(h->locked, "posted without the lock");
    cr_assert_gt(size, 0);
    *l = (struct h_link){NULL, m};
    *s->end = l;
    s->end = &l->next;
    s->waiting++;
    s->posted++;
    if (h->eager) {
        h_drain(h, shard, 1);
    }
}

static inline void h_settle(void *ctx, unsigned shard)
{
    h_drain(ctx, shard, ~0u);
}

static inline void h_drain_all(struct harness *h)
{
    for (unsigned i = 0; i < H_SHARDS; i++) {
        h_settle(h, i);
    }
}

/* ---- people: a clock that stands still ---- */

static inline uint64_t h_mono(void *ctx)
{
    return ((const struct harness *)ctx)->mono;
}

static inline uint64_t h_real(void *ctx)
{
    return ((const struct harness *)ctx)->real;
}

static inline void h_due(void *ctx, uint64_t due_ms)
{
    struct harness *h = ctx;

    cr_assert(h->locked, "asked for without the lock");
    cr_assert_lt(due_ms, h->due, "asked for, though it is earlier already");
    h->due = due_ms;
}

static inline void h_happened(void *ctx, const struct core_event *ev)
{
    const struct harness *h = ctx;

    cr_assert(h->locked);
    if (h->happened) {
        h->happened(h->ctx, ev);
    }
}

/* Everything of people that is due until `ms` from now, each at its time. */
static inline void h_people(struct harness *h, uint64_t ms)
{
    uint64_t end = h->mono + ms;

    while (h->due <= end) {
        uint64_t step = h->due > h->mono ? h->due - h->mono : 0;
        h->mono += step;
        h->real += step;
        h->due = router_people_run(h->r);
    }
    h->real += end - h->mono;
    h->mono = end;
}

static inline int h_init(struct harness *h)
{
    const struct core_ports ports = {.ctx = h,
                                     .lock = h_lock,
                                     .unlock = h_unlock,
                                     .post = h_post,
                                     .full = h_full,
                                     .settle = h_settle,
                                     .pending = h_pending,
                                     .mono_ms = h_mono,
                                     .real_ms = h_real,
                                     .due = h_due,
                                     .happened = h_happened};

    *h = (struct harness){.mono = 1000000, .real = 1790000000000, .due = UINT64_MAX};
    for (unsigned i = 0; i < H_SHARDS; i++) {
        h->shards[i].h = h;
        h->shards[i].index = i;
        h->shards[i].end = &h->shards[i].first;
    }
    return router_new(H_SHARDS, H_EPOCH, 99, &ports, &h->r);
}

static inline void h_fini(struct harness *h)
{
    h_drain_all(h);
    router_free(h->r);
    h->r = NULL;
}

/* Publishes one message of `data` to each target. */
static inline int h_publish(struct harness *h, enum target_kind kind, const struct str *targets,
                            unsigned count, uint64_t except, struct publish_result *results)
{
    const struct publication p = {.envelope = {.kind = kind,
                                               .type = STR_LIT("t"),
                                               .id = STR_LIT("i"),
                                               .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                                               .data = STR_LIT("null")},
                                  .targets = targets,
                                  .count = count,
                                  .except = except};
    struct publish_verdict verdict;

    return router_publish(h->r, &p, results, &verdict);
}

#endif
