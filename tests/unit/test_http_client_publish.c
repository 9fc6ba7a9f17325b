/* Messages of clients: the op `publish` and POST /publish. (Permissions and the application that is
 * asked: tests/e2e/client-messages.test.mjs.) */
#include "test_core_nomem.h"

#include "support_http.h"
#include "support_wsclient.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq
#define WS_HEADERS                                                               \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TestSuite(client_publish, .init = http_start, .fini = http_stop);
TestSuite(client_publish_stored, .init = http_start_stored, .fini = http_stop);

/* All that came since; NULs, as headers of frames have them, became dots. */
static char *shown(int fd)
{
    struct strbuf in = STRBUF_INIT;

    (void)http_read(fd, &in);
    for (size_t i = 0; i < in.len; i++) {
        in.data[i] = in.data[i] ? in.data[i] : '.';
    }
    return in.len ? strbuf_steal(&in, NULL) : strdup("");
}

static void gets_this(int fd, const char *part)
{
    char *text = shown(fd);

    cr_assert_not_null(strstr(text, part), "%s\nhas no\n%s", text, part);
    free(text);
}

static void gets_nothing(int fd)
{
    char *text = shown(fd);

    cr_assert_str_eq(text, "");
    free(text);
}

/* A stream; its id, and the header that acts as it (either may be NULL). */
static int open_as(const char *path, const char *headers, char id[CLIENT_ID_LEN + 2],
                   char header[100])
{
    struct strbuf out = STRBUF_INIT;
    char key[CLIENT_KEY_LEN + 2], own[CLIENT_ID_LEN + 2], *text;
    int fd = http_connect();

    strbuf_addf(&out, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    rig_send(fd, out.data, out.len);
    strbuf_fini(&out);
    text = shown(fd);
    http_member(text, "clientKey", key, sizeof(key));
    http_member(text, "clientId", id ? id : own, CLIENT_ID_LEN + 2);
    free(text);
    if (header) {
        snprintf(header, 100, "Fanfare-Client-Key: %s\r\n", key);
    }
    return fd;
}

static void say(int fd, const char *json)
{
    struct strbuf out = STRBUF_INIT;

    wsc_text(&out, json);
    rig_send(fd, out.data, out.len);
    strbuf_fini(&out);
}

static void leave(int fd)
{
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
}

/* ---- the op ---- */

Test(client_publish, the_op)
{
    char id[CLIENT_ID_LEN + 2], want[300];
    int other = http_stream("/events?channel=a", "", NULL);
    int fd = open_as("/ws?channel=a&userId=ann", WS_HEADERS, id, NULL);

    say(fd, "{\"op\":\"publish\",\"ref\":\"r\",\"channel\":\"a\",\"id\":\"i\","
            "\"data\":{ \"n\": 1.0 }}");
    gets_this(fd, "{\"type\":\"fanfare.reply\",\"ref\":\"r\",\"ok\":true,\"data\":"
                  "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":2}}");
    snprintf(want, sizeof(want),
             "\"sender\":{\"userId\":\"ann\",\"clientId\":\"%s\"},\"data\":{\"n\":1.0}}\n\n", id);
    gets_this(other, want);
    cr_assert_eq(http.published, 1);
    cr_assert_str_eq(http.published_text, "a message { \"n\": 1.0 }");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), 1);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 0);
    say(fd, "{\"op\":\"publish\",\"ref\":1,\"channel\":\"a\",\"sender\":{}}");
    gets_this(fd, "\"ref\":1,\"ok\":false,\"error\":{\"code\":\"unknown_field\",\"message\":\"");
    say(fd, "{\"op\":\"publish\",\"userId\":\"ann\"}");
    gets_this(fd, "\"ok\":false,\"error\":{\"code\":\"not_permitted\"");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 2);
    cr_assert_eq(http.published, 1);
    close(fd);
    close(other);
}

Test(client_publish, not_to_itself)
{
    int other = open_as("/ws?channel=a", WS_HEADERS, NULL, NULL);
    int fd = open_as("/ws?channel=a", WS_HEADERS, NULL, NULL);
    char *text;

    say(fd, "{\"op\":\"publish\",\"channel\":\"a\",\"data\":\"quiet\",\"echo\":false}");
    text = shown(fd);
    cr_assert_not_null(strstr(text, "\"ok\":true"), "%s", text);
    cr_assert_null(strstr(text, "quiet"), "%s", text);
    free(text);
    gets_this(other, "quiet");
    close(fd);
    close(other);
}

Test(client_publish, limits_say_when_to_come_back)
{
    int fd;

    rig_set(http.r, "publish-rate", "1");
    rig_set(http.r, "rate-window", "1s");
    fd = open_as("/ws?userId=ann", WS_HEADERS, NULL, NULL);
    say(fd, "{\"op\":\"publish\",\"channel\":\"a\"}");
    gets_this(fd, "\"ok\":true");
    say(fd, "{\"op\":\"publish\",\"channel\":\"a\"}");
    gets_this(fd, "\"code\":\"rate_limited\"");
    cr_assert_eq(rig_metric(http.r, METRIC_LIMITED_PUBLISH), 1);
    http_pass(1100);
    say(fd, "{\"op\":\"publish\",\"channel\":\"a\"}");
    gets_this(fd, "\"ok\":true");
    say(fd, "{\"op\":\"publish\",\"channel\":\"a\"}");
    gets_this(fd, "\"data\":{\"retryAfter\":");
    close(fd);
}

Test(client_publish_stored, the_reply_comes_after_the_commit)
{
    int fd = open_as("/ws?channel=a", WS_HEADERS, NULL, NULL);

    say(fd, "{\"op\":\"publish\",\"ref\":1,\"channel\":\"a\",\"id\":\"1\"}");
    say(fd, "{\"op\":\"publish\",\"ref\":2,\"channel\":\"a\",\"id\":\"2\"}");
    say(fd, "{\"op\":\"ping\",\"ref\":3}");
    gets_this(fd, "\"ref\":3,\"ok\":true"); /* others do not wait */
    gets_nothing(fd);
    cr_assert_eq(http.store.puts, 2);
    cr_assert_eq(atomic_load(&http.shared.visits), 2, "a stop waits for them");
    http_store_gives(0);
    gets_this(fd,
              "\"ref\":2,\"ok\":true,\"data\":{\"id\":\"2\",\"cursor\":\"" AT(2) "\","
                                                                                 "\"matched\":1}");
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    close(fd);
}

Test(client_publish_stored, what_is_not_stored_is_refused)
{
    int fd = open_as("/ws?channel=a", WS_HEADERS, NULL, NULL);

    say(fd, "{\"op\":\"publish\",\"ref\":1,\"channel\":\"a\"}");
    gets_nothing(fd);
    http.store.failed = true;
    http_store_gives(ERR_STORE);
    gets_this(fd, "\"ref\":1,\"ok\":false,\"error\":{\"code\":\"store_failed\","
                  "\"message\":\"not all of it was stored; repeat it");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 1);
    http.store.failed = false;
    http.store.admit = ERR_BUSY;
    say(fd, "{\"op\":\"publish\",\"ref\":2,\"channel\":\"a\"}");
    gets_this(fd, "\"code\":\"overloaded\"");
    close(fd);
}

/* It is published all the same; nobody is told, and nothing is left. */
Test(client_publish_stored, the_client_does_not_wait)
{
    int fd = open_as("/ws?channel=a", WS_HEADERS, NULL, NULL);

    say(fd, "{\"op\":\"publish\",\"channel\":\"a\"}");
    gets_nothing(fd);
    leave(fd);
    cr_assert_eq(atomic_load(&http.shared.visits), 1);
    http_store_gives(0);
    http_turn();
    http_turn();
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    cr_assert_eq(router_top(http.r->env.router).seq, 1);
}

/* ---- POST /publish ---- */

static void refuses(const char *header, const char *body, int status, const char *code)
{
    http_problem("POST /publish", header, body, status, code);
}

Test(client_publish, by_the_clients_key)
{
    char header[100], id[CLIENT_ID_LEN + 2], want[300];
    int fd = open_as("/events?userId=ann&channel=a", "", id, header);

    http_is("POST /publish", header, "{\"channel\":\"a\",\"id\":\"i\",\"data\":1}", 200,
            "\r\n\r\n{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":1}");
    snprintf(want, sizeof(want), "\"sender\":{\"userId\":\"ann\",\"clientId\":\"%s\"},\"data\":1}",
             id);
    gets_this(fd, want);
    http_is("POST /publish", header, "{\"channel\":\"a\",\"data\":\"quiet\",\"echo\":false}", 200,
            NULL);
    gets_nothing(fd);
    refuses(header, "{\"channel\":\"a\",\"sender\":{}}", 400, "unknown_field");
    refuses(header, "{\"userIds\":[\"a\"]}", 403, "not_permitted");
    refuses(header, "{}", 400, "missing_value");
    refuses(header, "[]", 400, "wrong_type");
    refuses(header, "{", 400, "bad_json");
    refuses("", "{\"channel\":\"a\"}", 401, "bad_client_key");
    refuses("Fanfare-Client-Key: x\r\n", "{\"channel\":\"a\"}", 401, "bad_client_key");
    http_problem("POST /publish?a=b", header, "{\"channel\":\"a\"}", 400, "unknown_parameter");
    http_is("GET /publish", NULL, NULL, 405, "Allow: POST, OPTIONS\r\n");
    cr_assert_eq(http.published, 2);
    leave(fd);
    refuses(header, "{\"channel\":\"a\"}", 401, "bad_client_key");
    cr_assert_eq(http.published, 2);
}

Test(client_publish, backends_have_no_sender)
{
    int fd = http_stream("/events?channel=a", "", NULL);
    char *text;

    http_is("POST /broadcast", NULL, "{\"channel\":\"a\",\"data\":1}", 200, NULL);
    text = http_text(fd);
    cr_assert_null(strstr(text, "sender"), "%s", text);
    free(text);
    http_problem("POST /broadcast", NULL, "{\"channel\":\"a\",\"echo\":false}", 400,
                 "unknown_field");
    close(fd);
}

/* ---- without memory ---- */

/* An answer or the end of the stream, and all or nothing. */
Test(client_publish, nomem)
{
    bool failed = true;

    nomem_ready();
    for (int n = 0; failed; n++) {
        uint64_t before = router_top(http.r->env.router).seq, moved;
        int fd = open_as("/ws?userId=ann", WS_HEADERS, NULL, NULL);
        char *text;
        say(fd, "{\"op\":\"publish\",\"ref\":1,\"channel\":\"a\",\"id\":\"x\",\"echo\":false}");
        left = n;
        for (int i = 0; i < 6; i++) {
            http_turn();
        }
        failed = left < 0;
        left = -1;
        moved = router_top(http.r->env.router).seq - before;
        text = shown(fd);
        cr_assert_leq(moved, 1);
        cr_assert(failed || strstr(text, "\"ok\":true"), "%d: %s", n, text);
        cr_assert(!strstr(text, "\"ok\":true") || moved == 1 || strstr(text, "\"duplicate\":true"),
                  "%d: %s", n, text);
        free(text);
        leave(fd);
        cr_assert_lt(n, 1000);
    }
    cr_assert_eq(router_top(http.r->env.router).seq, 1, "one id is one message");
}

Test(client_publish, nomem_post)
{
    static const char body[] = "{\"channel\":\"a\",\"data\":1}";
    char header[100], request[400];
    int stream = open_as("/events?userId=ann", "", NULL, header);
    bool failed = true;

    nomem_ready();
    snprintf(request, sizeof(request),
             "POST /publish HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", header,
             strlen(body), body);
    for (int n = 0; failed; n++) {
        uint64_t before = router_top(http.r->env.router).seq;
        struct strbuf in = STRBUF_INIT;
        int fd = http_connect(), status;
        http_turn();
        rig_send(fd, request, strlen(request));
        left = n;
        for (int i = 0; i < 6; i++) {
            http_turn();
        }
        failed = left < 0;
        left = -1;
        (void)http_read(fd, &in);
        status = in.len ? http_status(in.data) : 0;
        cr_assert(status == 200 || (failed && (status == 0 || status == 500)), "%d: %d", n, status);
        cr_assert(status != 200 || router_top(http.r->env.router).seq == before + 1, "%d", n);
        strbuf_fini(&in);
        leave(fd);
        cr_assert_lt(n, 3000);
    }
    close(stream);
}
