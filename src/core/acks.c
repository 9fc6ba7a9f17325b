#include "core/acks.h"

#include "proto/name.h"

#include <assert.h>
#include <stdlib.h>

/* Of so many users that nothing waits for it is known how much was given up. */
#define IDLE_USERS 1024

struct ack_user {
    UT_hash_handle hh;
    uint64_t number; /* of this user alone, for the keys of its messages */
    uint64_t given_up;
    uint32_t count;                         /* messages, reserved ones included */
    struct ack *first, *last;               /* committed, in the order of seq */
    struct ack_user *idle_prev, *idle_next; /* while count is 0 */
    uint16_t name_len;
    char name[];
};

struct acks {
    uint64_t seed;
    struct acks_limits limits;
    struct ack_user *users;
    struct ack *by_key;
    struct ack *due_first, *due_last;
    struct ack_user *idle_first, *idle_last; /* longest idle first */
    uint32_t idle;
    uint64_t last_number;
};

/* What the table of messages goes by: the id, and the number of the user. In an
 * ack it stands behind the header, so that its beginning is the id. */
#define KEY_MAX (NAME_MAX_LEN + sizeof(uint64_t))

static unsigned put_key(char *key, struct str id, const struct ack_user *u)
{
    memcpy(key, id.p, id.len);
    memcpy(key + id.len, &u->number, sizeof(u->number));
    return (unsigned)(id.len + sizeof(u->number));
}

static bool name_fits(struct str s)
{
    return s.len >= 1 && s.len <= NAME_MAX_LEN;
}

int acks_new(uint64_t seed, const struct acks_limits *limits, struct acks **out)
{
    struct acks *a = calloc(1, sizeof(*a));

    if (!a) {
        return ERR_NOMEM;
    }
    a->seed = seed;
    a->limits = *limits;
    *out = a;
    return 0;
}

/* ---- users ---- */

static struct ack_user *user_find(const struct acks *a, struct str name)
{
    struct ack_user *u = NULL;
    unsigned h;

    if (!name_fits(name)) {
        return NULL;
    }
    h = map_hash(a->seed, name);
    HASH_FIND_BYHASHVALUE(hh, a->users, name.p, (unsigned)name.len, h, u);
    return u;
}

static void idle_remove(struct acks *a, struct ack_user *u)
{
    *(u->idle_prev ? &u->idle_prev->idle_next : &a->idle_first) = u->idle_next;
    *(u->idle_next ? &u->idle_next->idle_prev : &a->idle_last) = u->idle_prev;
    u->idle_prev = u->idle_next = NULL;
    a->idle--;
}

static void idle_append(struct acks *a, struct ack_user *u)
{
    u->idle_next = NULL;
    u->idle_prev = a->idle_last;
    *(u->idle_prev ? &u->idle_prev->idle_next : &a->idle_first) = u;
    a->idle_last = u;
    a->idle++;
}

/* A user that is idle: out of everything. */
static void user_free(struct acks *a, struct ack_user *u)
{
    idle_remove(a, u);
    HASH_DELETE(hh, a->users, u);
    free(u);
}

/* A new one is idle. NULL without memory. */
static struct ack_user *user_obtain(struct acks *a, struct str name)
{
    struct ack_user *u = user_find(a, name);
    unsigned h = map_hash(a->seed, name);

    if (u) {
        return u;
    }
    u = calloc(1, sizeof(*u) + name.len + 1);
    if (!u) {
        return NULL;
    }
    u->number = ++a->last_number;
    u->name_len = (uint16_t)name.len;
    memcpy(u->name, name.p, name.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, a->users, u->name, u->name_len, h, u);
    if (!u->hh.tbl) {
        free(u);
        return NULL;
    }
    idle_append(a, u);
    return u;
}

/* Nothing of an idle user need be kept but what was given up, and that only of
 * the last ones. */
static void user_settle(struct acks *a, struct ack_user *u)
{
    if (u->given_up == 0) {
        user_free(a, u);
    } else if (a->idle > IDLE_USERS) {
        user_free(a, a->idle_first);
    }
}

void acks_gave_up(struct acks *a, struct str user)
{
    struct ack_user *u = name_fits(user) ? user_obtain(a, user) : NULL;

    if (!u) {
        return; /* without memory it stays untold */
    }
    u->given_up++;
    if (u->count == 0) {
        idle_remove(a, u);
        idle_append(a, u);
        user_settle(a, u);
    }
}

uint64_t acks_user_given_up(const struct acks *a, struct str user)
{
    const struct ack_user *u = user_find(a, user);

    return u ? u->given_up : 0;
}

uint32_t acks_user_count(const struct acks *a, struct str user)
{
    const struct ack_user *u = user_find(a, user);

    return u ? u->count : 0;
}

struct str acks_user_name(const struct ack *k)
{
    return (struct str){k->user->name, k->user->name_len};
}

/* ---- messages ---- */

static struct ack *find(const struct acks *a, struct str user, struct str id)
{
    const struct ack_user *u = user_find(a, user);
    struct ack *k = NULL;
    char key[KEY_MAX];
    unsigned len, h;

    if (!u || !name_fits(id)) {
        return NULL;
    }
    len = put_key(key, id, u);
    h = map_hash(a->seed, (struct str){key, len});
    HASH_FIND_BYHASHVALUE(hh, a->by_key, key, len, h, k);
    return k;
}

struct ack *acks_find(const struct acks *a, struct str user, struct str id)
{
    struct ack *k = find(a, user, id);

    return k && k->frame ? k : NULL;
}

/* The user is idle afterwards if it has no other. */
static struct ack *ack_new(struct acks *a, struct ack_user *u, struct str id)
{
    struct ack *k = calloc(1, sizeof(*k) + id.len + sizeof(u->number));
    unsigned len, h;

    if (!k) {
        return NULL;
    }
    k->user = u;
    k->id_len = (uint16_t)id.len;
    len = put_key(k->id, id, u);
    h = map_hash(a->seed, (struct str){k->id, len});
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, a->by_key, k->id, len, h, k);
    if (!k->hh.tbl) {
        free(k);
        return NULL;
    }
    return k;
}

int acks_reserve(struct acks *a, struct str user, struct str id, struct ack **out)
{
    if (!find(a, user, id) &&
        (acks_count(a) >= a->limits.total || acks_user_count(a, user) >= a->limits.per_user)) {
        return ERR_LIMIT;
    }
    return acks_reserve_anyway(a, user, id, out);
}

int acks_reserve_anyway(struct acks *a, struct str user, struct str id, struct ack **out)
{
    struct ack_user *u;
    struct ack *k;

    if (!name_fits(user) || !name_fits(id)) {
        return ERR_INVALID;
    }
    if (find(a, user, id)) {
        return ERR_EXISTS;
    }
    u = user_obtain(a, user);
    if (!u) {
        return ERR_NOMEM;
    }
    k = ack_new(a, u, id);
    if (!k) {
        if (u->count == 0) {
            user_settle(a, u);
        }
        return ERR_NOMEM;
    }
    if (u->count++ == 0) {
        idle_remove(a, u);
    }
    *out = k;
    return 0;
}

void acks_commit(struct acks *a, struct ack *k, uint64_t seq, uint64_t at_ms, uint64_t expires_ms,
                 struct frame *frame)
{
    struct ack_user *u = k->user;

    (void)a;
    assert(!k->frame && (!u->last || u->last->seq < seq));
    k->seq = seq;
    k->at_ms = at_ms;
    k->expires_ms = expires_ms;
    k->frame = frame_ref(frame);
    k->prev = u->last;
    *(u->last ? &u->last->next : &u->first) = k;
    u->last = k;
}

void acks_rest(struct acks *a, struct ack *k)
{
    if (k->due_ms == 0) {
        return;
    }
    *(k->due_prev ? &k->due_prev->due_next : &a->due_first) = k->due_next;
    *(k->due_next ? &k->due_next->due_prev : &a->due_last) = k->due_prev;
    k->due_prev = k->due_next = NULL;
    k->due_ms = 0;
}

static void destroy(struct acks *a, struct ack *k)
{
    struct ack_user *u = k->user;

    HASH_DELETE(hh, a->by_key, k);
    frame_unref(k->frame);
    free(k);
    if (--u->count == 0) {
        idle_append(a, u);
        user_settle(a, u);
    }
}

void acks_cancel(struct acks *a, struct ack *k)
{
    assert(!k->frame);
    destroy(a, k);
}

void acks_drop(struct acks *a, struct ack *k)
{
    assert(k->frame);
    acks_rest(a, k);
    *(k->prev ? &k->prev->next : &k->user->first) = k->next;
    *(k->next ? &k->next->prev : &k->user->last) = k->prev;
    destroy(a, k);
}

void acks_free(struct acks *a)
{
    if (!a) {
        return;
    }
    while (a->by_key) {
        struct ack *k = a->by_key;
        if (k->frame) {
            acks_drop(a, k);
        } else {
            acks_cancel(a, k);
        }
    }
    while (a->idle_first) {
        user_free(a, a->idle_first);
    }
    free(a);
}

void acks_sent(struct acks *a, struct ack *k, uint64_t member, uint64_t mono_ms)
{
    uint64_t due = mono_ms + a->limits.timeout_ms;

    assert(k->frame);
    acks_rest(a, k);
    k->member = member;
    k->attempts++;
    /* Shards' clocks differ by a turn of their loops: nobody overtakes. */
    if (a->due_last && due < a->due_last->due_ms) {
        due = a->due_last->due_ms;
    }
    k->due_ms = due ? due : 1;
    k->due_prev = a->due_last;
    *(a->due_last ? &a->due_last->due_next : &a->due_first) = k;
    a->due_last = k;
}

struct ack *acks_due(const struct acks *a, uint64_t mono_ms)
{
    return a->due_first && a->due_first->due_ms <= mono_ms ? a->due_first : NULL;
}

uint64_t acks_next_due(const struct acks *a)
{
    return a->due_first ? a->due_first->due_ms : UINT64_MAX;
}

struct ack *acks_first(const struct acks *a, struct str user)
{
    const struct ack_user *u = user_find(a, user);

    return u ? u->first : NULL;
}

struct ack *acks_after(const struct ack *k)
{
    return k->next;
}

struct ack *acks_walk(const struct acks *a, struct ack *at)
{
    struct ack *k = at ? at->hh.next : a->by_key;

    while (k && !k->frame) {
        k = k->hh.next;
    }
    return k;
}

uint32_t acks_count(const struct acks *a)
{
    return HASH_COUNT(a->by_key);
}
