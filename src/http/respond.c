/* Answers. */
#include "http/request.h"

#include "base/clock.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "proto/publish.h"
#include "proto/sse.h"

#include <stdio.h>
#include <stdlib.h>

void respond_header(struct MHD_Response *r, const char *name, const char *value)
{
    /* Fails only without memory; the answer is better than none. */
    (void)MHD_add_response_header(r, name, value);
}

struct MHD_Response *respond_buffer(struct strbuf *body)
{
    size_t len = 0;
    char *data;
    struct MHD_Response *r;

    if (!body->failed && body->len == 0) {
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    }
    data = strbuf_steal(body, &len);
    if (!data) {
        return NULL;
    }
    r = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(data);
    }
    return r;
}

static void add_common(const struct request *rq, struct MHD_Response *r)
{
    if (!MHD_get_response_header(r, "Cache-Control")) {
        respond_header(r, "Cache-Control", "no-store");
    }
    respond_header(r, "X-Content-Type-Options", "nosniff");
    if (rq->origin.len) {
        char origin[512];
        snprintf(origin, sizeof(origin), "%.*s", (int)rq->origin.len, rq->origin.p);
        respond_header(r, "Access-Control-Allow-Origin", rq->origin_named ? origin : "*");
        if (rq->origin_named) {
            respond_header(r, "Access-Control-Allow-Credentials", "true");
        }
        respond_header(r, "Access-Control-Expose-Headers", "Retry-After, Link, Fanfare-Cursor");
        respond_header(r, "Vary", "Origin");
    }
}

enum MHD_Result respond_with(struct request *rq, int status, struct MHD_Response *r)
{
    enum MHD_Result res;

    if (!r) {
        return respond_nomem(rq);
    }
    add_common(rq, r);
    if (rq->hc->over != LIMIT_NONE || rq->close) {
        respond_header(r, "Connection", "close");
    }
    metrics_inc(rq->srv->env->metrics, METRIC_HTTP_REQUESTS);
    if (status >= 400) {
        metrics_inc(rq->srv->env->metrics, METRIC_HTTP_ERRORS);
    }
    rq->state = REQ_ANSWERED;
    conn_deadline(rq->hc, HTTP_TIMER_ANSWER, rq->srv->env->opt->body_timeout);
    rq->hc->answered = true;
    res = MHD_queue_response(rq->mhd, (unsigned)status, r);
    MHD_destroy_response(r);
    return res;
}

enum MHD_Result respond_nomem(struct request *rq)
{
    /* No answer can be built: closing the connection says as much. */
    log_error(rq->srv->env->log, "out of memory: a request is dropped");
    return MHD_NO;
}

enum MHD_Result respond_text(struct request *rq, int status, const char *content_type)
{
    struct MHD_Response *r = respond_buffer(&rq->out);

    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", content_type);
    return respond_with(rq, status, r);
}

enum MHD_Result respond_json(struct request *rq, int status)
{
    return respond_text(rq, status, "application/json");
}

enum MHD_Result respond_empty(struct request *rq, int status)
{
    strbuf_reset(&rq->out);
    return respond_with(rq, status, respond_buffer(&rq->out));
}

void problem_add_details(struct strbuf *out, const struct problem *p, unsigned line)
{
    if (p->field && *p->field) {
        strbuf_adds(out, ",\"field\":");
        json_add_cstring(out, p->field);
    }
    if (line) {
        strbuf_addf(out, ",\"line\":%u", line);
    }
    if (p->has_offset) {
        strbuf_addf(out, ",\"offset\":%zu", p->offset);
    }
    if (p->last) {
        strbuf_adds(out, ",\"last\":");
        json_add_cstring(out, p->last);
    }
}

struct problem problem_of_json(const struct json_error *err, struct errmsg *text)
{
    (void)errmsg_set(text, 0, "byte %zu: %s", err->offset, err->text);
    return (struct problem){.status = 400,
                            .code = "bad_json",
                            .detail = text->text,
                            .has_offset = true,
                            .offset = err->offset};
}

struct problem problem_of_publish(const struct publish_error *pe)
{
    return (struct problem){.status = pe->status,
                            .code = pe->code,
                            .detail = pe->detail,
                            .field = pe->field,
                            .has_offset = true,
                            .offset = pe->offset};
}

struct problem problem_of_nomem(void)
{
    return (struct problem){
        .status = 500, .code = "internal", .detail = "out of memory; try again later"};
}

static void log_problem(const struct request *rq, const struct problem *p)
{
    char peer[PEER_TEXT_MAX];
    char status[NUM_LEN];
    char path[128]; /* without the query, where a credential may be */

    /* Nor what comes behind the ~ of a signed name. */
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(rq->raw, "?~%"), rq->raw);
    log_debug(rq->srv->env->log, "request refused", "peer", peer_text(&rq->client, peer), "method",
              rq->method, "path", path, "status", num_text(status, (uint64_t)p->status), "code",
              p->code, "detail", p->detail);
}

enum MHD_Result respond_problem(struct request *rq, const struct problem *p)
{
    struct MHD_Response *r;
    char seconds[NUM_LEN];

    log_problem(rq, p);
    strbuf_reset(&rq->out);
    problem_add(&rq->out, p->status, p->code, str_of(p->detail));
    if (!rq->out.failed && ((p->field && *p->field) || p->has_offset || p->last)) {
        rq->out.len -= 2; /* reopen the object: "}\n" */
        problem_add_details(&rq->out, p, 0);
        strbuf_adds(&rq->out, "}\n");
    }
    r = respond_buffer(&rq->out);
    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", "application/problem+json");
    if (p->retry_after_s) {
        respond_header(r, "Retry-After", num_text(seconds, p->retry_after_s));
    }
    if (p->allow) {
        respond_header(r, "Allow", p->allow);
    }
    if (p->challenge) {
        respond_header(r, "WWW-Authenticate", p->challenge);
    }
    return respond_with(rq, p->status, r);
}

/* Jittered, so that those who were refused together do not come back together. */
static uint64_t refusal_wait(struct conn_env *env, uint64_t least_ms)
{
    uint64_t base = env->opt->retry;
    uint64_t wait = base + rng_below(&env->rng, 2 * base + 1);

    if (least_ms > UINT32_MAX / 4) {
        least_ms = UINT32_MAX / 4;
    }
    return least_ms > base ? least_ms + wait - base : wait;
}

void add_refusal(struct conn_env *env, const char *code, uint64_t least_ms, struct strbuf *out)
{
    uint64_t wait = refusal_wait(env, least_ms);
    char data[128];

    metrics_inc(env->metrics, METRIC_STREAMS_REFUSED);
    snprintf(data, sizeof(data), "{\"code\":\"%s\",\"retryAfter\":%llu}", code,
             (unsigned long long)wait);
    sse_add_retry(out, (uint32_t)wait);
    control_add(out, TRANSPORT_SSE, STR_LIT("fanfare.refused"), STR_NONE, str_of(data));
}

static enum MHD_Result refuse_stream(struct request *rq, const char *code, uint64_t least_ms)
{
    struct MHD_Response *r;

    strbuf_reset(&rq->out);
    add_refusal(rq->srv->env, code, least_ms, &rq->out);
    r = respond_buffer(&rq->out);
    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", "text/event-stream");
    respond_header(r, "Cache-Control", "no-store, no-transform");
    respond_header(r, "X-Accel-Buffering", "no");
    respond_header(r, "Connection", "close");
    return respond_with(rq, 200, r);
}

enum MHD_Result respond_forbidden(struct request *rq, const char *code, const char *field,
                                  const char *detail)
{
    struct problem p = {.status = 403, .code = code, .field = field, .detail = detail};

    return respond_problem(rq, &p);
}

/* A ticket that it spent is good again. */
static void give_back_ticket(struct request *rq)
{
    if (rq->ticket_text.len && rq->grant) {
        (void)!auth_ticket_return(rq->srv->shared->auth, rq->ticket_text, rq->grant,
                                  clock_real_ms());
        rq->ticket_text = STR_NONE;
    }
}

enum MHD_Result respond_refused_for(struct request *rq, int status, const char *code,
                                    const char *detail, uint64_t least_ms)
{
    struct problem p = {.status = status,
                        .code = code,
                        .detail = detail,
                        .retry_after_s = (unsigned)(least_ms / 1000 + 1)};
    struct str accept = request_header_one(rq, "Accept");

    give_back_ticket(rq);
    /* Where nothing is read a 200 would be taken for a yes. */
    if (strcmp(rq->method, "GET") == 0 && accept.len &&
        memmem(accept.p, accept.len, "text/event-stream", 17)) {
        return refuse_stream(rq, code, least_ms);
    }
    metrics_inc(rq->srv->env->metrics, METRIC_STREAMS_REFUSED);
    return respond_problem(rq, &p);
}

enum MHD_Result respond_refused(struct request *rq, int status, const char *code,
                                const char *detail)
{
    return respond_refused_for(rq, status, code, detail, rq->srv->env->opt->retry);
}

void note_limit(struct conn_env *env, const struct peer *client, enum metric metric,
                const char *option, struct str who)
{
    char peer[PEER_TEXT_MAX], name[NAME_SHOW_MAX];

    metrics_inc(env->metrics, metric);
    if (conn_env_may_log(env, log_kind_of_limit(metric))) {
        log_warn(env->log, "request over a limit", "limit", option, "peer", peer_text(client, peer),
                 "who", who.len ? name_show(who, name) : NULL);
    }
}

void note_size(struct request *rq, const char *option)
{
    note_limit(rq->srv->env, &rq->client, METRIC_LIMITED_SIZES, option, STR_NONE);
}

void note_overload(struct http_server *srv, const struct peer *peer, const char *limit)
{
    struct conn_env *env = srv->env;
    char text[PEER_TEXT_MAX];

    metrics_inc(env->metrics, METRIC_OVERLOADED);
    if (conn_env_may_log(env, LOG_KIND_OVERLOAD)) {
        log_warn(env->log, "refused: too much waits already", "limit", limit, "peer",
                 peer_text(peer, text));
    }
}

enum MHD_Result refuse_over_limit(struct request *rq)
{
    rq->close = true; /* its place is wanted */
    switch (rq->hc->over) {
    case LIMIT_ADDRESS:
        return respond_refused(rq, 429, "too_many_connections",
                               "too many connections from this address "
                               "(max-connections-per-address); close some or come back later");
    case LIMIT_RATE:
        return respond_refused_for(rq, 429, "rate_limited",
                                   "too many connections a second from this address "
                                   "(connect-rate); come back later",
                                   rq->srv->env->opt->rate_window);
    case LIMIT_CONNECTIONS:
        return respond_refused(rq, 503, "too_many_connections",
                               "the gateway has as many connections as it may "
                               "(max-connections); come back later");
    case LIMIT_DESCRIPTORS:
    case LIMIT_NONE:
        break;
    }
    return respond_refused(rq, 503, "no_descriptors",
                           "the gateway has no descriptor left for a stream (limit of open "
                           "files); come back later");
}
