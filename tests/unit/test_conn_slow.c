/* Clients that read too slowly: the bounds of the queue and both policies. */
#include "support_stream.h"

#include "conn/slow.h"

static struct rig *r;
static char data[70000];

static void start(void)
{
    r = rig_new();
    rig_set(r, "send-buffer", "2k");
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(slow, .init = start, .fini = stop);

/* Opens one, and blocks it by a message larger than the socket takes. */
static struct plain_stream *blocked(const struct stream_ops *ops, int *peer)
{
    struct plain_stream *c = plain_open(r, ops, "orders", peer);

    rig_drop(r, *peer);
    rig_publish(r, "orders", plain_data(data, 60000, 0));
    rig_turn(r);
    cr_assert(c->s.blocked);
    cr_assert_eq(c->s.q.n, 1);
    cr_assert_gt(c->s.q.sent, 0);
    return c;
}

static void publish_many(unsigned from, unsigned to, size_t size)
{
    for (unsigned i = from; i <= to; i++) {
        rig_publish(r, "orders", plain_data(data, size, i));
    }
    rig_turn(r);
}

/* ---- disconnect ---- */

Test(slow, over_the_messages_the_client_is_closed)
{
    int peer;
    bool freed = false;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;

    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &peer);
    c->freed = &freed;
    publish_many(1, 7, 10);
    cr_assert_eq(c->s.q.n, 8);
    cr_assert_not(c->s.ending, "at the bound is not over it");
    publish_many(8, 8, 10);
    cr_assert(c->s.ending);
    cr_assert_eq(c->code, 4008);
    cr_assert_eq(rig_metric(r, METRIC_SLOW_CLOSED), 1);
    cr_assert_eq(c->s.q.n, 2, "the rest of what is partly written, and the farewell");
    cr_assert(rig_read_all(r, peer, &sb));
    cr_assert_str_eq(sb.data + sb.len - 11, "\n\nfarewell\n", "what had begun is whole");
    cr_assert_null(strstr(sb.data, "0000000007\""));
    close(peer);
    rig_turn(r);
    cr_assert(freed);
    cr_assert_str_eq(r->reason, "slow client");
    strbuf_fini(&sb);
}

Test(slow, over_the_bytes_the_client_is_closed)
{
    int peer;
    struct plain_stream *c;
    uint64_t most = 0;

    rig_set(r, "client-queue-bytes", "100k");
    c = blocked(&plain_ws, &peer);
    for (unsigned i = 1; i < 200 && !c->s.ending; i++) {
        publish_many(i, i, 1000);
        most = c->s.q.bytes > most ? c->s.q.bytes : most;
    }
    cr_assert(c->s.ending);
    cr_assert_leq(most, 100 * 1024);
    cr_assert_geq(most, 98 * 1024);
    close(peer);
}

Test(slow, an_empty_queue_takes_a_message_of_any_size)
{
    int peer;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;

    rig_set(r, "client-queue-bytes", "4k");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    publish_many(1, 1, 60000);
    cr_assert_not(c->s.ending);
    rig_read_all(r, peer, &sb);
    cr_assert_gt(sb.len, 60000);
    cr_assert_eq(c->s.q.n, 0);
    strbuf_fini(&sb);
    close(peer);
}

Test(slow, one_slow_client_disturbs_nobody)
{
    int slow, quick;
    struct plain_stream *c, *other;

    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &slow);
    other = plain_open(r, &plain_sse, "orders", &quick);
    for (unsigned i = 1; i <= 50; i++) {
        publish_many(i, i, 10);
        rig_drop(r, quick);
    }
    cr_assert(c->s.ending);
    cr_assert_not(other->s.ending);
    cr_assert_eq(other->s.messages, 50);
    close(slow);
    close(quick);
}

/* The bound holds for messages; what a transport must say is said. */
Test(slow, private_bytes_pass_over_the_bound)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "client-queue-messages", "4");
    c = blocked(&plain_sse, &peer);
    for (int i = 0; i < 10; i++) {
        stream_put_control(&c->s, STR_LIT("fanfare.x"), STR_LIT("{}"));
    }
    cr_assert_not(c->s.ending);
    cr_assert_eq(c->s.q.n, 11);
    close(peer);
}

/* ---- drop-oldest ---- */

/* The seqs in the `id:` lines that are in the text, as "3,4,9". */
static char *ids(const char *text)
{
    struct strbuf sb = STRBUF_INIT;

    for (const char *p = text; (p = strstr(p, "id: " RIG_EPOCH_TEXT "-")) != NULL;) {
        p += strlen("id: " RIG_EPOCH_TEXT "-");
        strbuf_addf(&sb, "%s%d", sb.len ? "," : "", atoi(p));
    }
    return strbuf_steal(&sb, NULL);
}

Test(slow, drop_oldest_puts_a_gap_in_their_place)
{
    int peer;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;
    char *got;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &peer); /* seq 1, partly written */
    publish_many(2, 8, 10);
    cr_assert_eq(rig_metric(r, METRIC_DROPPED), 0);
    publish_many(9, 9, 10); /* 2, 3, 4 go: at most six with the new one */
    cr_assert_not(c->s.ending);
    cr_assert_eq(rig_metric(r, METRIC_DROPPED), 3);
    cr_assert_eq(c->s.q.n, 7, "1, the gap, 5 to 9");
    rig_read_all(r, peer, &sb);
    got = ids(sb.data);
    cr_assert_str_eq(got, "1,4,5,6,7,8,9", "the gap's cursor is its `to`");
    cr_assert_not_null(strstr(sb.data,
                              "event: fanfare.gap\nid: " RIG_EPOCH_TEXT
                              "-4\ndata: {\"type\":\"fanfare.gap\",\"cursor\":\"" RIG_EPOCH_TEXT
                              "-4\",\"data\":{\"scope\":\"all\",\"from\":\"" RIG_EPOCH_TEXT
                              "-1\",\"to\":\"" RIG_EPOCH_TEXT "-4\",\"reason\":\"slow\"}}\n\n"),
                       "%s", sb.data + 60000);
    free(got);
    strbuf_fini(&sb);
    close(peer);
}

Test(slow, a_second_drop_widens_the_gap)
{
    int peer;
    struct strbuf sb = STRBUF_INIT;
    char *got;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    blocked(&plain_sse, &peer);
    publish_many(2, 100, 10);
    rig_read_all(r, peer, &sb);
    cr_assert_eq(rig_count(sb.data, "event: fanfare.gap\n"), 1);
    cr_assert_not_null(strstr(sb.data, "\"from\":\"" RIG_EPOCH_TEXT "-1\""));
    got = ids(sb.data);
    cr_assert_str_eq(strstr(got, ",100") ? ",100" : got, ",100");
    /* The gap's `to` is just before the first message that was kept. */
    {
        int gap = 0, first = 0;
        cr_assert_eq(sscanf(got, "1,%d,%d", &gap, &first), 2);
        cr_assert_eq(first, gap + 1, "%s", got);
    }
    cr_assert_eq(rig_metric(r, METRIC_DROPPED) + rig_count(sb.data, "event: fanfare.gap\n"),
                 100 - rig_count(got, ",") + 1, "every message is kept or counted");
    free(got);
    strbuf_fini(&sb);
    close(peer);
}

/* What arrives is always in order, and each message is delivered or in a gap. */
Test(slow, drop_oldest_never_loses_silently)
{
    int peer;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;
    unsigned long seen = 0, lost = 0;
    char chunk[3000];

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "16");
    rig_set(r, "client-queue-bytes", "16k");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    for (unsigned i = 1; i <= 2000; i++) {
        ssize_t n;
        publish_many(i, i, 100 + i % 900);
        cr_assert_not(c->s.ending);
        cr_assert_leq(c->s.q.n, 17);
        cr_assert_leq(c->s.q.bytes, 18 * 1024);
        if (i % 7 == 0 && (n = recv(peer, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
            strbuf_add(&sb, chunk, (size_t)n);
        }
    }
    rig_read_all(r, peer, &sb);
    for (const char *p = sb.data; p; p = strstr(p, "\n\n")) {
        unsigned long from, to, seq;
        p += strspn(p, "\n");
        if (strncmp(p, "event: fanfare.gap\n", 19) == 0) {
            cr_assert_eq(sscanf(strstr(p, "\"from\""),
                                "\"from\":\"" RIG_EPOCH_TEXT "-%lu\",\"to\":\"" RIG_EPOCH_TEXT
                                "-%lu\"",
                                &from, &to),
                         2);
            cr_assert_eq(from, seen, "a gap begins where the stream stood");
            lost += to - from;
            seen = to;
        } else if (sscanf(p, "id: " RIG_EPOCH_TEXT "-%lu", &seq) == 1) {
            cr_assert_eq(seq, seen + 1);
            seen = seq;
        } else {
            cr_assert_eq(*p, '\0', "%.40s", p);
        }
    }
    cr_assert_eq(seen, 2000);
    cr_assert_gt(lost, 0);
    cr_assert_eq(lost, rig_metric(r, METRIC_DROPPED));
    strbuf_fini(&sb);
    close(peer);
}

Test(slow, gap_on_websocket_is_a_frame)
{
    int peer;
    struct strbuf sb = STRBUF_INIT;
    const char *at;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "4");
    blocked(&plain_ws, &peer);
    publish_many(2, 10, 10);
    rig_read_all(r, peer, &sb);
    at = memmem(sb.data, sb.len, "{\"type\":\"fanfare.gap\"", 21);
    cr_assert_not_null(at);
    cr_assert_eq((unsigned char)at[-2], 0x81);
    strbuf_fini(&sb);
    close(peer);
}

/* Control events are never dropped, whatever the policy. */
Test(slow, drop_oldest_keeps_control_events)
{
    int peer;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &peer);
    publish_many(2, 3, 10);
    stream_put_control(&c->s, STR_LIT("fanfare.x"), STR_LIT("{\"n\":1}"));
    publish_many(4, 30, 10);
    rig_read_all(r, peer, &sb);
    cr_assert_eq(rig_count(sb.data, "event: fanfare.x\n"), 1);
    strbuf_fini(&sb);
    close(peer);
}

Test(slow, nothing_to_drop_ends_the_client)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "4");
    c = blocked(&plain_sse, &peer);
    for (int i = 0; i < 10; i++) {
        stream_put_control(&c->s, STR_LIT("fanfare.x"), STR_LIT("{}"));
    }
    publish_many(2, 2, 10);
    cr_assert(c->s.ending);
    cr_assert_eq(c->code, 4008);
    close(peer);
}

/* Messages to one client repeat the stream's position: before the first message
 * of the log that is 0, and the gap must not reach below it. */
Test(slow, gap_of_direct_messages_at_position_zero)
{
    int peer;
    struct plain_stream *c;
    struct envelope e;
    struct strbuf sb = STRBUF_INIT;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "4");
    c = plain_open(r, &plain_sse, NULL, &peer);
    rig_drop(r, peer);
    for (unsigned i = 0; i < 20; i++) {
        e = rig_envelope(TARGET_EVERYONE, plain_data(data, i ? 10 : 60000, i));
        cr_assert(stream_put_direct(&c->s, &e));
        rig_turn(r);
    }
    rig_read_all(r, peer, &sb);
    cr_assert_not_null(strstr(sb.data, "event: fanfare.gap\n"));
    cr_assert_null(strstr(sb.data, "18446744073709551615"),
                   "\"from\" is no position of the log: %s", sb.data + 60000);
    cr_assert_not_null(
        strstr(sb.data, "\"from\":\"" RIG_EPOCH_TEXT "-0\",\"to\":\"" RIG_EPOCH_TEXT "-0\""));
    strbuf_fini(&sb);
    close(peer);
}

/* Whatever is left of the marker when the stream ends goes with it. */
Test(slow, a_stream_ends_with_a_gap_in_its_queue)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &peer);
    publish_many(2, 30, 10);
    cr_assert_not_null(c->s.slow->gap.marker);
    stream_kill(&c->s, "test");
    rig_turn(r);
    close(peer);
}

/* The policy may change while messages wait. */
Test(slow, policy_changes_live)
{
    int peer;
    struct plain_stream *c;

    rig_set(r, "slow-client", "drop-oldest");
    rig_set(r, "client-queue-messages", "8");
    c = blocked(&plain_sse, &peer);
    publish_many(2, 30, 10);
    rig_set(r, "slow-client", "disconnect");
    publish_many(31, 40, 10);
    cr_assert(c->s.ending);
    close(peer);
}
