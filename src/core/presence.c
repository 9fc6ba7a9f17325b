/* Who comes, leaves, and says something else of itself. */
#include "core/presence_private.h"

#include <stdlib.h>

/* What one call of presences_run does at most: channels of each queue, and users' graces. */
#define RUN_CHANNELS 64
#define RUN_GRACES 256

/* ---- what happens ---- */

static void tell_hooks(struct router *r, const struct attendee *a, enum core_event_kind kind)
{
    struct core_event ev = {
        .kind = kind, .channel = presence_name(a->in), .user = attendee_user(a)};

    if (a->in->is_users) {
        ev.channel = STR_NONE;
        ev.kind = kind == CORE_JOINED ? CORE_ONLINE : CORE_OFFLINE;
    }
    if (kind != CORE_LEFT) {
        ev.info = info_str(a->info);
    }
    if (!a->in->is_users || kind != CORE_UPDATED) {
        people_tell(r, &ev);
    }
}

/* What a connection says of the user; one without info says nothing. */
static bool say(struct attendee *a, struct info *info)
{
    if (!info || info_same(a->info, info)) {
        return false;
    }
    info_unref(a->info);
    a->info = info_ref(info);
    return true;
}

/* Remembers whether the member is one of the connections that were counted there, and returns
 * whether it was: some are not, without memory or over a bound, and must not be missed when they
 * end. */
static bool mark(struct member *m, struct str channel, bool on)
{
    bool was;

    if (str_eqz(channel, USERS_CHANNEL)) {
        was = m->present;
        m->present = on;
    } else {
        struct subscription *s = member_channel(m, channel);
        was = s->present;
        s->present = on;
    }
    return was;
}

static void arrive(struct router *r, struct attendee *a)
{
    a->here = 1;
    a->in->count++;
    if (!a->published) { /* else nobody hears that it was away */
        a->since_ms = r->ports.real_ms(r->ports.ctx);
    }
    if (a->in->is_users) {
        seen_remove(r, attendee_user(a));
    }
    tell_hooks(r, a, CORE_JOINED);
}

void presence_enter(struct router *r, struct member *m, struct str channel, struct str user)
{
    struct presence *pr = presence_obtain(r, channel);
    struct attendee *a = pr ? presence_add_user(r, pr, user) : NULL;
    bool news;

    if (!a) {
        presence_count(r, METRIC_PRESENCE_UNSEEN, 1);
        if (pr) {
            presence_forget_unused(r, pr);
        }
        return;
    }
    mark(m, channel, true);
    a->connections++;
    ring_remove(&a->grace);
    news = say(a, m->info);
    if (!a->here) {
        arrive(r, a);
    } else if (news) {
        tell_hooks(r, a, CORE_UPDATED);
    }
    presence_compare(r, a);
    presence_tell_now(r, pr, pr->is_users ? 0 : m->id);
}

/* It is not here any more, and was last at `seen_ms` of real time. */
static void depart(struct router *r, struct attendee *a, uint64_t seen_ms)
{
    struct presence *pr = a->in;

    ring_remove(&a->grace);
    a->here = 0;
    pr->count--;
    if (pr->is_users) {
        seen_add(r, attendee_user(a), seen_ms);
    }
    tell_hooks(r, a, CORE_LEFT);
    presence_compare(r, a);
    presence_tell_soon(r, pr);
}

void presence_leave(struct router *r, struct member *m, struct str channel, struct str user,
                    bool at_once)
{
    struct presence *pr = presence_find(r, channel);
    struct attendee *a = pr ? presence_user(r, pr, user) : NULL;
    uint64_t grace = r->people->opt->presence_grace;

    if (!mark(m, channel, false)) {
        return; /* else it is there */
    }
    if (--a->connections) {
        return;
    }
    if (at_once || !grace) {
        depart(r, a, r->ports.real_ms(r->ports.ctx));
        return;
    }
    a->until_ms = presence_mono_ms(r) + grace;
    ring_append(&presences_of(r)->grace, &a->grace);
    people_due(r, a->until_ms);
}

static void inform(struct router *r, struct member *m, struct str channel)
{
    struct presence *pr = presence_find(r, channel);
    struct attendee *a = pr ? presence_user(r, pr, member_user(m)) : NULL;

    if (a && say(a, m->info)) {
        tell_hooks(r, a, CORE_UPDATED);
        presence_compare(r, a);
        presence_tell_soon(r, pr);
    }
}

void presence_inform(struct router *r, struct member *m)
{
    for (const struct subscription *s = m->subs; s; s = s->next) {
        if (s->topic->kind == TOPIC_CHANNEL && s->present) {
            inform(r, m, topic_name(s->topic));
        }
    }
    if (m->present) {
        inform(r, m, STR_LIT(USERS_CHANNEL));
    }
}

void presence_greet(struct router *r, struct member *m, struct str channel)
{
    struct presence *pr = presence_obtain(r, channel); /* from now on its versions are followed */
    uint32_t len;
    struct frame *f = pr ? presence_snapshot(r, pr, &len) : NULL;

    if (f) {
        (void)people_note(r, m, f);
    }
}

/* ---- in time ---- */

/* When its last connection ended, in real time. */
static uint64_t last_seen(const struct router *r, const struct attendee *a)
{
    uint64_t ended = a->until_ms - r->people->opt->presence_grace;

    return r->ports.real_ms(r->ports.ctx) - (presence_mono_ms(r) - ended);
}

static void end_graces(struct router *r, uint64_t now_ms)
{
    struct ring *head = &presences_of(r)->grace;

    for (unsigned i = 0; i < RUN_GRACES && !ring_alone(head); i++) {
        struct attendee *a = RING_OF(head->next, struct attendee, grace);
        if (a->until_ms > now_ms) {
            return;
        }
        depart(r, a, last_seen(r, a));
    }
}

void router_dismiss_user(struct router *r, struct str user)
{
    struct ring *head, *next;

    if (!r->people) {
        return;
    }
    router_lock(r);
    head = &presences_of(r)->grace;
    for (struct ring *at = head->next; at != head; at = next) {
        struct attendee *a = RING_OF(at, struct attendee, grace);
        next = at->next;
        if (str_eq(attendee_user(a), user)) {
            depart(r, a, last_seen(r, a));
        }
    }
    router_unlock(r);
}

static uint64_t queue_due(const struct ring *queue)
{
    return ring_alone(queue) ? UINT64_MAX : RING_OF(queue->next, struct presence, queue)->next_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t presences_run(struct router *r, uint64_t now_ms)
{
    struct presences *p = presences_of(r);
    uint64_t due = UINT64_MAX;
    bool more = true;

    end_graces(r, now_ms);
    for (unsigned i = 0; i < RUN_CHANNELS && more; i++) {
        more = presence_take_turn(r, &p->quick, now_ms);
        more |= presence_take_turn(r, &p->slow, now_ms);
        more |= presence_take_turn(r, &p->ready, now_ms);
    }
    if (!ring_alone(&p->ready)) {
        return now_ms;
    }
    if (!ring_alone(&p->grace)) {
        due = RING_OF(p->grace.next, struct attendee, grace)->until_ms;
    }
    return earlier(due, earlier(queue_due(&p->quick), queue_due(&p->slow)));
}

/* ---- beginning and end ---- */

bool presence_wanted(const struct options *opt, struct str channel)
{
    if (str_eqz(channel, USERS_CHANNEL)) {
        return opt->user_presence;
    }
    for (unsigned i = 0; i < opt->presence_for.n; i++) {
        if (str_starts(channel, str_of(opt->presence_for.items[i]))) {
            return true;
        }
    }
    return str_starts(channel, STR_LIT("presence-"));
}

int presences_new(struct router *r, struct presences **out)
{
    struct presences *p = calloc(1, sizeof(*p));

    (void)r;
    *out = p;
    if (!p) {
        return ERR_NOMEM;
    }
    ring_init(&p->grace);
    ring_init(&p->quick);
    ring_init(&p->slow);
    ring_init(&p->ready);
    return 0;
}

void presences_free(struct presences *p)
{
    if (p) {
        presence_clear(p);
        seen_free(p);
        free(p);
    }
}
