/* Delivery on a shard: the hot path. */
#include "core/message.h"
#include "core/router_private.h"

#include <assert.h>

bool router_same_members(const struct message *a, const struct message *b)
{
    return a->kind == b->kind && a->topic == b->topic && a->except == b->except &&
           a->groups.n == b->groups.n && !(a->lost | b->lost) &&
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
    if (first->lost) {
        sink->lost(sink->ctx);
        message_unref(run[0]);
        return 0;
    }
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
