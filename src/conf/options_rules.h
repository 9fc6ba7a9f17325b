/* options_rules.h - values of the form PREFIX=...; inside src/conf only. */
#ifndef FF_CONF_OPTIONS_RULES_H
#define FF_CONF_OPTIONS_RULES_H

#include "conf/options.h"

/* Takes PREFIX=VALUE apart at the last "=". Every channel begins with an empty prefix. The
 * sentence has the option's form and the example. */
int rule_split(enum opt_id id, const char *text, const char *example, struct str *prefix,
               const char **value, struct errmsg *why) FF_USE_RESULT;
/* The next part of a value with commas, up to one or the end, as a value of the option `like`
 * but called `id`; *out is left alone if the part is empty. */
int value_part(const char **at, enum opt_id id, enum opt_id like, uint64_t *out, struct errmsg *why)
    FF_USE_RESULT;

/* No two rules for one prefix, in any of the options with permits and limits. */
int rules_check(const struct options *o, struct errmsg *why) FF_USE_RESULT;

#endif
