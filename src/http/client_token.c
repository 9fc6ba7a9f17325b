/* POST /clients/{id}/token: a client of SSE renews its credential on its stream. Its key
 * says that it is the client. */
#include "base/clock.h"
#include "conn/access.h"
#include "http/body.h"
#include "http/client_key.h"
#include "http/credential.h"
#include "http/throttle.h"
#include "http/visit.h"

static void work_renew(struct visit *v, struct http_server *there)
{
    struct stream *s;

    there->shared->give_out(there->shared->ctx, there->env->shard);
    s = visit_find(v, there);
    if (s) {
        v->rc = access_renew(s, v->grant);
    }
}

static enum MHD_Result finish_renew(struct request *rq)
{
    struct visit *v = rq->visit;
    struct problem other = {.status = 409,
                            .code = "other_user",
                            .detail = "the token must be of the stream's own user; the stream "
                                      "goes on with the credential that it has"};
    char time[CLOCK_RFC3339_LEN + 1];

    if (!v->found || v->rc == ERR_CLOSED) {
        return respond_bad_client_key(rq);
    }
    if (v->rc == ERR_CONFLICT) {
        return respond_problem(rq, &other);
    }
    if (v->rc == ERR_INVALID) {
        return respond_auth(rq, AUTH_UNKNOWN, "the key of the token has just been taken out");
    }
    if (v->rc != 0) {
        return respond_nomem(rq);
    }
    strbuf_reset(&rq->out);
    if (v->grant->s.expires_ms) {
        clock_rfc3339(v->grant->s.expires_ms, time);
        strbuf_addf(&rq->out, "{\"expiresAt\":\"%s\"}", time);
    } else {
        strbuf_adds(&rq->out, "{\"expiresAt\":null}");
    }
    return respond_json(rq, 200);
}

/* By the deliveries' mailbox: what was published before comes before what it takes away. */
static enum MHD_Result renew(struct request *rq, uint64_t id, struct grant *g)
{
    struct visit *v = visit_new(rq, client_id_shard(id), work_renew);

    if (!v) {
        grant_unref(g);
        return respond_nomem(rq);
    }
    v->id = id;
    v->grant = g;
    return visit_go(v, rq->srv->shared->deliveries, finish_renew);
}

enum MHD_Result post_client_token(struct request *rq)
{
    static const char *const members[] = {"token"};
    static const struct body_form form = {"a renewal", members, 1, NULL};
    struct auth *auth = rq->srv->shared->auth;
    const struct json_node *root, *token;
    enum auth_outcome outcome;
    enum MHD_Result result;
    struct grant *g = NULL;
    struct problem p;
    uint64_t id;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (!client_key_of(rq, &id) || client_id_of(rq->target.segments[1]) != id) {
        return respond_bad_client_key(rq);
    }
    if (!auth || auth_is_open(auth)) {
        p = (struct problem){.status = 409,
                             .code = "open_mode",
                             .detail = "without keys nothing expires, and no token is known"};
        return respond_problem(rq, &p);
    }
    if (body_read(rq, &form, &root, &p) != 0 ||
        body_member(rq, root, "token", JSON_STRING, &token, &p) != 0) {
        return respond_problem(rq, &p);
    }
    if (!token) {
        p = body_blame(NULL, "token", "\"token\" is missing: the new token");
        return respond_problem(rq, &p);
    }
    if (throttle_auth(rq, &result) != 0) {
        return result;
    }
    rq->place = AUTH_OP;
    outcome = auth_check(auth, AUTH_OP, token->text, clock_real_ms(), &g, &rq->why);
    return outcome == AUTH_OK ? renew(rq, id, g) : respond_auth(rq, outcome, rq->why.text);
}
