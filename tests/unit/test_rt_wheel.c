#include "rt/wheel.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t tick_wrap_ms = (UINT64_C(1) << 32) * WHEEL_TICK_MS;
static const uint64_t hour_ms = 3600000;

/* ---- single cases ---- */

struct counted {
    unsigned fired;
    struct wheel_timer *last;
};

static void count_fire(struct wheel_timer *t, void *ctx)
{
    struct counted *c = ctx;
    c->fired++;
    c->last = t;
    cr_assert_not(wheel_running(t));
}

static struct wheel *new_wheel(uint64_t now)
{
    struct wheel *w = NULL;
    cr_assert_eq(wheel_new(now, &w), 0);
    return w;
}

Test(wheel, empty)
{
    struct wheel *w = new_wheel(12345);
    struct counted c = {0, NULL};
    cr_assert_eq(wheel_next_ms(w, 12345), -1);
    wheel_advance(w, 12345 + 1000 * hour_ms, count_fire, &c);
    wheel_advance(w, 5, count_fire, &c); /* backwards is nothing */
    cr_assert_eq(c.fired, 0);
    struct wheel_timer t = {0};
    cr_assert_not(wheel_running(&t));
    wheel_stop(&t);
    wheel_free(w);
    wheel_free(NULL);
}

/* Never before its time and at most one tick after it, for delays around the
 * edges of every level, from clocks around the edges of every level. */
static void check_exact(uint64_t now, uint64_t delay)
{
    struct wheel *w = new_wheel(now);
    struct wheel_timer t = {0};
    struct counted c = {0, NULL};
    wheel_start(w, &t, now, delay);
    cr_assert(wheel_running(&t));
    uint64_t due = now + delay;
    uint64_t at = now;
    unsigned steps = 0;
    while (c.fired == 0) {
        int64_t next = wheel_next_ms(w, at);
        cr_assert_geq(next, 0);
        if (next == 0) {
            next = 1; /* time goes on */
        }
        at += (uint64_t)next;
        cr_assert_lt(steps++, 12, "now %" PRIu64 " delay %" PRIu64, now, delay);
        wheel_advance(w, at, count_fire, &c);
    }
    cr_assert(at >= due && at <= due + WHEEL_TICK_MS,
              "now %" PRIu64 " delay %" PRIu64 " fired at %" PRIu64, now, delay, at);
    cr_assert_eq(wheel_next_ms(w, at), -1);
    wheel_free(w);
}

Test(wheel, exact_around_every_edge)
{
    for (unsigned base = 0; base <= 36; base += 6) {
        for (int64_t off = -40; off <= 40; off += 8) {
            uint64_t now = (UINT64_C(1) << base) * WHEEL_TICK_MS + 1000 + (uint64_t)off;
            for (unsigned level = 0; level <= 30; level += 6) {
                for (int64_t d = -35; d <= 35; d += 7) {
                    int64_t delay = (int64_t)((UINT64_C(1) << level) * WHEEL_TICK_MS) + d;
                    check_exact(now, delay < 0 ? 0 : (uint64_t)delay);
                }
            }
        }
    }
}

Test(wheel, exact_over_the_tick_wrap)
{
    for (uint64_t before = 0; before < 200; before += 3) {
        for (uint64_t delay = 0; delay < 400; delay += 7) {
            check_exact(tick_wrap_ms - before, delay);
        }
        check_exact(tick_wrap_ms - before, hour_ms);
        check_exact(tick_wrap_ms - before * 7919, 24 * hour_ms);
        check_exact(tick_wrap_ms - before * 7919, 24 * 700 * hour_ms);
        check_exact(3 * tick_wrap_ms - before, tick_wrap_ms / 2 + before);
    }
}

Test(wheel, two_years_and_beyond)
{
    const uint64_t longest = tick_wrap_ms - 2 * WHEEL_TICK_MS;
    check_exact(7, longest);
    check_exact(tick_wrap_ms - 1, longest);
    /* More than that is cut, and not taken for something short. */
    struct wheel *w = new_wheel(1000);
    struct wheel_timer t = {0};
    struct counted c = {0, NULL};
    wheel_start(w, &t, 1000, UINT64_MAX);
    wheel_advance(w, 1000 + longest - 64, count_fire, &c);
    cr_assert_eq(c.fired, 0);
    wheel_advance(w, 1000 + longest + 64, count_fire, &c);
    cr_assert_eq(c.fired, 1);
    wheel_free(w);
}

Test(wheel, restart_moves_and_stop_forgets)
{
    struct wheel *w = new_wheel(0);
    struct wheel_timer a = {0};
    struct wheel_timer b = {.kind = 7};
    struct counted c = {0, NULL};
    wheel_start(w, &a, 0, 100);
    wheel_start(w, &b, 0, 100);
    wheel_start(w, &a, 0, 5000);
    wheel_advance(w, 200, count_fire, &c);
    cr_assert_eq(c.fired, 1);
    cr_assert_eq(c.last, &b);
    cr_assert_eq(b.kind, 7);
    wheel_stop(&a);
    wheel_stop(&a);
    cr_assert_eq(wheel_next_ms(w, 200), -1);
    wheel_advance(w, 10000, count_fire, &c);
    cr_assert_eq(c.fired, 1);
    wheel_free(w);
}

Test(wheel, started_late_on_an_idle_wheel)
{
    /* The wheel was not advanced for a day. */
    struct wheel *w = new_wheel(0);
    struct wheel_timer t = {0};
    struct counted c = {0, NULL};
    wheel_start(w, &t, 24 * hour_ms, 30000);
    wheel_advance(w, 24 * hour_ms, count_fire, &c);
    wheel_advance(w, 24 * hour_ms + 29999, count_fire, &c);
    cr_assert_eq(c.fired, 0);
    wheel_advance(w, 24 * hour_ms + 30016, count_fire, &c);
    cr_assert_eq(c.fired, 1);
    wheel_free(w);
}

struct rig {
    struct wheel *w;
    uint64_t now;
    unsigned fired;
    struct wheel_timer t[4];
};

static void fire_again(struct wheel_timer *t, void *ctx)
{
    struct rig *r = ctx;
    r->fired++;
    wheel_start(r->w, t, r->now, 0);
}

Test(wheel, delay_zero_in_a_callback_fires_in_a_later_call)
{
    struct rig r = {.w = new_wheel(0)};
    wheel_start(r.w, &r.t[0], 0, 0);
    for (unsigned i = 1; i <= 50; i++) {
        r.now += i % 2 ? 16 : 48; /* on the edge of a tick, and several at once */
        wheel_advance(r.w, r.now, fire_again, &r);
        cr_assert_eq(r.fired, i);
    }
    wheel_free(r.w);
}

static void fire_and_stop_all(struct wheel_timer *t, void *ctx)
{
    struct rig *r = ctx;
    (void)t;
    r->fired++;
    for (unsigned i = 0; i < 4; i++) {
        wheel_stop(&r->t[i]);
    }
}

Test(wheel, callback_stops_others_due_in_the_same_call)
{
    for (unsigned spread = 0; spread < 200; spread += 16) {
        struct rig r = {.w = new_wheel(0)};
        for (unsigned i = 0; i < 4; i++) {
            wheel_start(r.w, &r.t[i], 0, 100 + i * spread);
        }
        wheel_advance(r.w, 5000, fire_and_stop_all, &r);
        cr_assert_eq(r.fired, 1);
        cr_assert_eq(wheel_next_ms(r.w, 5000), -1);
        wheel_free(r.w);
    }
}

/* ---- a bound for a call ---- */

Test(wheel, a_bound_leaves_the_rest_for_the_next_calls)
{
    enum { N = 1000 };
    struct wheel *w = new_wheel(0);
    struct wheel_timer t[N] = {{0}};
    struct counted c = {0, NULL};
    for (unsigned i = 0; i < N; i++) {
        wheel_start(w, &t[i], 0, 1000);
    }
    cr_assert_not(wheel_advance_some(w, 900, 64, count_fire, &c));
    cr_assert_eq(c.fired, 0);
    for (unsigned i = 1; i <= 15; i++) {
        cr_assert(wheel_advance_some(w, 1008, 64, count_fire, &c));
        cr_assert_eq(c.fired, i * 64);
        cr_assert_eq(wheel_next_ms(w, 1008), 0, "the rest is due now");
    }
    cr_assert_not(wheel_advance_some(w, 1008, 64, count_fire, &c));
    cr_assert_eq(c.fired, N);
    cr_assert_eq(wheel_next_ms(w, 1008), -1);
    wheel_free(w);
}

Test(wheel, a_bound_that_is_met_exactly_is_no_rest)
{
    struct wheel *w = new_wheel(0);
    struct wheel_timer t[8] = {{0}};
    struct counted c = {0, NULL};
    for (unsigned i = 0; i < 8; i++) {
        wheel_start(w, &t[i], 0, 100);
    }
    cr_assert_not(wheel_advance_some(w, 200, 8, count_fire, &c));
    cr_assert_eq(c.fired, 8);
    wheel_free(w);
}

Test(wheel, what_is_left_can_be_stopped_and_moved_and_time_goes_on)
{
    struct wheel *w = new_wheel(0);
    struct wheel_timer t[6] = {{0}};
    struct wheel_timer later = {0};
    struct counted c = {0, NULL};
    for (unsigned i = 0; i < 6; i++) {
        wheel_start(w, &t[i], 0, 100); /* the one started last fires first */
    }
    wheel_start(w, &later, 0, 300);
    cr_assert(wheel_advance_some(w, 112, 2, count_fire, &c));
    cr_assert_eq(c.last, &t[4]);
    cr_assert(wheel_running(&t[3]));
    wheel_stop(&t[3]);
    cr_assert_not(wheel_running(&t[3]));
    wheel_start(w, &t[2], 112, 1000);
    /* Both are past now; what was left comes first, then the later one. */
    cr_assert(wheel_advance_some(w, 400, 2, count_fire, &c));
    cr_assert_eq(c.fired, 4);
    cr_assert_eq(c.last, &t[0]);
    cr_assert_not(wheel_advance_some(w, 400, 2, count_fire, &c));
    cr_assert_eq(c.last, &later);
    cr_assert_eq(c.fired, 5);
    cr_assert_not(wheel_advance_some(w, 1100, 2, count_fire, &c));
    cr_assert_not(wheel_advance_some(w, 1136, 2, count_fire, &c));
    cr_assert_eq(c.last, &t[2]);
    wheel_free(w);
}

Test(wheel, with_a_bound_too_a_timer_started_in_a_callback_waits_for_the_next_call)
{
    struct rig r = {.w = new_wheel(0)};
    for (unsigned i = 0; i < 4; i++) {
        wheel_start(r.w, &r.t[i], 0, 0);
    }
    r.now = 16;
    cr_assert(wheel_advance_some(r.w, r.now, 3, fire_again, &r));
    cr_assert_not(wheel_advance_some(r.w, r.now, 3, fire_again, &r));
    cr_assert_eq(r.fired, 4, "each once");
    r.now = 32;
    wheel_advance(r.w, r.now, fire_again, &r);
    cr_assert_eq(r.fired, 8);
    wheel_free(r.w);
}

/* ---- against a model ---- */

enum { TIMERS = 300 };

struct model;

struct item {
    struct wheel_timer timer; /* first */
    bool running;
    uint64_t due_ms;
    uint64_t started_in; /* the call of wheel_advance it was started in, or 0 */
};

struct model {
    struct wheel *w;
    uint64_t now;
    uint64_t call;
    uint64_t last_due_tick; /* expiry goes forward within a call */
    uint64_t seed;
    unsigned running;
    unsigned long fired;
    struct item items[TIMERS];
};

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return (m->seed * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

/* All magnitudes equally likely. */
static uint64_t rnd_span(struct model *m, unsigned max_bits)
{
    return rnd(m, UINT64_C(1) << (1 + rnd(m, max_bits)));
}

static void model_stop(struct model *m, struct item *it)
{
    m->running -= it->running;
    it->running = false;
    wheel_stop(&it->timer);
}

static void model_start(struct model *m, struct item *it, bool in_callback)
{
    uint64_t delay = rnd(m, 10) == 0 ? 0 : rnd_span(m, 28);
    m->running += !it->running;
    it->running = true;
    it->due_ms = m->now + delay;
    it->started_in = in_callback ? m->call : 0;
    wheel_start(m->w, &it->timer, m->now, delay);
}

static void model_fire(struct wheel_timer *t, void *ctx)
{
    struct model *m = ctx;
    struct item *it = (struct item *)t;
    cr_assert(it->running);
    cr_assert_leq(it->due_ms, m->now, "before its time");
    cr_assert_neq(it->started_in, m->call, "in the call it was started in");
    uint64_t tick = (it->due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    cr_assert_geq(tick + 1, m->last_due_tick);
    m->last_due_tick = tick;
    it->running = false;
    m->running--;
    m->fired++;
    for (uint64_t n = rnd(m, 4); n > 0; n--) {
        struct item *other = &m->items[rnd(m, TIMERS)];
        switch (rnd(m, 3)) {
        case 0:
            model_stop(m, other);
            break;
        case 1:
            model_start(m, other, true);
            break;
        default:
            model_start(m, it, true);
            break;
        }
    }
}

static void model_check(const struct model *m)
{
    uint64_t soonest = UINT64_MAX;
    for (unsigned i = 0; i < TIMERS; i++) {
        const struct item *it = &m->items[i];
        cr_assert_eq(wheel_running(&it->timer), it->running);
        if (it->running) {
            /* A whole tick late, or two if it was due at once. */
            cr_assert_gt(it->due_ms + 2 * WHEEL_TICK_MS, m->now, "forgotten");
            soonest = it->due_ms < soonest ? it->due_ms : soonest;
        }
    }
    int64_t next = wheel_next_ms(m->w, m->now);
    if (m->running == 0) {
        cr_assert_eq(next, -1);
        return;
    }
    cr_assert_geq(next, 0);
    uint64_t latest = soonest > m->now ? soonest - m->now : 0;
    cr_assert_leq((uint64_t)next, latest + WHEEL_TICK_MS);
}

static void model_advance(struct model *m, uint64_t by)
{
    bool more;
    m->now += by;
    m->last_due_tick = 0;
    do { /* in one call or in several */
        m->call++;
        more = wheel_advance_some(m->w, m->now, 1 + (unsigned)rnd_span(m, 9), model_fire, m);
        cr_assert(!more || wheel_next_ms(m->w, m->now) == 0);
    } while (more);
    /* What was due and not started within a callback is gone. */
    for (unsigned i = 0; i < TIMERS; i++) {
        const struct item *it = &m->items[i];
        if (it->running && it->started_in != m->call) {
            cr_assert_gt(it->due_ms + WHEEL_TICK_MS, m->now, "overdue");
        }
    }
}

static void run_model(uint64_t now, uint64_t seed, unsigned ops)
{
    struct model *m = calloc(1, sizeof *m);
    cr_assert_not_null(m);
    m->now = now;
    m->seed = seed;
    m->w = new_wheel(now);
    for (unsigned i = 0; i < ops; i++) {
        struct item *it = &m->items[rnd(m, TIMERS)];
        switch (rnd(m, 8)) {
        case 0:
            model_stop(m, it);
            break;
        case 1:
        case 2:
        case 3:
            model_start(m, it, false);
            break;
        case 4: { /* as a loop does: sleep until there may be something */
            int64_t next = wheel_next_ms(m->w, m->now);
            model_advance(m, next > 0 ? (uint64_t)next : 0);
            break;
        }
        case 5:
            model_advance(m, rnd_span(m, 26));
            break;
        default:
            model_advance(m, rnd(m, 40));
            break;
        }
        model_check(m);
    }
    cr_assert_gt(m->fired, ops / 100);
    wheel_free(m->w);
    free(m);
}

Test(wheel, model_from_the_start)
{
    run_model(0, 1, 30000);
}

Test(wheel, model_over_the_tick_wrap)
{
    for (uint64_t seed = 2; seed < 12; seed++) {
        run_model(tick_wrap_ms - 20 * hour_ms - seed, seed, 3000);
        run_model(tick_wrap_ms - 500 * seed, seed * 31, 3000);
    }
}

Test(wheel, model_over_the_signed_tick_edge)
{
    for (uint64_t seed = 20; seed < 25; seed++) {
        run_model(tick_wrap_ms / 2 - 2 * hour_ms, seed, 3000);
    }
}

/* ---- many at once ---- */

Test(wheel, a_hundred_thousand_heartbeats)
{
    enum { N = 100000 };
    struct wheel *w = new_wheel(999);
    struct wheel_timer *t = calloc(N, sizeof *t);
    cr_assert_not_null(t);
    for (unsigned i = 0; i < N; i++) {
        wheel_start(w, &t[i], 999, 15000 + i * UINT64_C(7919) % 30000);
    }
    struct counted c = {0, NULL};
    for (uint64_t now = 999; c.fired < N; now += 16) {
        cr_assert_lt(now, 999 + 45100);
        wheel_advance(w, now, count_fire, &c);
        for (unsigned i = 0; i < 10; i++) { /* data came: heartbeats move */
            struct wheel_timer *one = &t[(now * 31 + i * 977) % N];
            if (wheel_running(one) && now < 30000) {
                wheel_start(w, one, now, 15000);
            }
        }
    }
    cr_assert_eq(c.fired, N);
    cr_assert_eq(wheel_next_ms(w, 60000), -1);
    free(t);
    wheel_free(w);
}
