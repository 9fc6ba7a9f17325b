/* The read endpoints that one shard can answer by itself. */
#include "http/commit.h"
#include "http/lane_json.h"
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

int read_channel(struct request *rq, enum MHD_Result *result)
{
    struct problem p = {.status = 400, .field = "channel", .detail = rq->why.text};
    int rc = name_check_channel(rq->target.segments[1], &rq->why);

    if (rc != 0) {
        p.code = rc == ERR_RESERVED ? "reserved_channel" : "bad_channel";
        *result = respond_problem(rq, &p);
    }
    return rc;
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

/* Why new streams or publications are refused now; false: they are not. `text`
 * may hold the detail. */
static bool not_ready(const struct http_server *srv, struct problem *p, struct errmsg *text)
{
    const struct http_shared *sh = srv->shared;
    uint64_t overload = atomic_load(&sh->overload_ms);

    *p = (struct problem){.status = 503, .retry_after_s = 1};
    if (atomic_load(&sh->draining)) {
        p->code = "draining";
        p->detail = "the gateway is shutting down";
    } else if (atomic_load(&sh->starved) || !spares_descriptor_left(srv)) {
        p->code = "no_descriptors";
        p->detail = "the gateway has no descriptor left (limit of open files)";
    } else if (limits_exceeded(&sh->limits)) { /* the one that asks is counted: none is left */
        p->code = "too_many_connections";
        p->detail = "the gateway has as many connections as it may (max-connections)";
    } else if (store_refuses(srv, text)) {
        p->code = "store_failed";
        p->detail = text->text;
    } else if (overload && clock_mono_ms() - overload < OVERLOAD_MS) {
        p->code = "overloaded";
        p->detail = "publications are refused, or were within the last second: more waits to be "
                    "delivered or stored, or in request bodies, than max-backlog, "
                    "max-backlog-bytes, store-queue or max-bodies allow";
    }
    return p->code != NULL;
}

enum MHD_Result get_ready(struct request *rq)
{
    struct problem why;
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (not_ready(rq->srv, &why, &rq->why)) {
        return respond_problem(rq, &why);
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

static unsigned long long total(const struct http_shared *sh, enum metric id)
{
    return metrics_sum(sh->metrics, sh->nmetrics, id);
}

static void add_keeping(struct strbuf *out, const struct http_shared *sh)
{
    struct errmsg why;
    bool failed = sh->store_failed && sh->store_failed(sh->ctx, &why);

    strbuf_addf(out, ",\"history\":{\"messages\":%llu,\"bytes\":%llu,\"channels\":%llu}",
                total(sh, METRIC_HISTORY_MESSAGES), total(sh, METRIC_HISTORY_BYTES),
                total(sh, METRIC_HISTORY_CHANNELS));
    strbuf_addf(out, ",\"store\":{\"kind\":\"%s\",\"sync\":", sh->store_kind);
    if (sh->store_sync) {
        json_add_cstring(out, sh->store_sync);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addf(out, ",\"ok\":%s,\"reason\":", failed ? "false" : "true");
    if (failed) {
        json_add_lossy(out, str_of(why.text)); /* it may name a file */
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addc(out, '}');
}

static void add_webhooks(struct strbuf *out, const struct http_shared *sh)
{
    if (!sh->webhooks) {
        strbuf_adds(out, ",\"webhooks\":null");
        return;
    }
    strbuf_addf(out,
                ",\"webhooks\":{\"queued\":%llu,\"sent\":%llu,\"failed\":%llu,"
                "\"deadLetters\":%llu,\"lag\":%llu}",
                total(sh, METRIC_WEBHOOK_QUEUED), total(sh, METRIC_WEBHOOK_SENT),
                total(sh, METRIC_WEBHOOK_FAILED), total(sh, METRIC_WEBHOOK_DEAD),
                total(sh, METRIC_WEBHOOK_LAG));
}

enum MHD_Result get_stats(struct request *rq)
{
    const struct http_shared *sh = rq->srv->shared;
    struct strbuf *out = &rq->out;
    struct router_counts counts;
    char epoch[CURSOR_MAX], cursor[CURSOR_MAX];
    unsigned long long sse = total(sh, METRIC_CLIENTS_SSE);
    unsigned long long ws = total(sh, METRIC_CLIENTS_WS);
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
    strbuf_addf(out, ",\"clientCount\":%llu,\"messageCount\":%llu", sse + ws,
                total(sh, METRIC_PUBLISHED));
    strbuf_addf(out, ",\"transports\":{\"sse\":%llu,\"websocket\":%llu}", sse, ws);
    strbuf_addf(out, ",\"channels\":{\"count\":%llu,\"top\":", (unsigned long long)counts.channels);
    add_top_channels(out, sh->router);
    strbuf_addf(out, "},\"users\":%llu,\"shards\":%u", (unsigned long long)counts.users,
                sh->shards);
    add_keeping(out, sh);
    add_webhooks(out, sh);
    strbuf_adds(out, ",\"counters\":{");
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
    uint32_t subscribers;
    uint64_t matching;
    enum MHD_Result result;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0 || read_channel(rq, &result) != 0) {
        return result;
    }
    router_channel(rq->srv->shared->router, name, &subscribers, &matching);
    strbuf_adds(&rq->out, "{\"channel\":");
    json_add_string(&rq->out, name);
    strbuf_addf(&rq->out, ",\"subscribers\":%u,\"matching\":%llu,\"history\":", subscribers,
                (unsigned long long)matching);
    add_lane(&rq->out, rq->srv->shared->router, TARGET_CHANNEL, name, NULL);
    strbuf_addc(&rq->out, '}');
    return respond_json(rq, 200);
}
