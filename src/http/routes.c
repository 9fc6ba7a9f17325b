/* The table of routes. */
#include "http/credential.h"
#include "http/request_private.h"

struct verb {
    endpoint_fn *endpoint; /* NULL: not taken */
    enum need need;
};

struct route {
    const char *segments[3]; /* "*" takes any */
    unsigned n;
    const char *methods;
    struct verb get, post, del;
};

#define READ "GET, HEAD, OPTIONS"
#define POST "POST, OPTIONS"
#define NONE               \
    {                      \
        NULL, NEED_NOTHING \
    }

static const struct route routes[] = {
    {{"events"}, 1, READ, {get_events, NEED_CLIENT}, NONE, NONE},
    {{"broadcast"}, 1, POST, NONE, {post_broadcast, NEED_CREDENTIAL}, NONE},
    {{"publish"}, 1, POST, NONE, {post_publish, NEED_NOTHING}, NONE},
    {{"health"}, 1, READ, {get_health, NEED_NOTHING}, NONE, NONE},
    {{"ready"}, 1, READ, {get_ready, NEED_NOTHING}, NONE, NONE},
    {{"stats"}, 1, READ, {get_stats, NEED_READ}, NONE, NONE},
    {{"metrics"}, 1, READ, {get_metrics, NEED_READ}, NONE, NONE},
    {{"channels"}, 1, READ, {get_channels, NEED_READ}, NONE, NONE},
    {{"channels", "*"}, 2, READ, {get_channel, NEED_READ}, NONE, NONE},
    {{"channels", "*", "history"}, 3, READ, {get_history, NEED_CLIENT}, NONE, NONE},
    {{"channels", "*", "presence"}, 3, READ, {get_presence, NEED_CLIENT}, NONE, NONE},
    {{"channels", "*", "reads"}, 3, READ, {get_reads, NEED_CLIENT}, NONE, NONE},
    {{"users", "*"},
     2,
     "GET, HEAD, DELETE, OPTIONS",
     {get_user, NEED_READ},
     NONE,
     {delete_user, NEED_ADMIN}},
    {{"users", "*", "unread"}, 3, READ, {get_unread, NEED_CLIENT}, NONE, NONE},
    {{"ack"}, 1, POST, NONE, {post_ack, NEED_NOTHING}, NONE},
    {{"info"}, 1, POST, NONE, {post_info, NEED_NOTHING}, NONE},
    {{"typing"}, 1, POST, NONE, {post_typing, NEED_NOTHING}, NONE},
    {{"read"}, 1, POST, NONE, {post_read, NEED_NOTHING}, NONE},
    {{"tickets"}, 1, POST, NONE, {post_ticket, NEED_TICKETS}, NONE},
    {{"revocations"},
     1,
     "GET, HEAD, POST, DELETE, OPTIONS",
     {get_revocations, NEED_READ},
     {post_revocation, NEED_ADMIN},
     {delete_revocation, NEED_ADMIN}},
    {{"clients"}, 1, READ, {get_clients, NEED_READ}, NONE, NONE},
    {{"clients", "*"},
     2,
     "GET, HEAD, DELETE, OPTIONS",
     {get_client, NEED_READ},
     NONE,
     {delete_client, NEED_ADMIN}},
    {{"clients", "*", "messages"}, 3, POST, NONE, {post_client_message, NEED_USERS}, NONE},
    {{"clients", "*", "token"}, 3, POST, NONE, {post_client_token, NEED_NOTHING}, NONE},
};
static const struct route websocket = {{NULL}, 0,   "GET, OPTIONS", {get_ws, NEED_CLIENT},
                                       NONE,   NONE};
static const struct route playground = {{NULL}, 0,   READ, {get_playground, NEED_NOTHING},
                                        NONE,   NONE};
static const struct route room = {{"room"}, 1, READ, {get_room, NEED_NOTHING}, NONE, NONE};

static bool matches(const struct route *r, const struct target *t)
{
    if (r->n != t->nsegments) {
        return false;
    }
    for (unsigned i = 0; i < r->n; i++) {
        if (strcmp(r->segments[i], "*") != 0 && !str_eqz(t->segments[i], r->segments[i])) {
            return false;
        }
    }
    return true;
}

const struct route *route_find(const struct request *rq)
{
    const struct options *opt = rq->srv->env->opt;
    size_t path = strcspn(rq->raw, "?");

    if (str_eqz((struct str){rq->raw, path}, opt->ws_path)) {
        return &websocket;
    }
    if (rq->target.nsegments == 0) {
        return opt->demo ? &playground : NULL;
    }
    if (opt->demo && matches(&room, &rq->target)) {
        return &room;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (matches(&routes[i], &rq->target)) {
            return &routes[i];
        }
    }
    return NULL;
}

static const struct verb *find_verb(const struct route *route, const char *method)
{
    if (strcmp(method, "GET") == 0 || (strcmp(method, "HEAD") == 0 && route != &websocket)) {
        return &route->get;
    }
    if (strcmp(method, "POST") == 0) {
        return &route->post;
    }
    return strcmp(method, "DELETE") == 0 ? &route->del : NULL;
}

endpoint_fn *route_endpoint(const struct route *route, const char *method)
{
    const struct verb *v = find_verb(route, method);

    return v ? v->endpoint : NULL;
}

int route_admits(struct request *rq, enum MHD_Result *result)
{
    rq->stream = rq->endpoint == get_events;
    return credential_check(rq, find_verb(rq->route, rq->method)->need, rq->route == &websocket,
                            result);
}

const char *route_methods(const struct route *route)
{
    return route->methods;
}
