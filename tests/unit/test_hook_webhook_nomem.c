/* Every allocation of the caller's thread fails once: the event is counted as lost, in its place,
 * nothing leaks, and the webhook works afterwards. */
#include "support_webhook.h"
#include "test_core_nomem.h"

TestSuite(webhook_nomem, .init = setup, .fini = teardown);

Test(webhook_nomem, starting)
{
    struct webhook_config cfg = config();
    unsigned failures = 0;
    bool failed = true;

    nomem_ready();
    start(); /* what libraries keep for good */
    webhook_free(w);
    w = NULL;
    for (int i = 0; failed; i++) {
        struct errmsg why = {""};
        left = i;
        int rc = webhook_new(&cfg, &w, &why);
        failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || (failed && w == NULL && why.text[0]), "%d: %d %s", i, rc, why.text);
        failures += rc != 0;
        webhook_free(w);
        w = NULL;
        cr_assert_lt(i, 10000);
    }
    cr_assert_geq(failures, 4);
}

Test(webhook_nomem, adding)
{
    unsigned failures = 0, added = 0;
    bool failed = true;

    nomem_ready();
    start();
    for (int i = 0; failed; i++) {
        struct strbuf sb = STRBUF_INIT;
        long before = live;
        uint64_t dead = metric(METRIC_WEBHOOK_DEAD);
        left = i;
        strbuf_adds(&sb, ",\"userId\":\"ann\"");
        webhook_add(w, "user.online", 1, &nobody, &sb);
        failed = left < 0;
        left = -1;
        strbuf_fini(&sb);
        added++;
        if (metric(METRIC_WEBHOOK_DEAD) > dead) {
            failures++;
            cr_assert_eq(live, before, "%d", i);
        }
        cr_assert_lt(i, 100);
    }
    cr_assert_eq(failures, 2, "%u: the text and the letter", failures);
    await_metric(METRIC_WEBHOOK_SENT, added - failures);
    expect_told(failures + 1, added - failures);
    cr_assert(strstr(logged(), "events are lost"), "%s", logged());
}
