/* options_slow.c - the policy for slow clients, by channel. */
#include "conf/options.h"
#include "conf/options_value.h"

#include <string.h>

static int wrong(struct errmsg *why, const char *text, const char *reason)
{
    char shown[VALUE_SHOWN];
    return errmsg_set(why, ERR_INVALID,
                      "slow-client-for: \"%s\": %s; write PREFIX=POLICY, such as ticks.=conflate",
                      value_shown(text, shown), reason);
}

int options_parse_slow_rule(const char *text, struct slow_rule *out, struct errmsg *why)
{
    const char *eq = strrchr(text, '='); /* a prefix may have others */
    size_t len = eq != NULL ? (size_t)(eq - text) : 0;
    struct opt_info info = *options_info(OPT_ID_slow_client);
    unsigned policy = 0;
    int rc;

    *out = (struct slow_rule){STR_NONE, SLOW_DISCONNECT};
    if (eq == NULL) {
        return wrong(why, text, "there is no \"=\" and policy");
    }
    if (len == 0) {
        return wrong(why, text, "the prefix is missing (for all channels there is slow-client)");
    }
    const char *reason = value_prefix_fault((struct str){text, len});
    if (reason != NULL) {
        return wrong(why, text, reason);
    }
    info.name = options_info(OPT_ID_slow_client_for)->name; /* it says what was wrong */
    rc = value_enum(&info, eq + 1, &policy, why);
    *out = (struct slow_rule){{text, len}, (enum slow_client)policy};
    return rc;
}

/* Of a rule that was checked; this is asked for each message while clients lag. */
static struct slow_rule checked_rule(const char *text)
{
    const char *eq = strrchr(text, '=');
    enum slow_client policy = eq[1] == 'c'   ? SLOW_CONFLATE
                              : eq[2] == 'r' ? SLOW_DROP_OLDEST
                                             : SLOW_DISCONNECT;
    return (struct slow_rule){{text, (size_t)(eq - text)}, policy};
}

enum slow_client options_slow_client(const struct options *o, struct str channel)
{
    const struct opt_list *l = &o->slow_client_for;
    enum slow_client policy = (enum slow_client)o->slow_client;
    size_t longest = 0;

    for (unsigned i = 0; i < l->n; i++) {
        struct slow_rule rule = checked_rule(l->items[i]);
        if (rule.prefix.len > longest && str_starts(channel, rule.prefix)) {
            longest = rule.prefix.len;
            policy = rule.policy;
        }
    }
    return policy;
}

bool options_slow_any(const struct options *o, enum slow_client policy)
{
    bool found = o->slow_client == policy;

    for (unsigned i = 0; !found && i < o->slow_client_for.n; i++) {
        found = checked_rule(o->slow_client_for.items[i]).policy == policy;
    }
    return found;
}
