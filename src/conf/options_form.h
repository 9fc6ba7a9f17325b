/* options_form.h - the form of single values; inside src/conf only. */
#ifndef FF_CONF_OPTIONS_FORM_H
#define FF_CONF_OPTIONS_FORM_H

#include "conf/options.h"

/* Whether `value` is well-formed for a STRING or one item of a LIST. */
int form_check(enum opt_id id, const char *value, struct errmsg *why) FF_USE_RESULT;

/* Its part for who may do what: secrets, tokens' keys, cookies, proxies, users. */
int form_check_access(enum opt_id id, const char *value, struct errmsg *why) FF_USE_RESULT;
/* One value of `listen` or `listen-plain`. */
int form_parse_listen(enum opt_id id, const char *text, struct listen_addr *out, struct errmsg *why)
    FF_USE_RESULT;

/* The value of allow-origin that stands for every origin. */
#define FORM_ANY_ORIGIN "*"
/* How the name of a database begins as a value of `store`. */
#define FORM_SQLITE "sqlite:"

/* Only this host can reach it: a unix socket, 127.0.0.0/8, ::1, localhost. */
bool form_is_local(const struct listen_addr *a);

/* And for webhooks. */
int form_check_webhook(enum opt_id id, const char *value, struct errmsg *why) FF_USE_RESULT;
/* Of either: where the application is. */
int form_check_url(enum opt_id id, const char *text, struct errmsg *why) FF_USE_RESULT;
int form_check_secret(enum opt_id id, const char *text, struct errmsg *why) FF_USE_RESULT;

/* One of two places for the same secret. */
int form_check_twice(const char *value, const char *file, const char *name, struct errmsg *why)
    FF_USE_RESULT;
/* What no single value shows of webhooks. */
int webhook_check(const struct options *o, struct errmsg *why) FF_USE_RESULT;
/* What no single value shows of keys, TLS and proxies. */
int access_check(const struct options *o, struct errmsg *why) FF_USE_RESULT;

#endif
