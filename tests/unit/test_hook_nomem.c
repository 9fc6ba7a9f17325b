/* Every allocation of the caller's thread fails once: who asks is refused, nothing leaks, and the
 * hook works afterwards. */
#include "hook/private.h"
#include "support_hookrig.h"
#include "test_core_nomem.h"

TestSuite(hook_nomem, .init = setup, .fini = teardown);

Test(hook_nomem, starting)
{
    struct hook_config cfg = config();
    unsigned failures = 0;
    bool failed = true;

    nomem_ready();
    start(); /* what libraries keep for good */
    hook_free(h);
    h = NULL;
    for (int i = 0; failed; i++) {
        struct errmsg why = {""};
        left = i;
        int rc = hook_new(&cfg, &h, &why);
        failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || (failed && h == NULL && why.text[0]), "%d: %d %s", i, rc, why.text);
        failures += rc != 0;
        hook_free(h);
        h = NULL;
        cr_assert_lt(i, 10000);
    }
    cr_assert_geq(failures, 5);
}

Test(hook_nomem, asking)
{
    unsigned failures = 0;
    bool failed = true;

    nomem_ready();
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true}");
    start();
    for (int i = 0; failed; i++) {
        struct hook_question q = connects("sid=1");
        struct asker a;
        q.network = S("192.0.2.1");
        left = i;
        asker_ask(&a, h, &q);
        failed = left < 0;
        left = -1;
        enum hook_verdict v = asker_wait(&a).verdict;
        grant_unref(a.call.answer.grant);
        cr_assert(v == HOOK_ALLOWED || failed, "%d", i);
        failures += v != HOOK_ALLOWED;
        cr_assert_lt(i, 1000);
    }
    cr_assert_geq(failures, 2);
    cr_assert_eq(verdict_of("sid=2"), HOOK_ALLOWED);
}

Test(hook_nomem, answers)
{
    const struct answer_limits lims = {.max_channels = 3, .max_meta = 20};
    struct cache c = {.seed = 1, .max = 100, .max_bytes = 1 << 20};
    uint8_t key[HOOK_DIGEST] = {1};
    struct json_doc *doc;
    unsigned failures = 0;
    bool failed = true;

    nomem_ready();
    cr_assert_eq(json_doc_new(&doc), 0);
    struct reading r;
    answer_read(doc, HOOK_SUBSCRIBE, 200, S("{\"allow\":true,\"a\":[1,2,3,4,5]}"), &lims, 1000, &r);
    for (int i = 0; failed; i++) { /* what the document keeps is there */
        long before = live;
        left = i;
        answer_read(doc, HOOK_CONNECT, 200, S("{\"allow\":true,\"userId\":\"ann\",\"ttl\":5}"),
                    &lims, 1000, &r);
        if (r.answer.verdict == HOOK_ALLOWED) {
            cache_add(&c, key, 5000, 10, 7, &r.answer);
        }
        failed = left < 0;
        left = -1;
        failures += r.answer.verdict != HOOK_ALLOWED;
        cr_assert((r.answer.grant != NULL) == (r.answer.verdict == HOOK_ALLOWED), "%d", i);
        grant_unref(r.answer.grant);
        cache_free(&c);
        cr_assert_eq(live, before, "%d", i);
    }
    cr_assert_geq(failures, 1);
    json_doc_free(doc);
}
