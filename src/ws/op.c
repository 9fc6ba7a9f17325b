#include "ws/op.h"

#include "base/suggest.h"
#include "proto/name.h"

#include <stdio.h>

void op_out_of_memory(struct op *op)
{
    stream_end(op->s, 1011, "out of memory");
}

static void put(struct op *op, struct strbuf *sb)
{
    if (strbuf_failed(sb)) {
        op_out_of_memory(op);
    } else if (!op->s->ending) { /* nothing comes behind a farewell */
        stream_put_bytes(op->s, strbuf_str(sb));
    }
    strbuf_fini(sb);
}

void op_reply_ok(struct op *op, struct str data)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_ok(&sb, op->ref, data);
    put(op, &sb);
}

void op_reply_error(struct op *op, const char *code, const char *message)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_error(&sb, op->ref, code, str_of(message));
    put(op, &sb);
}

void op_reply_later(struct op *op, const char *code, const char *message, uint64_t retry_ms)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_later(&sb, op->ref, code, str_of(message), retry_ms);
    put(op, &sb);
}

bool op_known_members(struct op *op, const char *const *known, size_t n)
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
        op_reply_error(op, "bad_request", text);
        return false;
    }
    return true;
}

const struct json_node *op_need(struct op *op, const char *name, enum json_type type)
{
    const struct json_node *n = json_get(op->root, name);
    char text[160];

    if (n && n->type == type && !n->lone_surrogate) {
        return n;
    }
    snprintf(text, sizeof(text), "\"%s\" must be %s%s", name,
             type == JSON_BOOL                           ? ""
             : type == JSON_ARRAY || type == JSON_OBJECT ? "an "
                                                         : "a ",
             json_type_name(type));
    op_reply_error(op, "bad_request", text);
    return NULL;
}
