/* Streams that are sent messages from history: the order on the wire, slices,
 * subscriptions with a position, users' queues. */
#include "support_stream.h"

#include "conn/replays.h"

static struct rig *r;

static void start(void)
{
    r = rig_new();
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(replays, .init = start, .fini = stop);

#define AT(n) RIG_EPOCH_TEXT "-" #n

static struct plain_stream *open_at(const struct stream_ops *ops, const char *user,
                                    const char *channel, struct position pos, int *peer)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct str name = str_of(channel);
    struct stream_intro intro = {.fd = p.ours,
                                 .user = str_of(user),
                                 .names = &name,
                                 .nnames = channel != NULL,
                                 .position = pos};

    cr_assert_eq(stream_open(&c->s, &r->env, ops, &intro), 0);
    *peer = p.peer;
    return c;
}

static struct position at(uint64_t seq)
{
    return (struct position){.kind = POSITION_CURSOR, .cursor = {RIG_EPOCH, seq}};
}

/* What stands in the text, by the beginnings of what is looked for: "C5 3 4 S5 6"
 * is connected at 5, messages 3 and 4, synced at 5, message 6; G is a gap. */
static char *outline(const char *text)
{
    struct strbuf sb = STRBUF_INIT;
    const char *p = text;

    strbuf_adds(&sb, "");
    while ((p = strstr(p, "data: {\"type\":\"")) != NULL) {
        const char *type = p + strlen("data: {\"type\":\"");
        const char *cursor = strstr(p, "\"cursor\":\"" RIG_EPOCH_TEXT "-");
        unsigned long seq = cursor ? strtoul(cursor + strlen("\"cursor\":\"2n9c-"), NULL, 10) : 0;
        const char *mark = strncmp(type, "fanfare.connected", 17) == 0 ? "C"
                           : strncmp(type, "fanfare.synced", 14) == 0  ? "S"
                           : strncmp(type, "fanfare.gap", 11) == 0     ? "G"
                                                                       : "";
        strbuf_addf(&sb, "%s%s%lu", sb.len ? " " : "", mark, seq);
        p = type;
    }
    strbuf_addc(&sb, '\0');
    return strbuf_steal(&sb, NULL);
}

static void expect(int peer, const char *want)
{
    char *text = rig_text(r, peer);
    char *got = outline(text);

    cr_assert_str_eq(got, want, "%s instead of %s:\n%s", got, want, text);
    free(got);
    free(text);
}

static void publish(const char *channel, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        rig_publish(r, channel, "1");
    }
}

Test(replays, in_order_then_synced_then_live)
{
    int peer;

    publish("a", 3);
    rig_publish(r, "b", "1");
    (void)rig_publish_kind(r, TARGET_EVERYONE, NULL, "1");
    (void)open_at(&plain_sse, NULL, "a", at(1), &peer);
    publish("a", 1);
    expect(peer, "C1 2 3 5 S5 6");
    cr_assert_eq(rig_metric(r, METRIC_MATCHED), 1);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 0);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYED), 3);
    close(peer);
}

Test(replays, connected_says_whether_it_is_whole)
{
    int peer;
    char *text;

    rig_set(r, "history", "2");
    publish("a", 4);
    (void)open_at(&plain_sse, NULL, "a", at(2), &peer);
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "\"recovered\":true"), "%s", text);
    free(text);
    close(peer);
    (void)open_at(&plain_sse, NULL, "a", at(1), &peer);
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "\"recovered\":false"), "%s", text);
    cr_assert_not_null(strstr(text, "event: fanfare.gap\nid: " AT(1) "\n"), "%s", text);
    cr_assert_not_null(strstr(text, "{\"scope\":\"channel\",\"name\":\"a\",\"from\":\"" AT(
                                        1) "\",\"to\":\"" AT(2) "\",\"reason\":\"evicted\"}"),
                       "%s", text);
    free(text);
    close(peer);
}

/* More than a slice, to a client that takes little at a time, while others publish:
 * never more waits than half of what may. */
Test(replays, a_long_one_comes_in_slices)
{
    struct strbuf all = STRBUF_INIT;
    struct plain_stream *c;
    uint64_t last = 0;
    unsigned n = 0;
    int peer;

    rig_set(r, "client-queue-messages", "64");
    rig_set(r, "history", "5000");
    publish("a", 1000);
    c = open_at(&plain_sse, NULL, "a", at(0), &peer);
    cr_assert_not(c->s.member.joined);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 1);
    for (unsigned i = 0; i < 200; i++) {
        cr_assert_leq(c->s.q.n, 40);
        if (i < 100) {
            publish("a", 5);
        }
        rig_turn(r);
        (void)rig_read(peer, &all);
    }
    (void)rig_read_all(r, peer, &all);
    cr_assert(c->s.member.joined);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 0);
    strbuf_addc(&all, '\0');
    for (const char *p = all.data; (p = strstr(p, "\nid: " RIG_EPOCH_TEXT "-")) != NULL; p++) {
        uint64_t seq = strtoull(p + strlen("\nid: 2n9c-"), NULL, 10);
        cr_assert(seq == last || seq == last + 1, "%llu after %llu", (unsigned long long)seq,
                  (unsigned long long)last);
        n += seq != last;
        last = seq;
    }
    cr_assert_eq(n, 1500);
    cr_assert_eq(rig_count(all.data, "fanfare.synced"), 2, "type and event, once");
    cr_assert_null(strstr(all.data, "fanfare.gap"));
    strbuf_fini(&all);
    close(peer);
}

/* It is cut while slices are left. */
Test(replays, an_end_in_the_middle)
{
    struct plain_stream *c;
    bool freed = false;
    int peer;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 100);
    c = open_at(&plain_sse, NULL, "a", at(0), &peer);
    c->freed = &freed;
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 1);
    close(peer);
    rig_turn(r);
    rig_turn(r);
    cr_assert(freed);
    cr_assert_eq(rig_metric(r, METRIC_REPLAYING), 0);
}

/* History does not wait for a client that does not read: that is a gap. */
Test(replays, history_goes_away_under_it)
{
    int peer;

    rig_set(r, "client-queue-messages", "4");
    rig_set(r, "history", "10");
    publish("a", 10);
    (void)open_at(&plain_sse, NULL, "a", at(0), &peer);
    publish("a", 10);
    expect(peer, "C0 1 2 G2 11 12 13 14 15 16 17 18 19 20 S20");
    close(peer);
}

Test(replays, what_waits_for_a_user)
{
    int peer;

    publish("a", 2);
    (void)rig_publish_kind(r, TARGET_USER, "ann", "1");
    rig_publish(r, "a", "1");
    (void)rig_publish_kind(r, TARGET_USER, "ann", "1");
    (void)open_at(&plain_sse, "ann", "a", (struct position){0}, &peer);
    expect(peer, "C2 3 5 S5");
    close(peer);
    rig_turn(r);
    (void)open_at(&plain_sse, "ann", "a", (struct position){0}, &peer);
    expect(peer, "C5 S5");
    close(peer);
}

/* The newest only, but what waits for the user all the same: ids never go back. */
Test(replays, what_waits_from_before_the_position)
{
    struct position newest = {.kind = POSITION_NEWEST, .count = 1};
    char *text;
    int peer;

    (void)rig_publish_kind(r, TARGET_USER, "ann", "1");
    publish("a", 3);
    (void)open_at(&plain_sse, "ann", "a", newest, &peer);
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "id: " AT(3) "\ndata: {\"type\":\"message\",\"userId\":\"ann\","
                                                 "\"id\":\"id-1\",\"cursor\":\"" AT(1) "\""),
                       "%s", text);
    cr_assert_null(strstr(text, "id: " AT(1)));
    free(text);
    close(peer);
}

/* Nobody was sent it, wherever the cursor stands. */
Test(replays, what_waits_comes_with_a_cursor_too)
{
    int peer;

    (void)rig_publish_kind(r, TARGET_USER, "ann", "1");
    publish("a", 2);
    (void)open_at(&plain_sse, "ann", "a", at(2), &peer);
    expect(peer, "C2 1 3 S3");
    close(peer);
    rig_turn(r);
    (void)open_at(&plain_sse, "ann", "a", (struct position){0}, &peer);
    expect(peer, "C3 S3");
    close(peer);
}

Test(replays, another_log)
{
    struct position lost = {.kind = POSITION_LOST};
    char *text;
    int peer;

    publish("a", 2);
    (void)open_at(&plain_sse, NULL, "a", lost, &peer);
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "event: fanfare.connected\ndata: "), "no id: %s", text);
    cr_assert_not_null(strstr(text, "\"reason\":\"epoch\""));
    cr_assert_not_null(strstr(text, "event: fanfare.synced\nid: " AT(2) "\n"));
    free(text);
    close(peer);
}

/* ---- subscriptions ---- */

static struct plain_stream *live(int *peer)
{
    struct plain_stream *c = open_at(&plain_sse, NULL, NULL, (struct position){0}, peer);

    rig_drop(r, *peer);
    return c;
}

Test(replays, a_subscription_with_a_position)
{
    struct position from = at(1);
    struct plain_stream *c;
    struct cursor cursor;
    char *text;
    int peer;

    publish("a", 3);
    c = live(&peer);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("a"), &from, STR_LIT("\"x\""), &cursor), 0);
    cr_assert_eq(cursor.seq, 1);
    cr_assert_eq(stream_name_count(&c->s), 1);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("a"), &from, STR_NONE, &cursor), ERR_EXISTS);
    (void)rig_publish_kind(r, TARGET_EVERYONE, NULL, "1");
    rig_publish(r, "a", "1");
    text = rig_text(r, peer);
    cr_assert_not_null(strstr(text, "{\"channel\":\"a\",\"ref\":\"x\"}"), "%s", text);
    free(text);
    rig_publish(r, "a", "1");
    expect(peer, "6");
    cr_assert_eq(c->s.position, 6);
    close(peer);
}

/* Its messages do not move the connection's position. */
Test(replays, a_subscription_leaves_the_position)
{
    struct position from = at(0);
    struct plain_stream *c;
    struct cursor cursor;
    int peer;

    publish("a", 3);
    c = live(&peer);
    cr_assert_eq(c->s.position, 3);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("a"), &from, STR_NONE, &cursor), 0);
    expect(peer, "1 2 3 S3");
    cr_assert_eq(c->s.position, 3);
    close(peer);
}

Test(replays, a_subscription_is_dropped_before_its_end)
{
    struct position from = at(0);
    struct plain_stream *c;
    struct cursor cursor;
    int peer;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 50);
    c = live(&peer);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("a"), &from, STR_NONE, &cursor), 0);
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("b"), &from, STR_NONE, &cursor), 0);
    rig_turn(r);
    cr_assert(stream_has_name(&c->s, STR_LIT("a")));
    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("a")), 0);
    cr_assert_not(stream_has_name(&c->s, STR_LIT("a")));
    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("a")), ERR_NOT_FOUND);
    rig_drop(r, peer);
    rig_turn(r);
    rig_drop(r, peer);
    cr_assert(member_has_name(&c->s.member, STR_LIT("b")), "the next one has its turn");
    close(peer);
}

/* While the stream's own replay goes on a subscription waits for its turn, and
 * begins where it was asked for. */
Test(replays, a_subscription_during_the_streams_own)
{
    struct position now = {.kind = POSITION_NONE};
    struct plain_stream *c;
    struct cursor cursor;
    int peer;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 6);
    c = open_at(&plain_sse, NULL, "a", at(0), &peer);
    cr_assert_not(c->s.member.joined);
    rig_publish(r, "b", "1");
    cr_assert_eq(stream_subscribe(&c->s, STR_LIT("b"), &now, STR_NONE, &cursor), 0);
    cr_assert_eq(cursor.seq, 7);
    rig_publish(r, "b", "1");
    expect(peer, "C0 1 2 3 4 5 6 S8 8 S8");
    rig_publish(r, "b", "1");
    expect(peer, "9");
    close(peer);
}

Test(replays, a_name_of_the_streams_own_is_dropped)
{
    struct plain_stream *c;
    int peer;

    rig_set(r, "client-queue-messages", "4");
    publish("a", 6);
    c = open_at(&plain_sse, NULL, "a", at(0), &peer);
    cr_assert_eq(stream_unsubscribe(&c->s, STR_LIT("a")), 0);
    publish("a", 1);
    expect(peer, "C0 1 2 S7");
    cr_assert_eq(stream_name_count(&c->s), 0);
    close(peer);
}
