#include "ws/ops.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "proto/name.h"
#include "proto/position.h"
#include "ws/acks.h"

#include <stdio.h>
#include <stdlib.h>

/* One op on its way. */
struct op {
    struct ws_shard *w;
    struct stream *s;
    const struct json_node *root;
    struct str ref; /* exact JSON text, or empty */
};

/* ---- replies ---- */

static void put(struct op *op, struct strbuf *sb)
{
    if (strbuf_failed(sb)) {
        stream_end(op->s, 1011, "out of memory");
    } else {
        stream_put_bytes(op->s, strbuf_str(sb));
    }
    strbuf_fini(sb);
}

static void reply_ok(struct op *op, struct str data)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_ok(&sb, op->ref, data);
    put(op, &sb);
}

static void reply_error(struct op *op, const char *code, const char *message)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_error(&sb, op->ref, code, str_of(message));
    put(op, &sb);
}

/* ---- members of the op ---- */

/* Refuses members that are not in `known` (besides op and ref). */
static bool known_members(struct op *op, const char *const *known, size_t n)
{
    char shown[NAME_SHOW_MAX];
    char text[NAME_SHOW_MAX + 128];

    for (const struct json_node *m = op->root->child; m; m = m->next) {
        const char *near;
        bool ok = str_eqz(m->key, "op") || str_eqz(m->key, "ref");
        for (size_t i = 0; i < n && !ok; i++) {
            ok = str_eqz(m->key, known[i]);
        }
        if (ok) {
            continue;
        }
        near = suggest(m->key, known, n);
        snprintf(text, sizeof(text), "unknown member \"%s\"%s%s%s", name_show(m->key, shown),
                 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        reply_error(op, "bad_request", text);
        return false;
    }
    return true;
}

static const struct json_node *need(struct op *op, const char *name, enum json_type type)
{
    const struct json_node *n = json_get(op->root, name);
    char text[160];

    if (n && n->type == type && !n->lone_surrogate) {
        return n;
    }
    snprintf(text, sizeof(text), "\"%s\" must be %s %s", name,
             type == JSON_ARRAY || type == JSON_OBJECT ? "an" : "a", json_type_name(type));
    reply_error(op, "bad_request", text);
    return NULL;
}

/* `at` NULL: without a position. */
static void reply_channel(struct op *op, struct str name, const struct cursor *at, bool already)
{
    struct strbuf data = STRBUF_INIT;
    char cursor[CURSOR_MAX];

    strbuf_adds(&data, "{\"channel\":");
    json_add_string(&data, name);
    if (at) {
        cursor_format(*at, cursor);
        strbuf_addf(&data, ",\"cursor\":\"%s\"", cursor);
    }
    strbuf_adds(&data, already ? ",\"already\":true}" : "}");
    reply_ok(op, strbuf_str(&data));
    strbuf_fini(&data);
}

/* ---- the ops ---- */

/* Where the subscription begins, from `after`, `since` or `history`, of which at
 * most one may stand there. False: refused. */
static bool read_position(struct op *op, struct position *pos)
{
    const struct json_node *after = json_get(op->root, "after");
    const struct json_node *since = json_get(op->root, "since");
    const struct json_node *history = json_get(op->root, "history");
    const char *code;
    struct errmsg why;
    int rc;

    *pos = (struct position){.kind = POSITION_NONE};
    if ((after != NULL) + (since != NULL) + (history != NULL) > 1) {
        reply_error(op, "bad_request", "only one of \"after\", \"since\" and \"history\"");
        return false;
    }
    if (after) {
        code = "bad_cursor";
        rc = position_parse_after(after->text, pos, &why);
    } else if (since) { /* a plain number is one of seconds */
        code = "bad_since";
        rc = position_parse_since(since->type == JSON_NUMBER ? since->raw : since->text,
                                  clock_real_ms(), pos, &why);
    } else if (history) {
        code = "bad_history";
        rc = position_parse_history(history->type == JSON_NUMBER ? history->raw : history->text,
                                    pos, &why);
    } else {
        return true;
    }
    if (rc != 0) {
        reply_error(op, code, why.text);
    }
    return rc == 0;
}

static void op_subscribe(struct op *op)
{
    static const char *const members[] = {"channel", "after", "since", "history"};
    const struct json_node *n;
    struct position pos;
    struct errmsg why;
    struct cursor at;
    int rc;

    if (!known_members(op, members, 4) || !(n = need(op, "channel", JSON_STRING))) {
        return;
    }
    rc = name_check_subscription(n->text, &why);
    if (rc != 0) {
        reply_error(op, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel", why.text);
        return;
    }
    if (!read_position(op, &pos)) {
        return;
    }
    if (stream_name_count(op->s) >= op->s->env->opt->max_channels &&
        !stream_has_name(op->s, n->text)) {
        snprintf(why.text, sizeof(why.text),
                 "a client may subscribe to %u channels (max-channels-per-client); "
                 "unsubscribe from one first",
                 op->s->env->opt->max_channels);
        reply_error(op, "too_many_channels", why.text);
        return;
    }
    rc = stream_subscribe(op->s, n->text, &pos, op->ref, &at);
    if (rc == 0 || rc == ERR_EXISTS) {
        reply_channel(op, n->text, &at, rc == ERR_EXISTS);
    } else {
        stream_end(op->s, 1011, "out of memory");
    }
}

static void op_unsubscribe(struct op *op)
{
    static const char *const members[] = {"channel"};
    const struct json_node *n;
    char shown[NAME_SHOW_MAX];
    struct errmsg why;
    int rc;

    if (!known_members(op, members, 1) || !(n = need(op, "channel", JSON_STRING))) {
        return;
    }
    rc = stream_unsubscribe(op->s, n->text);
    if (rc == 0) {
        reply_channel(op, n->text, NULL, false);
    } else if (rc == ERR_NOT_FOUND) {
        (void)errmsg_set(&why, 0, "this client is not subscribed to \"%s\"",
                         name_show(n->text, shown));
        reply_error(op, "not_subscribed", why.text);
    } else {
        stream_end(op->s, 1011, "out of memory");
    }
}

static void op_ack(struct op *op)
{
    static const char *const members[] = {"id", "ids"};
    struct str user = stream_user(op->s);
    struct strbuf data = STRBUF_INIT;
    struct ack_list list;
    struct errmsg why;
    int rc;

    if (!known_members(op, members, 2)) {
        return;
    }
    if (user.len == 0) {
        reply_error(op, "no_user",
                    "this client is anonymous; only messages to a user are acknowledged");
        return;
    }
    rc = acks_read(op->w->doc, op->root, &list, &why);
    if (rc == ERR_INVALID) {
        reply_error(op, "bad_request", why.text);
        return;
    }
    if (rc == 0) {
        rc = acks_run(op->s->env->router, user, &list, &data);
    }
    if (rc == 0) {
        reply_ok(op, strbuf_str(&data));
    } else {
        stream_end(op->s, 1011, "out of memory");
    }
    strbuf_fini(&data);
}

static void op_meta(struct op *op)
{
    static const char *const members[] = {"meta"};
    const struct json_node *n;
    struct strbuf sb = STRBUF_INIT;
    char text[128];
    char *meta;

    if (!known_members(op, members, 1) || !(n = need(op, "meta", JSON_OBJECT))) {
        return;
    }
    json_minify(&sb, n->raw);
    if (sb.len > op->s->env->opt->max_meta) {
        snprintf(text, sizeof(text), "meta has %zu bytes; %llu are allowed (max-meta)", sb.len,
                 (unsigned long long)op->s->env->opt->max_meta);
        reply_error(op, "too_large", text);
        strbuf_fini(&sb);
        return;
    }
    meta = strbuf_steal(&sb, NULL);
    if (!meta) {
        stream_end(op->s, 1011, "out of memory");
        return;
    }
    free(op->s->meta);
    op->s->meta = meta;
    reply_ok(op, STR_LIT("{}"));
}

static void op_message(struct op *op)
{
    static const char *const members[] = {"data"};
    const struct json_node *n = json_get(op->root, "data");
    bool taken;

    if (!known_members(op, members, 1)) {
        return;
    }
    if (!n) {
        reply_error(op, "bad_request", "\"data\" is missing: any JSON value");
        return;
    }
    taken = op->s->env->hooks.received(op->s->env->hooks.ctx, op->s, n->raw);
    reply_ok(op, taken ? STR_LIT("{\"handled\":true}") : STR_LIT("{\"handled\":false}"));
}

static void op_ping(struct op *op)
{
    char data[64];
    char now[CLOCK_RFC3339_LEN + 1];

    if (!known_members(op, NULL, 0)) {
        return;
    }
    clock_rfc3339(clock_real_ms(), now);
    snprintf(data, sizeof(data), "{\"time\":\"%s\"}", now);
    reply_ok(op, str_of(data));
}

static void op_publish(struct op *op)
{
    reply_error(op, "not_permitted", "clients may not publish; use POST /broadcast from a backend");
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
    reply_error(op, "unknown_op", strbuf_failed(&text) ? "unknown op" : text.data);
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
        reply_error(op, "bad_request", "\"ref\" must be a string or a number");
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
        reply_error(op, "bad_request", text);
    }
    return twice != NULL;
}

void ws_op(struct ws_shard *w, struct stream *s, struct str text)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 1, .max_nodes = 64};
    struct op op = {w, s, NULL, STR_NONE};
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
        reply_error(&op, "bad_json", why);
        return;
    }
    if (op.root->type != JSON_OBJECT) {
        reply_error(&op, "bad_request", "a message must be a JSON object with an \"op\"");
        return;
    }
    if (!take_ref(&op)) {
        return;
    }
    if (refuse_duplicate(&op)) {
        return;
    }
    name = need(&op, "op", JSON_STRING);
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
