/* The life of a gateway. */
#include <config.h>

#include "lib/gateway.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "lib/certificates.h"
#include "lib/durable.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

_Static_assert((int)FANFARE_ERR_NOMEM == (int)ERR_NOMEM, "same codes");
_Static_assert((int)FANFARE_ERR_INVALID == (int)ERR_INVALID, "same codes");
_Static_assert((int)FANFARE_ERR_RANGE == (int)ERR_RANGE, "same codes");
_Static_assert((int)FANFARE_ERR_NOT_FOUND == (int)ERR_NOT_FOUND, "same codes");
_Static_assert((int)FANFARE_ERR_EXISTS == (int)ERR_EXISTS, "same codes");
_Static_assert((int)FANFARE_ERR_LIMIT == (int)ERR_LIMIT, "same codes");
_Static_assert((int)FANFARE_ERR_SYSTEM == (int)ERR_SYSTEM, "same codes");
_Static_assert((int)FANFARE_ERR_STATE == (int)ERR_STATE, "same codes");
_Static_assert((int)FANFARE_ERR_BUSY == (int)ERR_BUSY, "same codes");
_Static_assert((int)FANFARE_ERR_IN_USE == (int)ERR_IN_USE, "same codes");
_Static_assert((int)FANFARE_ERR_RESERVED == (int)ERR_RESERVED, "same codes");
_Static_assert((int)FANFARE_ERR_CLOSED == (int)ERR_CLOSED, "same codes");
_Static_assert((int)FANFARE_ERR_STORE == (int)ERR_STORE, "same codes");
_Static_assert((int)FANFARE_ERR_CONFLICT == (int)ERR_CONFLICT, "same codes");
_Static_assert((int)FANFARE_ERR_MOVED == (int)ERR_MOVED, "same codes");

/* Descriptors that are not connections: epoll sets, eventfds, listeners, log,
 * and the second one that a stream has while it is being detached. */
#define DESCRIPTORS_SPARE 192
#define DESCRIPTORS_PER_SHARD 16
#define DESCRIPTORS_OF_HOOK 16 /* besides its connections */

const char *fanfare_strerror(int code)
{
    return err_text(code);
}

const char *fanfare_version(void)
{
    return PACKAGE_VERSION;
}

int fanfare_new(const struct fanfare_options *o, struct fanfare **out, struct fanfare_why *why)
{
    struct errmsg *msg = (struct errmsg *)(void *)why;
    const struct options *opt = &o->o;
    struct fanfare *gw;
    int rc = options_check(opt, msg);

    if (rc != 0) {
        return rc;
    }
    gw = calloc(1, sizeof(*gw));
    if (!gw) {
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    }
    gw->handlers_end = &gw->handlers;
    pthread_mutex_init(&gw->log_order, NULL);
    pthread_mutex_init(&gw->api, NULL);
    pthread_mutex_init(&gw->durable, NULL);
    pthread_cond_init(&gw->durable_cond, NULL);
    gw->opt = opt_version_new(opt);
    rc = gw->opt ? rng_init(&gw->rng) : errmsg_set(msg, ERR_NOMEM, "out of memory");
    if (rc == 0) {
        rc = log_new((enum log_level)opt->log_level, (enum log_format)opt->log_format,
                     opt->log_file, &gw->log, msg);
    }
    if (rc != 0) {
        fanfare_free(gw);
        return rc;
    }
    *out = gw;
    return 0;
}

/* ---- start ---- */

static unsigned count_shards(const struct options *opt)
{
    cpu_set_t set;
    int n = 1;

    if (opt->shards) {
        return opt->shards;
    }
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        n = CPU_COUNT(&set);
    }
    return n < 1 ? 1 : n > ROUTER_MAX_SHARDS ? ROUTER_MAX_SHARDS : (unsigned)n;
}

/* What the descriptor limit leaves for connections; fewer if so configured. */
static int count_connections(const struct fanfare *gw, unsigned *out, unsigned *descriptors,
                             struct errmsg *why)
{
    unsigned asked = gw->opt->o.max_connections;
    uint64_t kept = DESCRIPTORS_SPARE + DESCRIPTORS_PER_SHARD * (uint64_t)gw->nshards +
                    LIMITS_TOLD + gw->listen.n * (uint64_t)gw->nshards +
                    (*gw->opt->o.auth_url ? HOOK_CONNECTIONS + DESCRIPTORS_OF_HOOK : 0) +
                    (*gw->opt->o.webhook_url ? DESCRIPTORS_OF_HOOK : 0);
    struct rlimit rl;
    uint64_t may;

    if (getrlimit(RLIMIT_NOFILE, &rl) != 0) {
        rl.rlim_cur = 1024;
    }
    may = rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur > 10000000 ? 10000000 : rl.rlim_cur;
    if (may <= kept) {
        return errmsg_set(why, ERR_LIMIT,
                          "the limit of open files is %llu; raise it to more than %llu (ulimit -n, "
                          "LimitNOFILE=)",
                          (unsigned long long)may, (unsigned long long)kept);
    }
    may -= kept;
    if (asked > may) {
        return errmsg_set(why, ERR_LIMIT,
                          "max-connections is %u, but the limit of open files leaves only %llu; "
                          "raise it (ulimit -n, LimitNOFILE=)",
                          asked, (unsigned long long)may);
    }
    *out = asked ? asked : (unsigned)may;
    *descriptors = (unsigned)may;
    return 0;
}

static int learn_hosts(struct fanfare *gw)
{
    struct opt_list *hosts = &gw->shared.hosts;

    hosts->items = calloc(gw->listen.n ? gw->listen.n : 1, sizeof(char *));
    if (!hosts->items) {
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < gw->listen.n; i++) {
        hosts->items[hosts->n++] = gw->listen.points[i].host;
    }
    return 0;
}

static int choose_detach(struct fanfare *gw, struct errmsg *msg)
{
    struct errmsg why = {"--no-detach"};

    gw->shared.detach = false;
    if (gw->opt->o.no_detach) {
        log_info(gw->log, "streams stay inside libmicrohttpd", "because", why.text);
    } else if (http_selftest(&why) == 0) {
        gw->shared.detach = true;
    } else {
        log_warn(gw->log, "streams stay inside libmicrohttpd: more memory a stream", "because",
                 why.text);
    }
    if (gw->opt->tls && !gw->shared.detach) {
        return errmsg_set(msg, ERR_STATE, "with TLS streams cannot stay inside libmicrohttpd (%s)",
                          why.text);
    }
    return 0;
}

static void publish_options(struct fanfare *gw, const struct options *o)
{
    atomic_store(&gw->max_backlog, o->max_backlog);
    atomic_store(&gw->max_backlog_bytes, o->max_backlog_bytes);
    atomic_store(&gw->max_message, o->max_message);
    atomic_store(&gw->shared.max_bodies, o->max_bodies);
}

static void give_out(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    deliveries_flush(&gw->shards[shard]);
}

static int init_limits(struct fanfare *gw, unsigned max_connections)
{
    struct http_shared *sh = &gw->shared;
    int rc = rates_init(&sh->rates, rng_u64(&gw->rng));

    if (rc != 0) {
        return rc;
    }
    rc = loads_init(&gw->loads, rng_u64(&gw->rng));
    if (rc == 0) {
        rc = limits_init(&sh->limits, max_connections, rng_u64(&gw->rng));
        if (rc != 0) {
            loads_fini(&gw->loads);
        }
    }
    if (rc != 0) {
        rates_fini(&sh->rates);
    }
    return rc;
}

static int share(struct fanfare *gw, struct errmsg *why)
{
    struct http_shared *sh = &gw->shared;
    unsigned max_connections = 0, max_descriptors = 0;
    int rc = count_connections(gw, &max_connections, &max_descriptors, why);

    if (rc != 0) {
        return rc;
    }
    sh->log = gw->log;
    sh->shards = gw->nshards;
    sh->servers = gw->servers;
    sh->tasks = gw->tasks;
    sh->deliveries = gw->deliveries;
    for (unsigned i = 0; i < gw->nshards; i++) {
        gw->all_metrics[i] = &gw->shards[i].metrics;
    }
    gw->all_metrics[gw->nshards] = &gw->metrics;
    gw->all_metrics[gw->nshards + 1] = &gw->log_metrics;
    gw->all_metrics[gw->nshards + 2] = &gw->store_metrics;
    gw->all_metrics[gw->nshards + 3] = &gw->hook_metrics;
    gw->all_metrics[gw->nshards + 4] = &gw->webhook_metrics;
    sh->metrics = gw->all_metrics;
    sh->nmetrics = gw->nshards + 5;
    sh->started_ms = clock_mono_ms();
    sh->version = PACKAGE_VERSION;
    sh->open_hosts = gw->opt->o.insecure_open;
    sh->ctx = gw;
    sh->give_out = give_out;
    sh->published = gateway_published;
    for (const struct handler *h = gw->handlers; h; h = h->next) {
        sh->wants_published |= h->kind == FANFARE_EVENT_PUBLISHED || h->kind == FANFARE_EVENT_ALL;
    }
    publish_options(gw, &gw->opt->o);
    rc = init_limits(gw, max_connections);
    sh->limits.max_descriptors = max_descriptors;
    return rc;
}

static int start_shards(struct fanfare *gw, struct errmsg *why)
{
    uint8_t secret[sizeof(gw->shards->env.key_secret)];
    int rc = 0;

    people_init(gw);
    rng_bytes(&gw->rng, secret, sizeof(secret));
    for (unsigned i = 0; rc == 0 && i < gw->nshards; i++) {
        memcpy(gw->shards[i].env.key_secret, secret, sizeof(secret));
        rc = shard_init(&gw->shards[i], gw, i, why);
    }
    explicit_bzero(secret, sizeof(secret));
    for (unsigned i = 0; rc == 0 && i < gw->nshards; i++) {
        rc = shard_start(&gw->shards[i], why);
    }
    return rc;
}

static void say_started(const struct fanfare *gw)
{
    char shards[NUM_LEN], connections[NUM_LEN], asked[NUM_LEN], may[NUM_LEN], epoch[CURSOR_MAX];
    unsigned allowed;

    cursor_format_epoch(gw->shared.epoch, epoch);
    log_info(gw->log, "started", "version", PACKAGE_VERSION, "shards",
             num_text(shards, gw->nshards), "connections",
             num_text(connections, gw->shared.limits.max_connections), "epoch", epoch);
    for (unsigned i = 0; i < gw->listen.n; i++) {
        log_info(gw->log, "listening", "url", gw->listen.points[i].url);
    }
    allowed = listen_kernel_backlog();
    if (allowed && allowed < gw->opt->o.listen_backlog) {
        log_warn(gw->log, "the kernel keeps fewer waiting connections: raise net.core.somaxconn",
                 "listen-backlog", num_text(asked, gw->opt->o.listen_backlog), "somaxconn",
                 num_text(may, allowed));
    }
    if (!auth_is_open(gw->auth)) {
        return;
    }
    log_warn(gw->log, gw->opt->o.insecure_open
                          ? "open mode: anyone who can connect may publish and read"
                          : "open mode: everyone on this machine may publish and read");
}

int fanfare_listen(struct fanfare *gw, struct fanfare_why *why)
{
    struct errmsg local;
    struct errmsg *msg = why ? (struct errmsg *)(void *)why : &local;
    int rc;

    if (gw->state != GW_NEW) {
        return errmsg_set(msg, ERR_STATE, "a gateway can be started once");
    }
    gw->state = GW_FAILED;
    gw->nshards = count_shards(&gw->opt->o);
    gw->shards = calloc(gw->nshards, sizeof(*gw->shards));
    if (!gw->shards) {
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    }
    rc = listen_open(&gw->listen, &gw->opt->o, gw->nshards, msg);
    if (rc == 0) {
        rc = certificates_read(gw->log, &gw->opt->o, &gw->opt->tls, msg);
    }
    if (rc == 0) {
        gw->state = GW_LISTENING;
    }
    return rc;
}

int fanfare_start(struct fanfare *gw, struct fanfare_why *why)
{
    struct errmsg local;
    struct errmsg *msg = why ? (struct errmsg *)(void *)why : &local;
    int rc = gw->state == GW_LISTENING ? 0 : fanfare_listen(gw, why);

    if (rc != 0) {
        return rc;
    }
    gw->state = GW_FAILED;
    rc = choose_detach(gw, msg);
    if (rc == 0) {
        rc = share(gw, msg);
    }
    if (rc != 0) {
        return rc;
    }
    gw->limits_ready = true;
    rc = auth_new(&gw->opt->o, &gw->auth, msg);
    if (rc != 0) {
        return rc;
    }
    gw->shared.auth = gw->auth;
    rc = application_open(gw, msg);
    if (rc != 0) {
        return rc;
    }
    rc = durable_open(gw, msg);
    if (rc != 0) {
        return rc;
    }
    if (learn_hosts(gw) != 0) {
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    }
    rc = durable_load(gw, msg);
    if (rc == 0) {
        rc = webhooks_open(gw, msg);
    }
    if (rc == 0) {
        rc = start_shards(gw, msg);
    }
    if (rc == 0) {
        gw->state = GW_RUNNING;
        say_started(gw);
    }
    return rc;
}

const char *fanfare_url(const struct fanfare *gw, size_t index)
{
    return index < gw->listen.n ? gw->listen.points[index].url : NULL;
}

/* ---- drain and stop ---- */

struct drain_mail {
    struct mail mail;
    uint64_t over_ms;
};

static void run_drain(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct drain_mail *d = (struct drain_mail *)(void *)m;

    conn_env_drain(&s->env, d->over_ms);
    free(d);
}

void fanfare_drain(struct fanfare *gw)
{
    uint64_t over, grace;

    if (gw->state != GW_RUNNING || atomic_exchange(&gw->shared.draining, true)) {
        return;
    }
    pthread_mutex_lock(&gw->api);
    over = gw->opt->o.drain;
    grace = gw->opt->o.close_timeout < 1000 ? gw->opt->o.close_timeout : 1000;
    pthread_mutex_unlock(&gw->api);
    log_info(gw->log, "draining");
    for (unsigned i = 0; i < gw->nshards; i++) {
        struct drain_mail *d = calloc(1, sizeof(*d));
        if (d) { /* otherwise this shard's clients are closed at the stop */
            d->mail.run = run_drain;
            d->over_ms = over;
            mailbox_push(gw->tasks[i], &d->mail);
        }
    }
    atomic_store(&gw->drain_until, clock_mono_ms() + over + grace);
}

int fanfare_drained(const struct fanfare *gw)
{
    uint64_t until = atomic_load(&gw->drain_until);
    struct router_counts counts;

    if (gw->state != GW_RUNNING) {
        return 1;
    }
    if (until == 0) {
        return 0;
    }
    router_counts(gw->router, &counts);
    return (counts.members == 0 &&
            metrics_sum(gw->all_metrics, gw->shared.nmetrics, METRIC_CLIENTS_SSE) == 0 &&
            metrics_sum(gw->all_metrics, gw->shared.nmetrics, METRIC_CLIENTS_WS) == 0) ||
           clock_mono_ms() >= until;
}

void fanfare_stop(struct fanfare *gw)
{
    enum gateway_state was = gw->state;

    if (was == GW_NEW) {
        return;
    }
    gw->state = GW_STOPPED; /* nothing more is taken from the program */
    atomic_store(&gw->shared.draining, true);
    hook_stop(gw->hook); /* no request waits for the application any more */
    for (unsigned i = 0; gw->shards && i < gw->nshards; i++) {
        shard_ask_stop(&gw->shards[i]);
    }
    for (unsigned i = 0; gw->shards && i < gw->nshards; i++) {
        shard_join(&gw->shards[i]);
    }
    if (was != GW_STOPPED) {
        durable_stop(gw);
    }
    webhooks_close(gw);
    for (unsigned i = 0; gw->shards && i < gw->nshards; i++) {
        shard_empty(&gw->shards[i]);
    }
    listen_close(&gw->listen);
    if (was == GW_RUNNING) {
        log_info(gw->log, "stopped");
    }
}

void fanfare_free(struct fanfare *gw)
{
    if (!gw) {
        return;
    }
    fanfare_stop(gw);
    hook_free(gw->hook); /* its thread may still be about to wake a shard */
    for (unsigned i = 0; gw->shards && i < gw->nshards; i++) {
        shard_fini(&gw->shards[i]);
    }
    free(gw->shards);
    router_free(gw->router);
    durable_free(gw);
    auth_free(gw->auth);
    listen_free(&gw->listen);
    free(gw->shared.hosts.items);
    if (gw->limits_ready) {
        limits_fini(&gw->shared.limits);
        rates_fini(&gw->shared.rates);
        loads_fini(&gw->loads);
    }
    while (gw->handlers) {
        struct handler *next = gw->handlers->next;
        free(gw->handlers);
        gw->handlers = next;
    }
    log_free(gw->log);
    opt_version_unref(gw->kept);
    opt_version_unref(gw->opt);
    pthread_mutex_destroy(&gw->log_order);
    pthread_mutex_destroy(&gw->api);
    pthread_mutex_destroy(&gw->durable);
    pthread_cond_destroy(&gw->durable_cond);
    free(gw);
}

/* ---- reload ---- */

/* Goes from shard to shard. */
struct reload_mail {
    struct mail mail;
    struct opt_version *opt;
};

static void run_reload(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct fanfare *gw = s->gw;
    struct reload_mail *r = (struct reload_mail *)(void *)m;

    opt_version_unref(s->opt);
    s->opt = opt_version_ref(r->opt);
    s->env.opt = &s->opt->o;
    shard_recheck(s);
    http_server_options(&s->http);
    if (s->index + 1 < gw->nshards) {
        mailbox_push(gw->tasks[s->index + 1], &r->mail);
        return;
    }
    log_info(gw->log, "options reloaded");
    opt_version_unref(r->opt);
    free(r);
}

static int hand_round(struct fanfare *gw, struct opt_version *v)
{
    struct reload_mail *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->mail.run = run_reload;
    r->opt = opt_version_ref(v);
    mailbox_push(gw->tasks[0], &r->mail);
    return 0;
}

/* What differs but takes effect only at a start, by name. */
static void say_ignored(struct fanfare *gw, const struct options *now, const struct options *want)
{
    struct strbuf names = STRBUF_INIT;

    for (enum opt_id id = 0; id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info(id);
        if (!(info->flags & (OPT_LIVE | OPT_CLI)) && !options_same(now, want, id)) {
            strbuf_adds(&names, names.len ? ", " : "");
            strbuf_adds(&names, info->name);
        }
    }
    log_warn(gw->log, "some changed options need a restart", "options",
             strbuf_failed(&names) ? NULL : names.data);
    strbuf_fini(&names);
}

int fanfare_reload(struct fanfare *gw, const struct fanfare_options *o, struct fanfare_why *why)
{
    struct errmsg *msg = (struct errmsg *)(void *)why;
    struct opt_version *v;
    unsigned ignored = 0;
    struct errmsg local = {""};
    int rc;

    msg = msg ? msg : &local;
    rc = options_check(&o->o, msg);
    if (rc != 0) {
        log_error(gw->log, "options not reloaded", "because", msg->text);
        return rc;
    }
    if (gw->state != GW_RUNNING) {
        return errmsg_set(msg, ERR_STATE, "the gateway is not running");
    }
    rc = auth_reload(gw->auth, &o->o, msg);
    if (rc == 0) {
        rc = application_reload(gw, msg);
    }
    if (rc != 0) {
        log_error(gw->log, "options not reloaded", "because", msg->text);
        return rc;
    }
    pthread_mutex_lock(&gw->api);
    v = opt_version_new(&gw->opt->o);
    if (!v || options_apply_live(&v->o, &o->o, &ignored) != 0) {
        rc = ERR_NOMEM;
    } else {
        rc = certificates_reload(gw->log, &v->o, gw->opt->tls, &v->tls, msg);
    }
    if (rc == ERR_NOMEM || hand_round(gw, v) != 0) {
        pthread_mutex_unlock(&gw->api);
        opt_version_unref(v);
        return errmsg_set(msg, ERR_NOMEM, "out of memory: the old options stay");
    }
    opt_version_unref(gw->opt);
    gw->opt = v;
    publish_options(gw, &v->o);
    log_set_level(gw->log, (enum log_level)v->o.log_level);
    if (rc == 0) {
        rc = log_reopen(gw->log, msg);
    } else {
        (void)!log_reopen(gw->log, NULL);
    }
    if (ignored) {
        say_ignored(gw, &v->o, &o->o);
    }
    pthread_mutex_unlock(&gw->api);
    return rc;
}
