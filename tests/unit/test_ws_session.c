/* The life of a WebSocket client over a socketpair: reading, closing, pings. */
#include "support_rig.h"

#include "support_wsclient.h"
#include "ws/session.h"

static struct rig *r;
static struct ws_shard shard;
static int peer;
static struct strbuf out;

static void open_with(struct str early)
{
    struct rig_pair p = rig_socketpair();
    struct stream_intro intro = {.fd = p.ours};

    peer = p.peer;
    cr_assert_eq(ws_open(&shard, &intro, early), 0);
}

static void start(void)
{
    r = rig_new();
    cr_assert_eq(ws_shard_init(&shard, &r->env), 0);
    open_with(STR_NONE);
    rig_drop(r, peer);
}

static void stop(void)
{
    close(peer);
    rig_free(r);
    ws_shard_fini(&shard);
    strbuf_fini(&out);
}

TestSuite(session, .init = start, .fini = stop);

static void flush_out(void)
{
    rig_send(peer, out.data, out.len);
    strbuf_reset(&out);
}

/* What came, as "1:text 10:pong 8:1000". */
static const char *got(void)
{
    static char text[70000];
    struct strbuf in = STRBUF_INIT;
    struct wsc_got g;
    size_t at = 0, len = 0;

    rig_turn(r);
    rig_read_all(r, peer, &in);
    text[0] = '\0';
    while (wsc_next(strbuf_str(&in), &at, &g)) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u:", len ? " " : "", g.opcode);
        if (g.opcode == 8) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%u", g.code);
        } else {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s", (int)g.payload.len,
                                    g.payload.p);
        }
    }
    strbuf_fini(&in);
    return text;
}

static void is(const char *want)
{
    const char *have = got();

    cr_assert_str_eq(have, want, "got \"%s\", not \"%s\"", have, want);
}

/* The server has closed its side; the client closes, and all is gone. */
static void is_gone(const char *reason)
{
    cr_assert(rig_drop(r, peer), "the server closes first");
    close(peer);
    peer = -1;
    rig_turn(r);
    cr_assert_eq(r->disconnected, r->connected);
    cr_assert_str_eq(r->reason, reason);
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_WS), 0);
}

/* ---- reading ---- */

Test(session, bytes_behind_the_handshake_come_first)
{
    close(peer);
    wsc_text(&out, "{\"op\":\"x\",\"ref\":1}");
    wsc_frame(&out, 0x89, "half", 4, false);
    open_with((struct str){out.data, out.len - 2});
    rig_send(peer, out.data + out.len - 2, 2);
    rig_turn(r);
    {
        const char *have = got();
        const char *connected = strstr(have, "fanfare.connected");
        const char *reply = strstr(have, "fanfare.reply");
        cr_assert(connected && reply && connected < reply, "%s", have);
        cr_assert_not_null(strstr(have, " 10:half"));
    }
}

Test(session, byte_by_byte_over_the_socket)
{
    rig_set(r, "test-ws-echo", "yes");
    wsc_text(&out, "hello");
    wsc_frame(&out, 0x89, "p", 1, false);
    for (size_t i = 0; i < out.len; i++) {
        rig_send(peer, out.data + i, 1);
        rig_turn(r);
    }
    is("1:hello 10:p");
}

/* A context costs 9 KB: an idle client has none, two can share one. */
Test(session, contexts_are_shared_while_clean)
{
    int first = peer;

    open_with(STR_NONE);
    rig_drop(r, peer);
    for (int i = 0; i < 10; i++) {
        wsc_text(&out, "{\"op\":\"ping\"}");
        rig_send(i % 2 ? peer : first, out.data, out.len);
        strbuf_reset(&out);
        rig_turn(r);
    }
    cr_assert_eq(shard.nspare, 1);
    /* One in the middle of a frame keeps it; the other gets a second one. */
    rig_send(first, "\x81", 1);
    rig_turn(r);
    cr_assert_eq(shard.nspare, 0);
    wsc_text(&out, "{\"op\":\"x\"}");
    rig_drop(r, peer);
    rig_send(peer, out.data, out.len);
    cr_assert_not_null(strstr(got(), "unknown_op"));
    cr_assert_eq(shard.nspare, 1);
    close(first);
    rig_turn(r);
    cr_assert_eq(shard.nspare, 1, "an unclean context is not given to another");
}

Test(session, echo_mode)
{
    rig_set(r, "test-ws-echo", "yes");
    wsc_text(&out, "text");
    wsc_frame(&out, 0x82, "bin", 3, false);
    wsc_frame(&out, 0x01, "fr", 2, false);
    wsc_frame(&out, 0x89, "p", 1, false);
    wsc_frame(&out, 0x80, "ag", 2, false);
    wsc_text(&out, "");
    flush_out();
    is("1:text 2:bin 10:p 1:frag 1:");
}

/* A client that sends without reading is not read from: no memory is piled up. */
Test(session, answers_wait_for_the_client_to_read)
{
    struct strbuf in = STRBUF_INIT;
    struct wsc_got g;
    uint64_t most = 0, sent = 0;
    size_t at = 0, pings = 0;
    char payload[101];
    struct stream *s = NULL;

    for (uint32_t i = 0; !s; i++) {
        s = r->env.clients.slots[i];
    }
    memset(payload, 'p', sizeof(payload));
    wsc_frame(&out, 0x89, payload, 100, false);
    for (int i = 0; i < 200000; i++) {
        ssize_t n = send(peer, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            cr_assert_eq(n, (ssize_t)out.len);
            sent++;
        } else {
            size_t before = s->q.n;
            rig_turn(r);
            if (s->q.n == before && s->blocked) {
                break;
            }
        }
        most = s->q.bytes > most ? s->q.bytes : most;
    }
    cr_assert_lt(most, 2 * 1024 * 1024, "%llu bytes waited", (unsigned long long)most);
    cr_assert(s->blocked);
    rig_read_all(r, peer, &in);
    while (wsc_next(strbuf_str(&in), &at, &g)) {
        pings += g.opcode == 10;
    }
    cr_assert_eq(pings, sent, "each is answered in the end");
    cr_assert_eq(r->disconnected, 0);
    strbuf_fini(&in);
}

/* ---- closing ---- */

Test(session, client_closes)
{
    wsc_close(&out, 1000, "bye");
    flush_out();
    is("8:1000");
    is_gone("closed by client");
}

Test(session, client_closes_without_a_code)
{
    wsc_frame(&out, 0x88, "", 0, false);
    flush_out();
    is("8:0");
    is_gone("closed by client");
}

Test(session, replies_come_before_the_close)
{
    rig_set(r, "test-ws-echo", "yes");
    wsc_text(&out, "last words");
    wsc_close(&out, 1000, "");
    wsc_text(&out, "ignored");
    flush_out();
    is("1:last words 8:1000");
    is_gone("closed by client");
}

Test(session, violation)
{
    wsc_frame(&out, 0x83, "x", 1, false);
    flush_out();
    is("8:1002");
    cr_assert_eq(rig_metric(r, METRIC_WS_VIOLATIONS), 1);
    is_gone("protocol violation");
}

Test(session, too_large_a_message)
{
    char *text = calloc(1, 2001);

    rig_set(r, "max-message", "1k");
    memset(text, 'x', 1024);
    wsc_text(&out, text);
    flush_out();
    cr_assert_not_null(strstr(got(), "bad_json"), "the limit itself is allowed");
    memset(text, 'x', 1025);
    wsc_text(&out, text);
    flush_out();
    is("8:1009");
    is_gone("protocol violation");
    free(text);
}

Test(session, binary_is_refused)
{
    wsc_frame(&out, 0x82, "x", 1, false);
    wsc_frame(&out, 0x89, "p", 1, false);
    wsc_text(&out, "{\"op\":\"ping\"}");
    flush_out();
    is("8:1003");
    is_gone("binary message");
}

Test(session, server_closes_with_code_and_reason)
{
    rig_publish_kind(r, TARGET_EVERYONE, NULL, "1");
    mailbox_drain(r->deliveries, 0);
    conn_env_end_all(&r->env, 1012, "draining");
    {
        const char *have = got();
        cr_assert(strstr(have, "\"data\":1}") && strstr(have, "} 8:1012"), "%s", have);
    }
    wsc_close(&out, 1012, "");
    flush_out();
    is_gone("draining");
}

/* After our Close the client's frames mean nothing any more. */
Test(session, nothing_is_done_after_our_close)
{
    conn_env_end_all(&r->env, 1001, "bye");
    rig_turn(r);
    wsc_text(&out, "{\"op\":\"message\",\"data\":1}");
    wsc_frame(&out, 0x83, "bad", 3, false);
    flush_out();
    rig_turn(r);
    cr_assert_eq(r->received, 0);
    is("8:1001");
    is_gone("bye");
}

Test(session, client_vanishes)
{
    close(peer);
    peer = -1;
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "closed without a Close");
}

Test(session, client_vanishes_in_the_middle_of_a_message)
{
    wsc_frame(&out, 0x01, "begun", 5, false);
    flush_out();
    rig_send(peer, "\x80\xfe", 2);
    rig_turn(r);
    close(peer);
    peer = -1;
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
}

Test(session, half_closed_by_the_client)
{
    shutdown(peer, SHUT_WR);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1, "no Close can come any more");
}

/* ---- pings ---- */

static void until_ping(void)
{
    for (int i = 0; i < 100; i++) {
        struct strbuf in = STRBUF_INIT;
        bool any;
        rig_pass(r, 1000);
        rig_read(peer, &in);
        any = in.len != 0;
        if (any) {
            cr_assert_eq(in.len, 2);
            cr_assert(memcmp(in.data, "\x89\x00", 2) == 0);
        }
        strbuf_fini(&in);
        if (any) {
            return;
        }
    }
    cr_assert_fail("no ping in 100 s of silence");
}

Test(session, silence_brings_a_ping_and_the_pong_life)
{
    for (int i = 0; i < 5; i++) {
        until_ping();
        rig_pass(r, 5000);
        wsc_frame(&out, 0x8a, "", 0, false);
        flush_out();
        rig_turn(r);
    }
    cr_assert_eq(r->disconnected, 0);
    cr_assert_geq(rig_metric(r, METRIC_HEARTBEATS), 5);
    cr_assert_eq(rig_metric(r, METRIC_PING_TIMEOUTS), 0);
}

/* Any bytes show that the peer lives. */
Test(session, an_op_does_for_a_pong)
{
    until_ping();
    wsc_text(&out, "{\"op\":\"ping\"}");
    flush_out();
    rig_pass(r, r->opt.pong_timeout + 1000);
    cr_assert_eq(r->disconnected, 0);
}

Test(session, no_pong_ends_the_session)
{
    until_ping();
    rig_pass(r, r->opt.pong_timeout + 100);
    cr_assert_eq(rig_metric(r, METRIC_PING_TIMEOUTS), 1);
    is("8:1001");
    rig_pass(r, r->opt.close_timeout + 100);
    cr_assert_eq(r->disconnected, 1, "a dead peer is not waited for");
    cr_assert_str_eq(r->reason, "no pong in time");
}

/* A message sent to the client meanwhile is no sign of life from it. */
Test(session, our_own_messages_do_not_replace_a_pong)
{
    until_ping();
    for (int i = 0; i < 12; i++) {
        rig_publish_kind(r, TARGET_EVERYONE, NULL, "1");
        rig_pass(r, 1000);
    }
    cr_assert_eq(rig_metric(r, METRIC_PING_TIMEOUTS), 1);
}

Test(session, unasked_pongs_are_fine)
{
    for (int i = 0; i < 10; i++) {
        wsc_frame(&out, 0x8a, "x", 1, false);
    }
    flush_out();
    is("");
    cr_assert_eq(r->disconnected, 0);
}

/* A busy stream must not hide a dead peer for ever: messages that it gets
 * make the writes, the kernel then tells. Here only the drain is looked at: it
 * must win over a ping that is out. */
Test(session, drain_wins_over_a_ping)
{
    until_ping();
    conn_env_drain(&r->env, 0);
    rig_pass(r, 100);
    {
        const char *have = got();
        cr_assert_not_null(strstr(have, "fanfare.draining"), "%s", have);
        cr_assert_not_null(strstr(have, "8:1012"), "%s", have);
    }
}
