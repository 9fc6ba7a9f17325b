#include "proto/control.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_ws(struct strbuf *sb, const char *json)
{
    size_t n = strlen(json);

    cr_assert_lt(n, 65536);
    size_t header = n < 126 ? 2 : 4;
    cr_assert_eq(sb->len, n + header, "%.*s", (int)sb->len, sb->data);
    cr_expect_eq((unsigned char)sb->data[0], 0x81);
    cr_expect_eq(memcmp(sb->data + header, json, n), 0, "%.*s", (int)sb->len, sb->data);
    strbuf_fini(sb);
}

Test(control, transport_names)
{
    cr_expect_str_eq(transport_name(TRANSPORT_SSE), "sse");
    cr_expect_str_eq(transport_name(TRANSPORT_WS), "websocket");
}

Test(control, one_shape_for_both)
{
    struct strbuf sb = STRBUF_INIT;

    control_add(&sb, TRANSPORT_SSE, STR_LIT("fanfare.connected"), STR_LIT("k3-7"),
                STR_LIT("{\"a\":1}"));
    cr_expect(
        str_eqz(strbuf_str(&sb),
                "event: fanfare.connected\nid: k3-7\n"
                "data: {\"type\":\"fanfare.connected\",\"cursor\":\"k3-7\",\"data\":{\"a\":1}}"
                "\n\n"));
    strbuf_reset(&sb);
    control_add(&sb, TRANSPORT_SSE, STR_LIT("fanfare.refused"), STR_NONE, STR_NONE);
    cr_expect(
        str_eqz(strbuf_str(&sb),
                "event: fanfare.refused\ndata: {\"type\":\"fanfare.refused\",\"data\":{}}\n\n"));
    strbuf_reset(&sb);
    control_add(&sb, TRANSPORT_WS, STR_LIT("fanfare.connected"), STR_LIT("k3-7"),
                STR_LIT("{\"a\":1}"));
    expect_ws(&sb, "{\"type\":\"fanfare.connected\",\"cursor\":\"k3-7\",\"data\":{\"a\":1}}");
}

Test(control, replies)
{
    struct strbuf sb = STRBUF_INIT;

    control_add_reply_ok(&sb, STR_LIT("\"r\\u0031\""), STR_LIT("{\"channel\":\"a\"}"));
    expect_ws(&sb, "{\"type\":\"fanfare.reply\",\"ref\":\"r\\u0031\",\"ok\":true,"
                   "\"data\":{\"channel\":\"a\"}}");
    control_add_reply_ok(&sb, STR_NONE, STR_NONE);
    expect_ws(&sb, "{\"type\":\"fanfare.reply\",\"ok\":true,\"data\":{}}");
    control_add_reply_error(&sb, STR_LIT("1e400"), "unknown_op", STR_LIT("no op \"x\"\n"));
    expect_ws(&sb, "{\"type\":\"fanfare.reply\",\"ref\":1e400,\"ok\":false,\"error\":{"
                   "\"code\":\"unknown_op\",\"message\":\"no op \\\"x\\\"\\n\"}}");
    control_add_reply_error(&sb, STR_NONE, "bad_json", STR_LIT("x\xC3"));
    expect_ws(&sb, "{\"type\":\"fanfare.reply\",\"ok\":false,\"error\":{"
                   "\"code\":\"bad_json\",\"message\":\"x\xEF\xBF\xBD\"}}");
    control_add_reply_later(&sb, STR_LIT("1"), "rate_limited", STR_LIT("m"), 700);
    expect_ws(&sb, "{\"type\":\"fanfare.reply\",\"ref\":1,\"ok\":false,\"error\":{"
                   "\"code\":\"rate_limited\",\"message\":\"m\"},\"data\":{\"retryAfter\":700}}");
}
