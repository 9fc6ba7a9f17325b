#include "core/topic.h"

#include "core/router.h"

#include <assert.h>
#include <stdlib.h>

struct topic *topic_find(const struct topic_table *tab, struct str name)
{
    struct topic *t = NULL;
    unsigned h = map_hash(tab->seed, name);

    HASH_FIND_BYHASHVALUE(hh, tab->head, name.p, name.len, h, t);
    return t;
}

static struct topic *topic_new(const struct topic_table *tab, struct str name)
{
    size_t lists = tab->nshards * sizeof(struct topic_list);
    struct topic *t = calloc(1, sizeof(*t) + lists + name.len + 1);

    if (!t) {
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->kind = tab->kind;
    t->nshards = tab->nshards;
    t->name = (char *)t + sizeof(*t) + lists;
    t->name_len = (uint32_t)name.len;
    memcpy(t->name, name.p, name.len);
    return t;
}

struct topic *topic_obtain(struct topic_table *tab, struct str name)
{
    struct topic *t = topic_find(tab, name);
    unsigned h = map_hash(tab->seed, name);

    if (t) {
        return t;
    }
    t = topic_new(tab, name);
    if (!t) {
        return NULL;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, tab->head, t->name, t->name_len, h, t);
    if (!t->hh.tbl) {
        free(t);
        return NULL;
    }
    return t;
}

void topic_release(struct topic_table *tab, struct topic *t)
{
    if (t->listed == 0) {
        HASH_DELETE(hh, tab->head, t);
        topic_unref(t);
    }
}

void topic_ref(struct topic *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void topic_unref(struct topic *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        for (unsigned i = 0; i < t->nshards; i++) {
            free(t->local[i].v);
        }
        free(t->refs_to_patterns);
        free(t);
    }
}

int topic_reserve(struct topic *t, unsigned shard)
{
    struct topic_list *l = &t->local[shard];
    struct subscription **v;
    uint32_t cap;

    if (l->n < l->cap) {
        return 0;
    }
    cap = l->cap ? l->cap * 2 : 1;
    v = realloc(l->v, cap * sizeof(struct subscription *));
    if (!v) {
        return ERR_NOMEM;
    }
    l->v = v;
    l->cap = cap;
    return 0;
}

void topic_add(struct topic *t, struct subscription *s)
{
    struct topic_list *l = &t->local[s->member->shard];

    assert(l->n < l->cap);
    s->at = l->n;
    l->v[l->n++] = s;
    t->total++;
}

void topic_remove(struct topic *t, struct subscription *s)
{
    struct topic_list *l = &t->local[s->member->shard];
    struct subscription *last = l->v[l->n - 1];

    assert(l->v[s->at] == s);
    l->v[s->at] = last;
    last->at = s->at;
    l->n--;
    t->total--;
    if (l->n == 0) {
        free(l->v);
        l->v = NULL;
        l->cap = 0;
    } else if (l->cap >= 64 && l->n < l->cap / 4) {
        struct subscription **v = realloc(l->v, l->cap / 2 * sizeof(struct subscription *));
        if (v) {
            l->v = v;
            l->cap /= 2;
        }
    }
}

struct str member_user(const struct member *m)
{
    for (const struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_USER) {
            return topic_name(s->topic);
        }
    }
    return STR_NONE;
}

struct subscription *member_channel(const struct member *m, struct str channel)
{
    for (struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_CHANNEL && str_eq(topic_name(s->topic), channel)) {
            return s;
        }
    }
    return NULL;
}
