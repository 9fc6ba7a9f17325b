/* A client's grant as JSON says it. */
#include "core/grant_json.h"

#include "test_core_nomem.h"

#define S(text) STR_LIT(text)

static const struct grant_limits lim = {.max_channels = 2, .max_meta = 12};

static int read_text(struct json_doc *doc, const char *text, struct grant_draft *d,
                     struct grant_fault *f)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 2, .max_nodes = 1000};
    const struct json_node *root;
    struct json_error err;

    *f = (struct grant_fault){0};
    cr_assert_eq(json_parse(doc, str_of(text), &limits, &root, &err), 0, "%s", text);
    return grant_draft_read(root, &lim, 5000, d, f);
}

Test(core_grant_json, everything)
{
    struct grant_fault f;
    struct grant_draft d;
    struct json_doc *doc;

    cr_assert_eq(json_doc_new(&doc), 0);
    cr_assert_eq(read_text(doc,
                           "{\"userId\":\"ann\",\"channels\":[\"a\",\"b.*\"],\"publish\":[\"c\"],"
                           "\"meta\":{ \"a\" : 1 },\"info\": [ 1 ],\"expiresIn\":60,\"other\":1}",
                           &d, &f),
                 0);
    cr_assert(d.s.kind == GRANT_CLIENT && str_eqz(d.s.user, "ann"));
    cr_assert(d.s.lists_subscribe && d.s.nsubscribe == 2 && str_eqz(d.s.subscribe[1], "b.*"));
    cr_assert(d.s.npublish == 1 && str_eqz(d.s.publish[0], "c"));
    cr_assert(str_eqz(d.s.meta, "{\"a\":1}") && str_eqz(d.s.info, "[1]"));
    cr_assert(d.s.expires_ms == 65000 && d.s.until_ms == 65000 && d.s.issued_ms == 5000);
    cr_assert(d.s.rights == 0 && d.s.id.len == 0);
    grant_draft_fini(&d);
    json_doc_free(doc);
}

Test(core_grant_json, nothing)
{
    struct grant_fault f;
    struct grant_draft d;
    struct json_doc *doc;

    cr_assert_eq(json_doc_new(&doc), 0);
    cr_assert_eq(read_text(doc, "{}", &d, &f), 0);
    cr_assert(d.s.user.len == 0 && !d.s.lists_subscribe && d.s.npublish == 0 &&
              d.s.expires_ms == 0 && d.s.meta.len == 0 && d.s.info.len == 0);
    grant_draft_fini(&d);
    cr_assert_eq(read_text(doc, "{\"channels\":[]}", &d, &f), 0);
    cr_assert(d.s.lists_subscribe && d.s.nsubscribe == 0, "an empty list is one");
    grant_draft_fini(&d);
    json_doc_free(doc);
}

Test(core_grant_json, faults)
{
    static const struct {
        const char *text, *code, *field;
    } cases[] = {
        {"{\"userId\":1}", "wrong_type", "userId"},
        {"{\"userId\":null}", "wrong_type", "userId"},
        {"{\"userId\":\"\"}", "bad_user", "userId"},
        {"{\"userId\":\"\\ud800\"}", "bad_user", "userId"},
        {"{\"channels\":\"a\"}", "wrong_type", "channels"},
        {"{\"channels\":[1]}", "bad_value", "channels"},
        {"{\"channels\":[\"a\",\"b\",\"c\"]}", "bad_value", "channels"},
        {"{\"channels\":[\"\\ud800\"]}", "bad_value", "channels"},
        {"{\"publish\":[\"\"]}", "bad_value", "publish"},
        {"{\"publish\":{}}", "wrong_type", "publish"},
        {"{\"meta\":[]}", "wrong_type", "meta"},
        {"{\"meta\":{\"a\":\"123456789\"}}", "bad_value", "meta"},
        {"{\"info\":\"12345678901\"}", "bad_value", "info"},
        {"{\"expiresIn\":0}", "bad_value", "expiresIn"},
        {"{\"expiresIn\":-1}", "bad_value", "expiresIn"},
        {"{\"expiresIn\":\"60\"}", "bad_value", "expiresIn"},
        {"{\"expiresIn\":1e9}", "bad_value", "expiresIn"},
        {"{\"expiresIn\":31536001}", "bad_value", "expiresIn"},
    };
    struct grant_fault f;
    struct grant_draft d;
    struct json_doc *doc;

    cr_assert_eq(json_doc_new(&doc), 0);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(read_text(doc, cases[i].text, &d, &f), ERR_INVALID, "%s", cases[i].text);
        cr_assert_str_eq(f.code, cases[i].code, "%s", cases[i].text);
        cr_assert_str_eq(f.field, cases[i].field, "%s", cases[i].text);
        cr_assert(f.why.text[0] && f.offset > 0, "%s", cases[i].text);
        grant_draft_fini(&d);
    }
    json_doc_free(doc);
}

Test(core_grant_json, without_memory)
{
    struct grant_fault f;
    struct grant_draft d;
    struct json_doc *doc;
    bool failed = true;
    unsigned failures = 0;

    nomem_ready();
    cr_assert_eq(json_doc_new(&doc), 0);
    for (int i = 0; failed; i++) {
        const struct json_node *root;
        struct json_error err;
        static const struct json_limits limits = {
            .max_depth = 64, .tree_depth = 2, .max_nodes = 1000};
        cr_assert_eq(json_parse(doc,
                                S("{\"channels\":[\"a\"],\"publish\":[\"c\"],\"meta\":{\"a\":1},"
                                  "\"info\":[1]}"),
                                &limits, &root, &err),
                     0);
        long before = live;
        left = i;
        int rc = grant_draft_read(root, &lim, 5000, &d, &f);
        failed = left < 0;
        left = -1;
        grant_draft_fini(&d);
        cr_assert_eq(live, before);
        cr_assert_eq(rc, failed ? ERR_NOMEM : 0, "%d", i);
        cr_assert(rc == 0 || f.code == NULL);
        failures += failed;
    }
    cr_assert_geq(failures, 4);
    json_doc_free(doc);
}
