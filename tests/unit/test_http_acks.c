/* POST /ack and GET /users/{id}. */
#include "support_http.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq

TestSuite(acks, .init = http_start, .fini = http_stop);

/* A stream, and the header that acts as it. */
static int open_as(const char *path, char header[100])
{
    char key[CLIENT_KEY_LEN + 2], id[CLIENT_ID_LEN + 2], *text;
    int fd = http_stream(path, "", &text);

    http_member(text, "clientKey", key, sizeof(key));
    http_member(text, "clientId", id, sizeof(id));
    cr_assert_eq(strlen(key), CLIENT_KEY_LEN);
    cr_assert(str_starts(str_of(key), str_of(id)), "the key names its client");
    free(text);
    snprintf(header, 100, "Fanfare-Client-Key: %s\r\n", key);
    return fd;
}

static void require(const char *user, const char *id)
{
    char body[200];

    snprintf(body, sizeof(body), "{\"userId\":\"%s\",\"id\":\"%s\",\"requireAck\":true}", user, id);
    http_is("POST /broadcast", NULL, body, 200, NULL);
}

static void acknowledges(const char *header, const char *body, const char *answer)
{
    char *a = http_ask("POST /ack", header, body);

    cr_assert_eq(http_status(a), 200, "%s", a);
    cr_assert_str_eq(http_body(a), answer);
    free(a);
}

/* ---- POST /ack ---- */

Test(acks, by_the_clients_key)
{
    char header[100];
    int fd = open_as("/events?userId=ann", header);

    require("ann", "1");
    require("ann", "2");
    require("ann", "3");
    require("bob", "4");
    acknowledges(header, "{\"id\":\"1\"}", "{\"acknowledged\":1,\"unknown\":[]}");
    acknowledges(header, "{\"id\":\"1\"}", "{\"acknowledged\":0,\"unknown\":[\"1\"]}");
    acknowledges(header, "{\"ids\":[\"2\",\"4\",\"x\\\"\\u00e9\",\"3\",\"2\"]}",
                 "{\"acknowledged\":2,\"unknown\":[\"4\",\"x\\\"\xc3\xa9\",\"2\"]}");
    cr_assert_eq(rig_metric(http.r, METRIC_ACKED), 3);
    cr_assert_eq(rig_metric(http.r, METRIC_UNACKED), 1);
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    close(fd);
}

static void bad_key(const char *header)
{
    http_problem("POST /ack", header, "{\"id\":\"1\"}", 401, "bad_client_key");
    http_is("POST /ack", header, "{\"id\":\"1\"}", 401, "WWW-Authenticate: Fanfare-Client-Key\r\n");
}

Test(acks, bad_keys)
{
    static const char secret[] = "AAAAAAAAAAAAAAAAAAAAAA";
    char header[100], other[200], saved;
    int fd = open_as("/events?userId=ann", header);
    size_t n = strlen(header) - 2;

    require("ann", "1");
    bad_key("");
    bad_key("Fanfare-Client-Key: \r\n");
    bad_key("Fanfare-Client-Key: x\r\n");
    snprintf(other, sizeof(other), "Fanfare-Client-Key: ff00000000000001.%s\r\n", secret);
    bad_key(other);
    snprintf(other, sizeof(other), "Fanfare-Client-Key: %.16s.%s\r\n", strchr(header, ' ') + 1,
             secret);
    bad_key(other);
    snprintf(other, sizeof(other), "Fanfare-Client-Key: %.*sA\r\n", (int)(n - 20), header + 20);
    bad_key(other);
    for (size_t i = 20; i < n; i++) { /* each of its characters counts */
        saved = header[i];
        header[i] = saved == 'a' ? 'b' : 'a';
        http_problem("POST /ack", header, "{\"id\":\"1\"}", 401, "bad_client_key");
        header[i] = saved;
    }
    cr_assert_eq(rig_metric(http.r, METRIC_ACKED), 0);
    acknowledges(header, "{\"id\":\"1\"}", "{\"acknowledged\":1,\"unknown\":[]}");
    require("ann", "2");
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    bad_key(header); /* the client has gone */
}

/* Its place in the table belongs to another client now. */
Test(acks, key_of_the_one_before)
{
    char before[100], now[100];
    int fd = open_as("/events?userId=ann", before);

    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    fd = open_as("/events?userId=ann", now);
    require("ann", "1");
    bad_key(before);
    acknowledges(now, "{\"id\":\"1\"}", "{\"acknowledged\":1,\"unknown\":[]}");
    close(fd);
}

Test(acks, anonymous)
{
    char header[100];
    int fd = open_as("/events?channel=a", header);

    http_problem("POST /ack", header, "{\"id\":\"1\"}", 422, "no_user");
    close(fd);
}

Test(acks, bad_bodies)
{
    static const struct {
        const char *body, *code;
    } cases[] = {
        {"", "bad_json"},
        {"{", "bad_json"},
        {"{\"ids\":[1,]}", "bad_json"},
        {"{\"ids\":[[[1]]]}", "bad_value"},
        {"[]", "wrong_type"},
        {"\"1\"", "wrong_type"},
        {"{}", "bad_value"},
        {"{\"id\":1}", "bad_value"},
        {"{\"id\":\"\"}", "bad_value"},
        {"{\"id\":\"a\\u0000\"}", "bad_value"},
        {"{\"id\":\"\\ud800\"}", "bad_value"},
        {"{\"ids\":\"1\"}", "bad_value"},
        {"{\"ids\":[]}", "bad_value"},
        {"{\"ids\":[\"1\",2]}", "bad_value"},
        {"{\"ids\":[\"1\",\"\\n\"]}", "bad_value"},
        {"{\"id\":\"1\",\"ids\":[\"2\"]}", "bad_value"},
        {"{\"id\":\"1\",\"user\":\"ann\"}", "unknown_field"},
        {"{\"id\":\"1\",\"id\":\"2\"}", "duplicate_field"},
    };
    char header[100];
    int fd = open_as("/events?userId=ann", header);

    require("ann", "1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        http_problem("POST /ack", header, cases[i].body, 400, cases[i].code);
    }
    http_problem("POST /ack", header, NULL, 411, "length_required");
    http_problem("POST /ack?x=1", header, "{\"id\":\"1\"}", 400, "unknown_parameter");
    http_problem("GET /ack", header, NULL, 405, "method_not_allowed");
    cr_assert_eq(rig_metric(http.r, METRIC_ACKED), 0);
    close(fd);
}

Test(acks, so_many_at_once)
{
    struct strbuf sb = STRBUF_INIT;
    char header[100], id[16];
    int fd = open_as("/events?userId=ann", header);

    strbuf_adds(&sb, "{\"ids\":[\"0\"");
    for (int i = 1; i < 1000; i++) {
        strbuf_addf(&sb, ",\"%d\"", i);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "%d", i * 111);
        require("ann", id);
    }
    strbuf_adds(&sb, "]}");
    http_is("POST /ack", header, sb.data, 200, "{\"acknowledged\":10,\"unknown\":[\"1\",");
    sb.len -= 2;
    strbuf_adds(&sb, ",\"1000\"]}");
    http_problem("POST /ack", header, sb.data, 400, "bad_value");
    rig_set(http.r, "max-message", "1k");
    http_problem("POST /ack", header, sb.data, 413, "message_too_large");
    strbuf_fini(&sb);
    close(fd);
}

/* While the visit is under way the parser reads other requests. */
Test(acks, several_at_once)
{
    char header[100];
    int fd = open_as("/events?userId=ann", header);
    int asks[5];
    struct strbuf sb = STRBUF_INIT;

    for (int i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%d", i);
        require("ann", id);
        asks[i] = http_connect();
    }
    http_turn();
    for (int i = 0; i < 5; i++) {
        sb.len = 0;
        strbuf_addf(&sb,
                    "POST /ack HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 18\r\n\r\n"
                    "{\"ids\":[\"%d\",\"x%d\"]}",
                    header, i, i);
        rig_send(asks[i], sb.data, sb.len);
    }
    for (int i = 0; i < 5; i++) {
        char want[80];
        char *text = http_text(asks[i]);
        snprintf(want, sizeof(want), "{\"acknowledged\":1,\"unknown\":[\"x%d\"]}", i);
        cr_assert_str_eq(http_body(text), want);
        free(text);
        close(asks[i]);
    }
    strbuf_fini(&sb);
    close(fd);
}

Test(acks, from_a_page)
{
    char header[200];
    int fd = open_as("/events?userId=ann", header);

    strcat(header, "Origin: http://localhost:1\r\nContent-Type: application/json\r\n");
    http_is("POST /ack", header, "{\"id\":\"1\"}", 200,
            "Access-Control-Allow-Origin: http://localhost:1\r\n");
    http_is("OPTIONS /ack", "Origin: http://localhost:1\r\n", NULL, 204, "Fanfare-Client-Key");
    close(fd);
}

/* ---- GET /users/{id} ---- */

Test(acks, a_user_that_nothing_is_known_of)
{
    char *a = http_ask("GET /users/ann", NULL, NULL);

    cr_assert_eq(http_status(a), 200);
    cr_assert_str_eq(http_body(a),
                     "{\"user\":\"ann\",\"connections\":0,\"online\":false,\"since\":null,"
                     "\"lastSeen\":null,\"history\":{\"messages\":0,\"bytes\":0,"
                     "\"first\":null,\"last\":null,\"evicted\":null},\"queued\":0,\"pending\":[],"
                     "\"pendingCount\":0,\"givenUp\":0}");
    free(a);
    http_is("GET /users/a%20%22b%2F", NULL, NULL, 200, "{\"user\":\"a \\\"b/\",");
    http_problem("GET /users/%0a", NULL, NULL, 400, "bad_user");
    http_problem("GET /users/", NULL, NULL, 400, "bad_user");
    http_problem("GET /users/ann?x=1", NULL, NULL, 400, "unknown_parameter");
    http_problem("GET /users", NULL, NULL, 404, "not_found");
    http_problem("POST /users/ann", NULL, "{}", 405, "method_not_allowed");
}

Test(acks, what_waits_for_a_user)
{
    char header[100], *a;
    int fd;

    require("ann", "1");
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\"}", 200, NULL);
    a = http_ask("GET /users/ann", NULL, NULL);
    cr_assert_not_null(strstr(a, "\"lastSeen\":null,\"history\":{\"messages\":2,\"bytes\":"), "%s",
                       a);
    cr_assert_not_null(strstr(a, ",\"first\":\"" AT(1) "\",\"last\":\"" AT(2) "\",\"evicted\":null}"
                                                                              ",\"queued\":2,"),
                       "%s", a);
    cr_assert_not_null(
        strstr(a, "\"pending\":[{\"id\":\"1\",\"cursor\":\"" AT(1) "\",\"attempts\":0,"
                                                                   "\"publishedAt\":\"20"),
        "%s", a);
    cr_assert_not_null(strstr(a, "Z\"}],\"pendingCount\":1,\"givenUp\":0}"), "%s", a);
    free(a);
    fd = open_as("/events?userId=ann", header);
    http_is("GET /users/ann", NULL, NULL, 200, "\"connections\":1,");
    http_is("GET /users/ann", NULL, NULL, 200, "\"queued\":0,");
    http_is("GET /users/ann", NULL, NULL, 200, "\"attempts\":1,");
    acknowledges(header, "{\"id\":\"1\"}", "{\"acknowledged\":1,\"unknown\":[]}");
    http_is("GET /users/ann", NULL, NULL, 200, "\"pending\":[],\"pendingCount\":0,\"givenUp\":0}");
    close(fd);
}

Test(acks, at_most_a_hundred_are_shown)
{
    char *a;

    for (int i = 0; i < 103; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%d", i);
        require("ann", id);
    }
    a = http_ask("GET /users/ann", NULL, NULL);
    cr_assert_eq(rig_count(a, "\"publishedAt\":"), 100, "%s", a);
    cr_assert_not_null(strstr(a, "{\"id\":\"99\","), "%s", a);
    cr_assert_not_null(strstr(a, "],\"pendingCount\":103,"), "%s", a);
    free(a);
}
