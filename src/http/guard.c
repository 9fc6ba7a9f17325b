/* Who may ask at all: the Host and Origin rules (docs/protocol.md, "Origin, Host and
 * CORS"). In open mode they keep a web page that an administrator happens to visit from
 * using a gateway on the administrator's machine; with keys they keep other sites' pages
 * from using a browser's cookie. */
#include "http/request.h"

#include "proto/origin.h"

#include <strings.h>

static bool listed_host(const struct opt_list *list, struct str host)
{
    for (unsigned i = 0; i < list->n; i++) {
        struct origin o;
        if (str_eqz(host, list->items[i])) {
            return true;
        }
        if (origin_parse(str_of(list->items[i]), &o) == 0) {
            struct origin h;
            if (origin_parse_host(host, &h) == 0 && o.host.len == h.host.len &&
                strncasecmp(o.host.p, h.host.p, h.host.len) == 0) {
                return true; /* a proxy that passes the public Host on */
            }
        }
    }
    return false;
}

static bool host_is_ours(const struct request *rq, struct str host)
{
    const struct http_shared *shared = rq->srv->shared;
    struct origin h;

    if (rq->hc->peer.kind == PEER_UNIX) {
        return true; /* no browser can be made to connect to it */
    }
    if (origin_parse_host(host, &h) != 0) {
        return false;
    }
    return shared->open_hosts || origin_is_loopback(h.host) || listed_host(&shared->hosts, host) ||
           listed_host(&rq->srv->env->opt->allow_origin, host);
}

enum origin_rank { FOREIGN, ANY_ORIGIN, NAMED };

/* To the browser: by our own TLS, or by that of a proxy that is trusted. */
static bool is_secure(struct request *rq)
{
    return rq->hc->secure ||
           (rq->behind_proxy && str_eqz(request_header_one(rq, "X-Forwarded-Proto"), "https"));
}

static bool is_own_origin(struct request *rq, const struct origin *o, struct str host)
{
    struct origin h;

    if (origin_parse_host(host, &h) != 0) {
        return false;
    }
    if (!str_eqz(o->scheme, "https") && is_secure(rq)) {
        return false; /* who can write into plain HTTP of this name is somebody else */
    }
    h.scheme = o->scheme;
    if (h.port == 0) {
        h.port = str_eqz(o->scheme, "https") ? 443 : 80;
    }
    return origin_same(o, &h);
}

/* `open`: the gateway is for this machine alone, so its own pages may use it. */
static enum origin_rank rank_of_origin(struct request *rq, struct str text, struct str host,
                                       bool open)
{
    const struct opt_list *list = &rq->srv->env->opt->allow_origin;
    enum origin_rank found = FOREIGN;
    struct origin o, h;
    bool parsed = origin_parse(text, &o) == 0; /* "null" is not */

    if (parsed && ((open && origin_is_loopback(o.host)) || is_own_origin(rq, &o, host))) {
        return NAMED;
    }
    for (unsigned i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], "*") == 0) {
            found = ANY_ORIGIN;
        } else if (parsed && origin_parse(str_of(list->items[i]), &h) == 0 && origin_same(&o, &h)) {
            return NAMED;
        }
    }
    return found;
}

int guard(struct request *rq, enum MHD_Result *result)
{
    unsigned hosts, origins;
    struct str host = request_header(rq, "Host", &hosts);
    struct str origin = request_header(rq, "Origin", &origins);
    bool open = !rq->srv->shared->auth || auth_is_open(rq->srv->shared->auth);
    enum origin_rank standing = NAMED;
    struct problem p = {.status = 403};

    rq->close = true; /* unless it passes */
    if (hosts > 1 || origins > 1) {
        p = (struct problem){
            .status = 400, .code = "bad_request", .detail = "Host and Origin may stand only once"};
        *result = respond_problem(rq, &p);
        return ERR_INVALID;
    }
    if (host.len == 0 && hosts == 0 && strcmp(rq->version, "HTTP/1.0") == 0) {
        host = STR_LIT("localhost"); /* HTTP/1.0 knows no Host; no browser speaks it */
    }
    if (origins) {
        standing = rank_of_origin(rq, origin, host, open);
    }
    if (open && !host_is_ours(rq, host)) {
        p.code = "forbidden_host";
        p.detail = "this Host is not the gateway's: use a loopback name or the address it "
                   "listens on, or name the site with --allow-origin";
    } else if (standing == FOREIGN) {
        p.code = "forbidden_origin";
        p.detail = "pages of this Origin may not use the gateway; --allow-origin can permit it";
    } else {
        rq->origin = origin;
        rq->origin_named = standing == NAMED;
        rq->close = false;
        return 0;
    }
    *result = respond_problem(rq, &p);
    return ERR_INVALID;
}
