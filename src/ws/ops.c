#include "ws/ops.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "conn/access.h"
#include "proto/name.h"
#include "ws/acks.h"
#include "ws/ops_channel.h"
#include "ws/ops_people.h"
#include "ws/token.h"

#include <stdio.h>
#include <stdlib.h>

static void op_ack(struct op *op)
{
    static const char *const members[] = {"id", "ids"};
    struct str user = stream_user(op->s);
    struct strbuf data = STRBUF_INIT;
    struct ack_list list;
    struct errmsg why;
    int rc;

    if (!op_known_members(op, members, 2)) {
        return;
    }
    if (user.len == 0) {
        op_reply_error(op, "no_user",
                       "this client is anonymous; only messages to a user are acknowledged");
        return;
    }
    rc = acks_read(op->w->doc, op->root, &list, &why);
    if (rc == ERR_INVALID) {
        op_reply_error(op, "bad_request", why.text);
        return;
    }
    if (rc == 0) {
        rc = acks_run(op->s->env->router, user, &list, &data);
    }
    if (rc == 0) {
        op_reply_ok(op, strbuf_str(&data));
    } else {
        op_out_of_memory(op);
    }
    strbuf_fini(&data);
}

static void op_meta(struct op *op)
{
    static const char *const members[] = {"meta"};
    const struct grant *g = access_grant(op->s);
    const struct json_node *n;
    struct strbuf sb = STRBUF_INIT;
    char text[128];
    char *meta;

    if (!op_known_members(op, members, 1) || !(n = op_need(op, "meta", JSON_OBJECT))) {
        return;
    }
    if (g && g->s.meta.len) {
        op_reply_error(op, "not_permitted", "the credential says the metadata of this client");
        return;
    }
    json_minify(&sb, n->raw);
    if (sb.len > op->s->env->opt->max_meta) {
        stream_note_limit(op->s, METRIC_LIMITED_SIZES, "max-meta");
        snprintf(text, sizeof(text), "meta has %zu bytes; %llu are allowed (max-meta)", sb.len,
                 (unsigned long long)op->s->env->opt->max_meta);
        op_reply_error(op, "too_large", text);
        strbuf_fini(&sb);
        return;
    }
    meta = strbuf_steal(&sb, NULL);
    if (!meta) {
        op_out_of_memory(op);
        return;
    }
    free(op->s->meta);
    op->s->meta = meta;
    op_reply_ok(op, STR_LIT("{}"));
}

static void op_message(struct op *op)
{
    static const char *const members[] = {"data"};
    const struct json_node *n = json_get(op->root, "data");
    bool taken;

    if (!op_known_members(op, members, 1)) {
        return;
    }
    if (!n) {
        op_reply_error(op, "bad_request", "\"data\" is missing: any JSON value");
        return;
    }
    taken = op->s->env->hooks.received(op->s->env->hooks.ctx, op->s, n->raw);
    op_reply_ok(op, taken ? STR_LIT("{\"handled\":true}") : STR_LIT("{\"handled\":false}"));
}

static void op_ping(struct op *op)
{
    char data[64];
    char now[CLOCK_RFC3339_LEN + 1];

    if (!op_known_members(op, NULL, 0)) {
        return;
    }
    clock_rfc3339(clock_real_ms(), now);
    snprintf(data, sizeof(data), "{\"time\":\"%s\"}", now);
    op_reply_ok(op, str_of(data));
}

static void op_publish(struct op *op)
{
    const struct ws_publish p = {op->root, op->text, op->ref};

    if (op->w->publish) {
        op->w->publish(op->w->publish_ctx, op->s, &p);
    } else {
        op_reply_error(op, "not_permitted", "clients may not publish here");
    }
}

static const struct {
    const char *name;
    void (*run)(struct op *op);
} ops[] = {
    {"subscribe", op_subscribe},
    {"unsubscribe", op_unsubscribe},
    {"meta", op_meta},
    {"message", op_message},
    {"ping", op_ping},
    {"publish", op_publish},
    {"ack", op_ack},
    {"token", op_token},
    {"presence", op_presence},
    {"info", op_info},
    {"typing", op_typing},
    {"read", op_read},
};

#define NOPS (sizeof(ops) / sizeof(ops[0]))

static void unknown_op(struct op *op, struct str name)
{
    const char *names[NOPS];
    char shown[NAME_SHOW_MAX];
    struct strbuf text = STRBUF_INIT;
    const char *near;

    for (size_t i = 0; i < NOPS; i++) {
        names[i] = ops[i].name;
    }
    near = suggest(name, names, NOPS);
    strbuf_addf(&text, "unknown op \"%s\"; ", name_show(name, shown));
    if (near) {
        strbuf_addf(&text, "did you mean \"%s\"?", near);
    } else {
        strbuf_adds(&text, "there are");
        for (size_t i = 0; i < NOPS; i++) {
            strbuf_addf(&text, "%s %s", i ? "," : "", names[i]);
        }
    }
    op_reply_error(op, "unknown_op", strbuf_failed(&text) ? "unknown op" : text.data);
    strbuf_fini(&text);
}

/* The client's ref, to be echoed exactly: a string or a number. */
static bool take_ref(struct op *op)
{
    const struct json_node *ref = json_get(op->root, "ref");

    if (!ref) {
        return true;
    }
    if (ref->type != JSON_STRING && ref->type != JSON_NUMBER) {
        op_reply_error(op, "bad_request", "\"ref\" must be a string or a number");
        return false;
    }
    op->ref = ref->raw;
    return true;
}

static bool refuse_duplicate(struct op *op)
{
    const struct json_node *twice = json_duplicate(op->root);
    char shown[NAME_SHOW_MAX];
    char text[NAME_SHOW_MAX + 32];

    if (twice) {
        snprintf(text, sizeof(text), "member \"%s\" stands twice", name_show(twice->key, shown));
        op_reply_error(op, "bad_request", text);
    }
    return twice != NULL;
}

void ws_op(struct ws_shard *w, struct stream *s, struct str text)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 1, .max_nodes = 64};
    struct op op = {.w = w, .s = s, .text = text};
    struct json_error err;
    const struct json_node *name;
    char why[256];
    int rc;

    rc = json_parse(w->doc, text, &limits, &op.root, &err);
    if (rc == ERR_NOMEM) {
        stream_end(s, 1011, "out of memory");
        return;
    }
    if (rc != 0) {
        snprintf(why, sizeof(why), "byte %zu: %s", err.offset, err.text);
        op_reply_error(&op, "bad_json", why);
        return;
    }
    if (op.root->type != JSON_OBJECT) {
        op_reply_error(&op, "bad_request", "a message must be a JSON object with an \"op\"");
        return;
    }
    if (!take_ref(&op)) {
        return;
    }
    if (refuse_duplicate(&op)) {
        return;
    }
    name = op_need(&op, "op", JSON_STRING);
    if (!name) {
        return;
    }
    for (size_t i = 0; i < NOPS; i++) {
        if (str_eqz(name->text, ops[i].name)) {
            ops[i].run(&op);
            return;
        }
    }
    unknown_op(&op, name->text);
}
