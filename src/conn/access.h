/* access.h - what a stream's credential permits it, for as long as it lives: checks, the
 * warning before it expires, its renewal, its end. On the shard's thread.
 *
 * Without keys configured (GRANT_OPEN) a stream has no access record: s->access is NULL, and
 * everything is permitted. */
#ifndef FF_CONN_ACCESS_H
#define FF_CONN_ACCESS_H

#include "conn/stream.h"
#include "core/grant.h"

struct stream_access;

/* Close codes of streams whose credential is at an end (docs/protocol.md). */
#define CLOSE_EXPIRED 4401 /* come back with a new credential */
#define CLOSE_REVOKED 4403 /* do not come back */

/* From stream_open, before the member joins: takes a reference of the grant (NULL and GRANT_OPEN:
 * there is no record). ERR_NOMEM. */
int access_begin(struct stream *s, struct grant *g) FF_USE_RESULT;
/* Is the credential still what it was when it was checked? If not, nothing may be shown to the
 * stream, and access_greeted ends it. */
bool access_stands(const struct stream *s);
/* The greeting is queued: from here on the warning and the end are timed, or said at once. */
void access_greeted(struct stream *s);
void access_free(struct stream *s);

/* May it subscribe to the name: by its grant and the rules, or by a signature that it showed? */
bool access_may_subscribe(const struct stream *s, struct str name);
/* It showed a signature for the channel: remembered, so that a renewal leaves it. ERR_NOMEM.
 * To be called only for what is subscribed to, or will be: there is no bound of its own. */
int access_add_signed(struct stream *s, struct str channel) FF_USE_RESULT;
/* The signature's subscription is gone. */
void access_drop_signed(struct stream *s, struct str channel);

/* Another credential takes the place of the first (a reference is taken). Subscriptions that are
 * permitted no more end, each with fanfare.unsubscribed {channel, reason: "forbidden"}, before
 * any later message. ERR_CONFLICT: it is another user's, or no client's; ERR_STATE: the stream
 * has no credential (open mode); ERR_INVALID: what the new one stands on is gone since it was
 * checked; ERR_CLOSED: it ends, perhaps since the new one was revoked after
 * it was checked; ERR_NOMEM: it goes on with the old one or, if some subscriptions have ended
 * already, ends. */
int access_renew(struct stream *s, struct grant *g) FF_USE_RESULT;
/* Before a credential that is to renew it is looked at, which costs far more than to send one: is
 * it one of the first twenty in this second? 0: yes; else after how many milliseconds again. */
uint64_t access_wait(struct stream *s);
/* Rules have changed (SIGHUP): ends what is permitted no more, as access_renew does. Without
 * memory for that the stream ends. */
void access_recheck(struct stream *s);

/* Both also without a record, and do nothing if the stream ends already. */

/* The grant is worthless: fanfare.closing {code: "revoked", reconnect: false}, and the end with
 * 4403. Later requests with the same credential get 204 (SSE) or 403. */
void access_revoke(struct stream *s);
/* The time of the grant is over: fanfare.closing {code: "expired", reconnect: true}, and the end
 * with 4401. It comes by itself at the grant's until_ms; this is for a key whose entry has
 * changed. */
void access_expire(struct stream *s);

/* A timer of kind STREAM_TIMER_ACCESS fired: `token-warning` before the grant expires it is
 * time for fanfare.auth_expiring {expiresAt}, later for the end. Both follow the wall clock,
 * within a minute if it was set. */
void access_timer_fired(struct wheel_timer *t);
/* The grant, or NULL in open mode. Borrowed. */
const struct grant *access_grant(const struct stream *s);
/* A reference of it; in open mode of grant_open(). */
struct grant *access_grant_ref(const struct stream *s);

#endif
