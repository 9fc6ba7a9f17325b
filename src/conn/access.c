#include "conn/access.h"

#include "base/clock.h"
#include "base/dup.h"
#include "conn/notes.h"
#include "core/permit.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>

/* The wheel counts by the monotonic clock, a credential by the wall clock, which may be set:
 * it is looked at again at least this often. */
#define LOOK_AGAIN_MS 60000

/* Renewals that are looked at in a second. */
#define TRIES 20

struct stream_access {
    struct wheel_timer timer; /* first */
    struct stream *s;
    struct grant *grant;
    char **names; /* shown with a signature; in the order of strcmp */
    uint32_t nnames;
    uint16_t second; /* in which `tries` were made, modulo 2^16 */
    uint8_t tries;
    bool warned;
};

static bool is_closing(const struct stream *s)
{
    return s->ending | s->dead;
}

/* ---- names that were signed ---- */

/* Where it stands, or is to be put. True: it is there. */
static bool find_signed(const struct stream_access *a, struct str name, unsigned *at)
{
    unsigned from = 0, to = a->nnames;

    while (from < to) {
        unsigned mid = from + (to - from) / 2;
        int d = str_cmp(str_of(a->names[mid]), name);
        if (d == 0) {
            *at = mid;
            return true;
        }
        if (d < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    *at = from;
    return false;
}

int access_add_signed(struct stream *s, struct str channel)
{
    struct stream_access *a = s->access;
    char **names;
    char *copy;
    unsigned at;

    if (!a || find_signed(a, channel, &at)) {
        return 0;
    }
    names = realloc(a->names, (a->nnames + 1) * sizeof(char *));
    if (!names) {
        return ERR_NOMEM;
    }
    a->names = names;
    copy = str_dup(channel);
    if (!copy) {
        return ERR_NOMEM;
    }
    memmove(names + at + 1, names + at, (a->nnames - at) * sizeof(char *));
    names[at] = copy;
    a->nnames++;
    return 0;
}

void access_drop_signed(struct stream *s, struct str channel)
{
    struct stream_access *a = s->access;
    unsigned at;

    if (!a || !find_signed(a, channel, &at)) {
        return;
    }
    free(a->names[at]);
    a->nnames--;
    memmove(a->names + at, a->names + at + 1, (a->nnames - at) * sizeof(char *));
}

/* ---- what is permitted ---- */

static bool permits(const struct stream_access *a, const struct grant *g, struct str name)
{
    unsigned at;

    return permit_subscribe(a->s->env->opt, g, name) || find_signed(a, name, &at);
}

bool access_may_subscribe(const struct stream *s, struct str name)
{
    return !s->access || permits(s->access, s->access->grant, name);
}

const struct grant *access_grant(const struct stream *s)
{
    return s->access ? s->access->grant : NULL;
}

struct grant *access_grant_ref(const struct stream *s)
{
    return s->access ? grant_ref(s->access->grant) : grant_open();
}

struct survey {
    const struct stream_access *a;
    const struct grant *g;
    struct strbuf names; /* each with its NUL */
};

static void note_forbidden(void *ctx, struct str name)
{
    struct survey *v = ctx;

    if (!permits(v->a, v->g, name)) {
        strbuf_addstr(&v->names, name);
        strbuf_addc(&v->names, '\0');
    }
}

static void say_unsubscribed(struct stream *s, struct str name)
{
    struct strbuf data = STRBUF_INIT;

    strbuf_adds(&data, "{\"channel\":");
    json_add_string(&data, name);
    strbuf_adds(&data, ",\"reason\":\"forbidden\"}");
    if (strbuf_failed(&data)) {
        stream_kill(s, "out of memory");
    } else {
        stream_put_control(s, STR_LIT("fanfare.unsubscribed"), strbuf_str(&data));
    }
    strbuf_fini(&data);
}

/* Ends the subscription. What was sent on before is delivered by this, which may end a slow
 * client; what comes after it is not for this name any more. */
static int leave(struct stream *s, struct str name)
{
    int rc = stream_drop_name(s, name, "forbidden");

    if (rc == ERR_NOMEM) {
        stream_end(s, 1011, "out of memory");
    } else if (rc == 0 && !is_closing(s)) {
        say_unsubscribed(s, name);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc; /* a name of a replay may stand there twice */
}

/* Ends all subscriptions that `g` does not permit. ERR_NOMEM: nothing was done, or the stream
 * ends; ERR_CLOSED: it ends. */
static int leave_forbidden(struct stream_access *a, const struct grant *g)
{
    struct stream *s = a->s;
    struct survey v = {a, g, STRBUF_INIT};
    int rc = 0;

    stream_names(s, note_forbidden, &v);
    if (strbuf_failed(&v.names)) {
        rc = ERR_NOMEM;
    }
    for (size_t at = 0; rc == 0 && at < v.names.len;) {
        struct str name = str_of(v.names.data + at);
        at += name.len + 1;
        rc = leave(s, name);
        if (rc == 0 && is_closing(s)) {
            rc = ERR_CLOSED;
        }
    }
    strbuf_fini(&v.names);
    return rc;
}

void access_recheck(struct stream *s)
{
    if (s->access && !is_closing(s) && leave_forbidden(s->access, s->access->grant) == ERR_NOMEM) {
        stream_end(s, 1011, "out of memory");
    }
}

/* ---- the end ---- */

static void say_closing(struct stream *s, struct str data, uint16_t code, const char *reason)
{
    if (is_closing(s)) {
        return;
    }
    if (s->access) {
        wheel_stop(&s->access->timer);
    }
    stream_put_control(s, STR_LIT("fanfare.closing"), data);
    stream_end(s, code, reason);
}

void access_revoke(struct stream *s)
{
    s->member.leaves = 1; /* it is not coming back */
    say_closing(s, STR_LIT("{\"code\":\"revoked\",\"reconnect\":false}"), CLOSE_REVOKED,
                "credential revoked");
}

void access_expire(struct stream *s)
{
    say_closing(s, STR_LIT("{\"code\":\"expired\",\"reconnect\":true}"), CLOSE_EXPIRED,
                "credential expired");
}

/* ---- time ---- */

static void say_expiring(const struct stream_access *a)
{
    char at[CLOCK_RFC3339_LEN + 1];
    char data[64];

    clock_rfc3339(a->grant->s.expires_ms, at);
    snprintf(data, sizeof(data), "{\"expiresAt\":\"%s\"}", at);
    stream_put_control(a->s, STR_LIT("fanfare.auth_expiring"), str_of(data));
}

static uint64_t warn_at(const struct stream_access *a)
{
    uint64_t before = a->s->env->opt->token_warning;
    uint64_t expires = a->grant->s.expires_ms;

    return expires > before ? expires - before : 0;
}

/* Waits for what is to be said next. */
static void wait_on(struct stream_access *a)
{
    struct conn_env *env = a->s->env;
    uint64_t now = clock_real_ms();
    uint64_t at = a->warned ? a->grant->s.until_ms : warn_at(a);
    uint64_t wait = at > now ? at - now : 0;

    if (a->grant->s.until_ms) {
        wheel_start(env->wheel, &a->timer, env->now_ms,
                    wait < LOOK_AGAIN_MS ? wait : LOOK_AGAIN_MS);
    } else {
        wheel_stop(&a->timer);
    }
}

/* Says what is due by the wall clock. */
static void look(struct stream_access *a)
{
    uint64_t until = a->grant->s.until_ms;
    uint64_t now = clock_real_ms();

    if (is_closing(a->s) || !until) {
        return;
    }
    if (now >= until) {
        access_expire(a->s);
        return;
    }
    if (!a->warned && now >= warn_at(a)) {
        a->warned = true;
        say_expiring(a);
    }
    wait_on(a);
}

void access_timer_fired(struct wheel_timer *t)
{
    look((struct stream_access *)(void *)t);
}

/* ---- beginning, renewal ---- */

int access_begin(struct stream *s, struct grant *g)
{
    struct stream_access *a;

    if (!g || g->s.kind == GRANT_OPEN) {
        return 0;
    }
    a = calloc(1, sizeof(*a));
    if (!a) {
        return ERR_NOMEM;
    }
    a->timer.kind = STREAM_TIMER_ACCESS;
    a->s = s;
    a->grant = grant_ref(g);
    s->access = a;
    return 0;
}

/* It was good when it was checked. Since then it may have been revoked, or its key taken out,
 * by somebody who looked for its streams here before this one was there. */
static enum standing standing_of(const struct conn_env *env, const struct grant *g)
{
    return env->hooks.standing ? env->hooks.standing(env->hooks.ctx, g) : STANDS;
}

bool access_stands(const struct stream *s)
{
    return !s->access || standing_of(s->env, s->access->grant) == STANDS;
}

void access_greeted(struct stream *s)
{
    if (!s->access) {
        return;
    }
    switch (standing_of(s->env, s->access->grant)) {
    case IS_REVOKED:
        access_revoke(s);
        return;
    case HAS_EXPIRED:
        access_expire(s);
        return;
    case STANDS:
        break;
    }
    access_recheck(s); /* the rules may be others, too */
    look(s->access);
}

void access_free(struct stream *s)
{
    struct stream_access *a = s->access;

    if (!a) {
        return;
    }
    wheel_stop(&a->timer);
    for (unsigned i = 0; i < a->nnames; i++) {
        free(a->names[i]);
    }
    free(a->names);
    grant_unref(a->grant);
    free(a);
    s->access = NULL;
}

/* What the stream is described with from now on: the new credential's; what the old one said
 * goes with it, what the client said itself stays. ERR_NOMEM. */
static int renewed_meta(const struct stream_access *a, const struct grant *g, char **meta)
{
    bool had = a->grant->s.meta.len > 0;

    *meta = had ? NULL : a->s->meta;
    if (g->s.meta.len) {
        *meta = str_dup(g->s.meta);
        return *meta ? 0 : ERR_NOMEM;
    }
    return 0;
}

/* What others see of the user, if the new credential says it. The last that may fail. */
static int show_info(struct stream *s, const struct grant *g)
{
    int rc = g->s.info.len ? notes_set_info(s, g->s.info) : 0;

    if (rc != 0) { /* subscriptions may have ended already */
        stream_end(s, 1011, "out of memory");
    }
    return rc;
}

uint64_t access_wait(struct stream *s)
{
    struct stream_access *a = s->access;
    uint64_t now = s->env->now_ms;
    uint16_t second = (uint16_t)(now / 1000);

    if (!a) {
        return 0;
    }
    if (second != a->second) {
        a->second = second;
        a->tries = 0;
    }
    if (a->tries == TRIES) {
        return 1000 - now % 1000;
    }
    a->tries++;
    return 0;
}

int access_renew(struct stream *s, struct grant *g)
{
    struct stream_access *a = s->access;
    char *meta;
    int rc;

    if (is_closing(s)) {
        return ERR_CLOSED;
    }
    if (!a) {
        return ERR_STATE;
    }
    if (g->s.kind != GRANT_CLIENT || !str_eq(g->s.user, stream_user(s))) {
        return ERR_CONFLICT;
    }
    switch (standing_of(s->env, g)) {
    case IS_REVOKED:
        access_revoke(s);
        return ERR_CLOSED;
    case HAS_EXPIRED:
        return ERR_INVALID;
    case STANDS:
        break;
    }
    rc = renewed_meta(a, g, &meta);
    if (rc == 0) {
        rc = leave_forbidden(a, g);
    }
    if (rc == 0) {
        rc = show_info(s, g);
    }
    if (rc != 0) {
        if (meta != s->meta) {
            free(meta);
        }
        return rc;
    }
    if (meta != s->meta) {
        free(s->meta);
        s->meta = meta;
    }
    grant_ref(g); /* first: it may be the same */
    grant_unref(a->grant);
    a->grant = g;
    a->warned = false;
    wait_on(a); /* what is due already comes behind the answer */
    return 0;
}
