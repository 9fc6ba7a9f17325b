/* The read endpoints that one shard can answer by itself. */
#include "http/request.h"
#include "http/spares.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "proto/json.h"
#include "proto/name.h"

#include <stdio.h>
#include <stdlib.h>

#define TOP_CHANNELS 10
/* A refused publication counts against readiness for so long. */
#define OVERLOAD_MS 1000

int refuse_unknown_params(struct request *rq, const char *const *known, size_t n,
                          enum MHD_Result *result)
{
    const struct param *p = target_unknown(&rq->target, known, n);
    struct problem problem = {.status = 400, .code = "unknown_parameter"};
    char text[200];
    char name[48];

    if (!p) {
        return 0;
    }
    snprintf(name, sizeof(name), "%.*s", (int)utf8_clip(p->name, 40), p->name.p);
    snprintf(text, sizeof(text), "there is no query parameter \"%s\" here", name);
    problem.detail = text;
    problem.field = name;
    *result = respond_problem(rq, &problem);
    return ERR_INVALID;
}

int read_limit(struct request *rq, unsigned *limit, enum MHD_Result *result)
{
    const struct param *p = target_param(&rq->target, "limit");
    struct problem problem = {.status = 400,
                              .code = "bad_parameter",
                              .field = "limit",
                              .detail = "limit must be a whole number from 1 to 1000"};
    unsigned v = 0;

    *limit = 100;
    if (!p) {
        return 0;
    }
    for (size_t i = 0; i < p->value.len; i++) {
        char c = p->value.p[i];
        if (c < '0' || c > '9' || v > 1000) {
            v = 0;
            break;
        }
        v = v * 10 + (unsigned)(c - '0');
    }
    if (v < 1 || v > 1000) {
        *result = respond_problem(rq, &problem);
        return ERR_INVALID;
    }
    *limit = v;
    return 0;
}

enum MHD_Result get_health(struct request *rq)
{
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    strbuf_adds(&rq->out, "{\"status\":\"ok\"}");
    return respond_json(rq, 200);
}

/* Why new streams or publications are refused now; NULL: they are not. */
static const struct problem *not_ready(const struct http_server *srv)
{
    const struct http_shared *sh = srv->shared;
    static const struct problem draining = {.status = 503,
                                            .code = "draining",
                                            .retry_after_s = 1,
                                            .detail = "the gateway is shutting down"};
    static const struct problem full = {
        .status = 503,
        .code = "too_many_connections",
        .retry_after_s = 1,
        .detail = "the gateway has as many connections as it may (max-connections)"};
    static const struct problem starved = {
        .status = 503,
        .code = "no_descriptors",
        .retry_after_s = 1,
        .detail = "the gateway has no descriptor left (limit of open files)"};
    static const struct problem overloaded = {
        .status = 503,
        .code = "overloaded",
        .retry_after_s = 1,
        .detail = "publications are refused, or were within the last second: more waits to be "
                  "delivered, or in request bodies, than max-backlog, max-backlog-bytes or "
                  "max-bodies allow"};
    uint64_t overload = atomic_load(&sh->overload_ms);

    if (atomic_load(&sh->draining)) {
        return &draining;
    }
    if (atomic_load(&sh->starved) || !spares_descriptor_left(srv)) {
        return &starved;
    }
    if (limits_exceeded(&sh->limits)) { /* the one that asks is counted: none is left */
        return &full;
    }
    return overload && clock_mono_ms() - overload < OVERLOAD_MS ? &overloaded : NULL;
}

enum MHD_Result get_ready(struct request *rq)
{
    const struct problem *why;
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    why = not_ready(rq->srv);
    if (why) {
        return respond_problem(rq, why);
    }
    strbuf_adds(&rq->out, "{\"status\":\"ready\"}");
    return respond_json(rq, 200);
}

static void add_top_channels(struct strbuf *out, struct router *router)
{
    struct channel_info *top = calloc(TOP_CHANNELS, sizeof(*top));
    unsigned n = top ? router_top_channels(router, TOP_CHANNELS, top) : 0;

    strbuf_addc(out, '[');
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(out, i ? ",{\"channel\":" : "{\"channel\":");
        json_add_cstring(out, top[i].name);
        strbuf_addf(out, ",\"subscribers\":%u}", top[i].subscribers);
    }
    strbuf_addc(out, ']');
    free(top);
}

enum MHD_Result get_stats(struct request *rq)
{
    const struct http_shared *sh = rq->srv->shared;
    struct strbuf *out = &rq->out;
    struct router_counts counts;
    char epoch[CURSOR_MAX], cursor[CURSOR_MAX];
    uint64_t sse = metrics_sum(sh->metrics, sh->nmetrics, METRIC_CLIENTS_SSE);
    uint64_t ws = metrics_sum(sh->metrics, sh->nmetrics, METRIC_CLIENTS_WS);
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    router_counts(sh->router, &counts);
    cursor_format_epoch(sh->epoch, epoch);
    cursor_format(router_top(sh->router), cursor);
    strbuf_addf(out, "{\"version\":\"%s\",\"uptime\":%llu,\"epoch\":\"%s\",\"cursor\":\"%s\"",
                sh->version, (unsigned long long)((clock_mono_ms() - sh->started_ms) / 1000), epoch,
                cursor);
    strbuf_addf(out, ",\"clientCount\":%llu,\"messageCount\":%llu", (unsigned long long)(sse + ws),
                (unsigned long long)metrics_sum(sh->metrics, sh->nmetrics, METRIC_PUBLISHED));
    strbuf_addf(out, ",\"transports\":{\"sse\":%llu,\"websocket\":%llu}", (unsigned long long)sse,
                (unsigned long long)ws);
    strbuf_addf(out, ",\"channels\":{\"count\":%llu,\"top\":", (unsigned long long)counts.channels);
    add_top_channels(out, sh->router);
    strbuf_addf(out, "},\"users\":%llu,\"shards\":%u,\"counters\":{",
                (unsigned long long)counts.users, sh->shards);
    metrics_add_json(out, sh->metrics, sh->nmetrics);
    strbuf_adds(out, "}}");
    return respond_json(rq, 200);
}

enum MHD_Result get_metrics(struct request *rq)
{
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    metrics_add_prometheus(&rq->out, rq->srv->shared->metrics, rq->srv->shared->nmetrics);
    return respond_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8");
}

enum MHD_Result get_channels(struct request *rq)
{
    static const char *const known[] = {"limit", "after", "prefix"};
    const struct param *after = target_param(&rq->target, "after");
    const struct param *prefix = target_param(&rq->target, "prefix");
    struct strbuf *out = &rq->out;
    struct channel_info *v;
    enum MHD_Result result;
    unsigned limit, n;

    if (refuse_unknown_params(rq, known, 3, &result) != 0 || read_limit(rq, &limit, &result) != 0) {
        return result;
    }
    v = calloc(limit + 1, sizeof(*v));
    if (!v) {
        return respond_nomem(rq);
    }
    n = router_channels(rq->srv->shared->router, prefix ? prefix->value : STR_NONE,
                        after ? after->value : STR_NONE, limit + 1, v);
    strbuf_adds(out, "{\"channels\":[");
    for (unsigned i = 0; i < n && i < limit; i++) {
        strbuf_adds(out, i ? ",{\"channel\":" : "{\"channel\":");
        json_add_cstring(out, v[i].name);
        strbuf_addf(out, ",\"subscribers\":%u}", v[i].subscribers);
    }
    strbuf_adds(out, "],\"next\":");
    if (n > limit) {
        json_add_cstring(out, v[limit - 1].name);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addc(out, '}');
    free(v);
    return respond_json(rq, 200);
}

enum MHD_Result get_channel(struct request *rq)
{
    struct str name = rq->target.segments[1];
    struct problem p = {
        .status = 400, .code = "bad_channel", .field = "channel", .detail = rq->why.text};
    uint32_t subscribers;
    uint64_t matching;
    enum MHD_Result result;
    int rc;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    rc = name_check_channel(name, &rq->why);
    if (rc != 0) {
        p.code = rc == ERR_RESERVED ? "reserved_channel" : "bad_channel";
        return respond_problem(rq, &p);
    }
    router_channel(rq->srv->shared->router, name, &subscribers, &matching);
    strbuf_adds(&rq->out, "{\"channel\":");
    json_add_string(&rq->out, name);
    strbuf_addf(&rq->out, ",\"subscribers\":%u,\"matching\":%llu}", subscribers,
                (unsigned long long)matching);
    return respond_json(rq, 200);
}
