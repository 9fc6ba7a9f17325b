/* Who types where. Told when it begins and when it ends, and not in between: a keystroke only
 * puts the end off. */
#include "core/notice.h"
#include "core/people_private.h"

#include "proto/json.h"
#include "proto/name.h"

#include <stdlib.h>

/* Channels that a member may type in at once. */
#define MEMBER_MAX 16
/* Users that a newcomer is told of. */
#define GREET_MAX 100
/* Ends that one run tells of. */
#define RUN_MAX 256

/* All have the same time left when they are touched: the oldest is the first to end. */
struct typist {
    struct pair pair;     /* first */
    struct member *owner; /* who said so last; NULL: has left, and only the notice is missing */
    uint64_t until_ms;    /* monotonic */
};

struct typists {
    struct pairs pairs;
    uint64_t timeout_ms;
    uint32_t max;
    uint32_t counted; /* as it was told to the metrics */
};

int typists_new(struct router *r, struct typists **out)
{
    struct typists *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    *t = (struct typists){.pairs = {.seed = r->seed},
                          .timeout_ms = r->people->opt->typing_timeout,
                          .max = r->people->opt->max_typing};
    *out = t;
    return 0;
}

static struct typist *typist_of(struct pair *p)
{
    return (struct typist *)(void *)p;
}

void typists_free(struct typists *t)
{
    if (!t) {
        return;
    }
    while (t->pairs.oldest) {
        pairs_drop(&t->pairs, t->pairs.oldest);
    }
    free(t);
}

static int make_notice(struct str channel, struct str user, bool on, struct frame **out)
{
    struct strbuf sb = STRBUF_INIT;
    int rc = ERR_NOMEM;

    strbuf_adds(&sb, "{\"channel\":");
    json_add_string(&sb, channel);
    strbuf_adds(&sb, ",\"userId\":");
    json_add_string(&sb, user);
    strbuf_adds(&sb, on ? ",\"typing\":true}" : ",\"typing\":false}");
    if (!strbuf_failed(&sb)) {
        rc = frame_new_notice(STR_LIT("fanfare.typing"), strbuf_str(&sb), out);
    }
    strbuf_fini(&sb);
    return rc;
}

static int tell(struct router *r, struct str channel, struct str user, bool on, uint64_t except)
{
    struct frame *f = NULL;
    int rc;

    if (!notice_has_audience(r, channel)) {
        return 0;
    }
    rc = make_notice(channel, user, on, &f);
    return rc ? rc : notice_post(r, channel, f, except);
}

static void own(struct typist *p, struct member *m)
{
    if (p->owner) {
        p->owner->typing--;
    }
    p->owner = m;
    if (m) {
        m->typing++;
    }
}

static void count(struct router *r, struct typists *t)
{
    if (r->metrics) {
        metrics_add(r->metrics, METRIC_TYPING, (uint64_t)t->pairs.listed - t->counted);
        t->counted = t->pairs.listed;
    }
}

static void touch(struct router *r, struct typists *t, struct typist *p)
{
    p->until_ms = r->ports.mono_ms(r->ports.ctx) + t->timeout_ms;
    pairs_touch(&t->pairs, &p->pair);
    people_due(r, p->until_ms);
}

/* ---- from members ---- */

static int start(struct router *r, struct member *m, struct str channel, struct str user)
{
    struct typists *t = r->people->typists;
    struct typist *p = typist_of(pairs_find(&t->pairs, channel, user));
    int rc;

    if ((!p || p->owner != m) && m->typing >= MEMBER_MAX) {
        return ERR_LIMIT;
    }
    if (!p) {
        if (t->pairs.listed >= t->max) {
            return ERR_LIMIT;
        }
        if (notice_crowded(r)) {
            return ERR_BUSY;
        }
        p = pairs_add(&t->pairs, sizeof(*p), channel, user);
        if (!p) {
            return ERR_NOMEM;
        }
        rc = tell(r, channel, user, true, m->id);
        if (rc) {
            pairs_drop(&t->pairs, &p->pair);
            return rc;
        }
    }
    own(p, m);
    touch(r, t, p);
    count(r, t);
    return 0;
}

/* Without memory it goes on until its time is over. */
static int stop(struct router *r, struct typist *p, uint64_t except)
{
    struct typists *t = r->people->typists;
    int rc = tell(r, pair_channel_name(p->pair.channel), pair_user(&p->pair), false, except);

    if (rc == 0) {
        own(p, NULL);
        pairs_drop(&t->pairs, &p->pair);
        count(r, t);
    }
    return rc;
}

static int typing_locked(struct router *r, struct member *m, struct str channel, bool on)
{
    struct str user = member_user(m);
    struct typist *p;

    if (!r->people || user.len == 0) {
        return ERR_STATE;
    }
    if (!member_channel(m, channel)) {
        return ERR_NOT_FOUND;
    }
    if (on) {
        return start(r, m, channel, user);
    }
    p = typist_of(pairs_find(&r->people->typists->pairs, channel, user));
    return p ? stop(r, p, m->id) : 0;
}

int router_typing(struct router *r, struct member *m, struct str channel, bool on)
{
    int rc;

    router_lock(r);
    rc = typing_locked(r, m, channel, on);
    router_unlock(r);
    return rc;
}

void typing_leave(struct router *r, struct member *m, struct str channel)
{
    struct typist *p;

    if (m->typing == 0) {
        return;
    }
    p = typist_of(pairs_find(&r->people->typists->pairs, channel, member_user(m)));
    if (p && p->owner == m && stop(r, p, m->id) != 0) {
        own(p, NULL); /* told when its time is over */
    }
}

void typing_greet(struct router *r, struct member *m, struct str channel)
{
    const struct pair_channel *c = pairs_channel(&r->people->typists->pairs, channel);
    const struct pair *p = c ? c->newest : NULL;

    for (unsigned n = 0; p && n < GREET_MAX; n++, p = p->ch_older) {
        struct frame *f;
        if (make_notice(channel, pair_user(p), true, &f) != 0 || !people_note(r, m, f)) {
            return;
        }
    }
}

/* ---- in time ---- */

uint64_t typing_run(struct router *r, uint64_t now_ms)
{
    struct typists *t = r->people->typists;
    unsigned n = 0;

    while (t->pairs.oldest) {
        struct typist *p = typist_of(t->pairs.oldest);
        if (p->until_ms > now_ms) {
            return p->until_ms;
        }
        if (n++ == RUN_MAX) {
            return now_ms;
        }
        if (stop(r, p, 0) != 0) { /* once more, later */
            p->until_ms = now_ms + t->timeout_ms;
            pairs_touch(&t->pairs, &p->pair);
        }
    }
    return UINT64_MAX;
}
