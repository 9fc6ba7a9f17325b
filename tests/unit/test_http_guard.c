/* Host, Origin and CORS (docs/protocol.md). */
#include "support_http.h"

TestSuite(guard, .init = http_start, .fini = http_stop);

static void host(const char *value, int status)
{
    char headers[400];

    snprintf(headers, sizeof(headers), "Host: %s\r\n", value);
    if (status == 200) {
        http_is("GET /health", headers, NULL, 200, NULL);
    } else {
        http_problem("GET /health", headers, NULL, status, "forbidden_host");
    }
}

static void origin(const char *host_value, const char *value, int status)
{
    char headers[600], want[300];

    snprintf(headers, sizeof(headers), "Host: %s\r\nOrigin: %s\r\n", host_value, value);
    if (status == 200) {
        snprintf(want, sizeof(want), "Access-Control-Allow-Origin: %s\r\n", value);
        http_is("GET /health", headers, NULL, 200, want);
        http_is("GET /health", headers, NULL, 200, "Access-Control-Allow-Credentials: true\r\n");
        http_is("GET /health", headers, NULL, 200, "Vary: Origin\r\n");
    } else {
        char *a = http_ask("GET /health", headers, NULL);
        cr_assert_null(strstr(a, "Access-Control-Allow-Origin"), "%s", a);
        free(a);
        http_problem("GET /health", headers, NULL, status, "forbidden_origin");
    }
}

Test(guard, hosts_that_are_ours)
{
    static const char *const good[] = {
        "localhost",      "localhost:8080", "LOCALHOST:1", "app.localhost", "127.0.0.1",
        "127.0.0.1:8080", "127.255.0.9:80", "[::1]",       "[::1]:8080",    "192.0.2.1:8080"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        host(good[i], 200);
    }
}

Test(guard, hosts_that_are_not)
{
    static const char *const bad[] = {"evil.example",
                                      "evil.example:8080",
                                      "127.0.0.1.evil.example",
                                      "localhost.evil.example",
                                      "192.0.2.1",
                                      "192.0.2.1:8081",
                                      "192.0.2.2:8080",
                                      "[::2]",
                                      "0.0.0.0",
                                      "10.0.0.1",
                                      "128.0.0.1",
                                      "localhost:x",
                                      "localhost:99999",
                                      "a b",
                                      "user@localhost",
                                      "notlocalhost",
                                      "http://localhost",
                                      "127.1.evil"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        host(bad[i], 403);
    }
}

Test(guard, host_of_the_allowed_site)
{
    host("app.example", 403);
    rig_set(http.r, "allow-origin", "https://app.example");
    host("app.example", 200);
    host("APP.example:8443", 200);
    host("other.example", 403);
    host("x.app.example", 403);
}

Test(guard, any_host_in_open_mode_for_all)
{
    http.shared.open_hosts = true;
    host("evil.example", 200);
    host("a b", 403);
}

Test(guard, unix_peers_may_say_anything)
{
    http.peer_kind = PEER_UNIX;
    host("evil.example", 200);
    host("whatever", 200);
}

Test(guard, only_one_host_and_origin)
{
    http_problem("GET /health", "Host: localhost\r\nHost: localhost\r\n", NULL, 400, "bad_request");
    http_problem("GET /health", "Origin: http://localhost\r\nOrigin: http://localhost\r\n", NULL,
                 400, "bad_request");
}

Test(guard, http_1_0_without_a_host)
{
    static const char text[] = "GET /health HTTP/1.0\r\n\r\n";
    char *a = http_raw(text, sizeof(text) - 1);

    cr_assert_not_null(strstr(a, " 200 OK\r\n"), "%s", a);
    cr_assert_not_null(strstr(a, "{\"status\":\"ok\"}"));
    free(a);
}

Test(guard, http_1_1_without_a_host)
{
    static const char text[] = "GET /health HTTP/1.1\r\n\r\n";
    char *a = http_raw(text, sizeof(text) - 1);

    cr_assert_eq(http_status(a), 400, "%s", a);
    free(a);
}

Test(guard, origins_allowed)
{
    origin("localhost:8080", "http://localhost:8080", 200);
    origin("localhost:8080", "http://localhost:3000", 200);
    origin("localhost:8080", "http://127.0.0.1:5173", 200);
    origin("localhost:8080", "https://app.localhost", 200);
    origin("localhost:8080", "http://[::1]:1", 200);
    origin("192.0.2.1:8080", "http://192.0.2.1:8080", 200);
}

Test(guard, origins_refused)
{
    origin("localhost:8080", "http://evil.example", 403);
    origin("localhost:8080", "null", 403);
    origin("localhost:8080", "http://localhost.evil.example", 403);
    origin("localhost:8080", "http://127.0.0.1.evil.example", 403);
    origin("localhost:8080", "file://", 403);
    origin("localhost:8080", "http://localhost/", 403);
    origin("localhost:8080", "localhost", 403);
    origin("192.0.2.1:8080", "http://192.0.2.1:8081", 403);
    origin("192.0.2.1:8080", "http://192.0.2.1", 403);
}

Test(guard, origin_by_option)
{
    origin("localhost:8080", "https://app.example", 403);
    rig_set(http.r, "allow-origin", "https://app.example");
    rig_set(http.r, "allow-origin", "http://b.example:81");
    origin("localhost:8080", "https://app.example", 200);
    origin("localhost:8080", "http://b.example:81", 200);
    origin("localhost:8080", "http://app.example", 403);
    origin("localhost:8080", "https://app.example:444", 403);
    origin("localhost:8080", "http://b.example", 403);
    origin("localhost:8080", "https://x.app.example", 403);
}

Test(guard, own_origin_with_the_default_port)
{
    http.shared.open_hosts = true;
    origin("gw.example", "http://gw.example", 200);
    origin("gw.example", "https://gw.example", 200); /* a proxy with TLS in front */
    origin("gw.example:443", "https://gw.example", 200);
    origin("gw.example", "http://gw.example:8080", 403);
}

Test(guard, errors_may_be_read_by_allowed_pages)
{
    char *a = http_ask("GET /nothing", "Origin: http://localhost:3000\r\n", NULL);

    cr_assert_eq(http_status(a), 404);
    cr_assert_not_null(strstr(a, "Access-Control-Allow-Origin: http://localhost:3000\r\n"), "%s",
                       a);
    free(a);
    a = http_ask("DELETE /health", "Origin: http://localhost:3000\r\n", NULL);
    cr_assert_eq(http_status(a), 405);
    cr_assert_not_null(strstr(a, "Access-Control-Allow-Origin: http://localhost:3000\r\n"), "%s",
                       a);
    free(a);
}

Test(guard, holds_for_every_path)
{
    static const char *const lines[] = {"GET /events",  "GET /ws",
                                        "GET /",        "GET /stats",
                                        "GET /clients", "OPTIONS /broadcast",
                                        "GET /nothing", "DELETE /clients/0000000000000000"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        http_problem(lines[i], "Origin: http://evil.example\r\n", NULL, 403, "forbidden_origin");
        http_problem(lines[i], "Host: evil.example\r\n", NULL, 403, "forbidden_host");
    }
    http_problem("POST /broadcast",
                 "Origin: http://evil.example\r\n"
                 "Content-Type: application/json\r\n",
                 "{}", 403, "forbidden_origin");
    cr_assert_eq(http.published, 0);
    cr_assert_eq(http.r->connected, 0);
}

Test(guard, preflight)
{
    static const char h[] = "Origin: http://localhost:3000\r\n"
                            "Access-Control-Request-Method: POST\r\n"
                            "Access-Control-Request-Headers: content-type\r\n";
    char *a = http_ask("OPTIONS /broadcast", h, NULL);

    cr_assert_eq(http_status(a), 204);
    cr_assert_not_null(strstr(a, "Access-Control-Allow-Methods: POST, OPTIONS\r\n"), "%s", a);
    cr_assert_not_null(strstr(a, "Access-Control-Allow-Headers: Content-Type, Last-Event-ID, "
                                 "Cache-Control, Authorization, Fanfare-Client-Key\r\n"));
    cr_assert_not_null(strstr(a, "Access-Control-Allow-Origin: http://localhost:3000\r\n"));
    free(a);
    a = http_ask("OPTIONS /broadcast", NULL, NULL);
    cr_assert_null(strstr(a, "Access-Control-Allow"), "without Origin there is nothing to allow");
    free(a);
}
