/* path.h - is there a file that can be a store? Internal to store. */
#ifndef FF_STORE_PATH_H
#define FF_STORE_PATH_H

#include "base/err.h"

#include <stdbool.h>

/* A path for a sentence: of a long one the end. */
#define PATH_SHOW 120
const char *path_show(const char *path, char out[PATH_SHOW]);

/* Looks at the file before SQLite does, which would not say so precisely what is
 * wrong. With `create` a missing one is made, empty, mode 0640. `write`: it will
 * be written. ERR_NOT_FOUND, ERR_INVALID (a folder, not SQLite), ERR_STORE. */
int path_check(const char *path, bool create, bool write, struct errmsg *why) FF_USE_RESULT;

#endif
