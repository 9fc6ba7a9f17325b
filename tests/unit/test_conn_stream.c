#include "support_stream.h"

#include <fcntl.h>

static struct rig *r;

static void start(void)
{
    r = rig_new();
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(stream, .init = start, .fini = stop);

/* True if `a` stands in `text` before `b`. */
static bool before(const char *text, const char *a, const char *b)
{
    const char *pa = strstr(text, a);
    const char *pb = strstr(text, b);

    return pa && pb && pa < pb;
}

/* ---- greeting ---- */

Test(stream, greeting_on_sse)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);
    char *text = rig_text(r, peer);
    char id[CLIENT_ID_LEN + 1], key[CLIENT_KEY_LEN + 1];

    cr_assert(str_starts(str_of(text),
                         STR_LIT("retry: 2000\nevent: fanfare.connected\nid: " RIG_EPOCH_TEXT
                                 "-0\ndata: {")),
              "%s", text);
    cr_assert(before(text, "fanfare.connected", "event: fanfare.synced\n"));
    cr_assert_null(strstr(text, "fanfare.gap"));
    cr_assert_not_null(strstr(text, "\"channels\":[\"orders\"],\"recovered\":false"));
    client_id_text(c->s.member.id, id);
    stream_client_key(&c->s, key);
    cr_assert_eq(strlen(key), CLIENT_KEY_LEN);
    cr_assert_not_null(strstr(text, id));
    cr_assert_not_null(strstr(text, key));
    cr_assert_eq(r->connected, 1);
    free(text);
    close(peer);
}

Test(stream, greeting_on_websocket_is_text_frames)
{
    int peer;
    struct strbuf sb = STRBUF_INIT;
    size_t at = 0;
    unsigned frames = 0;

    plain_open(r, &plain_ws, NULL, &peer);
    rig_turn(r);
    rig_read_all(r, peer, &sb);
    while (at < sb.len) {
        size_t len = (unsigned char)sb.data[at + 1];
        cr_assert_eq((unsigned char)sb.data[at], 0x81);
        at += 2;
        if (len == 126) {
            len = (size_t)(unsigned char)sb.data[at] << 8 | (unsigned char)sb.data[at + 1];
            at += 2;
        }
        cr_assert_eq(sb.data[at], '{');
        cr_assert_eq(sb.data[at + len - 1], '}');
        at += len;
        frames++;
    }
    cr_assert_eq(frames, 2, "connected and synced");
    cr_assert_null(memmem(sb.data, sb.len, "retry", 5));
    strbuf_fini(&sb);
    close(peer);
}

static char *greeted_with(struct cursor asked)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct stream_intro intro = {.fd = p.ours,
                                 .position = {.kind = POSITION_CURSOR, .cursor = asked}};
    char *text;

    cr_assert_eq(stream_open(&c->s, &r->env, &plain_sse, &intro), 0);
    text = rig_text(r, p.peer);
    close(p.peer);
    return text;
}

Test(stream, a_position_at_the_top_is_recovered)
{
    struct cursor top = rig_publish(r, "x", "1");
    char *text = greeted_with(top);

    cr_assert_not_null(strstr(text, "\"recovered\":true"));
    cr_assert_null(strstr(text, "fanfare.gap"));
    cr_assert_eq(rig_count(text, "id: " RIG_EPOCH_TEXT "-1\n"), 2);
    free(text);
}

Test(stream, a_position_of_another_log)
{
    char *text = greeted_with((struct cursor){77, 3});

    cr_assert_not_null(
        strstr(text, "\"from\":\"25-3\",\"to\":\"" RIG_EPOCH_TEXT "-0\",\"reason\":\"epoch\"}"),
        "%s", text);
    free(text);
}

Test(stream, a_position_beyond_the_top_is_a_gap_too)
{
    char *text = greeted_with((struct cursor){RIG_EPOCH, 9});

    cr_assert_not_null(strstr(text, "\"reason\":\"epoch\""), "%s", text);
    free(text);
}

Test(stream, intro_is_kept_and_described)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct str names[2] = {STR_LIT("a"), STR_LIT("b.>")};
    struct stream_intro intro = {.fd = p.ours,
                                 .user = STR_LIT("ann \"x\""),
                                 .user_agent = STR_LIT("curl/7"),
                                 .meta = STR_LIT("{\"page\":1}"),
                                 .names = names,
                                 .nnames = 2};
    struct strbuf sb = STRBUF_INIT;

    cr_assert_eq(stream_open(&c->s, &r->env, &plain_ws, &intro), 0);
    rig_drop(r, p.peer);
    stream_describe(&c->s, &sb);
    cr_assert_not_null(strstr(sb.data, "\"user\":\"ann \\\"x\\\"\",\"transport\":\"websocket\""));
    cr_assert_not_null(strstr(sb.data, "\"userAgent\":\"curl/7\""));
    cr_assert_not_null(strstr(sb.data, "\"peer\":\"unix\""));
    cr_assert_not_null(strstr(sb.data, "\"meta\":{\"page\":1}}"));
    cr_assert_not_null(strstr(sb.data, "\"b.>\""));
    cr_assert_not_null(strstr(sb.data, "\"queue\":{\"messages\":0,\"bytes\":0}"));
    cr_assert_null(strstr(sb.data, "clientKey"), "the key is not listed");
    strbuf_fini(&sb);
    close(p.peer);
}

Test(stream, keys_differ)
{
    int a, b;
    char ka[CLIENT_KEY_LEN + 1], kb[CLIENT_KEY_LEN + 1];

    stream_client_key(&plain_open(r, &plain_sse, NULL, &a)->s, ka);
    stream_client_key(&plain_open(r, &plain_sse, NULL, &b)->s, kb);
    cr_assert_str_neq(ka, kb);
    cr_assert_eq(strspn(ka, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
                 CLIENT_KEY_LEN);
    close(a);
    close(b);
}

/* A descriptor that epoll refuses: everything is given back. */
Test(stream, open_that_fails_leaves_nothing)
{
    struct plain_stream *c = calloc(1, sizeof(*c));
    FILE *file = tmpfile();
    int fd = dup(fileno(file));
    struct stream_intro intro = {.fd = fd, .meta = STR_LIT("{}"), .user_agent = STR_LIT("x")};

    fclose(file);
    cr_assert_eq(stream_open(&c->s, &r->env, &plain_sse, &intro), ERR_SYSTEM);
    cr_assert_eq(r->env.clients.count, 0);
    cr_assert_eq(r->connected, 0);
    cr_assert_eq(fcntl(fd, F_GETFD), -1, "the descriptor was taken over and closed");
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SSE), 0);
    free(c);
}

/* ---- messages ---- */

Test(stream, messages_come_in_order_and_in_one_write)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);
    uint64_t sends;
    char *text;

    rig_drop(r, peer);
    sends = rig_metric(r, METRIC_SENDS);
    for (int i = 0; i < 20; i++) {
        rig_publish(r, "orders", "1");
    }
    rig_publish(r, "other", "2");
    text = rig_text(r, peer);
    cr_assert_eq(rig_count(text, "data: {"), 20);
    cr_assert(before(text, "id: " RIG_EPOCH_TEXT "-9\n", "id: " RIG_EPOCH_TEXT "-10\n"));
    cr_assert_eq(rig_metric(r, METRIC_SENDS) - sends, 1, "coalesced");
    cr_assert_eq(c->s.messages, 20);
    cr_assert_eq(c->s.position, 20);
    cr_assert_eq(c->s.bytes, rig_metric(r, METRIC_BYTES_SENT));
    cr_assert_eq(rig_metric(r, METRIC_DELIVERED), 20);
    free(text);
    close(peer);
}

Test(stream, control_events_repeat_the_position)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);
    struct envelope e = rig_envelope(TARGET_EVERYONE, "{\"a\": 1}");
    char *text;

    rig_publish(r, "orders", "1");
    rig_drop(r, peer);
    stream_put_control(&c->s, STR_LIT("fanfare.x"), STR_LIT("{}"));
    cr_assert(stream_put_direct(&c->s, &e));
    text = rig_text(r, peer);
    cr_assert_eq(rig_count(text, "id: " RIG_EPOCH_TEXT "-1\n"), 2, "%s", text);
    cr_assert_not_null(strstr(text, "\"data\":{\"a\":1}}"), "%s", text);
    cr_assert_eq(c->s.position, 1);
    free(text);
    close(peer);
}

/* A small send buffer: every write is partial, and no byte is lost or doubled. */
Test(stream, partial_writes_lose_nothing)
{
    int peer;
    struct plain_stream *c;
    struct strbuf sb = STRBUF_INIT;
    char *data = malloc(5003);
    char needle[5003];
    const char *at;

    rig_set(r, "send-buffer", "2k");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    for (unsigned i = 0; i < 100; i++) {
        rig_publish(r, "orders", plain_data(data, 5000, i));
    }
    rig_turn(r);
    cr_assert(c->s.blocked);
    cr_assert_gt(c->s.q.n, 10);
    rig_read_all(r, peer, &sb);
    cr_assert_not(c->s.blocked);
    cr_assert_eq(c->s.q.n, 0);
    cr_assert_eq(c->s.q.bytes, 0);
    at = sb.data;
    for (unsigned i = 0; i < 100; i++) {
        at = strstr(at, plain_data(needle, 5000, i));
        cr_assert_not_null(at, "message %u is whole and in its place", i);
    }
    cr_assert_eq(c->s.messages, 100);
    strbuf_fini(&sb);
    free(data);
    close(peer);
}

/* A transport that paused is told when the queue is short again, not before. */
Test(stream, a_pause_ends_when_the_queue_is_short)
{
    int peer;
    struct plain_stream *c;
    char *data = malloc(200003);
    char chunk[4096];
    ssize_t n;

    rig_set(r, "send-buffer", "2k");
    c = plain_open(r, &plain_sse, "orders", &peer);
    rig_drop(r, peer);
    rig_publish(r, "orders", plain_data(data, 200000, 1));
    rig_turn(r);
    c->s.read_paused = 1;
    for (;;) {
        n = recv(peer, chunk, sizeof(chunk), MSG_DONTWAIT);
        rig_turn(r);
        if (!c->s.read_paused) {
            break;
        }
        cr_assert_eq(c->resumed, 0);
        cr_assert_gt(c->s.q.bytes, STREAM_REPLY_BACKLOG / 2);
        cr_assert_gt(n, 0);
    }
    cr_assert_eq(c->resumed, 1);
    cr_assert_leq(c->s.q.bytes, STREAM_REPLY_BACKLOG / 2);
    cr_assert_gt(c->s.q.bytes, 0);
    free(data);
    close(peer);
}

/* ---- ending ---- */

Test(stream, end_writes_what_waits_and_says_farewell_last)
{
    int peer;
    bool freed = false;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);
    struct strbuf sb = STRBUF_INIT;

    c->freed = &freed;
    rig_drop(r, peer);
    rig_publish(r, "orders", "\"last\"");
    mailbox_drain(r->deliveries, 0);
    stream_end(&c->s, 1001, "test");
    stream_end(&c->s, 1002, "again");
    cr_assert_eq(c->farewells, 1);
    cr_assert_eq(c->code, 1001);
    rig_turn(r);
    cr_assert(rig_read_all(r, peer, &sb), "our side is shut down");
    cr_assert(before(sb.data, "\"last\"", "farewell\n"));
    cr_assert_str_eq(sb.data + sb.len - 9, "farewell\n");
    cr_assert_not(freed, "the peer has not closed yet");
    cr_assert_eq(r->disconnected, 0);
    rig_publish(r, "orders", "1");
    rig_turn(r); /* no subscriber any more: goes to nobody */
    cr_assert_eq(rig_metric(r, METRIC_DELIVERED), 1);
    close(peer);
    rig_turn(r);
    cr_assert(freed);
    cr_assert_str_eq(r->reason, "test", "the first reason stays");
    cr_assert_eq(r->released, 1);
    strbuf_fini(&sb);
}

Test(stream, an_ending_stream_takes_no_messages)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);
    struct outbuf *b = outbuf_of_bytes(STR_LIT("late"), &r->env.held);

    stream_end(&c->s, 1001, "test");
    stream_put(&c->s, b);
    cr_assert_eq(b->refs, 1);
    rig_turn(r);
    stream_put_bytes(&c->s, STR_LIT("later"));
    cr_assert_eq(c->s.q.n, 0);
    stream_kill(&c->s, "x");
    stream_put(&c->s, b);
    stream_put_bytes(&c->s, STR_LIT("dead"));
    cr_assert_eq(b->refs, 1);
    outbuf_unref(b);
    close(peer);
}

Test(stream, a_peer_that_does_not_close_is_not_waited_for)
{
    int peer;
    bool freed = false;
    struct plain_stream *c = plain_open(r, &plain_sse, NULL, &peer);

    c->freed = &freed;
    stream_end(&c->s, 1001, "test");
    rig_turn(r);
    rig_pass(r, r->opt.close_timeout - 100);
    cr_assert_not(freed);
    rig_pass(r, 200);
    cr_assert(freed);
    cr_assert_str_eq(r->reason, "test");
    close(peer);
}

Test(stream, a_blocked_peer_is_not_waited_for_either)
{
    int peer;
    bool freed = false;
    struct plain_stream *c;
    char *data = malloc(50003);

    rig_set(r, "send-buffer", "2k");
    c = plain_open(r, &plain_sse, "orders", &peer);
    c->freed = &freed;
    rig_publish(r, "orders", plain_data(data, 50000, 1));
    rig_turn(r);
    cr_assert(c->s.blocked);
    stream_end(&c->s, 1001, "test");
    rig_pass(r, r->opt.close_timeout + 100);
    cr_assert(freed);
    free(data);
    close(peer);
}

Test(stream, kill_ends_at_once)
{
    int peer;
    bool freed = false;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);

    c->freed = &freed;
    rig_drop(r, peer);
    stream_kill(&c->s, "first");
    stream_kill(&c->s, "second");
    stream_end(&c->s, 1001, "third");
    cr_assert_eq(c->farewells, 0);
    cr_assert_not(freed, "buried at the end of the turn, not earlier");
    rig_turn(r);
    cr_assert(freed);
    cr_assert_str_eq(r->reason, "first");
    cr_assert(rig_drop(r, peer));
    cr_assert_eq(rig_metric(r, METRIC_DISCONNECTS), 1);
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SSE), 0);
    close(peer);
}

Test(stream, a_vanished_peer_is_found_by_the_write)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &peer);

    rig_drop(r, peer);
    close(peer);
    stream_put_bytes(&c->s, STR_LIT("x"));
    conn_env_flush(&r->env); /* before epoll could tell */
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "connection lost");
}

Test(stream, finish_leaves_the_farewell_to_the_transport)
{
    int peer;
    struct plain_stream *c = plain_open(r, &plain_sse, NULL, &peer);

    rig_drop(r, peer);
    stream_finish(&c->s, "done");
    cr_assert_eq(c->farewells, 0);
    cr_assert(rig_drop(r, peer));
    close(peer);
    rig_turn(r);
    cr_assert_str_eq(r->reason, "done");
}

/* ---- handlers ---- */

static void publish_on_end(struct rig *rig, const struct stream *s)
{
    (void)s;
    rig_publish(rig, "orders", "\"gone\"");
}

Test(stream, a_handler_may_publish_while_a_stream_is_buried)
{
    int a, b;
    struct plain_stream *c = plain_open(r, &plain_sse, "orders", &a);
    char *text;

    plain_open(r, &plain_sse, "orders", &b);
    rig_drop(r, a);
    rig_drop(r, b);
    r->on_disconnected = publish_on_end;
    stream_kill(&c->s, "test");
    rig_turn(r);
    text = rig_text(r, b);
    cr_assert_eq(rig_count(text, "\"gone\""), 1);
    r->on_disconnected = NULL;
    free(text);
    close(a);
    close(b);
}
