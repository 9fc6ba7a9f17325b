#include "proto/publish.h"

#include "base/strbuf.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct json_limits limits = {.max_depth = 64, .tree_depth = 3, .max_nodes = 10000};

static struct json_doc *doc;

static void setup(void)
{
    cr_assert_eq(json_doc_new(&doc), 0);
}

static void teardown(void)
{
    json_doc_free(doc);
}

TestSuite(publish, .init = setup, .fini = teardown);

static int read_text(const char *text, struct publish *p, struct publish_error *e)
{
    const struct json_node *root;
    struct json_error je;

    cr_assert_eq(json_parse(doc, str_of(text), &limits, &root, &je), 0, "%s: %s", text, je.text);
    return publish_parse(root, p, e);
}

static struct publish good(const char *text)
{
    struct publish_error e;
    struct publish p;

    cr_assert_eq(read_text(text, &p, &e), 0, "%s: %s", text, e.detail);
    return p;
}

Test(publish, defaults)
{
    struct publish p = good("{}");

    cr_expect_eq(p.kind, TARGET_EVERYONE);
    cr_expect(str_eqz(p.type, "message"));
    cr_expect(str_eqz(p.data, "null"));
    cr_expect(p.id.len == 0 && p.source.len == 0 && p.except.len == 0 && p.key.len == 0);
    cr_expect(!p.several && !p.ephemeral && !p.require_ack && !p.has_timestamp);
    cr_expect_eq(p.count, 1);
    cr_expect_eq(p.ttl_s, 0);
    cr_expect_null(p.list);
}

Test(publish, every_field)
{
    struct publish p =
        good("{\"requireAck\":true,\"ttl\":60,\"ephemeral\":false,\"except\":\"c1\","
             "\"timestamp\":\"2026-11-20T10:00:00+01:00\",\"source\":\"s\\u00e9\",\"id\":\"i\","
             "\"userId\":\"u 1\",\"data\": { \"b\" : 99.99, \"a\":1E400 } ,\"type\":\"t\","
             "\"key\":\"EUR/USD \\u00e9\"}");

    cr_expect_eq(p.kind, TARGET_USER);
    cr_expect(str_eqz(p.one, "u 1") && p.count == 1 && !p.several);
    cr_expect(p.require_ack && !p.ephemeral && p.has_timestamp && p.ttl_s == 60);
    cr_expect_not(p.has_if_last);
    cr_expect(str_eqz(p.except, "c1") && str_eqz(p.source, "s\xC3\xA9") && str_eqz(p.id, "i"));
    cr_expect(str_eqz(p.timestamp, "2026-11-20T10:00:00+01:00"));
    cr_expect(str_eqz(p.data, "{ \"b\" : 99.99, \"a\":1E400 }"));
    cr_expect(str_eqz(p.type, "t"));
    cr_expect(str_eqz(p.key, "EUR/USD \xC3\xA9"));
}

Test(publish, targets)
{
    struct publish p = good("{\"channel\":\"a\"}");

    cr_expect(p.kind == TARGET_CHANNEL && str_eqz(p.one, "a"));
    p = good("{\"channels\":[\"a\",\"b\",\"c\\u0064\"]}");
    cr_expect(p.kind == TARGET_CHANNEL && p.several && p.count == 3);
    cr_expect(str_eqz(p.list->text, "a") && str_eqz(p.list->next->next->text, "cd"));
    p = good("{\"userIds\":[\"\xC3\xA9\"],\"requireAck\":true}");
    cr_expect(p.kind == TARGET_USER && p.several && p.count == 1 && p.require_ack);
    p = good("{\"requireAck\":false,\"ephemeral\":false}");
    cr_expect(!p.require_ack && !p.ephemeral);
    p = good("{\"requireAck\":false,\"ephemeral\":true}");
    cr_expect(!p.require_ack && p.ephemeral);
    p = good("{\"channel\":\"a\",\"ifLast\":\"k3f9-1042\"}");
    cr_expect(p.has_if_last && p.if_last.epoch == 937557 && p.if_last.seq == 1042);
    p = good("{\"ifLast\":\"0-0\",\"channels\":[\"a\",\"b\"]}");
    cr_expect(p.has_if_last && p.if_last.epoch == 0 && p.if_last.seq == 0);
    /* Data may be anything, duplicate names and half pairs included. */
    p = good("{\"data\":{\"a\":1,\"a\":2,\"b\":\"\\ud800\"}}");
    cr_expect(str_eqz(p.data, "{\"a\":1,\"a\":2,\"b\":\"\\ud800\"}"));
    p = good("{\"data\":null,\"ttl\":4294967295}");
    cr_expect(str_eqz(p.data, "null") && p.ttl_s == UINT32_MAX);
}

Test(publish, refusals)
{
    static const struct {
        const char *text;
        int status;
        const char *code, *field;
        size_t offset;
        const char *say;
    } cases[] = {
        {"[]", 400, "wrong_type", "", 0, "must be an object"},
        {" 1", 400, "wrong_type", "", 1, "not a number (byte 1)"},
        {"null", 400, "wrong_type", "", 0, "not null"},
        {"{\"type\":1}", 400, "wrong_type", "type", 8, "must be a string, not a number"},
        {"{\"type\":null}", 400, "wrong_type", "type", 8, "not null (leave it out instead)"},
        {"{\"channel\":[\"a\"]}", 400, "wrong_type", "channel", 11, "not an array"},
        {"{\"channels\":\"a\"}", 400, "wrong_type", "channels", 12, "an array of strings"},
        {"{\"channels\":[\"a\",1]}", 400, "wrong_type", "channels", 17, "only strings"},
        {"{\"userIds\":{}}", 400, "wrong_type", "userIds", 11, "not an object"},
        {"{\"userId\":7}", 400, "wrong_type", "userId", 10, "must be a string"},
        {"{\"userIds\":[null]}", 400, "wrong_type", "userIds", 12, "(as \"userId\" takes one)"},
        {"{\"id\":1}", 400, "wrong_type", "id", 6, "must be a string"},
        {"{\"source\":true}", 400, "wrong_type", "source", 10, "not true or false"},
        {"{\"timestamp\":0}", 400, "wrong_type", "timestamp", 13, "must be a string"},
        {"{\"except\":{}}", 400, "wrong_type", "except", 10, "must be a string"},
        {"{\"key\":7}", 400, "wrong_type", "key", 7, "must be a string, not a number"},
        {"{\"key\":null}", 400, "wrong_type", "key", 7, "not null (leave it out instead)"},
        {"{\"key\":\"\"}", 400, "bad_name", "key", 7, "a key may not be empty"},
        {"{\"key\":\"a\\nb\"}", 400, "bad_name", "key", 7,
         "'\\x0a' at byte 1 is not allowed in a key"},
        {"{\"key\":\"\\ud800\"}", 400, "bad_name", "key", 7, "half of a surrogate pair"},
        {"{\"keys\":\"a\"}", 400, "unknown_field", "keys", 8, "did you mean \"key\"?"},
        {"{\"ephemeral\":\"true\"}", 400, "wrong_type", "ephemeral", 13, "must be true or false"},
        {"{\"ephemeral\":1}", 400, "wrong_type", "ephemeral", 13, "must be true or false"},
        {"{\"requireAck\":null}", 400, "wrong_type", "requireAck", 14, "must be true or false"},
        {"{\"ttl\":\"60\"}", 400, "wrong_type", "ttl", 7, "must be a number of seconds"},
        {"{\"chanel\":\"a\"}", 400, "unknown_field", "chanel", 10, "did you mean \"channel\"?"},
        {"{\"a\":1, \"userid\":\"a\"}", 400, "unknown_field", "a", 5, "the fields are type, data"},
        {"{\"id\":\"1\", \"userid\":\"a\"}", 400, "unknown_field", "userid", 20, "\"userId\"?"},
        {"{\"iflast\":\"x\"}", 400, "unknown_field", "iflast", 10, "did you mean \"ifLast\"?"},
        {"{\"ifLast\":\"x\"}", 400, "bad_value", "ifLast", 10, "must be a cursor"},
        {"{\"channel\":\"a\",\"ifLast\":\"\"}", 400, "bad_value", "ifLast", 24, "\"0-0\" for a"},
        {"{\"channel\":\"a\",\"ifLast\":\"earliest\"}", 400, "bad_value", "ifLast", 24, "cursor"},
        {"{\"channel\":\"a\",\"ifLast\":7}", 400, "wrong_type", "ifLast", 24, "must be a string"},
        {"{\"channel\":\"a\",\"ifLast\":null}", 400, "wrong_type", "ifLast", 24, "leave it out"},
        {"{\"ifLast\":\"k3f9-1\"}", 422, "unsupported", "ifLast", 10, "only for channels"},
        {"{\"userId\":\"a\",\"ifLast\":\"0-0\"}", 422, "unsupported", "ifLast", 23, "\"channels\""},
        {"{\"requireAck\":true,\"userId\":\"a\",\"ephemeral\":true}", 422, "conflicting_fields",
         "requireAck", 14, "exclude each other"},
        {"{\"\":1}", 400, "unknown_field", "", 4, "unknown field \"\""},
        {"{\"a\\nb\":1}", 400, "unknown_field", "a\nb", 8, "\"a\\x0ab\""},
        {"{\"type\":\"a\",\"type\":\"b\"}", 400, "duplicate_field", "type", 19, "twice"},
        {"{\"type\":\"a\",\"t\\u0079pe\":\"b\"}", 400, "duplicate_field", "type", 24, "twice"},
        {"{\"data\":1,\"data\":1}", 400, "duplicate_field", "data", 17, "write it once"},
        {"{\"type\":\"\"}", 400, "bad_name", "type", 8, "may not be empty"},
        {"{\"type\":\"a\\nb\"}", 400, "bad_name", "type", 8, "'\\x0a' at byte 1"},
        {"{\"type\":\"a\\u0000\"}", 400, "bad_name", "type", 8, "'\\x00' at byte 1"},
        {"{\"type\":\"open\"}", 422, "reserved_name", "type", 8, "is reserved"},
        {"{\"type\":\"error\"}", 422, "reserved_name", "type", 8, "is reserved"},
        {"{\"type\":\"fanfare.gap\"}", 422, "reserved_name", "type", 8, "is reserved"},
        {"{\"type\":\"\\ud800\"}", 400, "bad_name", "type", 8, "surrogate"},
        {"{\"channel\":\"\"}", 400, "bad_name", "channel", 11, "may not be empty"},
        {"{\"channel\":\"a b\"}", 400, "bad_name", "channel", 11, "' ' at byte 1"},
        {"{\"channel\":\"a.*\"}", 400, "bad_name", "channel", 11, "'*' at byte 2"},
        {"{\"channel\":\"fanfare.x\"}", 422, "reserved_name", "channel", 11, "reserved"},
        {"{\"channels\":[\"a\",\"b c\"]}", 400, "bad_name", "channels", 17, "' ' at byte 1"},
        {"{\"channels\":[]}", 400, "missing_value", "channels", 12, "is empty"},
        {"{\"userIds\":[ ]}", 400, "missing_value", "userIds", 11, "is empty"},
        {"{\"channels\":[\"a\",\"b\",\"\\u0061\"]}", 400, "bad_value", "channels", 21,
         "\"a\" twice"},
        {"{\"userIds\":[\"a\",\"\\udc00\"]}", 400, "bad_name", "userIds", 16, "surrogate"},
        {"{\"userId\":\"a\\r\"}", 400, "bad_name", "userId", 10, "'\\x0d' at byte 1"},
        {"{\"channel\":\"a\",\"userId\":\"b\"}", 422, "conflicting_targets", "userId", 24,
         "\"channel\" and \"userId\" exclude each other"},
        {"{\"userIds\":[\"a\"],\"channels\":[\"b\"]}", 422, "conflicting_targets", "userIds", 11,
         "\"channels\" and \"userIds\""},
        {"{\"channel\":\"a\",\"channels\":[\"b\"]}", 422, "conflicting_targets", "channels", 26,
         "exclude each other"},
        {"{\"id\":\"\"}", 400, "bad_name", "id", 6, "may not be empty"},
        {"{\"id\":\"a\\u007f\"}", 400, "bad_name", "id", 6, "no control characters"},
        {"{\"source\":\"\\t\"}", 400, "bad_name", "source", 10, "not allowed in a source"},
        {"{\"except\":\"\"}", 400, "bad_name", "except", 10, "a client id may not be empty"},
        {"{\"timestamp\":\"yesterday\"}", 400, "bad_value", "timestamp", 13, "RFC 3339"},
        {"{\"ttl\":0}", 400, "bad_value", "ttl", 7, "from 1 to 4294967295"},
        {"{\"ttl\":-1}", 400, "bad_value", "ttl", 7, "whole number"},
        {"{\"ttl\":1.5}", 400, "bad_value", "ttl", 7, "whole number"},
        {"{\"ttl\":1e3}", 400, "bad_value", "ttl", 7, "whole number"},
        {"{\"ttl\":4294967296}", 400, "bad_value", "ttl", 7, "whole number"},
        {"{\"requireAck\":true}", 422, "unsupported", "requireAck", 14, "only for users"},
        {"{\"requireAck\":true,\"channel\":\"a\"}", 422, "unsupported", "requireAck", 14, "userId"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct publish_error e;
        struct publish p;
        cr_assert_eq(read_text(cases[i].text, &p, &e), ERR_INVALID, "%s", cases[i].text);
        cr_expect_eq(e.status, cases[i].status, "%s: %d", cases[i].text, e.status);
        cr_expect_str_eq(e.code, cases[i].code, "%s: %s", cases[i].text, e.code);
        cr_expect_str_eq(e.field, cases[i].field, "%s: %s", cases[i].text, e.field);
        cr_expect_eq(e.offset, cases[i].offset, "%s: %zu", cases[i].text, e.offset);
        cr_expect_not_null(strstr(e.detail, cases[i].say), "%s: %s", cases[i].text, e.detail);
    }
}

Test(publish, offsets_count_from_the_start_of_the_batch)
{
    static const char text[] = "[{\"type\":\"a\"}, {\"type\":7}]";
    const struct json_limits lim = {.max_depth = 64, .tree_depth = 4, .max_nodes = 100};
    const struct json_node *root;
    struct publish_error e;
    struct json_error je;
    struct publish p;

    cr_assert_eq(json_parse(doc, STR_LIT(text), &lim, &root, &je), 0);
    cr_expect_eq(publish_parse(root->child, &p, &e), 0);
    cr_expect_eq(publish_parse(root->child->next, &p, &e), ERR_INVALID);
    cr_expect_eq(e.offset, 23);
}

Test(publish, long_unknown_field_is_clipped)
{
    struct publish_error e;
    struct publish p;

    cr_expect_eq(read_text("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xE2\x82\xAC"
                           "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\":1}",
                           &p, &e),
                 ERR_INVALID);
    cr_expect_str_eq(e.field, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    cr_expect_not_null(strstr(e.detail, "...\" at byte "));
    cr_expect_not_null(strstr(e.detail, "requireAck, key"), "the list is cut: %s", e.detail);
}

Test(publish, many_targets)
{
    struct strbuf sb = STRBUF_INIT;
    struct publish_error e;
    struct publish p;

    strbuf_adds(&sb, "{\"channels\":[\"c0\"");
    for (int i = 1; i < PUBLISH_MAX_TARGETS; i++) {
        strbuf_addf(&sb, ",\"c%d\"", i);
    }
    size_t len = sb.len;
    strbuf_adds(&sb, "]}");
    cr_expect_eq(good(sb.data).count, PUBLISH_MAX_TARGETS);
    sb.len = len;
    strbuf_adds(&sb, ",\"one more\"]}");
    cr_expect_eq(read_text(sb.data, &p, &e), ERR_INVALID);
    cr_expect_str_eq(e.code, "too_many");
    cr_expect_not_null(strstr(e.detail, "has 1001 targets, 1000 is the most"));
    strbuf_fini(&sb);
}

Test(publish, timestamps)
{
    static const char *const yes[] = {
        "2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000Z",  "2026-11-20T10:00:00.123456789Z",
        "2026-11-20t10:00:00z", "2026-11-20T10:00:00+00:00", "2026-11-20T10:00:00.1-23:59",
        "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",      "2024-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z", "1990-12-31T23:59:60Z",      "1990-12-31T15:59:60-08:00",
    };
    static const char *const no[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20T10:00:00",
        "2026-11-20 10:00:00Z",
        "2026-11-20T10:00Z",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567890Z",
        "2026-11-20T10:00:00,5Z",
        "2026-13-20T10:00:00Z",
        "2026-00-20T10:00:00Z",
        "2026-11-31T10:00:00Z",
        "2026-11-00T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:00:61Z",
        "2026-11-20T10:00:60Z",
        "2026-11-20T10:00:00+24:00",
        "2026-11-20T10:00:00+01:60",
        "2026-11-20T10:00:00+0100",
        "2026-11-20T10:00:00+01",
        "2026-11-20T10:00:00ZZ",
        "2026-11-20T10:00:00Z ",
        " 2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00+01:00Z",
        "26-11-20T10:00:00Z",
        "2026-1-20T10:00:00Z",
        "+2026-11-20T10:00:00Z",
        "2026/11/20T10:00:00Z",
        "20261120T100000Z",
        "2026-11-20T1a:00:00Z",
        "2026-11-20T10:00:00UTC",
        "1763632800",
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        cr_expect(publish_timestamp_ok(str_of(yes[i])), "%s", yes[i]);
        for (size_t n = 0; n < strlen(yes[i]); n++) {
            cr_expect_not(publish_timestamp_ok((struct str){yes[i], n}));
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        cr_expect_not(publish_timestamp_ok(str_of(no[i])), "%s", no[i]);
    }
    cr_expect_not(publish_timestamp_ok(STR_NONE));
    cr_expect_not(publish_timestamp_ok(STR_LIT("2026-11-20T10:00:00Z\0")));
    cr_expect_not(publish_timestamp_ok(STR_LIT("2026-11-20T10:00:00\0")));
}
