/* name.h - channel names, patterns, user ids and message types.
 *
 * docs/protocol.md, "Names". */
#ifndef FF_PROTO_NAME_H
#define FF_PROTO_NAME_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

#define NAME_MAX_LEN 200

/* Each check returns 0, or ERR_INVALID / ERR_RESERVED with a sentence that
 * names the byte and the rule, e.g. `"a b": ' ' at byte 1 is not allowed in a
 * channel name (letters, digits and _-.:@=,;/ are)`. The offending name is
 * shown clipped and escaped. `why` may be NULL. */

/* A channel to publish to or to subscribe to: 1-200 bytes A-Za-z0-9_-.:@=,;/
 * Names beginning `fanfare.` are ERR_RESERVED. */
int name_check_channel(struct str s, struct errmsg *why) FF_USE_RESULT;
/* The one reserved name that there is something to read in: its members are all users with a
 * connection. Nobody publishes to it, so it is no name for name_check_channel. */
#define USERS_CHANNEL "fanfare.users"
/* A channel or a pattern: segments divided by '.', where a whole segment may
 * be `*` and the last may be `>`; or USERS_CHANNEL. Otherwise beginning
 * `fanfare.` is ERR_RESERVED. */
int name_check_subscription(struct str s, struct errmsg *why) FF_USE_RESULT;
/* True if the (checked) name contains a wildcard segment. */
bool name_is_pattern(struct str s);
/* Does the pattern (or plain name) match the channel? `*` is exactly one
 * segment, possibly empty; a final `>` is one or more segments. Names beginning
 * `private-`, `presence-` or `fanfare.` are matched only by patterns that begin
 * with the same literal prefix. */
bool name_match(struct str pattern, struct str channel);
/* 1-200 bytes of printable UTF-8 (no C0 controls, no DEL). */
int name_check_user(struct str s, struct errmsg *why) FF_USE_RESULT;
/* A message type: 1-200 bytes of printable UTF-8; `open`, `error` and
 * everything beginning `fanfare.` are ERR_RESERVED. */
int name_check_type(struct str s, struct errmsg *why) FF_USE_RESULT;
/* A message id, a key or a source: 1-200 bytes of printable UTF-8. `what` names the
 * field in the sentence. */
int name_check_text(const char *what, struct str s, struct errmsg *why) FF_USE_RESULT;

/* Clips and escapes outside bytes for a sentence; with its NUL. */
#define NAME_SHOW_MAX 64
const char *name_show(struct str s, char out[NAME_SHOW_MAX]);

#endif
