/* support_wsops.h - one WebSocket session over a socketpair, and what it says. */
#ifndef FF_TESTS_SUPPORT_WSOPS_H
#define FF_TESTS_SUPPORT_WSOPS_H

#include "support_rig.h"

#include "support_wsclient.h"
#include "ws/session.h"

static struct rig *r;
static struct ws_shard shard;
static int peer;

/* A session; the intro needs no descriptor. */
static inline void start_with(struct stream_intro intro)
{
    struct rig_pair p = rig_socketpair();

    r = rig_new();
    cr_assert_eq(ws_shard_init(&shard, &r->env), 0);
    peer = p.peer;
    intro.fd = p.ours;
    cr_assert_eq(ws_open(&shard, &intro, STR_NONE), 0);
    rig_drop(r, peer);
}

/* One of a user; empty: anonymous. */
static inline void start_as(const char *user)
{
    start_with((struct stream_intro){.user = str_of(user)});
}

static inline void start(void)
{
    start_as("");
}

static inline void stop(void)
{
    close(peer);
    rig_free(r);
    ws_shard_fini(&shard);
}

static inline struct stream *session(void)
{
    uint32_t i = 0;

    cr_assert_eq(r->env.clients.count, 1);
    while (!r->env.clients.slots[i]) {
        i++;
    }
    return r->env.clients.slots[i];
}

/* Sends one op; what comes back, text frames only, each with a line end. */
static inline const char *answers(const char *op)
{
    static char text[200000];
    struct strbuf out = STRBUF_INIT, in = STRBUF_INIT;
    struct wsc_got g;
    size_t at = 0, len = 0;

    if (op) {
        wsc_text(&out, op);
        rig_send(peer, out.data, out.len);
        strbuf_fini(&out);
    }
    rig_turn(r);
    rig_read_all(r, peer, &in);
    while (wsc_next(strbuf_str(&in), &at, &g)) {
        cr_assert_eq(g.opcode, 1, "%s: %.*s", op, (int)g.payload.len, g.payload.p);
        memcpy(text + len, g.payload.p, g.payload.len);
        len += g.payload.len;
        text[len++] = '\n';
    }
    text[len] = '\0';
    strbuf_fini(&in);
    return text;
}

static inline void is_error(const char *op, const char *ref, const char *code)
{
    const char *got = answers(op);
    char head[300];

    snprintf(
        head, sizeof(head),
        "{\"type\":\"fanfare.reply\"%s%s,\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"",
        ref ? ",\"ref\":" : "", ref ? ref : "", code);
    cr_assert(str_starts(str_of(got), str_of(head)), "%s\ngave %s\nnot  %s", op, got, head);
    cr_assert_eq(rig_count(got, "\n"), 1);
}

static inline void is_ok(const char *op, const char *ref, const char *data)
{
    const char *got = answers(op);
    char all[600];

    snprintf(all, sizeof(all), "{\"type\":\"fanfare.reply\"%s%s,\"ok\":true,\"data\":%s}\n",
             ref ? ",\"ref\":" : "", ref ? ref : "", data);
    cr_assert_str_eq(got, all, "%s\ngave %s\nnot  %s", op, got, all);
}

#endif
