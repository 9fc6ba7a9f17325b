#include "http/publication.h"

#include "http/asking.h"
#include "http/commit.h"
#include "http/publishing.h"
#include "http/throttle.h"
#include "proto/json.h"

#include <stdlib.h>

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
    r->retry_ms = 1000;
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
static void refuse_run(const struct publisher *pb, const struct json_node *root,
                       const struct publish *p, const struct publish_outcome *o, int rc,
                       struct refusal *r)
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
        r->problem = problem_of_store(pb->srv, &r->text);
        r->retry_ms = 1000;
        return;
    case ERR_BUSY:
        note_overload(pb->srv, pb->peer, "max-backlog, max-backlog-bytes or store-queue");
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

int publication_parse(const struct publisher *pb, struct str text, const struct json_node **root,
                      struct refusal *r)
{
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = SIZE_MAX, .leave = "data"};
    const struct options *opt = pb->srv->env->opt;
    struct json_error err;
    int rc;

    r->ask = false;
    r->retry_ms = 0;
    if (text.len > opt->max_message) {
        note_limit(pb->srv->env, pb->peer, METRIC_LIMITED_SIZES, "max-message", STR_NONE);
        (void)errmsg_set(&r->text, 0,
                         "the publication has %zu bytes; %llu are allowed (max-message)", text.len,
                         (unsigned long long)opt->max_message);
        refuse(r, 413, "message_too_large");
        return ERR_RANGE;
    }
    rc = json_parse(pb->srv->doc, text, &limits, root, &err);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        r->problem = problem_of_json(&err, &r->text);
    } else if (rc != 0) {
        r->problem = problem_of_nomem();
    }
    return rc;
}

static int read_publish(const struct publisher *pb, const struct json_node *root, struct publish *p,
                        struct refusal *r)
{
    int rc = publish_parse_as(root, pb->form, p, &r->pe);

    if (rc != 0) {
        r->problem = problem_of_publish(&r->pe);
    }
    return rc;
}

/* ---- what the credential permits ---- */

/* What a client might use to pass for somebody else, or to bind the gateway. */
static const char *only_backends(const struct publish *p)
{
    return p->kind != TARGET_CHANNEL ? "userId and everyone"
           : p->source.len           ? "source"
           : p->has_timestamp        ? "timestamp"
           : p->except.len           ? "except"
                                     : NULL;
}

/* What the application said about the channel. */
static enum ask_result said(const struct publisher *pb, struct str name)
{
    return str_among(name, pb->asked_names, pb->nasked) ? (enum ask_result)pb->asked : ASKED_NOT;
}

static bool channel_permitted(const struct publisher *pb, struct str name)
{
    return permit_publish(pb->srv->env->opt, pb->grant, name) ||
           (said(pb, name) == ASKED_YES && asking_may_publish(pb->srv, pb->grant, name));
}

static void forbid_channel(const struct publisher *pb, struct str name, struct refusal *r)
{
    bool may_ask = asking_may_publish(pb->srv, pb->grant, name);
    char shown[NAME_SHOW_MAX];

    if (said(pb, name) == ASKED_IN_VAIN && may_ask) {
        (void)errmsg_set(&r->text, 0,
                         "whether this is permitted cannot be said now; try again later");
        refuse_later(r, "auth_unavailable");
        return;
    }
    if (said(pb, name) == ASKED_NO && pb->reason[0]) {
        (void)errmsg_set(&r->text, 0, "%s", pb->reason);
    } else {
        (void)errmsg_set(&r->text, 0, "this credential does not permit to publish to \"%s\"",
                         name_show(name, shown));
    }
    refuse(r, 403, "forbidden_channel");
    r->ask = pb->asked == ASKED_NOT && may_ask;
}

static bool channels_permitted(const struct publisher *pb, const struct publish *p,
                               struct refusal *r)
{
    const struct json_node *n = p->several ? p->list : NULL;

    for (unsigned i = 0; i < p->count; i++, n = n ? n->next : NULL) {
        struct str name = n ? n->text : p->one;
        if (!channel_permitted(pb, name)) {
            forbid_channel(pb, name, r);
            return false;
        }
    }
    return true;
}

static bool permitted(const struct publisher *pb, const struct publish *p, struct refusal *r)
{
    const char *what = NULL;

    if (pb->grant->s.kind == GRANT_OPEN) {
        return true;
    }
    if (pb->grant->s.kind == GRANT_CLIENT) {
        what = only_backends(p);
    }
    if (what) {
        (void)errmsg_set(&r->text, 0, "%s: only a backend's key permits this, not a client's token",
                         what);
        refuse(r, 403, "not_permitted");
        return false;
    }
    switch (p->kind) {
    case TARGET_CHANNEL:
        return channels_permitted(pb, p, r);
    case TARGET_USER:
        (void)errmsg_set(&r->text, 0, "publishing to users needs a key with the permission users");
        refuse(r, 403, "forbidden");
        return permit_right(pb->grant, RIGHT_USERS);
    case TARGET_EVERYONE:
        break;
    }
    (void)errmsg_set(&r->text, 0,
                     "publishing to everyone needs a key with the permission everyone");
    refuse(r, 403, "forbidden");
    return permit_right(pb->grant, RIGHT_EVERYONE);
}

/* The holder of a token with neither a user nor an id cannot be told from the next one, so neither
 * could their ids. */
static bool id_has_owner(const struct publisher *pb, const struct json_node *root,
                         const struct publish *p, struct refusal *r)
{
    const struct grant_spec *g = &pb->grant->s;

    if (p->id.len == 0 || g->kind == GRANT_OPEN || g->kind == GRANT_KEY || g->user.len ||
        g->id.len) {
        return true;
    }
    (void)errmsg_set(&r->text, 0,
                     "id: this credential has neither a user nor an id (sub, jti), so its "
                     "publications' ids could not be told from those of others; leave it out");
    refuse(r, 422, "id_needs_identity");
    blame(r, root, "id");
    return false;
}

/* Whose ids they are. */
static struct str publisher_of(const struct grant_spec *g, char text[NAME_MAX_LEN + 2])
{
    struct str name = g->kind == GRANT_KEY || g->user.len == 0 ? g->id : g->user;

    if (g->kind == GRANT_OPEN || name.len > NAME_MAX_LEN) {
        return STR_NONE;
    }
    text[0] = g->kind == GRANT_KEY ? 'k' : g->user.len ? 'u' : 't';
    text[1] = ':';
    if (name.len) {
        memcpy(text + 2, name.p, name.len);
    }
    return (struct str){text, name.len + 2};
}

/* What the envelope tells of the publisher: nothing of a backend. */
static struct publishing_from from_of(const struct publisher *pb, char text[NAME_MAX_LEN + 2])
{
    const struct grant_spec *g = &pb->grant->s;
    struct publishing_from from = {.scope = publisher_of(g, text)};

    if (g->kind != GRANT_KEY) {
        from.user = pb->user;
        from.client = pb->client;
    }
    from.is_client = from.client || g->kind == GRANT_CLIENT;
    return from;
}

struct publisher publisher_of_request(struct request *rq)
{
    struct publisher pb = {.srv = rq->srv,
                           .grant = rq->grant,
                           .peer = &rq->client,
                           .from_proxy = rq->from_proxy,
                           .form = PUBLISH_BROADCAST,
                           .user = rq->grant->s.user,
                           .asked = rq->asked,
                           .asked_names = rq->asked_names,
                           .nasked = rq->nasked,
                           .reason = rq->answer.reason,
                           .ticket = &rq->ticket};

    return pb;
}

bool publication_run_parsed(const struct publisher *pb, const struct json_node *root, size_t bytes,
                            struct strbuf *out, struct refusal *r)
{
    char name[NAME_MAX_LEN + 2];
    struct http_server *srv = pb->srv;
    struct publishing_from from = from_of(pb, name);
    struct publish_outcome outcome;
    struct publish p;
    int rc;

    r->ask = false;
    r->retry_ms = 0;
    if (read_publish(pb, root, &p, r) != 0 || !permitted(pb, &p, r) ||
        !id_has_owner(pb, root, &p, r) || !throttle_publication(pb, &p, bytes, r)) {
        return false;
    }
    rc = publishing_run(srv->shared, &srv->env->rng, &p, &from, pb->ticket, &outcome);
    if (rc != 0) {
        refuse_run(pb, root, &p, &outcome, rc, r);
        return false;
    }
    if (!outcome.verdict.duplicate) {
        metrics_add(srv->env->metrics, METRIC_PUBLISHED, p.count);
    }
    add_receipt(out, &p, &outcome);
    publish_outcome_fini(&outcome);
    return true;
}

bool publication_run(const struct publisher *pb, struct str text, struct strbuf *out,
                     struct refusal *r)
{
    const struct json_node *root;

    return publication_parse(pb, text, &root, r) == 0 &&
           publication_run_parsed(pb, root, text.len, out, r);
}

/* About the channels of a publication that was refused with r->ask. */
static enum MHD_Result ask(struct request *rq, const struct publisher *pb,
                           enum MHD_Result (*again)(struct request *rq))
{
    const struct json_node *root;
    enum MHD_Result result;
    struct refusal r;
    struct publish p;
    struct str *names;
    unsigned n = 0;

    if (publication_parse(pb, strbuf_str(&rq->body), &root, &r) != 0 ||
        read_publish(pb, root, &p, &r) != 0) {
        return respond_problem(rq, &r.problem);
    }
    names = calloc(p.count, sizeof(*names));
    if (!names) {
        return respond_nomem(rq);
    }
    for (unsigned i = 0; i < p.count; i++) {
        struct str name = publishing_target(&p, i);
        if (!channel_permitted(pb, name)) {
            names[n++] = name;
        }
    }
    result = asking_names(rq, true, names, n, again);
    free(names);
    return result;
}

enum MHD_Result publication_answer(struct request *rq, const struct publisher *pb,
                                   enum MHD_Result (*again)(struct request *rq))
{
    struct refusal r;

    if (publication_run(pb, strbuf_str(&rq->body), &rq->out, &r)) {
        return commit_answer(rq);
    }
    if (r.ask) {
        return ask(rq, pb, again);
    }
    metrics_inc(rq->srv->env->metrics, METRIC_PUBLISH_REFUSED);
    return respond_problem(rq, &r.problem);
}
