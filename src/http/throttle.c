#include "http/throttle.h"

#include "base/clock.h"
#include "conn/load.h"
#include "http/publishing.h"

static void note(const struct request *rq, enum metric metric, const char *option, struct str who)
{
    note_limit(rq->srv->env, &rq->client, metric, option, who);
}

static unsigned retry_seconds(uint64_t wait_ms)
{
    return wait_ms > 86400000 ? 86400 : (unsigned)((wait_ms + 999) / 1000);
}

/* An address as a name of a bucket, in `network`. */
static struct str address(const struct peer *peer, struct peer *network)
{
    *network = peer_network(peer);
    return (struct str){(const char *)network, sizeof(*network)};
}

/* ---- bad credentials ---- */

static struct rate_use failures(const struct options *opt, const struct peer *client,
                                struct peer *network)
{
    return (struct rate_use){
        .kind = RATE_AUTH,
        .who = address(client, network),
        .limit = {.count = opt->auth_failure_rate, .window_ms = opt->rate_window},
        .count = 1};
}

/* Unix peers have no address: one program's mistakes are not another one's. */
static bool has_failures(const struct peer *client, bool from_proxy)
{
    return !from_proxy && client->kind != PEER_UNIX;
}

/* How long nothing more is taken from the address; 0: it is. */
static uint64_t auth_wait(struct http_server *srv, const struct peer *client, bool from_proxy)
{
    struct rates *r = &srv->shared->rates;
    struct rate_over over;
    struct peer network;
    struct rate_use u;

    if (!rates_any(r, RATE_AUTH) || !has_failures(client, from_proxy)) {
        return 0;
    }
    u = failures(srv->env->opt, client, &network);
    if (rates_may(r, &u, srv->env->now_ms, &over)) {
        return 0;
    }
    note_limit(srv->env, client, METRIC_LIMITED_FAILURES, "auth-failure-rate", STR_NONE);
    return over.wait_ms ? over.wait_ms : 1;
}

static void auth_failed(struct http_server *srv, const struct peer *client, bool from_proxy)
{
    struct peer network;
    struct rate_use u = failures(srv->env->opt, client, &network);

    if (has_failures(client, from_proxy)) {
        rates_charge(&srv->shared->rates, &u, srv->env->now_ms);
    }
}

int throttle_auth(struct request *rq, enum MHD_Result *result)
{
    uint64_t wait = auth_wait(rq->srv, &rq->client, rq->from_proxy);

    if (!wait) {
        return 0;
    }
    *result = respond_refused_for(rq, 429, "too_many_failures",
                                  "too many bad credentials came from this address "
                                  "(auth-failure-rate); come back later",
                                  wait);
    return ERR_LIMIT;
}

void throttle_auth_failed(struct request *rq)
{
    auth_failed(rq->srv, &rq->client, rq->from_proxy);
}

uint64_t throttle_token_wait(struct http_server *srv, const struct stream *s)
{
    return auth_wait(srv, &s->peer, s->from_proxy);
}

void throttle_token_failed(struct http_server *srv, const struct stream *s)
{
    auth_failed(srv, &s->peer, s->from_proxy);
}

/* ---- publications ---- */

/* Everything is asked before anything is charged: a publication that one limit refuses takes
 * nothing from the others. */
struct publishing {
    const struct publisher *pb;
    const struct publish *p;
    size_t bytes;
    bool charge; /* the second time */
    const char *option;
    struct str who;
    struct rate_over over;
};

static bool ask(struct publishing *q, const struct rate_use *u, const char *count,
                const char *bytes)
{
    struct rates *r = &q->pb->srv->shared->rates;
    uint64_t now = q->pb->srv->env->now_ms;

    if (q->charge) {
        rates_charge(r, u, now);
    } else if (!rates_may(r, u, now, &q->over)) {
        q->option = q->over.bytes ? bytes : count;
        q->who = u->who;
        return false;
    }
    return true;
}

static bool ask_publisher(struct publishing *q)
{
    const struct grant *g = q->pb->grant;
    const struct options *opt = q->pb->srv->env->opt;
    struct rate_use u = {.limit = {opt->publish_rate, opt->publish_bytes, opt->rate_window},
                         .count = q->p->count,
                         .bytes = (uint64_t)q->bytes * q->p->count};
    struct peer network;

    if (!opt->publish_rate && !opt->publish_bytes) {
        return true;
    }
    if (g->s.kind == GRANT_KEY) {
        u.kind = RATE_PUBLISH_KEY;
        u.who = g->s.id;
    } else if (g->s.user.len) {
        u.kind = RATE_PUBLISH_USER;
        u.who = g->s.user;
    } else if (q->pb->from_proxy) {
        return true;
    } else {
        u.kind = RATE_PUBLISH_PEER;
        u.who = address(q->pb->peer, &network);
    }
    if (!ask(q, &u, "publish-rate", "publish-bytes")) {
        q->who = u.kind == RATE_PUBLISH_PEER ? STR_NONE : u.who;
        return false;
    }
    return true;
}

static unsigned count_targets(const struct publish *p, struct str prefix)
{
    const struct json_node *n = p->list;
    unsigned count = 0;

    if (!p->several) {
        return str_starts(p->one, prefix);
    }
    for (; n; n = n->next) {
        count += str_starts(n->text, prefix);
    }
    return count;
}

static bool ask_prefixes(struct publishing *q)
{
    const struct options *opt = q->pb->srv->env->opt;
    struct rate_rule rule;

    for (unsigned i = 0; i < opt->rate_for.n && q->p->kind == TARGET_CHANNEL; i++) {
        struct rate_use u = {.kind = RATE_PREFIX};
        if (options_parse_rate_rule(opt->rate_for.items[i], &rule, NULL) != 0) {
            continue; /* was checked before */
        }
        u.count = count_targets(q->p, rule.prefix);
        u.bytes = u.count * q->bytes;
        u.who = rule.prefix;
        u.limit = (struct rate_limit){rule.count, rule.bytes, opt->rate_window};
        if (u.count && !ask(q, &u, "rate-for", "rate-for")) {
            return false;
        }
    }
    return true;
}

bool throttle_publication(const struct publisher *pb, const struct publish *p, size_t bytes,
                          struct refusal *r)
{
    const struct options *opt = pb->srv->env->opt;
    struct publishing q = {.pb = pb, .p = p, .bytes = bytes};

    if (!opt->publish_rate && !opt->publish_bytes && !opt->rate_for.n) {
        return true;
    }
    if (!ask_publisher(&q) || !ask_prefixes(&q)) {
        note_limit(pb->srv->env, pb->peer, METRIC_LIMITED_PUBLISH, q.option, q.who);
        r->retry_ms = q.over.wait_ms;
        (void)errmsg_set(&r->text, 0, "more is published than %s allows; try again in %llu ms",
                         q.option, (unsigned long long)q.over.wait_ms);
        r->problem = (struct problem){.status = 429,
                                      .code = "rate_limited",
                                      .detail = r->text.text,
                                      .retry_after_s = retry_seconds(q.over.wait_ms)};
        return false;
    }
    q.charge = true;
    return ask_publisher(&q) && ask_prefixes(&q);
}

/* ---- what is read ---- */

static int refuse(struct request *rq, enum MHD_Result *result, const char *code, const char *detail,
                  uint64_t wait_ms)
{
    *result = respond_refused_for(rq, 429, code, detail, wait_ms);
    return ERR_LIMIT;
}

/* Whose reading it is; false: nobody's who is limited. */
static bool reader(struct request *rq, struct peer *network, struct rate_use *u)
{
    const struct options *opt = rq->srv->env->opt;
    const struct grant_spec *g = &rq->grant->s;

    if ((!opt->read_rate && !opt->read_bytes) ||
        (g->kind != GRANT_CLIENT && g->kind != GRANT_ANONYMOUS)) {
        return false;
    }
    *u = (struct rate_use){.kind = RATE_READ_USER,
                           .who = g->user,
                           .limit = {opt->read_rate, opt->read_bytes, opt->rate_window}};
    if (!g->user.len) {
        u->kind = RATE_READ_PEER;
        u->who = address(&rq->client, network);
    }
    return g->user.len || !rq->from_proxy;
}

int throttle_read(struct request *rq, enum MHD_Result *result)
{
    struct rate_over over;
    struct peer network;
    struct rate_use u;
    const char *option;

    if (!reader(rq, &network, &u)) {
        return 0;
    }
    u.count = 1;
    if (rates_take(&rq->srv->shared->rates, &u, rq->srv->env->now_ms, &over)) {
        return 0;
    }
    option = over.bytes ? "read-bytes" : "read-rate";
    note(rq, METRIC_LIMITED_READS, option, u.kind == RATE_READ_USER ? u.who : STR_NONE);
    (void)errmsg_set(&rq->why, 0, "more is read than %s allows; come back later", option);
    return refuse(rq, result, "rate_limited", rq->why.text, over.wait_ms);
}

void throttle_was_read(struct request *rq, size_t bytes)
{
    struct peer network;
    struct rate_use u;

    if (reader(rq, &network, &u)) {
        u.bytes = bytes;
        rates_charge(&rq->srv->shared->rates, &u, rq->srv->env->now_ms);
    }
}

/* ---- what a client says ---- */

int throttle_client(struct request *rq, uint64_t id, enum MHD_Result *result)
{
    const struct options *opt = rq->srv->env->opt;
    struct rate_use u = {.kind = RATE_CLIENT,
                         .who = {(const char *)&id, sizeof(id)},
                         .limit = {opt->op_rate, opt->op_bytes, opt->rate_window},
                         .count = 1,
                         .bytes = rq->body.len};
    struct rate_over over;
    const char *option;

    if (rates_take(&rq->srv->shared->rates, &u, rq->srv->env->now_ms, &over)) {
        return 0;
    }
    option = over.bytes ? "op-bytes" : "op-rate";
    note(rq, METRIC_LIMITED_OPS, option, STR_NONE);
    (void)errmsg_set(&rq->why, 0, "this client says more than %s allows; come back later", option);
    return refuse(rq, result, "rate_limited", rq->why.text, over.wait_ms);
}

/* ---- streams ---- */

/* A client behind a proxy has no connection of its own: its streams count as such. */
static int ask_address(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    const struct options *opt = rq->srv->env->opt;
    struct http_shared *sh = rq->srv->shared;
    uint64_t wait;

    if (!rq->behind_proxy) {
        return 0;
    }
    if (opt->connect_rate &&
        !limits_rate_ok(&sh->rates, opt, &rq->client, rq->srv->env->now_ms, &wait)) {
        note(rq, METRIC_LIMITED_ADDRESSES, "connect-rate", STR_NONE);
        return refuse(rq, result, "rate_limited",
                      "too many streams a second from this address (connect-rate); come back "
                      "later",
                      wait);
    }
    if (!limits_count_address(&sh->limits, &st->intro.peer, opt->max_per_address)) {
        note(rq, METRIC_LIMITED_ADDRESSES, "max-connections-per-address", STR_NONE);
        return refuse(rq, result, "too_many_connections",
                      "too many streams from this address (max-connections-per-address); close "
                      "some or come back later",
                      opt->retry);
    }
    st->address_counted = true;
    return 0;
}

static int ask_user_rate(struct request *rq, struct str user, struct str shown,
                         enum MHD_Result *result)
{
    const struct options *opt = rq->srv->env->opt;
    struct rate_use u = {.kind = RATE_USER_CONNECT,
                         .who = user,
                         .limit = {.count = opt->user_connect_rate, .window_ms = opt->rate_window},
                         .count = 1};
    struct rate_over over;

    if (rates_take(&rq->srv->shared->rates, &u, rq->srv->env->now_ms, &over)) {
        return 0;
    }
    note(rq, METRIC_LIMITED_USERS, "user-connect-rate", shown);
    return refuse(rq, result, "rate_limited",
                  "this user, key or token begins too many streams a second "
                  "(user-connect-rate); come back later",
                  over.wait_ms);
}

static int ask_user(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    struct conn_env *env = rq->srv->env;
    const struct options *opt = env->opt;
    char room[LOAD_NAME_ROOM];
    struct str user = load_name(st->intro.user, st->intro.grant, room);
    struct str shown = st->intro.user.len ? user : rq->grant->s.id;

    if (user.len == 0) {
        return 0;
    }
    if ((opt->max_per_user || opt->max_channels_user) && env->loads) {
        switch (loads_enter(env->loads, user, st->intro.nnames, opt->max_per_user,
                            opt->max_channels_user, &st->intro.loaded)) {
        case LOAD_OK:
            break;
        case LOAD_STREAMS:
            note(rq, METRIC_LIMITED_USERS, "max-connections-per-user", shown);
            return refuse(rq, result, "too_many_streams",
                          "this user, key or token has as many streams as it may "
                          "(max-connections-per-user); "
                          "close one or come back later",
                          opt->retry);
        case LOAD_NAMES:
            note(rq, METRIC_LIMITED_USERS, "max-channels-per-user", shown);
            return refuse(
                rq, result, "too_many_channels",
                "the streams of this user, key or token would have more subscriptions "
                "together than they may (max-channels-per-user); end some or come back later",
                opt->retry);
        }
    }
    return ask_user_rate(rq, user, shown, result);
}

static int ask_channels(struct request *rq, const struct stream_start *st, enum MHD_Result *result)
{
    struct conn_env *env = rq->srv->env;

    for (unsigned i = 0; env->opt->max_subscribers_for.n && i < st->intro.nnames; i++) {
        char shown[NAME_SHOW_MAX];
        if (load_is_full(env, st->intro.names[i])) {
            note(rq, METRIC_LIMITED_CHANNELS, "max-subscribers-for", st->intro.names[i]);
            (void)errmsg_set(&rq->why, 0,
                             "the channel \"%s\" has as many subscribers as it may "
                             "(max-subscribers-for); come back later",
                             name_show(st->intro.names[i], shown));
            return refuse(rq, result, "channel_full", rq->why.text, env->opt->retry);
        }
    }
    return 0;
}

int throttle_stream(struct request *rq, struct stream_start *st, enum MHD_Result *result)
{
    int rc = ask_channels(rq, st, result);

    if (rc == 0) {
        rc = ask_address(rq, st, result);
    }
    return rc == 0 ? ask_user(rq, st, result) : rc;
}

void throttle_taken(struct stream_start *st)
{
    if (st->behind_proxy) { /* it was no proxy's when it came: trusted-proxy has changed */
        limits_uncount(&st->srv->shared->limits, &st->hc->peer);
    }
    st->address_counted = false;
    st->intro.loaded = NULL;
}

void throttle_give_back(struct stream_start *st)
{
    if (st->address_counted) {
        limits_uncount(&st->srv->shared->limits, &st->intro.peer);
    }
    if (st->intro.loaded) {
        loads_leave(st->srv->env->loads, st->intro.loaded, st->intro.nnames);
    }
    st->address_counted = false;
    st->intro.loaded = NULL;
}
