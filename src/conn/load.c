#include "conn/load.h"

#include "base/map.h"
#include "conn/stream.h"

#include <stdio.h>
#include <stdlib.h>

struct load_user {
    UT_hash_handle hh;
    unsigned streams, names;
    unsigned part; /* of the table; it is there while it has streams */
    size_t len;
    char user[];
};

int loads_init(struct loads *l, uint64_t seed)
{
    l->seed = seed;
    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        l->part[i].table = NULL;
        if (pthread_mutex_init(&l->part[i].lock, NULL) != 0) {
            while (i--) {
                pthread_mutex_destroy(&l->part[i].lock);
            }
            return ERR_SYSTEM;
        }
    }
    return 0;
}

void loads_fini(struct loads *l)
{
    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        struct load_user *u, *next;
        HASH_ITER (hh, l->part[i].table, u, next) {
            HASH_DEL(l->part[i].table, u);
            free(u);
        }
        pthread_mutex_destroy(&l->part[i].lock);
    }
}

/* ---- users; with the part's lock held ---- */

/* The low bits choose the bucket of the table. */
static unsigned part_of(unsigned hash)
{
    return (hash >> 20) % LOAD_PARTS;
}

static struct load_user *find(struct loads *l, struct str user, unsigned hash)
{
    struct load_user *u = NULL;

    HASH_FIND_BYHASHVALUE(hh, l->part[part_of(hash)].table, user.p, user.len, hash, u);
    return u;
}

static struct load_user *obtain(struct loads *l, struct str user, unsigned hash)
{
    struct load_user *u = find(l, user, hash);

    if (u) {
        return u;
    }
    u = calloc(1, sizeof(*u) + user.len);
    if (!u) {
        return NULL;
    }
    u->len = user.len;
    u->part = part_of(hash);
    memcpy(u->user, user.p, user.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, l->part[part_of(hash)].table, u->user, u->len, hash, u);
    if (!u->hh.tbl) {
        free(u);
        return NULL;
    }
    return u;
}

static void forget_if_idle(struct loads *l, struct load_user *u)
{
    if (u->streams == 0) {
        HASH_DEL(l->part[u->part].table, u);
        free(u);
    }
}

/* Both from one look, so that shards cannot go over a limit together. */
static enum load_verdict judge(const struct load_user *u, unsigned streams, unsigned names,
                               unsigned max_streams, unsigned max_names)
{
    if (max_streams && u->streams + streams > max_streams) {
        return LOAD_STREAMS;
    }
    return max_names && names && u->names + names > max_names ? LOAD_NAMES : LOAD_OK;
}

struct str load_name(struct str user, const struct grant *g, char room[LOAD_NAME_ROOM])
{
    bool key = g && g->s.kind == GRANT_KEY;
    int n;

    if (user.len) {
        return user;
    }
    if (!g || !g->s.id.len || (!key && g->s.kind != GRANT_CLIENT)) {
        return STR_NONE;
    }
    n = snprintf(room, LOAD_NAME_ROOM, "\x01%s:%.*s", key ? "key" : "jti", (int)g->s.id.len,
                 g->s.id.p);
    return (struct str){room, n < LOAD_NAME_ROOM ? (size_t)n : LOAD_NAME_ROOM - 1};
}

enum load_verdict loads_enter(struct loads *l, struct str user, unsigned names,
                              unsigned max_streams, unsigned max_names, struct load_user **counted)
{
    unsigned hash = map_hash(l->seed, user);
    unsigned part = part_of(hash);
    enum load_verdict v = LOAD_OK;
    struct load_user *u;

    *counted = NULL;
    pthread_mutex_lock(&l->part[part].lock);
    u = obtain(l, user, hash);
    if (u) {
        v = judge(u, 1, names, max_streams, max_names);
        if (v == LOAD_OK) {
            u->streams++;
            u->names += names;
            *counted = u;
        }
        forget_if_idle(l, u);
    }
    pthread_mutex_unlock(&l->part[part].lock);
    return v;
}

void loads_leave(struct loads *l, struct load_user *u, unsigned names)
{
    pthread_mutex_t *lock = &l->part[u->part].lock; /* u may be gone before it is let go */

    pthread_mutex_lock(lock);
    u->streams--;
    u->names -= names;
    forget_if_idle(l, u);
    pthread_mutex_unlock(lock);
}

/* `by` more or fewer subscriptions; false if that is over `max` (0: never). */
static bool change(struct loads *l, struct load_user *u, int by, unsigned max)
{
    bool ok;

    pthread_mutex_lock(&l->part[u->part].lock);
    ok = by < 0 || judge(u, 0, (unsigned)by, 0, max) == LOAD_OK;
    u->names += ok ? (unsigned)by : 0;
    pthread_mutex_unlock(&l->part[u->part].lock);
    return ok;
}

/* ---- of a stream ---- */

void load_adopt(struct stream *s, const struct stream_intro *intro)
{
    s->loaded = intro->loaded;
    s->loaded_names = intro->loaded ? intro->nnames & 0x3fffff : 0;
    load_sync(s); /* what it was not given, for example */
}

bool load_grow(struct stream *s, struct str name)
{
    if (!s->loaded || stream_has_name(s, name)) {
        return true;
    }
    if (!change(s->env->loads, s->loaded, 1, s->env->opt->max_channels_user)) {
        stream_note_limit(s, METRIC_LIMITED_USERS, "max-channels-per-user");
        return false;
    }
    s->loaded_names++;
    return true;
}

void load_sync(struct stream *s)
{
    unsigned n;

    if (s->loaded) {
        n = stream_name_count(s) & 0x7fffff;
        (void)change(s->env->loads, s->loaded, (int)n - (int)s->loaded_names, 0);
        s->loaded_names = n & 0x7fffff;
    }
}

void load_drop(struct stream *s)
{
    if (s->loaded) {
        loads_leave(s->env->loads, s->loaded, s->loaded_names);
        s->loaded = NULL;
    }
}

bool load_is_full(const struct conn_env *env, struct str name)
{
    uint32_t max = 0, subscribers = 0;
    uint64_t matching;

    if (env->opt->max_subscribers_for.n && !name_is_pattern(name)) {
        max = options_max_subscribers(env->opt, name);
    }
    if (max) {
        router_channel(env->router, name, &subscribers, &matching);
    }
    return max && subscribers >= max;
}

bool load_refuses(struct stream *s, struct str name)
{
    if (stream_has_name(s, name) || !load_is_full(s->env, name)) {
        return false;
    }
    stream_note_limit(s, METRIC_LIMITED_CHANNELS, "max-subscribers-for");
    return true;
}
