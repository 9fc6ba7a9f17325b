/* POST /publish: a client publishes as the connection whose client key it shows, with what that one
 * is permitted. Its shard knows who it is; it is published here. */
#include "conn/access.h"
#include "http/client_key.h"
#include "http/commit.h"
#include "http/publication.h"
#include "http/throttle.h"
#include "http/visit.h"

static void work_identity(struct visit *v, struct http_server *there)
{
    const struct stream *s = visit_find(v, there);
    struct str user = s ? stream_user(s) : STR_NONE;

    if (!s) {
        return;
    }
    v->grant = access_grant_ref(s);
    v->peer = s->peer;
    v->from_proxy = s->from_proxy;
    if (user.len && user.len <= NAME_MAX_LEN) {
        memcpy(v->user_name, user.p, user.len);
    }
}

static enum MHD_Result publish_as(struct request *rq)
{
    struct publisher pb = publisher_of_request(rq);

    pb.form = PUBLISH_CLIENT;
    pb.user = str_of(rq->visit->user_name);
    pb.client = rq->acts_as;
    return publication_answer(rq, &pb, publish_as);
}

static enum MHD_Result finish_identity(struct request *rq)
{
    struct visit *v = rq->visit;

    if (!v->found) {
        return respond_bad_client_key(rq);
    }
    rq->grant = v->grant; /* from here on the request is the connection's */
    v->grant = NULL;
    rq->client = v->peer;
    rq->from_proxy = v->from_proxy;
    rq->acts_as = v->id;
    commit_begin(rq);
    return publish_as(rq);
}

enum MHD_Result post_publish(struct request *rq)
{
    enum MHD_Result result;
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
    v = visit_new(rq, client_id_shard(id), work_identity);
    if (!v) {
        return respond_nomem(rq);
    }
    v->id = id;
    return visit_go(v, rq->srv->shared->tasks, finish_identity);
}
