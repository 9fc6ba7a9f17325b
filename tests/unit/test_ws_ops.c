/* What a WebSocket client may say, over a socketpair. */
#include "support_wsops.h"

TestSuite(ops, .init = start, .fini = stop);

/* ---- subscribe, unsubscribe ---- */

Test(ops, subscribe_delivers_from_then_on)
{
    const char *got;

    rig_publish(r, "orders", "\"before\"");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"orders\",\"ref\":1}", "1",
          "{\"channel\":\"orders\",\"cursor\":\"" RIG_EPOCH_TEXT "-1\"}");
    rig_publish(r, "orders", "\"after\"");
    got = answers(NULL);
    cr_assert_not_null(strstr(got, "\"cursor\":\"" RIG_EPOCH_TEXT "-2\""), "%s", got);
    cr_assert_null(strstr(got, "before"));
    is_ok("{\"op\":\"unsubscribe\",\"channel\":\"orders\",\"ref\":\"u\"}", "\"u\"",
          "{\"channel\":\"orders\"}");
    rig_publish(r, "orders", "\"later\"");
    cr_assert_str_eq(answers(NULL), "");
}

Test(ops, subscribe_twice)
{
    is_ok("{\"op\":\"subscribe\",\"channel\":\"a\"}", NULL,
          "{\"channel\":\"a\",\"cursor\":\"" RIG_EPOCH_TEXT "-0\"}");
    rig_publish(r, "b", "1");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"a\"}", NULL,
          "{\"channel\":\"a\",\"cursor\":\"" RIG_EPOCH_TEXT "-1\",\"already\":true}");
    rig_publish(r, "a", "1");
    cr_assert_eq(rig_count(answers(NULL), "\n"), 1);
}

Test(ops, patterns_deliver_once)
{
    answers("{\"op\":\"subscribe\",\"channel\":\"a.*\"}");
    answers("{\"op\":\"subscribe\",\"channel\":\"a.>\"}");
    answers("{\"op\":\"subscribe\",\"channel\":\"a.b\"}");
    rig_publish(r, "a.b", "1");
    cr_assert_eq(rig_count(answers(NULL), "\n"), 1);
    is_ok("{\"op\":\"unsubscribe\",\"channel\":\"a.b\"}", NULL, "{\"channel\":\"a.b\"}");
    rig_publish(r, "a.b", "1");
    cr_assert_eq(rig_count(answers(NULL), "\n"), 1);
}

Test(ops, refused_subscriptions)
{
    is_error("{\"op\":\"subscribe\",\"channel\":\"\",\"ref\":1}", "1", "bad_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a b\",\"ref\":1}", "1", "bad_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a*\",\"ref\":1}", "1", "bad_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\">.a\",\"ref\":1}", "1", "bad_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\"\\u0000\",\"ref\":1}", "1", "bad_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\"fanfare.x\",\"ref\":1}", "1", "reserved_channel");
    is_error("{\"op\":\"subscribe\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"subscribe\",\"channel\":7,\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"subscribe\",\"channel\":\"\\ud800\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"unsubscribe\",\"channel\":\"a\",\"ref\":1}", "1", "not_subscribed");
    is_error("{\"op\":\"unsubscribe\",\"ref\":1}", "1", "bad_request");
    cr_assert_eq(session()->member.names, 0);
}

Test(ops, too_many_channels)
{
    rig_set(r, "max-channels-per-client", "2");
    answers("{\"op\":\"subscribe\",\"channel\":\"a\"}");
    answers("{\"op\":\"subscribe\",\"channel\":\"b.*\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"c\"}", NULL, "too_many_channels");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"a\"}", NULL,
          "{\"channel\":\"a\",\"cursor\":\"" RIG_EPOCH_TEXT "-0\",\"already\":true}");
    answers("{\"op\":\"unsubscribe\",\"channel\":\"b.*\"}");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"c\"}", NULL,
          "{\"channel\":\"c\",\"cursor\":\"" RIG_EPOCH_TEXT "-0\"}");
}

/* ---- meta, message, ping, publish ---- */

Test(ops, meta_replaces)
{
    is_ok("{\"op\":\"meta\",\"meta\":{ \"page\" : \"/cart\", \"n\": 1.50 },\"ref\":3}", "3", "{}");
    cr_assert_str_eq(session()->meta, "{\"page\":\"/cart\",\"n\":1.50}");
    is_ok("{\"op\":\"meta\",\"meta\":{}}", NULL, "{}");
    cr_assert_str_eq(session()->meta, "{}");
}

Test(ops, refused_meta)
{
    rig_set(r, "max-meta", "8");
    is_ok("{\"op\":\"meta\",\"meta\":{\"a\"  :  12}}", NULL, "{}");
    is_error("{\"op\":\"meta\",\"meta\":{\"a\":123}}", NULL, "too_large");
    is_error("{\"op\":\"meta\",\"meta\":[]}", NULL, "bad_request");
    is_error("{\"op\":\"meta\",\"meta\":null}", NULL, "bad_request");
    is_error("{\"op\":\"meta\"}", NULL, "bad_request");
    cr_assert_str_eq(session()->meta, "{\"a\":12}", "a refused op changes nothing");
}

Test(ops, message_reaches_the_program)
{
    is_ok("{\"op\":\"message\",\"data\":{\"move\": \"e4\"},\"ref\":4}", "4", "{\"handled\":false}");
    r->takes = true;
    is_ok("{\"op\":\"message\",\"data\":{\"move\": \"e4\"},\"ref\":5}", "5", "{\"handled\":true}");
    cr_assert_eq(r->received, 2);
    cr_assert_str_eq(r->got, "{\"move\": \"e4\"}");
    is_ok("{\"op\":\"message\",\"data\":null}", NULL, "{\"handled\":true}");
    cr_assert_str_eq(r->got, "null");
    is_error("{\"op\":\"message\",\"ref\":6}", "6", "bad_request");
    is_error("{\"op\":\"message\",\"dat\":1,\"ref\":6}", "6", "bad_request");
    cr_assert_eq(r->received, 3);
}

Test(ops, ping_has_the_time)
{
    const char *got = answers("{\"op\":\"ping\",\"ref\":5}");

    cr_assert(str_starts(str_of(got), STR_LIT("{\"type\":\"fanfare.reply\",\"ref\":5,\"ok\":true,"
                                              "\"data\":{\"time\":\"20")),
              "%s", got);
    cr_assert_not_null(strstr(got, "Z\"}}\n"));
}

Test(ops, publish_is_not_permitted)
{
    is_error("{\"op\":\"publish\",\"channel\":\"a\",\"data\":1,\"ref\":9}", "9", "not_permitted");
}

/* ---- what is wrong with any op ---- */

Test(ops, bad_json)
{
    const char *got;

    is_error("", NULL, "bad_json");
    is_error("{", NULL, "bad_json");
    is_error("{\"op\":\"ping\",}", NULL, "bad_json");
    is_error("{\"op\":\"ping\"} x", NULL, "bad_json");
    is_error("nonsense", NULL, "bad_json");
    got = answers("{\"op\":\"ping\",\"ref\":tru}");
    cr_assert_not_null(strstr(got, "\"message\":\"byte "), "%s", got);
}

Test(ops, too_deep_and_too_many_members)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, "{\"op\":\"message\",\"data\":");
    for (int i = 0; i < 70; i++) {
        strbuf_addc(&sb, '[');
    }
    for (int i = 0; i < 70; i++) {
        strbuf_addc(&sb, ']');
    }
    strbuf_addc(&sb, '}');
    is_error(sb.data, NULL, "bad_json");
    strbuf_reset(&sb);
    strbuf_adds(&sb, "{\"op\":\"ping\"");
    for (int i = 0; i < 200; i++) {
        strbuf_addf(&sb, ",\"m%d\":1", i);
    }
    strbuf_addc(&sb, '}');
    is_error(sb.data, NULL, "bad_json");
    strbuf_fini(&sb);
}

/* The number of members inside the data does not count. */
Test(ops, data_may_be_large)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, "{\"op\":\"message\",\"data\":{\"a\":0");
    for (int i = 0; i < 1000; i++) {
        strbuf_addf(&sb, ",\"m%d\":[1,2,{}]", i);
    }
    strbuf_adds(&sb, "}}");
    is_ok(sb.data, NULL, "{\"handled\":false}");
    strbuf_fini(&sb);
}

Test(ops, bad_requests)
{
    is_error("[]", NULL, "bad_request");
    is_error("1", NULL, "bad_request");
    is_error("null", NULL, "bad_request");
    is_error("\"ping\"", NULL, "bad_request");
    is_error("{}", NULL, "bad_request");
    is_error("{\"ref\":7}", "7", "bad_request");
    is_error("{\"op\":1,\"ref\":7}", "7", "bad_request");
    is_error("{\"op\":\"ping\",\"op\":\"ping\",\"ref\":7}", "7", "bad_request");
    is_error("{\"op\":\"ping\",\"chanel\":\"a\",\"ref\":7}", "7", "bad_request");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a\",\"channel\":\"b\",\"ref\":7}", "7",
             "bad_request");
}

Test(ops, unknown_members_and_ops_name_the_nearest)
{
    const char *got = answers("{\"op\":\"subscribe\",\"chanel\":\"a\"}");

    cr_assert_not_null(strstr(got, "did you mean \\\"channel\\\"?"), "%s", got);
    is_error("{\"op\":\"subscibe\",\"ref\":1}", "1", "unknown_op");
    got = answers("{\"op\":\"subscibe\"}");
    cr_assert_not_null(strstr(got, "did you mean \\\"subscribe\\\"?"), "%s", got);
    got = answers("{\"op\":\"xyzzy\"}");
    cr_assert_not_null(strstr(got, "there are subscribe"), "%s", got);
    is_error("{\"op\":\"\"}", NULL, "unknown_op");
    is_error("{\"op\":\"Ping\"}", NULL, "unknown_op");
}

/* A name in the message must not break the reply. */
Test(ops, hostile_names_are_escaped)
{
    const char *got = answers("{\"op\":\"ping\",\"a\\\"b\\\\\\u0001\\u2028\":1}");

    cr_assert(str_starts(str_of(got), STR_LIT("{\"type\":\"fanfare.reply\",\"ok\":false")), "%s",
              got);
    cr_assert_null(strchr(got, 1));
    got =
        answers("{\"op\":\"ping\",\""
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe2\x82\xac\":1}");
    cr_assert(str_starts(str_of(got), STR_LIT("{\"type\":\"fanfare.reply\",\"ok\":false")),
              "the name is cut at a character: %s", got);
}

Test(ops, refs_come_back_as_written)
{
    char op[400], ref[140];

    is_error("{\"op\":\"x\",\"ref\":1.50e+3}", "1.50e+3", "unknown_op");
    is_error("{\"op\":\"x\",\"ref\":123456789012345678901234567890}",
             "123456789012345678901234567890", "unknown_op");
    is_error("{\"op\":\"x\",\"ref\":\"\\u0041\\n\"}", "\"\\u0041\\n\"", "unknown_op");
    is_error("{\"op\":\"x\",\"ref\":\"\"}", "\"\"", "unknown_op");
    is_error("{\"op\":\"ping\",\"ref\":null}", NULL, "bad_request");
    is_error("{\"op\":\"ping\",\"ref\":[1]}", NULL, "bad_request");
    is_error("{\"op\":\"ping\",\"ref\":true}", NULL, "bad_request");
    memset(ref, 'r', sizeof(ref));
    ref[0] = ref[sizeof(ref) - 2] = '"';
    ref[sizeof(ref) - 1] = '\0';
    snprintf(op, sizeof(op), "{\"op\":\"x\",\"ref\":%s}", ref);
    is_error(op, ref, "unknown_op");
}

Test(ops, answers_keep_the_order)
{
    struct strbuf out = STRBUF_INIT;
    const char *got, *at;
    char op[64];

    for (int i = 0; i < 100; i++) {
        snprintf(op, sizeof(op), "{\"op\":\"%s\",\"ref\":%d}", i % 2 ? "ping" : "x", i);
        wsc_text(&out, op);
    }
    rig_send(peer, out.data, out.len);
    strbuf_fini(&out);
    got = at = answers(NULL);
    for (int i = 0; i < 100; i++) {
        snprintf(op, sizeof(op), "\"ref\":%d,", i);
        at = strstr(at, op);
        cr_assert_not_null(at, "%s in %s", op, got);
    }
    cr_assert_eq(rig_metric(r, METRIC_WS_RECEIVED), 100);
}
