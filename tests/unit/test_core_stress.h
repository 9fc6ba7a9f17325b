/* test_core_stress.h - a router whose shards, publishers and store are threads;
 * for stress_core_replay.c, which has its own main. */
#ifndef FF_TEST_CORE_STRESS_H
#define FF_TEST_CORE_STRESS_H

#include "core/replay.h"
#include "support_stress.h"

#include <pthread.h>
#include <sched.h>

enum { SHARDS = 3, SLOTS = 6, PICK = 3, EPOCH = 77 };

struct entry {
    enum target_kind kind;
    unsigned to;
    bool there, ephemeral;
};

struct told {
    struct told *next;
    enum gap_scope scope;
    struct str name;
    uint64_t from, to;
};

/* One client from a position to its end. */
struct session {
    struct member m; /* first */
    struct session *next;
    struct str set[PICK];
    unsigned n;
    int user;
    bool live;
    uint64_t from, joined, end;
    struct list got;
    struct told *told;
    struct replay rp;
};

struct node {
    struct node *next;
    struct message *m;
};
_Static_assert(sizeof(struct node) <= PORT_LINK_SIZE, "a link has room");

struct shard {
    struct world *w;
    unsigned index;
    pthread_mutex_t lock; /* of the mailbox */
    struct node *first, **end;
    /* its thread only */
    uint64_t rng, now, next_id;
    const struct core_item *run;
    unsigned run_n, faults;
    struct session *slots[SLOTS];
    uint64_t position[SLOTS];
    struct session *sessions;
    struct replay_slice slice;
};

struct world {
    struct router *r;
    struct options opt;
    struct metrics metrics;
    struct core_store port;
    pthread_mutex_t lock;
    pthread_mutex_t store_lock; /* of the store's queue */
    struct record *first, **end;
    struct shard shards[SHARDS];
    struct entry *log; /* by seq */
    bool *failed;      /* by seq */
    size_t log_size;
    unsigned publications;
    atomic_uint publishing; /* publishers that are not done */
    atomic_bool stop;       /* the store may end when it has nothing left */
};

/* ---- the ports ---- */

static void port_lock(void *ctx)
{
    pthread_mutex_lock(&((struct world *)ctx)->lock);
}

static void port_unlock(void *ctx)
{
    pthread_mutex_unlock(&((struct world *)ctx)->lock);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    struct node *n = link;

    *n = (struct node){NULL, size ? m : NULL};
    pthread_mutex_lock(&s->lock);
    *s->end = n;
    s->end = &n->next;
    pthread_mutex_unlock(&s->lock);
}

static bool port_full(void *ctx, unsigned shard)
{
    (void)ctx;
    (void)shard;
    return false;
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->first != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

static struct message *take(struct shard *s)
{
    struct message *m = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->first) {
        m = s->first->m;
        s->first = s->first->next;
        s->end = s->first ? s->end : &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

static void *sink_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct shard *s = ctx;

    for (unsigned i = 0; i < n; i++) {
        if (v[i].seq <= s->now) {
            fault(&s->faults, "a shard is out of order", s->index, v[i].seq);
        }
        s->now = v[i].seq;
    }
    s->run = v;
    s->run_n = n;
    return s;
}

static void sink_deliver(void *ctx, void *token, struct member *m)
{
    const struct shard *s = ctx;

    (void)token;
    for (unsigned i = 0; i < s->run_n; i++) {
        list_add(&((struct session *)(void *)m)->got, s->run[i].seq);
    }
}

static void sink_end(void *ctx, void *token)
{
    (void)ctx;
    (void)token;
}

static void sink_lost(void *ctx)
{
    struct shard *s = ctx;

    fault(&s->faults, "memory was short", s->index, s->now);
}

static void drain(struct shard *s, unsigned max)
{
    const struct core_sink sink = {s, sink_begin, sink_deliver, sink_end, sink_lost};
    struct message *m;

    while (max-- && (m = take(s))) {
        router_deliver(s->w->r, s->index, &m, 1, &sink);
    }
}

static void port_settle(void *ctx, unsigned shard)
{
    drain(&((struct world *)ctx)->shards[shard], ~0u);
}

/* ---- the store ---- */

static int store_admit(void *ctx, size_t bytes, uint64_t seq)
{
    (void)ctx;
    return bytes && seq ? 0 : ERR_STORE;
}

static void store_put(void *ctx, struct record *first, struct record *last, size_t bytes)
{
    struct world *w = ctx;

    (void)bytes;
    pthread_mutex_lock(&w->store_lock);
    *w->end = first;
    w->end = &last->next;
    pthread_mutex_unlock(&w->store_lock);
}

/* A transaction: up to n records. */
static struct record *store_take(struct world *w, unsigned n)
{
    struct record *first, *last;

    pthread_mutex_lock(&w->store_lock);
    first = last = w->first;
    while (last && --n && last->next) {
        last = last->next;
    }
    if (last) {
        w->first = last->next;
        w->end = w->first ? w->end : &w->first;
        last->next = NULL;
    }
    pthread_mutex_unlock(&w->store_lock);
    return first;
}

/* What must be written in any case stays at the front; the rest has failed. */
static struct record *store_fail(struct world *w, struct record *chain)
{
    struct record *failed = NULL, *kept = NULL;
    struct record **failed_end = &failed, **kept_end = &kept;

    while (chain) {
        struct record *rec = chain;
        chain = rec->next;
        rec->next = NULL;
        if (rec->kind == RECORD_MESSAGE || rec->kind == RECORD_BARRIER) {
            if (rec->kind == RECORD_MESSAGE) {
                w->failed[rec->seq] = true;
            }
            *failed_end = rec;
            failed_end = &rec->next;
        } else {
            *kept_end = rec;
            kept_end = &rec->next;
        }
    }
    if (kept) {
        pthread_mutex_lock(&w->store_lock);
        *kept_end = w->first;
        w->end = w->first ? w->end : kept_end;
        w->first = kept;
        pthread_mutex_unlock(&w->store_lock);
    }
    return failed;
}

static void *run_store(void *arg)
{
    struct world *w = arg;
    uint64_t rng = 12345;

    for (;;) {
        bool last = atomic_load(&w->stop);
        struct record *chain = store_take(w, 1 + rnd(&rng, 20));
        if (!chain) {
            if (last) {
                return NULL;
            }
            sched_yield();
        } else if (w->port.delayed && rnd(&rng, 30) == 0) {
            chain = store_fail(w, chain);
            if (chain) {
                router_stored(w->r, chain, ERR_STORE);
            }
        } else {
            router_stored(w->r, chain, 0);
        }
    }
}

static void stress_start(pthread_t *t, void *(*run)(void *), void *arg)
{
    if (pthread_create(t, NULL, run, arg) != 0) {
        abort();
    }
}

#endif
