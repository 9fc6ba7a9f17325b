#include "lib/people.h"

#include "lib/gateway.h"

#include "base/clock.h"

#include <stddef.h>

static uint64_t port_mono_ms(void *ctx)
{
    (void)ctx;
    return clock_mono_ms();
}

static uint64_t port_real_ms(void *ctx)
{
    (void)ctx;
    return clock_real_ms();
}

static void start_timer(struct shard *s, uint64_t due_ms)
{
    uint64_t now = s->env.now_ms;

    if (due_ms == UINT64_MAX) {
        return;
    }
    s->people_timer.kind = PEOPLE_TIMER;
    wheel_start(s->wheel, &s->people_timer, now, due_ms > now ? due_ms - now : 0);
}

/* Runs on the first shard: something is due earlier than its timer was when it was asked for. Since
 * then the timer may have fired and be set anew, so the router is asked what is next. */
static void on_due(struct mail *m, void *ctx)
{
    struct shard *s = ctx;

    (void)m;
    atomic_store(&s->gw->people_asked, false);
    start_timer(s, router_people_run(s->gw->router));
}

static void port_due(void *ctx, uint64_t due_ms)
{
    struct fanfare *gw = ctx;

    (void)due_ms;
    if (!atomic_exchange(&gw->people_asked, true)) {
        mailbox_push(gw->shards[0].tasks, &gw->people_mail);
    }
}

void people_ports(struct fanfare *gw, struct core_ports *ports)
{
    (void)gw;
    ports->mono_ms = port_mono_ms;
    ports->real_ms = port_real_ms;
    ports->due = port_due;
}

void people_init(struct fanfare *gw)
{
    gw->people_mail.run = on_due;
}

void people_timer_fired(struct wheel_timer *t)
{
    struct shard *s = (struct shard *)(void *)((char *)t - offsetof(struct shard, people_timer));

    start_timer(s, router_people_run(s->gw->router));
}
