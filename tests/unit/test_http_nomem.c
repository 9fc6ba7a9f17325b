/* Running out of memory at every allocation of a request: no answer or an answer,
 * never a crash, and the next request is served. */
#include "test_core_nomem.h"

#include "support_http.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq

TestSuite(nomem, .init = http_start, .fini = http_stop);

static void ask(const char *request, int fd)
{
    rig_send(fd, request, strlen(request));
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
}

/* What a client may do in a second is another test's matter. */
static void forget_acts(void)
{
    struct clients *c = &http.r->env.clients;

    for (uint32_t i = 0; i < c->nslots; i++) {
        if (c->slots[i]) {
            c->slots[i]->acts = 0;
        }
    }
}

/* The request with each allocation failing in turn, and then with none. `each` is
 * how far one that is carried out moves the log. */
static void survives(const char *what, const char *request, int status, unsigned each)
{
    bool failed = true;

    for (int n = 0; failed; n++) {
        struct strbuf in = STRBUF_INIT;
        uint64_t before = router_top(http.r->env.router).seq;
        uint64_t moved;
        int fd = http_connect();

        http_turn();
        forget_acts();
        left = n;
        ask(request, fd);
        failed = left < 0;
        left = -1;
        (void)http_read(fd, &in);
        moved = router_top(http.r->env.router).seq - before;
        cr_assert(moved == 0 || moved == each, "%s, %d: all or nothing", what, n);
        if (in.len && http_status(in.data) == status) {
            cr_assert_eq(moved, each, "%s, %d: %s", what, n, in.data);
        } else {
            cr_assert(failed, "%s: %s", what, in.len ? in.data : "no answer");
            cr_assert(in.len == 0 || http_status(in.data) == 500, "%s, %d: %s", what, n, in.data);
        }
        strbuf_fini(&in);
        close(fd);
        cr_assert_lt(n, 3000);
    }
    for (int i = 0; i < 8; i++) {
        http_turn();
    }
    cr_assert_eq(atomic_load(&http.shared.visits), 0, "%s", what);
    cr_assert_eq(atomic_load(&http.shared.bodies), 0, "%s", what);
}

static void survives_post(const char *what, const char *path, const char *headers, const char *body,
                          unsigned each)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_addf(&sb, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", path,
                headers, strlen(body), body);
    survives(what, sb.data, 200, each);
    strbuf_fini(&sb);
}

static void survives_get(const char *what, const char *path)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_addf(&sb, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    survives(what, sb.data, 200, 0);
    strbuf_fini(&sb);
}

Test(nomem, publishing)
{
    nomem_ready();
    survives_post("a channel", "/broadcast", "", "{\"channel\":\"a\",\"data\":[1]}", 1);
    survives_post("many users", "/broadcast", "",
                  "{\"userIds\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"],"
                  "\"requireAck\":true}",
                  10);
    survives_post("ttl", "/broadcast", "", "{\"channel\":\"a\",\"ttl\":60}", 1);
}

/* Failing in the middle must not make it known. */
Test(nomem, publishing_once)
{
    struct strbuf sb = STRBUF_INIT;
    bool published = false;

    nomem_ready();
    strbuf_adds(&sb, "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
                     "{\"id\":\"i\"}");
    for (int n = 0; n < 200; n++) {
        struct strbuf in = STRBUF_INIT;
        int fd = http_connect();

        http_turn();
        left = n;
        ask(sb.data, fd);
        left = -1;
        (void)http_read(fd, &in);
        if (in.len && http_status(in.data) == 200) {
            cr_assert_eq(strstr(in.data, "\"duplicate\":true") != NULL, published, "%d: %s", n,
                         in.data);
        }
        published = router_top(http.r->env.router).seq == 1;
        cr_assert_leq(router_top(http.r->env.router).seq, 1);
        strbuf_fini(&in);
        close(fd);
    }
    cr_assert(published);
    strbuf_fini(&sb);
}

Test(nomem, reading)
{
    nomem_ready();
    for (int i = 0; i < 5; i++) {
        rig_publish(http.r, "a", "1");
    }
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\",\"requireAck\":true}", 200, NULL);
    survives_get("history", "/channels/a/history?limit=2");
    survives_get("channel", "/channels/a");
    survives_get("user", "/users/ann");
    survives_get("stats", "/stats");
}

Test(nomem, acknowledging)
{
    char key[CLIENT_KEY_LEN + 2], header[100], *text;
    int fd;

    nomem_ready();
    fd = http_stream("/events?userId=ann", "", &text);
    http_member(text, "clientKey", key, sizeof(key));
    free(text);
    snprintf(header, sizeof(header), "Fanfare-Client-Key: %s\r\n", key);
    survives_post("ack", "/ack", header, "{\"ids\":[\"1\",\"2\",\"3\"]}", 0);
    close(fd);
}

Test(nomem, people)
{
    char key[CLIENT_KEY_LEN + 2], header[100], *text;
    int fd;

    nomem_ready();
    rig_set(http.r, "history", "5");
    rig_publish(http.r, "a", "1");
    fd = http_stream("/events?userId=ann&channel=a&channel=presence-a", "", &text);
    http_member(text, "clientKey", key, sizeof(key));
    free(text);
    snprintf(header, sizeof(header), "Fanfare-Client-Key: %s\r\n", key);
    survives_post("info", "/info", header, "{\"info\":{\"a\":1}}", 0);
    survives_post("typing", "/typing", header, "{\"channel\":\"a\",\"typing\":true}", 0);
    survives_post("typing no more", "/typing", header, "{\"channel\":\"a\",\"typing\":false}", 0);
    survives_post("read", "/read", header, "{\"channel\":\"a\",\"id\":\"id-1\"}", 0);
    survives_get("presence", "/channels/presence-a/presence");
    survives_get("reads", "/channels/a/reads");
    survives_get("unread", "/users/ann/unread?channel=a&channel=b");
    close(fd);
}
