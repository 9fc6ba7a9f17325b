/* Paths, methods and targets, as raw requests to one server. */
#include "support_http.h"

TestSuite(routes, .init = http_start, .fini = http_stop);

Test(routes, health_and_ready)
{
    http_is("GET /health", NULL, NULL, 200, "\r\n\r\n{\"status\":\"ok\"}");
    http_is("GET /ready", NULL, NULL, 200, "\r\n\r\n{\"status\":\"ready\"}");
    atomic_store(&http.shared.draining, true);
    http_is("GET /health", NULL, NULL, 200, "{\"status\":\"ok\"}");
    http_problem("GET /ready", NULL, NULL, 503, "draining");
    http_is("GET /ready", NULL, NULL, 503, "Retry-After: ");
}

Test(routes, common_headers)
{
    http_is("GET /health", NULL, NULL, 200, "Cache-Control: no-store\r\n");
    http_is("GET /health", NULL, NULL, 200, "X-Content-Type-Options: nosniff\r\n");
    http_is("GET /health", NULL, NULL, 200, "Content-Type: application/json\r\n");
    http_is("GET /nothing", NULL, NULL, 404, "Cache-Control: no-store\r\n");
}

Test(routes, no_such_path)
{
    static const char *const paths[] = {"/",
                                        "/x",
                                        "/health/x",
                                        "/health/",
                                        "//health",
                                        "/Health",
                                        "/channels/a/b",
                                        "/clients/x/y",
                                        "/clients/x/messages/",
                                        "/event",
                                        "/ws/",
                                        "/%2Fhealth",
                                        "/health%2F",
                                        "/..%2Fhealth"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "GET %s", paths[i]);
        http_problem(line, NULL, NULL, 404, "not_found");
    }
}

/* The path is split first and decoded then: a name may hold a slash. */
Test(routes, raw_targets)
{
    http_is("GET /channels/a%2Fb", NULL, NULL, 200, "{\"channel\":\"a/b\",\"subscribers\":0");
    http_is("GET /channels/a%2fb", NULL, NULL, 200, "{\"channel\":\"a/b\"");
    http_is("GET /%68ealth", NULL, NULL, 200, "ok");
    http_is("GET /channels/%61?", NULL, NULL, 200, "{\"channel\":\"a\"");
    http_problem("GET /channels/a%252Fb", NULL, NULL, 400, "bad_channel");
    http_problem("GET /channels/a%2", NULL, NULL, 400, "bad_target");
    http_problem("GET /channels/a%zz", NULL, NULL, 400, "bad_target");
    http_problem("GET /channels/a%00b", NULL, NULL, 400, "bad_target");
    http_problem("GET /channels/%ff", NULL, NULL, 400, "bad_target");
    http_problem("GET /health?x=%", NULL, NULL, 400, "bad_target");
    http_problem("GET /health?%00", NULL, NULL, 400, "bad_target");
}

Test(routes, query_is_split_before_it_is_decoded)
{
    http_problem("GET /channels?limit=1%262", NULL, NULL, 400, "bad_parameter");
    http_is("GET /channels?li%6dit=1&prefix=%26", NULL, NULL, 200, "{\"channels\":[]");
    http_is("GET /channels?prefix=a+b", NULL, NULL, 200, "{\"channels\":[]");
}

Test(routes, too_many_parameters)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, "GET /channels?prefix=");
    for (int i = 0; i < 256; i++) {
        strbuf_adds(&sb, "&limit=1");
    }
    http_problem(sb.data, NULL, NULL, 400, "bad_target");
    strbuf_fini(&sb);
}

Test(routes, methods)
{
    static const struct {
        const char *line, *allow;
    } cases[] = {
        {"POST /health", "GET, HEAD, OPTIONS"},
        {"PUT /health", "GET, HEAD, OPTIONS"},
        {"DELETE /channels", "GET, HEAD, OPTIONS"},
        {"GET /broadcast", "POST, OPTIONS"},
        {"HEAD /broadcast", "POST, OPTIONS"},
        {"POST /events", "GET, HEAD, OPTIONS"},
        {"DELETE /clients", "GET, HEAD, OPTIONS"},
        {"PATCH /clients/0", "GET, HEAD, DELETE, OPTIONS"},
        {"GET /clients/0/messages", "POST, OPTIONS"},
        {"DELETE /channels/a/history", "GET, HEAD, OPTIONS"},
        {"POST /users/ann", "GET, HEAD, DELETE, OPTIONS"},
        {"GET /ack", "POST, OPTIONS"},
        {"POST /ws", "GET, OPTIONS"},
        {"HEAD /ws", "GET, OPTIONS"},
        {"BREW /health", "GET, HEAD, OPTIONS"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[64];
        snprintf(want, sizeof(want), "Allow: %s\r\n", cases[i].allow);
        http_is(cases[i].line, NULL, "", 405, want);
    }
    http_problem("DELETE /health", NULL, NULL, 405, "method_not_allowed");
}

Test(routes, head_has_no_body)
{
    char *a = http_ask("HEAD /health", NULL, NULL);

    cr_assert_eq(http_status(a), 200);
    cr_assert_str_eq(http_body(a), "");
    cr_assert_not_null(strstr(a, "Content-Length: 15\r\n"), "%s", a);
    free(a);
}

Test(routes, head_of_events_makes_no_client)
{
    char *a = http_ask("HEAD /events?channel=a", NULL, NULL);

    cr_assert_eq(http_status(a), 200);
    cr_assert_not_null(strstr(a, "Content-Type: text/event-stream\r\n"));
    cr_assert_str_eq(http_body(a), "");
    cr_assert_eq(http.r->connected, 0);
    free(a);
}

Test(routes, options_answers_every_path)
{
    http_is("OPTIONS /broadcast", NULL, NULL, 204, "Allow: POST, OPTIONS\r\n");
    http_is("OPTIONS /clients/x", NULL, NULL, 204, "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
    http_problem("OPTIONS /x", NULL, NULL, 404, "not_found");
}

Test(routes, websocket_path_by_option)
{
    http_problem("GET /ws", NULL, NULL, 426, "upgrade_required");
    rig_set(http.r, "ws-path", "/live/socket");
    http_problem("GET /ws", NULL, NULL, 404, "not_found");
    http_problem("GET /live/socket", NULL, NULL, 426, "upgrade_required");
    http_problem("GET /live/socket?channel=a", NULL, NULL, 426, "upgrade_required");
}

Test(routes, playground_with_demo_only)
{
    http_problem("GET /", NULL, NULL, 404, "not_found");
    rig_set(http.r, "demo", "yes");
    http_is("GET /", NULL, NULL, 200, "Content-Type: text/html; charset=utf-8\r\n");
    http_is("GET /", NULL, NULL, 200, "Content-Security-Policy: default-src 'none';");
    http_is("GET /?x=1", NULL, NULL, 200, "<html");
}

Test(routes, room_with_demo_only)
{
    http_problem("GET /room?user=ann", NULL, NULL, 404, "not_found");
    rig_set(http.r, "demo", "yes");
    http_is("GET /room?user=ann&room=presence-x", NULL, NULL, 200, "<title>A room");
    http_is("GET /room", NULL, NULL, 200, "Content-Security-Policy: default-src 'none';");
    http_problem("GET /room/x", NULL, NULL, 404, "not_found");
    rig_set(http.r, "ws-path", "/live/socket");
    http_is("GET /room", NULL, NULL, 200, "name=\"fanfare-ws-path\" content=\"/live/socket\"");
}

/* ---- parameters of the read endpoints ---- */

Test(routes, unknown_parameters)
{
    static const char *const lines[] = {"GET /stats?x=1", "GET /channels?limt=1",
                                        "GET /channels/a?x=1", "GET /clients?channels=a",
                                        "GET /clients?x"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        http_problem(lines[i], NULL, NULL, 400, "unknown_parameter");
    }
}

/* docs/protocol.md: unknown parameters of all these endpoints are refused. */
Test(routes, unknown_parameters_of_all_read_endpoints)
{
    static const char *const lines[] = {"GET /health?x=1", "GET /ready?x=1", "GET /metrics?x=1",
                                        "GET /clients/0000000000000000?x=1",
                                        "DELETE /clients/0000000000000000?x=1"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        http_problem(lines[i], NULL, NULL, 400, "unknown_parameter");
    }
}

Test(routes, limit_parameter)
{
    static const char *const bad[] = {
        "0", "1001", "-1", "x", "", "1x", "99999999999999999999", "1000 ", "%31%30%30%31", "+1"};
    static const char *const good[] = {"1", "1000", "007"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[80];
        if (strchr(bad[i], ' ')) {
            continue;
        }
        snprintf(line, sizeof(line), "GET /channels?limit=%s", bad[i]);
        http_problem(line, NULL, NULL, 400, "bad_parameter");
        snprintf(line, sizeof(line), "GET /clients?limit=%s", bad[i]);
        http_problem(line, NULL, NULL, 400, "bad_parameter");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "GET /channels?limit=%s", good[i]);
        http_is(line, NULL, NULL, 200, NULL);
    }
    http_problem("GET /channels?limit=000001000000", NULL, NULL, 400, "bad_parameter");
}

Test(routes, stats_and_metrics)
{
    http_is("GET /stats", NULL, NULL, 200,
            "{\"version\":\"1.2.3\",\"uptime\":0,\"epoch\":\"" RIG_EPOCH_TEXT
            "\",\"cursor\":\"" RIG_EPOCH_TEXT "-0\",\"clientCount\":0,\"messageCount\":0");
    http_is("GET /metrics", NULL, NULL, 200,
            "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    http_is("GET /metrics", NULL, NULL, 200, "# TYPE fanfare_published_total counter\n");
}

Test(routes, a_channel_by_name)
{
    http_is("GET /channels/orders", NULL, NULL, 200,
            "{\"channel\":\"orders\",\"subscribers\":0,\"matching\":0,\"history\":{");
    http_problem("GET /channels/a%20b", NULL, NULL, 400, "bad_channel");
    http_problem("GET /channels/fanfare.x", NULL, NULL, 400, "reserved_channel");
    http_problem("GET /channels/a.%3E", NULL, NULL, 400, "bad_channel");
}

/* ---- the connection ---- */

Test(routes, keep_alive_and_pipelined)
{
    struct strbuf in = STRBUF_INIT, out = STRBUF_INIT;
    int fd = http_connect();

    for (int i = 0; i < 100; i++) {
        strbuf_adds(&out, i % 2 ? "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                : "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    rig_send(fd, out.data, out.len);
    for (int i = 0; i < 50; i++) {
        cr_assert_not(http_read(fd, &in));
    }
    cr_assert_eq(rig_count(in.data, "HTTP/1.1 200 OK\r\n"), 100);
    cr_assert_eq(rig_count(in.data, "{\"status\":\"ready\"}"), 50);
    strbuf_fini(&in);
    strbuf_fini(&out);
    close(fd);
}

Test(routes, byte_by_byte)
{
    static const char text[] = "POST /broadcast HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 17\r\n\r\n{\"channel\":\"a.b\"}";
    struct strbuf in = STRBUF_INIT;
    int fd = http_connect();

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        rig_send(fd, text + i, 1);
        http_turn();
    }
    http_read(fd, &in);
    cr_assert_eq(http_status(in.data), 200, "%s", in.data);
    cr_assert_eq(http.published, 1);
    strbuf_fini(&in);
    close(fd);
}

Test(routes, deadline_of_the_headers)
{
    struct strbuf in = STRBUF_INIT;
    int fd = http_connect();

    rig_send(fd, "GET /health HTTP/1.1\r\nHost: loc", 31);
    http_turn();
    http_pass(http.r->opt.header_timeout - 1000);
    cr_assert_not(rig_read(fd, &in));
    http_pass(1500);
    cr_assert(http_read(fd, &in));
    cr_assert(in.len == 0 || http_status(in.data) == 408, "%s", in.data);
    cr_assert_eq(rig_metric(http.r, METRIC_HTTP_TIMEOUTS), 1);
    strbuf_fini(&in);
    close(fd);
}

Test(routes, deadline_of_the_body)
{
    static const char text[] = "POST /broadcast HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 17\r\n\r\n{\"chan";
    struct strbuf in = STRBUF_INIT;
    int fd = http_connect();

    rig_send(fd, text, sizeof(text) - 1);
    http_turn();
    http_pass(http.r->opt.body_timeout + 1000);
    cr_assert(http_read(fd, &in));
    cr_assert_eq(rig_metric(http.r, METRIC_HTTP_TIMEOUTS), 1);
    cr_assert_eq(http.published, 0);
    strbuf_fini(&in);
    close(fd);
}

Test(routes, idle_connections_are_closed)
{
    struct strbuf in = STRBUF_INIT;
    int fd = http_connect();

    rig_send(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 41);
    cr_assert_not(http_read(fd, &in));
    cr_assert_eq(http_status(in.data), 200);
    http_pass(http.r->opt.idle_timeout - 5000);
    cr_assert_not(rig_read(fd, &in));
    http_pass(6000);
    cr_assert(http_read(fd, &in));
    cr_assert_eq(rig_metric(http.r, METRIC_HTTP_TIMEOUTS), 0, "nobody's fault");
    strbuf_fini(&in);
    close(fd);
}

Test(routes, clients_that_vanish_leave_nothing)
{
    static const char text[] = "POST /broadcast HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 17\r\n\r\n{\"channel\":\"a.b\"}";

    for (size_t cut = 0; cut < sizeof(text); cut++) {
        int fd = http_connect();
        if (cut) {
            rig_send(fd, text, cut);
        }
        if (cut % 2) {
            http_turn();
        }
        close(fd);
        http_turn();
        http_turn();
    }
    cr_assert_eq(http.srv.open_conns, 0);
}
