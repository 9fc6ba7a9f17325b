/* POST /broadcast: framing, media types, limits, answers. */
#include "support_http.h"

#define JSON "Content-Type: application/json\r\n"
#define NDJSON "Content-Type: application/x-ndjson\r\n"

TestSuite(broadcast, .init = http_start, .fini = http_stop);

static void refused(const char *body, int status, const char *code)
{
    unsigned before = http.published;

    http_problem("POST /broadcast", JSON, body, status, code);
    cr_assert_eq(http.published, before, "nothing of it is published: %s", body);
}

static void accepted(const char *headers, const char *body, const char *text)
{
    http_is("POST /broadcast", headers, body, 200, text);
}

/* ---- one publication ---- */

Test(broadcast, to_a_channel)
{
    char *a = http_ask("POST /broadcast", JSON,
                       "{\"channel\":\"a\",\"type\":\"t\",\"data\":{\"n\":99.99},\"id\":\"mine\"}");

    cr_assert_eq(http_status(a), 200);
    cr_assert_str_eq(http_body(a),
                     "{\"id\":\"mine\",\"cursor\":\"" RIG_EPOCH_TEXT "-1\",\"matched\":0}");
    cr_assert_eq(http.published, 1);
    cr_assert_str_eq(http.published_text, "a t {\"n\":99.99}");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), 1);
    free(a);
}

Test(broadcast, defaults)
{
    accepted(JSON, "{}", "\"cursor\":\"" RIG_EPOCH_TEXT "-1\"");
    cr_assert_str_eq(http.published_text, " message null");
    accepted(JSON, "  {}  ", "\"cursor\":\"" RIG_EPOCH_TEXT "-2\"");
}

Test(broadcast, to_several)
{
    char *a = http_ask("POST /broadcast", JSON, "{\"channels\":[\"a\",\"b\"],\"id\":\"i\"}");

    cr_assert_str_eq(http_body(a),
                     "{\"id\":\"i\",\"cursor\":\"" RIG_EPOCH_TEXT "-2\",\"matched\":0,\"targets\":["
                     "{\"channel\":\"a\",\"cursor\":\"" RIG_EPOCH_TEXT
                     "-1\",\"matched\":0,\"status\":\"sent\"},"
                     "{\"channel\":\"b\",\"cursor\":\"" RIG_EPOCH_TEXT
                     "-2\",\"matched\":0,\"status\":\"sent\"}]}",
                     "%s", a);
    free(a);
    cr_assert_eq(http.published, 2);
    accepted(JSON, "{\"userIds\":[\"ann\"]}", "\"targets\":[{\"userId\":\"ann\",\"cursor\":");
}

Test(broadcast, to_many_targets)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, "{\"channels\":[\"c0\"");
    for (int i = 1; i < 1000; i++) {
        strbuf_addf(&sb, ",\"c%d\"", i);
    }
    strbuf_adds(&sb, "]}");
    accepted(JSON, sb.data, "\"cursor\":\"" RIG_EPOCH_TEXT "-1000\"");
    cr_assert_eq(http.published, 1000);
    sb.len -= 2;
    strbuf_adds(&sb, ",\"c1000\"]}");
    refused(sb.data, 422, "too_many");
    strbuf_fini(&sb);
}

Test(broadcast, refusals)
{
    refused("", 400, "bad_json");
    refused("{", 400, "bad_json");
    refused("{\"data\":\"\xff\"}", 400, "bad_json");
    refused("{} {}", 400, "bad_json");
    refused("1", 400, "wrong_type");
    refused("null", 400, "wrong_type");
    refused("{\"channel\":1}", 400, "wrong_type");
    refused("{\"chanel\":\"a\"}", 400, "unknown_field");
    refused("{\"data\":1,\"data\":2}", 400, "duplicate_field");
    refused("{\"channels\":[]}", 400, "missing_value");
    refused("{\"channel\":\"a b\"}", 400, "bad_name");
    refused("{\"channel\":\"\"}", 400, "bad_name");
    refused("{\"type\":\"a\\nb\"}", 400, "bad_name");
    refused("{\"id\":\"\\u0000\"}", 400, "bad_name");
    refused("{\"type\":\"fanfare.x\"}", 422, "reserved_name");
    refused("{\"type\":\"open\"}", 422, "reserved_name");
    refused("{\"channel\":\"fanfare.x\"}", 422, "reserved_name");
    refused("{\"channel\":\"a\",\"userId\":\"b\"}", 422, "conflicting_targets");
    refused("{\"channels\":[\"a\",\"a\"]}", 400, "bad_value");
    refused("{\"timestamp\":\"yesterday\"}", 400, "bad_value");
    refused("{\"ttl\":-1}", 400, "bad_value");
    refused("{\"channel\":\"ann\",\"requireAck\":true}", 422, "unsupported");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 22);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), 0);
}

Test(broadcast, a_problem_names_field_and_offset)
{
    http_is("POST /broadcast", JSON, "{\"chanel\":\"orders\"}", 400,
            "\"field\":\"chanel\",\"offset\":10}\n");
    http_is("POST /broadcast", JSON, "{\"chanel\":\"orders\"}", 400,
            "did you mean \\\"channel\\\"?");
    http_is("POST /broadcast", JSON, "{\"a\":}", 400, "\"offset\":5}\n");
    http_is("POST /broadcast", JSON, "{\"a\":}", 400, "byte 5");
}

Test(broadcast, too_deep)
{
    char body[200] = "{\"data\":";

    memset(body + 8, '[', 70);
    memset(body + 78, ']', 70);
    strcpy(body + 148, "}");
    refused(body, 400, "bad_json");
    memset(body + 8, '[', 60);
    memset(body + 68, ']', 60);
    strcpy(body + 128, "}");
    accepted(JSON, body, NULL);
}

Test(broadcast, a_full_shard)
{
    struct rig_pair p = rig_socketpair();
    struct stream_intro intro = {.fd = p.ours};

    cr_assert_eq(ws_open(&http.srv.ws, &intro, STR_NONE), 0);
    http.shared.limits.connections++; /* of the stream */
    http.r->full = true;
    http_problem("POST /broadcast", JSON, "{}", 503, "overloaded");
    http_is("POST /broadcast", JSON, "{}", 503, "Retry-After: 1\r\n");
    accepted(JSON, "[{}]", "\"error\":{\"status\":503,\"code\":\"overloaded\"");
    cr_assert_eq(http.published, 0);
    http.r->full = false;
    close(p.peer);
}

/* ---- batches ---- */

Test(broadcast, array)
{
    char *a = http_ask("POST /broadcast", JSON,
                       "[{\"id\":\"1\"},{\"channel\":\"a b\"},{\"id\":\"2\",\"userId\":\"u\"}, 5]");

    cr_assert_eq(http_status(a), 200);
    cr_assert(str_starts(str_of(http_body(a)),
                         STR_LIT("{\"results\":[{\"id\":\"1\",\"cursor\":\"" RIG_EPOCH_TEXT
                                 "-1\",\"matched\":0},{\"error\":{\"status\":400,\"code\":"
                                 "\"bad_name\",\"detail\":\"")),
              "%s", a);
    cr_assert_not_null(strstr(a, "\"field\":\"channel\",\"offset\":23}}"), "%s", a);
    cr_assert_not_null(strstr(a, "{\"id\":\"2\",\"cursor\":\"" RIG_EPOCH_TEXT "-2\""), "%s", a);
    cr_assert_not_null(strstr(a, "\"code\":\"wrong_type\""), "%s", a);
    cr_assert_not_null(strstr(a, "],\"accepted\":2,\"refused\":2}"), "%s", a);
    free(a);
    accepted(JSON, "[]", "{\"results\":[],\"accepted\":0,\"refused\":0}");
    accepted(JSON, " \n[ {} ]", "\"accepted\":1,\"refused\":0}");
}

Test(broadcast, malformed_array)
{
    refused("[{},", 400, "bad_json");
    refused("[{}]x", 400, "bad_json");
    refused("[{},{\"a\":}]", 400, "bad_json");
}

Test(broadcast, lines)
{
    char *a =
        http_ask("POST /broadcast", NDJSON, "{\"id\":\"1\"}\r\n\n  \n{\"a\":}\n{\"id\":\"2\"}");

    cr_assert_not_null(strstr(a, "{\"results\":[{\"id\":\"1\""), "%s", a);
    cr_assert_not_null(strstr(a, "\"code\":\"bad_json\""), "%s", a);
    cr_assert_not_null(strstr(a, ",\"line\":4,\"offset\":5}}"), "%s", a);
    cr_assert_not_null(strstr(a, "{\"id\":\"2\",\"cursor\":\"" RIG_EPOCH_TEXT "-2\""), "%s", a);
    cr_assert_not_null(strstr(a, "\"accepted\":2,\"refused\":1}"), "%s", a);
    free(a);
    accepted(NDJSON, "", "{\"results\":[],\"accepted\":0,\"refused\":0}");
    accepted(NDJSON, "\n\n", "\"accepted\":0,\"refused\":0}");
    accepted(NDJSON, "[{}]\n", "\"code\":\"wrong_type\"");
}

Test(broadcast, too_large_a_batch)
{
    rig_set(http.r, "max-batch", "2");
    accepted(JSON, "[{},{}]", "\"accepted\":2");
    refused("[{},{},{}]", 413, "batch_too_large");
    refused("[{},{},{},{},{},{}]", 413, "batch_too_large");
    accepted(NDJSON, "{}\n{}\n", "\"accepted\":2");
    http_problem("POST /broadcast", NDJSON, "{}\n{}\n{}", 413, "batch_too_large");
    cr_assert_eq(http.published, 4);
}

Test(broadcast, too_large_a_message)
{
    char body[400];

    rig_set(http.r, "max-message", "128");
    snprintf(body, sizeof(body), "{\"data\":\"%0118d\"}", 0);
    cr_assert_eq(strlen(body), 129);
    refused(body, 413, "message_too_large");
    snprintf(body, sizeof(body), "{\"data\":\"%0117d\"}", 0);
    accepted(JSON, body, NULL);
    snprintf(body, sizeof(body), "[{\"data\":\"%0118d\"},{}]", 0);
    accepted(JSON, body, "\"code\":\"message_too_large\"");
    cr_assert_eq(http.published, 2);
}

/* ---- the body ---- */

Test(broadcast, media_types)
{
    static const char *const good[] = {"Content-Type: application/json\r\n",
                                       "Content-Type: Application/JSON\r\n",
                                       "Content-Type: application/json; charset=utf-8\r\n",
                                       "Content-Type: application/json;charset=utf-8\r\n",
                                       "Content-Type: application/x-www-form-urlencoded\r\n",
                                       "Content-Type: application/json\r\n"
                                       "Origin: http://localhost:1\r\n",
                                       ""};
    static const char *const bad[] = {"Content-Type: text/plain\r\n",
                                      "Content-Type: application/jsonp\r\n",
                                      "Content-Type: application\r\n",
                                      "Content-Type: multipart/form-data; boundary=x\r\n",
                                      "Content-Type: application/x-www-form-urlencoded\r\n"
                                      "Origin: http://localhost:1\r\n",
                                      "Origin: http://localhost:1\r\n",
                                      "Content-Type: application/json\r\n"
                                      "Content-Encoding: gzip\r\n"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        accepted(good[i], "{}", NULL);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        http_problem("POST /broadcast", bad[i], "{}", 415, "unsupported_media_type");
    }
    cr_assert_eq(http.published, sizeof(good) / sizeof(good[0]));
}

Test(broadcast, no_length)
{
    http_problem("POST /broadcast", JSON, NULL, 411, "length_required");
}

static char *raw(const char *headers, const char *body)
{
    struct strbuf sb = STRBUF_INIT;
    char *a;

    strbuf_addf(&sb, "POST /broadcast HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s", headers, body);
    a = http_raw(sb.data, sb.len);
    strbuf_fini(&sb);
    return a;
}

Test(broadcast, chunked)
{
    char *a = raw(JSON "Transfer-Encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");

    cr_assert_eq(http_status(a), 200, "%s", a);
    free(a);
    cr_assert_eq(http.published, 1);
}

Test(broadcast, lengths_that_could_be_read_in_two_ways)
{
    static const char *const bad[] = {
        JSON "Content-Length: 2\r\nContent-Length: 3\r\n",
        JSON "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        JSON "Transfer-Encoding: gzip, chunked\r\n",
        JSON "Transfer-Encoding: gzip\r\n",
        JSON "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        JSON "Content-Length: -1\r\n",
        JSON "Content-Length: 0x2\r\n",
        JSON "Content-Length: 2 3\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *a = raw(bad[i], "{}");
        cr_assert_eq(http_status(a), 400, "%s gave\n%s", bad[i], a);
        free(a);
    }
    cr_assert_eq(http.published, 0);
}

Test(broadcast, too_large_a_body)
{
    char *body = calloc(1, 3000);
    char *a;

    rig_set(http.r, "max-body", "1k");
    memset(body, ' ', 1024);
    memcpy(body, "{}", 2);
    accepted(JSON, body, NULL);
    body[1024] = ' ';
    http_problem("POST /broadcast", JSON, body, 413, "body_too_large");
    /* Chunked: found out on the way. */
    memset(body, ' ', 2048);
    {
        struct strbuf sb = STRBUF_INIT;
        strbuf_addf(&sb, "800\r\n%s\r\n0\r\n\r\n", body);
        a = raw(JSON "Transfer-Encoding: chunked\r\n", sb.data);
        strbuf_fini(&sb);
    }
    cr_assert_eq(http_status(a), 413, "%s", a);
    free(a);
    cr_assert_eq(http.published, 1);
    free(body);
}

Test(broadcast, a_huge_announced_length)
{
    char *a = raw(JSON "Content-Length: 99999999999999\r\n", "{}");

    cr_assert_eq(http_status(a), 413, "%s", a);
    free(a);
    a = raw(JSON "Content-Length: 99999999999999999999999999\r\n", "{}");
    cr_assert(http_status(a) == 413 || http_status(a) == 400, "%s", a);
    free(a);
}

/* All bodies together are bounded too. */
Test(broadcast, too_many_bodies)
{
    static const char half[] = "POST /broadcast HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 90\r\n\r\n{\"data\":\"0123456789012345678901234";
    int fd = http_connect();

    atomic_store(&http.shared.max_bodies, 40);
    rig_send(fd, half, sizeof(half) - 1);
    http_turn();
    http_turn();
    cr_assert_gt(atomic_load(&http.shared.bodies), 30);
    http_problem("POST /broadcast", JSON, "{\"channel\":\"a\"}", 503, "overloaded");
    cr_assert_eq(http.published, 0);
    close(fd);
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
    cr_assert_eq(atomic_load(&http.shared.bodies), 0);
    accepted(JSON, "{\"channel\":\"a\"}", NULL);
}

/* A body where none is expected is read and thrown away. */
Test(broadcast, get_with_a_body)
{
    struct strbuf in = STRBUF_INIT;
    int fd = http_connect();
    static const char text[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
        "xyzGET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";

    rig_send(fd, text, sizeof(text) - 1);
    http_read(fd, &in);
    cr_assert_eq(rig_count(in.data, "HTTP/1.1 200 OK"), 2, "%s", in.data);
    strbuf_fini(&in);
    close(fd);
}
