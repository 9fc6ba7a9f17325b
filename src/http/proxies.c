/* Whom the gateway believes who a client is: --trusted-proxy. */
#include "http/server.h"

void http_server_options(struct http_server *srv)
{
    const struct opt_list *l = &srv->env->opt->trusted_proxy;
    struct cidr_set set;

    if (cidr_set_make(l->items, l->n, &set) != 0) { /* its form was checked before */
        log_error(srv->env->log, "out of memory: the old list of trusted proxies stays");
        return;
    }
    cidr_set_fini(&srv->proxies);
    srv->proxies = set;
}

bool http_server_trusts(const struct http_server *srv, const struct peer *peer)
{
    struct netaddr a = peer_addr(peer);

    return cidr_set_match(&srv->proxies, &a);
}
