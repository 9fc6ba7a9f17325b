#include "ws/ops_people.h"

#include "conn/access.h"
#include "conn/acting.h"
#include "core/people.h"
#include "proto/name.h"
#include "ws/later.h"

#include <stdio.h>

static void refuse(struct op *op, enum act a)
{
    uint64_t retry = a == ACT_RATE_LIMITED ? op->s->env->opt->typing_timeout : 1000;

    if (a == ACT_NOMEM) {
        op_out_of_memory(op);
    } else if (a == ACT_RATE_LIMITED || a == ACT_TOO_FAST || a == ACT_BUSY || a == ACT_STORE) {
        op_reply_later(op, act_code(a), act_text(a), retry);
    } else {
        op_reply_error(op, act_code(a), act_text(a));
    }
}

/* The op's channel; empty: refused. `any`: also the one that nobody publishes to. */
static struct str need_channel(struct op *op, bool any)
{
    const struct json_node *n = op_need(op, "channel", JSON_STRING);
    struct errmsg why;
    int rc;

    if (!n) {
        return STR_NONE;
    }
    rc = any && str_eqz(n->text, USERS_CHANNEL) ? 0 : name_check_channel(n->text, &why);
    if (rc != 0) {
        op_reply_error(op, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel", why.text);
        return STR_NONE;
    }
    return n->text;
}

void op_presence(struct op *op)
{
    static const char *const members[] = {"channel"};
    struct strbuf data = STRBUF_INIT;
    struct str channel;
    int rc;

    if (!op_known_members(op, members, 1) || !(channel = need_channel(op, true)).len) {
        return;
    }
    if (!access_may_subscribe(op->s, channel)) {
        refuse(op, ACT_FORBIDDEN);
        return;
    }
    rc = router_presence_snapshot(op->s->env->router, op->s->env->shard, channel, &data);
    if (rc == ERR_NOT_FOUND) {
        op_reply_error(
            op, "no_presence",
            "the channel does not tell who is there: it does not begin with presence- or "
            "a prefix of presence-for, or user-presence is off");
    } else if (rc != 0 || strbuf_failed(&data)) {
        op_out_of_memory(op);
    } else {
        op_reply_ok(op, strbuf_str(&data));
    }
    strbuf_fini(&data);
}

static void set_info(struct op *op, struct str json)
{
    enum act a = act_info(op->s, json);

    if (a == ACT_DONE) {
        op_reply_ok(op, STR_LIT("{}"));
    } else {
        refuse(op, a);
    }
}

void op_info(struct op *op)
{
    static const char *const members[] = {"info"};
    const struct json_node *n = json_get(op->root, "info");
    struct strbuf json = STRBUF_INIT;
    char text[128];

    if (!op_known_members(op, members, 1)) {
        return;
    }
    if (!n) {
        op_reply_error(op, "bad_request", "\"info\" is missing: any JSON value");
        return;
    }
    json_minify(&json, n->raw);
    if (strbuf_failed(&json)) {
        op_out_of_memory(op);
    } else if (json.len > op->s->env->opt->max_info) {
        snprintf(text, sizeof(text), "info has %zu bytes; %llu are allowed (max-info)", json.len,
                 (unsigned long long)op->s->env->opt->max_info);
        op_reply_error(op, "too_large", text);
    } else {
        set_info(op, strbuf_str(&json));
    }
    strbuf_fini(&json);
}

void op_typing(struct op *op)
{
    static const char *const members[] = {"channel", "typing"};
    const struct json_node *n;
    struct str channel;
    enum act a;

    if (!op_known_members(op, members, 2) || !(channel = need_channel(op, false)).len ||
        !(n = op_need(op, "typing", JSON_BOOL))) {
        return;
    }
    a = act_typing(op->s, channel, n->truth);
    if (a == ACT_DONE) {
        op_reply_ok(op, STR_LIT("{}"));
    } else {
        refuse(op, a);
    }
}

/* Where the user has come to. False: refused. */
static bool read_mark(struct op *op, struct read_mark *mark)
{
    const struct json_node *cursor = json_get(op->root, "cursor");
    const struct json_node *id = json_get(op->root, "id");
    struct errmsg why;

    if (!cursor == !id) {
        op_reply_error(op, "bad_request",
                       "either \"cursor\" or \"id\", those of the last message read, is needed");
        return false;
    }
    if (!op_need(op, cursor ? "cursor" : "id", JSON_STRING)) {
        return false;
    }
    if (cursor) {
        if (cursor_parse(cursor->text, &mark->at) != 0) {
            op_reply_error(op, "bad_cursor", "\"cursor\" must be a message's cursor");
            return false;
        }
    } else if (name_check_text("id", id->text, &why) != 0) {
        op_reply_error(op, "bad_request", why.text);
        return false;
    } else {
        mark->id = id->text;
    }
    return true;
}

void op_read(struct op *op)
{
    static const char *const members[] = {"channel", "cursor", "id"};
    struct read_mark mark = {.user = stream_user(op->s), .except = op->s->member.id};
    struct strbuf data = STRBUF_INIT;
    struct ws_later *l;
    enum act a;

    if (!op_known_members(op, members, 3) || !(mark.channel = need_channel(op, false)).len ||
        !read_mark(op, &mark)) {
        return;
    }
    a = act_may_read(op->s, mark.channel);
    if (a != ACT_DONE) {
        refuse(op, a);
        return;
    }
    l = later_begin(op);
    if (!l) {
        return;
    }
    a = act_read(op->s->env->router, &mark, later_ticket(l), &data);
    if (a == ACT_DONE) {
        later_reply(l, op, &data);
    } else {
        later_drop(l);
        refuse(op, a);
    }
    strbuf_fini(&data);
}
