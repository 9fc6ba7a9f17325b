/* Requests that become streams, and the clients' API, over socketpairs. */
#include "support_http.h"

#include "support_wsclient.h"

#define WS_HEADERS                                                               \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TestSuite(streams, .init = http_start, .fini = http_stop);

static uint64_t only_client(char id[CLIENT_ID_LEN + 1])
{
    for (uint32_t i = 0; i < http.r->env.clients.nslots; i++) {
        if (http.r->env.clients.slots[i]) {
            client_id_text(http.r->env.clients.slots[i]->member.id, id);
            return http.r->env.clients.slots[i]->member.id;
        }
    }
    cr_assert_fail("no client");
    return 0;
}

/* ---- SSE ---- */

static void sse_life(void)
{
    char *text;
    int fd = http_stream("/events?channel=orders", "Accept: text/event-stream\r\n", &text);

    cr_assert_eq(http_status(text), 200, "%s", text);
    cr_assert_not_null(strstr(text, "Content-Type: text/event-stream\r\n"));
    cr_assert_not_null(strstr(text, "Cache-Control: no-store, no-transform\r\n"));
    cr_assert_not_null(strstr(text, "X-Accel-Buffering: no\r\n"));
    cr_assert_not_null(strstr(text, "Connection: close\r\n"));
    cr_assert_null(strstr(text, "Transfer-Encoding"));
    cr_assert_null(strstr(text, "Content-Length"));
    cr_assert(
        str_starts(str_of(http_body(text)), STR_LIT("retry: 2000\nevent: fanfare.connected\n")),
        "%s", text);
    free(text);
    http_is("POST /broadcast", NULL, "{\"channel\":\"orders\",\"data\":7}", 200, "\"matched\":1}");
    text = http_text(fd);
    cr_assert_not_null(strstr(text, "\"data\":7}\n\n"), "%s", text);
    cr_assert_eq(rig_count(text, "data: "), 1);
    free(text);
    cr_assert_eq(atomic_load(&http.shared.limits.connections), 1, "it keeps its place");
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    cr_assert_eq(http.r->disconnected, 1);
    cr_assert_eq(atomic_load(&http.shared.limits.connections), 0);
    cr_assert_eq(http.srv.open_conns, 0);
}

Test(streams, sse_detached)
{
    sse_life();
}

Test(streams, sse_kept_inside)
{
    http.shared.detach = false;
    sse_life();
}

static void sse_ended_by_us(void)
{
    struct strbuf in = STRBUF_INIT;
    int fd = http_stream("/events", "", NULL);

    conn_env_end_all(&http.r->env, 1001, "bye");
    cr_assert(http_read(fd, &in), "the stream ends");
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    cr_assert_eq(http.r->disconnected, 1);
    cr_assert_eq(http.srv.open_conns, 0);
    strbuf_fini(&in);
}

Test(streams, sse_ended_by_us_detached)
{
    sse_ended_by_us();
}

Test(streams, sse_ended_by_us_kept_inside)
{
    http.shared.detach = false;
    sse_ended_by_us();
}

static void many(void)
{
    int fd[50];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            fd[i] = http_stream("/events?channel=a", "", NULL);
        }
        cr_assert_eq(http.r->env.clients.count, 50);
        for (int i = 0; i < 50; i++) {
            close(fd[i]);
            http_turn();
        }
        for (int i = 0; i < 6; i++) {
            http_turn();
        }
        cr_assert_eq(http.r->env.clients.count, 0);
        cr_assert_eq(http.srv.open_conns, 0);
    }
}

Test(streams, many_detached)
{
    many();
}

Test(streams, many_kept_inside)
{
    http.shared.detach = false;
    many();
}

Test(streams, bad_queries)
{
    static const struct {
        const char *query, *code;
    } cases[] = {
        {"channel=", "bad_channel"},
        {"channel=a%20b", "bad_channel"},
        {"channel", "bad_channel"},
        {"channel=a&channel=%0a", "bad_channel"},
        {"channel=fanfare.x", "reserved_channel"},
        {"channel=a*", "bad_channel"},
        {"userId=", "bad_user"},
        {"userId=%0a", "bad_user"},
        {"lastEventId=x", "bad_cursor"},
        {"lastEventId=" RIG_EPOCH_TEXT "-01", "bad_cursor"},
        {"meta=1", "bad_meta"},
        {"meta=%7B", "bad_meta"},
        {"meta=[]", "bad_meta"},
        {"channel=%2", "bad_target"},
    };
    char line[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(line, sizeof(line), "GET /events?%s", cases[i].query);
        http_problem(line, NULL, NULL, 400, cases[i].code);
        http_problem(line, "Accept: text/event-stream\r\n", NULL, 400, cases[i].code);
        snprintf(line, sizeof(line), "GET /ws?%s", cases[i].query);
        http_problem(line, WS_HEADERS, NULL, 400, cases[i].code);
    }
    cr_assert_eq(http.r->connected, 0);
}

Test(streams, channels_are_bounded_and_counted_once)
{
    rig_set(http.r, "max-channels-per-client", "2");
    http_problem("GET /events?channel=a&channel=b&channel=c", NULL, NULL, 400, "too_many_channels");
    {
        char *text;
        int fd = http_stream("/events?channel=a&channel=b&channel=a&x=1", "", &text);
        cr_assert_eq(rig_count(text, "\"a\""), 1, "%s", text);
        free(text);
        close(fd);
    }
}

Test(streams, meta_may_have_many_members)
{
    char *text, id[CLIENT_ID_LEN + 1], line[64];
    int fd =
        http_stream("/events?meta=%7B%22a%22:1,%22b%22:2,%22c%22:3,%22d%22:4,%22e%22:5,%22f%22:6,"
                    "%22g%22:7,%22h%22:8,%22i%22:%209%7D",
                    "User-Agent: test/1\r\n", &text);

    cr_assert_eq(http_status(text), 200, "%s", text);
    free(text);
    only_client(id);
    snprintf(line, sizeof(line), "GET /clients/%s", id);
    http_is(line, NULL, NULL, 200, "\"h\":8,\"i\":9}}");
    http_is(line, NULL, NULL, 200, "\"userAgent\":\"test/1\"");
    http_is(line, NULL, NULL, 200, "\"peer\":\"127.0.0.1:4711\"");
    close(fd);
    rig_set(http.r, "max-meta", "8");
    http_problem("GET /events?meta=%7B%22a%22:123%7D", NULL, NULL, 400, "bad_meta");
}

/* ---- WebSocket ---- */

Test(streams, websocket)
{
    char *text;
    struct strbuf out = STRBUF_INIT;
    int fd = http_stream("/ws?channel=orders&userId=ann", WS_HEADERS, &text);

    cr_assert_eq(http_status(text), 101, "%s", text);
    cr_assert_not_null(strstr(text, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    cr_assert_not_null(strcasestr(text, "Upgrade: websocket\r\n"));
    cr_assert_not_null(memmem(text, strlen(text), "\r\n\r\n\x81", 5));
    free(text);
    wsc_text(&out, "{\"op\":\"ping\",\"ref\":1}");
    rig_send(fd, out.data, out.len);
    strbuf_fini(&out);
    text = http_text(fd);
    cr_assert_not_null(strstr(text, "\"ref\":1,\"ok\":true"), "%s", text);
    free(text);
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    cr_assert_eq(http.r->disconnected, 1);
}

Test(streams, websocket_frames_behind_the_handshake)
{
    static const char head[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\n" WS_HEADERS "\r\n";
    struct strbuf out = STRBUF_INIT, in = STRBUF_INIT;
    int fd = http_connect();

    strbuf_adds(&out, head);
    wsc_text(&out, "{\"op\":\"subscribe\",\"channel\":\"a\",\"ref\":7}");
    rig_send(fd, out.data, out.len);
    http_read(fd, &in);
    cr_assert_not_null(memmem(in.data, in.len, "\"ref\":7,\"ok\":true", 16));
    strbuf_fini(&in);
    strbuf_fini(&out);
    close(fd);
}

Test(streams, subprotocol)
{
    char *text;

    close(http_stream("/ws", WS_HEADERS "Sec-WebSocket-Protocol: other, fanfare.v1\r\n", &text));
    cr_assert_not_null(strstr(text, "Sec-WebSocket-Protocol: fanfare.v1\r\n"), "%s", text);
    free(text);
    close(http_stream("/ws", WS_HEADERS "Sec-WebSocket-Protocol: other\r\n", &text));
    cr_assert_null(strstr(text, "Sec-WebSocket-Protocol"), "%s", text);
    free(text);
}

Test(streams, bad_handshakes)
{
    static const char v[] = "Sec-WebSocket-Version: 13\r\n";
    static const char k[] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    char h[400];

    http_problem("GET /ws", NULL, NULL, 426, "upgrade_required");
    http_is("GET /ws", NULL, NULL, 426, "Sec-WebSocket-Version: 13\r\n");
    http_is("GET /ws", NULL, NULL, 426, "Upgrade: websocket\r\n");
    snprintf(h, sizeof(h), "Upgrade: websocket\r\n%s%s", v, k);
    http_problem("GET /ws", h, NULL, 400, "bad_handshake");
    snprintf(h, sizeof(h), "Upgrade: websocket\r\nConnection: Upgrade\r\n%s", v);
    http_problem("GET /ws", h, NULL, 400, "bad_handshake");
    snprintf(h, sizeof(h), "Upgrade: websocket\r\nConnection: Upgrade\r\n%s%s%s", v, k, k);
    http_problem("GET /ws", h, NULL, 400, "bad_handshake");
    snprintf(h, sizeof(h),
             "Upgrade: websocket\r\nConnection: Upgrade\r\n%sSec-WebSocket-Key: x\r\n", v);
    http_problem("GET /ws", h, NULL, 400, "bad_handshake");
    snprintf(h, sizeof(h),
             "Upgrade: websocket\r\nConnection: Upgrade\r\n%sSec-WebSocket-Version: 8\r\n", k);
    http_problem("GET /ws", h, NULL, 426, "upgrade_required");
}

/* ---- refusals that pass by themselves ---- */

static void is_refused_stream(const char *code)
{
    char want[100];
    unsigned long retry = 0, after = 0;
    char *a = http_ask("GET /events", "Accept: text/event-stream\r\n", NULL);

    cr_assert_eq(http_status(a), 200, "%s", a);
    cr_assert_not_null(strstr(a, "Content-Type: text/event-stream\r\n"));
    cr_assert_eq(sscanf(http_body(a), "retry: %lu\n", &retry), 1, "%s", a);
    snprintf(want, sizeof(want),
             "\nevent: fanfare.refused\ndata: {\"type\":\"fanfare.refused\","
             "\"data\":{\"code\":\"%s\",\"retryAfter\":",
             code);
    cr_assert_not_null(strstr(a, want), "%s", a);
    cr_assert_eq(sscanf(strstr(a, "retryAfter"), "retryAfter\":%lu}}", &after), 1);
    cr_assert_eq(retry, after);
    cr_assert_geq(retry, 2000);
    cr_assert_leq(retry, 6000);
    free(a);
}

Test(streams, while_draining)
{
    atomic_store(&http.shared.draining, true);
    is_refused_stream("draining");
    http_problem("GET /events", NULL, NULL, 503, "draining");
    http_is("GET /events", NULL, NULL, 503, "Retry-After: ");
    http_problem("GET /ws", WS_HEADERS, NULL, 503, "draining");
    http_is("POST /broadcast", NULL, "{}", 200, NULL);
}

Test(streams, over_the_limit_of_one_address)
{
    int fd;

    rig_set(http.r, "max-connections-per-address", "1");
    fd = http_stream("/events", "", NULL);
    is_refused_stream("too_many_connections");
    http_problem("GET /events", NULL, NULL, 429, "too_many_connections");
    http_is("GET /health", NULL, NULL, 429, "Retry-After: ");
    http_problem("POST /broadcast", NULL, "{}", 429, "too_many_connections");
    cr_assert_eq(http.published, 0);
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    http_is("GET /health", NULL, NULL, 200, NULL);
}

Test(streams, over_the_limit_of_all)
{
    int fd;

    http.shared.limits.max_connections = 1;
    fd = http_stream("/ws", WS_HEADERS, NULL);
    is_refused_stream("too_many_connections");
    http_is("GET /health", NULL, NULL, 200, NULL);
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    http_is("GET /health", NULL, NULL, 200, NULL);
}

/* ---- /clients ---- */

Test(streams, one_client)
{
    char id[CLIENT_ID_LEN + 1], line[80], *text;
    int fd = http_stream("/events?channel=a&userId=ann", "", NULL);

    only_client(id);
    snprintf(line, sizeof(line), "GET /clients/%s", id);
    http_is(line, NULL, NULL, 200, "\"user\":\"ann\",\"transport\":\"sse\",\"channels\":[\"a\"]");
    snprintf(line, sizeof(line), "POST /clients/%s/messages", id);
    http_is(line, NULL, "{\"type\":\"hello\",\"data\":{\"a\":1}}", 202, "\r\n\r\n{\"id\":\"");
    text = http_text(fd);
    cr_assert(str_starts(str_of(text), STR_LIT("event: hello\nid: " RIG_EPOCH_TEXT "-0\ndata: {")),
              "%s", text);
    cr_assert_not_null(strstr(text, "\"data\":{\"a\":1}}\n\n"));
    free(text);
    http_is(line, NULL, "{}", 202, NULL);
    http_problem(line, NULL, "{\"channel\":\"a\"}", 400, "unknown_field");
    http_problem(line, NULL, "{\"type\":\"error\"}", 422, "reserved_name");
    http_problem(line, NULL, "[", 400, "bad_json");
    http_problem(line, NULL, "[]", 400, "wrong_type");
    http_problem(line, NULL, NULL, 411, "length_required");
    http_problem(line, "Content-Type: text/plain\r\n", "{}", 415, "unsupported_media_type");
    snprintf(line, sizeof(line), "DELETE /clients/%s", id);
    http_is(line, NULL, NULL, 204, NULL);
    {
        struct strbuf in = STRBUF_INIT;
        cr_assert(http_read(fd, &in), "the stream ends");
        strbuf_fini(&in);
    }
    http_problem(line, NULL, NULL, 404, "not_found");
    snprintf(line, sizeof(line), "GET /clients/%s", id);
    http_problem(line, NULL, NULL, 404, "not_found");
    snprintf(line, sizeof(line), "POST /clients/%s/messages", id);
    http_problem(line, NULL, "{}", 404, "not_found");
    close(fd);
}

/* The media types of POST /clients/{id}/messages are those of a publication; a
 * line each makes no sense for one message. */
Test(streams, websocket_client_deleted)
{
    char id[CLIENT_ID_LEN + 1], line[80], *text;
    int fd = http_stream("/ws", WS_HEADERS, NULL);

    only_client(id);
    snprintf(line, sizeof(line), "DELETE /clients/%s", id);
    http_is(line, NULL, NULL, 204, NULL);
    text = http_text(fd);
    cr_assert_eq((unsigned char)text[0], 0x88);
    cr_assert_eq((unsigned char)text[2] << 8 | (unsigned char)text[3], 4001);
    free(text);
    close(fd);
}

Test(streams, ids_that_are_nobodys)
{
    static const char *const ids[] = {"0000000000000000", "ffffffffffffffff", "x",
                                      "0000000000000001", "ABCDEF0123456789", "%20"};
    char line[80];

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        snprintf(line, sizeof(line), "GET /clients/%s", ids[i]);
        http_problem(line, NULL, NULL, 404, "not_found");
        snprintf(line, sizeof(line), "DELETE /clients/%s", ids[i]);
        http_problem(line, NULL, NULL, 404, "not_found");
        snprintf(line, sizeof(line), "POST /clients/%s/messages", ids[i]);
        http_problem(line, NULL, "{}", 404, "not_found");
    }
}

Test(streams, list_of_clients)
{
    int fd[7];
    char line[100], next[CLIENT_ID_LEN + 1] = "";
    unsigned seen = 0, pages = 0;

    http_is("GET /clients", NULL, NULL, 200, "\r\n\r\n{\"clients\":[],\"next\":null}");
    for (int i = 0; i < 7; i++) {
        snprintf(line, sizeof(line), "/events?channel=%s&userId=u%d", i < 3 ? "a" : "b", i);
        fd[i] = http_stream(line, "", NULL);
    }
    do {
        char *a;
        const char *at;
        snprintf(line, sizeof(line), "GET /clients?limit=3%s%s", *next ? "&after=" : "", next);
        a = http_ask(line, NULL, NULL);
        cr_assert_eq(http_status(a), 200, "%s", a);
        seen += rig_count(a, "{\"id\":\"");
        pages++;
        at = strstr(a, "],\"next\":");
        cr_assert_not_null(at, "%s", a);
        next[0] = '\0';
        (void)sscanf(at, "],\"next\":\"%16[0-9a-f]\"}", next);
        free(a);
    } while (*next && pages < 10);
    cr_assert_eq(seen, 7);
    cr_assert_eq(pages, 3);
    http_is("GET /clients?user=u3", NULL, NULL, 200, "\"user\":\"u3\"");
    {
        char *a = http_ask("GET /clients?channel=a", NULL, NULL);
        cr_assert_eq(rig_count(a, "{\"id\":\""), 3, "%s", a);
        free(a);
    }
    http_problem("GET /clients?after=x", NULL, NULL, 400, "bad_parameter");
    http_problem("GET /clients?user=%0a", NULL, NULL, 400, "bad_user");
    http_is("GET /channels", NULL, NULL, 200,
            "{\"channels\":[{\"channel\":\"a\",\"subscribers\":3},{\"channel\":\"b\","
            "\"subscribers\":4}],"
            "\"next\":null}");
    http_is("GET /channels?limit=1", NULL, NULL, 200, "],\"next\":\"a\"}");
    http_is("GET /channels?limit=1&after=a", NULL, NULL, 200, "{\"channel\":\"b\"");
    http_is("GET /stats", NULL, NULL, 200, "\"transports\":{\"sse\":7,\"websocket\":0}");
    http_is(
        "GET /stats", NULL, NULL, 200,
        "\"top\":[{\"channel\":\"b\",\"subscribers\":4},{\"channel\":\"a\",\"subscribers\":3}]");
    for (int i = 0; i < 7; i++) {
        close(fd[i]);
    }
}

Test(streams, except_is_left_out)
{
    char id[CLIENT_ID_LEN + 1], body[100], *text;
    int fd = http_stream("/events?channel=a", "", NULL);

    only_client(id);
    snprintf(body, sizeof(body), "{\"channel\":\"a\",\"except\":\"%s\"}", id);
    http_is("POST /broadcast", NULL, body, 200, "\"matched\":1}");
    text = http_text(fd);
    cr_assert_null(text && *text ? text : NULL);
    free(text);
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\",\"except\":\"nobody\"}", 200, NULL);
    text = http_text(fd);
    cr_assert_not_null(strstr(text, "\"data\":null}"));
    free(text);
    close(fd);
}
