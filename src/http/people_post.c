/* POST /info, /typing, /read: what clients of SSE do among the people of their channels. Their key
 * says who they are, and what they may is known to their shard. */
#include "http/body.h"
#include "http/client_key.h"
#include "http/commit.h"
#include "http/throttle.h"
#include "http/visit.h"

#include "proto/json.h"

#include <stdio.h>

/* ---- refusals ---- */

static struct problem problem_of_act(struct request *rq, enum act a)
{
    struct problem p = {.status = 403, .code = act_code(a), .detail = act_text(a)};

    switch (a) {
    case ACT_NO_USER:
        p.status = 422;
        break;
    case ACT_NOT_SUBSCRIBED:
        p.status = 409;
        break;
    case ACT_FORBIDDEN: /* as other requests call it */
        p.code = act_code(ACT_FORBIDDEN_OUT);
        p.field = "channel";
        break;
    case ACT_FORBIDDEN_OUT:
        p.field = "channel";
        break;
    case ACT_RATE_LIMITED:
        p.status = 429;
        p.retry_after_s = (unsigned)(rq->srv->env->opt->typing_timeout / 1000);
        break;
    case ACT_TOO_FAST:
        p.status = 429;
        p.retry_after_s = 1;
        break;
    case ACT_BAD_CURSOR:
        p.status = 400;
        p.field = "cursor";
        break;
    case ACT_UNKNOWN_MESSAGE:
        p.status = 404;
        p.field = "id";
        break;
    case ACT_BUSY:
        note_overload(rq->srv, &rq->client, "max-backlog, max-backlog-bytes or store-queue");
        p.status = 503;
        p.retry_after_s = 1;
        break;
    case ACT_STORE:
        p = problem_of_store(rq->srv, &rq->why);
        break;
    case ACT_NOT_PERMITTED:
        p.field = "info";
        break;
    case ACT_NOMEM:
    case ACT_DONE:
        p = problem_of_nomem();
        break;
    }
    return p;
}

/* The client is there, and it was done. Else the answer is queued, *result set. */
static bool was_done(struct request *rq, enum MHD_Result *result)
{
    struct problem p;

    if (!rq->visit->found) {
        *result = respond_bad_client_key(rq);
        return false;
    }
    if (rq->visit->act.outcome != ACT_DONE) {
        p = problem_of_act(rq, rq->visit->act.outcome);
        *result = respond_problem(rq, &p);
        return false;
    }
    strbuf_reset(&rq->out);
    return true;
}

static enum MHD_Result finish(struct request *rq)
{
    enum MHD_Result result;

    if (!was_done(rq, &result)) {
        return result;
    }
    strbuf_adds(&rq->out, "{}");
    return respond_json(rq, 200);
}

/* ---- bodies ---- */

/* A member that must be there. */
static const struct json_node *need(struct request *rq, const struct json_node *root,
                                    const char *name, enum json_type type, struct problem *p)
{
    const struct json_node *n;

    if (body_member(rq, root, name, type, &n, p) != 0) {
        return NULL;
    }
    if (!n) {
        (void)errmsg_set(&rq->why, 0, "\"%s\" is missing", name);
        *p = body_blame(NULL, name, rq->why.text);
    }
    return n;
}

static void copy(char to[NAME_MAX_LEN + 1], struct str s)
{
    memcpy(to, s.p, s.len);
    to[s.len] = '\0';
}

static bool read_name(struct request *rq, const struct json_node *root, struct visit *v,
                      struct problem *p)
{
    const struct json_node *n = need(rq, root, "channel", JSON_STRING, p);
    int rc = n ? name_check_channel(n->text, &rq->why) : ERR_INVALID;

    if (n && rc != 0) {
        *p = body_blame(n, "channel", rq->why.text);
        p->code = rc == ERR_RESERVED ? "reserved_channel" : "bad_channel";
    }
    if (rc != 0) {
        return false;
    }
    copy(v->act.channel, n->text);
    return true;
}

static bool read_typing(struct request *rq, const struct json_node *root, struct visit *v,
                        struct problem *p)
{
    const struct json_node *n;

    if (!read_name(rq, root, v, p) || !(n = need(rq, root, "typing", JSON_BOOL, p))) {
        return false;
    }
    v->act.on = n->truth;
    return true;
}

static bool read_cursor(const struct json_node *n, struct visit *v, struct problem *p)
{
    if (cursor_parse(n->text, &v->act.at) != 0) {
        *p = body_blame(n, "cursor", "\"cursor\" must be a message's cursor");
        p->code = "bad_cursor";
        return false;
    }
    return true;
}

static bool read_id(struct request *rq, const struct json_node *n, struct visit *v,
                    struct problem *p)
{
    if (name_check_text("id", n->text, &rq->why) != 0 || n->lone_surrogate) {
        *p = body_blame(n, "id", n->lone_surrogate ? "\"id\" is no text" : rq->why.text);
        return false;
    }
    copy(v->act.message, n->text);
    return true;
}

static bool read_mark(struct request *rq, const struct json_node *root, struct visit *v,
                      struct problem *p)
{
    const struct json_node *cursor, *id;

    if (!read_name(rq, root, v, p) ||
        body_member(rq, root, "cursor", JSON_STRING, &cursor, p) != 0 ||
        body_member(rq, root, "id", JSON_STRING, &id, p) != 0) {
        return false;
    }
    if (!cursor == !id) {
        *p = body_blame(id, "cursor",
                        "either \"cursor\" or \"id\", those of the last message read, is needed");
        return false;
    }
    return cursor ? read_cursor(cursor, v, p) : read_id(rq, id, v, p);
}

static bool read_info(struct request *rq, const struct json_node *root, struct visit *v,
                      struct problem *p)
{
    const struct json_node *n = json_get(root, "info");
    uint64_t max = rq->srv->env->opt->max_info;

    if (!n) {
        *p = body_blame(NULL, "info", "\"info\" is missing: any JSON value");
        return false;
    }
    json_minify(&v->out, n->raw);
    if (strbuf_failed(&v->out)) {
        *p = problem_of_nomem();
        return false;
    }
    if (v->out.len > max) {
        (void)errmsg_set(&rq->why, 0, "info has %zu bytes; %llu are allowed (max-info)", v->out.len,
                         (unsigned long long)max);
        *p = body_blame(n, "info", rq->why.text);
        p->status = 413;
        p->code = "too_large";
        return false;
    }
    return true;
}

/* ---- on the client's shard ---- */

static void work_info(struct visit *v, struct http_server *there)
{
    struct stream *s = visit_find(v, there);

    if (s) {
        v->act.outcome = act_info(s, strbuf_str(&v->out));
    }
}

static void work_typing(struct visit *v, struct http_server *there)
{
    struct stream *s = visit_find(v, there);

    if (s) {
        v->act.outcome = act_typing(s, str_of(v->act.channel), v->act.on);
    }
}

static void work_may_read(struct visit *v, struct http_server *there)
{
    struct stream *s = visit_find(v, there);

    if (s) {
        v->act.outcome = act_may_read(s, str_of(v->act.channel));
        copy(v->user_name, v->act.outcome == ACT_DONE ? stream_user(s) : STR_LIT(""));
    }
}

/* ---- */

/* What such a request is made of. */
struct deed {
    struct body_form form;
    bool (*read)(struct request *rq, const struct json_node *root, struct visit *v,
                 struct problem *p);
    void (*work)(struct visit *v, struct http_server *there);
    enum MHD_Result (*finish)(struct request *rq);
};

static enum MHD_Result post(struct request *rq, const struct deed *d)
{
    const struct json_node *root;
    enum MHD_Result result;
    struct problem p;
    struct visit *v;
    uint64_t id;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (!client_key_of(rq, &id)) {
        return respond_bad_client_key(rq);
    }
    if (throttle_client(rq, id, &result) != 0) {
        return result;
    }
    if (body_read(rq, &d->form, &root, &p) != 0) {
        return respond_problem(rq, &p);
    }
    v = visit_new(rq, client_id_shard(id), d->work);
    if (!v) {
        return respond_nomem(rq);
    }
    if (!d->read(rq, root, v, &p)) {
        visit_free(v);
        return respond_problem(rq, &p);
    }
    v->id = id;
    return visit_go(v, rq->srv->shared->tasks, d->finish);
}

enum MHD_Result post_info(struct request *rq)
{
    static const char *const members[] = {"info"};
    static const struct deed info = {{"an info", members, 1, "info"}, read_info, work_info, finish};

    return post(rq, &info);
}

enum MHD_Result post_typing(struct request *rq)
{
    static const char *const members[] = {"channel", "typing"};
    static const struct deed typing = {
        {"typing", members, 2, NULL}, read_typing, work_typing, finish};

    return post(rq, &typing);
}

static enum MHD_Result finish_read(struct request *rq)
{
    const struct visit *v = rq->visit;
    enum MHD_Result result;
    struct problem p;
    enum act a;

    if (!was_done(rq, &result)) {
        return result;
    }
    commit_begin(rq);
    a = act_read(rq->srv->shared->router,
                 &(struct read_mark){.user = str_of(v->user_name),
                                     .channel = str_of(v->act.channel),
                                     .id = str_of(v->act.message),
                                     .at = v->act.at,
                                     .except = v->id},
                 &rq->ticket, &rq->out);
    if (a != ACT_DONE) {
        p = problem_of_act(rq, a);
        return respond_problem(rq, &p);
    }
    rq->woken = false; /* it may be suspended once more */
    return commit_answer(rq);
}

enum MHD_Result post_read(struct request *rq)
{
    static const char *const members[] = {"channel", "cursor", "id"};
    static const struct deed read = {
        {"a read position", members, 3, NULL}, read_mark, work_may_read, finish_read};

    return post(rq, &read);
}
