#include "proto/publish.h"

#include "base/suggest.h"
#include "base/utf8.h"
#include "proto/name.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum field {
    F_TYPE,
    F_DATA,
    F_CHANNEL,
    F_CHANNELS,
    F_USER_ID,
    F_USER_IDS,
    F_ID,
    F_SOURCE,
    F_TIMESTAMP,
    F_EXCEPT,
    F_EPHEMERAL,
    F_TTL,
    F_REQUIRE_ACK,
    F_KEY,
    F_IF_LAST,
    F_ECHO, /* of clients only */
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    [F_TYPE] = "type",
    [F_DATA] = "data",
    [F_CHANNEL] = "channel",
    [F_CHANNELS] = "channels",
    [F_USER_ID] = "userId",
    [F_USER_IDS] = "userIds",
    [F_ID] = "id",
    [F_SOURCE] = "source",
    [F_TIMESTAMP] = "timestamp",
    [F_EXCEPT] = "except",
    [F_EPHEMERAL] = "ephemeral",
    [F_TTL] = "ttl",
    [F_REQUIRE_ACK] = "requireAck",
    [F_KEY] = "key",
    [F_IF_LAST] = "ifLast",
    [F_ECHO] = "echo",
};

static const enum field client_fields[] = {F_CHANNEL,   F_DATA, F_TYPE, F_ID,
                                           F_EPHEMERAL, F_TTL,  F_KEY,  F_ECHO};
#define CLIENT_FIELD_COUNT (sizeof(client_fields) / sizeof(client_fields[0]))

#define ALL_FIELDS                                                                               \
    "type, data, channel, channels, userId, userIds, id, source, timestamp, except, ephemeral, " \
    "ttl, requireAck, key, ifLast"
#define ALL_CLIENT_FIELDS "channel, data, type, id, ephemeral, ttl, key, echo"

/* One publication being read. */
struct reading {
    struct publish *out;
    struct publish_error *err;
    enum publish_form form;
    const struct json_node *at[FIELD_COUNT]; /* NULL: absent */
};

FF_PRINTF(6, 7)
static int fail(struct publish_error *err, int status, const char *code, struct str field,
                size_t offset, const char *fmt, ...)
{
    va_list ap;
    size_t n = utf8_clip(field, sizeof(err->field) - 1);

    err->status = status;
    err->code = code;
    err->offset = offset;
    if (n > 0) {
        memcpy(err->field, field.p, n);
    }
    err->field[n] = '\0';
    va_start(ap, fmt);
    (void)vsnprintf(err->detail, sizeof(err->detail), fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static const char *with_article(enum json_type t)
{
    switch (t) {
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    case JSON_NULL:
    case JSON_BOOL:
        break;
    }
    return json_type_name(t);
}

static int wrong_type(struct reading *r, enum field f, const char *want)
{
    const struct json_node *n = r->at[f];

    return fail(r->err, 400, "wrong_type", str_of(field_names[f]), n->offset,
                "\"%s\" at byte %zu must be %s, not %s%s", field_names[f], n->offset, want,
                with_article(n->type), n->type == JSON_NULL ? " (leave it out instead)" : "");
}

/* A name check's sentence as the error of a field. */
static int bad_text(struct reading *r, enum field f, const struct json_node *n, int rc,
                    const char *code, const struct errmsg *why)
{
    bool reserved = rc == ERR_RESERVED;

    return fail(r->err, reserved ? 422 : 400, reserved ? "reserved_name" : code,
                str_of(field_names[f]), n->offset, "\"%s\" at byte %zu: %s", field_names[f],
                n->offset, why->text);
}

static int check_lone(struct reading *r, enum field f, const struct json_node *n)
{
    if (!n->lone_surrogate) {
        return 0;
    }
    return fail(r->err, 400, "bad_name", str_of(field_names[f]), n->offset,
                "\"%s\" at byte %zu has half of a surrogate pair, which is no character: write "
                "both halves or the character itself",
                field_names[f], n->offset);
}

/* The text of a string field; leaves *out alone if the field is absent. */
static int take_string(struct reading *r, enum field f, struct str *out)
{
    const struct json_node *n = r->at[f];

    if (!n) {
        return 0;
    }
    if (n->type != JSON_STRING) {
        return wrong_type(r, f, "a string");
    }
    *out = n->text;
    return check_lone(r, f, n);
}

static int take_bool(struct reading *r, enum field f, bool *out)
{
    const struct json_node *n = r->at[f];

    if (!n) {
        return 0;
    }
    if (n->type != JSON_BOOL) {
        return wrong_type(r, f, "true or false");
    }
    *out = n->truth;
    return 0;
}

static int take_type(struct reading *r)
{
    struct errmsg why;
    int rc = take_string(r, F_TYPE, &r->out->type);

    if (rc || !r->at[F_TYPE]) {
        return rc;
    }
    rc = name_check_type(r->out->type, &why);
    return rc ? bad_text(r, F_TYPE, r->at[F_TYPE], rc, "bad_name", &why) : 0;
}

static int take_text(struct reading *r, enum field f, const char *what, struct str *out)
{
    struct errmsg why;
    int rc = take_string(r, f, out);

    if (rc || !r->at[f]) {
        return rc;
    }
    rc = name_check_text(what, *out, &why);
    return rc ? bad_text(r, f, r->at[f], rc, "bad_name", &why) : 0;
}

static int take_timestamp(struct reading *r)
{
    const struct json_node *n = r->at[F_TIMESTAMP];
    int rc = take_string(r, F_TIMESTAMP, &r->out->timestamp);

    if (rc || !n) {
        return rc;
    }
    if (!publish_timestamp_ok(r->out->timestamp)) {
        return fail(r->err, 400, "bad_value", STR_LIT("timestamp"), n->offset,
                    "\"timestamp\" at byte %zu must be an RFC 3339 time such as "
                    "\"2026-11-20T10:00:00.000Z\"",
                    n->offset);
    }
    r->out->has_timestamp = true;
    return 0;
}

static int take_ttl(struct reading *r)
{
    const struct json_node *n = r->at[F_TTL];
    uint64_t v = 0;

    if (!n) {
        return 0;
    }
    if (n->type != JSON_NUMBER) {
        return wrong_type(r, F_TTL, "a number of seconds");
    }
    if (!json_uint(n, UINT32_MAX, &v) || v == 0) {
        return fail(r->err, 400, "bad_value", STR_LIT("ttl"), n->offset,
                    "\"ttl\" at byte %zu must be a whole number of seconds from 1 to %lu",
                    n->offset, (unsigned long)UINT32_MAX);
    }
    r->out->ttl_s = (uint32_t)v;
    return 0;
}

static int check_target(struct reading *r, enum field f, const struct json_node *n)
{
    bool channel = f == F_CHANNEL || f == F_CHANNELS;
    struct errmsg why;
    int rc = channel ? name_check_channel(n->text, &why) : name_check_user(n->text, &why);

    return rc ? bad_text(r, f, n, rc, "bad_name", &why) : 0;
}

static int take_one(struct reading *r, enum field f, enum target_kind kind)
{
    int rc = take_string(r, f, &r->out->one);

    if (rc || !r->at[f]) {
        return rc;
    }
    r->out->kind = kind;
    return check_target(r, f, r->at[f]);
}

static int by_text(const void *a, const void *b)
{
    const struct json_node *x = *(const struct json_node *const *)a;
    const struct json_node *y = *(const struct json_node *const *)b;
    int d = str_cmp(x->text, y->text);

    return d ? d : (x->offset > y->offset) - (x->offset < y->offset);
}

static int check_repeats(struct reading *r, enum field f)
{
    const struct json_node *sorted[PUBLISH_MAX_TARGETS];
    char shown[NAME_SHOW_MAX];
    size_t n = 0;

    for (const struct json_node *t = r->at[f]->child; t; t = t->next) {
        sorted[n++] = t;
    }
    qsort(sorted, n, sizeof(sorted[0]), by_text);
    for (size_t i = 1; i < n; i++) {
        if (str_eq(sorted[i - 1]->text, sorted[i]->text)) {
            return fail(r->err, 400, "bad_value", str_of(field_names[f]), sorted[i]->offset,
                        "\"%s\" has \"%s\" twice, again at byte %zu: name each target once",
                        field_names[f], name_show(sorted[i]->text, shown), sorted[i]->offset);
        }
    }
    return 0;
}

static int take_list(struct reading *r, enum field f, enum target_kind kind, const char *single)
{
    const struct json_node *list = r->at[f];
    int rc;

    if (!list) {
        return 0;
    }
    if (list->type != JSON_ARRAY) {
        return wrong_type(r, f, "an array of strings");
    }
    if (list->count == 0) {
        return fail(r->err, 400, "missing_value", str_of(field_names[f]), list->offset,
                    "\"%s\" at byte %zu is empty: name at least one target, or leave it out to "
                    "reach everyone",
                    field_names[f], list->offset);
    }
    if (list->count > PUBLISH_MAX_TARGETS) {
        return fail(r->err, 422, "too_many", str_of(field_names[f]), list->offset,
                    "\"%s\" at byte %zu has %u targets, %d is the most: publish in parts",
                    field_names[f], list->offset, list->count, PUBLISH_MAX_TARGETS);
    }
    for (const struct json_node *t = list->child; t; t = t->next) {
        if (t->type != JSON_STRING) {
            return fail(r->err, 400, "wrong_type", str_of(field_names[f]), t->offset,
                        "\"%s\" must hold only strings (as \"%s\" takes one), not %s at byte %zu",
                        field_names[f], single, with_article(t->type), t->offset);
        }
        rc = check_lone(r, f, t);
        if (rc == 0) {
            rc = check_target(r, f, t);
        }
        if (rc) {
            return rc;
        }
    }
    r->out->kind = kind;
    r->out->several = true;
    r->out->list = list->child;
    r->out->count = list->count;
    return check_repeats(r, f);
}

/* At most one of the four target fields. */
static int check_conflict(struct reading *r)
{
    static const enum field targets[] = {F_CHANNEL, F_CHANNELS, F_USER_ID, F_USER_IDS};
    const struct json_node *first = NULL;

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const struct json_node *n = r->at[targets[i]];
        if (n && first) {
            return fail(r->err, 422, "conflicting_targets", n->key, n->offset,
                        "\"%.*s\" and \"%.*s\" exclude each other: publish once for each, or "
                        "leave one out",
                        (int)first->key.len, first->key.p, (int)n->key.len, n->key.p);
        }
        first = n ? n : first;
    }
    return 0;
}

static int take_targets(struct reading *r)
{
    int rc = take_one(r, F_CHANNEL, TARGET_CHANNEL);

    if (rc == 0) {
        rc = take_one(r, F_USER_ID, TARGET_USER);
    }
    if (rc == 0) {
        rc = take_list(r, F_CHANNELS, TARGET_CHANNEL, "channel");
    }
    if (rc == 0) {
        rc = take_list(r, F_USER_IDS, TARGET_USER, "userId");
    }
    return rc ? rc : check_conflict(r);
}

static int take_ack(struct reading *r)
{
    const struct json_node *n = r->at[F_REQUIRE_ACK];
    int rc = take_bool(r, F_REQUIRE_ACK, &r->out->require_ack);

    if (rc || !r->out->require_ack) {
        return rc;
    }
    if (r->out->kind != TARGET_USER) {
        return fail(r->err, 422, "unsupported", STR_LIT("requireAck"), n->offset,
                    "\"requireAck\" at byte %zu works only for users: add \"userId\" or "
                    "\"userIds\", or leave it out",
                    n->offset);
    }
    if (r->out->ephemeral) {
        return fail(r->err, 422, "conflicting_fields", STR_LIT("requireAck"), n->offset,
                    "\"requireAck\" at byte %zu and \"ephemeral\" exclude each other: what is not "
                    "kept cannot be delivered again; leave one out",
                    n->offset);
    }
    return 0;
}

static int take_if_last(struct reading *r)
{
    const struct json_node *n = r->at[F_IF_LAST];
    struct str text = STR_NONE;
    int rc = take_string(r, F_IF_LAST, &text);

    if (rc || !n) {
        return rc;
    }
    if (cursor_parse(text, &r->out->if_last) != 0) {
        return fail(r->err, 400, "bad_value", STR_LIT("ifLast"), n->offset,
                    "\"ifLast\" at byte %zu must be a cursor as the gateway gives it, such as "
                    "\"k3f9-1042\", or \"0-0\" for a channel without any message",
                    n->offset);
    }
    if (r->out->kind != TARGET_CHANNEL) {
        return fail(r->err, 422, "unsupported", STR_LIT("ifLast"), n->offset,
                    "\"ifLast\" at byte %zu works only for channels: add \"channel\" or "
                    "\"channels\", or leave it out",
                    n->offset);
    }
    r->out->has_if_last = true;
    return 0;
}

static int take_texts(struct reading *r)
{
    int rc = take_text(r, F_ID, "message id", &r->out->id);

    if (rc == 0) {
        rc = take_text(r, F_SOURCE, "source", &r->out->source);
    }
    if (rc == 0) {
        rc = take_text(r, F_EXCEPT, "client id", &r->out->except);
    }
    if (rc == 0) {
        rc = take_text(r, F_KEY, "key", &r->out->key);
    }
    return rc ? rc : take_timestamp(r);
}

/* The names that the form takes. */
static size_t list_names(enum publish_form form, const char *names[FIELD_COUNT])
{
    if (form == PUBLISH_BROADCAST) {
        memcpy(names, field_names, F_ECHO * sizeof(names[0]));
        return F_ECHO;
    }
    for (size_t i = 0; i < CLIENT_FIELD_COUNT; i++) {
        names[i] = field_names[client_fields[i]];
    }
    return CLIENT_FIELD_COUNT;
}

static int unknown_field(struct reading *r, const struct json_node *n)
{
    const char *names[FIELD_COUNT];
    const char *near = suggest(n->key, names, list_names(r->form, names));
    char shown[NAME_SHOW_MAX];
    size_t at = n->offset;

    (void)name_show(n->key, shown);
    if (near) {
        return fail(r->err, 400, "unknown_field", n->key, at,
                    "unknown field \"%s\" at byte %zu, did you mean \"%s\"?", shown, at, near);
    }
    return fail(r->err, 400, "unknown_field", n->key, at,
                "unknown field \"%s\" at byte %zu; the fields are %s", shown, at,
                r->form == PUBLISH_BROADCAST ? ALL_FIELDS : ALL_CLIENT_FIELDS);
}

static bool of_clients(size_t f)
{
    for (size_t i = 0; i < CLIENT_FIELD_COUNT; i++) {
        if (client_fields[i] == f) {
            return true;
        }
    }
    return false;
}

/* FIELD_COUNT: it is none of the form's. */
static size_t find_field(const struct reading *r, struct str key)
{
    size_t count = r->form == PUBLISH_BROADCAST ? F_ECHO : FIELD_COUNT;
    size_t f = 0;

    while (f < count && !str_eqz(key, field_names[f])) {
        f++;
    }
    return f < count ? f : FIELD_COUNT;
}

/* Sorts the members into their places. */
static int collect(struct reading *r, const struct json_node *obj)
{
    for (const struct json_node *n = obj->child; n; n = n->next) {
        size_t f = find_field(r, n->key);
        if (r->form == PUBLISH_OP && (str_eqz(n->key, "op") || str_eqz(n->key, "ref"))) {
            continue;
        }
        if (f == FIELD_COUNT) {
            return unknown_field(r, n);
        }
        if (r->form != PUBLISH_BROADCAST && !of_clients(f)) {
            return fail(r->err, 403, "not_permitted", n->key, n->offset,
                        "\"%s\" at byte %zu is not for clients: the fields are " ALL_CLIENT_FIELDS,
                        field_names[f], n->offset);
        }
        if (r->at[f]) {
            return fail(r->err, 400, "duplicate_field", n->key, n->offset,
                        "\"%s\" stands twice, again at byte %zu: write it once", field_names[f],
                        n->offset);
        }
        r->at[f] = n;
    }
    return 0;
}

static int take_client(struct reading *r, const struct json_node *obj)
{
    bool echo = true;
    int rc = take_bool(r, F_ECHO, &echo);

    r->out->no_echo = !echo;
    if (rc == 0 && r->form != PUBLISH_BROADCAST && !r->at[F_CHANNEL]) {
        rc = fail(r->err, 400, "missing_value", STR_LIT("channel"), obj->offset,
                  "\"channel\" is missing: a client publishes to one channel");
    }
    return rc;
}

/* What concerns more than one of the fields. */
static int take_rest(struct reading *r)
{
    int rc = take_bool(r, F_EPHEMERAL, &r->out->ephemeral);

    if (rc == 0) {
        rc = take_ttl(r);
    }
    if (rc == 0) {
        rc = take_ack(r);
    }
    return rc ? rc : take_if_last(r);
}

int publish_parse(const struct json_node *node, struct publish *out, struct publish_error *err)
{
    return publish_parse_as(node, PUBLISH_BROADCAST, out, err);
}

int publish_parse_as(const struct json_node *node, enum publish_form form, struct publish *out,
                     struct publish_error *err)
{
    struct reading r = {.out = out, .err = err, .form = form};
    int rc;

    memset(out, 0, sizeof(*out));
    memset(err, 0, sizeof(*err));
    if (node->type != JSON_OBJECT) {
        return fail(err, 400, "wrong_type", STR_NONE, node->offset,
                    "a message must be an object such as {\"channel\":\"orders\",\"data\":1}, not "
                    "%s (byte %zu)",
                    with_article(node->type), node->offset);
    }
    out->kind = TARGET_EVERYONE;
    out->type = STR_LIT("message");
    out->data = STR_LIT("null");
    out->count = 1;
    rc = collect(&r, node);
    if (rc == 0) {
        rc = take_type(&r);
    }
    if (rc == 0) {
        rc = take_targets(&r);
    }
    if (rc == 0) {
        rc = take_texts(&r);
    }
    if (rc == 0) {
        rc = take_rest(&r);
    }
    if (rc == 0) {
        rc = take_client(&r, node);
    }
    if (rc == 0 && r.at[F_DATA]) {
        out->data = r.at[F_DATA]->raw;
    }
    return rc;
}
