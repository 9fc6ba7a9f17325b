/* publish.h - one publication as `POST /broadcast` takes it, or as a client says it.
 *
 * docs/protocol.md, "Publishing" and "Client messages". Pure: parses and checks, sends nothing. */
#ifndef FF_PROTO_PUBLISH_H
#define FF_PROTO_PUBLISH_H

#include "base/str.h"
#include "proto/cursor.h"
#include "proto/json.h"

#include <stdbool.h>
#include <stdint.h>

enum target_kind { TARGET_EVERYONE, TARGET_CHANNEL, TARGET_USER };

#define PUBLISH_MAX_TARGETS 1000

/* All slices are borrowed: from the JSON text, its tree, or literals. */
struct publish {
    enum target_kind kind;
    bool several; /* `channels` / `userIds` was used */
    bool ephemeral;
    bool require_ack;
    bool has_timestamp;
    bool has_if_last;
    bool no_echo;                 /* not to the connection that publishes it */
    struct cursor if_last;        /* channels only: none of them may have anything newer */
    struct str type;              /* "message" if absent */
    struct str id;                /* empty if absent */
    struct str source;            /* empty if absent */
    struct str timestamp;         /* RFC 3339 as sent, if has_timestamp */
    struct str except;            /* a client id, empty if absent */
    struct str key;               /* of what it is the newest value; empty if absent */
    struct str data;              /* exact JSON text (not minified), "null" if absent */
    uint32_t ttl_s;               /* 0 if absent */
    struct str one;               /* the target, if not several */
    const struct json_node *list; /* first of several: string nodes */
    unsigned count;               /* targets: 1 for everyone */
};

/* What the answer needs: HTTP status (400 syntax and types, 422 meaning, 403),
 * a stable code, the field, a sentence with the fix. */
struct publish_error {
    int status;
    const char *code; /* "wrong_type", "unknown_field", "duplicate_field",
                          "missing_value", "bad_name", "reserved_name",
                          "conflicting_targets", "conflicting_fields",
                          "unsupported", "too_many", "bad_value",
                          "not_permitted" */
    char field[32];   /* "" if none */
    size_t offset;    /* byte in the source */
    char detail[320];
};

/* `node` is the message object. Checks the type of every field, refuses
 * unknown fields (with the nearest name) and duplicate ones, names, reserved
 * types, more than one kind of target, empty lists, duplicate targets in a
 * list, more than PUBLISH_MAX_TARGETS, lone surrogates in our own strings.
 * `requireAck: true` without a user target or with `ephemeral: true`, and
 * `ifLast` without a channel target, are 422. 0 or ERR_INVALID. */
int publish_parse(const struct json_node *node, struct publish *out, struct publish_error *err)
    FF_USE_RESULT;

/* Who says it, and where. */
enum publish_form {
    PUBLISH_BROADCAST, /* POST /broadcast */
    PUBLISH_CLIENT,    /* POST /publish: to one channel, without what only backends say; `echo` */
    PUBLISH_OP         /* the op `publish`: likewise, with `op` and `ref` that are not looked at */
};
/* The same for any of them. A member that only backends may use is 403 not_permitted, no channel
 * 400 missing_value. The op's tree may be one level deep. */
int publish_parse_as(const struct json_node *node, enum publish_form form, struct publish *out,
                     struct publish_error *err) FF_USE_RESULT;

/* True if `s` is an RFC 3339 date-time (any offset, 0-9 fraction digits). */
bool publish_timestamp_ok(struct str s);

#endif
