#include "lib/admit.h"

#include <unistd.h>

static void log_limit(struct shard *s, const struct accepted *a)
{
    char text[PEER_TEXT_MAX], number[NUM_LEN];
    uint32_t held = 0;

    metrics_inc(&s->metrics, METRIC_ACCEPT_REFUSED);
    if (log_limit_pass(&s->refusals, s->env.now_ms, &held)) {
        log_warn(s->gw->log, "connection over a limit", "limit", limit_name(a->over), "peer",
                 peer_text(&a->peer, text), "unlogged", held ? num_text(number, held) : NULL);
    }
}

/* The address: not that of a proxy, whose clients are counted at their requests. */
static void name(struct shard *s, struct accepted *a)
{
    struct http_shared *sh = &s->gw->shared;
    uint64_t wait;

    if (http_server_trusts(&s->http, &a->peer)) {
        return;
    }
    if (!limits_rate_ok(&sh->rates, s->env.opt, &a->peer, s->env.now_ms, &wait)) {
        a->over = LIMIT_RATE;
    }
    a->over = limits_name(&sh->limits, &a->peer, s->env.opt->max_per_address, a->over);
}

/* With TLS being told costs a handshake: more than that would be the flood's work done for it. */
static bool may_go_on(struct shard *s, const struct accepted *a)
{
    static const struct bucket_rate handshakes = {.per_s = 20, .window_ms = 1000};

    if (a->over != LIMIT_ADDRESS && a->over != LIMIT_RATE) {
        return true;
    }
    return limits_may_tell(&s->gw->shared.limits) &&
           (!a->tls || bucket_take(&s->told, &handshakes, 1, s->env.now_ms, NULL));
}

bool admit_connection(struct shard *s, struct accepted *a, bool scarce)
{
    metrics_inc(&s->metrics, METRIC_ACCEPTED);
    a->over = limits_enter_unnamed(&s->gw->shared.limits, &a->peer);
    if (!a->proxied) {
        name(s, a);
    }
    if (a->over == LIMIT_NONE && scarce) {
        a->over = LIMIT_DESCRIPTORS;
    }
    if (a->over != LIMIT_NONE) {
        log_limit(s, a);
    }
    return may_go_on(s, a);
}

bool admit_named(struct shard *s, struct accepted *a)
{
    enum limit_kind before = a->over;

    name(s, a);
    if (a->over != before) {
        log_limit(s, a);
    }
    return may_go_on(s, a);
}

struct http_arrival admit_arrival(const struct accepted *a)
{
    return (struct http_arrival){.fd = a->fd,
                                 .addr = &a->from.sa,
                                 .addr_len = a->len,
                                 .peer = a->peer,
                                 .over = a->over,
                                 .nameless = a->nameless};
}

void admit_give_up(struct shard *s, const struct accepted *a)
{
    limits_leave(&s->gw->shared.limits, &a->peer, a->over);
    close(a->fd);
}
