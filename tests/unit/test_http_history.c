/* GET /channels/{c}/history, and what /channels/{c} and /stats say of it. */
#include "support_http.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq
#define DATA(n) "\"data\":" #n "}"

TestSuite(history, .init = http_start, .fini = http_stop);

static void publish(unsigned n)
{
    char data[16];

    for (unsigned i = 1; i <= n; i++) {
        snprintf(data, sizeof(data), "%u", i);
        rig_publish(http.r, "a", data);
    }
}

/* The data of the page's messages, "1 2 3 ", and then the rest of the answer. */
static const char *page(const char *query, const char **rest)
{
    static char got[20000];
    static char *a;
    char line[200];
    const char *at;
    size_t n = 0;

    free(a);
    snprintf(line, sizeof(line), "GET /channels/a/history%s", query);
    a = http_ask(line, NULL, NULL);
    cr_assert_eq(http_status(a), 200, "%s", a);
    cr_assert(str_starts(str_of(http_body(a)), STR_LIT("{\"channel\":\"a\",\"messages\":[")), "%s",
              a);
    got[0] = '\0';
    for (at = a; (at = strstr(at, "\"data\":")) != NULL; at++) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s ", (int)strcspn(at + 7, "}"), at + 7);
    }
    *rest = strstr(a, "],\"cursor\":");
    cr_assert_not_null(*rest, "%s", a);
    *rest += 2;
    return got;
}

static void page_is(const char *query, const char *data, const char *rest)
{
    const char *got_rest;
    const char *got = page(query, &got_rest);

    cr_assert_str_eq(got, data, "%s", query);
    cr_assert_str_eq(got_rest, rest, "%s", query);
}

/* ---- pages ---- */

Test(history, of_a_channel_without_messages)
{
    rig_publish(http.r, "b", "1");
    http_is("GET /channels/a/history", NULL, NULL, 200,
            "\r\n\r\n{\"channel\":\"a\",\"messages\":[],\"cursor\":\"" AT(
                1) "\",\"next\":null,\"gap\":null}");
    http_is("GET /channels/a/history?order=desc", NULL, NULL, 200, "\"messages\":[],");
    http_is("GET /channels/a/history", NULL, NULL, 200, "Fanfare-Cursor: " AT(1) "\r\n");
}

Test(history, envelopes_are_what_streams_get)
{
    char *text, *a;
    const char *envelope;
    int fd = http_stream("/events?channel=a", "", NULL);

    http_is("POST /broadcast", NULL,
            "{\"channel\":\"a\",\"type\":\"t\",\"data\":{\"n\":99.990}, \"source\":\"s\"}", 200,
            NULL);
    text = http_text(fd);
    envelope = strstr(text, "data: {") + 6;
    a = http_ask("GET /channels/a/history", NULL, NULL);
    cr_assert(str_starts(str_of(strstr(a, "\"messages\":[") + 12),
                         (struct str){envelope, strcspn(envelope, "\n")}),
              "%s\nis not in\n%s", envelope, a);
    free(text);
    free(a);
    close(fd);
}

Test(history, from_the_oldest)
{
    publish(5);
    page_is("", "1 2 3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?limit=2", "1 2 ", "\"cursor\":\"" AT(5) "\",\"next\":\"" AT(2) "\",\"gap\":null}");
    page_is("?limit=2&after=" AT(2), "3 4 ",
            "\"cursor\":\"" AT(5) "\",\"next\":\"" AT(4) "\",\"gap\":null}");
    page_is("?limit=2&order=asc&after=" AT(4), "5 ",
            "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?limit=5", "1 2 3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?after=" AT(5), "", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?after=0-0", "1 2 3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?after=earliest&limit=1", "1 ",
            "\"cursor\":\"" AT(5) "\",\"next\":\"" AT(1) "\",\"gap\":null}");
    page_is("?after=", "1 2 3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
}

Test(history, from_the_newest)
{
    publish(5);
    page_is("?order=desc", "5 4 3 2 1 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?order=desc&limit=2", "5 4 ",
            "\"cursor\":\"" AT(5) "\",\"next\":\"" AT(4) "\",\"gap\":null}");
    page_is("?order=desc&limit=2&after=" AT(4), "3 2 ",
            "\"cursor\":\"" AT(5) "\",\"next\":\"" AT(2) "\",\"gap\":null}");
    page_is("?order=desc&limit=2&after=" AT(2), "1 ",
            "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
}

/* Messages of other channels stand between. */
Test(history, of_one_channel_among_others)
{
    for (int i = 1; i <= 3; i++) {
        rig_publish(http.r, "b", "0");
        rig_publish(http.r, i % 2 ? "a" : "c", "7");
    }
    page_is("", "7 7 ", "\"cursor\":\"" AT(6) "\",\"next\":null,\"gap\":null}");
    page_is("?limit=1", "7 ", "\"cursor\":\"" AT(6) "\",\"next\":\"" AT(2) "\",\"gap\":null}");
    page_is("?after=" AT(3), "7 ", "\"cursor\":\"" AT(6) "\",\"next\":null,\"gap\":null}");
}

/* An application renders the newest page and resumes a stream from its cursor. */
Test(history, a_stream_goes_on_where_the_page_ends)
{
    char line[200], cursor[CURSOR_MAX], *a, *text;
    int fd;

    publish(3);
    a = http_ask("GET /channels/a/history?order=desc&limit=10", NULL, NULL);
    http_member(strstr(a, "],\"cursor\"") + 2, "cursor", cursor, sizeof(cursor));
    free(a);
    rig_publish(http.r, "a", "\"between\"");
    snprintf(line, sizeof(line), "/events?channel=a&after=%s", cursor);
    fd = http_stream(line, "", &text);
    cr_assert_eq(rig_count(text, "\"channel\":\"a\""), 1, "%s", text);
    cr_assert_not_null(strstr(text, "\"data\":\"between\"}"), "%s", text);
    cr_assert_not_null(strstr(text, "\"recovered\":true"), "%s", text);
    free(text);
    close(fd);
}

/* A page's answer is bounded in bytes, too. */
Test(history, a_page_of_large_messages)
{
    size_t size = 250000;
    char *data = malloc(size + 1);
    char query[64] = "";
    unsigned seen = 0, pages = 0;

    memset(data, '1', size);
    data[size] = '\0';
    rig_set(http.r, "history-bytes", "100m");
    for (int i = 0; i < 40; i++) {
        rig_publish(http.r, "a", data);
    }
    free(data);
    do {
        char line[200], next[CURSOR_MAX] = "";
        char *a;
        const char *at;
        snprintf(line, sizeof(line), "GET /channels/a/history%s", query);
        a = http_ask(line, NULL, NULL);
        cr_assert_lt(strlen(a), (4u << 20) + 2000);
        seen += rig_count(a, "\"data\":1");
        at = strstr(a, ",\"next\":");
        cr_assert_not_null(at);
        (void)sscanf(at, ",\"next\":\"%34[^\"]\"", next);
        snprintf(query, sizeof(query), *next ? "?after=%s" : "", next);
        free(a);
        pages++;
    } while (*query && pages < 10);
    cr_assert_eq(seen, 40);
    cr_assert_eq(pages, 3);
}

/* ---- gaps ---- */

Test(history, what_is_not_kept_any_more)
{
    rig_set(http.r, "history", "3");
    publish(5);
    page_is("", "3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?after=" AT(1), "3 4 5 ",
            "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":{\"from\":\"" AT(1) "\",\"to\":\"" AT(
                2) "\",\"reason\":\"evicted\"}}");
    page_is("?after=" AT(2), "3 4 5 ", "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
    page_is("?order=desc&after=" AT(4), "3 ",
            "\"cursor\":\"" AT(5) "\",\"next\":null,\"gap\":null}");
}

Test(history, a_position_of_another_log)
{
    const char *rest;

    publish(2);
    cr_assert_str_eq(page("?after=zz-1", &rest), "1 2 ");
    cr_assert_not_null(strstr(rest, "\"gap\":{\"from\":\"zz-1\",\"to\":\"" RIG_EPOCH_TEXT "-"),
                       "%s", rest);
    cr_assert_not_null(strstr(rest, "\"reason\":\"epoch\"}}"), "%s", rest);
    http_problem("GET /channels/a/history?order=desc&after=zz-1", NULL, NULL, 400, "bad_cursor");
    http_problem("GET /channels/a/history?order=desc&after=0-0", NULL, NULL, 400, "bad_cursor");
}

/* ---- the request ---- */

Test(history, bad_queries)
{
    static const struct {
        const char *target, *code;
    } cases[] = {
        {"a/history?after=x", "bad_cursor"},
        {"a/history?after=" RIG_EPOCH_TEXT "-01", "bad_cursor"},
        {"a/history?limit=0", "bad_parameter"},
        {"a/history?limit=1001", "bad_parameter"},
        {"a/history?order=up", "bad_parameter"},
        {"a/history?order=", "bad_parameter"},
        {"a/history?since=1s", "unknown_parameter"},
        {"a%20b/history", "bad_channel"},
        {"a.%2a/history", "bad_channel"},
        {"fanfare.x/history", "reserved_channel"},
    };
    char line[100];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(line, sizeof(line), "GET /channels/%s", cases[i].target);
        http_problem(line, NULL, NULL, 400, cases[i].code);
    }
    http_problem("GET /channels/a/histories", NULL, NULL, 404, "not_found");
    http_problem("POST /channels/a/history", NULL, "{}", 405, "method_not_allowed");
    http_is("GET /channels/a/history?limit=1000", NULL, NULL, 200, NULL);
}

Test(history, link_to_the_next_page)
{
    char *a;

    rig_publish(http.r, "a/b:@=,;c", "1");
    rig_publish(http.r, "a/b:@=,;c", "2");
    http_is("GET /channels/a%2Fb:@=,;c/history?limit=1", NULL, NULL, 200,
            "Link: </channels/a%2Fb:@=,;c/history?after=" AT(1) "&limit=1&order=asc>; "
                                                                "rel=\"next\"\r\n");
    http_is("GET /channels/a%2Fb:@=,;c/history?limit=1&after=" AT(1), NULL, NULL, 200, DATA(2));
    http_is("GET /channels/a%2Fb:@=,;c/history?limit=1&order=desc", NULL, NULL, 200,
            "history?after=" AT(2) "&limit=1&order=desc>; rel=\"next\"\r\n");
    a = http_ask("GET /channels/a%2Fb:@=,;c/history", NULL, NULL);
    cr_assert_null(strstr(a, "Link:"), "%s", a);
    free(a);
}

Test(history, pages_of_other_origins_may_read_the_headers)
{
    http_is("GET /channels/a/history", "Origin: http://localhost:1\r\n", NULL, 200,
            "Access-Control-Expose-Headers: Retry-After, Link, Fanfare-Cursor\r\n");
}

Test(history, head)
{
    char *a;

    publish(2);
    a = http_ask("HEAD /channels/a/history?limit=1", NULL, NULL);
    cr_assert_eq(http_status(a), 200);
    cr_assert_not_null(strstr(a, "Link: "), "%s", a);
    cr_assert_not_null(strstr(a, "Fanfare-Cursor: " AT(2) "\r\n"), "%s", a);
    cr_assert_str_eq(http_body(a), "");
    free(a);
}

/* ---- the sums ---- */

Test(history, of_a_channel)
{
    http_is("GET /channels/a", NULL, NULL, 200,
            "\"matching\":0,\"history\":{\"messages\":0,\"bytes\":0,\"first\":null,\"last\":null,"
            "\"evicted\":null}}");
    rig_set(http.r, "history", "2");
    publish(3);
    http_is("GET /channels/a", NULL, NULL, 200, "\"history\":{\"messages\":2,\"bytes\":");
    http_is("GET /channels/a", NULL, NULL, 200,
            ",\"first\":\"" AT(2) "\",\"last\":\"" AT(3) "\",\"evicted\":\"" AT(1) "\"}}");
}

Test(history, of_all)
{
    http_is(
        "GET /stats", NULL, NULL, 200,
        ",\"history\":{\"messages\":0,\"bytes\":0,\"channels\":0},\"store\":{\"kind\":"
        "\"memory\",\"sync\":null,\"ok\":true,\"reason\":null},\"webhooks\":null,\"counters\":{");
    publish(3);
    http_is("GET /stats", NULL, NULL, 200, ",\"history\":{\"messages\":3,\"bytes\":");
    http_is("GET /stats", NULL, NULL, 200, ",\"channels\":1},\"store\":");
}
