#include "http/credential.h"

#include "base/clock.h"
#include "http/asking.h"
#include "http/throttle.h"
#include "proto/cookie.h"
#include "proto/wshandshake.h"

#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#define TOKEN_PROTOCOL "fanfare.token."

struct presented {
    enum auth_place place;
    struct str text;
    const char *wrong; /* it is no credential: why */
};

/* ---- where a credential may stand ---- */

static bool find_header(struct request *rq, struct presented *c)
{
    unsigned lines;
    struct str v = request_header(rq, "Authorization", &lines);

    if (!lines) {
        return false;
    }
    c->place = AUTH_HEADER;
    if (lines > 1) {
        c->wrong = "Authorization may stand only once";
    } else if (v.len < 7 || strncasecmp(v.p, "Bearer ", 7) != 0) {
        c->wrong = "Authorization must be: Bearer and the token or key";
    } else {
        c->text = (struct str){v.p + 7, v.len - 7};
        while (c->text.len && *c->text.p == ' ') {
            c->text.p++;
            c->text.len--;
        }
    }
    return true;
}

static bool is_nearly(struct str name, const char *right)
{
    return name.len == strlen(right) && !str_eqz(name, right) &&
           strncasecmp(name.p, right, name.len) == 0;
}

/* Parameters that are not known are passed over, but who writes Access_Token means to be somebody:
 * the right name, or NULL. */
static const char *misspelled(const struct request *rq)
{
    for (unsigned i = 0; i < rq->target.nparams; i++) {
        struct str name = rq->target.params[i].name;
        if (is_nearly(name, "access_token")) {
            return "access_token";
        }
        if (is_nearly(name, "ticket")) {
            return "ticket";
        }
    }
    return NULL;
}

/* 0: *found says whether there is one. ERR_CONFLICT: more than one. ERR_INVALID: c->wrong is how
 * the parameter is written. */
static int find_query(const struct request *rq, struct presented *c, bool *found)
{
    const struct param *ticket = target_param(&rq->target, "ticket");
    const struct param *token = target_param(&rq->target, "access_token");

    *found = ticket || token;
    c->wrong = misspelled(rq);
    if (c->wrong) {
        return ERR_INVALID;
    }
    if ((ticket && token) || (ticket && target_next(&rq->target, ticket)) ||
        (token && target_next(&rq->target, token))) {
        return ERR_CONFLICT;
    }
    if (ticket) {
        *c = (struct presented){AUTH_TICKET, ticket->value, NULL};
    } else if (token) {
        *c = (struct presented){AUTH_QUERY, token->value, NULL};
    }
    return 0;
}

/* Also what is nearly one: a client that meant to be somebody is not taken for nobody. */
static bool is_token_protocol(struct str one)
{
    const size_t bare = sizeof(TOKEN_PROTOCOL) - 2; /* without the dot */

    return one.len >= bare && strncasecmp(one.p, TOKEN_PROTOCOL, bare) == 0 &&
           (one.len == bare || one.p[bare] == '.');
}

static bool find_protocol(struct request *rq, struct presented *c)
{
    struct str list = request_header(rq, "Sec-WebSocket-Protocol", NULL);
    struct str prefix = STR_LIT(TOKEN_PROTOCOL);
    struct str one;

    while (header_next_element(&list, &one)) {
        if (is_token_protocol(one)) {
            c->place = AUTH_SUBPROTOCOL;
            c->wrong = c->text.p ? "Sec-WebSocket-Protocol has more than one token" : NULL;
            c->text = one.len > prefix.len ? (struct str){one.p + prefix.len, one.len - prefix.len}
                                           : (struct str){one.p, 0};
        }
    }
    return c->place == AUTH_SUBPROTOCOL;
}

static bool find_cookie(struct request *rq, struct presented *c)
{
    struct str name = str_of(rq->srv->env->opt->token_cookie);
    struct str header;
    unsigned lines, n;

    if (name.len == 0) {
        return false;
    }
    header = request_header(rq, "Cookie", &lines);
    n = cookie_find(header, name, &c->text);
    if (n == 0 && lines < 2) {
        return false;
    }
    c->place = AUTH_COOKIE;
    if (n > 1) {
        c->wrong = "the cookie with the token stands more than once";
    } else if (lines > 1) {
        c->wrong = "Cookie may stand only once";
    }
    return true;
}

/* 0, or what find_query says. */
static int find(struct request *rq, enum need need, bool ws, struct presented *c)
{
    bool found = false;
    int rc;

    *c = (struct presented){AUTH_NOWHERE, STR_NONE, NULL};
    if (find_header(rq, c)) {
        return 0;
    }
    rc = need == NEED_CLIENT ? find_query(rq, c, &found) : 0;
    if (rc != 0) {
        return rc;
    }
    if (!found && !(ws && find_protocol(rq, c))) {
        (void)find_cookie(rq, c);
    }
    return 0;
}

static enum MHD_Result refuse_query(struct request *rq, int rc, const struct presented *c)
{
    struct problem p = {.status = 400,
                        .code = "conflicting_parameters",
                        .detail = "only one of ticket and access_token may stand here, once"};

    if (rc == ERR_INVALID) {
        (void)errmsg_set(&rq->why, 0, "the parameter is written %s, in small letters", c->wrong);
        p.code = "bad_parameter";
        p.field = c->wrong;
        p.detail = rq->why.text;
    }
    return respond_problem(rq, &p);
}

/* A cookie comes along with whatever any page asks for. So a page of another site must not
 * be behind it: a handshake and whatever changes something must name an Origin. */
static bool cookie_may_count(struct request *rq, bool ws)
{
    bool reads = strcmp(rq->method, "GET") == 0 || strcmp(rq->method, "HEAD") == 0;
    struct str site;

    if (rq->origin.len) {
        return rq->origin_named;
    }
    /* An image or a link of another site names no Origin; browsers say it here. */
    site = request_header_one(rq, "Sec-Fetch-Site");
    return reads && !ws && (!site.len || str_eqz(site, "same-origin") || str_eqz(site, "none"));
}

static enum MHD_Result forbid_cookie(struct request *rq)
{
    return respond_forbidden(rq, "forbidden_origin", NULL,
                             "a cookie counts only with the Origin of an allowed page; "
                             "--allow-origin can permit it");
}

/* ---- backends that need no secret ---- */

/* A proxy that nobody named with --trusted-proxy says so itself. */
static bool was_forwarded(struct request *rq)
{
    return request_header_one(rq, "Forwarded").len || request_header_one(rq, "Via").len ||
           request_header_one(rq, "X-Forwarded-For").len;
}

/* A key that a certificate names counts no longer than the certificate. */
static enum auth_outcome check_certificate(const struct request *rq, uint64_t now,
                                           struct grant **out)
{
    const struct http_secure *sec = rq->hc->secure;
    enum auth_outcome outcome;
    struct grant *key = NULL;
    struct grant_spec spec;

    outcome = auth_check_certificate(rq->srv->shared->auth, str_of(sec->certificate), now, &key);
    if (outcome != AUTH_OK) {
        return outcome;
    }
    spec = key->s;
    if (spec.until_ms == 0 || spec.until_ms > sec->certificate_end) {
        spec.until_ms = sec->certificate_end;
    }
    outcome = now >= spec.until_ms         ? AUTH_EXPIRED
              : grant_new(&spec, out) == 0 ? AUTH_OK
                                           : AUTH_NOMEM;
    grant_unref(key);
    return outcome;
}

static enum auth_outcome check_peer(struct request *rq, uint64_t now, struct grant **out)
{
    struct auth *auth = rq->srv->shared->auth;
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (rq->behind_proxy || rq->from_proxy || was_forwarded(rq)) {
        return AUTH_UNKNOWN; /* who connects is the proxy, for whomever it likes */
    }
    if (rq->origin.len && !rq->origin_named) {
        return AUTH_UNKNOWN; /* a browser shows its certificate for any page, as it does cookies */
    }
    if (rq->hc->secure && rq->hc->secure->certificate) {
        return check_certificate(rq, now, out);
    }
    if (rq->hc->peer.kind == PEER_UNIX &&
        getsockopt(rq->hc->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
        return auth_check_uid(auth, cred.uid, now, out);
    }
    return AUTH_UNKNOWN;
}

static enum auth_outcome check(struct request *rq, const struct presented *c)
{
    struct auth *auth = rq->srv->shared->auth;
    uint64_t now = clock_real_ms();

    if (c->wrong) {
        (void)errmsg_set(&rq->why, 0, "%s", c->wrong);
        return AUTH_MALFORMED;
    }
    if (c->place == AUTH_NOWHERE) {
        enum auth_outcome outcome = check_peer(rq, now, &rq->grant);
        if (outcome == AUTH_OK || outcome == AUTH_EXPIRED || outcome == AUTH_NOMEM) {
            (void)errmsg_set(&rq->why, 0, "the key that names you has expired");
            return outcome;
        }
    }
    return auth_check(auth, c->place, c->text, now, &rq->grant, &rq->why);
}

/* ---- what it permits ---- */

static int check_right(struct request *rq, enum need need, enum MHD_Result *result)
{
    static const struct {
        enum grant_right right;
        const char *detail;
    } wanted[] = {
        [NEED_READ] = {RIGHT_READ, "this needs a backend's key with the permission read"},
        [NEED_ADMIN] = {RIGHT_ADMIN, "this needs a backend's key with the permission admin"},
        [NEED_TICKETS] = {RIGHT_TICKETS, "this needs a backend's key with the permission tickets"},
        [NEED_USERS] = {RIGHT_USERS, "this needs a backend's key with the permission users"},
    };

    if (need == NEED_CREDENTIAL && rq->grant->s.kind == GRANT_ANONYMOUS) {
        *result = respond_auth(rq, AUTH_MISSING, "this needs a credential");
        return ERR_INVALID;
    }
    if (need >= NEED_READ && !permit_right(rq->grant, wanted[need].right)) {
        if (rq->grant->s.kind == GRANT_ANONYMOUS) {
            *result = respond_auth(rq, AUTH_MISSING, wanted[need].detail);
        } else {
            *result = respond_forbidden(rq, "forbidden", NULL, wanted[need].detail);
        }
        return ERR_INVALID;
    }
    return 0;
}

/* Nothing identifies the client so far. */
static bool outcome_is_nobody(const struct request *rq, enum auth_outcome outcome)
{
    return asking_for_who(rq) && (outcome == AUTH_MISSING ||
                                  (outcome == AUTH_OK && rq->grant->s.kind == GRANT_ANONYMOUS));
}

/* The application has said who it is, or that it may not come in, or nothing. */
static enum MHD_Result admit_asked(struct request *rq)
{
    struct grant *grant = rq->answer.grant;
    enum auth_outcome outcome;

    if (rq->asked == ASKED_NO) {
        throttle_auth_failed(rq); /* what it was shown may be a guess */
    }
    if (rq->asked == ASKED_NO && rq->answer.unknown) {
        return respond_auth(rq, AUTH_MISSING, "the application does not know who this is");
    }
    if (rq->asked != ASKED_YES) {
        return respond_asked(rq, NULL);
    }
    /* It may be remembered from before; when it is forgotten the application is asked again. */
    outcome = auth_recheck(rq->srv->shared->auth, grant, clock_real_ms());
    if (outcome != AUTH_OK) {
        return respond_auth(rq, outcome, "what the application permitted is over");
    }
    rq->asked = ASKED_NOT; /* about names nothing was said yet */
    rq->grant = grant;
    rq->answer.grant = NULL;
    rq->hc->known = true;
    rq->woken = false;
    rq->endpoint = rq->asker;
    return rq->endpoint(rq);
}

static enum MHD_Result ask_who(struct request *rq)
{
    return asking_who(rq, admit_asked);
}

/* The application is shown the browser's cookies: the rule for cookies holds. */
static int ask_application(struct request *rq, bool ws, enum MHD_Result *result)
{
    unsigned cookies;

    (void)request_header(rq, "Cookie", &cookies);
    if (cookies && !cookie_may_count(rq, ws)) {
        *result = forbid_cookie(rq);
        return ERR_INVALID;
    }
    if (throttle_auth(rq, result) != 0) {
        return ERR_LIMIT;
    }
    grant_unref(rq->grant);
    rq->grant = NULL;
    rq->asker = rq->endpoint;
    rq->endpoint = ask_who;
    return 0;
}

int credential_check(struct request *rq, enum need need, bool ws, enum MHD_Result *result)
{
    struct auth *auth = rq->srv->shared->auth;
    struct presented c;
    enum auth_outcome outcome;
    int rc;

    if (need == NEED_NOTHING) {
        return 0;
    }
    if (!auth || auth_is_open(auth)) {
        rq->grant = grant_open();
        return 0;
    }
    rc = find(rq, need, ws, &c);
    if (rc != 0) {
        *result = refuse_query(rq, rc, &c);
        return ERR_INVALID;
    }
    rq->place = c.place;
    if (c.place == AUTH_COOKIE && !cookie_may_count(rq, ws)) {
        *result = forbid_cookie(rq);
        return ERR_INVALID;
    }
    /* Whether a key or a ticket is good costs less than the answer that it is not. So others' bad
     * credentials from the same address, which may be a proxy's, never keep a backend out. */
    if (auth_needs_signature(auth, c.place, c.text) && throttle_auth(rq, result) != 0) {
        return ERR_LIMIT;
    }
    outcome = check(rq, &c);
    if (c.place == AUTH_NOWHERE && need == NEED_CLIENT && outcome_is_nobody(rq, outcome)) {
        return ask_application(rq, ws, result);
    }
    if (outcome != AUTH_OK) {
        if (c.place == AUTH_NOWHERE || throttle_auth(rq, result) == 0) {
            *result = respond_auth(rq, outcome, rq->why.text);
        }
        return ERR_INVALID;
    }
    if (c.place == AUTH_TICKET) {
        rq->ticket_text = c.text;
    }
    rq->hc->known |= rq->grant->s.kind != GRANT_ANONYMOUS;
    return check_right(rq, need, result);
}
