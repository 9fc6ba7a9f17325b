/* POST /ack: a client of SSE acknowledges messages. Its key says who it is; which
 * user that is is known to the client's shard. */
#include "ws/acks.h"
#include "http/body.h"
#include "http/client_key.h"
#include "http/throttle.h"
#include "http/visit.h"

/* The ids in the body; otherwise *p says what is wrong with it. */
static int read_ids(struct request *rq, struct ack_list *list, struct problem *p)
{
    static const char *const members[] = {"id", "ids"};
    static const struct body_form form = {"an acknowledgement", members, 2, NULL};
    const struct json_node *root;
    int rc = body_read(rq, &form, &root, p);

    if (rc == 0) {
        rc = acks_read(rq->srv->doc, root, list, &rq->why);
        *p = (struct problem){.status = 400, .code = "bad_value", .detail = rq->why.text};
        if (rc == ERR_NOMEM) {
            *p = problem_of_nomem();
        }
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
        return respond_bad_client_key(rq);
    }
    /* Meanwhile the parser's tree belongs to others. */
    if (v->user_name[0] == '\0' || read_ids(rq, &list, &p) != 0) {
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
    enum MHD_Result result;
    struct ack_list list;
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
    if (read_ids(rq, &list, &p) != 0) {
        return respond_problem(rq, &p);
    }
    v = visit_new(rq, client_id_shard(id), work_user);
    if (!v) {
        return respond_nomem(rq);
    }
    v->id = id;
    return visit_go(v, rq->srv->shared->tasks, finish_ack);
}
