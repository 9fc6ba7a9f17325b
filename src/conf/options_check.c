/* options_check.c - what no single value shows. */
#include "conf/options_form.h"
#include "conf/options_rules.h"
#include "conf/options_value.h"

#include <string.h>

static int check_strings(const struct options *o, struct errmsg *why)
{
    int rc = form_check(OPT_ID_ws_path, o->ws_path, why);
    if (rc == 0) {
        rc = form_check(OPT_ID_unix_mode, o->unix_mode, why);
    }
    if (rc == 0) {
        rc = form_check(OPT_ID_log_file, o->log_file, why);
    }
    if (rc == 0) {
        rc = form_check(OPT_ID_store, o->store, why);
    }
    for (unsigned i = 0; rc == 0 && i < o->allow_origin.n; i++) {
        rc = form_check(OPT_ID_allow_origin, o->allow_origin.items[i], why);
    }
    return rc;
}

static int check_slow_rules(const struct options *o, struct errmsg *why)
{
    const struct opt_list *l = &o->slow_client_for;
    struct slow_rule a, b;
    char shown[VALUE_SHOWN];
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < l->n; i++) {
        rc = options_parse_slow_rule(l->items[i], &a, why);
        for (unsigned j = 0; rc == 0 && j < i; j++) {
            rc = options_parse_slow_rule(l->items[j], &b, why);
            if (rc == 0 && a.policy != b.policy && str_eq(a.prefix, b.prefix)) {
                rc = errmsg_set(why, ERR_EXISTS,
                                "slow-client-for: %s gives a second policy to the same prefix; "
                                "leave one out",
                                value_shown(l->items[i], shown));
            }
        }
    }
    return rc;
}

static bool same_bounds(const struct history_rule *a, const struct history_rule *b)
{
    return a->count == b->count && a->bytes == b->bytes && a->age_ms == b->age_ms;
}

static int check_history_rules(const struct options *o, struct errmsg *why)
{
    const struct opt_list *l = &o->history_for;
    struct history_rule a, b;
    struct str mine, other;
    char shown[VALUE_SHOWN];
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < l->n; i++) {
        rc = options_parse_history_rule(o, l->items[i], &mine, &a, why);
        for (unsigned j = 0; rc == 0 && j < i; j++) {
            rc = options_parse_history_rule(o, l->items[j], &other, &b, why);
            if (rc == 0 && str_eq(mine, other) && !same_bounds(&a, &b)) {
                rc = errmsg_set(why, ERR_EXISTS,
                                "history-for: %s gives second bounds to the same prefix; "
                                "leave one out",
                                value_shown(l->items[i], shown));
            }
        }
    }
    return rc;
}

/* Number `index` of listen and listen-plain together. */
static const char *address(const struct options *o, unsigned index, enum opt_id *id)
{
    bool plain = index >= o->listen.n;
    *id = plain ? OPT_ID_listen_plain : OPT_ID_listen;
    return plain ? o->listen_plain.items[index - o->listen.n] : o->listen.items[index];
}

/* The same address twice would quietly share it with itself (SO_REUSEPORT). */
static bool listed_before(const struct options *o, unsigned index, const struct listen_addr *a)
{
    struct listen_addr other;
    enum opt_id id;
    bool found = false;
    for (unsigned i = 0; !found && i < index && (a->is_unix || a->port != 0); i++) {
        found = options_parse_listen(address(o, i, &id), &other, NULL) == 0 &&
                other.is_unix == a->is_unix && other.port == a->port &&
                strcmp(other.host, a->host) == 0;
    }
    return found;
}

static int check_address(const struct options *o, unsigned index, struct errmsg *why)
{
    char shown[VALUE_SHOWN];
    struct listen_addr a;
    enum opt_id id;
    const char *text = address(o, index, &id);
    const char *name = options_info(id)->name;
    int rc = form_check(id, text, why);
    if (rc == 0) {
        rc = options_parse_listen(text, &a, why);
    }
    if (rc == 0 && listed_before(o, index, &a)) {
        rc = errmsg_set(why, ERR_EXISTS, "%s: %s is given twice", name, value_shown(text, shown));
    }
    if (rc == 0 && !o->insecure_open && !options_have_keys(o) && !form_is_local(&a)) {
        rc = errmsg_set(why, ERR_STATE,
                        "%s: other machines can reach %s, and there are no keys: configure some "
                        "(keys, api-key-file, token-key), listen on loopback, or let anyone "
                        "publish with insecure-open",
                        name, value_shown(text, shown));
    }
    return rc;
}

static int check_listen(const struct options *o, struct errmsg *why)
{
    int rc = 0;
    if (o->listen.n == 0) {
        return errmsg_set(why, ERR_INVALID, "listen: give at least one address");
    }
    for (unsigned i = 0; rc == 0 && i < o->listen.n + o->listen_plain.n; i++) {
        rc = check_address(o, i, why);
    }
    return rc;
}

int options_check(const struct options *o, struct errmsg *why)
{
    int rc = check_listen(o, why);
    if (rc == 0) {
        rc = check_strings(o, why);
    }
    if (rc == 0) {
        rc = check_slow_rules(o, why);
    }
    if (rc == 0) {
        rc = check_history_rules(o, why);
    }
    if (rc == 0) {
        rc = rules_check(o, why);
    }
    if (rc == 0) {
        rc = access_check(o, why);
    }
    if (rc == 0) {
        rc = webhook_check(o, why);
    }
    if (rc == 0 && o->max_message > o->max_body) {
        char message[VALUE_NUMBER], body[VALUE_NUMBER];
        rc = errmsg_set(why, ERR_RANGE, "max-message: %s is more than max-body, %s",
                        value_number_text(OPT_SIZE, o->max_message, message),
                        value_number_text(OPT_SIZE, o->max_body, body));
    }
    return rc;
}
