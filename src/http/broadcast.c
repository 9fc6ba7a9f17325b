/* POST /broadcast: one publication, an array of them, or NDJSON. */
#include "http/commit.h"
#include "http/publication.h"
#include "proto/json.h"

#include <stdio.h>

static enum MHD_Result publish_one(struct request *rq)
{
    struct publisher pb = publisher_of_request(rq);

    return publication_answer(rq, &pb, publish_one);
}

/* ---- batches ---- */

struct batch {
    struct request *rq;
    struct publisher pb;
    unsigned items, accepted;
};

static void batch_begin(struct batch *b, struct request *rq)
{
    *b = (struct batch){.rq = rq, .pb = publisher_of_request(rq)};
    strbuf_adds(&rq->out, "{\"results\":[");
}

static void batch_item(struct batch *b, struct str text, unsigned line, size_t offset)
{
    struct strbuf *out = &b->rq->out;
    struct refusal r;

    strbuf_adds(out, b->items++ ? "," : "");
    if (publication_run(&b->pb, text, out, &r)) {
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
    return commit_answer(b->rq);
}

static enum MHD_Result batch_too_large(struct request *rq, unsigned max)
{
    char text[128];
    struct problem p = {.status = 413, .code = "batch_too_large", .detail = text};

    note_size(rq, "max-batch");
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
        struct problem p = problem_of_json(&err, &rq->why);
        return respond_problem(rq, &p);
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
    commit_begin(rq);
    if (ndjson) {
        return publish_ndjson(rq);
    }
    while (i < body.len && memchr(" \t\r\n", body.p[i], 4)) {
        i++;
    }
    return i < body.len && body.p[i] == '[' ? publish_array(rq) : publish_one(rq);
}
