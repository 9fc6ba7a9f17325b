/* remote.h - what both ways to the application share: questions (lib/application.c) and webhooks
 * (lib/webhooks.c). Internal to src/lib. */
#ifndef FF_LIB_REMOTE_H
#define FF_LIB_REMOTE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The secret of the file that the option names, as for the option of the secret itself. An empty
 * path: *out is NULL. secretfile_free. */
int remote_secret(const char *option, const char *path, char **out, size_t *len, struct errmsg *why)
    FF_USE_RESULT;
/* Can the certificates be read? Or it would fail at each request. An empty path is fine. */
int remote_ca(const char *option, const char *path, struct errmsg *why) FF_USE_RESULT;
/* Does what is sent to the URL cross the network for all to read? */
bool remote_is_open(const char *url);

#endif
