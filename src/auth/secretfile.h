/* secretfile.h - files that have a secret in them. */
#ifndef FF_AUTH_SECRETFILE_H
#define FF_AUTH_SECRETFILE_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

#define SECRETFILE_MAX 65536

/* The bytes of the file without one final newline, allocated, with a NUL behind them; to be given
 * back with secretfile_free. Refused with a sentence: a file that everybody may read or write
 * (as ssh does), one that is no regular file, one over SECRETFILE_MAX bytes, an empty one.
 * ERR_SYSTEM, ERR_INVALID, ERR_NOMEM; the sentence begins with the path and has no secret. */
int secretfile_read(const char *path, char **out, size_t *len, struct errmsg *why) FF_USE_RESULT;
/* Zeroes first. NULL is fine. */
void secretfile_free(char *secret, size_t len);

#endif
