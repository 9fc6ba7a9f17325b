/* The limits of clients, users and publishers at requests, and who the client is. */
#include "support_http.h"

#include "conn/load.h"

static struct loads loads;

static void start(void)
{
    http_start();
    http.peer_kind = PEER_INET;
    cr_assert_eq(loads_init(&loads, 7), 0);
    http.r->env.loads = &loads;
    rig_set(http.r, "rate-window", "1s");
}

static void stop(void)
{
    http_stop();
    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        cr_assert_null(loads.part[i].table, "every user's place was given back");
    }
    cr_assert_null(http.shared.limits.table, "and every address's");
    loads_fini(&loads);
}

TestSuite(throttle, .init = start, .fini = stop);

static void set(const char *name, const char *value)
{
    rig_set(http.r, name, value);
    http_server_options(&http.srv);
}

#define JSON "Content-Type: application/json\r\n"
#define ACCEPT "Accept: text/event-stream\r\n"
#define CLIENT_1 "X-Forwarded-For: 192.0.2.1\r\n"
#define CLIENT_2 "X-Forwarded-For: 192.0.2.2\r\n"

static void publish(const char *headers, const char *body, int status)
{
    char all[300];

    snprintf(all, sizeof(all), JSON "%s", headers);
    http_is("POST /broadcast", all, body, status,
            status == 429 ? "\"code\":\"rate_limited\"" : NULL);
}

Test(throttle, publications)
{
    char *a;

    set("publish-rate", "2");
    publish("", "{\"channel\":\"a\"}", 200);
    publish("", "{\"channel\":\"a\"}", 200);
    publish("", "{\"channel\":\"a\"}", 429);
    cr_expect_eq(rig_metric(http.r, METRIC_LIMITED_PUBLISH), 1);
    a = http_ask("POST /broadcast", JSON, "[{\"channel\":\"a\"}]");
    cr_expect_not_null(strstr(a, "\"accepted\":0,\"refused\":1"), "%s", a);
    cr_expect_not_null(strstr(a, "{\"error\":{\"status\":429,\"code\":\"rate_limited\""), "%s", a);
    free(a);
    a = http_ask("POST /broadcast", JSON, "{\"channel\":\"a\"}");
    cr_expect_not_null(strstr(a, "Retry-After: 1\r\n"), "%s", a);
    cr_expect_not_null(strstr(a, "publish-rate"), "%s", a);
    free(a);
    http_is("POST /broadcast", JSON, "{\"channel\":}", 400, NULL);
    http_pass(520);
    publish("", "{\"channel\":\"a\"}", 200);
    publish("", "{\"channels\":[\"a\",\"b\"]}", 429);
}

Test(throttle, prefixes)
{
    set("rate-for", "a.=2");
    set("rate-for", "a.b.=1");
    publish("", "{\"channel\":\"a.b.c\"}", 200);
    publish("", "{\"channel\":\"a.b.d\"}", 429);
    publish("", "{\"channels\":[\"a.1\",\"a.2\"]}", 429);
    publish("", "{\"channels\":[\"a.1\",\"b\",\"c\"]}", 200);
    publish("", "{\"channel\":\"a.1\"}", 429);
    publish("", "{\"data\":1}", 200);
}

/* ---- behind a proxy: the peer of these tests is 127.0.0.1 ---- */

Test(throttle, clients_of_a_proxy)
{
    set("publish-rate", "1");
    publish(CLIENT_1, "{\"data\":1}", 200);
    publish(CLIENT_2, "{\"data\":1}", 429); /* nobody is trusted */
    set("trusted-proxy", "127.0.0.0/8");
    publish(CLIENT_1, "{\"data\":1}", 200);
    publish(CLIENT_1, "{\"data\":1}", 429);
    publish(CLIENT_2, "{\"data\":1}", 200);
    publish("", "{\"data\":1}", 200);
    publish("", "{\"data\":1}", 200);
    publish("X-Forwarded-For: 127.0.0.5\r\n", "{\"data\":1}", 200);
    publish("X-Forwarded-For: 127.0.0.5\r\n", "{\"data\":1}", 200);
    /* What cannot be read is limited as one client: the peer, who was limited above. */
    publish("Forwarded: rubbish\r\n", "{\"data\":1}", 429);
    publish("Forwarded: for=192.0.2.9\r\n" CLIENT_1, "{\"data\":1}", 429);
    publish("X-Forwarded-For: unknown\r\n", "{\"data\":1}", 429);
    cr_expect_eq(rig_metric(http.r, METRIC_FORWARDED_BAD), 3);
}

static void peer_is(const char *headers, const char *peer)
{
    char want[80];
    int fd = http_stream("/events", headers, NULL);

    snprintf(want, sizeof(want), "\"peer\":\"%s\"", peer);
    http_is("GET /clients", NULL, NULL, 200, want);
    close(fd);
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
}

Test(throttle, who_the_client_is)
{
    peer_is(CLIENT_1, "127.0.0.1:4711");
    set("trusted-proxy", "127.0.0.1");
    peer_is(CLIENT_1, "192.0.2.1");
    peer_is("Forwarded: for=\"[2001:db8::1]:80\"\r\n", "[2001:db8::1]:80");
    peer_is("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 127.0.0.1\r\n", "192.0.2.7");
    peer_is("X-Forwarded-For: rubbish\r\n", "127.0.0.1:4711");
    peer_is("", "127.0.0.1:4711");
}

static void refused(const char *path, const char *headers, const char *code)
{
    char all[300], want[100];

    snprintf(want, sizeof(want), "\"data\":{\"code\":\"%s\",\"retryAfter\":", code);
    snprintf(all, sizeof(all), ACCEPT "%s", headers);
    http_is(path, all, NULL, 200, want);
    http_problem(path, headers, NULL, 429, code);
}

Test(throttle, addresses_of_clients)
{
    int one, two;

    set("trusted-proxy", "127.0.0.1");
    set("max-connections-per-address", "1");
    /* The peer itself is counted by whoever accepts: here it always is, also a proxy. */
    http.peer_kind = PEER_INET;
    set("max-connections-per-address", "2");
    one = http_stream("/events", CLIENT_1, NULL);
    two = http_stream("/events", CLIENT_1, NULL);
    refused("GET /events", CLIENT_1, "too_many_connections");
    cr_expect_eq(rig_metric(http.r, METRIC_LIMITED_ADDRESSES), 2);
    http_is("HEAD /events", CLIENT_2, NULL, 200, NULL);
    http_is("GET /stats", CLIENT_1, NULL, 200, NULL);
    close(one);
    http_is("GET /stats", NULL, NULL, 200, NULL);
    one = http_stream("/events", CLIENT_1, NULL);
    refused("GET /events", CLIENT_1, "too_many_connections");
    close(one);
    close(two);
}

Test(throttle, connects_of_clients)
{
    set("trusted-proxy", "127.0.0.1");
    set("connect-rate", "2");
    close(http_stream("/events", CLIENT_1, NULL));
    close(http_stream("/events", CLIENT_1, NULL));
    refused("GET /events", CLIENT_1, "rate_limited");
    close(http_stream("/events", CLIENT_2, NULL));
    close(http_stream("/events", "", NULL));
    http_pass(520);
    close(http_stream("/events", CLIENT_1, NULL));
}

/* ---- users ---- */

Test(throttle, users)
{
    int fd;

    set("max-connections-per-user", "1");
    fd = http_stream("/events?userId=ann", "", NULL);
    refused("GET /events?userId=ann", "", "too_many_streams");
    http_is("HEAD /events?userId=eve", NULL, NULL, 200, NULL); /* gives its place back */
    close(http_stream("/events?userId=eve", "", NULL));
    close(http_stream("/events", "", NULL));
    http_is("GET /events?userId=bob&meta=1", NULL, NULL, 400, "bad_meta");
    close(fd);
    http_is("GET /stats", NULL, NULL, 200, NULL);
    close(http_stream("/events?userId=ann", "", NULL));
}

Test(throttle, user_connects)
{
    set("user-connect-rate", "1");
    set("max-connections-per-user", "5");
    close(http_stream("/events?userId=ann", "", NULL));
    refused("GET /events?userId=ann", "", "rate_limited");
    close(http_stream("/events?userId=eve", "", NULL));
    http_pass(1020);
    close(http_stream("/events?userId=ann", "", NULL));
}

Test(throttle, user_subscriptions)
{
    int fd;

    set("max-channels-per-user", "3");
    refused("GET /events?userId=ann&channel=a&channel=b&channel=c&channel=d", "",
            "too_many_channels");
    fd = http_stream("/events?userId=ann&channel=a&channel=b&channel=b", "", NULL);
    refused("GET /events?userId=ann&channel=c&channel=d", "", "too_many_channels");
    close(http_stream("/events?userId=ann&channel=c", "", NULL));
    close(http_stream("/events?userId=eve&channel=a&channel=b&channel=c", "", NULL));
    close(fd);
}

Test(throttle, channels)
{
    int fd;

    set("max-subscribers-for", "room.=1");
    fd = http_stream("/events?channel=room.1", "", NULL);
    refused("GET /events?channel=a&channel=room.1", "", "channel_full");
    close(http_stream("/events?channel=room.2", "", NULL));
    close(http_stream("/events?channel=room.>", "", NULL));
    cr_expect_eq(rig_metric(http.r, METRIC_LIMITED_CHANNELS), 2);
    close(fd);
    http_is("GET /stats", NULL, NULL, 200, NULL);
    close(http_stream("/events?channel=room.1", "", NULL));
}

/* A refusal by a later limit gives back what an earlier one has counted: see stop(). */
Test(throttle, all_or_nothing)
{
    int fd;

    set("trusted-proxy", "127.0.0.1");
    set("max-connections-per-address", "100");
    set("max-connections-per-user", "1");
    set("user-connect-rate", "1");
    fd = http_stream("/events?userId=ann", CLIENT_1, NULL);
    for (int i = 0; i < 5; i++) {
        refused("GET /events?userId=ann", CLIENT_1, "too_many_streams");
    }
    set("max-connections-per-user", "2");
    refused("GET /events?userId=ann", CLIENT_1, "rate_limited");
    close(fd);
}
