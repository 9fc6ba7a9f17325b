#include "http/publication.h"

#include "http/commit.h"
#include "http/publishing.h"
#include "proto/json.h"

/* ---- the receipt ---- */

static void add_cursor(struct strbuf *out, struct cursor c)
{
    char text[CURSOR_MAX];

    strbuf_adds(out, ",\"cursor\":\"");
    strbuf_add(out, text, cursor_format(c, text));
    strbuf_addc(out, '"');
}

static void add_status(struct strbuf *out, enum publish_status status)
{
    static const char *const names[] = {[PUBLISH_SENT] = "sent",
                                        [PUBLISH_ONLINE] = "online",
                                        [PUBLISH_QUEUED] = "queued",
                                        [PUBLISH_OFFLINE] = "offline"};

    strbuf_addf(out, ",\"status\":\"%s\"", names[status]);
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
        strbuf_addf(out, ",\"matched\":%llu", (unsigned long long)o->results[i].matched);
        add_status(out, o->results[i].status);
        strbuf_addc(out, '}');
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
    strbuf_adds(out, o->verdict.duplicate ? ",\"duplicate\":true" : "");
    if (p->several) {
        add_targets(out, p, o);
    } else if (p->kind == TARGET_USER) {
        add_status(out, o->results[0].status);
    }
    strbuf_addc(out, '}');
}

/* ---- the refusal ---- */

/* The detail is in r->text. */
static void refuse(struct refusal *r, int status, const char *code)
{
    r->problem = (struct problem){.status = status, .code = code, .detail = r->text.text};
}

static void refuse_later(struct refusal *r, const char *code)
{
    refuse(r, 503, code);
    r->problem.retry_after_s = 1;
}

static void blame(struct refusal *r, const struct json_node *root, const char *field)
{
    const struct json_node *n = json_get(root, field);

    r->problem.field = field;
    r->problem.has_offset = n != NULL;
    r->problem.offset = n ? n->offset : 0;
}

static void refuse_moved(struct refusal *r, struct str channel, struct cursor at)
{
    char shown[NAME_SHOW_MAX];

    cursor_format(at, r->last);
    if (at.seq) {
        (void)errmsg_set(&r->text, 0, "the channel \"%s\" has moved on: its last message is at %s",
                         name_show(channel, shown), r->last);
    } else {
        (void)errmsg_set(&r->text, 0,
                         "ifLast is no position of this log, and the channel \"%s\" has had no "
                         "message in it",
                         name_show(channel, shown));
    }
    refuse(r, 409, "moved_on");
    r->problem.last = r->last;
}

/* What the router did not take. */
static void refuse_run(struct request *rq, const struct json_node *root, const struct publish *p,
                       const struct publish_outcome *o, int rc, struct refusal *r)
{
    struct str target = publishing_target(p, o->verdict.target);
    char shown[NAME_SHOW_MAX];

    switch (rc) {
    case ERR_RANGE:
        (void)errmsg_set(&r->text, 0,
                         "so much data for so many targets is over 16 MiB together; "
                         "publish to fewer at a time");
        refuse(r, 422, "too_many");
        return;
    case ERR_CONFLICT:
        (void)errmsg_set(&r->text, 0, "another publication had this id before; give each its own");
        refuse(r, 409, "id_conflict");
        blame(r, root, "id");
        return;
    case ERR_EXISTS:
        (void)errmsg_set(&r->text, 0,
                         "a message of this id still waits for the user \"%s\" to acknowledge it",
                         name_show(target, shown));
        refuse(r, 409, "id_conflict");
        blame(r, root, "id");
        return;
    case ERR_MOVED:
        refuse_moved(r, target, o->verdict.moved);
        blame(r, root, "ifLast");
        return;
    case ERR_LIMIT:
        (void)errmsg_set(&r->text, 0,
                         "too many messages wait for the user \"%s\", or for all users, to "
                         "acknowledge them (max-unacked, max-unacked-total); try again later",
                         name_show(target, shown));
        refuse_later(r, "too_many_unacked");
        return;
    case ERR_STORE:
        r->problem = problem_of_store(rq->srv, &r->text);
        return;
    case ERR_BUSY:
        note_overload(rq, "max-backlog, max-backlog-bytes or store-queue");
        (void)errmsg_set(&r->text, 0,
                         "more waits to be delivered or stored than max-backlog, "
                         "max-backlog-bytes or store-queue allow; try again later");
        refuse_later(r, "overloaded");
        return;
    default:
        r->problem = problem_of_nomem();
    }
}

/* ---- */

static int parse(struct request *rq, struct str text, const struct json_node **root,
                 struct publish *p, struct refusal *r)
{
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = SIZE_MAX, .leave = "data"};
    struct json_error err;
    int rc;

    if (text.len > rq->srv->env->opt->max_message) {
        (void)errmsg_set(&r->text, 0,
                         "the publication has %zu bytes; %llu are allowed (max-message)", text.len,
                         (unsigned long long)rq->srv->env->opt->max_message);
        refuse(r, 413, "message_too_large");
        return ERR_RANGE;
    }
    rc = json_parse(rq->srv->doc, text, &limits, root, &err);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        r->problem = problem_of_json(&err, &r->text);
    } else if (rc != 0) {
        r->problem = problem_of_nomem();
    } else if (publish_parse(*root, p, &r->pe) != 0) {
        r->problem = problem_of_publish(&r->pe);
        rc = ERR_INVALID;
    }
    return rc;
}

bool publication_run(struct request *rq, struct str text, struct strbuf *out, struct refusal *r)
{
    struct http_server *srv = rq->srv;
    const struct json_node *root;
    struct publish_outcome outcome;
    struct publish p;
    int rc;

    if (parse(rq, text, &root, &p, r) != 0) {
        return false;
    }
    rc = publishing_run(srv->shared, &srv->env->rng, &p, &rq->ticket, &outcome);
    if (rc != 0) {
        refuse_run(rq, root, &p, &outcome, rc, r);
        return false;
    }
    if (!outcome.verdict.duplicate) {
        metrics_add(srv->env->metrics, METRIC_PUBLISHED, p.count);
    }
    add_receipt(out, &p, &outcome);
    publish_outcome_fini(&outcome);
    return true;
}
