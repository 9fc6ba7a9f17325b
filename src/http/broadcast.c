/* POST /broadcast: one publication, an array of them, or NDJSON. */
#include "http/publishing.h"
#include "http/request.h"
#include "proto/json.h"
#include "proto/problem.h"

#include <stdio.h>

static const struct json_limits item_limits = {
    .max_depth = 64, .tree_depth = 2, .max_nodes = SIZE_MAX, .leave = "data"};

/* A publication that was refused: what its problem or batch error says. */
struct refusal {
    struct problem problem;
    unsigned line; /* NDJSON, from 1 */
    struct errmsg text;
    struct publish_error pe;
};

static void refuse(struct refusal *r, int status, const char *code, const char *detail)
{
    snprintf(r->text.text, sizeof(r->text.text), "%s", detail);
    r->problem = (struct problem){.status = status, .code = code, .detail = r->text.text};
}

/* ---- one publication ---- */

static void add_cursor(struct strbuf *out, struct cursor c)
{
    char text[CURSOR_MAX];

    strbuf_adds(out, ",\"cursor\":\"");
    strbuf_add(out, text, cursor_format(c, text));
    strbuf_addc(out, '"');
}

static void add_targets(struct strbuf *out, const struct publish *p,
                        const struct publish_outcome *o)
{
    const char *name = p->kind == TARGET_CHANNEL ? "channel" : "userId";
    unsigned i = 0;

    strbuf_adds(out, ",\"targets\":[");
    for (const struct json_node *n = p->list; n; n = n->next, i++) {
        strbuf_addf(out, "%s{\"%s\":", i ? "," : "", name);
        json_add_string(out, n->text);
        add_cursor(out, o->results[i].cursor);
        strbuf_addf(out, ",\"matched\":%llu,\"status\":\"sent\"}",
                    (unsigned long long)o->results[i].matched);
    }
    strbuf_addc(out, ']');
}

static void add_receipt(struct strbuf *out, const struct publish *p,
                        const struct publish_outcome *o)
{
    strbuf_adds(out, "{\"id\":");
    json_add_cstring(out, o->id);
    add_cursor(out, o->results[p->count - 1].cursor);
    strbuf_adds(out, ",\"matched\":");
    strbuf_add_u64(out, publish_outcome_matched(o, p));
    if (p->several) {
        add_targets(out, p, o);
    }
    strbuf_addc(out, '}');
}

/* Publishes one JSON text; the receipt goes to `out`. False: *r says why not. */
static bool publish_text(struct request *rq, struct str text, struct strbuf *out, struct refusal *r)
{
    struct http_server *srv = rq->srv;
    const struct json_node *root;
    struct json_error err;
    struct publish p;
    struct publish_outcome outcome;
    int rc;

    r->line = 0;
    if (text.len > srv->env->opt->max_message) {
        snprintf(r->text.text, sizeof(r->text.text),
                 "the publication has %zu bytes; %llu are allowed (max-message)", text.len,
                 (unsigned long long)srv->env->opt->max_message);
        r->problem =
            (struct problem){.status = 413, .code = "message_too_large", .detail = r->text.text};
        return false;
    }
    rc = json_parse(srv->doc, text, &item_limits, &root, &err);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        r->problem = problem_of_json(&err, &r->text);
        return false;
    }
    if (rc == 0 && publish_parse(root, &p, &r->pe) != 0) {
        r->problem = problem_of_publish(&r->pe);
        return false;
    }
    if (rc == 0 && p.require_ack) {
        refuse(r, 422, "unsupported",
               "requireAck needs acknowledgements, which this version does not have; leave it out");
        r->problem.field = "requireAck";
        r->problem.has_offset = true;
        r->problem.offset = json_get(root, "requireAck")->offset;
        return false;
    }
    if (rc == 0) {
        rc = publishing_run(srv->shared, &srv->env->rng, &p, &outcome);
    }
    if (rc == 0) {
        metrics_add(srv->env->metrics, METRIC_PUBLISHED, p.count);
        add_receipt(out, &p, &outcome);
        publish_outcome_fini(&outcome);
        return true;
    }
    if (rc == ERR_LIMIT) {
        refuse(r, 422, "too_many",
               "so much data for so many targets is over 16 MiB together; publish to fewer at a "
               "time");
        return false;
    }
    if (rc == ERR_BUSY) {
        note_overload(rq, "max-backlog or max-backlog-bytes");
        refuse(r, 503, "overloaded",
               "more waits to be delivered than max-backlog or max-backlog-bytes allow; try again "
               "later");
        r->problem.retry_after_s = 1;
    } else {
        refuse(r, 500, "internal", "out of memory; try again later");
    }
    return false;
}

static enum MHD_Result publish_one(struct request *rq)
{
    struct refusal r;

    if (publish_text(rq, strbuf_str(&rq->body), &rq->out, &r)) {
        return respond_json(rq, 200);
    }
    metrics_inc(rq->srv->env->metrics, METRIC_PUBLISH_REFUSED);
    return respond_problem(rq, &r.problem);
}

/* ---- batches ---- */

struct batch {
    struct request *rq;
    unsigned items, accepted;
};

static void batch_begin(struct batch *b, struct request *rq)
{
    *b = (struct batch){.rq = rq};
    strbuf_adds(&rq->out, "{\"results\":[");
}

static void batch_item(struct batch *b, struct str text, unsigned line, size_t offset)
{
    struct strbuf *out = &b->rq->out;
    struct refusal r;

    strbuf_adds(out, b->items++ ? "," : "");
    if (publish_text(b->rq, text, out, &r)) {
        b->accepted++;
        return;
    }
    metrics_inc(b->rq->srv->env->metrics, METRIC_PUBLISH_REFUSED);
    r.problem.offset += offset;
    strbuf_addf(out, "{\"error\":{\"status\":%d,\"code\":\"%s\",\"detail\":", r.problem.status,
                r.problem.code);
    json_add_cstring(out, r.problem.detail);
    problem_add_details(out, &r.problem, line);
    strbuf_adds(out, "}}");
}

static enum MHD_Result batch_end(struct batch *b)
{
    strbuf_addf(&b->rq->out, "],\"accepted\":%u,\"refused\":%u}", b->accepted,
                b->items - b->accepted);
    return respond_json(b->rq, 200);
}

static enum MHD_Result batch_too_large(struct request *rq, unsigned max)
{
    char text[128];
    struct problem p = {.status = 413, .code = "batch_too_large", .detail = text};

    snprintf(text, sizeof(text), "a batch may have at most %u publications (max-batch); split it",
             max);
    return respond_problem(rq, &p);
}

static enum MHD_Result publish_array(struct request *rq)
{
    unsigned max = rq->srv->env->opt->max_batch;
    struct json_limits limits = {.max_depth = 65, .tree_depth = 1, .max_nodes = (size_t)max + 2};
    const struct json_node *root;
    struct json_error err;
    struct batch b;
    int rc = json_parse(rq->srv->batch, strbuf_str(&rq->body), &limits, &root, &err);

    if (rc == ERR_LIMIT || (rc == 0 && root->count > max)) {
        return batch_too_large(rq, max);
    }
    if (rc == ERR_INVALID) {
        struct refusal r;
        r.problem = problem_of_json(&err, &r.text);
        return respond_problem(rq, &r.problem);
    }
    if (rc != 0) {
        return respond_nomem(rq);
    }
    batch_begin(&b, rq);
    for (const struct json_node *n = root->child; n; n = n->next) {
        batch_item(&b, n->raw, 0, n->offset);
    }
    return batch_end(&b);
}

/* The next line of `rest`, without its end; false at the end. */
static bool next_line(struct str *rest, struct str *line)
{
    const char *lf;

    if (rest->len == 0) {
        return false;
    }
    lf = memchr(rest->p, '\n', rest->len);
    *line = (struct str){rest->p, lf ? (size_t)(lf - rest->p) : rest->len};
    rest->p += line->len + (lf != NULL);
    rest->len -= line->len + (lf != NULL);
    if (line->len && line->p[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t') {
            return false;
        }
    }
    return true;
}

static enum MHD_Result publish_ndjson(struct request *rq)
{
    unsigned max = rq->srv->env->opt->max_batch;
    struct str rest = strbuf_str(&rq->body);
    struct str line;
    unsigned n = 0, number = 0;
    struct batch b;

    while (next_line(&rest, &line)) {
        n += !is_blank(line);
    }
    if (n > max) {
        return batch_too_large(rq, max);
    }
    batch_begin(&b, rq);
    rest = strbuf_str(&rq->body);
    while (next_line(&rest, &line)) {
        number++;
        if (!is_blank(line)) {
            batch_item(&b, line, number, 0);
        }
    }
    return batch_end(&b);
}

enum MHD_Result post_broadcast(struct request *rq)
{
    struct str body = strbuf_str(&rq->body);
    enum MHD_Result result;
    bool ndjson;
    size_t i = 0;

    if (request_media(rq, &ndjson, &result) != 0) {
        return result;
    }
    if (ndjson) {
        return publish_ndjson(rq);
    }
    while (i < body.len && memchr(" \t\r\n", body.p[i], 4)) {
        i++;
    }
    return i < body.len && body.p[i] == '[' ? publish_array(rq) : publish_one(rq);
}
