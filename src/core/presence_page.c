/* Reading who is there. */
#include "core/presence_private.h"

#include "proto/json.h"

#include <stdlib.h>

int router_presence_snapshot(struct router *r, unsigned shard, struct str channel,
                             struct strbuf *out)
{
    struct presence *pr;
    struct frame *f = NULL;
    uint32_t len = 0;

    if (!r->people || !presence_wanted(r->people->opt, channel)) {
        return ERR_NOT_FOUND;
    }
    router_lock_settled(r, shard);
    pr = presence_find(r, channel);
    if (pr) {
        f = presence_snapshot(r, pr, &len);
    } else {
        presence_add_nobody(out, channel, presences_of(r)->floor);
    }
    router_unlock(r);
    if (f) { /* the envelope ends with the data, and a brace */
        struct str ws = frame_ws(f);
        strbuf_add(out, ws.p + ws.len - 1 - len, len);
        frame_unref(f);
    }
    return (pr && !f) || strbuf_failed(out) ? ERR_NOMEM : 0;
}

/* ---- pages ---- */

/* A heap of at most `limit` users, the last by name at its root. */
struct first_users {
    const struct attendee **v;
    unsigned n, limit;
};

static bool is_later(const struct attendee *a, const struct attendee *b)
{
    return str_cmp(attendee_user(a), attendee_user(b)) > 0;
}

static void sift_down(struct first_users *u, unsigned i)
{
    for (;;) {
        unsigned c = 2 * i + 1;
        const struct attendee *a;
        if (c >= u->n) {
            return;
        }
        c += c + 1 < u->n && is_later(u->v[c + 1], u->v[c]);
        if (!is_later(u->v[c], u->v[i])) {
            return;
        }
        a = u->v[i];
        u->v[i] = u->v[c];
        u->v[c] = a;
        i = c;
    }
}

static void offer(struct first_users *u, const struct attendee *a)
{
    if (u->n < u->limit) {
        unsigned i = u->n++;
        for (; i && is_later(a, u->v[(i - 1) / 2]); i = (i - 1) / 2) {
            u->v[i] = u->v[(i - 1) / 2];
        }
        u->v[i] = a;
    } else if (is_later(u->v[0], a)) {
        u->v[0] = a;
        sift_down(u, 0);
    }
}

/* In the order of names. */
static void sort(struct first_users *u)
{
    unsigned n = u->n;

    while (u->n) {
        const struct attendee *last = u->v[0];
        u->v[0] = u->v[--u->n];
        sift_down(u, 0);
        u->v[u->n] = last;
    }
    u->n = n;
}

static void add_page(struct strbuf *out, struct first_users *u, const struct presence *pr,
                     struct str after)
{
    bool more;

    for (const struct attendee *a = pr->all; a; a = a->hh.next) {
        if (a->published && (!after.len || str_cmp(attendee_user(a), after) > 0)) {
            offer(u, a);
        }
    }
    sort(u);
    more = u->n == u->limit; /* one more than is wanted */
    u->n -= more;
    for (unsigned i = 0; i < u->n; i++) {
        if (i) {
            strbuf_addc(out, ',');
        }
        presence_add_member(out, u->v[i]);
    }
    strbuf_addc(out, ']');
    if (more && u->n) {
        strbuf_adds(out, ",\"next\":");
        json_add_string(out, attendee_user(u->v[u->n - 1]));
    }
}

int router_presence_page(struct router *r, struct str channel, struct str after, unsigned limit,
                         struct strbuf *out)
{
    struct first_users u = {NULL, 0, limit + 1};
    const struct presence *pr;

    if (!r->people || !presence_wanted(r->people->opt, channel)) {
        return ERR_NOT_FOUND;
    }
    u.v = calloc(u.limit, sizeof(*u.v));
    if (!u.v) {
        return ERR_NOMEM;
    }
    router_lock(r);
    pr = presence_find(r, channel);
    strbuf_addf(out, "\"version\":%llu,\"count\":%u,\"listed\":%s,\"members\":[",
                (unsigned long long)(pr ? pr->version : presences_of(r)->floor),
                (unsigned)(pr ? pr->shown : 0), pr && pr->counting ? "false" : "true");
    if (pr) {
        add_page(out, &u, pr, after);
    } else {
        strbuf_addc(out, ']');
    }
    router_unlock(r);
    free(u.v);
    return strbuf_failed(out) ? ERR_NOMEM : 0;
}

void router_user_presence(struct router *r, struct str user, struct user_presence *out)
{
    const struct topic *t;
    const struct presence *pr;
    const struct attendee *a;

    *out = (struct user_presence){0};
    router_lock(r);
    t = topic_find(&r->users, user);
    out->online = t && t->total;
    if (r->people && r->people->opt->user_presence) {
        pr = presence_find(r, STR_LIT(USERS_CHANNEL));
        a = pr ? presence_user(r, pr, user) : NULL;
        if (a && a->here) {
            out->online = true;
            out->since_ms = a->since_ms;
        } else {
            out->last_seen_ms = out->online ? 0 : seen_last(r, user);
        }
    }
    router_unlock(r);
}
