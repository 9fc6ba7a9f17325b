#include "lib/durable.h"

#include "lib/gateway.h"

#include "base/clock.h"

#include <stddef.h>
#include <stdlib.h>

/* How often the log is tidied, and how often it is looked for what was not
 * acknowledged in time, ms. */
#define TIDY_MS 1000
#define ACKS_MS 100
/* Redeliveries at a time. */
#define AGAIN_MAX 64
/* How long a stop waits for a store that cannot be written, ms. */
#define STORE_STOP_MS 5000

/* ---- opening and closing ---- */

static bool store_is_failed(void *ctx, struct errmsg *why)
{
    struct fanfare *gw = ctx;

    return store_failed(gw->store, why);
}

static const char *sync_text(enum store_sync sync)
{
    switch (sync) {
    case SYNC_ALWAYS:
        return "always";
    case SYNC_INTERVAL:
        return "interval";
    case SYNC_OFF:
        break;
    }
    return "off";
}

/* Without a store, if that is what is wanted when it fails. */
static int do_without(struct fanfare *gw, int rc, struct errmsg *why)
{
    if (rc != 0 && gw->opt->o.store_failure == STORE_FAILURE_MEMORY) {
        log_error(gw->log, "the store cannot be used: going on in memory", "because", why->text);
        return 0;
    }
    return rc;
}

static uint64_t new_epoch(struct fanfare *gw)
{
    uint64_t epoch;

    do {
        epoch = rng_u64(&gw->rng) >> 24; /* 40 bits: at most 8 characters */
    } while (epoch == 0);
    return epoch;
}

int durable_open(struct fanfare *gw, struct errmsg *why)
{
    const struct options *opt = &gw->opt->o;
    struct store_config cfg = {
        .path = options_store_path(opt),
        .sync = (enum store_sync)opt->sync,
        .interval_ms = opt->sync_interval,
        .fanout_early = opt->fanout_early,
        .failure = (enum store_failure)opt->store_failure,
        .queue_bytes = opt->store_queue,
        .id_window_ms = opt->id_window,
        .now_ms = clock_real_ms(),
        .log = gw->log,
        .metrics = &gw->store_metrics,
    };
    int rc;

    cfg.new_epoch = new_epoch(gw);
    gw->shared.epoch = cfg.new_epoch;
    gw->shared.store_kind = "memory";
    if (!cfg.path) {
        return 0;
    }
    rc = store_open(&cfg, &gw->store, why);
    if (rc != 0) {
        return do_without(gw, rc, why);
    }
    gw->shared.epoch = store_epoch(gw->store);
    gw->shared.store_kind = "sqlite";
    gw->shared.store_sync = sync_text(cfg.sync);
    gw->shared.store_failed = store_is_failed;
    return 0;
}

static int make_router(struct fanfare *gw, struct errmsg *why)
{
    struct core_ports ports = deliveries_ports(gw);
    struct router_keep keep = {&gw->kept->o, gw->store ? store_port(gw->store) : NULL,
                               &gw->log_metrics};
    int rc = router_new(gw->nshards, gw->shared.epoch, rng_u64(&gw->rng), &ports, &gw->router);

    if (rc == 0) {
        gw->shared.router = gw->router;
        rc = router_keep(gw->router, &keep);
    }
    if (rc == 0) {
        rc = router_people(gw->router, &gw->kept->o);
    }
    return rc ? errmsg_set(why, rc, "out of memory") : 0;
}

/* What was read of a damaged store is forgotten. */
static int begin_anew(struct fanfare *gw, struct errmsg *why)
{
    router_free(gw->router);
    gw->router = NULL;
    durable_free(gw);
    gw->shared.store_kind = "memory";
    gw->shared.store_sync = NULL;
    gw->shared.store_failed = NULL;
    gw->shared.epoch = new_epoch(gw);
    return make_router(gw, why);
}

int durable_load(struct fanfare *gw, struct errmsg *why)
{
    int rc;

    gw->kept = opt_version_ref(gw->opt); /* a reload replaces gw->opt */
    rc = make_router(gw, why);
    if (rc != 0 || !gw->store) {
        return rc;
    }
    rc = store_load(gw->store, gw->router, why);
    if (rc != 0) {
        rc = do_without(gw, rc, why);
        return rc ? rc : begin_anew(gw, why);
    }
    return store_start(gw->store, gw->router, why);
}

void durable_stop(struct fanfare *gw)
{
    if (gw->store && !store_stop(gw->store, STORE_STOP_MS)) {
        log_error(gw->log, "the store could not be closed in order: the next start says what is "
                           "lost");
    }
}

void durable_free(struct fanfare *gw)
{
    store_free(gw->store);
    gw->store = NULL;
}

/* ---- by and by ---- */

/* A message once more, on its way to the client's shard. */
struct again_mail {
    struct mail mail;
    struct again again;
};

static void run_again(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct again_mail *a = (struct again_mail *)(void *)m;
    struct stream *st = clients_find(&s->env.clients, a->again.member);

    deliveries_flush(s);
    if (st && !stream_put_again(st, a->again.frame, a->again.attempt)) {
        stream_kill(st, "out of memory");
    }
    frame_unref(a->again.frame);
    free(a);
}

static void send_again(struct fanfare *gw, uint64_t now_ms)
{
    struct again v[AGAIN_MAX];
    unsigned n = router_acks_due(gw->router, now_ms, v, AGAIN_MAX);

    for (unsigned i = 0; i < n; i++) {
        struct again_mail *a = malloc(sizeof(*a));
        if (!a) { /* its time comes again */
            frame_unref(v[i].frame);
            continue;
        }
        a->mail.run = run_again;
        a->again = v[i];
        mailbox_push(gw->deliveries[v[i].shard], &a->mail);
    }
}

void durable_start_timer(struct shard *s)
{
    const _Atomic uint64_t *unacked = &s->gw->log_metrics.v[METRIC_UNACKED];
    bool any = atomic_load_explicit(unacked, memory_order_relaxed) != 0;

    s->log_timer.kind = LOG_TIMER;
    wheel_start(s->wheel, &s->log_timer, s->env.now_ms, any || s->log_behind ? ACKS_MS : TIDY_MS);
}

void durable_timer_fired(struct wheel_timer *t)
{
    struct shard *s = (struct shard *)(void *)((char *)t - offsetof(struct shard, log_timer));

    send_again(s->gw, s->env.now_ms);
    s->log_behind = router_tidy(s->gw->router, clock_real_ms());
    durable_start_timer(s);
}
