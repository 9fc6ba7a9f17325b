/* slurp.h - a small file read whole; inside src/auth. */
#ifndef FF_AUTH_SLURP_H
#define FF_AUTH_SLURP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The end of a path, fit to stand in a sentence. */
#define SLURP_SHOWN 104
const char *slurp_shown(const char *path, char out[SLURP_SHOWN]);

/* What to refuse. */
struct slurp_rules {
    size_t max;       /* bytes */
    mode_t forbidden; /* S_IROTH, S_IWOTH */
    const char *what; /* for sentences: "the file of keys" */
};

/* *out is allocated and has a NUL behind its *len bytes; slurp_free zeroes it. ERR_SYSTEM (it
 * cannot be read), ERR_INVALID (not a regular file, too long, forbidden mode), ERR_NOMEM; the
 * sentence begins with the path. Never waits: a FIFO is refused. */
int slurp(const char *path, const struct slurp_rules *rules, char **out, size_t *len,
          struct errmsg *why) FF_USE_RESULT;
void slurp_free(char *text, size_t len); /* NULL is fine */

#endif
