#include "support_stream.h"

#include "conn/pace.h"

#include <sys/ioctl.h>

static struct rig *r;
static struct plain_stream *c;
static struct pace *pace;
static int peer;

static void start(void)
{
    r = rig_new();
    c = plain_open(r, &plain_ws, NULL, &peer);
    rig_turn(r);
    rig_drop(r, peer);
}

static void stop(void)
{
    pace_free(pace);
    close(peer);
    rig_free(r);
}

TestSuite(pace, .init = start, .fini = stop);

static bool may(void)
{
    return pace_may_read(&c->s, &pace);
}

static void messages(unsigned n)
{
    while (n--) {
        pace_message(&c->s, &pace);
    }
}

/* Lets time go by, but nobody read. */
static void pass(uint64_t ms)
{
    uint64_t end = r->now + ms;

    for (; r->now < end; r->now += WHEEL_TICK_MS) {
        r->env.now_ms = r->now;
        wheel_advance(r->env.wheel, r->now, rig_fire, r);
    }
    r->env.now_ms = r->now;
}

Test(pace, off)
{
    messages(100000);
    pace_bytes(&c->s, &pace, 1u << 30);
    cr_expect(may());
    cr_expect_null(pace, "it costs nothing");
    cr_expect_eq(pace_chunk(&c->s, 16384), 16384);
    pace_drained(pace);
}

Test(pace, messages)
{
    rig_set(r, "op-rate", "10");
    rig_set(r, "rate-window", "1s");
    cr_expect(may());
    cr_expect_null(pace);
    cr_expect_lt(pace_chunk(&c->s, 16384), 16384);
    cr_expect_eq(pace_chunk(&c->s, 100), 100);
    messages(9);
    cr_expect(may());
    messages(1);
    rig_send(peer, "more", 4);
    cr_expect_not(may());
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_OPS), 1);
    cr_expect_not(may());
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_OPS), 1, "once for all of it");
    cr_expect_eq(c->resumed, 0);
    pass(100 + 2 * WHEEL_TICK_MS);
    cr_expect_eq(c->resumed, 1, "it is read again");
    cr_expect(may());
    cr_expect_not(c->s.ending);
}

/* Nothing waits to be read: it may be over, but it does not go on. */
Test(pace, quiet)
{
    rig_set(r, "op-rate", "10");
    rig_set(r, "rate-window", "1s");
    for (int i = 0; i < 20; i++) {
        messages(11);
        cr_expect_not(may());
        pass(1100);
        cr_expect(may());
    }
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_OPS), 0);
    cr_expect_eq(c->resumed, 0);
    cr_expect_not(c->s.ending);
}

Test(pace, bytes)
{
    rig_set(r, "op-bytes", "1000");
    rig_set(r, "rate-window", "1s");
    pace_bytes(&c->s, &pace, 999);
    messages(10000);
    cr_expect(may(), "messages are not limited");
    pace_bytes(&c->s, &pace, 501);
    rig_send(peer, "more", 4);
    cr_expect_not(may());
    pass(500 + 3 * WHEEL_TICK_MS);
    cr_expect_eq(c->resumed, 1);
    cr_expect(may());
}

/* It sends whatever it is read, for the whole window. */
Test(pace, flood)
{
    uint64_t began = r->now;

    rig_set(r, "op-rate", "10");
    rig_set(r, "rate-window", "1s");
    messages(10);
    rig_send(peer, "more", 4);
    while (!c->s.ending) {
        unsigned before = c->resumed;
        cr_assert_lt(r->now, began + 3000);
        if (may()) {
            messages(3);
            continue;
        }
        while (!c->s.ending && c->resumed == before) {
            pass(WHEEL_TICK_MS);
        }
    }
    cr_expect_eq(c->code, CLOSE_FLOODING);
    cr_expect_geq(r->now, began + 1000);
    cr_expect_leq(r->now, began + 1500);
    cr_expect_eq(rig_metric(r, METRIC_FLOODS_CLOSED), 1);
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_OPS), 1);
    pass(5000);
    cr_expect_eq(rig_metric(r, METRIC_FLOODS_CLOSED), 1);
}

/* So much at once that it would be held back for hours. */
Test(pace, debt)
{
    rig_set(r, "op-rate", "1");
    rig_set(r, "rate-window", "2s");
    messages(10000);
    rig_send(peer, "more", 4);
    cr_expect_not(may());
    for (int i = 0; i < 200 && !c->s.ending; i++) {
        unsigned before = c->resumed;
        pass(WHEEL_TICK_MS);
        cr_expect(c->resumed == before || !may());
    }
    cr_expect_eq(c->code, CLOSE_FLOODING);
}

/* Whoever catches up begins anew. */
Test(pace, catches_up)
{
    rig_set(r, "op-rate", "10");
    rig_set(r, "rate-window", "1s");
    for (int i = 0; i < 10; i++) {
        char buf[64];
        messages(15);
        rig_send(peer, "more", 4);
        cr_expect_not(may());
        pass(700);
        cr_expect(may());
        cr_assert_gt(recv(c->s.fd, buf, sizeof(buf), MSG_DONTWAIT), 0);
        pace_drained(pace);
        pass(1500);
    }
    cr_expect_not(c->s.ending);
    cr_expect_eq(rig_metric(r, METRIC_LIMITED_OPS), 10);
}

/* A window longer than the time for a pong: it is looked at in between. */
Test(pace, long_window)
{
    rig_set(r, "op-rate", "1");
    rig_set(r, "rate-window", "60s");
    rig_set(r, "pong-timeout", "2s");
    messages(80);
    rig_send(peer, "more", 4);
    cr_expect_not(may());
    pass(1000 + 2 * WHEEL_TICK_MS);
    cr_expect_eq(c->resumed, 1);
    cr_expect_not(may());
    pass(1000 + 2 * WHEEL_TICK_MS);
    cr_expect_eq(c->resumed, 2);
}

Test(pace, switched_off)
{
    rig_set(r, "op-rate", "1");
    messages(100);
    rig_send(peer, "more", 4);
    cr_expect_not(may());
    rig_set(r, "op-rate", "0");
    cr_expect(may());
}
