#include "auth/auth.h"

#include "auth/channel.h"
#include "auth/revoked.h"
#include "auth/setup.h"
#include "auth/tickets.h"
#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define TICKET_BASIS "ticket:"
/* One that is given back again and again ends all the same. */
#define TICKET_LIVES 10

struct auth {
    pthread_mutex_t lock; /* of the pointer */
    struct setup *setup;
    bool open;
    atomic_bool anonymous;
    struct tickets *tickets;
    struct revoked *revoked;
};

/* ---- life ---- */

int auth_new(const struct options *o, struct auth **out, struct errmsg *why)
{
    struct auth *a = calloc(1, sizeof(*a));
    int rc = 0;

    *out = NULL;
    if (!a) {
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    (void)pthread_mutex_init(&a->lock, NULL);
    rc = setup_new(o, &a->setup, why);
    if (rc == 0) {
        a->open = a->setup->open;
        atomic_init(&a->anonymous, a->setup->anonymous != NULL);
        rc = tickets_new(&a->tickets);
        rc = rc ? errmsg_set(why, rc, "%s", err_text(rc)) : 0;
    }
    if (rc == 0) {
        rc = revoked_new(o->revocations, o->max_revocations, clock_real_ms(), &a->revoked, why);
    }
    if (rc != 0) {
        auth_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

int auth_reload(struct auth *a, const struct options *o, struct errmsg *why)
{
    struct setup *fresh = NULL;
    int rc = setup_new(o, &fresh, why);

    if (rc == 0 && fresh->open != a->open) {
        rc = errmsg_set(why, ERR_STATE,
                        a->open ? "keys are configured now, and the gateway has begun without any: "
                                  "restart it"
                                : "no keys are configured any more: restart it if everything is to "
                                  "be permitted to everybody");
    }
    if (rc != 0) {
        setup_unref(fresh);
        return rc;
    }
    (void)pthread_mutex_lock(&a->lock);
    struct setup *old = a->setup;
    a->setup = fresh;
    atomic_store(&a->anonymous, fresh->anonymous != NULL);
    (void)pthread_mutex_unlock(&a->lock);
    setup_unref(old);
    return 0;
}

void auth_free(struct auth *a)
{
    if (a) {
        revoked_free(a->revoked);
        tickets_free(a->tickets);
        setup_unref(a->setup);
        (void)pthread_mutex_destroy(&a->lock);
        free(a);
    }
}

/* The present setup; it stays what it is until it is given back. */
static struct setup *hold(struct auth *a)
{
    (void)pthread_mutex_lock(&a->lock);
    struct setup *s = setup_ref(a->setup);
    (void)pthread_mutex_unlock(&a->lock);
    return s;
}

bool auth_is_open(const struct auth *a)
{
    return a->open;
}

bool auth_takes_anonymous(const struct auth *a)
{
    return a->open || atomic_load(&a->anonymous);
}

/* ---- words ---- */

const char *auth_place_name(enum auth_place place)
{
    static const char *const names[] = {
        [AUTH_NOWHERE] = "none",  [AUTH_HEADER] = "header",           [AUTH_QUERY] = "query",
        [AUTH_TICKET] = "ticket", [AUTH_SUBPROTOCOL] = "subprotocol", [AUTH_COOKIE] = "cookie",
        [AUTH_OP] = "op"};

    return names[place];
}

const char *auth_outcome_code(enum auth_outcome outcome)
{
    static const char *const codes[] = {[AUTH_OK] = "ok",
                                        [AUTH_MISSING] = "missing_credential",
                                        [AUTH_MALFORMED] = "bad_token",
                                        [AUTH_UNKNOWN] = "unknown_credential",
                                        [AUTH_FORGED] = "bad_token",
                                        [AUTH_EXPIRED] = "token_expired",
                                        [AUTH_NOT_YET] = "token_not_yet_valid",
                                        [AUTH_REVOKED] = "revoked",
                                        [AUTH_NOMEM] = "out_of_memory"};

    return codes[outcome];
}

static enum auth_outcome say(struct errmsg *why, enum auth_outcome outcome, const char *text)
{
    (void)errmsg_set(why, ERR_INVALID, "%s", text);
    return outcome;
}

/* ---- checking ---- */

static bool is_key(struct str text)
{
    return str_starts(text, STR_LIT(KEYFILE_PREFIX));
}

static bool is_over(const struct grant *g, uint64_t now_ms)
{
    return g->s.until_ms > 0 && now_ms >= g->s.until_ms;
}

static bool is_revoked(struct auth *a, const struct grant *g, uint64_t now_ms)
{
    return revoked_token(a->revoked, g->s.id, now_ms) ||
           revoked_user(a->revoked, g->s.user, g->s.issued_ms, now_ms);
}

/* What else must be true of a client's grant. */
static enum auth_outcome judge(struct auth *a, struct grant *g, uint64_t now_ms, struct grant **out,
                               struct errmsg *why)
{
    bool revoked = is_revoked(a, g, now_ms);

    if (revoked || is_over(g, now_ms)) {
        grant_unref(g);
        return revoked ? say(why, AUTH_REVOKED, "the credential has been revoked")
                       : say(why, AUTH_EXPIRED, "the credential has expired");
    }
    *out = g;
    return AUTH_OK;
}

static enum auth_outcome check_nobody(struct auth *a, struct grant **out, struct errmsg *why)
{
    struct setup *s;

    if (a->open) {
        *out = grant_open();
        return AUTH_OK;
    }
    s = hold(a);
    if (s->anonymous) {
        *out = grant_ref(s->anonymous);
    }
    setup_unref(s);
    return *out ? AUTH_OK : say(why, AUTH_MISSING, "a credential is needed here");
}

/* The key that asked for the ticket, or NULL: then it is no ticket's. */
static bool ticket_issuer(struct str basis, struct grant *out)
{
    size_t prefix = sizeof(TICKET_BASIS) - 1;
    const char *end;

    if (!str_starts(basis, STR_LIT(TICKET_BASIS))) {
        return false;
    }
    basis = (struct str){basis.p + prefix, basis.len - prefix};
    end = memchr(basis.p, '\0', basis.len);
    assert(end);
    out->s.id = (struct str){basis.p, (size_t)(end - basis.p)};
    out->s.basis = (struct str){end + 1, basis.len - out->s.id.len - 1};
    return true;
}

/* What the application said stands on no key. */
static bool basis_stays(struct auth *a, const struct grant *g)
{
    struct grant issuer = {.s = {.kind = GRANT_KEY}};
    struct setup *s;
    bool has;

    if (g->s.basis.len == 0) {
        return true;
    }
    s = hold(a);
    if (!ticket_issuer(g->s.basis, &issuer)) {
        has = jwt_keys_have(s->tokens, g->s.basis);
    } else {
        has = setup_has_api_key(s, &issuer) ||
              (s->keys && keyfile_still(s->keys, &issuer) != KEYFILE_GONE);
    }
    setup_unref(s);
    return has;
}

static enum auth_outcome check_ticket(struct auth *a, struct str text, uint64_t now_ms,
                                      struct grant **out, struct errmsg *why)
{
    struct grant *g = NULL;

    switch (tickets_spend(a->tickets, text, now_ms, &g)) {
    case AUTH_OK:
        if (!basis_stays(a, g)) {
            grant_unref(g);
            return say(why, AUTH_EXPIRED, "the key that asked for the ticket is gone");
        }
        return judge(a, g, now_ms, out, why);
    case AUTH_MALFORMED:
        return say(why, AUTH_MALFORMED, "this is no ticket");
    case AUTH_EXPIRED:
        return say(why, AUTH_EXPIRED, "the ticket has expired");
    default:
        return say(why, AUTH_UNKNOWN,
                   "there is no such ticket: it was used already, or has expired");
    }
}

/* The grant of a key, which the setup keeps. */
static enum auth_outcome take_key(struct grant *g, uint64_t now_ms, struct grant **out,
                                  struct errmsg *why)
{
    if (!g) {
        return say(why, AUTH_UNKNOWN, "there is no such key");
    }
    if (is_over(g, now_ms)) {
        return say(why, AUTH_EXPIRED, "the key has expired");
    }
    *out = grant_ref(g);
    return AUTH_OK;
}

static enum auth_outcome check_token(struct auth *a, const struct setup *s, struct str text,
                                     uint64_t now_ms, struct grant **out, struct errmsg *why)
{
    struct grant *g = NULL;
    enum auth_outcome outcome;

    if (jwt_keys_count(s->tokens) == 0) {
        return say(why, AUTH_UNKNOWN, "no tokens are taken here: no key for them is configured");
    }
    outcome = jwt_check(s->tokens, &s->policy, text, now_ms, &g, why);
    return outcome == AUTH_OK ? judge(a, g, now_ms, out, why) : outcome;
}

static bool has_dots(struct str text)
{
    return text.len > 0 && memchr(text.p, '.', text.len) != NULL;
}

/* A token has dots; text without any was meant as a key, if such are configured. */
static enum auth_outcome check_text(struct auth *a, const struct setup *s, enum auth_place place,
                                    struct str text, uint64_t now_ms, struct grant **out,
                                    struct errmsg *why)
{
    bool dots = has_dots(text);

    if (place == AUTH_HEADER) {
        struct grant *key = setup_api_key(s, text);
        if (!key && is_key(text) && s->keys) {
            key = keyfile_by_text(s->keys, text);
        }
        if (key || is_key(text) || (!dots && s->napi > 0)) {
            return take_key(key, now_ms, out, why);
        }
    }
    if (is_key(text)) {
        return say(why, AUTH_MALFORMED,
                   "a backend's key is taken in the Authorization header only");
    }
    if (str_starts(text, STR_LIT("fft_"))) {
        return say(why, AUTH_MALFORMED, "a ticket is taken in the query parameter ticket only");
    }
    if (!dots) {
        return say(why, AUTH_MALFORMED, "this is no token");
    }
    return check_token(a, s, text, now_ms, out, why);
}

enum auth_outcome auth_check(struct auth *a, enum auth_place place, struct str text,
                             uint64_t now_ms, struct grant **out, struct errmsg *why)
{
    enum auth_outcome outcome;
    struct setup *s;

    *out = NULL;
    if (place == AUTH_TICKET) {
        return check_ticket(a, text, now_ms, out, why);
    }
    if (place == AUTH_NOWHERE || a->open) {
        return check_nobody(a, out, why);
    }
    if (text.len > JWT_MAX) {
        return say(why, AUTH_MALFORMED, "the credential is too long");
    }
    s = hold(a);
    outcome = check_text(a, s, place, text, now_ms, out, why);
    setup_unref(s);
    return outcome;
}

bool auth_needs_signature(struct auth *a, enum auth_place place, struct str text)
{
    struct setup *s;
    bool needs;

    if (a->open || place == AUTH_NOWHERE || place == AUTH_TICKET || text.len > JWT_MAX ||
        is_key(text) || !has_dots(text)) {
        return false;
    }
    s = hold(a);
    needs = !(place == AUTH_HEADER && setup_api_key(s, text)) && jwt_keys_count(s->tokens) > 0;
    setup_unref(s);
    return needs;
}

enum auth_outcome auth_check_uid(struct auth *a, uid_t uid, uint64_t now_ms, struct grant **out)
{
    struct setup *s = hold(a);

    *out = NULL;
    enum auth_outcome outcome =
        take_key(s->keys ? keyfile_by_uid(s->keys, uid) : NULL, now_ms, out, NULL);
    setup_unref(s);
    return outcome;
}

enum auth_outcome auth_check_certificate(struct auth *a, struct str subject, uint64_t now_ms,
                                         struct grant **out)
{
    struct setup *s = hold(a);

    *out = NULL;
    enum auth_outcome outcome =
        take_key(s->keys ? keyfile_by_certificate(s->keys, subject) : NULL, now_ms, out, NULL);
    setup_unref(s);
    return outcome;
}

static enum auth_outcome recheck_key(struct auth *a, const struct grant *g)
{
    struct setup *s = hold(a);
    enum keyfile_still still = KEYFILE_GONE;

    if (setup_has_api_key(s, g)) {
        still = KEYFILE_SAME;
    } else if (s->keys) {
        still = keyfile_still(s->keys, g);
    }
    setup_unref(s);
    return still == KEYFILE_SAME ? AUTH_OK : still == KEYFILE_CHANGED ? AUTH_EXPIRED : AUTH_UNKNOWN;
}

enum auth_outcome auth_recheck(struct auth *a, const struct grant *g, uint64_t now_ms)
{
    switch (g->s.kind) {
    case GRANT_OPEN:
        return AUTH_OK;
    case GRANT_ANONYMOUS:
        return auth_takes_anonymous(a) ? AUTH_OK : AUTH_EXPIRED;
    case GRANT_KEY:
        return is_over(g, now_ms) ? AUTH_EXPIRED : recheck_key(a, g);
    case GRANT_CLIENT:
        break;
    }
    if (is_revoked(a, g, now_ms)) {
        return AUTH_REVOKED;
    }
    return is_over(g, now_ms) || !basis_stays(a, g) ? AUTH_EXPIRED : AUTH_OK;
}

/* ---- tickets ---- */

struct str auth_ticket_basis(const struct grant *issuer, char room[AUTH_BASIS_ROOM])
{
    struct str id = issuer->s.id, basis = issuer->s.basis;
    size_t n = sizeof(TICKET_BASIS) - 1;

    assert(n + id.len + 1 + basis.len <= AUTH_BASIS_ROOM);
    memcpy(room, TICKET_BASIS, n);
    memcpy(room + n, id.p, id.len);
    n += id.len;
    room[n++] = '\0'; /* in no id */
    memcpy(room + n, basis.p, basis.len);
    return (struct str){room, n + basis.len};
}

int auth_ticket_new(struct auth *a, struct grant *g, uint64_t now_ms, char out[AUTH_TICKET_LEN + 1],
                    uint64_t *expires_ms)
{
    struct setup *s = hold(a);
    uint64_t until_ms = now_ms + s->opt.ticket_ttl;
    int rc = tickets_issue(a->tickets, g, now_ms, until_ms, s->opt.max_tickets, out);

    *expires_ms = until_ms;
    setup_unref(s);
    return rc;
}

int auth_ticket_return(struct auth *a, struct str ticket, struct grant *g, uint64_t now_ms)
{
    struct setup *s = hold(a);
    uint64_t ttl = s->opt.ticket_ttl;
    int rc = ERR_LIMIT;

    if (g->s.issued_ms == 0 || now_ms < g->s.issued_ms + TICKET_LIVES * ttl) {
        rc = tickets_return(a->tickets, ticket, g, now_ms, now_ms + ttl, s->opt.max_tickets);
    }
    setup_unref(s);
    return rc;
}

/* ---- revocation ---- */

static int revoke_one(struct auth *a, bool is_user, struct str name, uint64_t now_ms,
                      uint64_t until_ms, struct errmsg *why)
{
    struct setup *s = hold(a);
    int rc = revoked_add(a->revoked, is_user, name, now_ms, until_ms, s->opt.max_revocations, why);

    setup_unref(s);
    return rc;
}

int auth_revoke_user(struct auth *a, struct str user, uint64_t now_ms, uint64_t until_ms,
                     struct errmsg *why)
{
    return revoke_one(a, true, user, now_ms, until_ms, why);
}

int auth_revoke_issued(struct auth *a, struct str user, uint64_t issued_ms, uint64_t now_ms,
                       struct errmsg *why)
{
    return revoked_raise(a->revoked, user, issued_ms, now_ms, why);
}

uint64_t auth_revoked_since(struct auth *a, struct str user, uint64_t now_ms)
{
    return revoked_since(a->revoked, user, now_ms);
}

int auth_revoke_token(struct auth *a, struct str jti, uint64_t now_ms, uint64_t until_ms,
                      struct errmsg *why)
{
    return revoke_one(a, false, jti, now_ms, until_ms, why);
}

int auth_unrevoke_user(struct auth *a, struct str user, struct errmsg *why)
{
    return revoked_remove(a->revoked, true, user, why);
}

int auth_unrevoke_token(struct auth *a, struct str jti, struct errmsg *why)
{
    return revoked_remove(a->revoked, false, jti, why);
}

void auth_revocations(struct auth *a, uint64_t now_ms,
                      void (*each)(void *ctx, bool is_user, struct str name, uint64_t since_ms,
                                   uint64_t until_ms),
                      void *ctx)
{
    revoked_each(a->revoked, now_ms, each, ctx);
}

/* ---- signed channel names ---- */

enum auth_outcome auth_channel(struct auth *a, struct str text, uint64_t now_ms, struct str *name,
                               bool *is_signed, struct errmsg *why)
{
    struct setup *s = hold(a);
    enum auth_outcome outcome;
    unsigned i = 0;

    do {
        struct str secret = {s->channel[i].p, s->channel[i].len};
        outcome = channel_check(secret, text, now_ms, name, is_signed, why);
    } while (outcome == AUTH_FORGED && ++i < s->nchannel);
    setup_unref(s);
    return outcome;
}
