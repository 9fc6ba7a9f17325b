/* Publications as clients say them. */
#include "proto/publish.h"
#include "proto/publish_hash.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct json_doc *doc;

static void setup(void)
{
    cr_assert_eq(json_doc_new(&doc), 0);
}

static void teardown(void)
{
    json_doc_free(doc);
}

TestSuite(publish_client, .init = setup, .fini = teardown);

static int read_as(enum publish_form form, const char *text, struct publish *p,
                   struct publish_error *e)
{
    struct json_limits limits = {
        .max_depth = 64, .tree_depth = form == PUBLISH_OP ? 1 : 2, .max_nodes = 64};
    const struct json_node *root;
    struct json_error je;

    cr_assert_eq(json_parse(doc, str_of(text), &limits, &root, &je), 0, "%s: %s", text, je.text);
    return publish_parse_as(root, form, p, e);
}

static struct publish good(enum publish_form form, const char *text)
{
    struct publish_error e;
    struct publish p;

    cr_assert_eq(read_as(form, text, &p, &e), 0, "%s: %s", text, e.detail);
    return p;
}

static void bad(enum publish_form form, const char *text, int status, const char *code,
                const char *field)
{
    struct publish_error e;
    struct publish p;

    cr_assert_eq(read_as(form, text, &p, &e), ERR_INVALID, "%s", text);
    cr_expect_eq(e.status, status, "%s: %d", text, e.status);
    cr_expect_str_eq(e.code, code, "%s", text);
    cr_expect_str_eq(e.field, field, "%s", text);
    cr_expect(e.offset < strlen(text), "%s", text);
    cr_expect_gt(strlen(e.detail), 10);
}

Test(publish_client, every_field)
{
    static const char text[] = "{\"op\":\"publish\",\"ref\":7,\"channel\":\"room\",\"type\":\"t\","
                               "\"data\":{\"a\":[1.0,{}]},\"id\":\"i\",\"key\":\"k\",\"ttl\":60,"
                               "\"ephemeral\":true,\"echo\":false}";
    struct publish p = good(PUBLISH_OP, text);

    cr_expect_eq(p.kind, TARGET_CHANNEL);
    cr_expect(str_eqz(p.one, "room") && p.count == 1 && !p.several && !p.list);
    cr_expect(str_eqz(p.type, "t") && str_eqz(p.id, "i") && str_eqz(p.key, "k"));
    cr_expect(str_eqz(p.data, "{\"a\":[1.0,{}]}"));
    cr_expect(p.ephemeral && p.ttl_s == 60 && p.no_echo);
    p = good(PUBLISH_CLIENT, "{\"channel\":\"room\",\"echo\":true}");
    cr_expect(!p.no_echo && !p.ephemeral && str_eqz(p.data, "null") && str_eqz(p.type, "message"));
    cr_expect_not(good(PUBLISH_BROADCAST, "{\"channel\":\"room\"}").no_echo);
}

Test(publish_client, one_channel)
{
    for (int i = PUBLISH_CLIENT; i <= PUBLISH_OP; i++) {
        enum publish_form form = (enum publish_form)i;
        bad(form, "{}", 400, "missing_value", "channel");
        bad(form, "{\"data\":{\"channel\":\"a\"}}", 400, "missing_value", "channel");
        bad(form, "{\"channel\":7}", 400, "wrong_type", "channel");
        bad(form, "{\"channel\":\"a b\"}", 400, "bad_name", "channel");
        bad(form, "{\"channel\":\"fanfare.x\"}", 422, "reserved_name", "channel");
        bad(form, "[]", 400, "wrong_type", "");
    }
    bad(PUBLISH_CLIENT, "{\"channel\":\"a\",\"channel\":\"b\"}", 400, "duplicate_field", "channel");
}

Test(publish_client, not_what_backends_say)
{
    static const char *const fields[][2] = {
        {"channels", "[\"a\"]"}, {"userId", "\"a\""},  {"userIds", "[\"a\"]"},
        {"source", "\"s\""},     {"except", "\"c\""},  {"timestamp", "\"2026-11-20T10:00:00Z\""},
        {"requireAck", "false"}, {"ifLast", "\"0-0\""}};
    char text[200];

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        (void)snprintf(text, sizeof(text), "{\"channel\":\"a\",\"%s\":%s}", fields[i][0],
                       fields[i][1]);
        bad(PUBLISH_CLIENT, text, 403, "not_permitted", fields[i][0]);
        bad(PUBLISH_OP, text, 403, "not_permitted", fields[i][0]);
    }
    bad(PUBLISH_CLIENT, "{\"channel\":\"a\",\"sender\":{\"userId\":\"x\"}}", 400, "unknown_field",
        "sender");
    bad(PUBLISH_CLIENT, "{\"channel\":\"a\",\"op\":\"publish\"}", 400, "unknown_field", "op");
    bad(PUBLISH_CLIENT, "{\"channel\":\"a\",\"ref\":1}", 400, "unknown_field", "ref");
    bad(PUBLISH_CLIENT, "{\"channel\":\"a\",\"echo\":1}", 400, "wrong_type", "echo");
    bad(PUBLISH_BROADCAST, "{\"channel\":\"a\",\"echo\":true}", 400, "unknown_field", "echo");
    bad(PUBLISH_BROADCAST, "{\"op\":\"publish\"}", 400, "unknown_field", "op");
}

/* Only names that it would take are proposed. */
Test(publish_client, near_names)
{
    struct publish_error e;
    struct publish p;

    cr_assert_eq(read_as(PUBLISH_OP, "{\"chanel\":\"a\"}", &p, &e), ERR_INVALID);
    cr_expect_not_null(strstr(e.detail, "did you mean \"channel\"?"), "%s", e.detail);
    cr_assert_eq(read_as(PUBLISH_OP, "{\"sourc\":\"a\"}", &p, &e), ERR_INVALID);
    cr_expect_null(strstr(e.detail, "\"source\""), "%s", e.detail);
    cr_expect_not_null(strstr(e.detail, "ttl, key, echo"), "%s", e.detail);
    cr_assert_eq(read_as(PUBLISH_BROADCAST, "{\"ech\":\"a\"}", &p, &e), ERR_INVALID);
    cr_expect_null(strstr(e.detail, "echo"), "%s", e.detail);
}

/* The digest knows whether it is echoed, and nothing of who says it where. */
Test(publish_client, digest)
{
    uint8_t plain[PUBLISH_HASH_LEN], quiet[PUBLISH_HASH_LEN], other[PUBLISH_HASH_LEN];
    struct publish p = good(PUBLISH_BROADCAST, "{\"channel\":\"a\",\"data\":1}");

    publish_hash(&p, plain);
    p = good(PUBLISH_OP, "{\"op\":\"publish\",\"ref\":1,\"channel\":\"a\",\"data\":1,"
                         "\"echo\":true}");
    publish_hash(&p, other);
    cr_expect_eq(memcmp(plain, other, sizeof(plain)), 0);
    p = good(PUBLISH_OP, "{\"op\":\"publish\",\"channel\":\"a\",\"data\":1,\"echo\":false}");
    publish_hash(&p, quiet);
    cr_expect_neq(memcmp(plain, quiet, sizeof(plain)), 0);
    p = good(PUBLISH_CLIENT, "{\"channel\":\"a\",\"data\":1,\"echo\":false}");
    publish_hash(&p, other);
    cr_expect_eq(memcmp(quiet, other, sizeof(quiet)), 0);
}
