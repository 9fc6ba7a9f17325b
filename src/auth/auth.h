/* auth.h - who somebody is: credentials to grants. One for a gateway; every call
 * may come from any thread.
 *
 * Secrets are kept as long as they are needed, zeroed after, compared in constant
 * time, and never part of a sentence or a log line. A credential that was presented
 * and is bad fails: nobody falls back to being anonymous. */
#ifndef FF_AUTH_AUTH_H
#define FF_AUTH_AUTH_H

#include "base/err.h"
#include "base/str.h"
#include "conf/options.h"
#include "core/grant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct auth;

/* Reads all that the options name; of api-key and channel-secret the option and its -file both
 * count. The sentence names the file and what is wrong. ERR_IN_USE: another gateway has the file
 * of --revocations. */
int auth_new(const struct options *o, struct auth **out, struct errmsg *why) FF_USE_RESULT;
/* Reads it again (SIGHUP); on failure everything stays as it was. Tickets and
 * revocations stay in any case. */
int auth_reload(struct auth *a, const struct options *o, struct errmsg *why) FF_USE_RESULT;
void auth_free(struct auth *a);

/* Neither keys nor token keys are configured: open mode. Fixed from auth_new on: a reload
 * that would change it fails. */
bool auth_is_open(const struct auth *a);
/* May somebody without a credential connect (open mode, or --anonymous)? */
bool auth_takes_anonymous(const struct auth *a);

/* Where it was found; for log lines and the rules about cookies. */
enum auth_place {
    AUTH_NOWHERE,     /* none was presented */
    AUTH_HEADER,      /* Authorization: Bearer */
    AUTH_QUERY,       /* access_token */
    AUTH_TICKET,      /* ticket */
    AUTH_SUBPROTOCOL, /* fanfare.token.<token> */
    AUTH_COOKIE,
    AUTH_OP /* the op or the request that renews */
};
/* For a log line: "none", "header", "query", "ticket", "subprotocol", "cookie", "op". */
const char *auth_place_name(enum auth_place place);

enum auth_outcome {
    AUTH_OK,
    AUTH_MISSING,   /* nothing presented, and that is not enough */
    AUTH_MALFORMED, /* no token, key or ticket at all; too long; bad header; claim of wrong type */
    AUTH_UNKNOWN,   /* no such key or ticket; the token's kid, issuer or audience is not ours;
                       algorithm not configured */
    AUTH_FORGED,    /* the signature is wrong */
    AUTH_EXPIRED,
    AUTH_NOT_YET,
    AUTH_REVOKED,
    AUTH_NOMEM
};
/* The code in a problem and in metrics: "missing_credential", "bad_token", "unknown_credential",
 * "bad_token", "token_expired", "token_not_yet_valid", "revoked", "out_of_memory". */
const char *auth_outcome_code(enum auth_outcome outcome);

/* May it have been a guess? The others were good once, or will be. */
static inline bool auth_outcome_is_bad(enum auth_outcome outcome)
{
    return outcome == AUTH_MALFORMED || outcome == AUTH_UNKNOWN || outcome == AUTH_FORGED;
}

/* Checks a credential of any sort; AUTH_NOWHERE gives an open or an anonymous grant, or
 * AUTH_MISSING. A ticket is spent by this. `now_ms` is real time. On AUTH_OK *out is a
 * reference; otherwise `why` is a sentence that may be told to the peer.
 *
 * Keys are taken in AUTH_HEADER alone, tickets in AUTH_TICKET alone, tokens everywhere else; one in
 * the wrong place is AUTH_MALFORMED. In open mode all but tickets is not looked at. */
enum auth_outcome auth_check(struct auth *a, enum auth_place place, struct str text,
                             uint64_t now_ms, struct grant **out, struct errmsg *why) FF_USE_RESULT;
/* Would auth_check look at a token's signature, which costs far more than to send one? Not for
 * keys and tickets, nor for what is no token by its form. */
bool auth_needs_signature(struct auth *a, enum auth_place place, struct str text);
/* A backend that needs no secret: the user id at the other end of a unix socket; the
 * subject of a verified client certificate (common name or a DNS name). AUTH_UNKNOWN if no
 * key names it. */
enum auth_outcome auth_check_uid(struct auth *a, uid_t uid, uint64_t now_ms, struct grant **out)
    FF_USE_RESULT;
enum auth_outcome auth_check_certificate(struct auth *a, struct str subject, uint64_t now_ms,
                                         struct grant **out) FF_USE_RESULT;
/* Is the grant, made before, worth anything still? AUTH_OK, AUTH_EXPIRED, AUTH_REVOKED; for
 * a key also AUTH_UNKNOWN, when it is not configured any more. AUTH_EXPIRED also if the holder has
 * to come again for something else: its key permits something else now, or --anonymous is gone. */
enum auth_outcome auth_recheck(struct auth *a, const struct grant *g, uint64_t now_ms);

/* ---- tickets (POST /tickets) ---- */

#define AUTH_TICKET_LEN 47 /* "fft_" and 43 digits of base64url: 256 bits */
/* The `basis` of its grant: the key that asks for it. When that is gone neither the ticket nor its
 * stream counts any more. Borrows `room`. */
#define AUTH_BASIS_ROOM 512
struct str auth_ticket_basis(const struct grant *issuer, char room[AUTH_BASIS_ROOM]);
/* A ticket that stands, once and until --ticket-ttl is over, for the grant (a reference of its
 * own is taken). ERR_LIMIT over --max-tickets. */
int auth_ticket_new(struct auth *a, struct grant *g, uint64_t now_ms, char out[AUTH_TICKET_LEN + 1],
                    uint64_t *expires_ms) FF_USE_RESULT;
/* Puts a ticket back whose request was refused for now: it counts again, for --ticket-ttl. `g` is
 * what it stood for. ERR_INVALID: no ticket's text; ERR_EXISTS; ERR_LIMIT: so many are out, or it
 * is ten times --ticket-ttl old; ERR_NOMEM. */
int auth_ticket_return(struct auth *a, struct str ticket, struct grant *g, uint64_t now_ms)
    FF_USE_RESULT;

/* ---- revocation ---- */

/* All credentials of the user that were issued up to now (a token without iat: all; iat is mostly
 * in whole seconds, so those of the rest of this second too) are worthless until `until_ms`, when
 * the entry is forgotten. ERR_LIMIT, ERR_NOMEM, ERR_SYSTEM (the file could not be written: nothing
 * was revoked; `why`). Durable with --revocations: then it waits for the disk, and checks
 * meanwhile do not. Revoked again it keeps the later end. */
int auth_revoke_user(struct auth *a, struct str user, uint64_t now_ms, uint64_t until_ms,
                     struct errmsg *why) FF_USE_RESULT;
/* The user, who is revoked, had a credential that says it was issued only then: the clock of who
 * signs is ahead of ours. It, and what was issued before it, is worthless too, until the same end.
 * ERR_NOT_FOUND: it is not revoked any more; ERR_NOMEM, ERR_SYSTEM: it counts, but is not durable
 * before the user was revoked again. */
int auth_revoke_issued(struct auth *a, struct str user, uint64_t issued_ms, uint64_t now_ms,
                       struct errmsg *why) FF_USE_RESULT;
/* Up to when what was issued to the user is worthless; 0: it is not revoked. */
uint64_t auth_revoked_since(struct auth *a, struct str user, uint64_t now_ms);
/* The tokens with that jti. */
int auth_revoke_token(struct auth *a, struct str jti, uint64_t now_ms, uint64_t until_ms,
                      struct errmsg *why) FF_USE_RESULT;
/* ERR_NOT_FOUND: was not revoked. */
int auth_unrevoke_user(struct auth *a, struct str user, struct errmsg *why) FF_USE_RESULT;
int auth_unrevoke_token(struct auth *a, struct str jti, struct errmsg *why) FF_USE_RESULT;
/* Calls for each entry that still counts; for GET /revocations. Under the lock: no calls back. */
void auth_revocations(struct auth *a, uint64_t now_ms,
                      void (*each)(void *ctx, bool is_user, struct str name, uint64_t since_ms,
                                   uint64_t until_ms),
                      void *ctx);

/* ---- signed channel names ---- */

/* `name~expiry~signature`: a capability to subscribe to one channel. expiry is seconds since
 * 1970 or empty; signature is base64url(HMAC-SHA256(secret, "fanfare channel\n" name "\n"
 * expiry)), 43 digits. '~' is in no channel's name, so text without it is a plain name: AUTH_OK
 * with *is_signed false and *name the whole text. Otherwise *name is the part before the first
 * '~', and the outcome AUTH_OK, AUTH_MALFORMED, AUTH_FORGED, AUTH_EXPIRED or, without a secret
 * configured, AUTH_UNKNOWN. */
enum auth_outcome auth_channel(struct auth *a, struct str text, uint64_t now_ms, struct str *name,
                               bool *is_signed, struct errmsg *why) FF_USE_RESULT;

#endif
