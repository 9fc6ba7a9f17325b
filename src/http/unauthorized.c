/* Answers to credentials that are bad, or not good any more. */
#include "base/clock.h"
#include "http/credential.h"
#include "http/throttle.h"

static struct problem problem_of_auth(enum auth_outcome outcome, const char *detail,
                                      struct errmsg *text)
{
    struct problem p = {.status = 401, .code = auth_outcome_code(outcome), .detail = detail};

    switch (outcome) {
    case AUTH_REVOKED:
        p.status = 403;
        return p;
    case AUTH_NOMEM:
        return problem_of_nomem();
    case AUTH_MISSING:
        p.challenge = "Bearer";
        return p;
    default:
        (void)errmsg_set(text, 0, "Bearer error=\"invalid_token\", error_description=\"%s\"",
                         p.code);
        p.challenge = text->text;
        return p;
    }
}

static void log_failure(struct request *rq, enum auth_outcome outcome, const char *detail)
{
    struct conn_env *env = rq->srv->env;
    char peer[PEER_TEXT_MAX];

    metrics_inc(env->metrics, METRIC_AUTH_REFUSED);
    if (auth_outcome_is_bad(outcome)) {
        throttle_auth_failed(rq);
    }
    if (conn_env_may_log(env, LOG_KIND_AUTH)) {
        log_info(env->log, "credential refused", "peer", peer_text(&rq->client, peer), "code",
                 auth_outcome_code(outcome), "from", auth_place_name(rq->place), "because", detail);
    }
}

enum MHD_Result respond_auth(struct request *rq, enum auth_outcome outcome, const char *detail)
{
    struct errmsg challenge;
    struct problem p = problem_of_auth(outcome, detail, &challenge);

    if (outcome == AUTH_NOMEM) {
        return respond_nomem(rq);
    }
    log_failure(rq, outcome, detail);
    if (outcome == AUTH_REVOKED && rq->stream) {
        return respond_empty(rq, 204); /* the one answer after which EventSource gives up */
    }
    return respond_problem(rq, &p);
}

int credential_stands(struct request *rq, enum MHD_Result *result)
{
    struct auth *auth = rq->srv->shared->auth;
    enum auth_outcome outcome;

    if (!auth || !rq->grant) {
        return 0;
    }
    outcome = auth_recheck(auth, rq->grant, clock_real_ms());
    if (outcome == AUTH_OK) {
        return 0;
    }
    *result = respond_auth(rq, outcome, "the credential has ended while the request waited");
    return ERR_CLOSED;
}
