#include "http/stream_query.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "http/asking.h"
#include "http/throttle.h"
#include "proto/name.h"

#include <stdio.h>
#include <stdlib.h>

/* Longer user agents are cut: they are shown to people, no more. */
#define AGENT_MAX 256

void stream_start_free(void *start)
{
    struct stream_start *st = start;

    throttle_give_back(st);
    target_fini(&st->target);
    free(st->names);
    free(st->signed_names);
    grant_unref(st->intro.grant);
    free(st->meta);
    free(st->info);
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

static int refuse_403(struct request *rq, enum MHD_Result *result, const char *code,
                      const char *field, const char *detail)
{
    *result = respond_forbidden(rq, code, field, detail);
    return ERR_INVALID;
}

static int refuse_name(struct request *rq, struct str name, enum MHD_Result *result)
{
    struct errmsg why;
    char shown[NAME_SHOW_MAX];
    (void)errmsg_set(&why, 0,
                     "this credential does not permit to subscribe to \"%s\"; its token's "
                     "channels, or a signed name, can",
                     name_show(name, shown));
    return refuse_403(rq, result, "forbidden_channel", "channel", why.text);
}

/* A channel parameter is a name, or a name with a signature that permits it. */
static int read_name(struct request *rq, struct str text, struct str *name, bool *is_signed,
                     enum MHD_Result *result)
{
    struct auth *auth = rq->srv->shared->auth;
    enum auth_outcome outcome = AUTH_OK;
    struct errmsg why;
    int rc;

    *name = text;
    *is_signed = false;
    if (auth && !auth_is_open(auth)) {
        outcome = auth_channel(auth, text, clock_real_ms(), name, is_signed, &why);
    }
    if (outcome == AUTH_EXPIRED) {
        return refuse_403(rq, result, "signature_expired", "channel", why.text);
    }
    if (outcome != AUTH_OK) {
        return refuse_403(rq, result, "bad_signature", "channel", why.text);
    }
    if (*is_signed && name_is_pattern(*name)) {
        return refuse_403(rq, result, "bad_signature", "channel",
                          "a signature is for one channel, not for a pattern");
    }
    rc = name_check_subscription(*name, &why);
    if (rc != 0) {
        return refuse(rq, result, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel",
                      "channel", why.text);
    }
    if (*is_signed || permit_subscribe(rq->srv->env->opt, rq->grant, *name)) {
        return 0;
    }
    if (!asking_may_subscribe(rq, *name) || asking_result(rq, *name) == ASKED_NOT) {
        return refuse_name(rq, *name, result);
    }
    *is_signed = rq->asked == ASKED_YES; /* it counts as long as a signature would */
    if (!*is_signed) {
        *result = respond_asked(rq, "channel");
    }
    return *is_signed ? 0 : ERR_INVALID;
}

static int read_channels(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct target *t = &st->target;
    unsigned max = rq->srv->env->opt->max_channels;
    struct errmsg why;
    struct str name;
    bool is_signed;

    st->names = calloc(t->nparams + 1, sizeof(struct str));
    st->signed_names = calloc(t->nparams + 1, sizeof(struct str));
    if (!st->names || !st->signed_names) {
        *result = respond_nomem(rq);
        return ERR_NOMEM;
    }
    st->intro.names = st->names;
    st->intro.signed_names = st->signed_names;
    for (const struct param *p = target_param(t, "channel"); p; p = target_next(t, p)) {
        if (read_name(rq, p->value, &name, &is_signed, result) != 0) {
            return ERR_INVALID;
        }
        if (is_signed) {
            st->signed_names[st->intro.nsigned++] = name;
        }
        if (str_among(name, st->names, st->intro.nnames)) {
            continue;
        }
        if (st->intro.nnames == max) {
            note_size(rq, "max-channels-per-client");
            snprintf(why.text, sizeof(why.text),
                     "a client may subscribe to %u channels (max-channels-per-client)", max);
            return refuse(rq, result, "too_many_channels", "channel", why.text);
        }
        st->names[st->intro.nnames++] = name;
    }
    return 0;
}

/* A parameter that is JSON: *root until the server's next parse, *text minified (taken). */
static int read_json(struct request *rq, const char *name, struct str value, uint64_t max,
                     const struct json_node **root, char **text, size_t *len,
                     enum MHD_Result *result)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 0, .max_nodes = 8};
    char code[16], option[16], why[256];
    struct json_error err;
    struct strbuf sb = STRBUF_INIT;
    int rc = json_parse(rq->srv->doc, value, &limits, root, &err);

    snprintf(code, sizeof(code), "bad_%s", name);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        snprintf(why, sizeof(why), "%s is not JSON: byte %zu: %s", name, err.offset, err.text);
        return refuse(rq, result, code, name, why);
    }
    if (rc == 0) {
        json_minify(&sb, (*root)->raw);
        *text = strbuf_steal(&sb, len);
    }
    if (rc != 0 || !*text) {
        *result = respond_nomem(rq);
        return ERR_NOMEM;
    }
    if (*len > max) {
        snprintf(option, sizeof(option), "max-%s", name);
        note_size(rq, option);
        snprintf(why, sizeof(why), "%s has %zu bytes; %llu are allowed (%s)", name, *len,
                 (unsigned long long)max, option);
        return refuse(rq, result, code, name, why);
    }
    return 0;
}

static int read_meta(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct param *p = target_param(&st->target, "meta");
    const struct json_node *root;
    size_t len = 0;
    int rc;

    if (!p || p->value.len == 0) {
        st->intro.meta = rq->grant->s.meta;
        return 0;
    }
    if (rq->grant->s.meta.len) {
        return refuse_403(rq, result, "not_permitted", "meta",
                          "the credential says what this client's metadata is");
    }
    rc = read_json(rq, "meta", p->value, rq->srv->env->opt->max_meta, &root, &st->meta, &len,
                   result);
    if (rc == 0 && root->type != JSON_OBJECT) {
        rc = refuse(rq, result, "bad_meta", "meta", "meta must be a JSON object");
    }
    st->intro.meta = (struct str){st->meta, len};
    return rc;
}

/* What others see of the user; after read_user. */
static int read_info(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct param *p = target_param(&st->target, "info");
    struct problem nobody = {.status = 422,
                             .code = "no_user",
                             .field = "info",
                             .detail = "without a user nobody is shown, and there is no info"};
    const struct json_node *root;
    size_t len = 0;
    int rc;

    if (!p || p->value.len == 0) {
        return 0; /* the credential's, if it has one */
    }
    if (rq->grant->s.info.len) {
        return refuse_403(rq, result, "not_permitted", "info",
                          "the credential says what this client's info is");
    }
    if (st->intro.user.len == 0) {
        *result = respond_problem(rq, &nobody);
        return ERR_INVALID;
    }
    rc = read_json(rq, "info", p->value, rq->srv->env->opt->max_info, &root, &st->info, &len,
                   result);
    st->intro.info = (struct str){st->info, len};
    return rc;
}

static int read_reads(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct param *p = target_param(&st->target, "reads");

    if (!p || p->value.len == 0 || str_eqz(p->value, "false")) {
        return 0;
    }
    if (!str_eqz(p->value, "true")) {
        return refuse(rq, result, "bad_parameter", "reads", "reads must be true or false");
    }
    st->intro.reads = true;
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

/* The user is the credential's. Only a backend may be anybody. */
static int read_user(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct grant_spec *g = &rq->grant->s;
    const struct param *p = target_param(&st->target, "userId");
    struct errmsg why;

    st->intro.user = g->user;
    if (!p) {
        return 0;
    }
    if (name_check_user(p->value, &why) != 0) {
        return refuse(rq, result, "bad_user", "userId", why.text);
    }
    if (!permit_right(rq->grant, RIGHT_READ) && !str_eq(p->value, g->user)) {
        return refuse_403(rq, result, "forbidden_user", "userId",
                          "userId must be the user of the credential, or be left out");
    }
    st->intro.user = p->value;
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
    st->behind_proxy = rq->behind_proxy || rq->from_proxy;
    st->intro.peer = st->behind_proxy ? rq->client : rq->hc->peer;
    st->intro.from_proxy = rq->from_proxy;
    st->target = rq->target;
    rq->target = (struct target){0};
    st->intro.grant = grant_ref(rq->grant);
    if (read_channels(rq, st, result) != 0 || read_user(rq, st, result) != 0 ||
        read_position(rq, st, sse, result) != 0 || read_meta(rq, st, result) != 0 ||
        read_info(rq, st, result) != 0 || read_reads(rq, st, result) != 0 ||
        read_agent(rq, st, result) != 0) {
        stream_start_free(st);
        return ERR_INVALID;
    }
    if (throttle_stream(rq, st, result) != 0) {
        stream_start_free(st);
        return ERR_LIMIT;
    }
    *out = st;
    return 0;
}
