/* Members and their subscriptions. */
#include "core/people_private.h"

#include "proto/name.h"

#include <assert.h>
#include <stdlib.h>

int router_new(unsigned shards, uint64_t epoch, uint64_t seed, const struct core_ports *ports,
               struct router **out)
{
    struct router *r;

    assert(shards >= 1 && shards <= ROUTER_MAX_SHARDS);
    r = calloc(1, sizeof(*r) + shards * sizeof(struct member_list));
    if (!r) {
        return ERR_NOMEM;
    }
    r->ports = *ports;
    r->shards = shards;
    r->epoch = epoch;
    r->seed = seed;
    r->channels = (struct topic_table){NULL, seed, TOPIC_CHANNEL, shards};
    r->users = (struct topic_table){NULL, seed, TOPIC_USER, shards};
    r->groups = (struct topic_table){NULL, seed, TOPIC_GROUP, shards};
    if (patterns_init(&r->patterns, seed) != 0) {
        free(r);
        return ERR_NOMEM;
    }
    *out = r;
    return 0;
}

void router_free(struct router *r)
{
    if (!r) {
        return;
    }
    assert(r->members == 0 && !r->channels.head && !r->users.head && !r->groups.head);
    people_free(r);
    history_fini(&r->history);
    free(r->restored); /* if it was not filled to the end */
    dedupe_free(r->dedupe);
    acks_free(r->acks);
    patterns_fini(&r->patterns);
    for (unsigned i = 0; i < r->shards; i++) {
        free(r->all[i].v);
    }
    free(r);
}

struct cursor router_top(struct router *r)
{
    struct cursor c;

    router_lock(r);
    c = router_top_locked(r);
    router_unlock(r);
    return c;
}

void router_lock_settled(struct router *r, unsigned shard)
{
    for (int tries = 0; tries < 3; tries++) {
        router_lock(r);
        if (!r->ports.pending(r->ports.ctx, shard)) {
            return;
        }
        router_unlock(r);
        r->ports.settle(r->ports.ctx, shard);
    }
    /* Publishers are faster than we are: finish while they wait. */
    router_lock(r);
    r->ports.settle(r->ports.ctx, shard);
}

/* ---- a member's own records ---- */

static struct subscription *sub_new(struct member *m)
{
    struct subscription *s;

    if (!m->first_used) {
        m->first_used = 1;
        s = &m->first;
        *s = (struct subscription){0};
    } else {
        s = calloc(1, sizeof(*s));
    }
    if (s) {
        s->member = m;
    }
    return s;
}

static void sub_free(struct member *m, struct subscription *s)
{
    if (s == &m->first) {
        m->first_used = 0;
    } else {
        free(s);
    }
}

static void sub_link(struct member *m, struct subscription *s, struct topic *t)
{
    struct subscription **end = &m->subs;

    while (*end) { /* a handful; kept in the order of subscribing */
        end = &(*end)->next;
    }
    s->topic = t;
    s->next = NULL;
    *end = s;
    t->listed++;
}

static void sub_unlink(struct member *m, struct subscription *s)
{
    struct subscription **p = &m->subs;

    while (*p != s) {
        p = &(*p)->next;
    }
    *p = s->next;
    s->topic->listed--;
}

static struct subscription *sub_of_kind(const struct member *m, enum topic_kind kind)
{
    for (struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == kind) {
            return s;
        }
    }
    return NULL;
}

static bool group_has(struct str group, struct str pattern)
{
    struct str p;

    while (patterns_next(&group, &p)) {
        if (str_eq(p, pattern)) {
            return true;
        }
    }
    return false;
}

static bool group_matches(struct str group, struct str channel)
{
    struct str p;

    while (patterns_next(&group, &p)) {
        if (name_match(p, channel)) {
            return true;
        }
    }
    return false;
}

bool member_has_name(const struct member *m, struct str name)
{
    if (name_is_pattern(name)) {
        const struct subscription *g = sub_of_kind(m, TOPIC_GROUP);
        return g && group_has(topic_name(g->topic), name);
    }
    return member_channel(m, name) != NULL;
}

void member_names(const struct member *m, void (*visit)(void *ctx, struct str name), void *ctx)
{
    for (const struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_CHANNEL) {
            visit(ctx, topic_name(s->topic));
        } else if (s->topic->kind == TOPIC_GROUP) {
            struct str rest = topic_name(s->topic);
            struct str p;
            while (patterns_next(&rest, &p)) {
                visit(ctx, p);
            }
        }
    }
}

/* ---- topics ---- */

static int reserve_everyone(struct member_list *l)
{
    struct member **v;
    uint32_t cap;

    if (l->n < l->cap) {
        return 0;
    }
    cap = l->cap ? l->cap * 2 : 64;
    v = realloc(l->v, cap * sizeof(struct member *));
    if (!v) {
        return ERR_NOMEM;
    }
    l->v = v;
    l->cap = cap;
    return 0;
}

/* Lock held. Subscribes to the topic of that name, delivering through it. */
static int enter_topic(struct topic_table *tab, struct member *m, struct str name)
{
    struct topic *t = topic_obtain(tab, name);
    struct subscription *s;

    if (!t) {
        return ERR_NOMEM;
    }
    s = sub_new(m);
    if (!s || topic_reserve(t, m->shard) != 0) {
        if (s) {
            sub_free(m, s);
        }
        topic_release(tab, t);
        return ERR_NOMEM;
    }
    sub_link(m, s, t);
    topic_add(t, s);
    return 0;
}

/* Lock held. */
static void leave_topic(struct topic_table *tab, struct member *m, struct subscription *s)
{
    struct topic *t = s->topic;

    if (s->at != SUB_SHADOWED) {
        topic_remove(t, s);
    }
    sub_unlink(m, s);
    sub_free(m, s);
    topic_release(tab, t);
}

/* Lock held. A group is entered in the pattern tree while anyone is in it. */
static void leave_group(struct router *r, struct member *m, struct subscription *s)
{
    if (s->topic->listed == 1) {
        patterns_remove(&r->patterns, s->topic);
    }
    leave_topic(&r->groups, m, s);
}

/* Lock held. Out of every topic. */
static void detach(struct router *r, struct member *m)
{
    for (const struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_CHANNEL) { /* while it is known whose it is */
            people_leaving(r, m, s->topic, false);
        }
    }
    people_forget_notes(r, m);
    while (m->subs) {
        struct subscription *s = m->subs;
        switch (s->topic->kind) {
        case TOPIC_CHANNEL:
            leave_topic(&r->channels, m, s);
            break;
        case TOPIC_USER:
            leave_topic(&r->users, m, s);
            break;
        case TOPIC_GROUP:
            leave_group(r, m, s);
            break;
        }
    }
    m->names = 0;
}

void router_leave(struct router *r, struct member *m)
{
    struct member_list *all = &r->all[m->shard];

    if (!m->joined) {
        return;
    }
    router_lock(r);
    people_departing(r, m);
    detach(r, m);
    all->v[m->everyone_at] = all->v[all->n - 1];
    all->v[m->everyone_at]->everyone_at = m->everyone_at;
    all->n--;
    r->members--;
    m->joined = 0;
    router_unlock(r);
}

/* ---- channels ---- */

static int list_channel(struct router *r, struct member *m, struct str name)
{
    const struct subscription *g = sub_of_kind(m, TOPIC_GROUP);
    struct subscription *s;
    struct topic *t;

    if (!g || !group_matches(topic_name(g->topic), name)) {
        return enter_topic(&r->channels, m, name);
    }
    t = topic_obtain(&r->channels, name);
    if (!t) {
        return ERR_NOMEM;
    }
    s = sub_new(m);
    if (!s) {
        topic_release(&r->channels, t);
        return ERR_NOMEM;
    }
    s->at = SUB_SHADOWED;
    sub_link(m, s, t);
    return 0;
}

static int subscribe_channel(struct router *r, struct member *m, struct str name)
{
    int rc = list_channel(r, m, name);

    if (rc == 0) {
        people_entered(r, m, member_channel(m, name)->topic);
    }
    return rc;
}

/* ---- patterns ---- */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorts and joins: the name of the group of these patterns; *len 0 for none. */
static char *group_name(struct str *v, size_t n, size_t *len)
{
    size_t size = 1;
    char *name;

    *len = 0;
    for (size_t i = 0; i < n; i++) {
        size += v[i].len + 1;
    }
    name = malloc(size);
    if (!name) {
        return NULL;
    }
    qsort(v, n, sizeof(*v), compare_names);
    for (size_t i = 0; i < n; i++) {
        if (i && str_eq(v[i], v[i - 1])) {
            continue;
        }
        if (*len) {
            name[(*len)++] = ' ';
        }
        memcpy(name + *len, v[i].p, v[i].len);
        *len += v[i].len;
    }
    return name;
}

/* Makes room in the lists that the member's shadowed channels may go back to. */
static int reserve_unshadowed(struct member *m)
{
    for (struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_CHANNEL && s->at == SUB_SHADOWED &&
            topic_reserve(s->topic, m->shard) != 0) {
            return ERR_NOMEM;
        }
    }
    return 0;
}

static void reshadow(struct member *m, struct str group)
{
    for (struct subscription *s = m->subs; s; s = s->next) {
        bool covered;
        if (s->topic->kind != TOPIC_CHANNEL) {
            continue;
        }
        covered = group_matches(group, topic_name(s->topic));
        if (covered && s->at != SUB_SHADOWED) {
            topic_remove(s->topic, s);
            s->at = SUB_SHADOWED;
        } else if (!covered && s->at == SUB_SHADOWED) {
            topic_add(s->topic, s);
        }
    }
}

/* Lock held. Enters the group of that name; `name` not empty. */
static int enter_group(struct router *r, struct member *m, struct str name)
{
    struct topic *t = topic_obtain(&r->groups, name);

    if (!t) {
        return ERR_NOMEM;
    }
    if (t->listed == 0 && patterns_enter(&r->patterns, t) != 0) {
        topic_release(&r->groups, t);
        return ERR_NOMEM;
    }
    t->listed++; /* holds it across enter_topic's failure */
    if (enter_topic(&r->groups, m, name) != 0) {
        t->listed--;
        if (t->listed == 0) {
            patterns_remove(&r->patterns, t);
            topic_release(&r->groups, t);
        }
        return ERR_NOMEM;
    }
    t->listed--;
    return 0;
}

/* Lock held. Moves the member from its group to that of its patterns without
 * `drop` and with the n in `add`. All or nothing. */
static int change_patterns(struct router *r, struct member *m, const struct str *add, size_t n,
                           struct str drop)
{
    struct subscription *old = sub_of_kind(m, TOPIC_GROUP);
    struct str rest = old ? topic_name(old->topic) : STR_NONE;
    struct str *v = calloc(m->names + n + 1, sizeof(*v));
    struct str p, want;
    char *name;
    size_t count = 0;
    int rc = ERR_NOMEM;

    while (v && patterns_next(&rest, &p)) {
        if (!str_eq(p, drop)) {
            v[count++] = p;
        }
    }
    for (size_t i = 0; v && i < n; i++) {
        v[count++] = add[i];
    }
    name = v ? group_name(v, count, &want.len) : NULL;
    want.p = name;
    if (name) {
        rc = reserve_unshadowed(m);
    }
    if (rc == 0 && want.len) {
        rc = enter_group(r, m, want);
    }
    if (rc == 0) {
        if (old) {
            leave_group(r, m, old);
        }
        reshadow(m, want);
    }
    free(name);
    free(v);
    return rc;
}

int router_unsubscribe(struct router *r, struct member *m, struct str name)
{
    int rc = 0;

    router_lock_settled(r, m->shard);
    if (!member_has_name(m, name)) {
        rc = ERR_NOT_FOUND;
    } else if (name_is_pattern(name)) {
        rc = change_patterns(r, m, NULL, 0, name);
    } else {
        people_leaving(r, m, member_channel(m, name)->topic, true);
        leave_topic(&r->channels, m, member_channel(m, name));
    }
    if (rc == 0) {
        m->names--;
    }
    router_unlock(r);
    return rc;
}

int router_subscribe_locked(struct router *r, struct member *m, struct str name)
{
    int rc;

    if (member_has_name(m, name)) {
        return ERR_EXISTS;
    }
    rc = name_is_pattern(name) ? change_patterns(r, m, &name, 1, STR_NONE)
                               : subscribe_channel(r, m, name);
    if (rc == 0) {
        m->names++;
    }
    return rc;
}

int router_subscribe(struct router *r, struct member *m, struct str name, struct cursor *top)
{
    int rc;

    router_lock_settled(r, m->shard);
    rc = router_subscribe_locked(r, m, name);
    *top = router_top_locked(r);
    router_unlock(r);
    return rc;
}

static uint32_t count_patterns(const struct member *m)
{
    const struct subscription *g = sub_of_kind(m, TOPIC_GROUP);
    struct str rest = g ? topic_name(g->topic) : STR_NONE;
    struct str p;
    uint32_t n = 0;

    while (patterns_next(&rest, &p)) {
        n++;
    }
    return n;
}

/* Lock held and settled. All patterns in one step, so that their groups are not
 * made one by one. */
static int subscribe_all(struct router *r, struct member *m, const struct str *names,
                         unsigned nnames)
{
    struct str *patterns = calloc(nnames, sizeof(*patterns));
    unsigned n = 0;
    int rc = patterns ? 0 : ERR_NOMEM;

    for (unsigned i = 0; rc == 0 && i < nnames; i++) {
        if (name_is_pattern(names[i])) {
            patterns[n++] = names[i];
        } else {
            rc = router_subscribe_locked(r, m, names[i]);
            rc = rc == ERR_EXISTS ? 0 : rc;
        }
    }
    if (rc == 0 && n) {
        rc = change_patterns(r, m, patterns, n, STR_NONE);
        m->names += rc == 0 ? count_patterns(m) : 0;
    }
    free(patterns);
    return rc;
}

int router_join_locked(struct router *r, struct member *m, struct str user, const struct str *names,
                       unsigned nnames)
{
    struct member_list *all = &r->all[m->shard];
    int rc = reserve_everyone(all);

    if (rc == 0 && user.len) {
        rc = enter_topic(&r->users, m, user);
    }
    if (rc == 0 && nnames) {
        rc = subscribe_all(r, m, names, nnames);
    }
    if (rc == 0) {
        m->everyone_at = all->n;
        all->v[all->n++] = m;
        m->joined = 1;
        r->members++;
        people_arrived(r, m);
    } else {
        detach(r, m);
    }
    return rc;
}

int router_join(struct router *r, struct member *m, struct str user, const struct str *names,
                unsigned nnames, struct cursor *top)
{
    int rc;

    router_lock_settled(r, m->shard);
    rc = router_join_locked(r, m, user, names, nnames);
    *top = router_top_locked(r);
    router_unlock(r);
    return rc;
}
