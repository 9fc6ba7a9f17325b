/* Publishing and delivery: the hot path. */
#include "core/message.h"
#include "core/router_private.h"

#include <assert.h>
#include <stdlib.h>

/* Publications to up to this many targets need no memory for the list. */
#define FEW_MESSAGES 8

static struct message *message_new(const struct router *r)
{
    struct message *m = malloc(sizeof(*m) + r->shards * PORT_LINK_SIZE);

    if (m) {
        memset(m, 0, sizeof(*m));
        m->groups.v = m->groups.few;
    }
    return m;
}

static void message_free(struct message *m)
{
    if (m->topic) {
        topic_unref(m->topic);
    }
    for (unsigned i = 0; i < m->groups.n; i++) {
        topic_unref(m->groups.v[i]);
    }
    group_set_fini(&m->groups);
    frame_unref(m->frame);
    free(m);
}

static void message_unref(struct message *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        message_free(m);
    }
}

static uint64_t topic_shards(const struct topic *t)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < t->nshards; i++) {
        mask |= (uint64_t)(t->local[i].n != 0) << i;
    }
    return mask;
}

static uint64_t everyone_shards(const struct router *r)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < r->shards; i++) {
        mask |= (uint64_t)(r->all[i].n != 0) << i;
    }
    return mask;
}

static void address_topic(struct message *m, struct topic *t)
{
    if (t && t->total) {
        topic_ref(t);
        m->topic = t;
        m->matched += t->total;
        m->interested |= topic_shards(t);
    }
}

/* Lock held. Finds whom the message is for. */
static int address(struct router *r, struct message *m, struct str target)
{
    switch (m->kind) {
    case TARGET_EVERYONE:
        m->matched = r->members;
        m->interested = everyone_shards(r);
        return 0;
    case TARGET_USER:
        address_topic(m, topic_find(&r->users, target));
        return 0;
    case TARGET_CHANNEL:
        break;
    }
    address_topic(m, topic_find(&r->channels, target));
    if (!r->groups.head) {
        return 0;
    }
    if (patterns_match(&r->patterns, target, &m->groups) != 0) {
        group_set_fini(&m->groups);
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < m->groups.n; i++) {
        struct topic *g = m->groups.v[i];
        topic_ref(g);
        m->matched += g->total;
        m->interested |= topic_shards(g);
    }
    return 0;
}

/* Lock held. Everything that can fail, before anything has happened. */
static int prepare(struct router *r, const struct publication *p, struct message **v)
{
    uint64_t next = atomic_load_explicit(&r->top, memory_order_relaxed) + 1;
    uint64_t interested = 0;

    for (unsigned i = 0; i < p->count; i++) {
        struct message *m = v[i];
        struct str target = p->targets ? p->targets[i] : STR_NONE;
        unsigned digits = frame_digits(next + i);
        if (address(r, m, target) != 0) {
            return ERR_NOMEM;
        }
        if (m->frame->seq_digits != digits) { /* others published meanwhile */
            struct envelope e = p->envelope;
            e.target = target;
            frame_unref(m->frame);
            m->frame = NULL;
            int rc = frame_new(&e, digits, &m->frame);
            if (rc != 0) {
                return rc;
            }
        }
        interested |= m->interested;
    }
    for (unsigned s = 0; s < r->shards; s++) {
        if ((interested >> s & 1) && r->ports.full(r->ports.ctx, s)) {
            return ERR_BUSY;
        }
    }
    return 0;
}

/* Lock held. */
static void commit(struct router *r, struct message *m, struct publish_result *res)
{
    uint64_t seq = atomic_load_explicit(&r->top, memory_order_relaxed) + 1;
    unsigned posts = (unsigned)__builtin_popcountll(m->interested);
    size_t size = (size_t)m->frame->sse_len + m->frame->ws_len;

    atomic_store_explicit(&r->top, seq, memory_order_relaxed);
    m->seq = seq;
    frame_seal(m->frame, seq);
    res->cursor = (struct cursor){r->epoch, seq};
    res->matched = m->matched;
    if (posts == 0) {
        message_free(m);
        return;
    }
    atomic_init(&m->refs, posts);
    for (unsigned s = 0; posts; s++) {
        if (m->interested >> s & 1) {
            posts--; /* the last post may free m */
            uint64_t more = posts ? m->interested : 0;
            r->ports.post(r->ports.ctx, s, m, m->links + s * PORT_LINK_SIZE, size);
            if (!more) {
                return;
            }
        }
    }
}

/* Encodes the messages, with a guess of how many digits seq will have. */
static int encode(struct router *r, const struct publication *p, struct message **v)
{
    uint64_t guess = atomic_load_explicit(&r->top, memory_order_relaxed) + 1;

    for (unsigned i = 0; i < p->count; i++) {
        struct envelope e = p->envelope;
        int rc;
        e.epoch = r->epoch;
        e.target = p->targets ? p->targets[i] : STR_NONE;
        v[i] = message_new(r);
        if (!v[i]) {
            return ERR_NOMEM;
        }
        v[i]->kind = e.kind;
        v[i]->except = p->except;
        rc = frame_new(&e, frame_digits(guess + i), &v[i]->frame);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int router_publish(struct router *r, const struct publication *p, struct publish_result *results)
{
    struct message *few[FEW_MESSAGES] = {NULL};
    struct message **v = few;
    struct publication with_epoch = *p;
    int rc;

    assert(p->count >= 1);
    with_epoch.envelope.epoch = r->epoch;
    if (p->count > FEW_MESSAGES) {
        v = calloc(p->count, sizeof(struct message *));
        if (!v) {
            return ERR_NOMEM;
        }
    }
    rc = encode(r, p, v);
    if (rc == 0) {
        router_lock(r);
        rc = prepare(r, &with_epoch, v);
        for (unsigned i = 0; rc == 0 && i < p->count; i++) {
            commit(r, v[i], &results[i]);
        }
        router_unlock(r);
    }
    if (rc != 0) {
        for (unsigned i = 0; i < p->count && v[i]; i++) {
            message_free(v[i]);
        }
    }
    if (v != few) {
        free(v);
    }
    return rc;
}

bool router_same_members(const struct message *a, const struct message *b)
{
    return a->kind == b->kind && a->topic == b->topic && a->except == b->except &&
           a->groups.n == b->groups.n &&
           (a->groups.n == 0 ||
            memcmp(a->groups.v, b->groups.v, a->groups.n * sizeof(a->groups.v[0])) == 0);
}

struct giving {
    const struct core_sink *sink;
    void *token;
    uint64_t except;
    uint64_t members;
};

static inline void give(struct giving *g, struct member *m)
{
    if (m->id != g->except) {
        g->sink->deliver(g->sink->ctx, g->token, m);
        g->members++;
    }
}

static void give_topic(struct giving *g, const struct topic *t, unsigned shard)
{
    const struct topic_list *l = &t->local[shard];

    for (uint32_t i = 0; i < l->n; i++) {
        if (i + 4 < l->n) {
            __builtin_prefetch(l->v[i + 4]);
        }
        give(g, l->v[i]->member);
    }
}

static void give_everyone(struct giving *g, const struct member_list *all)
{
    for (uint32_t i = 0; i < all->n; i++) {
        give(g, all->v[i]);
    }
}

uint64_t router_deliver(struct router *r, unsigned shard, struct message *const *run, unsigned n,
                        const struct core_sink *sink)
{
    const struct message *first = run[0];
    struct giving g = {sink, NULL, first->except, 0};
    struct core_item items[CORE_RUN_MAX];

    assert(n >= 1 && n <= CORE_RUN_MAX);
    for (unsigned i = 0; i < n; i++) {
        items[i] = (struct core_item){run[i]->frame, run[i]->seq};
    }
    g.token = sink->begin(sink->ctx, items, n);
    if (g.token) {
        if (first->kind == TARGET_EVERYONE) {
            give_everyone(&g, &r->all[shard]);
        }
        if (first->topic) {
            give_topic(&g, first->topic, shard);
        }
        for (unsigned i = 0; i < first->groups.n; i++) {
            give_topic(&g, first->groups.v[i], shard);
        }
        sink->end(sink->ctx, g.token);
    }
    for (unsigned i = 0; i < n; i++) {
        message_unref(run[i]);
    }
    return g.members * n;
}
