/* Reading the router's state. */
#include "core/router_private.h"

#include <stdlib.h>

void router_counts(struct router *r, struct router_counts *out)
{
    router_lock(r);
    out->channels = HASH_COUNT(r->channels.head);
    out->users = HASH_COUNT(r->users.head);
    out->members = r->members;
    router_unlock(r);
}

/* A heap of at most `limit` topics whose root is the one to give up first. */
struct best {
    const struct topic **v;
    unsigned n, limit;
    bool (*worse)(const struct topic *a, const struct topic *b);
};

static void sift_down(struct best *b, unsigned i)
{
    for (;;) {
        unsigned c = 2 * i + 1;
        const struct topic *t;
        if (c >= b->n) {
            return;
        }
        if (c + 1 < b->n && b->worse(b->v[c + 1], b->v[c])) {
            c++;
        }
        if (!b->worse(b->v[c], b->v[i])) {
            return;
        }
        t = b->v[i];
        b->v[i] = b->v[c];
        b->v[c] = t;
        i = c;
    }
}

static void best_offer(struct best *b, const struct topic *t)
{
    if (b->n < b->limit) {
        unsigned i = b->n++;
        b->v[i] = t;
        while (i && b->worse(b->v[i], b->v[(i - 1) / 2])) {
            const struct topic *up = b->v[(i - 1) / 2];
            b->v[(i - 1) / 2] = b->v[i];
            b->v[i] = up;
            i = (i - 1) / 2;
        }
    } else if (b->worse(b->v[0], t)) {
        b->v[0] = t;
        sift_down(b, 0);
    }
}

/* Empties the heap into `out`, best first. */
static unsigned best_finish(struct best *b, struct channel_info *out)
{
    unsigned n = b->n;

    while (b->n) {
        const struct topic *t = b->v[0];
        b->v[0] = b->v[--b->n];
        sift_down(b, 0);
        memcpy(out[b->n].name, t->name, t->name_len + 1u);
        out[b->n].subscribers = t->listed;
    }
    return n;
}

static bool later_name(const struct topic *a, const struct topic *b)
{
    return str_cmp(topic_name(a), topic_name(b)) > 0;
}

static bool smaller_topic(const struct topic *a, const struct topic *b)
{
    return a->listed != b->listed ? a->listed < b->listed : later_name(a, b);
}

unsigned router_channels(struct router *r, struct str prefix, struct str after, unsigned limit,
                         struct channel_info *out)
{
    struct best b = {calloc(limit ? limit : 1, sizeof(struct topic *)), 0, limit, later_name};
    unsigned n = 0;

    if (b.v && limit) {
        router_lock(r);
        for (const struct topic *t = r->channels.head; t; t = t->hh.next) {
            struct str name = topic_name(t);
            if (str_starts(name, prefix) && (after.len == 0 || str_cmp(name, after) > 0)) {
                best_offer(&b, t);
            }
        }
        n = best_finish(&b, out);
        router_unlock(r);
    }
    free(b.v);
    return n;
}

unsigned router_top_channels(struct router *r, unsigned limit, struct channel_info *out)
{
    struct best b = {calloc(limit ? limit : 1, sizeof(struct topic *)), 0, limit, smaller_topic};
    unsigned n = 0;

    if (b.v && limit) {
        router_lock(r);
        for (const struct topic *t = r->channels.head; t; t = t->hh.next) {
            best_offer(&b, t);
        }
        n = best_finish(&b, out);
        router_unlock(r);
    }
    free(b.v);
    return n;
}

void router_channel(struct router *r, struct str name, uint32_t *subscribers, uint64_t *matching)
{
    struct group_set set;
    const struct topic *t;

    router_lock(r);
    t = topic_find(&r->channels, name);
    *subscribers = t ? t->listed : 0;
    *matching = t ? t->total : 0;
    if (patterns_match(&r->patterns, name, &set) == 0) {
        for (unsigned i = 0; i < set.n; i++) {
            *matching += set.v[i]->total;
        }
    }
    group_set_fini(&set);
    router_unlock(r);
}

uint32_t router_user_connections(struct router *r, struct str user)
{
    const struct topic *t;
    uint32_t n;

    router_lock(r);
    t = topic_find(&r->users, user);
    n = t ? t->total : 0;
    router_unlock(r);
    return n;
}
