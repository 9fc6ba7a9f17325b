/* What the router tells of its members, to whom it may concern. */
#include "core/people_private.h"

#include <stdlib.h>

int router_people(struct router *r, const struct options *opt)
{
    struct people *p = calloc(1, sizeof(*p) + r->shards * sizeof(struct notes));
    int rc = p ? 0 : ERR_NOMEM;

    if (rc == 0) {
        p->opt = opt;
        p->due_ms = UINT64_MAX;
        r->people = p;
        rc = presences_new(r, &p->presences);
    }
    if (rc == 0) {
        rc = typists_new(r, &p->typists);
    }
    if (rc == 0) {
        rc = reads_new(r, &p->reads);
    }
    if (rc != 0) {
        people_free(r);
    }
    return rc;
}

void people_free(struct router *r)
{
    struct people *p = r->people;

    if (!p) {
        return;
    }
    for (unsigned i = 0; i < r->shards; i++) {
        while (p->notes[i].first) {
            struct note *n = p->notes[i].first;
            p->notes[i].first = n->next;
            frame_unref(n->frame);
            free(n);
        }
    }
    presences_free(p->presences);
    typists_free(p->typists);
    reads_free(p->reads);
    free(p);
    r->people = NULL;
}

/* ---- members ---- */

static void tell_channel(struct router *r, enum core_event_kind kind, const struct member *m,
                         struct str channel)
{
    struct core_event ev = {
        .kind = kind, .channel = channel, .cause = m->id, .cause_user = member_user(m)};

    people_tell(r, &ev);
}

void people_entered(struct router *r, struct member *m, const struct topic *t)
{
    struct str channel = topic_name(t), user = member_user(m);

    if (!r->people) {
        return;
    }
    if (t->listed == 1) {
        tell_channel(r, CORE_OCCUPIED, m, channel);
    }
    if (presence_wanted(r->people->opt, channel)) {
        if (user.len && !str_eqz(channel, USERS_CHANNEL)) {
            presence_enter(r, m, channel, user);
        }
        presence_greet(r, m, channel);
    }
    typing_greet(r, m, channel);
}

void people_leaving(struct router *r, struct member *m, const struct topic *t, bool at_once)
{
    struct str channel = topic_name(t), user = member_user(m);

    if (!r->people) {
        return;
    }
    typing_leave(r, m, channel);
    if (user.len && presence_wanted(r->people->opt, channel) && !str_eqz(channel, USERS_CHANNEL)) {
        presence_leave(r, m, channel, user, at_once || m->leaves);
    }
    if (t->listed == 1) {
        presence_vacated(r, channel);
        tell_channel(r, CORE_VACATED, m, channel);
    }
}

void people_arrived(struct router *r, struct member *m)
{
    struct str user = member_user(m);

    if (r->people && user.len && r->people->opt->user_presence) {
        presence_enter(r, m, STR_LIT(USERS_CHANNEL), user);
    }
}

void people_departing(struct router *r, struct member *m)
{
    struct str user = member_user(m);

    if (r->people && user.len && r->people->opt->user_presence) {
        presence_leave(r, m, STR_LIT(USERS_CHANNEL), user, m->leaves);
    }
}

void router_set_info(struct router *r, struct member *m, struct info *info)
{
    struct info *old;

    router_lock(r);
    old = m->info;
    m->info = info_ref(info);
    if (r->people && m->joined && info) {
        presence_inform(r, m);
    }
    router_unlock(r);
    info_unref(old);
}

/* ---- in time ---- */

uint64_t router_people_run(struct router *r)
{
    uint64_t now, presence, typing;

    if (!r->people) {
        return UINT64_MAX;
    }
    router_lock(r);
    r->people->due_ms = 0; /* what is due by what is done now is known in the end */
    now = r->ports.mono_ms(r->ports.ctx);
    presence = presences_run(r, now);
    typing = typing_run(r, now);
    r->people->due_ms = presence < typing ? presence : typing;
    now = r->people->due_ms;
    router_unlock_flush(r);
    return now;
}
