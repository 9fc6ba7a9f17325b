/* options_form.h - the form of single values; inside src/conf only. */
#ifndef FF_CONF_OPTIONS_FORM_H
#define FF_CONF_OPTIONS_FORM_H

#include "conf/options.h"

/* Whether `value` is well-formed for a STRING or one item of a LIST. */
int form_check(enum opt_id id, const char *value, struct errmsg *why) FF_USE_RESULT;

/* How the name of a database begins as a value of `store`. */
#define FORM_SQLITE "sqlite:"

/* Only this host can reach it: a unix socket, 127.0.0.0/8, ::1, localhost. */
bool form_is_local(const struct listen_addr *a);

#endif
