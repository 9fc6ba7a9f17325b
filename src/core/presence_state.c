/* Channels with presence, and the users in them. */
#include "core/presence_private.h"

#include <stdlib.h>

/* Most channels have a handful of members. Only the tables that are made here begin so small. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

/* ---- channels ---- */

struct presence *presence_find(const struct router *r, struct str channel)
{
    struct presence *pr = NULL;
    unsigned h = map_hash(r->seed, channel);

    HASH_FIND_BYHASHVALUE(hh, presences_of(r)->channels, channel.p, (unsigned)channel.len, h, pr);
    return pr;
}

struct presence *presence_obtain(struct router *r, struct str channel)
{
    struct presences *p = presences_of(r);
    struct presence *pr = presence_find(r, channel);
    unsigned h = map_hash(r->seed, channel);

    if (pr) {
        return pr;
    }
    pr = calloc(1, sizeof(*pr) + channel.len);
    if (!pr) {
        return NULL;
    }
    ring_init(&pr->changed);
    ring_init(&pr->queue);
    pr->version = p->floor;
    pr->is_users = str_eqz(channel, USERS_CHANNEL);
    pr->name_len = (uint8_t)channel.len;
    memcpy(pr->name, channel.p, channel.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, p->channels, pr->name, pr->name_len, h, pr);
    if (!pr->hh.tbl) {
        free(pr);
        return NULL;
    }
    return pr;
}

void presence_drop_snapshot(struct presence *pr)
{
    frame_unref(pr->snapshot);
    pr->snapshot = NULL;
}

static void forget_channel(struct presences *p, struct presence *pr)
{
    ring_remove(&pr->queue);
    presence_drop_snapshot(pr);
    p->floor = pr->version > p->floor ? pr->version : p->floor;
    HASH_DELETE(hh, p->channels, pr);
    free(pr);
}

static bool is_listed(const struct router *r, const struct presence *pr)
{
    const struct topic *t = topic_find(&r->channels, presence_name(pr));

    return t && t->listed;
}

void presence_forget_unused(struct router *r, struct presence *pr)
{
    if (!pr->all && ring_alone(&pr->queue) && !is_listed(r, pr)) {
        forget_channel(presences_of(r), pr);
    }
}

void presence_vacated(struct router *r, struct str channel)
{
    struct presence *pr = presence_find(r, channel);

    if (pr && !pr->all && ring_alone(&pr->queue)) {
        forget_channel(presences_of(r), pr);
    }
}

/* ---- their users ---- */

struct attendee *presence_user(const struct router *r, const struct presence *pr, struct str user)
{
    struct attendee *a = NULL;
    unsigned h = map_hash(r->seed, user);

    HASH_FIND_BYHASHVALUE(hh, pr->all, user.p, (unsigned)user.len, h, a);
    return a;
}

static void attendee_drop(struct attendee *a)
{
    ring_remove(&a->changed);
    ring_remove(&a->grace);
    HASH_DELETE(hh, a->in->all, a);
    info_unref(a->info);
    info_unref(a->shown);
    free(a);
}

static void attendee_free(struct router *r, struct attendee *a)
{
    attendee_drop(a);
    presences_of(r)->attendees--;
    presence_count(r, METRIC_PRESENCE_MEMBERS, UINT64_MAX);
}

struct attendee *presence_add_user(struct router *r, struct presence *pr, struct str user)
{
    struct presences *p = presences_of(r);
    struct attendee *a = presence_user(r, pr, user);
    unsigned h = map_hash(r->seed, user);

    if (a) {
        return a;
    }
    if (p->attendees < r->people->opt->presence_members) {
        a = calloc(1, offsetof(struct attendee, user) + user.len);
    }
    if (!a) {
        return NULL;
    }
    a->in = pr;
    ring_init(&a->changed);
    ring_init(&a->grace);
    a->user_len = (uint8_t)user.len;
    memcpy(a->user, user.p, user.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, pr->all, a->user, a->user_len, h, a);
    if (!a->hh.tbl) {
        free(a);
        return NULL;
    }
    p->attendees++;
    presence_count(r, METRIC_PRESENCE_MEMBERS, 1);
    return a;
}

void presence_take(struct router *r, struct attendee *a)
{
    ring_remove(&a->changed);
    if (!a->here) {
        attendee_free(r, a);
        return;
    }
    a->published = 1;
    if (a->shown != a->info) {
        info_unref(a->shown);
        a->shown = info_ref(a->info);
    }
}

void presence_compare(struct router *r, struct attendee *a)
{
    bool differs = a->here != a->published || (a->here && !info_same(a->info, a->shown));

    if (a->in->counting || (!a->here && !a->published)) {
        presence_take(r, a);
    } else if (!differs) {
        ring_remove(&a->changed);
    } else if (ring_alone(&a->changed)) {
        ring_append(&a->in->changed, &a->changed);
    }
}

void presence_clear(struct presences *p)
{
    while (p->channels) {
        struct presence *pr = p->channels;
        while (pr->all) {
            attendee_drop(pr->all);
        }
        forget_channel(p, pr);
    }
}
