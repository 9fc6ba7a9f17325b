/* /clients: a client belongs to its shard, where the request pays a visit. */
#include "http/visit.h"

#include "base/clock.h"
#include "proto/json.h"
#include "proto/name.h"
#include "proto/publish.h"

#include <stdlib.h>

/* ---- one client ---- */

static enum MHD_Result no_client(struct request *rq)
{
    struct problem p = {
        .status = 404, .code = "not_found", .detail = "no client of this id is connected"};

    return respond_problem(rq, &p);
}

/* The id in the path; false if it can be nobody's. */
static bool path_client(const struct request *rq, uint64_t *id)
{
    return client_id_parse(rq->target.segments[1], id) == 0 &&
           client_id_shard(*id) < rq->srv->shared->shards;
}

static void work_describe(struct visit *v, struct http_server *there)
{
    const struct stream *s = visit_find(v, there);

    if (s) {
        stream_describe(s, &v->out);
    }
}

/* Moves the visit's text to the answer. */
static bool take_visit(struct request *rq)
{
    struct visit *v = rq->visit;
    bool found = v->found;

    strbuf_fini(&rq->out);
    rq->out = v->out;
    v->out = STRBUF_INIT;
    return found;
}

static enum MHD_Result finish_describe(struct request *rq)
{
    return take_visit(rq) ? respond_json(rq, 200) : no_client(rq);
}

static void work_disconnect(struct visit *v, struct http_server *there)
{
    struct stream *s = visit_find(v, there);

    if (s) {
        stream_log(s, LOG_INFO_LVL, "client closed by an administrator", NULL, NULL);
        s->member.leaves = 1; /* at once, for those who see who is there */
        stream_end(s, 4001, "disconnected by the administrator");
    }
}

static enum MHD_Result finish_disconnect(struct request *rq)
{
    return take_visit(rq) ? respond_empty(rq, 204) : no_client(rq);
}

/* Sends the visit to the client that the path names. */
static enum MHD_Result visit_client(struct request *rq,
                                    void (*work)(struct visit *, struct http_server *),
                                    enum MHD_Result (*finish)(struct request *))
{
    enum MHD_Result result;
    struct visit *v;
    uint64_t id;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (!path_client(rq, &id)) {
        return no_client(rq);
    }
    v = visit_new(rq, client_id_shard(id), work);
    if (!v) {
        return respond_nomem(rq);
    }
    v->id = id;
    return visit_go(v, rq->srv->shared->tasks, finish);
}

enum MHD_Result get_client(struct request *rq)
{
    return visit_client(rq, work_describe, finish_describe);
}

enum MHD_Result delete_client(struct request *rq)
{
    return visit_client(rq, work_disconnect, finish_disconnect);
}

/* ---- a message to one client ---- */

static void work_message(struct visit *v, struct http_server *there)
{
    struct http_shared *sh = there->shared;
    struct stream *s;

    sh->give_out(sh->ctx, there->env->shard);
    s = visit_find(v, there);
    if (s) {
        v->failed = !stream_put_direct(s, &v->envelope);
    }
}

static enum MHD_Result finish_message(struct request *rq)
{
    struct visit *v = rq->visit;

    if (!v->found) {
        return no_client(rq);
    }
    if (v->failed) {
        return respond_nomem(rq);
    }
    strbuf_reset(&rq->out);
    strbuf_adds(&rq->out, "{\"id\":");
    json_add_string(&rq->out, v->envelope.id);
    strbuf_addc(&rq->out, '}');
    return respond_json(rq, 202);
}

/* Only `type` and `data`: the rest of a publication makes no sense for one. */
static int check_direct(struct request *rq, const struct json_node *root, struct problem *problem)
{
    for (const struct json_node *n = root->child; n; n = n->next) {
        if (!str_eqz(n->key, "type") && !str_eqz(n->key, "data")) {
            (void)errmsg_set(&rq->why, 0, "%.*s", (int)n->key.len, n->key.p); /* a known name */
            *problem = (struct problem){
                .status = 400,
                .code = "unknown_field",
                .field = rq->why.text,
                .has_offset = true,
                .offset = n->offset,
                .detail = "a message to one client has only \"type\" and \"data\""};
            return ERR_INVALID;
        }
    }
    return 0;
}

static int parse_direct(struct request *rq, struct publish *p, struct problem *problem,
                        struct publish_error *pe)
{
    static const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = SIZE_MAX, .leave = "data"};
    const struct json_node *root;
    struct json_error err;
    int rc;

    if (rq->body.len > rq->srv->env->opt->max_message) {
        note_size(rq, "max-message");
        *problem = (struct problem){.status = 413,
                                    .code = "message_too_large",
                                    .detail = "the message is over max-message"};
        return ERR_INVALID;
    }
    rc = json_parse(rq->srv->doc, strbuf_str(&rq->body), &limits, &root, &err);
    if (rc != 0) {
        *problem = rc == ERR_NOMEM ? problem_of_nomem() : problem_of_json(&err, &rq->why);
        return rc;
    }
    if (publish_parse(root, p, pe) != 0) {
        *problem = problem_of_publish(pe);
        return ERR_INVALID;
    }
    return check_direct(rq, root, problem);
}

enum MHD_Result post_client_message(struct request *rq)
{
    struct publish p;
    struct publish_error pe;
    struct problem problem;
    struct visit *v;
    char *memory;
    enum MHD_Result result;
    uint64_t id, now = clock_real_ms();

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (!path_client(rq, &id)) {
        return no_client(rq);
    }
    if (parse_direct(rq, &p, &problem, &pe) != 0) {
        return respond_problem(rq, &problem);
    }
    v = visit_new(rq, client_id_shard(id), work_message);
    memory = v ? malloc(p.type.len + UUID_LEN + 1 + CLOCK_RFC3339_LEN + 1) : NULL;
    if (!memory) {
        visit_free(v);
        return respond_nomem(rq);
    }
    rq->owned[rq->nowned++] = memory;
    rng_uuid7(&rq->srv->env->rng, now, memory);
    clock_rfc3339(now, memory + UUID_LEN + 1);
    memcpy(memory + UUID_LEN + CLOCK_RFC3339_LEN + 2, p.type.p, p.type.len);
    v->id = id;
    v->envelope = (struct envelope){
        .kind = TARGET_EVERYONE,
        .id = {memory, UUID_LEN},
        .timestamp = {memory + UUID_LEN + 1, CLOCK_RFC3339_LEN},
        .type = {memory + UUID_LEN + CLOCK_RFC3339_LEN + 2, p.type.len},
        .data = p.data, /* in the request's body, or a literal */
    };
    /* By the deliveries' mailbox: it comes after what was published before. */
    return visit_go(v, rq->srv->shared->deliveries, finish_message);
}

/* ---- the list ---- */

static bool wanted(const struct visit *v, const struct stream *s)
{
    if (!s || s->dead || s->ending) {
        return false;
    }
    if (v->user.len && !str_eq(stream_user(s), v->user)) {
        return false;
    }
    return v->name.len == 0 || stream_has_name(s, v->name);
}

static void work_list(struct visit *v, struct http_server *there)
{
    const struct clients *c = &there->env->clients;

    for (; v->slot < c->nslots; v->slot++) {
        const struct stream *s = c->slots[v->slot];
        if (!wanted(v, s)) {
            continue;
        }
        if (v->listed == v->limit) {
            v->more = true;
            return;
        }
        strbuf_adds(&v->out, v->listed++ ? "," : "");
        stream_describe(s, &v->out);
        v->last = s->member.id;
    }
}

static bool next_list(struct visit *v)
{
    v->slot = 0;
    return !v->more && v->shard + 1 < v->home->shared->shards;
}

static enum MHD_Result finish_list(struct request *rq)
{
    struct visit *v = rq->visit;
    char id[CLIENT_ID_LEN + 1];

    if (v->more) {
        client_id_text(v->last, id);
        strbuf_addf(&v->out, "],\"next\":\"%s\"}", id);
    } else {
        strbuf_adds(&v->out, "],\"next\":null}");
    }
    (void)take_visit(rq);
    return respond_json(rq, 200);
}

enum MHD_Result get_clients(struct request *rq)
{
    static const char *const known[] = {"limit", "after", "user", "channel"};
    const struct param *after = target_param(&rq->target, "after");
    const struct param *user = target_param(&rq->target, "user");
    const struct param *channel = target_param(&rq->target, "channel");
    struct problem p = {.status = 400,
                        .code = "bad_parameter",
                        .field = "after",
                        .detail = "after must be the \"next\" of an earlier answer"};
    enum MHD_Result result;
    struct visit *v;
    unsigned limit;
    int rc;
    uint64_t id = 0;

    if (refuse_unknown_params(rq, known, 4, &result) != 0 || read_limit(rq, &limit, &result) != 0) {
        return result;
    }
    if (user && name_check_user(user->value, &rq->why) != 0) {
        p = (struct problem){
            .status = 400, .code = "bad_user", .field = "user", .detail = rq->why.text};
        return respond_problem(rq, &p);
    }
    rc = channel ? name_check_subscription(channel->value, &rq->why) : 0;
    if (rc != 0) {
        p = (struct problem){.status = 400,
                             .code = rc == ERR_RESERVED ? "reserved_channel" : "bad_channel",
                             .field = "channel",
                             .detail = rq->why.text};
        return respond_problem(rq, &p);
    }
    if (after && (client_id_parse(after->value, &id) != 0 ||
                  client_id_shard(id) >= rq->srv->shared->shards)) {
        return respond_problem(rq, &p);
    }
    v = visit_new(rq, after ? client_id_shard(id) : 0, work_list);
    if (!v) {
        return respond_nomem(rq);
    }
    v->next = next_list;
    v->limit = limit;
    v->slot = after ? client_id_slot(id) + 1 : 0;
    v->user = user ? user->value : STR_NONE;
    v->name = channel ? channel->value : STR_NONE;
    strbuf_adds(&v->out, "{\"clients\":[");
    return visit_go(v, rq->srv->shared->tasks, finish_list);
}
