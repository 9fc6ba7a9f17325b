#include "ws/ops_channel.h"

#include "auth/auth.h"
#include "base/clock.h"
#include "conn/access.h"
#include "conn/load.h"
#include "conn/notes.h"
#include "conn/replays.h"
#include "proto/name.h"
#include "proto/position.h"
#include "ws/asking.h"

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
    op_reply_ok(op, strbuf_str(&data));
    strbuf_fini(&data);
}

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
        op_reply_error(op, "bad_request", "only one of \"after\", \"since\" and \"history\"");
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
        op_reply_error(op, code, why.text);
    }
    return rc == 0;
}

/* Are the read positions wanted? False: refused. */
static bool read_reads(struct op *op)
{
    const struct json_node *n = json_get(op->root, "reads");

    if (n && n->type != JSON_BOOL) {
        op_reply_error(op, "bad_request", "\"reads\" must be true or false");
        return false;
    }
    op->reads = n && n->truth;
    return true;
}

/* A name to subscribe to, and whether a good signature came with it. */
struct wanted {
    struct str name;
    bool is_signed;
};

static const char *signature_code(enum auth_outcome outcome)
{
    return outcome == AUTH_EXPIRED ? "signature_expired" : "bad_signature";
}

/* False: refused. */
static bool read_name(struct op *op, struct str text, struct wanted *out)
{
    enum auth_outcome outcome = AUTH_OK;
    struct errmsg why;
    struct errmsg bad = {""};
    int rc;

    *out = (struct wanted){text, false};
    if (op->w->auth) {
        outcome =
            auth_channel(op->w->auth, text, clock_real_ms(), &out->name, &out->is_signed, &bad);
    }
    rc = name_check_subscription(out->name, &why);
    if (outcome == AUTH_NOMEM) {
        op_out_of_memory(op);
    } else if (rc != 0) {
        op_reply_error(op, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel", why.text);
    } else if (outcome != AUTH_OK) {
        op_reply_error(op, signature_code(outcome), bad.text);
    } else if (out->is_signed && name_is_pattern(out->name)) {
        op_reply_error(op, "bad_signature", "a signature is for one channel, not for a pattern");
    } else {
        return true;
    }
    return false;
}

static bool has_room(struct op *op, struct str name);
static void subscribe_permitted(struct op *op, struct str name, const struct position *pos);

/* False: refused, or the application is being asked. */
static bool is_permitted(struct op *op, const struct wanted *wanted, const struct position *pos)
{
    char shown[NAME_SHOW_MAX];
    struct errmsg why;

    if (wanted->is_signed || access_may_subscribe(op->s, wanted->name)) {
        return true;
    }
    if (asking_may_help(op, wanted->name)) {
        asking_begin(op, wanted->name, pos, subscribe_permitted);
        return false;
    }
    (void)errmsg_set(&why, 0, "\"%s\" may not be subscribed to with this credential",
                     name_show(wanted->name, shown));
    op_reply_error(op, "forbidden", why.text);
    return false;
}

/* For the limits of its user and of the channel. */
static bool may_grow(struct op *op, struct str name)
{
    uint64_t retry = op->s->env->opt->retry;

    if (load_refuses(op->s, name)) {
        op_reply_later(op, "channel_full",
                       "the channel has as many subscribers as it may (max-subscribers-for)",
                       retry);
        return false;
    }
    if (!load_grow(op->s, name)) {
        op_reply_later(op, "too_many_channels",
                       "the streams of this user have as many subscriptions together as they may "
                       "(max-channels-per-user)",
                       retry);
        return false;
    }
    return true;
}

static bool has_room(struct op *op, struct str name)
{
    unsigned max = op->s->env->opt->max_channels;
    struct errmsg why;

    if (stream_name_count(op->s) < max || stream_has_name(op->s, name)) {
        return may_grow(op, name);
    }
    stream_note_limit(op->s, METRIC_LIMITED_SIZES, "max-channels-per-client");
    (void)errmsg_set(&why, 0,
                     "a client may subscribe to %u channels (max-channels-per-client); "
                     "unsubscribe from one first",
                     max);
    op_reply_error(op, "too_many_channels", why.text);
    return false;
}

static void subscribe(struct op *op, const struct wanted *wanted, const struct position *pos)
{
    struct cursor at;
    int rc = stream_subscribe(op->s, wanted->name, pos, op->ref, &at);
    bool already = rc == ERR_EXISTS;

    rc = already ? 0 : rc;
    if (rc == 0 && wanted->is_signed) {
        rc = access_add_signed(op->s, wanted->name);
    }
    if (rc == 0) {
        reply_channel(op, wanted->name, &at, already);
        notes_put(op->s);
        if (op->reads && !replays_want_reads(op->s, wanted->name)) {
            notes_put_reads(op->s, &wanted->name, 1);
        }
    } else {
        op_out_of_memory(op);
    }
}

/* The application has permitted it, which counts as long as a signature would. */
static void subscribe_permitted(struct op *op, struct str name, const struct position *pos)
{
    const struct wanted wanted = {name, true};

    if (!access_may_subscribe(op->s, name) && !asking_may_help(op, name)) {
        op_reply_error(op, "forbidden", "the rules have changed: nobody may subscribe to this");
    } else if (has_room(op, name)) {
        subscribe(op, &wanted, pos);
    }
}

void op_subscribe(struct op *op)
{
    static const char *const members[] = {"channel", "after", "since", "history", "reads"};
    const struct json_node *n;
    struct wanted wanted;
    struct position pos;

    if (op_known_members(op, members, 5) && (n = op_need(op, "channel", JSON_STRING)) &&
        read_name(op, n->text, &wanted) && read_position(op, &pos) && read_reads(op) &&
        is_permitted(op, &wanted, &pos) && has_room(op, wanted.name)) {
        subscribe(op, &wanted, &pos);
    }
}

void op_unsubscribe(struct op *op)
{
    static const char *const members[] = {"channel"};
    const struct json_node *n;
    char shown[NAME_SHOW_MAX];
    struct errmsg why;
    bool asked;
    int rc;

    if (!op_known_members(op, members, 1) || !(n = op_need(op, "channel", JSON_STRING))) {
        return;
    }
    asked = asking_cancel(op, n->text);
    rc = stream_unsubscribe(op->s, n->text);
    if (rc == 0) {
        access_drop_signed(op->s, n->text);
        reply_channel(op, n->text, NULL, false);
    } else if (rc == ERR_NOT_FOUND && asked) {
        reply_channel(op, n->text, NULL, false);
    } else if (rc == ERR_NOT_FOUND) {
        (void)errmsg_set(&why, 0, "this client is not subscribed to \"%s\"",
                         name_show(n->text, shown));
        op_reply_error(op, "not_subscribed", why.text);
    } else {
        op_out_of_memory(op);
    }
}
