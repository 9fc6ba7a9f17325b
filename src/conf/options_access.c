/* options_access.c - who may subscribe and publish, and how much, by channel. */
#include "conf/options.h"
#include "conf/options_rules.h"
#include "conf/options_value.h"

#include <string.h>

#define CHOICES_SUBSCRIBE "anyone|user|granted|nobody"
#define CHOICES_PUBLISH "granted|nobody"

int options_parse_permit_rule(enum opt_id id, const char *text, struct permit_rule *out,
                              struct errmsg *why)
{
    bool publish = id == OPT_ID_publish_for;
    struct opt_info info = *options_info(id);
    const char *value;
    unsigned choice = 0;

    *out = (struct permit_rule){STR_NONE, WHO_NOBODY};
    int rc = rule_split(id, text, publish ? "orders.=granted" : "news.=anyone", &out->prefix,
                        &value, why);
    if (rc == 0) {
        info.arg = publish ? CHOICES_PUBLISH : CHOICES_SUBSCRIBE;
        rc = value_enum(&info, value, &choice, why);
    }
    if (rc == 0) {
        out->who = (enum permit_who)(choice + (publish ? WHO_GRANTED : WHO_ANYONE));
    }
    return rc;
}

int options_parse_rate_rule(const char *text, struct rate_rule *out, struct errmsg *why)
{
    uint64_t count = 0;
    const char *value;

    *out = (struct rate_rule){STR_NONE, 0, 0};
    int rc = rule_split(OPT_ID_rate_for, text, "orders.=100,1m", &out->prefix, &value, why);
    if (rc == 0) {
        rc = value_part(&value, OPT_ID_rate_for, OPT_ID_publish_rate, &count, why);
    }
    if (rc == 0) {
        rc = value_part(&value, OPT_ID_rate_for, OPT_ID_publish_bytes, &out->bytes, why);
    }
    if (rc == 0 && *value != '\0') {
        rc = errmsg_set(why, ERR_INVALID, "rate-for: there are more than a number and a size");
    }
    out->count = (uint32_t)count; /* the limits fit */
    return rc;
}

int options_parse_count_rule(const char *text, struct count_rule *out, struct errmsg *why)
{
    struct opt_info info = *options_info(OPT_ID_max_per_user); /* for its limits */
    uint64_t count = 0;
    const char *value;

    *out = (struct count_rule){STR_NONE, 0};
    info.name = options_info(OPT_ID_max_subscribers_for)->name;
    int rc = rule_split(OPT_ID_max_subscribers_for, text, "orders.=500", &out->prefix, &value, why);
    if (rc == 0) {
        rc = value_number(&info, value, &count, why);
    }
    out->count = (uint32_t)count;
    return rc;
}

/* ---- what the rules say of a name ---------------------------------------- */

/* How much of the name is the prefix of a private or presence channel; 0 of others. */
static size_t reserved_len(struct str name)
{
    return str_starts(name, STR_LIT("private-"))    ? sizeof "private-" - 1
           : str_starts(name, STR_LIT("presence-")) ? sizeof "presence-" - 1
                                                    : 0;
}

static struct str next_segment(struct str *rest, bool *last)
{
    const char *dot = memchr(rest->p, '.', rest->len);
    struct str segment = {rest->p, dot != NULL ? (size_t)(dot - rest->p) : rest->len};

    *last = dot == NULL;
    if (dot != NULL) {
        *rest = (struct str){dot + 1, rest->len - segment.len - 1};
    }
    return segment;
}

/* Where the first wildcard of a pattern is; the length of a plain name. */
static size_t literal_len(struct str name)
{
    struct str rest = name;
    bool last = name.len == 0;

    while (!last) {
        struct str segment = next_segment(&rest, &last);
        if (str_eq(segment, STR_LIT("*")) || (last && str_eq(segment, STR_LIT(">")))) {
            return (size_t)(segment.p - name.p);
        }
    }
    return name.len;
}

/* May some channel that the pattern matches begin with the prefix? */
static bool pattern_reaches(struct str pattern, struct str prefix)
{
    bool last = false, prefix_last = false;

    if (reserved_len(prefix) != reserved_len(pattern)) {
        return false; /* wildcards do not match private and presence channels */
    }
    for (;;) {
        struct str have = next_segment(&pattern, &last);
        struct str want = next_segment(&prefix, &prefix_last);
        if (last && str_eq(have, STR_LIT(">"))) {
            return true;
        }
        bool any = str_eq(have, STR_LIT("*"));
        if (prefix_last) {
            return any || str_starts(have, want);
        }
        if (last || (!any && !str_eq(have, want))) {
            return false;
        }
    }
}

/* A rule for a shorter prefix was not meant for private and presence channels: it cannot
 * open them, but it can close them. */
static enum permit_who strict_enough(const struct permit_rule *rule, size_t reserved)
{
    return rule->prefix.len < reserved && rule->who < WHO_GRANTED ? WHO_GRANTED : rule->who;
}

enum permit_who options_subscribe_who(const struct options *o, struct str name)
{
    size_t reserved = reserved_len(name), literal = literal_len(name), longest = 0;
    enum permit_who base = reserved > 0 ? WHO_GRANTED : WHO_ANYONE, strictest = WHO_ANYONE;
    struct str head = {name.p, literal};
    struct permit_rule rule;
    bool found = false;

    for (unsigned i = 0; i < o->subscribe_for.n; i++) {
        if (options_parse_permit_rule(OPT_ID_subscribe_for, o->subscribe_for.items[i], &rule,
                                      NULL) != 0) {
            return WHO_NOBODY; /* never: rules are checked when they are set */
        }
        if (str_starts(head, rule.prefix)) { /* for all that the name stands for */
            if (!found || rule.prefix.len > longest) {
                found = true;
                longest = rule.prefix.len;
                base = strict_enough(&rule, reserved);
            }
        } else if (literal < name.len && rule.who > strictest &&
                   pattern_reaches(name, rule.prefix)) {
            strictest = rule.who;
        }
    }
    return base > strictest ? base : strictest;
}

enum permit_who options_publish_who(const struct options *o, struct str channel)
{
    enum permit_who who = WHO_GRANTED;
    struct permit_rule rule;
    size_t longest = 0;

    for (unsigned i = 0; i < o->publish_for.n; i++) {
        if (options_parse_permit_rule(OPT_ID_publish_for, o->publish_for.items[i], &rule, NULL) !=
            0) {
            return WHO_NOBODY; /* never */
        }
        if (rule.prefix.len >= longest && str_starts(channel, rule.prefix)) {
            longest = rule.prefix.len;
            who = rule.who;
        }
    }
    return who;
}

uint32_t options_max_subscribers(const struct options *o, struct str channel)
{
    struct count_rule rule;
    uint32_t count = 0;
    size_t longest = 0;

    for (unsigned i = 0; i < o->max_subscribers_for.n; i++) {
        if (options_parse_count_rule(o->max_subscribers_for.items[i], &rule, NULL) == 0 &&
            rule.prefix.len >= longest && str_starts(channel, rule.prefix)) {
            longest = rule.prefix.len;
            count = rule.count;
        }
    }
    return count;
}

bool options_have_keys(const struct options *o)
{
    return *o->keys != '\0' || *o->api_key != '\0' || *o->api_key_file != '\0' ||
           o->token_key.n > 0 || *o->token_secret != '\0' || *o->token_jwks != '\0' ||
           *o->auth_url != '\0';
}
