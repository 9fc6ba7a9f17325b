/* options_rules.c - values of the form PREFIX=... */
#include "conf/options_rules.h"

#include "conf/options_value.h"

#include <string.h>

/* More than a number with its unit can need. */
#define PART_MAX 32

int rule_split(enum opt_id id, const char *text, const char *example, struct str *prefix,
               const char **value, struct errmsg *why)
{
    const struct opt_info *info = options_info(id);
    const char *eq = strrchr(text, '='); /* a prefix may have others */
    char shown[VALUE_SHOWN];
    const char *reason = NULL;

    *prefix = STR_NONE;
    *value = "";
    if (eq == NULL) {
        reason = "there is no \"=\"";
    } else if (eq[1] == '\0') {
        reason = "nothing follows the \"=\"";
    } else {
        *prefix = (struct str){text, (size_t)(eq - text)};
        *value = eq + 1;
        reason = value_prefix_fault(*prefix);
    }
    if (reason == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID, "%s: \"%s\": %s; write %s, such as %s", info->name,
                      value_shown(text, shown), reason, info->arg, example);
}

int value_part(const char **at, enum opt_id id, enum opt_id like, uint64_t *out, struct errmsg *why)
{
    struct opt_info info = *options_info(like);
    char part[PART_MAX], shown[VALUE_SHOWN];
    size_t len = strcspn(*at, ",");

    info.name = options_info(id)->name; /* it says what was wrong */
    if (len >= PART_MAX) {
        return errmsg_set(why, ERR_INVALID, "%s: \"%s\": this is too long for a number", info.name,
                          value_shown(*at, shown));
    }
    memcpy(part, *at, len);
    part[len] = '\0';
    *at += (*at)[len] == ',' ? len + 1 : len;
    return len > 0 ? value_number(&info, part, out, why) : 0;
}

static int check_list(enum opt_id id, const struct opt_list *l, struct errmsg *why)
{
    char shown[VALUE_SHOWN];

    for (unsigned i = 0; i < l->n; i++) {
        size_t len = (size_t)(strrchr(l->items[i], '=') - l->items[i]) + 1; /* checked */
        for (unsigned j = 0; j < i; j++) {
            const char *other = l->items[j];
            if (strncmp(l->items[i], other, len) == 0 && strrchr(other, '=') == other + len - 1 &&
                strcmp(l->items[i], other) != 0) {
                return errmsg_set(why, ERR_EXISTS,
                                  "%s: %s is a second rule for the same prefix; leave one out",
                                  options_info(id)->name, value_shown(l->items[i], shown));
            }
        }
    }
    return 0;
}

int rules_check(const struct options *o, struct errmsg *why)
{
    int rc = check_list(OPT_ID_subscribe_for, &o->subscribe_for, why);
    if (rc == 0) {
        rc = check_list(OPT_ID_publish_for, &o->publish_for, why);
    }
    if (rc == 0) {
        rc = check_list(OPT_ID_rate_for, &o->rate_for, why);
    }
    if (rc == 0) {
        rc = check_list(OPT_ID_max_subscribers_for, &o->max_subscribers_for, why);
    }
    return rc;
}
