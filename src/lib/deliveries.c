/* Messages on their way to the clients of a shard, and the router's ports. */
#include "lib/gateway.h"

/* Messages for the same members are delivered together, up to so many bytes:
 * well within a socket's send buffer. */
#define RUN_BYTES 98304

/* A message's node in the mailbox of one shard. */
struct delivery {
    struct mail mail;
    struct message *message;
    size_t size;
};
_Static_assert(sizeof(struct delivery) <= PORT_LINK_SIZE, "core/ports.h has room for it");

/* ---- runs ---- */

static void give_out(struct shard *s)
{
    struct run *run = &s->run;
    uint64_t n;

    if (run->n == 0) {
        return;
    }
    /* With one audience in this turn nothing can be gained by waiting for the
     * end of it; with several, a client gets what is for it in one go then. */
    s->env.write_through = !run->mixed;
    n = router_deliver(s->gw->router, s->index, run->v, run->n, &s->sink);
    atomic_fetch_sub_explicit(&s->backlog_bytes, run->bytes, memory_order_relaxed);
    metrics_add(&s->metrics, METRIC_DELIVERED, n);
    run->n = 0;
    run->bytes = 0;
}

static void deliver(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct run *run = &s->run;
    struct delivery *d = (struct delivery *)(void *)m;

    if (run->n && !router_same_members(run->v[0], d->message)) {
        deliveries_flush(s);
    } else if (run->n == CORE_RUN_MAX || (run->n && run->bytes + d->size > RUN_BYTES)) {
        give_out(s);
    }
    run->v[run->n++] = d->message;
    run->bytes += d->size;
}

void deliveries_flush(struct shard *s)
{
    s->run.mixed = true;
    give_out(s);
}

void deliveries_run(struct shard *s, unsigned max)
{
    s->run.mixed = false;
    mailbox_drain(s->deliveries, max);
    give_out(s);
}

/* ---- ports ---- */

static void port_lock(void *ctx)
{
    struct fanfare *gw = ctx;

    pthread_mutex_lock(&gw->log_order);
}

static void port_unlock(void *ctx)
{
    struct fanfare *gw = ctx;

    pthread_mutex_unlock(&gw->log_order);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct fanfare *gw = ctx;
    struct delivery *d = link;

    d->mail.run = deliver;
    d->message = m;
    d->size = size;
    atomic_fetch_add_explicit(&gw->shards[shard].backlog_bytes, size, memory_order_relaxed);
    mailbox_push(gw->deliveries[shard], &d->mail);
}

static bool port_full(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    return mailbox_depth(gw->deliveries[shard]) >=
               atomic_load_explicit(&gw->max_backlog, memory_order_relaxed) ||
           atomic_load_explicit(&gw->shards[shard].backlog_bytes, memory_order_relaxed) >=
               atomic_load_explicit(&gw->max_backlog_bytes, memory_order_relaxed);
}

static void port_settle(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;
    struct shard *s = &gw->shards[shard];
    uint32_t n = mailbox_depth(s->deliveries);

    if (n) {                 /* not what comes meanwhile: publishers may be faster than we are */
        s->run.mixed = true; /* the lock may be held: into the queues */
        mailbox_drain(s->deliveries, n);
        deliveries_flush(s);
    }
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct fanfare *gw = ctx;

    return mailbox_pending(gw->deliveries[shard]);
}

struct core_ports deliveries_ports(struct fanfare *gw)
{
    struct core_ports ports = {.ctx = gw,
                               .lock = port_lock,
                               .unlock = port_unlock,
                               .post = port_post,
                               .full = port_full,
                               .settle = port_settle,
                               .pending = port_pending};

    people_ports(gw, &ports);
    webhooks_ports(gw, &ports);
    return ports;
}
