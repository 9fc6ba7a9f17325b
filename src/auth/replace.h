/* replace.h - a file changed in one step; inside src/auth. */
#ifndef FF_AUTH_REPLACE_H
#define FF_AUTH_REPLACE_H

#include "base/err.h"
#include "base/str.h"

#include <limits.h>
#include <stdbool.h>

struct replace {
    char path[PATH_MAX];   /* of the file itself, behind symbolic links */
    char folder[PATH_MAX]; /* where it is */
    int dir;               /* that folder, locked; -1: not begun */
    bool exists;
};

/* Waits a few seconds at most for somebody else who is changing a file of that folder this way.
 * ERR_NOT_FOUND: there is no such file (and `may_be_new` is false). ERR_SYSTEM, ERR_BUSY,
 * ERR_INVALID. The sentence begins with the path. */
int replace_begin(const char *path, bool may_be_new, struct replace *r, struct errmsg *why)
    FF_USE_RESULT;
/* Writes beside, syncs, and renames: the old file or the new one is there, whole. The new one has
 * the mode and the owner of the old, or 0600. ERR_SYSTEM: the old one is there, or, if only the
 * last sync of the folder failed, the new one. */
int replace_commit(struct replace *r, struct str text, struct errmsg *why) FF_USE_RESULT;
/* Lets go, committed or not. Fine after a failed or no begin. */
void replace_end(struct replace *r);

#endif
