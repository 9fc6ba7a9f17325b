/* revfile.h - the file behind --revocations: lines that are appended and synced. Inside src/auth;
 * the owner locks.
 *
 *     <8 hex> user <since ms> <until ms> <name>
 *     <8 hex> token <since ms> <until ms> <jti>
 *     <8 hex> unuser 0 0 <name>              and untoken: forgotten again
 *
 * The first field is the beginning of the SHA-256 of what follows the space behind it. In names,
 * bytes up to 0x20, 0x7f and % are %XX. What a crash left of a last line without its newline was
 * never said to be durable and is cut off; any other damage is an error that names the line. */
#ifndef FF_AUTH_REVFILE_H
#define FF_AUTH_REVFILE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define REVFILE_NAME_MAX 256

struct revline {
    bool is_user;
    bool undo;
    uint64_t since_ms, until_ms;
    struct str name; /* 1 to REVFILE_NAME_MAX bytes */
};

struct revfile;

/* Makes the file (0600) if there is none, and calls for each line in its order; a call's failure
 * (with its sentence in `why`) is the function's. ERR_IN_USE: another process has it. */
int revfile_open(const char *path, int (*each)(void *ctx, const struct revline *l), void *ctx,
                 struct revfile **out, struct errmsg *why) FF_USE_RESULT;
void revfile_close(struct revfile *f); /* NULL is fine */
/* On return 0 it is on the disk; on failure the file is as if it had not been tried. */
int revfile_append(struct revfile *f, const struct revline *l, struct errmsg *why) FF_USE_RESULT;
/* Lines in the file; and whether it cannot be appended to before it was written anew. */
unsigned long revfile_lines(const struct revfile *f);
bool revfile_is_broken(const struct revfile *f);

/* Writes it anew: begin, put, end; the old one is in place until the end. After a failed put, end
 * fails. */
int revfile_begin(struct revfile *f, struct errmsg *why) FF_USE_RESULT;
void revfile_put(struct revfile *f, const struct revline *l);
int revfile_end(struct revfile *f, struct errmsg *why) FF_USE_RESULT;

#endif
