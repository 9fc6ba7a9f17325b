/* Answers that wait for the durable store. */
#include "support_http.h"

#include <pthread.h>

#define AT(seq) RIG_EPOCH_TEXT "-" #seq

TestSuite(commit, .init = http_start_stored, .fini = http_stop);

/* A publication on its way; its connection. */
static int publish(int fd, const char *type, const char *body)
{
    struct strbuf sb = STRBUF_INIT;

    if (fd < 0) {
        fd = http_connect();
    }
    strbuf_addf(&sb,
                "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/%s\r\n"
                "Content-Length: %zu\r\n\r\n%s",
                type, strlen(body), body);
    rig_send(fd, sb.data, sb.len);
    strbuf_fini(&sb);
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
    return fd;
}

static void has_no_answer(int fd)
{
    char *text = http_text(fd);

    cr_assert_str_eq(text, "");
    free(text);
}

static void is_answered(int fd, int status, const char *part)
{
    char *text = http_text(fd);

    cr_assert_eq(http_status(text), status, "%s", text);
    cr_assert_not_null(strstr(text, part), "%s", text);
    free(text);
}

Test(commit, the_answer_comes_after_it)
{
    int stream = http_stream("/events?channel=a", "", NULL);
    int fd = publish(-1, "json", "{\"channel\":\"a\",\"id\":\"i\",\"data\":7}");
    char *text;

    has_no_answer(fd);
    has_no_answer(stream);
    cr_assert_eq(atomic_load(&http.shared.visits), 1, "a stop waits for it");
    http_store_gives(0);
    is_answered(fd, 200, "\r\n\r\n{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":1}");
    text = http_text(stream);
    cr_assert_not_null(strstr(text, "\"data\":7}\n\n"), "%s", text);
    free(text);
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), 1);
    close(fd);
    close(stream);
}

/* The connection goes on afterwards, and in order. */
Test(commit, on_one_connection)
{
    int fd = publish(-1, "json", "{\"id\":\"1\"}");

    publish(fd, "json", "{\"id\":\"2\"}");
    cr_assert_eq(http.store.puts, 1, "the second one waits for the answer to the first");
    http_store_gives(0);
    is_answered(fd, 200, "{\"id\":\"1\",");
    cr_assert_eq(http.store.puts, 2);
    http_store_gives(0);
    is_answered(fd, 200, "{\"id\":\"2\",");
    close(fd);
}

Test(commit, several_publications_share_one)
{
    int a = publish(-1, "json", "{\"id\":\"a\"}");
    int b = publish(-1, "json", "{\"id\":\"b\"}");

    cr_assert_eq(atomic_load(&http.shared.visits), 2);
    http_store_gives(0);
    is_answered(a, 200, "{\"id\":\"a\",\"cursor\":\"" AT(1) "\"");
    is_answered(b, 200, "{\"id\":\"b\",\"cursor\":\"" AT(2) "\"");
    close(a);
    close(b);
}

Test(commit, a_batch_waits_once_for_all)
{
    int fd = publish(-1, "x-ndjson", "{\"id\":\"1\"}\n{}\n{\"chanel\":1}\n");
    struct record *second;

    cr_assert_eq(http.store.puts, 2);
    cr_assert_eq(atomic_load(&http.shared.visits), 1);
    for (second = http.store.first; second->kind != RECORD_MESSAGE; second = second->next) {
    }
    { /* all up to the first message come back, then the others */
        struct record *rest = second->next, *first = http.store.first;
        second->next = NULL;
        http.store.first = rest;
        cr_assert_not_null(rest);
        router_stored(http.r->env.router, first, 0);
    }
    has_no_answer(fd);
    http_store_gives(0);
    is_answered(fd, 200, "],\"accepted\":2,\"refused\":1}");
    close(fd);
}

Test(commit, a_batch_of_nothing_does_not_wait)
{
    http_is("POST /broadcast", NULL, "[{\"chanel\":1}]", 200, "\"accepted\":0,\"refused\":1}");
    http_is("POST /broadcast", NULL, "[]", 200, "{\"results\":[],");
    http_problem("POST /broadcast", NULL, "{\"chanel\":1}", 400, "unknown_field");
}

/* ---- repetitions ---- */

Test(commit, a_repetition_waits_for_the_first)
{
    int a = publish(-1, "json", "{\"id\":\"i\"}");
    int b = publish(-1, "json", "{\"id\":\"i\"}");

    has_no_answer(a);
    has_no_answer(b);
    http_store_gives(0);
    is_answered(a, 200, "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":0}");
    is_answered(b, 200, "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":0,\"duplicate\":true}");
    close(a);
    close(b);
}

Test(commit, a_failure_is_not_remembered)
{
    int a = publish(-1, "json", "{\"id\":\"i\"}");
    int b = publish(-1, "json", "{\"id\":\"i\"}");
    int c;

    http.store.failed = true;
    http_store_gives(ERR_STORE);
    is_answered(a, 503, "\"code\":\"store_failed\"");
    is_answered(b, 503, "\"code\":\"store_failed\"");
    http.store.failed = false;
    c = publish(-1, "json", "{\"id\":\"i\"}");
    http_store_gives(0);
    is_answered(c, 200, "{\"id\":\"i\",\"cursor\":\"" AT(2) "\",\"matched\":0}");
    close(a);
    close(b);
    close(c);
}

/* ---- failures ---- */

Test(commit, a_failed_one_is_a_503_with_the_reason)
{
    int stream = http_stream("/events?channel=a", "", NULL);
    int fd = publish(-1, "json", "{\"channel\":\"a\"}");
    char *text;

    http.store.failed = true;
    http_store_gives(ERR_STORE);
    text = http_text(fd);
    cr_assert_eq(http_status(text), 503, "%s", text);
    cr_assert_not_null(strstr(text, "Retry-After: 1\r\n"), "%s", text);
    cr_assert_not_null(strstr(text, "\"code\":\"store_failed\",\"detail\":\"not all of it was "
                                    "stored; repeat it, with the same id if it has one: no space "
                                    "left on \\\"/var/lib\\\"\"}\n"),
                       "%s", text);
    free(text);
    has_no_answer(stream);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 1);
    close(fd);
    close(stream);
}

Test(commit, a_batch_of_which_some_failed)
{
    int fd = publish(-1, "json", "[{\"id\":\"1\"},{\"id\":\"2\"}]");
    struct record *rec = http.store.first;

    while (rec->kind != RECORD_MESSAGE) {
        rec = rec->next;
    }
    {
        struct record *rest = rec->next, *first = http.store.first;
        rec->next = NULL;
        http.store.first = rest;
        router_stored(http.r->env.router, first, 0);
    }
    http_store_gives(ERR_STORE);
    is_answered(fd, 503, "the store failed a moment ago"); /* it works again already */
    fd = publish(fd, "json", "[{\"id\":\"1\"},{\"id\":\"2\"}]");
    http_store_gives(0);
    is_answered(fd, 200, "\"duplicate\":true");
    close(fd);
}

Test(commit, what_the_store_does_not_admit)
{
    http.store.failed = true;
    http.store.admit = ERR_STORE;
    http_problem("POST /broadcast", NULL, "{}", 503, "store_failed");
    http_is("POST /broadcast", NULL, "{}", 503, "no space left");
    http_is("POST /broadcast", NULL, "{}", 503, "Retry-After: 1\r\n");
    http_is("POST /broadcast", NULL, "[{}]", 200,
            "{\"results\":[{\"error\":{\"status\":503,\"code\":\"store_failed\",\"detail\":\"no "
            "space left");
    http.store.admit = ERR_BUSY;
    http_problem("POST /broadcast", NULL, "{}", 503, "overloaded");
    cr_assert_eq(http.store.puts, 0);
    cr_assert_eq(http.published, 0);
}

/* ---- where it comes from, and who has gone meanwhile ---- */

static void *give(void *arg)
{
    (void)arg;
    http_store_gives(0);
    return NULL;
}

Test(commit, told_by_another_thread)
{
    int fd = publish(-1, "json", "{}");
    pthread_t t;

    cr_assert_eq(pthread_create(&t, NULL, give, NULL), 0);
    cr_assert_eq(pthread_join(t, NULL), 0);
    is_answered(fd, 200, "\"matched\":0}");
    close(fd);
}

Test(commit, the_publisher_has_gone)
{
    int fd = publish(-1, "json", "{}");

    close(fd);
    http_pass(60000);
    cr_assert_eq(atomic_load(&http.shared.visits), 1);
    http_store_gives(0);
    http_turn();
    cr_assert_eq(atomic_load(&http.shared.visits), 0);
    for (int i = 0; i < 4; i++) {
        http_turn();
    }
    cr_assert_eq(rig_metric(http.r, METRIC_HTTP_OPEN), 0);
}

/* No deadline ends a request that the store is slow to answer. */
Test(commit, a_slow_store)
{
    int fd = publish(-1, "json", "{}");

    http_pass(200000);
    has_no_answer(fd);
    http_store_gives(0);
    is_answered(fd, 200, "\"matched\":0}");
    close(fd);
}

Test(commit, a_store_that_nobody_waits_for)
{
    http.store.port.delayed = http.store.port.waits = false;
    http_is("POST /broadcast", NULL, "{\"id\":\"i\"}", 200, "{\"id\":\"i\",");
    http_is("POST /broadcast", NULL, "{\"id\":\"i\"}", 200, "\"duplicate\":true");
    http_store_gives(ERR_STORE);
}

/* ---- what is said of it ---- */

Test(commit, ready_while_the_store_fails)
{
    http_is("GET /ready", NULL, NULL, 200, NULL);
    http.store.failed = true;
    http_problem("GET /ready", NULL, NULL, 503, "store_failed");
    http_is("GET /ready", NULL, NULL, 503, "\"detail\":\"no space left on \\\"/var/lib\\\"\"");
    http_is("GET /ready", NULL, NULL, 503, "Retry-After: 1\r\n");
    rig_set(http.r, "store-failure", "memory"); /* publications are taken all the same */
    http_is("GET /ready", NULL, NULL, 200, NULL);
    http.store.failed = false;
    http_is("GET /ready", NULL, NULL, 200, NULL);
}

Test(commit, stats_of_the_store)
{
    http_is("GET /stats", NULL, NULL, 200,
            ",\"store\":{\"kind\":\"sqlite\",\"sync\":\"always\",\"ok\":true,\"reason\":null}");
    http.store.failed = true;
    http_is("GET /stats", NULL, NULL, 200,
            "\"ok\":false,\"reason\":\"no space left on \\\"/var/lib\\\"\"}");
}
