/* Taking rights back: DELETE /users/{id}, and the list of what was revoked. What is
 * revoked is refused from the moment of the answer on, and streams that stand on it have
 * ended by then, on every shard.
 *
 * A token may say that it was issued later than now, since clocks differ. If a user's stream has
 * one, the revocation is extended to it when all shards were visited, and a second round ends what
 * came in meanwhile with a token that it rejects; who logged in meanwhile has a later one. */
#include "base/clock.h"
#include "base/dup.h"
#include "conn/access.h"
#include "core/people.h"
#include "http/body.h"
#include "http/visit.h"
#include "proto/position.h"

#include <stdlib.h>

#define JTI_MAX 128

/* What a request names, and for how long. */
struct revocation {
    bool is_user;
    struct str name;
    uint64_t until_ms;
};

static bool concerned(const struct visit *v, const struct stream *s, uint64_t now)
{
    const struct grant *g = access_grant(s);
    struct auth *auth = v->home->shared->auth;

    if (!auth || auth_is_open(auth)) {
        return v->user.len && str_eq(stream_user(s), v->user);
    }
    /* A backend that takes part as this user is no holder of the user's credentials, but
     * what is asked for is the end of the user's streams. */
    return (v->user.len && !v->again && str_eq(stream_user(s), v->user)) ||
           (g && auth_recheck(auth, g, now) == AUTH_REVOKED);
}

static void note_issued(struct visit *v, const struct grant *g)
{
    if (g && v->user.len && str_eq(g->s.user, v->user) && g->s.issued_ms > v->issued_ms) {
        v->issued_ms = g->s.issued_ms;
    }
}

static void work_revoke(struct visit *v, struct http_server *there)
{
    const struct clients *c = &there->env->clients;
    uint64_t now = clock_real_ms();

    for (uint32_t i = 0; i < c->nslots; i++) {
        struct stream *s = c->slots[i];
        if (!s || s->dead || s->ending || !concerned(v, s, now)) {
            continue;
        }
        v->listed++;
        note_issued(v, access_grant(s));
        stream_log(s, LOG_INFO_LVL, "client closed: its credential is revoked", NULL, NULL);
        access_revoke(s);
    }
}

static bool next_shard(struct visit *v)
{
    return v->shard + 1 < v->home->shared->shards;
}

static void add_until(struct strbuf *out, uint64_t until_ms)
{
    char time[CLOCK_RFC3339_LEN + 1];

    if (until_ms) {
        clock_rfc3339(until_ms, time);
        strbuf_addf(out, ",\"until\":\"%s\"", time);
    } else {
        strbuf_adds(out, ",\"until\":null");
    }
}

/* In seconds, as `iat` mostly is: tokens with one up to this are refused. */
static void add_issued(struct strbuf *out, const struct visit *v)
{
    struct auth *auth = v->home->shared->auth;
    uint64_t since = v->last ? auth_revoked_since(auth, v->user, clock_real_ms()) : 0;

    if (since) {
        strbuf_addf(out, ",\"issuedUntil\":%llu", (unsigned long long)since / 1000);
    } else {
        strbuf_adds(out, ",\"issuedUntil\":null");
    }
}

static enum MHD_Result answer(struct request *rq)
{
    struct visit *v = rq->visit;
    bool by_user = str_eqz(rq->target.segments[0], "users");

    visit_release(v);
    if (v->user.len && v->last) {
        router_dismiss_user(rq->srv->shared->router, v->user);
    }
    strbuf_reset(&rq->out);
    strbuf_addc(&rq->out, '{');
    if (by_user) {
        strbuf_adds(&rq->out, "\"userId\":");
        json_add_string(&rq->out, v->user);
        strbuf_addc(&rq->out, ',');
    }
    strbuf_addf(&rq->out, "\"disconnected\":%u", v->listed);
    add_until(&rq->out, v->last);
    if (v->user.len) {
        add_issued(&rq->out, v);
    }
    strbuf_addc(&rq->out, '}');
    return respond_json(rq, by_user ? 200 : 201);
}

static enum MHD_Result respond_failed(struct request *rq, int rc)
{
    struct problem p = {.status = 503,
                        .code = rc == ERR_LIMIT ? "too_many_revocations" : "revocations_failed",
                        .retry_after_s = 1,
                        .detail = rq->why.text};

    if (rc == ERR_LIMIT) {
        note_limit(rq->srv->env, &rq->client, METRIC_LIMITED_REVOCATIONS, "max-revocations",
                   STR_NONE);
    }
    return rc == ERR_NOMEM ? respond_nomem(rq) : respond_problem(rq, &p);
}

static enum MHD_Result finish_round(struct request *rq)
{
    struct visit *v = rq->visit;
    struct auth *auth = v->home->shared->auth;
    uint64_t now = clock_real_ms();
    int rc;

    if (!v->last || !v->user.len || v->again ||
        v->issued_ms <= auth_revoked_since(auth, v->user, now)) {
        return answer(rq);
    }
    rc = auth_revoke_issued(auth, v->user, v->issued_ms, now, &rq->why);
    if (rc == ERR_NOT_FOUND) { /* taken back meanwhile */
        return answer(rq);
    }
    if (rc != 0) {
        visit_release(v);
        return respond_failed(rq, rc);
    }
    v->again = true;
    v->shard = 0;
    return visit_go(v, rq->srv->shared->tasks, finish_round);
}

static enum MHD_Result go_round(struct request *rq, const struct revocation *r)
{
    struct visit *v = visit_new(rq, 0, work_revoke);

    if (!v) {
        return respond_nomem(rq);
    }
    v->next = next_shard;
    v->user = r->is_user ? r->name : STR_NONE;
    v->last = r->until_ms;
    visit_hold(v);
    return visit_go(v, rq->srv->shared->tasks, finish_round);
}

/* 0, or the answer is queued. */
static int take_back(struct request *rq, const struct revocation *r, uint64_t now,
                     enum MHD_Result *result)
{
    struct auth *auth = rq->srv->shared->auth;
    int rc = r->is_user ? auth_revoke_user(auth, r->name, now, r->until_ms, &rq->why)
                        : auth_revoke_token(auth, r->name, now, r->until_ms, &rq->why);

    if (rc == 0) {
        if (r->is_user && rq->srv->shared->hook) {
            hook_forget_user(rq->srv->shared->hook, r->name);
        }
        return 0;
    }
    *result = respond_failed(rq, rc);
    return rc;
}

static int bad_for(struct request *rq, size_t offset, enum MHD_Result *result)
{
    struct problem p = {.status = 400,
                        .code = "bad_value",
                        .field = "for",
                        .has_offset = offset > 0,
                        .offset = offset,
                        .detail = "for is how long the revocation counts: a number of seconds, "
                                  "1 to 31536000"};

    *result = respond_problem(rq, &p);
    return ERR_INVALID;
}

static bool parse_seconds(struct str s, uint64_t *ms)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || n > 31536000) {
            return false;
        }
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ms = n * 1000;
    return n > 0 && n <= 31536000;
}

/* ---- DELETE /users/{id} ---- */

enum MHD_Result delete_user(struct request *rq)
{
    static const char *const known[] = {"for"};
    const struct param *p = target_param(&rq->target, "for");
    struct auth *auth = rq->srv->shared->auth;
    struct revocation r = {.is_user = true, .name = rq->target.segments[1]};
    uint64_t now = clock_real_ms(), span = rq->srv->env->opt->revocation_ttl;
    struct problem bad = {
        .status = 400, .code = "bad_user", .field = "user", .detail = rq->why.text};
    enum MHD_Result result;

    if (refuse_unknown_params(rq, known, 1, &result) != 0) {
        return result;
    }
    if (name_check_user(r.name, &rq->why) != 0) {
        return respond_problem(rq, &bad);
    }
    if (p && !parse_seconds(p->value, &span)) {
        (void)bad_for(rq, 0, &result);
        return result;
    }
    if (auth && !auth_is_open(auth)) {
        r.until_ms = now + span;
        if (take_back(rq, &r, now, &result) != 0) {
            return result;
        }
    }
    return go_round(rq, &r);
}

/* ---- /revocations ---- */

static enum MHD_Result none_in_open_mode(struct request *rq)
{
    struct problem p = {.status = 409,
                        .code = "open_mode",
                        .detail = "without keys there are no credentials to be revoked"};

    return respond_problem(rq, &p);
}

static bool is_open(const struct request *rq)
{
    return rq->grant->s.kind == GRANT_OPEN;
}

struct listing {
    struct strbuf *out;
    unsigned n;
};

static void add_entry(void *ctx, bool is_user, struct str name, uint64_t since_ms,
                      uint64_t until_ms)
{
    struct listing *l = ctx;
    char time[CLOCK_RFC3339_LEN + 1];

    strbuf_addf(l->out, "%s{\"%s\":", l->n++ ? "," : "", is_user ? "userId" : "jti");
    json_add_lossy(l->out, name);
    clock_rfc3339(since_ms, time);
    strbuf_addf(l->out, ",\"since\":\"%s\"", time);
    add_until(l->out, until_ms);
    strbuf_addc(l->out, '}');
}

enum MHD_Result get_revocations(struct request *rq)
{
    struct listing l = {.out = &rq->out};
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    strbuf_adds(&rq->out, "{\"revocations\":[");
    if (!is_open(rq)) {
        auth_revocations(rq->srv->shared->auth, clock_real_ms(), add_entry, &l);
    }
    strbuf_adds(&rq->out, "]}");
    return respond_json(rq, 200);
}

static bool jti_ok(struct str s)
{
    return s.len > 0 && s.len <= JTI_MAX;
}

static int read_revocation(struct request *rq, const struct json_node *root, uint64_t now,
                           struct revocation *r, struct problem *p)
{
    const struct json_node *user, *jti, *span = json_get(root, "for");
    uint64_t seconds = rq->srv->env->opt->revocation_ttl / 1000;
    int rc = body_member(rq, root, "userId", JSON_STRING, &user, p);

    if (rc == 0) {
        rc = body_member(rq, root, "jti", JSON_STRING, &jti, p);
    }
    if (rc != 0) {
        return rc;
    }
    if (!user == !jti) {
        *p = body_blame(NULL, "jti", "name either \"jti\" or \"userId\"");
        return ERR_INVALID;
    }
    if (span && (!json_uint(span, 31536000u, &seconds) || seconds == 0)) {
        *p = body_blame(span, "for", "for is a number of seconds, 1 to 31536000");
        return ERR_INVALID;
    }
    *r = (struct revocation){user != NULL, user ? user->text : jti->text, now + seconds * 1000};
    if (user && name_check_user(r->name, &rq->why) != 0) {
        *p = body_blame(user, "userId", rq->why.text);
        return ERR_INVALID;
    }
    if (jti && (!jti_ok(r->name) || jti->lone_surrogate)) {
        *p = body_blame(jti, "jti", "jti is a token's id, 1 to 128 bytes");
        return ERR_INVALID;
    }
    return 0;
}

enum MHD_Result post_revocation(struct request *rq)
{
    static const char *const members[] = {"jti", "userId", "for"};
    static const struct body_form form = {"a revocation", members, 3, NULL};
    const struct json_node *root;
    uint64_t now = clock_real_ms();
    enum MHD_Result result;
    struct revocation r;
    struct problem p;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (is_open(rq)) {
        return none_in_open_mode(rq);
    }
    if (body_read(rq, &form, &root, &p) != 0 || read_revocation(rq, root, now, &r, &p) != 0) {
        return respond_problem(rq, &p);
    }
    if (take_back(rq, &r, now, &result) != 0) {
        return result;
    }
    if (r.is_user) { /* the tree belongs to others while the request goes round */
        char *copy = str_dup(r.name);
        if (!copy) {
            return respond_nomem(rq);
        }
        rq->owned[rq->nowned++] = copy;
        r.name.p = copy;
    }
    return go_round(rq, &r);
}

enum MHD_Result delete_revocation(struct request *rq)
{
    static const char *const known[] = {"jti", "userId"};
    const struct param *jti = target_param(&rq->target, "jti");
    const struct param *user = target_param(&rq->target, "userId");
    struct auth *auth = rq->srv->shared->auth;
    struct problem p = {.status = 503, .code = "revocations_failed", .detail = rq->why.text};
    enum MHD_Result result;
    int rc;

    if (refuse_unknown_params(rq, known, 2, &result) != 0) {
        return result;
    }
    if (is_open(rq)) {
        return none_in_open_mode(rq);
    }
    if (!jti == !user) {
        p = (struct problem){.status = 400,
                             .code = "bad_parameter",
                             .field = "jti",
                             .detail = "name either jti or userId in the query"};
        return respond_problem(rq, &p);
    }
    rc = user ? auth_unrevoke_user(auth, user->value, &rq->why)
              : auth_unrevoke_token(auth, jti->value, &rq->why);
    if (rc == ERR_NOT_FOUND) {
        p = (struct problem){
            .status = 404, .code = "not_found", .detail = "this is not revoked (any more)"};
    }
    return rc == 0           ? respond_empty(rq, 204)
           : rc == ERR_NOMEM ? respond_nomem(rq)
                             : respond_problem(rq, &p);
}
