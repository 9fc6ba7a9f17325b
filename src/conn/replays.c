#include "conn/replays.h"

#include "base/clock.h"
#include "conn/load.h"
#include "conn/notes.h"
#include "conn/stream.h"
#include "proto/json.h"

#include <stdlib.h>

/* How long one turn of the loop spends on slices, microseconds. */
#define TURN_US 1000

/* ---- making one ---- */

static void copy(char **to, struct str s, struct str *out)
{
    *out = (struct str){*to, s.len};
    if (s.len) {
        memcpy(*to, s.p, s.len);
    }
    *to += s.len;
}

static struct stream_replay *replay_new(struct stream *s, struct str user, const struct str *names,
                                        unsigned nnames, struct str ref)
{
    const struct options *opt = s->env->opt;
    size_t size = user.len + ref.len;
    struct stream_replay *sr;
    char *to;

    for (unsigned i = 0; i < nnames; i++) {
        size += names[i].len;
    }
    sr = calloc(1, sizeof(*sr) + size);
    if (!sr) {
        return NULL;
    }
    sr->names = calloc(nnames + 1, sizeof(struct str));
    if (!sr->names) {
        free(sr);
        return NULL;
    }
    to = sr->text;
    copy(&to, user, &sr->rp.user);
    copy(&to, ref, &sr->ref);
    for (unsigned i = 0; i < nnames; i++) {
        copy(&to, names[i], &sr->names[i]);
    }
    sr->s = s;
    sr->rp.names = sr->names;
    sr->rp.nnames = nnames;
    /* Half of what may wait, so that live messages find room behind a slice. */
    sr->rp.max_items =
        opt->queue_messages / 2 < REPLAY_SLICE ? opt->queue_messages / 2 : REPLAY_SLICE;
    sr->rp.max_bytes = opt->queue_bytes / 2 < REPLAY_SLICE_BYTES ? (size_t)opt->queue_bytes / 2
                                                                 : REPLAY_SLICE_BYTES;
    return sr;
}

static void replay_delete(struct stream_replay *sr)
{
    replay_fini(&sr->rp);
    free(sr->names);
    free(sr);
}

void replays_ready(struct stream *s)
{
    struct stream_replay *sr = s->replays;

    if (sr && !sr->link) {
        sr->next_ready = NULL;
        sr->link = s->env->replay_end;
        *s->env->replay_end = sr;
        s->env->replay_end = &sr->next_ready;
    }
}

static void not_ready(struct stream_replay *sr)
{
    if (!sr->link) {
        return;
    }
    *sr->link = sr->next_ready;
    if (sr->next_ready) {
        sr->next_ready->link = sr->link;
    } else {
        sr->s->env->replay_end = sr->link;
    }
    sr->link = NULL;
}

static void append(struct stream *s, struct stream_replay *sr)
{
    struct stream_replay **end = &s->replays;

    if (!*end) {
        metrics_inc(s->env->metrics, METRIC_REPLAYING);
    }
    while (*end) {
        end = &(*end)->next;
    }
    *end = sr;
}

static void take_out(struct stream *s, struct stream_replay *sr)
{
    struct stream_replay **p = &s->replays;

    while (*p != sr) {
        p = &(*p)->next;
    }
    *p = sr->next;
    not_ready(sr);
    replay_delete(sr);
    if (!s->replays) {
        metrics_dec(s->env->metrics, METRIC_REPLAYING);
    }
}

void replays_free(struct stream *s)
{
    while (s->replays) {
        take_out(s, s->replays);
    }
}

/* ---- putting a slice ---- */

static const char *scope_text(enum gap_scope scope)
{
    switch (scope) {
    case GAP_ALL:
        return "all";
    case GAP_CHANNEL:
        return "channel";
    case GAP_PATTERN:
        return "pattern";
    case GAP_USER:
        return "user";
    case GAP_EVERYONE:
        break;
    }
    return "everyone";
}

static void add_gap(struct strbuf *out, const struct stream *s, const struct replay_gap *g,
                    struct str position)
{
    struct strbuf data = STRBUF_INIT;
    char from[CURSOR_MAX], to[CURSOR_MAX];

    cursor_format((struct cursor){g->from_epoch, g->from}, from);
    cursor_format((struct cursor){s->env->epoch, g->to}, to);
    strbuf_addf(&data, "{\"scope\":\"%s\"", scope_text(g->scope));
    if (g->name.len) {
        strbuf_adds(&data, ",\"name\":");
        json_add_string(&data, g->name);
    }
    strbuf_addf(&data, ",\"from\":\"%s\",\"to\":\"%s\",\"reason\":\"%s\"}", from, to,
                gap_reason_text(g->reason));
    control_add(out, s->ops->transport, STR_LIT("fanfare.gap"), position, strbuf_str(&data));
    out->failed |= strbuf_failed(&data);
    strbuf_fini(&data);
}

static bool is_open(const struct stream *s)
{
    return !(s->ending | s->dead);
}

/* Nothing comes behind a farewell: what was not sent must not seem to be. */
static void put(struct stream *s, struct strbuf *sb)
{
    if (!is_open(s)) {
        strbuf_fini(sb);
        return;
    }
    if (strbuf_failed(sb)) {
        stream_end(s, 1011, "out of memory");
    } else if (sb->len) {
        stream_put_bytes(s, strbuf_str(sb));
    }
    strbuf_fini(sb);
}

static void put_gaps(struct stream *s, const struct replay_slice *slice, struct str position)
{
    struct strbuf sb = STRBUF_INIT;

    for (unsigned i = 0; i < slice->ngaps; i++) {
        add_gap(&sb, s, &slice->gaps[i], position);
    }
    put(s, &sb);
}

/* What waited for the user from before the stream's position, and what is of a
 * subscription's own replay, does not move the position. */
static bool put_item(struct stream *s, const struct stream_replay *sr, const struct core_item *it)
{
    bool whole = sr->rp.whole;
    struct outbuf *b;

    if (whole && it->seq <= s->position) {
        return stream_put_again(s, it->frame, 0);
    }
    b = outbuf_of_frame(it->frame, whole ? it->seq : s->position, &s->env->held);
    if (!b) {
        return false;
    }
    if (!whole) {
        b->direct = true;
        b->policy = 1 + SLOW_DISCONNECT; /* no gap would cover it, so it never gives way */
    }
    stream_put(s, b);
    outbuf_unref(b);
    return true;
}

static void put_items(struct stream *s, const struct stream_replay *sr,
                      const struct replay_slice *slice)
{
    for (unsigned i = 0; i < slice->n; i++) {
        if (!put_item(s, sr, &slice->items[i])) {
            stream_end(s, 1011, "out of memory");
            return;
        }
    }
}

static void put_synced(struct stream *s, const struct stream_replay *sr, struct cursor top)
{
    struct strbuf sb = STRBUF_INIT;
    struct strbuf data = STRBUF_INIT;
    char cursor[CURSOR_MAX];
    size_t n = cursor_format(top, cursor);

    if (sr->rp.whole) {
        strbuf_adds(&data, "{}");
    } else {
        strbuf_adds(&data, "{\"channel\":");
        json_add_string(&data, sr->names[0]);
        if (sr->ref.len) {
            strbuf_adds(&data, ",\"ref\":");
            strbuf_addstr(&data, sr->ref);
        }
        strbuf_addc(&data, '}');
    }
    control_add(&sb, s->ops->transport, STR_LIT("fanfare.synced"), (struct str){cursor, n},
                strbuf_str(&data));
    sb.failed |= strbuf_failed(&data);
    strbuf_fini(&data);
    put(s, &sb);
}

/* The first replay of the list has come to its end; what its user has not
 * acknowledged comes behind it. */
static void end_replay(struct stream *s, struct cursor top)
{
    struct stream_replay *sr = s->replays;

    if (!is_open(s)) {
        return; /* the client has not got all of it */
    }
    if (sr->rp.whole) {
        s->position = top.seq;
    }
    put_synced(s, sr, top);
    notes_put(s);
    if (sr->reads) {
        notes_put_reads(s, sr->names, sr->rp.nnames);
    }
    if (sr->rp.whole && sr->rp.user.len) {
        sr->synced = true;
        replays_ready(s);
    } else {
        take_out(s, sr);
    }
}

/* Some of what the user has been sent before and not acknowledged: as much as a
 * slice may be. */
static void put_unacked(struct stream *s)
{
    struct stream_replay *sr = s->replays;
    struct again v[REPLAY_SLICE];
    unsigned n = router_unacked(s->env->router, &s->member, sr->rp.user_after, s->env->now_ms,
                                &sr->unacked_after, v, sr->rp.max_items, sr->rp.max_bytes);

    if (n == 0) {
        take_out(s, sr);
        stream_mark_dirty(s); /* the next one's turn may have come */
    }
    for (unsigned i = 0; i < n; i++) {
        if (is_open(s) && !stream_put_again(s, v[i].frame, v[i].attempt)) {
            stream_end(s, 1011, "out of memory");
        }
        frame_unref(v[i].frame);
    }
}

/* ---- slices ---- */

static void greet(struct stream *s, const struct replay_slice *slice, bool asked)
{
    struct strbuf sb = STRBUF_INIT;
    struct cursor start = s->replays->rp.start;
    char cursor[CURSOR_MAX];
    struct str position = {cursor, cursor_format(start, cursor)};

    if (!start.epoch) { /* what was asked for is no position: an EventSource keeps it */
        position = STR_NONE;
    }
    stream_add_greeting(s, position, asked && !slice->ngaps, &sb);
    put(s, &sb);
    put_gaps(s, slice, position);
}

/* The first slice comes with the greeting. */
static int first_slice(struct stream *s, bool asked)
{
    struct stream_replay *sr = s->replays;
    struct replay_slice slice;
    int rc = replay_slice_init(&slice, &sr->rp);

    if (rc != 0) {
        return rc;
    }
    /* Of another log the client has nothing of this one. */
    s->position = sr->rp.start.epoch == s->env->epoch ? sr->rp.start.seq : sr->rp.at;
    rc = replay_next(s->env->router, &s->member, &sr->rp, &slice, clock_real_ms());
    if (rc == 0) {
        greet(s, &slice, asked);
        put_items(s, sr, &slice);
        if (slice.done) {
            end_replay(s, slice.top);
        } else {
            stream_mark_dirty(s); /* whose flush finds it ready for more */
        }
    }
    replay_slice_fini(&slice);
    return rc;
}

int replays_begin(struct stream *s, const struct stream_intro *intro)
{
    struct stream_replay *sr = replay_new(s, intro->user, intro->names, intro->nnames, STR_NONE);
    int rc;

    if (!sr) {
        return ERR_NOMEM;
    }
    sr->rp.whole = true;
    sr->reads = intro->reads;
    rc = replay_init(s->env->router, &sr->rp, &intro->position, clock_real_ms());
    if (rc != 0) {
        replay_delete(sr);
        return rc;
    }
    append(s, sr);
    rc = first_slice(s, intro->position.kind != POSITION_NONE);
    if (rc != 0) {
        replays_free(s);
    }
    return rc;
}

static void put_slice(struct stream *s, const struct replay_slice *slice)
{
    struct stream_replay *sr = s->replays;
    char cursor[CURSOR_MAX];
    size_t n = cursor_format((struct cursor){s->env->epoch, s->position}, cursor);

    put_gaps(s, slice, (struct str){cursor, n});
    put_items(s, sr, slice);
    if (slice->done) {
        end_replay(s, slice->top);
    }
    if (slice->n == 0) { /* nothing will be written that would make it ready again */
        replays_ready(s);
    }
    stream_mark_dirty(s);
}

static void next_slice(struct stream *s)
{
    struct stream_replay *sr = s->replays;
    struct replay_slice slice;
    int rc;

    if (sr->synced) {
        put_unacked(s);
        return;
    }
    rc = replay_slice_init(&slice, &sr->rp);
    if (rc == 0) {
        rc = replay_next(s->env->router, &s->member, &sr->rp, &slice, clock_real_ms());
        if (rc == ERR_EXISTS) { /* it came by another way meanwhile */
            rc = 0;
            slice.done = true;
            slice.top = router_top(s->env->router);
        }
        if (rc == 0) {
            put_slice(s, &slice);
        }
        replay_slice_fini(&slice);
    }
    if (rc != 0) {
        stream_end(s, 1011, "out of memory");
    }
}

bool conn_env_replay_some(struct conn_env *env)
{
    uint64_t since = env->replays ? clock_mono_us() : 0;

    while (env->replays) {
        struct stream *s = env->replays->s;
        not_ready(env->replays);
        if (!s->ending && !s->dead) {
            next_slice(s);
        }
        if (clock_mono_us() - since >= TURN_US) {
            break;
        }
    }
    return env->replays != NULL;
}

/* ---- subscriptions ---- */

static int subscribe(struct stream *s, struct str name, const struct position *pos, struct str ref,
                     struct cursor *at)
{
    struct router *r = s->env->router;
    struct stream_replay *sr;
    int rc;

    *at = (struct cursor){0, 0};
    if (stream_has_name(s, name)) {
        *at = router_top(r);
        return ERR_EXISTS;
    }
    if (pos->kind == POSITION_NONE && s->member.joined) {
        return router_subscribe(r, &s->member, name, at);
    }
    sr = replay_new(s, STR_NONE, &name, 1, ref);
    if (!sr) {
        return ERR_NOMEM;
    }
    rc = replay_init(r, &sr->rp, pos, clock_real_ms());
    if (rc != 0) {
        replay_delete(sr);
        return rc;
    }
    *at = sr->rp.start;
    append(s, sr);
    replays_ready(s);
    return 0;
}

int stream_subscribe(struct stream *s, struct str name, const struct position *pos, struct str ref,
                     struct cursor *at)
{
    int rc = subscribe(s, name, pos, ref, at);

    load_sync(s);
    if (rc == 0 && s->env->hooks.subscribed) {
        s->env->hooks.subscribed(s->env->hooks.ctx, s, name);
    }
    return rc;
}

bool replays_want_reads(struct stream *s, struct str name)
{
    for (struct stream_replay *sr = s->replays; sr; sr = sr->next) {
        if (!sr->synced && str_among(name, sr->names, sr->rp.nnames)) {
            sr->reads = true;
            return true;
        }
    }
    return false;
}

/* Out of the stream's own replay, which goes on without it. */
static void take_name(struct stream_replay *sr, unsigned i)
{
    unsigned n = --sr->rp.nnames;

    memmove(sr->names + i, sr->names + i + 1, (n - i) * sizeof(struct str));
    memmove(sr->rp.told + i, sr->rp.told + i + 1, (n + 2 - i) * sizeof(*sr->rp.told));
}

/* Every copy of it. False: it is not there. */
static bool take_names(struct stream_replay *sr, struct str name)
{
    bool found = false;

    for (unsigned i = 0; i < sr->rp.nnames;) {
        if (str_eq(sr->names[i], name)) {
            take_name(sr, i);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

/* False: no replay has the name. */
static bool leave_replay(struct stream *s, struct str name)
{
    for (struct stream_replay *sr = s->replays; sr; sr = sr->next) {
        if (sr->synced) { /* its names are the member's now */
            continue;
        }
        if (sr->rp.whole ? take_names(sr, name) : str_eq(sr->names[0], name)) {
            if (!sr->rp.whole) {
                take_out(s, sr);
                stream_mark_dirty(s); /* the next one's turn may have come */
            }
            return true;
        }
    }
    return false;
}

int stream_drop_name(struct stream *s, struct str name, const char *reason)
{
    int rc = leave_replay(s, name) ? 0 : router_unsubscribe(s->env->router, &s->member, name);

    load_sync(s);
    if (rc == 0 && s->env->hooks.unsubscribed) {
        s->env->hooks.unsubscribed(s->env->hooks.ctx, s, name, reason);
    }
    return rc;
}

int stream_unsubscribe(struct stream *s, struct str name)
{
    return stream_drop_name(s, name, NULL);
}
