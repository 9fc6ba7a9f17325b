/* The table of routes. */
#include "http/request_private.h"

struct route {
    const char *segments[3]; /* "*" takes any */
    unsigned n;
    endpoint_fn *get, *post, *del;
    const char *methods;
};

#define READ "GET, HEAD, OPTIONS"

static const struct route routes[] = {
    {{"events"}, 1, get_events, NULL, NULL, READ},
    {{"broadcast"}, 1, NULL, post_broadcast, NULL, "POST, OPTIONS"},
    {{"health"}, 1, get_health, NULL, NULL, READ},
    {{"ready"}, 1, get_ready, NULL, NULL, READ},
    {{"stats"}, 1, get_stats, NULL, NULL, READ},
    {{"metrics"}, 1, get_metrics, NULL, NULL, READ},
    {{"channels"}, 1, get_channels, NULL, NULL, READ},
    {{"channels", "*"}, 2, get_channel, NULL, NULL, READ},
    {{"channels", "*", "history"}, 3, get_history, NULL, NULL, READ},
    {{"users", "*"}, 2, get_user, NULL, NULL, READ},
    {{"ack"}, 1, NULL, post_ack, NULL, "POST, OPTIONS"},
    {{"clients"}, 1, get_clients, NULL, NULL, READ},
    {{"clients", "*"}, 2, get_client, NULL, delete_client, "GET, HEAD, DELETE, OPTIONS"},
    {{"clients", "*", "messages"}, 3, NULL, post_client_message, NULL, "POST, OPTIONS"},
};
static const struct route websocket = {{NULL}, 0, get_ws, NULL, NULL, "GET, OPTIONS"};
static const struct route playground = {{NULL}, 0, get_playground, NULL, NULL, READ};

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
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (matches(&routes[i], &rq->target)) {
            return &routes[i];
        }
    }
    return NULL;
}

endpoint_fn *route_endpoint(const struct route *route, const char *method)
{
    if (strcmp(method, "GET") == 0 || (strcmp(method, "HEAD") == 0 && route != &websocket)) {
        return route->get;
    }
    if (strcmp(method, "POST") == 0) {
        return route->post;
    }
    return strcmp(method, "DELETE") == 0 ? route->del : NULL;
}

const char *route_methods(const struct route *route)
{
    return route->methods;
}
