#include "sse/stream.h"

#include "support_rig.h"

static struct rig *r;
static int peer;

static void open_one(const char *channel, const char *user)
{
    struct rig_pair p = rig_socketpair();
    struct str name = str_of(channel);
    struct stream_intro intro = {
        .fd = p.ours, .names = &name, .nnames = channel ? 1 : 0, .user = str_of(user)};

    peer = p.peer;
    cr_assert_eq(sse_open(&r->env, &intro), 0);
}

static void start(void)
{
    r = rig_new();
    open_one("orders", "ann");
}

static void stop(void)
{
    close(peer);
    rig_free(r);
}

TestSuite(sse, .init = start, .fini = stop);

static void is(const char *want)
{
    char *text = rig_text(r, peer);

    cr_assert_str_eq(text, want, "got\n%s\nnot\n%s", text, want);
    free(text);
}

Test(sse, greets)
{
    char *text = rig_text(r, peer);

    cr_assert(str_starts(str_of(text), STR_LIT("retry: 2000\nevent: fanfare.connected\nid: ")));
    cr_assert_str_eq(strstr(text, "event: fanfare.synced"),
                     "event: fanfare.synced\nid: " RIG_EPOCH_TEXT
                     "-0\ndata: {\"type\":\"fanfare.synced\",\"cursor\":\"" RIG_EPOCH_TEXT
                     "-0\",\"data\":{}}\n\n");
    cr_assert_eq(rig_metric(r, METRIC_CLIENTS_SSE), 1);
    cr_assert_eq(rig_metric(r, METRIC_CONNECTS_SSE), 1);
    free(text);
}

Test(sse, messages_of_all_kinds)
{
    rig_drop(r, peer);
    rig_publish(r, "orders", "{\"n\": 99.99}");
    is("id: " RIG_EPOCH_TEXT
       "-1\ndata: {\"type\":\"message\",\"channel\":\"orders\",\"id\":\"id-1\","
       "\"cursor\":\"" RIG_EPOCH_TEXT
       "-1\",\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":{\"n\":99.99}}\n\n");
    rig_publish_kind(r, TARGET_USER, "ann", "1");
    is("id: " RIG_EPOCH_TEXT "-2\ndata: {\"type\":\"message\",\"userId\":\"ann\",\"id\":\"id-1\","
       "\"cursor\":\"" RIG_EPOCH_TEXT
       "-2\",\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":1}\n\n");
    rig_publish_kind(r, TARGET_EVERYONE, NULL, "null");
    is("id: " RIG_EPOCH_TEXT "-3\ndata: {\"type\":\"message\",\"id\":\"id-1\",\"cursor\":"
       "\"" RIG_EPOCH_TEXT "-3\",\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":null}\n\n");
    rig_publish(r, "others", "1");
    rig_publish_kind(r, TARGET_USER, "bob", "1");
    is("");
}

Test(sse, heartbeat_is_a_comment_without_a_blank_line)
{
    rig_drop(r, peer);
    rig_pass(r, 31000);
    is(":\n");
}

Test(sse, the_end_is_the_farewell)
{
    rig_drop(r, peer);
    rig_publish(r, "orders", "\"last\"");
    mailbox_drain(r->deliveries, 0);
    conn_env_end_all(&r->env, 1001, "bye");
    {
        char *text = rig_text(r, peer);
        cr_assert_not_null(strstr(text, "\"data\":\"last\"}\n\n"));
        cr_assert_str_eq(text + strlen(text) - 3, "}\n\n", "no word of a close code");
        free(text);
    }
    cr_assert(rig_drop(r, peer));
    close(peer);
    peer = -1;
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "bye");
}

Test(sse, draining_tells_a_retry)
{
    char *text;

    rig_drop(r, peer);
    conn_env_drain(&r->env, 1000);
    conn_env_flush(&r->env);
    text = rig_text(r, peer);
    cr_assert(str_starts(str_of(text), STR_LIT("retry: ")), "%s", text);
    cr_assert_not_null(strstr(text, "\nevent: fanfare.draining\nid: " RIG_EPOCH_TEXT "-0\n"), "%s",
                       text);
    free(text);
    rig_pass(r, 1100);
    cr_assert(rig_drop(r, peer));
}

Test(sse, client_goes)
{
    rig_drop(r, peer);
    close(peer);
    peer = -1;
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "closed by client");
}

Test(sse, client_goes_with_a_reset)
{
    close(peer); /* the greeting was not read */
    peer = -1;
    rig_turn(r);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
}

Test(sse, what_the_client_says_is_thrown_away)
{
    rig_drop(r, peer);
    for (int i = 0; i < 100; i++) {
        rig_send(peer, "GET / HTTP/1.1\r\n\r\n", 18);
        rig_turn(r);
    }
    cr_assert_eq(r->disconnected, 0);
    rig_publish(r, "orders", "1");
    {
        char *text = rig_text(r, peer);
        cr_assert_eq(rig_count(text, "data: "), 1);
        free(text);
    }
}

/* More than a turn can take: that is no EventSource. */
Test(sse, a_client_that_floods_is_closed)
{
    char *waste = calloc(1, 100000);

    rig_drop(r, peer);
    (void)!send(peer, waste, 100000, MSG_NOSIGNAL | MSG_DONTWAIT);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "client sends data on an event stream");
    free(waste);
}

Test(sse, half_closed_by_the_client)
{
    rig_drop(r, peer);
    shutdown(peer, SHUT_WR);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
}

Test(sse, open_that_fails_takes_the_descriptor)
{
    FILE *file = tmpfile();
    struct stream_intro intro = {.fd = dup(fileno(file))};

    fclose(file);
    cr_assert_neq(sse_open(&r->env, &intro), 0, "epoll refuses files");
    cr_assert_eq(close(intro.fd), -1);
    cr_assert_eq(r->connected, 1);
}
