/* People over HTTP: what clients do by their key, and what is told of them. */
#include "support_access.h"
#include "support_http.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq
#define SINCE "2027-01-15T08:00:00.000Z" /* WALL_START */

TestSuite(people, .init = http_start, .fini = http_stop);
TestSuite(stored, .init = http_start_stored, .fini = http_stop);

/* A stream, and the header that acts as it. */
static int open_as(const char *path, char header[100])
{
    char key[CLIENT_KEY_LEN + 2], *text;
    int fd = http_stream(path, "", &text);

    http_member(text, "clientKey", key, sizeof(key));
    free(text);
    snprintf(header, 100, "Fanfare-Client-Key: %s\r\n", key);
    return fd;
}

static void answers(const char *line, const char *headers, const char *body, const char *answer)
{
    char *a = http_ask(line, headers, body);

    cr_assert_eq(http_status(a), 200, "%s", a);
    cr_assert_str_eq(http_body(a), answer, "%s gave %s", line, a);
    free(a);
}

static void silent(int fd, const char *why)
{
    char *text = http_text(fd);

    cr_assert_str_eq(text, "", "%s: %s", why, text);
    free(text);
}

static void gets(int fd, const char *what)
{
    char *text = http_text(fd);

    cr_assert_not_null(strstr(text, what), "%s has no %s", text, what);
    free(text);
}

/* ---- presence, info, users ---- */

Test(people, present)
{
    char header[100];
    int fd = open_as("/events?userId=ann&channel=presence-a&info=%7B%20%22n%22:1.50%7D", header);

    http_pass(300);
    answers("GET /channels/presence-a/presence", NULL, NULL,
            "{\"channel\":\"presence-a\",\"version\":1,\"count\":1,\"listed\":true,\"members\":[{"
            "\"userId\":\"ann\",\"info\":{\"n\":1.50},\"connections\":1,\"since\":\"" SINCE
            "\"}]}");
    answers("POST /info", header, "{\"info\":[ 2 ]}", "{}");
    http_pass(300);
    http_is("GET /channels/presence-a/presence?limit=1&after=a", NULL, NULL, 200, "\"info\":[2],");
    gets(fd,
         "event: fanfare.presence\ndata: {\"type\":\"fanfare.presence\",\"data\":{\"channel\":");
    http_is("GET /users/ann", NULL, NULL, 200,
            "\"connections\":1,\"online\":true,\"since\":\"" SINCE "\",\"lastSeen\":null,");
    http_is("GET /users/bob", NULL, NULL, 200,
            "\"connections\":0,\"online\":false,\"since\":null,\"lastSeen\":null,");
    http_is("GET /channels/fanfare.users/presence", NULL, NULL, 200, "\"userId\":\"ann\"");
    close(fd);
    http_pass(20000);
    http_is("GET /users/ann", NULL, NULL, 200,
            "\"online\":false,\"since\":null,\"lastSeen\":\"2027");
    http_problem("GET /channels/a/presence", NULL, NULL, 404, "no_presence");
    http_problem("GET /channels/fanfare.x/presence", NULL, NULL, 400, "reserved_channel");
    http_problem("GET /channels/fanfare.users/reads", NULL, NULL, 400, "reserved_channel");
    http_problem("GET /channels/presence-a/presence?after=%0a", NULL, NULL, 400, "bad_parameter");
}

Test(people, queries)
{
    http_problem("GET /events?info=1", NULL, NULL, 422, "no_user");
    http_problem("GET /events?userId=ann&info=%7B", NULL, NULL, 400, "bad_info");
    http_problem("GET /events?reads=1", NULL, NULL, 400, "bad_parameter");
    rig_set(http.r, "max-info", "3");
    http_problem("GET /events?userId=ann&info=1234", NULL, NULL, 400, "bad_info");
    close(http_stream("/events?userId=ann&info=%20123%20", "", NULL));
}

/* ---- typing ---- */

Test(people, typing)
{
    char ann[100], nobody[100];
    int fd = open_as("/events?userId=ann&channel=a", ann);
    int other = open_as("/events?channel=a", nobody);

    answers("POST /typing", ann, "{\"channel\":\"a\",\"typing\":true}", "{}");
    gets(other, "data: {\"type\":\"fanfare.typing\",\"data\":{\"channel\":\"a\",\"userId\":\"ann\","
                "\"typing\":true}}\n\n");
    answers("POST /typing", ann, "{\"channel\":\"a\",\"typing\":false}", "{}");
    gets(other, "\"typing\":false}}\n\n");
    silent(fd, "who types is not told");
    http_problem("POST /typing", nobody, "{\"channel\":\"a\",\"typing\":true}", 422, "no_user");
    http_problem("POST /typing", ann, "{\"channel\":\"b\",\"typing\":true}", 409, "not_subscribed");
    http_problem("POST /typing", "", "{\"channel\":\"a\",\"typing\":true}", 401, "bad_client_key");
    http_problem("POST /typing", ann, "{\"channel\":\"a\",\"typing\":1}", 400, "wrong_type");
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    close(fd);
    close(other);
}

/* ---- read positions ---- */

Test(people, reads)
{
    char ann[100], bob[100];
    int fd = open_as("/events?userId=ann&channel=a", ann);
    int other = open_as("/events?userId=bob&channel=a", bob);

    rig_set(http.r, "history", "5");
    rig_publish(http.r, "a", "1");
    rig_publish(http.r, "a", "2");
    (void)http_turn();
    free(http_text(fd));
    free(http_text(other));
    answers("POST /read", ann, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}",
            "{\"cursor\":\"" AT(1) "\",\"changed\":true}");
    gets(other, "data: {\"type\":\"fanfare.read\",\"data\":{\"channel\":\"a\",\"userId\":\"ann\","
                "\"cursor\":\"" AT(1) "\",\"at\":\"2027-");
    silent(fd, "who read it knows");
    answers("POST /read", bob, "{\"channel\":\"a\",\"id\":\"id-1\"}",
            "{\"cursor\":\"" AT(2) "\",\"changed\":true}");
    answers("POST /read", bob, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}",
            "{\"cursor\":\"" AT(2) "\",\"changed\":false}");
    http_is("GET /channels/a/reads?limit=1", NULL, NULL, 200, "\"next\":\"ann\"}");
    http_is("GET /channels/a/reads?after=ann", NULL, NULL, 200,
            "{\"channel\":\"a\",\"reads\":[{\"userId\":\"bob\",\"cursor\":\"" AT(2) "\",\"at\":\"");
    answers("GET /users/ann/unread?channel=a&channel=b", NULL, NULL,
            "{\"userId\":\"ann\",\"channels\":[{\"channel\":\"a\",\"unread\":1,\"atLeast\":false,"
            "\"read\":\"" AT(1) "\",\"last\":\"" AT(
                2) "\"},{\"channel\":\"b\",\"unread\":0,"
                   "\"atLeast\":false,\"read\":null,\"last\":null}]}");
    http_problem("GET /users/ann/unread", NULL, NULL, 400, "bad_parameter");
    http_problem("POST /read", ann, "{\"channel\":\"a\",\"id\":\"x\"}", 404, "unknown_message");
    http_problem("POST /read", ann, "{\"channel\":\"a\",\"cursor\":\"" AT(3) "\"}", 400,
                 "bad_cursor");
    close(fd);
    fd = http_stream("/events?channel=a&channel=a.*&reads=true", "", NULL);
    close(fd);
    close(other);
}

Test(people, reads_in_the_greeting)
{
    char ann[100], *text;
    int fd = open_as("/events?userId=ann&channel=a", ann);

    rig_publish(http.r, "a", "1");
    answers("POST /read", ann, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}",
            "{\"cursor\":\"" AT(1) "\",\"changed\":true}");
    close(fd);
    for (int i = 0; i < 2; i++) { /* without a replay, and with one */
        fd = http_stream(i ? "/events?userId=bob&channel=a&channel=b.*&history=1&reads=true"
                           : "/events?channel=a&channel=b.*&reads=true",
                         "", &text);
        cr_assert_eq(rig_count(text, "event: fanfare.reads\n"), 1, "%s", text);
        cr_assert_not_null(strstr(strstr(text, "fanfare.synced"),
                                  "\n\nevent: fanfare.reads\ndata: {\"type\":\"fanfare.reads\","
                                  "\"data\":{\"channel\":\"a\",\"reads\":[{\"userId\":\"ann\""),
                           "%s", text);
        free(text);
        close(fd);
    }
}

/* ---- answers that wait for the store ---- */

static int begin(const char *headers, const char *body)
{
    struct strbuf sb = STRBUF_INIT;
    int fd = http_connect();

    strbuf_addf(&sb, "POST /read HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
                headers, strlen(body), body);
    rig_send(fd, sb.data, sb.len);
    strbuf_fini(&sb);
    return fd;
}

static void stored(int rc, int status, const char *what)
{
    char ann[100], *text;
    int fd = open_as("/events?userId=ann&channel=a", ann), asking;

    rig_publish(http.r, "a", "1");
    http_store_gives(0);
    asking = begin(ann, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}");
    silent(asking, "answered before it is durable");
    cr_assert_eq(atomic_load(&http.shared.visits), 1);
    http.store.failed = rc != 0;
    http_store_gives(rc);
    text = http_text(asking);
    cr_assert_eq(http_status(text), status, "%s", text);
    cr_assert_not_null(strstr(text, what), "%s", text);
    free(text);
    http.store.failed = false;
    http_store_gives(0);
    close(asking);
    close(fd);
}

Test(stored, answered_when_it_is_durable)
{
    stored(0, 200, "{\"cursor\":\"" AT(1) "\",\"changed\":true}");
}

Test(stored, refused_when_it_is_not)
{
    stored(ERR_STORE, 503, "\"code\":\"store_failed\"");
}

Test(stored, the_store_is_full)
{
    char ann[100];
    int fd = open_as("/events?userId=ann&channel=a", ann);

    rig_publish(http.r, "a", "1");
    http_store_gives(0);
    http.store.admit = ERR_BUSY;
    http_problem("POST /read", ann, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}", 503,
                 "overloaded");
    http.store.admit = ERR_STORE;
    http_problem("POST /read", ann, "{\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}", 503,
                 "store_failed");
    http.store.admit = 0;
    close(fd);
}
