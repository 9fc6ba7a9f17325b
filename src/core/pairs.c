#include "core/pairs.h"

#include "proto/name.h"

#include <assert.h>
#include <stdlib.h>

#define ADDRESS sizeof(uintptr_t) /* a key begins with that of the channel */
#define KEY_MAX (ADDRESS + NAME_MAX_LEN)

struct pair_channel *pairs_channel(const struct pairs *t, struct str channel)
{
    struct pair_channel *c = NULL;
    unsigned v = map_hash(t->seed, channel);

    if (channel.len) {
        HASH_FIND_BYHASHVALUE(hh, t->channels, channel.p, (unsigned)channel.len, v, c);
    }
    return c;
}

static size_t put_key(char *to, struct pair_channel *c, struct str user)
{
    memcpy(to, &c, ADDRESS);
    memcpy(to + ADDRESS, user.p, user.len);
    return ADDRESS + user.len;
}

struct pair *pairs_find(const struct pairs *t, struct str channel, struct str user)
{
    struct pair_channel *c = pairs_channel(t, channel);
    struct pair *p = NULL;
    char key[KEY_MAX];
    size_t len;
    unsigned v;

    if (!c || user.len == 0 || user.len > NAME_MAX_LEN) {
        return NULL;
    }
    len = put_key(key, c, user);
    v = map_hash(t->seed, (struct str){key, len});
    HASH_FIND_BYHASHVALUE(hh, t->table, key, (unsigned)len, v, p);
    return p;
}

static struct pair_channel *obtain_channel(struct pairs *t, struct str channel)
{
    struct pair_channel *c = pairs_channel(t, channel);
    unsigned v = map_hash(t->seed, channel);

    if (c) {
        return c;
    }
    c = calloc(1, sizeof(*c) + channel.len + 1);
    if (!c) {
        return NULL;
    }
    c->name_len = (uint16_t)channel.len;
    memcpy(c->name, channel.p, channel.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->channels, c->name, (unsigned)channel.len, v, c);
    if (!c->hh.tbl) {
        free(c);
        return NULL;
    }
    return c;
}

static void release_channel(struct pairs *t, struct pair_channel *c)
{
    if (c->pairs == 0) {
        HASH_DELETE(hh, t->channels, c);
        free(c);
    }
}

static void link_newest(struct pairs *t, struct pair *p)
{
    struct pair_channel *c = p->channel;

    p->older = t->newest;
    p->ch_older = c->newest;
    *(p->older ? &p->older->newer : &t->oldest) = p;
    *(p->ch_older ? &p->ch_older->ch_newer : &c->oldest) = p;
    t->newest = c->newest = p;
    t->listed++;
    c->listed++;
    p->listed = true;
}

void *pairs_add(struct pairs *t, size_t size, struct str channel, struct str user)
{
    struct pair_channel *c;
    struct pair *p;
    size_t len;
    unsigned v;

    assert(size >= sizeof(*p) && channel.len && user.len);
    assert(channel.len <= NAME_MAX_LEN && user.len <= NAME_MAX_LEN);
    c = obtain_channel(t, channel);
    if (!c) {
        return NULL;
    }
    p = calloc(1, size + ADDRESS + user.len);
    if (p) {
        p->channel = c;
        p->user_len = (uint16_t)user.len;
        p->key = (char *)p + size;
        len = put_key(p->key, c, user);
        v = map_hash(t->seed, (struct str){p->key, len});
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->table, p->key, (unsigned)len, v, p);
    }
    if (!p || !p->hh.tbl) {
        free(p);
        release_channel(t, c);
        return NULL;
    }
    c->pairs++;
    link_newest(t, p);
    return p;
}

void pairs_unlist(struct pairs *t, struct pair *p)
{
    struct pair_channel *c = p->channel;

    if (!p->listed) {
        return;
    }
    *(p->newer ? &p->newer->older : &t->newest) = p->older;
    *(p->older ? &p->older->newer : &t->oldest) = p->newer;
    *(p->ch_newer ? &p->ch_newer->ch_older : &c->newest) = p->ch_older;
    *(p->ch_older ? &p->ch_older->ch_newer : &c->oldest) = p->ch_newer;
    p->newer = p->older = p->ch_newer = p->ch_older = NULL;
    t->listed--;
    c->listed--;
    p->listed = false;
}

void pairs_touch(struct pairs *t, struct pair *p)
{
    pairs_unlist(t, p);
    link_newest(t, p);
}

void pairs_drop(struct pairs *t, struct pair *p)
{
    struct pair_channel *c = p->channel;

    pairs_unlist(t, p);
    HASH_DELETE(hh, t->table, p);
    c->pairs--;
    release_channel(t, c);
    free(p);
}

/* ---- pages ---- */

/* A heap whose root is the last by user: the one to give up first. */
static void sift_down(const struct pair **v, unsigned n)
{
    const struct pair *p = v[0];
    unsigned i = 0;

    for (;;) {
        unsigned c = 2 * i + 1;
        if (c + 1 < n && str_cmp(pair_user(v[c + 1]), pair_user(v[c])) > 0) {
            c++;
        }
        if (c >= n || str_cmp(pair_user(v[c]), pair_user(p)) <= 0) {
            break;
        }
        v[i] = v[c];
        i = c;
    }
    v[i] = p;
}

static void sift_up(const struct pair **v, unsigned i)
{
    const struct pair *p = v[i];

    while (i && str_cmp(pair_user(v[(i - 1) / 2]), pair_user(p)) < 0) {
        v[i] = v[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    v[i] = p;
}

unsigned pairs_page(const struct pair_channel *c, struct str after, unsigned limit,
                    const struct pair **out, bool *more)
{
    unsigned n = 0;

    *more = false;
    for (const struct pair *p = c->newest; p && limit; p = p->ch_older) {
        if (after.len && str_cmp(pair_user(p), after) <= 0) {
            continue;
        }
        if (n < limit) {
            out[n] = p;
            sift_up(out, n++);
            continue;
        }
        *more = true;
        if (str_cmp(pair_user(p), pair_user(out[0])) < 0) {
            out[0] = p;
            sift_down(out, n);
        }
    }
    for (unsigned left = n; left > 1;) { /* the last goes to the end */
        const struct pair *p = out[0];
        out[0] = out[--left];
        out[left] = p;
        sift_down(out, left);
    }
    return n;
}
