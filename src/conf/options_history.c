/* options_history.c - what is kept of whom, and where. */
#include "conf/options.h"
#include "conf/options_form.h"
#include "conf/options_value.h"

#include <string.h>

/* More than a number with its unit can need. */
#define PART_MAX 32

static int wrong(struct errmsg *why, const char *text, const char *reason)
{
    char shown[VALUE_SHOWN];
    return errmsg_set(why, ERR_INVALID,
                      "history-for: \"%s\": %s; write PREFIX=N[,SIZE[,TIME]], such as "
                      "orders.=5000,8m,24h",
                      value_shown(text, shown), reason);
}

/* The next part, up to a comma or the end, as a value like that of option `id`;
 * *out is left alone if the part is empty. */
static int next_part(const char **at, enum opt_id id, uint64_t *out, struct errmsg *why)
{
    struct opt_info info = *options_info(id);
    const char *from = *at;
    size_t len = strcspn(from, ",");
    char part[PART_MAX];

    if (len >= PART_MAX) {
        return wrong(why, from, "this is too long for a number");
    }
    memcpy(part, from, len);
    part[len] = '\0';
    *at += from[len] == ',' ? len + 1 : len;
    info.name = options_info(OPT_ID_history_for)->name; /* it says what was wrong */
    return len > 0 ? value_number(&info, part, out, why) : 0;
}

/* What is after the "=" of a rule. */
static int parse_bounds(const struct options *o, const char *text, struct history_rule *out,
                        struct errmsg *why)
{
    uint64_t count = o->history;

    *out = (struct history_rule){0, o->history_bytes, o->history_age};
    int rc = next_part(&text, OPT_ID_history, &count, why);
    if (rc == 0) {
        rc = next_part(&text, OPT_ID_history_bytes, &out->bytes, why);
    }
    if (rc == 0) {
        rc = next_part(&text, OPT_ID_history_age, &out->age_ms, why);
    }
    out->count = out->bytes > 0 ? (uint32_t)count : 0; /* the limits fit */
    return rc;
}

static unsigned commas(const char *text)
{
    unsigned n = 0;

    for (; *text != '\0'; text++) {
        n += *text == ',';
    }
    return n;
}

int options_parse_history_rule(const struct options *o, const char *text, struct str *prefix,
                               struct history_rule *out, struct errmsg *why)
{
    const char *eq = strrchr(text, '='); /* a prefix may have others */
    size_t len = eq != NULL ? (size_t)(eq - text) : 0;

    *prefix = (struct str){text, len};
    *out = (struct history_rule){0, 0, 0};
    if (eq == NULL) {
        return wrong(why, text, "there is no \"=\" and number of messages");
    }
    if (len == 0) {
        return wrong(why, text, "the prefix is missing (for all channels there is history)");
    }
    const char *reason = value_prefix_fault(*prefix);
    if (reason != NULL) {
        return wrong(why, text, reason);
    }
    if (eq[1 + strspn(eq + 1, ",")] == '\0') {
        return wrong(why, text, "nothing follows the \"=\"");
    }
    if (commas(eq + 1) > 2) {
        return wrong(why, text, "there are more than a number, a size and a time");
    }
    return parse_bounds(o, eq + 1, out, why);
}

struct history_rule options_channel_history(const struct options *o, struct str channel)
{
    const struct opt_list *l = &o->history_for;
    struct history_rule rule = options_everyone_history(o);
    const char *longest = NULL; /* its "=" */
    size_t len = 0;

    for (unsigned i = 0; i < l->n; i++) {
        const char *eq = strrchr(l->items[i], '='); /* checked */
        struct str prefix = {l->items[i], (size_t)(eq - l->items[i])};
        if (prefix.len > len && str_starts(channel, prefix)) {
            len = prefix.len;
            longest = eq;
        }
    }
    if (longest != NULL) {
        struct history_rule own;
        if (parse_bounds(o, longest + 1, &own, NULL) == 0) { /* checked too */
            rule = own;
        }
    }
    return rule;
}

struct history_rule options_everyone_history(const struct options *o)
{
    uint32_t count = o->history_bytes > 0 ? o->history : 0;

    return (struct history_rule){count, o->history_bytes, o->history_age};
}

struct history_rule options_user_history(const struct options *o)
{
    uint32_t count = o->user_history_bytes > 0 ? o->user_history : 0;

    return (struct history_rule){count, o->user_history_bytes, o->user_history_age};
}

const char *options_store_path(const struct options *o)
{
    size_t len = sizeof FORM_SQLITE - 1;

    return strncmp(o->store, FORM_SQLITE, len) == 0 ? o->store + len : NULL;
}
