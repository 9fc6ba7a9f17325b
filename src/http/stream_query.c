#include "http/stream_query.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "proto/name.h"

#include <stdio.h>
#include <stdlib.h>

/* Longer user agents are cut: they are shown to people, no more. */
#define AGENT_MAX 256

void stream_start_free(void *start)
{
    struct stream_start *st = start;

    target_fini(&st->target);
    free(st->names);
    free(st->meta);
    free(st->agent);
    free(st);
}

static int refuse(struct request *rq, enum MHD_Result *result, const char *code, const char *field,
                  const char *detail)
{
    struct problem p = {.status = 400, .code = code, .field = field, .detail = detail};

    *result = respond_problem(rq, &p);
    return ERR_INVALID;
}

static bool contains(const struct str *v, unsigned n, struct str s)
{
    for (unsigned i = 0; i < n; i++) {
        if (str_eq(v[i], s)) {
            return true;
        }
    }
    return false;
}

static int read_channels(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct target *t = &st->target;
    unsigned max = rq->srv->env->opt->max_channels;
    struct errmsg why;

    st->names = calloc(t->nparams + 1, sizeof(struct str));
    if (!st->names) {
        *result = respond_nomem(rq);
        return ERR_NOMEM;
    }
    st->intro.names = st->names;
    for (const struct param *p = target_param(t, "channel"); p; p = target_next(t, p)) {
        int rc = name_check_subscription(p->value, &why);
        if (rc != 0) {
            return refuse(rq, result, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel",
                          "channel", why.text);
        }
        if (contains(st->names, st->intro.nnames, p->value)) {
            continue;
        }
        if (st->intro.nnames == max) {
            snprintf(why.text, sizeof(why.text),
                     "a client may subscribe to %u channels (max-channels-per-client)", max);
            return refuse(rq, result, "too_many_channels", "channel", why.text);
        }
        st->names[st->intro.nnames++] = p->value;
    }
    return 0;
}

static int read_meta(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 0, .max_nodes = 8};
    const struct param *p = target_param(&st->target, "meta");
    const struct json_node *root;
    struct json_error err;
    struct strbuf sb = STRBUF_INIT;
    char why[256];
    size_t len;
    int rc;

    if (!p || p->value.len == 0) {
        return 0;
    }
    rc = json_parse(rq->srv->doc, p->value, &limits, &root, &err);
    if (rc == ERR_NOMEM) {
        *result = respond_nomem(rq);
        return rc;
    }
    if (rc != 0) {
        snprintf(why, sizeof(why), "meta is not JSON: byte %zu: %s", err.offset, err.text);
        return refuse(rq, result, "bad_meta", "meta", why);
    }
    if (root->type != JSON_OBJECT) {
        return refuse(rq, result, "bad_meta", "meta", "meta must be a JSON object");
    }
    json_minify(&sb, root->raw);
    len = sb.len;
    st->meta = strbuf_steal(&sb, NULL);
    if (!st->meta) {
        *result = respond_nomem(rq);
        return ERR_NOMEM;
    }
    if (len > rq->srv->env->opt->max_meta) {
        snprintf(why, sizeof(why), "meta has %zu bytes; %llu are allowed (max-meta)", len,
                 (unsigned long long)rq->srv->env->opt->max_meta);
        return refuse(rq, result, "bad_meta", "meta", why);
    }
    st->intro.meta = (struct str){st->meta, len};
    return 0;
}

/* The parameter that says where to begin; an empty one counts as absent. */
struct asked {
    const char *name; /* NULL: none */
    struct str value;
    const char *second; /* name of one that is too many, or NULL */
};

static struct asked find_position(const struct target *t)
{
    static const char *const names[] = {"lastEventId", "after", "since", "history"};
    struct asked a = {NULL, STR_NONE, NULL};

    for (unsigned i = 0; i < t->nparams; i++) {
        const struct param *p = &t->params[i];
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]) && p->value.len; k++) {
            if (!str_eqz(p->name, names[k])) {
                continue;
            }
            if (a.name) {
                a.second = names[k];
                return a;
            }
            a.name = names[k];
            a.value = p->value;
        }
    }
    return a;
}

static int parse_position(const struct asked *a, struct position *out, const char **code,
                          struct errmsg *why)
{
    if (strcmp(a->name, "since") == 0) {
        *code = "bad_since";
        return position_parse_since(a->value, clock_real_ms(), out, why);
    }
    if (strcmp(a->name, "history") == 0) {
        *code = "bad_history";
        return position_parse_history(a->value, out, why);
    }
    *code = "bad_cursor";
    return position_parse_after(a->value, out, why);
}

/* The header wins: on a reconnection the URL still has the old value. */
static int read_position(struct request *rq, struct stream_start *st, bool sse,
                         enum MHD_Result *result)
{
    struct str header = sse ? request_header_one(rq, "Last-Event-ID") : STR_NONE;
    struct asked a = find_position(&st->target);
    const char *code;
    struct errmsg why;

    if (header.len) {
        position_of_header(header, &st->intro.position);
        return 0;
    }
    if (a.second) {
        return refuse(rq, result, "conflicting_parameters", a.second,
                      "only one of lastEventId, after, since and history may stand here, once");
    }
    if (a.name && parse_position(&a, &st->intro.position, &code, &why) != 0) {
        return refuse(rq, result, code, a.name, why.text);
    }
    return 0;
}

static int read_user(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct param *p = target_param(&st->target, "userId");
    struct errmsg why;

    if (p && name_check_user(p->value, &why) != 0) {
        return refuse(rq, result, "bad_user", "userId", why.text);
    }
    if (p) {
        st->intro.user = p->value;
    }
    return 0;
}

static int read_agent(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    struct str agent = request_header_one(rq, "User-Agent");

    if (agent.len && utf8_printable(agent)) {
        agent.len = utf8_clip(agent, AGENT_MAX);
        st->agent = strndup(agent.p, agent.len);
        if (!st->agent) {
            *result = respond_nomem(rq);
            return ERR_NOMEM;
        }
        st->intro.user_agent = str_of(st->agent);
    }
    return 0;
}

bool stream_may_start(struct request *rq, enum MHD_Result *result)
{
    struct http_server *srv = rq->srv;

    if (rq->woken) {
        return true;
    }
    if (srv->starts) {
        srv->starts--;
        return true;
    }
    rq->state = REQ_WAITING;
    rq->finish = rq->endpoint;
    rq->next = NULL;
    *srv->line_end = rq;
    srv->line_end = &rq->next;
    MHD_suspend_connection(rq->mhd);
    *result = MHD_YES;
    return false;
}

void stream_line_move(struct http_server *srv, unsigned n)
{
    for (; srv->line && n; n--) {
        struct request *rq = srv->line;
        srv->line = rq->next;
        if (!srv->line) {
            srv->line_end = &srv->line;
        }
        if (srv->starts) {
            srv->starts--;
        }
        rq->woken = true;
        srv->again = true;
        MHD_resume_connection(rq->mhd);
    }
}

int stream_start_new(struct request *rq, bool sse, struct stream_start **out,
                     enum MHD_Result *result)
{
    struct stream_start *st;

    if (atomic_load(&rq->srv->shared->draining)) {
        *result = respond_refused(rq, 503, "draining",
                                  "the gateway is shutting down; come back in a moment");
        return ERR_CLOSED;
    }
    if ((rq->hc->over == LIMIT_CONNECTIONS && !limits_exceeded(&rq->srv->shared->limits)) ||
        (rq->hc->over == LIMIT_DESCRIPTORS && !rq->srv->starved)) {
        rq->hc->over = LIMIT_NONE; /* others have left since it came */
    }
    if (rq->hc->over != LIMIT_NONE || rq->srv->starved) {
        *result = refuse_over_limit(rq);
        return ERR_LIMIT;
    }
    st = calloc(1, sizeof(*st));
    if (!st) {
        *result = respond_nomem(rq);
        return ERR_NOMEM;
    }
    st->srv = rq->srv;
    st->hc = rq->hc;
    st->intro.peer = rq->hc->peer;
    st->target = rq->target;
    rq->target = (struct target){0};
    if (read_channels(rq, st, result) != 0 || read_user(rq, st, result) != 0 ||
        read_position(rq, st, sse, result) != 0 || read_meta(rq, st, result) != 0 ||
        read_agent(rq, st, result) != 0) {
        stream_start_free(st);
        return ERR_INVALID;
    }
    *out = st;
    return 0;
}
