/* keyfile_build.h - from the text to the keys; inside src/auth. */
#ifndef FF_AUTH_KEYFILE_BUILD_H
#define FF_AUTH_KEYFILE_BUILD_H

#include "auth/keydoc.h"

/* Looks peers up, and checks that no peer and no certificate is that of two keys. `path` is for
 * sentences, as keydoc_parse has it. */
int keyfile_build(const char *path, const struct keydoc *d, struct keyfile **out,
                  struct errmsg *why) FF_USE_RESULT;

#endif
