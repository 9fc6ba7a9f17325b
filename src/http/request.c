/* From libmicrohttpd's calls to one call of an endpoint. */
#include "base/clock.h"
#include "http/credential.h"
#include "http/request_private.h"
#include "http/stream_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- life ---- */

struct request *request_new(struct http_conn *hc, struct MHD_Connection *mhd, const char *raw)
{
    struct request *rq = calloc(1, sizeof(*rq));

    if (!rq) {
        return NULL;
    }
    rq->srv = hc->srv;
    rq->hc = hc;
    rq->mhd = mhd;
    rq->client = hc->peer;
    rq->raw = strdup(raw);
    if (!rq->raw) {
        free(rq);
        return NULL;
    }
    return rq;
}

static void drop_body(struct request *rq)
{
    atomic_fetch_sub(&rq->srv->shared->bodies, rq->held);
    rq->held = 0;
    strbuf_fini(&rq->body);
}

static void wipe(char *text)
{
    explicit_bzero(text, strlen(text));
}

void request_free(struct request *rq)
{
    if (rq->start) {
        stream_start_free(rq->start);
    }
    drop_body(rq);
    visit_free(rq->visit);
    target_fini(&rq->target);
    strbuf_fini(&rq->out);
    for (unsigned i = 0; i < rq->nowned; i++) {
        free(rq->owned[i]);
    }
    grant_unref(rq->grant);
    grant_unref(rq->answer.grant);
    free(rq->asked_names);
    wipe(rq->raw); /* a token may be in it */
    free(rq->raw);
    free(rq);
}

/* ---- checks before the body is read ---- */

static enum MHD_Result problem(struct request *rq, int status, const char *code, const char *detail)
{
    struct problem p = {.status = status, .code = code, .detail = detail};

    return respond_problem(rq, &p);
}

/* Lengths that two parsers could read differently (RFC 9112 6.3). */
static bool framing_ok(struct request *rq)
{
    unsigned lengths, codings;
    struct str coding;

    (void)request_header(rq, "Content-Length", &lengths);
    coding = request_header(rq, "Transfer-Encoding", &codings);
    if (lengths > 1 || (lengths && codings) || codings > 1 ||
        (codings && strcmp(rq->version, "HTTP/1.0") == 0)) {
        return false;
    }
    return !codings || (coding.len == 7 && strncasecmp(coding.p, "chunked", 7) == 0);
}

static enum MHD_Result method_not_allowed(struct request *rq)
{
    struct problem p = {.status = 405,
                        .code = "method_not_allowed",
                        .allow = route_methods(rq->route),
                        .detail = "this path does not take that method; Allow names those it does"};

    return respond_problem(rq, &p);
}

static enum MHD_Result preflight(struct request *rq)
{
    struct MHD_Response *r = respond_buffer(&rq->out);

    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Allow", route_methods(rq->route));
    if (rq->origin.len) {
        respond_header(r, "Access-Control-Allow-Methods", route_methods(rq->route));
        respond_header(r, "Access-Control-Allow-Headers",
                       "Content-Type, Last-Event-ID, Cache-Control, Authorization, "
                       "Fanfare-Client-Key");
        respond_header(r, "Access-Control-Max-Age", "600");
    }
    return respond_with(rq, 204, r);
}

static enum MHD_Result too_large(struct request *rq)
{
    char text[128];

    note_size(rq, "max-body");
    snprintf(text, sizeof(text), "the body may have at most %llu bytes (max-body)",
             (unsigned long long)rq->srv->env->opt->max_body);
    return problem(rq, 413, "body_too_large", text);
}

static enum MHD_Result overloaded(struct request *rq)
{
    struct problem p = {.status = 503,
                        .code = "overloaded",
                        .retry_after_s = 1,
                        .detail = "too many request bodies at once (max-bodies); try again later"};

    atomic_store(&rq->srv->shared->overload_ms, clock_mono_ms());
    note_overload(rq->srv, &rq->client, "max-bodies");
    return respond_problem(rq, &p);
}

/* A body will follow. 0, or the refusal is queued. */
static int check_body(struct request *rq, enum MHD_Result *result)
{
    struct str length = request_header_one(rq, "Content-Length");
    bool ndjson;

    if (!rq->has_body) {
        *result =
            problem(rq, 411, "length_required", "a POST needs a Content-Length, or a chunked body");
        return ERR_INVALID;
    }
    if (length.len && strtoull(length.p, NULL, 10) > rq->srv->env->opt->max_body) {
        *result = too_large(rq);
        return ERR_INVALID;
    }
    return request_media(rq, &ndjson, result);
}

/* Is it one of those that decide something, with more behind it? libmicrohttpd makes that of a
 * folded line: "Cookie: a=1", line feed, " b" has the name "Cookieb". What the sender meant would
 * be gone without a word. */
static bool is_folded(struct str name)
{
    static const char *const names[] = {
        "authorization",      "cookie",         "sec-websocket-protocol", "forwarded",
        "x-forwarded-for",    "content-length", "transfer-encoding",      "content-type",
        "fanfare-client-key", "last-event-id"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t n = strlen(names[i]);
        if (name.len > n && strncasecmp(name.p, names[i], n) == 0 && name.p[n] != '-') {
            return name.len != 7 || strncasecmp(name.p, "cookie2", 7) != 0;
        }
    }
    /* Other names begin so too; and http:// makes no token. */
    return name.len == 10 && strncasecmp(name.p, "originnull", 10) == 0;
}

/* Names are tokens and values have no controls (RFC 9110 5.1, 5.5):
 * libmicrohttpd lets both pass. */
static bool is_plain(struct str name, struct str value)
{
    bool ok = name.len > 0;

    for (size_t i = 0; i < name.len; i++) {
        ok = ok && (unsigned char)name.p[i] > ' ' && name.p[i] != 0x7f &&
             !strchr("()<>@,;:\\\"/[]?={}", name.p[i]);
    }
    for (size_t i = 0; i < value.len; i++) {
        ok = ok && ((unsigned char)value.p[i] >= ' ' || value.p[i] == '\t') && value.p[i] != 0x7f;
    }
    return ok;
}

static enum MHD_Result check_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                    size_t key_len, const char *value, size_t value_len)
{
    const char **fault = cls;
    struct str name = {key, key_len};

    (void)kind;
    if (is_folded(name)) {
        *fault = "folded header lines are not taken";
    } else if (!is_plain(name, (struct str){value, value_len})) {
        *fault = "a header's name must be a token, and its value free of control characters";
    }
    return *fault ? MHD_NO : MHD_YES;
}

/* NULL: they are fine. */
static const char *fault_of_headers(struct request *rq)
{
    const char *fault = NULL;

    MHD_get_connection_values_n(rq->mhd, MHD_HEADER_KIND, check_header, &fault);
    return fault;
}

/* Everything the request line and headers can be refused for. 0: go on. */
static int admit(struct request *rq, enum MHD_Result *result)
{
    const char *fault = fault_of_headers(rq);
    int rc;

    if (fault) {
        rq->close = true;
        *result = problem(rq, 400, "bad_header", fault);
        return ERR_INVALID;
    }
    if (!framing_ok(rq)) {
        rq->close = true;
        *result = problem(rq, 400, "bad_framing",
                          "Content-Length and Transfer-Encoding: at most one of them, once, and "
                          "no coding but chunked");
        return ERR_INVALID;
    }
    if (guard(rq, result) != 0) {
        return ERR_INVALID;
    }
    rc = target_parse(str_of(rq->raw), &rq->target, &rq->why);
    if (rc != 0) {
        *result =
            rc == ERR_NOMEM ? respond_nomem(rq) : problem(rq, 400, "bad_target", rq->why.text);
        return ERR_INVALID;
    }
    rq->route = route_find(rq);
    if (!rq->route) {
        *result = problem(rq, 404, "not_found", "there is nothing at this path");
        return ERR_INVALID;
    }
    if (strcmp(rq->method, "OPTIONS") == 0) {
        *result = preflight(rq);
        return ERR_INVALID;
    }
    rq->head = strcmp(rq->method, "HEAD") == 0;
    rq->endpoint = route_endpoint(rq->route, rq->method);
    if (!rq->endpoint) {
        *result = method_not_allowed(rq);
        return ERR_INVALID;
    }
    if (route_admits(rq, result) != 0) {
        return ERR_INVALID;
    }
    if (strcmp(rq->method, "POST") == 0 && check_body(rq, result) != 0) {
        return ERR_INVALID;
    }
    return 0;
}

/* ---- the calls of libmicrohttpd ---- */

static enum MHD_Result begin(struct request *rq)
{
    enum MHD_Result result = MHD_YES;

    request_name_client(rq);
    if (rq->hc->over == LIMIT_ADDRESS || rq->hc->over == LIMIT_RATE) {
        /* The guard first: a page may only read the refusal with its Origin. */
        return guard(rq, &result) != 0 ? result : refuse_over_limit(rq);
    }
    if (admit(rq, &result) != 0) {
        return result;
    }
    rq->state = REQ_BODY;
    conn_deadline(rq->hc, HTTP_TIMER_BODY, rq->srv->env->opt->body_timeout);
    return MHD_YES;
}

/* Counts the bytes among those that all requests hold. */
static bool hold_body(struct request *rq, size_t n)
{
    struct http_shared *sh = rq->srv->shared;

    if (atomic_fetch_add(&sh->bodies, n) + n > atomic_load(&sh->max_bodies)) {
        atomic_fetch_sub(&sh->bodies, n);
        return false;
    }
    rq->held += n;
    return true;
}

/* libmicrohttpd takes no answer in the middle of a body: what is too much is
 * thrown away until its end, or until the deadline for the body. */
static enum MHD_Result take_body(struct request *rq, const char *data, size_t *size)
{
    size_t n = *size;

    *size = 0;
    if (rq->oversize || rq->overload) {
        return MHD_YES;
    }
    rq->oversize = rq->body.len + n > rq->srv->env->opt->max_body;
    rq->overload = !rq->oversize && !hold_body(rq, n);
    if (rq->oversize || rq->overload) {
        drop_body(rq);
        return MHD_YES;
    }
    strbuf_add(&rq->body, data, n);
    return strbuf_failed(&rq->body) ? respond_nomem(rq) : MHD_YES;
}

static bool announces_body(struct request *rq)
{
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, "Content-Length") ||
           MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* All of it is there. */
static enum MHD_Result take_request(struct request *rq)
{
    enum MHD_Result result;

    wheel_stop(&rq->hc->timer);
    if (rq->oversize) {
        return too_large(rq);
    }
    if (rq->overload) {
        return overloaded(rq);
    }
    if (rq->has_body && credential_stands(rq, &result) != 0) {
        return result; /* its body took a while */
    }
    return rq->endpoint(rq);
}

enum MHD_Result request_step(struct request *rq, const char *method, const char *version,
                             const char *upload, size_t *size)
{
    rq->method = method;
    rq->version = version;
    if (rq->state == REQ_NEW) {
        enum MHD_Result res;
        rq->has_body = announces_body(rq);
        if (!rq->called && !rq->has_body) {
            /* An answer now would close the connection; there is no body to
             * be spared, so wait for the call at the end of the request. */
            rq->called = true;
            return MHD_YES;
        }
        res = begin(rq);
        if (rq->state == REQ_ANSWERED || rq->has_body || res != MHD_YES) {
            return res;
        }
    } else if (*size && rq->state == REQ_BODY) {
        return take_body(rq, upload, size);
    }
    *size = 0;
    switch (rq->state) {
    case REQ_BODY:
        return take_request(rq);
    case REQ_WAITING:
        if (!rq->woken) {
            return MHD_YES; /* not by what it waits for: wait on */
        }
        return rq->finish(rq);
    case REQ_NEW:
    case REQ_ANSWERED:
        break;
    }
    return MHD_YES;
}
