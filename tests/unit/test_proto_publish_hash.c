#include "proto/publish_hash.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct json_limits limits = {
    .max_depth = 64, .tree_depth = 2, .max_nodes = SIZE_MAX, .leave = "data"};

/* What the text is as a publication, as 32 hexadecimal digits. */
static const char *hash(const char *text, char out[2 * PUBLISH_HASH_LEN + 1])
{
    const struct json_node *root;
    uint8_t bytes[PUBLISH_HASH_LEN];
    struct publish_error e;
    struct json_error je;
    struct json_doc *doc;
    struct publish p;

    cr_assert_eq(json_doc_new(&doc), 0);
    cr_assert_eq(json_parse(doc, str_of(text), &limits, &root, &je), 0, "%s: %s", text, je.text);
    cr_assert_eq(publish_parse(root, &p, &e), 0, "%s: %s", text, e.detail);
    publish_hash(&p, bytes);
    for (unsigned i = 0; i < PUBLISH_HASH_LEN; i++) {
        (void)snprintf(out + 2 * (size_t)i, 3, "%02x", bytes[i]);
    }
    json_doc_free(doc);
    return out;
}

static bool same(const char *a, const char *b)
{
    char x[2 * PUBLISH_HASH_LEN + 1];
    char y[2 * PUBLISH_HASH_LEN + 1];

    return strcmp(hash(a, x), hash(b, y)) == 0;
}

/* All of these are different publications. */
Test(publish_hash, everything_counts)
{
    static const char *const all[] = {
        "{}",
        "{\"channel\":\"a\"}",
        "{\"channel\":\"b\"}",
        "{\"channel\":\"ab\"}",
        "{\"userId\":\"a\"}",
        "{\"channels\":[\"a\",\"b\"]}",
        "{\"channels\":[\"b\",\"a\"]}",
        "{\"channels\":[\"ab\",\"c\"]}",
        "{\"channels\":[\"a\",\"bc\"]}",
        "{\"channels\":[\"a\",\"b\",\"c\"]}",
        "{\"userIds\":[\"a\",\"b\"]}",
        "{\"type\":\"a\"}",
        "{\"source\":\"a\"}",
        "{\"key\":\"a\"}",
        "{\"except\":\"a\"}",
        "{\"type\":\"t\",\"source\":\"a\"}",
        "{\"source\":\"a\",\"key\":\"b\"}",
        "{\"source\":\"ab\"}",
        "{\"key\":\"ab\"}",
        "{\"timestamp\":\"2026-11-20T10:00:00Z\"}",
        "{\"timestamp\":\"2026-11-20T10:00:00.0Z\"}",
        "{\"ephemeral\":true}",
        "{\"ttl\":1}",
        "{\"ttl\":2}",
        "{\"userId\":\"a\",\"requireAck\":true}",
        "{\"channel\":\"a\",\"ifLast\":\"0-0\"}",
        "{\"channel\":\"a\",\"ifLast\":\"1-0\"}",
        "{\"channel\":\"a\",\"ifLast\":\"1-1\"}",
        "{\"channel\":\"a\",\"ifLast\":\"2-1\"}",
        "{\"data\":0}",
        "{\"data\":false}",
        "{\"data\":\"\"}",
        "{\"data\":\" \"}",
        "{\"data\":\"  \"}",
        "{\"data\":\"\\u00e9\"}",
        "{\"data\":\"\xC3\xA9\"}",
        "{\"data\":[1,2]}",
        "{\"data\":[12]}",
        "{\"data\":1.0}",
        "{\"data\":1}",
        "{\"data\":{\"a\":1,\"b\":2}}",
        "{\"data\":{\"b\":2,\"a\":1}}",
    };
    size_t n = sizeof(all) / sizeof(all[0]);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            cr_expect_not(same(all[i], all[k]), "%s and %s", all[i], all[k]);
        }
    }
}

Test(publish_hash, the_same_said_in_another_way)
{
    static const char *const pairs[][2] = {
        {"{}", "{ \"data\" : null, \"type\" : \"message\" }"},
        {"{}", "{\"id\":\"x\"}"},
        {"{\"id\":\"y\",\"data\":7}", "{\"id\":\"x\",\"data\":7}"},
        {"{}", "{\"ephemeral\":false,\"requireAck\":false}"},
        {"{\"channel\":\"a\"}", "{\"channels\":[\"a\"]}"},
        {"{\"userId\":\"a\"}", "{\"userIds\":[\"a\"]}"},
        {"{\"type\":\"t\",\"channel\":\"a\"}", "{\"channel\":\"\\u0061\",\"type\":\"t\"}"},
        {"{\"data\":{\"a b\":[1,\"x\\\" y\"]}}",
         "{\"data\":\r\n{\t\"a b\" : [ 1 ,\n \"x\\\" y\" ] } }"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cr_expect(same(pairs[i][0], pairs[i][1]), "%s and %s", pairs[i][0], pairs[i][1]);
    }
}

/* Stores hold digests: those of today must be those of tomorrow. The input was
 * put together by hand and digested with sha256sum. */
Test(publish_hash, does_not_change)
{
    char out[2 * PUBLISH_HASH_LEN + 1];

    cr_expect_str_eq(hash("{}", out), "77da985a6b752ee3745086bea2e8c4fc");
    cr_expect_str_eq(
        hash("{\"id\":\"i\",\"channels\":[\"a\",\"bc\"],\"type\":\"t\",\"source\":\"s\","
             "\"key\":\"k\",\"except\":\"e\",\"timestamp\":\"2026-11-20T10:00:00Z\","
             "\"ttl\":60,\"ifLast\":\"k3f9-1042\",\"ephemeral\":true,"
             "\"data\":{ \"x\" : [1, 2] }}",
             out),
        "e4384c81716542cfa1182fed9bae83ee");
}
