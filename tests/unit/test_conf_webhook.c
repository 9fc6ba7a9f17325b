/* Options: what the application is told, and where it is. */
#include "support_conf.h"

#include <stdio.h>
#include <string.h>

#define SECRET "0123456789abcdef0123456789ABCDEF" /* 32 */
#define URL "https://app.example/events"

TestSuite(conf_webhook, .init = setup, .fini = teardown);

static void put(const char *name, const char *value)
{
    cr_assert_eq(set(name, value), 0, "%s", why.text);
}

static void fails(int code, const char *says)
{
    why.text[0] = '\0';
    cr_expect_eq(options_check(&o, &why), code, "%s", why.text);
    cr_expect(strncmp(why.text, says, strlen(says)) == 0, "%s", why.text);
}

Test(conf_webhook, forms)
{
    static const char *const wrong[] = {"app.example",      "ftp://app.example", "http://",
                                        "http://u:p@host/", "http://host/a b",   "https:///a"};

    put("webhook-url", URL);
    put("webhook-url", "http://127.0.0.1:3000");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(set("webhook-url", wrong[i]), ERR_INVALID, "%s", wrong[i]);
        cr_expect_eq(strncmp(why.text, "webhook-url: ", 13), 0, "%s", why.text);
    }
    cr_expect_eq(set("webhook-secret", "short"), ERR_RANGE);
    cr_expect_null(strstr(why.text, "short"), "%s", why.text);
    cr_expect_eq(set("webhook-batch", "0"), ERR_RANGE);
    cr_expect_eq(set("webhook-queue", "0"), ERR_RANGE);
    cr_expect_eq(set("webhook-timeout", "2m"), ERR_RANGE);
    cr_expect_eq(options_check(&o, &why), 0, "%s", why.text);
}

Test(conf_webhook, events)
{
    put("webhook-events", "user.online");
    cr_expect_eq(options_webhook_events(&o), 0, "nobody is told");
    put("webhook-url", URL);
    cr_expect_eq(options_webhook_events(&o), 1u << WEBHOOK_USER_ONLINE);
    put("webhook-events", "client.subscribed");
    cr_expect_eq(options_webhook_events(&o),
                 1u << WEBHOOK_USER_ONLINE | 1u << WEBHOOK_CLIENT_SUBSCRIBED);
    put("webhook-events", "");
    cr_expect_eq(options_webhook_events(&o),
                 ((1u << WEBHOOK_EVENTS) - 1) &
                     ~(1u << WEBHOOK_CLIENT_SUBSCRIBED | 1u << WEBHOOK_CLIENT_UNSUBSCRIBED));
    for (unsigned e = 0; e < WEBHOOK_EVENTS; e++) {
        put("webhook-events", options_webhook_name((enum webhook_event)e));
    }
    cr_expect_eq(options_webhook_events(&o), (1u << WEBHOOK_EVENTS) - 1);
}

Test(conf_webhook, did_you_mean)
{
    cr_expect_eq(set("webhook-events", "member.join"), ERR_INVALID);
    cr_expect_str_eq(why.text, "webhook-events: there is no event \"member.join\"; did you mean "
                               "member.joined?");
    cr_expect_eq(set("webhook-events", "everything at once, please"), ERR_INVALID);
    cr_expect_not_null(strstr(why.text, "see --help"), "%s", why.text);
    cr_expect_eq(set("webhook-events", "User.Online"), ERR_INVALID);
}

Test(conf_webhook, useless_without_an_address)
{
    static const char *const names[][2] = {{"webhook-events", "user.online"},
                                           {"webhook-secret", SECRET},
                                           {"webhook-secret-file", "/k"},
                                           {"webhook-ca", "/ca"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char says[100];
        put(names[i][0], names[i][1]);
        snprintf(says, sizeof says, "%s: without webhook-url nobody is told", names[i][0]);
        fails(ERR_STATE, says);
        put(names[i][0], "");
    }
    put("webhook-url", URL);
    put("webhook-secret", SECRET);
    cr_expect_eq(options_check(&o, &why), 0, "%s", why.text);
    put("webhook-secret-file", "/k");
    fails(ERR_INVALID, "webhook-secret: there is webhook-secret-file too");
}
