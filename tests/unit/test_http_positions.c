/* Where a stream begins: the query and Last-Event-ID. What it then gets is
 * tested with conn. */
#include "support_http.h"

#include "support_wsclient.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq
#define WS_HEADERS                                                               \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TestSuite(positions, .init = http_start, .fini = http_stop);

static void publish(unsigned n)
{
    char data[16];

    for (unsigned i = 1; i <= n; i++) {
        snprintf(data, sizeof(data), "%u", i);
        rig_publish(http.r, "a", data);
    }
}

/* The data of the messages that a stream begins with, "1 2 ". */
static const char *begins(const char *query, const char *headers)
{
    static char got[4000];
    char line[200], *text;
    size_t n = 0;

    snprintf(line, sizeof(line), "/events?channel=a%s", query);
    close(http_stream(line, headers, &text));
    got[0] = '\0';
    for (const char *at = text; (at = strstr(at, "\"channel\":\"a\"")) != NULL; at++) {
        const char *data = strstr(at, "\"data\":");
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s ", (int)strcspn(data + 7, "}"),
                              data + 7);
    }
    cr_assert_not_null(strstr(text, "event: fanfare.synced\n"), "%s", text);
    free(text);
    return got;
}

static void first_is(const char *query, const char *headers, const char *part)
{
    char line[200], *text;

    snprintf(line, sizeof(line), "/events?channel=a%s", query);
    close(http_stream(line, headers, &text));
    cr_assert_not_null(strstr(text, part), "%s gave\n%s", query, text);
    free(text);
}

Test(positions, by_query)
{
    publish(4);
    cr_assert_str_eq(begins("", ""), "");
    cr_assert_str_eq(begins("&lastEventId=" AT(2), ""), "3 4 ");
    cr_assert_str_eq(begins("&after=" AT(2), ""), "3 4 ");
    cr_assert_str_eq(begins("&after=" AT(4), ""), "");
    cr_assert_str_eq(begins("&after=0-0", ""), "1 2 3 4 ");
    cr_assert_str_eq(begins("&lastEventId=earliest", ""), "1 2 3 4 ");
    cr_assert_str_eq(begins("&since=10m", ""), "1 2 3 4 ");
    cr_assert_str_eq(begins("&since=2020-01-01T00:00:00Z", ""), "1 2 3 4 ");
    cr_assert_str_eq(begins("&history=3", ""), "2 3 4 ");
    cr_assert_str_eq(begins("&history=1000", ""), "1 2 3 4 ");
    first_is("&after=" AT(2), "", "\"recovered\":true");
    first_is("", "", "\"recovered\":false");
}

Test(positions, since)
{
    rig_publish_at(http.r, TARGET_CHANNEL, "a", "0", clock_real_ms() - 120000);
    publish(2);
    cr_assert_str_eq(begins("&since=60", ""), "1 2 ");
    cr_assert_str_eq(begins("&since=1m", ""), "1 2 ");
    cr_assert_str_eq(begins("&since=3m", ""), "0 1 2 ");
}

Test(positions, the_header_wins)
{
    publish(4);
    cr_assert_str_eq(begins("", "Last-Event-ID: " AT(3) "\r\n"), "4 ");
    cr_assert_str_eq(begins("&lastEventId=" AT(1), "Last-Event-ID: " AT(3) "\r\n"), "4 ");
    cr_assert_str_eq(begins("&history=2", "Last-Event-ID: " AT(3) "\r\n"), "4 ");
    cr_assert_str_eq(begins("&since=x&after=y", "Last-Event-ID: " AT(3) "\r\n"), "4 ");
    cr_assert_str_eq(begins("&lastEventId=" AT(1), "Last-Event-ID: \r\n"), "2 3 4 ");
}

/* An EventSource would end for good. */
Test(positions, a_header_that_is_no_cursor)
{
    publish(2);
    first_is("", "Last-Event-ID: rubbish!\r\n", "\"reason\":\"epoch\"");
    first_is("", "Last-Event-ID: rubbish!\r\n", "\"recovered\":false");
    first_is("", "Last-Event-ID: zz-1\r\n", "\"reason\":\"epoch\"");
    first_is("&after=zz-1", "", "\"reason\":\"epoch\"");
}

Test(positions, empty_counts_as_absent)
{
    publish(2);
    cr_assert_str_eq(begins("&lastEventId=&after=&since=&history=", "Last-Event-ID: \r\n"), "");
    cr_assert_str_eq(begins("&lastEventId=&history=1", ""), "2 ");
}

static void refused(const char *query, const char *code, const char *field)
{
    char line[200], part[64];

    snprintf(part, sizeof(part), ",\"field\":\"%s\"}\n", field);
    snprintf(line, sizeof(line), "GET /events?%s", query);
    http_problem(line, NULL, NULL, 400, code);
    http_is(line, "Accept: text/event-stream\r\n", NULL, 400, part);
    snprintf(line, sizeof(line), "GET /ws?%s", query);
    http_problem(line, WS_HEADERS, NULL, 400, code);
    http_is(line, WS_HEADERS "Last-Event-ID: " AT(1) "\r\n", NULL, 400, part);
}

Test(positions, bad_ones)
{
    refused("lastEventId=x", "bad_cursor", "lastEventId");
    refused("lastEventId=" RIG_EPOCH_TEXT "-01", "bad_cursor", "lastEventId");
    refused("after=-1", "bad_cursor", "after");
    refused("after=latest", "bad_cursor", "after");
    refused("since=x", "bad_since", "since");
    refused("since=-1s", "bad_since", "since");
    refused("since=2026-13-01T00:00:00Z", "bad_since", "since");
    refused("history=0", "bad_history", "history");
    refused("history=1001", "bad_history", "history");
    refused("history=1.5", "bad_history", "history");
    cr_assert_eq(http.r->connected, 0);
}

Test(positions, two_of_them)
{
    refused("lastEventId=" AT(1) "&after=" AT(1), "conflicting_parameters", "after");
    refused("after=" AT(1) "&lastEventId=" AT(1), "conflicting_parameters", "lastEventId");
    refused("since=1s&history=1", "conflicting_parameters", "history");
    refused("history=1&channel=a&since=1s", "conflicting_parameters", "since");
    refused("history=1&history=2", "conflicting_parameters", "history");
}

Test(positions, websocket)
{
    char *text;

    publish(3);
    close(http_stream("/ws?channel=a&after=" AT(1), WS_HEADERS "Last-Event-ID: " AT(3) "\r\n",
                      &text));
    cr_assert_eq(http_status(text), 101);
    free(text);
    cr_assert_eq(rig_metric(http.r, METRIC_REPLAYED), 2, "the header is not for WebSocket");
}
