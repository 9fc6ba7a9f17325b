/* POST /ack: a client of SSE acknowledges messages. Its key says who it is; which
 * user that is is known to the client's shard. */
#include "ws/acks.h"
#include "http/visit.h"
#include "proto/json.h"

static enum MHD_Result bad_key(struct request *rq)
{
    struct problem p = {.status = 401,
                        .code = "bad_client_key",
                        .challenge = "Fanfare-Client-Key",
                        .detail = "the header Fanfare-Client-Key must be the clientKey of a "
                                  "client that is connected (fanfare.connected tells it)"};

    return respond_problem(rq, &p);
}

/* Only `id` and `ids`, each once. */
static int check_members(struct request *rq, const struct json_node *root, struct problem *p)
{
    const struct json_node *bad = json_duplicate(root);
    char shown[NAME_SHOW_MAX];

    *p = (struct problem){.status = 400, .code = "duplicate_field", .has_offset = true};
    for (const struct json_node *n = root->child; n && !bad; n = n->next) {
        if (!str_eqz(n->key, "id") && !str_eqz(n->key, "ids")) {
            p->code = "unknown_field";
            bad = n;
        }
    }
    if (!bad) {
        return 0;
    }
    (void)errmsg_set(&rq->why, 0, "\"%s\": an acknowledgement has only \"id\" or \"ids\", once",
                     name_show(bad->key, shown));
    p->detail = rq->why.text;
    p->offset = bad->offset;
    return ERR_INVALID;
}

/* The ids in the body; otherwise *p says what is wrong with it. */
static int read_body(struct request *rq, struct ack_list *list, struct problem *p)
{
    static const struct json_limits limits = {.max_depth = 2, .tree_depth = 1, .max_nodes = 16};
    const struct json_node *root;
    struct json_error err;
    int rc;

    if (rq->body.len > rq->srv->env->opt->max_message) {
        *p = (struct problem){.status = 413,
                              .code = "message_too_large",
                              .detail = "the acknowledgement is over max-message"};
        return ERR_INVALID;
    }
    rc = json_parse(rq->srv->doc, strbuf_str(&rq->body), &limits, &root, &err);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        *p = problem_of_json(&err, &rq->why);
    } else if (rc == 0 && root->type != JSON_OBJECT) {
        *p = (struct problem){
            .status = 400, .code = "wrong_type", .detail = "the body must be an object"};
        rc = ERR_INVALID;
    } else if (rc == 0) {
        rc = check_members(rq, root, p);
        if (rc == 0) {
            rc = acks_read(rq->srv->doc, root, list, &rq->why);
            *p = (struct problem){.status = 400, .code = "bad_value", .detail = rq->why.text};
        }
    }
    if (rc == ERR_NOMEM) {
        *p = problem_of_nomem();
    }
    return rc;
}

static void work_user(struct visit *v, struct http_server *there)
{
    const struct stream *s = visit_find(v, there);
    struct str user = s ? stream_user(s) : STR_NONE;

    if (user.len && user.len <= NAME_MAX_LEN) {
        memcpy(v->user_name, user.p, user.len);
    }
}

static enum MHD_Result finish_ack(struct request *rq)
{
    const struct visit *v = rq->visit;
    struct problem p = {.status = 422,
                        .code = "no_user",
                        .detail =
                            "the client is anonymous; only messages to a user are acknowledged"};
    struct ack_list list;

    if (!v->found) {
        return bad_key(rq);
    }
    /* Meanwhile the parser's tree belongs to others. */
    if (v->user_name[0] == '\0' || read_body(rq, &list, &p) != 0) {
        return respond_problem(rq, &p);
    }
    strbuf_reset(&rq->out);
    if (acks_run(rq->srv->shared->router, str_of(v->user_name), &list, &rq->out) != 0) {
        p = problem_of_nomem();
        return respond_problem(rq, &p);
    }
    return respond_json(rq, 200);
}

enum MHD_Result post_ack(struct request *rq)
{
    struct str key = request_header_one(rq, "Fanfare-Client-Key");
    enum MHD_Result result;
    struct ack_list list;
    struct problem p;
    struct visit *v;
    uint64_t id;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (!client_key_ok(rq->srv->env, key, &id) || client_id_shard(id) >= rq->srv->shared->shards) {
        return bad_key(rq);
    }
    if (read_body(rq, &list, &p) != 0) {
        return respond_problem(rq, &p);
    }
    v = visit_new(rq, client_id_shard(id), work_user);
    if (!v) {
        return respond_nomem(rq);
    }
    v->id = id;
    return visit_go(v, rq->srv->shared->tasks, finish_ack);
}
