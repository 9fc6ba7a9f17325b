/* What is refused at the limits, what is not, and what /ready says of it. */
#include "http/spares.h"
#include "support_http.h"

#include "support_wsclient.h"

#include <sys/resource.h>

#define SSE_HEADERS "Accept: text/event-stream\r\n"
#define WS_HEADERS                                                               \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TestSuite(pressure, .init = http_start, .fini = http_stop);

static void send_get(int fd, const char *path, const char *headers)
{
    struct strbuf out = STRBUF_INIT;

    strbuf_addf(&out, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    rig_send(fd, out.data, out.len);
    strbuf_fini(&out);
}

static int open_stream(const char *path, const char *headers)
{
    int fd = http_connect();

    send_get(fd, path, headers);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    return fd;
}

static uint64_t count_of(enum metric id)
{
    return atomic_load(&http.r->metrics.v[id]);
}

/* ---- max-connections ---- */

/* One that is over the limit is answered, but becomes no stream. */
Test(pressure, plain_requests_are_answered_over_the_limit)
{
    int fd;

    http.shared.limits.max_connections = 1;
    http_is("GET /ready", NULL, NULL, 200, "{\"status\":\"ready\"}");
    fd = open_stream("/ws?channel=a", WS_HEADERS);
    cr_assert_eq(http.r->connected, 1);
    http_is("GET /health", NULL, NULL, 200, "Connection: close\r\n");
    http_is("GET /metrics", NULL, NULL, 200, "fanfare_streams_refused_total 0\n");
    http_is("GET /stats", NULL, NULL, 200, "\"clientCount\":1");
    http_is("GET /clients", NULL, NULL, 200, NULL);
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\"}", 200, "\"matched\":1");
    http_problem("GET /ready", NULL, NULL, 503, "too_many_connections");
    http_is("GET /ready", NULL, NULL, 503, "Retry-After: 1\r\n");
    http_problem("GET /ws", WS_HEADERS, NULL, 503, "too_many_connections");
    http_problem("GET /events", NULL, NULL, 503, "too_many_connections");
    http_is("GET /events", NULL, NULL, 503, "Retry-After: 3\r\n");
    http_is("GET /events", SSE_HEADERS, NULL, 200,
            "data: {\"type\":\"fanfare.refused\",\"data\":{\"code\":\"too_many_connections\",");
    cr_assert_eq(count_of(METRIC_STREAMS_REFUSED), 4);
    cr_assert_eq(http.r->connected, 1);
    cr_assert_eq(http.published, 1);
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    http_is("GET /ready", NULL, NULL, 200, NULL);
}

/* The limit counts at the moment when the stream would begin. */
Test(pressure, a_place_that_became_free_is_given)
{
    int old, late;

    http.shared.limits.max_connections = 1;
    old = open_stream("/events", "");
    late = http_connect();
    cr_assert(limits_exceeded(&http.shared.limits));
    close(old);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    send_get(late, "/events", "");
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    cr_assert_eq(http.r->connected, 2);
    close(late);
}

/* Whoever is over a limit holds its place for a second at most. */
static void gives_its_place_back(const char *bytes)
{
    struct strbuf in = STRBUF_INIT;
    int first = open_stream("/events", "");
    int over = http_connect();

    rig_send(over, bytes, strlen(bytes));
    http_turn();
    http_pass(800);
    cr_assert_eq(atomic_load(&http.shared.limits.connections), 2);
    http_pass(400);
    cr_assert(http_read(over, &in), "closed after a second");
    cr_assert_not_null(strstr(in.data, "HTTP/1.1 408 "), "%s", in.data);
    cr_assert_eq(atomic_load(&http.shared.limits.connections), 1);
    strbuf_fini(&in);
    close(first);
    close(over);
}

Test(pressure, no_request_within_a_second)
{
    http.shared.limits.max_connections = 1;
    gives_its_place_back("GET /health HT");
}

Test(pressure, no_body_within_a_second)
{
    http.shared.limits.max_connections = 1;
    gives_its_place_back(
        "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
}

Test(pressure, over_the_limit_of_an_address_for_a_second)
{
    rig_set(http.r, "max-connections-per-address", "1");
    gives_its_place_back("GET /events HTTP/1.1\r\n");
}

/* ---- descriptors ---- */

/* From now on the process has none but those it has. */
static void no_more_descriptors(void)
{
    struct rlimit rl;
    int next = dup(0);

    cr_assert_geq(next, 0);
    close(next);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
    rl.rlim_cur = (rlim_t)next;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
    cr_assert_lt(dup(0), 0);
}

static void descriptors_again(void)
{
    struct rlimit rl;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
    rl.rlim_cur = rl.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
}

Test(pressure, without_spare_descriptors_streams_are_refused_and_ready_says_so)
{
    int asks[6];

    for (int i = 0; i < 6; i++) {
        asks[i] = http_connect();
    }
    no_more_descriptors();
    http_turn();
    cr_assert_eq(http.srv.nspare, HTTP_SPARES);
    cr_assert_not(http.srv.starved);
    cr_assert(spares_spend(&http.srv));
    cr_assert_geq(dup(0), 0, "one can be had now");
    http_turn();
    cr_assert(http.srv.starved);
    cr_assert_eq(atomic_load(&http.shared.starved), 1);

    send_get(asks[0], "/events", SSE_HEADERS);
    send_get(asks[1], "/events", "");
    send_get(asks[2], "/ws", WS_HEADERS);
    send_get(asks[3], "/ready", "");
    send_get(asks[4], "/health", "");
    send_get(asks[5], "/metrics", "");
    for (int i = 0; i < 6; i++) {
        static const char *const want[] = {"\"data\":{\"code\":\"no_descriptors\",\"retryAfter\":",
                                           "\"status\":503,\"code\":\"no_descriptors\"",
                                           "\"status\":503,\"code\":\"no_descriptors\"",
                                           "\"status\":503,\"code\":\"no_descriptors\"",
                                           "{\"status\":\"ok\"}",
                                           "fanfare_streams_refused_total 3\n"};
        struct strbuf in = STRBUF_INIT;
        (void)http_read(asks[i], &in);
        cr_assert_not_null(strstr(in.data, want[i]), "%d: %s", i, in.data);
        cr_assert_eq(strstr(in.data, "Connection: close\r\n") != NULL, i < 3, "%d", i);
        strbuf_fini(&in);
        close(asks[i]);
    }
    descriptors_again();
    http_turn();
    cr_assert_eq(http.srv.nspare, HTTP_SPARES);
    cr_assert_eq(atomic_load(&http.shared.starved), 0);
    http_is("GET /ready", NULL, NULL, 200, NULL);
    cr_assert_eq(http.r->connected, 0);
}

/* A stream needs a second descriptor for a moment. Of 12 that begin in one run
 * of libmicrohttpd 8 get it from the spares, the others are told. */
static void streams_at_the_last_descriptor(const char *path, const char *headers, const char *told)
{
    enum { N = 12 };
    int fds[N];
    unsigned stand = 0, refused = 0;

    for (int i = 0; i < N; i++) {
        fds[i] = http_connect();
    }
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
    no_more_descriptors();
    for (int i = 0; i < N; i++) {
        send_get(fds[i], path, headers);
    }
    for (int i = 0; i < 12; i++) {
        http_turn();
    }
    for (int i = 0; i < N; i++) {
        struct strbuf in = STRBUF_INIT;
        bool end = rig_read(fds[i], &in);
        cr_assert_not_null(in.data);
        bool is_told = memmem(in.data, in.len, told, strlen(told)) != NULL;
        stand += memmem(in.data, in.len, "fanfare.synced", 14) != NULL && !end;
        refused += is_told && end;
        strbuf_fini(&in);
    }
    cr_assert_eq(stand, HTTP_SPARES);
    cr_assert_eq(refused, N - HTTP_SPARES);
    cr_assert_eq(http.r->connected, HTTP_SPARES);
    cr_assert_eq(count_of(METRIC_STREAMS_REFUSED), N - HTTP_SPARES);
    cr_assert_not(http.srv.starved, "libmicrohttpd's own were closed, and are the spares now");
    descriptors_again();
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
}

Test(pressure, event_streams_at_the_last_descriptor)
{
    streams_at_the_last_descriptor(
        "/events", SSE_HEADERS,
        "data: "
        "{\"type\":\"fanfare.refused\",\"data\":{\"code\":\"no_descriptors\",\"retryAfter\":");
}

Test(pressure, websockets_at_the_last_descriptor)
{
    streams_at_the_last_descriptor("/ws", WS_HEADERS,
                                   "\x88\x28\x03\xf5no descriptor is left; come back later");
}

/* ---- thousands at once ---- */

/* As many requests as become streams are ready in one run of libmicrohttpd. */
Test(pressure, so_many_streams_begin_in_a_turn)
{
    enum { N = 100 };
    int fds[N], plain;

    for (int i = 0; i < N; i++) {
        fds[i] = http_connect();
    }
    plain = http_connect();
    http_turn();
    for (int i = 0; i < N; i++) {
        send_get(fds[i], i % 2 ? "/ws" : "/events", i % 2 ? WS_HEADERS : "");
    }
    send_get(plain, "/health", "");
    for (unsigned turn = 1; turn <= 4; turn++) {
        struct strbuf in = STRBUF_INIT;
        http_turn();
        cr_assert_eq(http.r->connected, turn < 4 ? turn * 32 : N, "%u: %u", turn,
                     http.r->connected);
        (void)rig_read(plain, &in);
        cr_assert_eq(in.len > 0, turn == 1, "who wants no stream is answered at once");
        strbuf_fini(&in);
    }
    cr_assert_null(http.srv.line);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    close(plain);
}

/* Some are still in the line when the server stops. */
Test(pressure, the_line_ends_with_the_server)
{
    int fds[100];

    for (int i = 0; i < 100; i++) {
        fds[i] = http_connect();
    }
    http_turn();
    for (int i = 0; i < 100; i++) {
        send_get(fds[i], i % 2 ? "/ws" : "/events", i % 2 ? WS_HEADERS : "");
    }
    http_turn();
    cr_assert_not_null(http.srv.line);
    http_server_fini(&http.srv);
    cr_assert_null(http.srv.line);
    cr_assert_eq(http_server_init(&http.srv, &(struct errmsg){""}), 0);
    for (int i = 0; i < 100; i++) {
        close(fds[i]);
    }
}

/* ---- too much waits ---- */

Test(pressure, a_refused_publication_counts_against_readiness_for_a_second)
{
    int fd = open_stream("/events?channel=a", "");

    http_is("GET /ready", NULL, NULL, 200, NULL);
    http.r->full = true;
    http_is("GET /ready", NULL, NULL, 200, NULL); /* nobody was refused yet */
    http_problem("POST /broadcast", NULL, "{\"channel\":\"a\"}", 503, "overloaded");
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\"}", 503, "Retry-After: 1\r\n");
    http_is("POST /broadcast", NULL, "{\"channel\":\"nobody\"}", 200, "\"matched\":0");
    http_problem("GET /ready", NULL, NULL, 503, "overloaded");
    http_is("POST /broadcast", NULL, "[{\"channel\":\"a\"},{\"channel\":\"a\"}]", 200,
            "\"accepted\":0,\"refused\":2");
    cr_assert_eq(count_of(METRIC_OVERLOADED), 4);
    http.r->full = false;
    http_problem("GET /ready", NULL, NULL, 503, "overloaded");
    atomic_store(&http.shared.overload_ms, clock_mono_ms() - 1000);
    http_is("GET /ready", NULL, NULL, 200, NULL);
    close(fd);
}

Test(pressure, bodies_that_find_no_room)
{
    atomic_store(&http.shared.max_bodies, 4);
    http_problem("POST /broadcast", NULL, "{\"channel\":\"a\"}", 503, "overloaded");
    http_problem("GET /ready", NULL, NULL, 503, "overloaded");
    cr_assert_eq(count_of(METRIC_OVERLOADED), 1);
}

Test(pressure, draining_is_said_first)
{
    http.shared.limits.max_connections = 0;
    http_problem("GET /ready", NULL, NULL, 503, "too_many_connections");
    atomic_store(&http.shared.draining, true);
    http_problem("GET /ready", NULL, NULL, 503, "draining");
}
