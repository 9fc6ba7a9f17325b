/* Who a request is from: the connection's peer, or, if that is a trusted proxy, whom its
 * header names. */
#include "http/request_private.h"

#include "proto/forwarded.h"

#include <strings.h>

/* Of more lines the last ones count: the walk begins there. */
#define LINES_MAX 32

struct header_lines {
    const char *name;
    struct str v[LINES_MAX];
    unsigned n;
};

static enum MHD_Result add_line(void *cls, enum MHD_ValueKind kind, const char *key,
                                const char *value)
{
    struct header_lines *l = cls;

    (void)kind;
    if (strcasecmp(key, l->name) == 0) {
        if (l->n == LINES_MAX) {
            memmove(l->v, l->v + 1, sizeof(l->v) - sizeof(l->v[0]));
            l->n--;
        }
        l->v[l->n++] = str_of(value);
    }
    return MHD_YES;
}

static enum forwarded_end walk(struct request *rq, const char *name, enum forwarded_syntax syntax,
                               struct netaddr *out)
{
    struct header_lines l = {.name = name};

    *out = (struct netaddr){0};
    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, add_line, &l);
    return forwarded_walk(syntax, l.v, l.n, &rq->srv->proxies, out);
}

static bool same_address(const struct netaddr *a, const struct netaddr *b)
{
    return a->kind == b->kind && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* A proxy that writes one of the headers passes the other one on as the client wrote it: if
 * both are there and do not say the same, neither can be believed. */
static enum forwarded_end ask_headers(struct request *rq, struct netaddr *out)
{
    struct netaddr old;
    enum forwarded_end end = walk(rq, "Forwarded", FORWARDED_FOR, out);
    enum forwarded_end old_end = walk(rq, "X-Forwarded-For", X_FORWARDED_FOR, &old);

    if (end == FORWARDED_NONE) {
        *out = old;
        return old_end;
    }
    if (old_end != FORWARDED_NONE && (old_end != end || !same_address(&old, out))) {
        return FORWARDED_BAD;
    }
    return end;
}

static void note_bad(struct request *rq)
{
    struct conn_env *env = rq->srv->env;
    char peer[PEER_TEXT_MAX];

    metrics_inc(env->metrics, METRIC_FORWARDED_BAD);
    if (conn_env_may_log(env, LOG_KIND_FORWARDED)) {
        log_warn(env->log,
                 "a trusted proxy's Forwarded or X-Forwarded-For names no client: malformed, "
                 "hidden, or one contradicts the other",
                 "peer", peer_text(&rq->hc->peer, peer));
    }
}

void request_name_client(struct request *rq)
{
    struct netaddr a;

    rq->client = rq->hc->peer;
    rq->client.counted = 0;
    if (!rq->srv->proxies.n || !http_server_trusts(rq->srv, &rq->hc->peer)) {
        return;
    }
    if (rq->hc->nameless) { /* a proxy that speaks PROXY may pass headers on untouched */
        rq->from_proxy = true;
        return;
    }
    switch (ask_headers(rq, &a)) {
    case FORWARDED_NONE: /* the proxy's own, such as its health checks */
        rq->from_proxy = true;
        return;
    case FORWARDED_TRUSTED:
        rq->from_proxy = true;
        break;
    case FORWARDED_CLIENT:
        rq->behind_proxy = true;
        break;
    case FORWARDED_BAD: /* limits see one client in all of these */
        rq->behind_proxy = true;
        note_bad(rq);
        return;
    }
    rq->client = peer_of_addr(&a);
}
