/* options_value.h - text to values and back; inside src/conf only. */
#ifndef FF_CONF_OPTIONS_VALUE_H
#define FF_CONF_OPTIONS_VALUE_H

#include "conf/options.h"

/* Values come from outside: this makes one fit to stand in a sentence. Control
 * bytes become '?', long texts are cut. */
#define VALUE_SHOWN 72
const char *value_shown(const char *text, char buf[VALUE_SHOWN]);

/* What is wrong with the beginning of channels' names, NULL if nothing. */
const char *value_prefix_fault(struct str prefix);

/* These three write the sentence to `why` on failure, beginning with the
 * option's name. value_number takes UINT, SIZE and TIME and checks the limits. */
int value_number(const struct opt_info *info, const char *text, uint64_t *out, struct errmsg *why)
    FF_USE_RESULT;
int value_bool(const struct opt_info *info, const char *text, bool *out, struct errmsg *why)
    FF_USE_RESULT;
int value_enum(const struct opt_info *info, const char *text, unsigned *out, struct errmsg *why)
    FF_USE_RESULT;

/* A number in the largest unit that keeps it whole: 1m, 90s, 4k. */
#define VALUE_NUMBER 24
const char *value_number_text(enum opt_type type, uint64_t v, char buf[VALUE_NUMBER]);

#endif
