/* options_webhook.c - what is told to the application, and where it is. */
#include "conf/options_form.h"

#include "base/suggest.h"
#include "conf/options_value.h"

#include <string.h>

/* Of clients that come and go by the thousand these would be most. */
#define NOT_BY_DEFAULT (1u << WEBHOOK_CLIENT_SUBSCRIBED | 1u << WEBHOOK_CLIENT_UNSUBSCRIBED)

const char *options_webhook_name(enum webhook_event e)
{
    static const char *const names[] = {
        [WEBHOOK_CLIENT_CONNECTED] = "client.connected",
        [WEBHOOK_CLIENT_DISCONNECTED] = "client.disconnected",
        [WEBHOOK_CLIENT_SUBSCRIBED] = "client.subscribed",
        [WEBHOOK_CLIENT_UNSUBSCRIBED] = "client.unsubscribed",
        [WEBHOOK_MESSAGE_RECEIVED] = "message.received",
        [WEBHOOK_CHANNEL_OCCUPIED] = "channel.occupied",
        [WEBHOOK_CHANNEL_VACATED] = "channel.vacated",
        [WEBHOOK_MEMBER_JOINED] = "member.joined",
        [WEBHOOK_MEMBER_LEFT] = "member.left",
        [WEBHOOK_MEMBER_UPDATED] = "member.updated",
        [WEBHOOK_USER_ONLINE] = "user.online",
        [WEBHOOK_USER_OFFLINE] = "user.offline",
    };

    return names[e];
}

uint32_t options_webhook_events(const struct options *o)
{
    uint32_t all = (1u << WEBHOOK_EVENTS) - 1, chosen = 0;

    if (*o->webhook_url == '\0') {
        return 0;
    }
    for (unsigned i = 0; i < o->webhook_events.n; i++) {
        for (unsigned e = 0; e < WEBHOOK_EVENTS; e++) {
            if (strcmp(o->webhook_events.items[i], options_webhook_name(e)) == 0) {
                chosen |= 1u << e;
            }
        }
    }
    return o->webhook_events.n ? chosen : all & ~NOT_BY_DEFAULT;
}

static int event_check(const char *text, struct errmsg *why)
{
    const char *names[WEBHOOK_EVENTS];
    char shown[VALUE_SHOWN];
    const char *near;

    for (unsigned e = 0; e < WEBHOOK_EVENTS; e++) {
        names[e] = options_webhook_name(e);
        if (strcmp(text, names[e]) == 0) {
            return 0;
        }
    }
    near = suggest(str_of(text), names, WEBHOOK_EVENTS);
    return errmsg_set(why, ERR_INVALID, "webhook-events: there is no event \"%s\"%s%s%s",
                      value_shown(text, shown), near ? "; did you mean " : ", see --help",
                      near ? near : "", near ? "?" : "");
}

int form_check_webhook(enum opt_id id, const char *value, struct errmsg *why)
{
    switch (id) {
    case OPT_ID_webhook_url:
        return form_check_url(id, value, why);
    case OPT_ID_webhook_secret:
        return form_check_secret(id, value, why);
    case OPT_ID_webhook_events:
        return event_check(value, why);
    default:
        return 0;
    }
}

int webhook_check(const struct options *o, struct errmsg *why)
{
    const char *name = o->webhook_events.n > 0   ? "webhook-events"
                       : *o->webhook_secret      ? "webhook-secret"
                       : *o->webhook_secret_file ? "webhook-secret-file"
                       : *o->webhook_ca          ? "webhook-ca"
                                                 : NULL;

    if (*o->webhook_url == '\0' && name) {
        return errmsg_set(why, ERR_STATE,
                          "%s: without webhook-url nobody is told; add it, or leave this out",
                          name);
    }
    return form_check_twice(o->webhook_secret, o->webhook_secret_file, "webhook-secret", why);
}
