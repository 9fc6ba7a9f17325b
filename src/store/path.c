#include "store/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER 100 /* bytes of the header of any SQLite database that is not empty */

const char *path_show(const char *path, char out[PATH_SHOW])
{
    size_t len = strlen(path);

    if (len < PATH_SHOW) {
        memcpy(out, path, len + 1);
    } else {
        snprintf(out, PATH_SHOW, "...%s", path + len - (PATH_SHOW - 4));
    }
    return out;
}

static int no_access(const char *path, const char *doing, struct errmsg *why)
{
    char shown[PATH_SHOW];
    int error = errno;

    path_show(path, shown);
    switch (error) {
    case EACCES:
    case EPERM:
        return errmsg_set(why, ERR_STORE,
                          "cannot %s the store %s: no permission; give this user the right to read "
                          "and write the file and its folder",
                          doing, shown);
    case EROFS:
        return errmsg_set(why, ERR_STORE,
                          "cannot %s the store %s: its file system is read-only; choose another "
                          "place or mount it writable",
                          doing, shown);
    case ENOSPC:
    case EDQUOT:
        return errmsg_set(why, ERR_STORE, "cannot %s the store %s: the disk is full; make room",
                          doing, shown);
    default:
        return errmsg_set(why, ERR_STORE, "cannot %s the store %s: %s", doing, shown,
                          strerror(error));
    }
}

/* The file is missing: because of its folder? */
static int check_folder(const char *path, struct errmsg *why)
{
    char folder[PATH_MAX], shown[PATH_SHOW];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 1;
    struct stat st;

    if (len >= sizeof folder) {
        return errmsg_set(why, ERR_INVALID, "the path of the store is too long");
    }
    memcpy(folder, slash ? path : ".", len);
    folder[len] = '\0';
    if (len == 0) {
        return 0; /* in the root */
    }
    path_show(folder, shown);
    if (stat(folder, &st) != 0) {
        if (errno == ENOENT) {
            return errmsg_set(
                why, ERR_NOT_FOUND,
                "there is no folder %s for the store; make it, owned by the user that "
                "runs the gateway",
                shown);
        }
        return no_access(path, "open", why);
    }
    if (!S_ISDIR(st.st_mode)) {
        return errmsg_set(why, ERR_INVALID, "%s is no folder, so the store cannot be in it", shown);
    }
    return 0;
}

static int make_file(const char *path, struct errmsg *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0) {
        return no_access(path, "make", why);
    }
    (void)close(fd);
    return 0;
}

/* SQLite looks at the rest. (The file must not be opened and closed here: that
 * would give up all locks that this process has on it.) */
static int check_file(const char *path, const struct stat *st, struct errmsg *why)
{
    char shown[PATH_SHOW];

    path_show(path, shown);
    if (S_ISDIR(st->st_mode)) {
        return errmsg_set(why, ERR_INVALID,
                          "%s is a folder; name a file for the store, such as %.60s/fanfare.db",
                          shown, shown);
    }
    if (!S_ISREG(st->st_mode)) {
        return errmsg_set(why, ERR_INVALID, "%s is no regular file, so it cannot be a store",
                          shown);
    }
    if (st->st_size > 0 && st->st_size < HEADER) {
        return errmsg_set(why, ERR_INVALID,
                          "%s is not an SQLite database, so it is no store; name another file",
                          shown);
    }
    return 0;
}

int path_check(const char *path, bool create, bool write, struct errmsg *why)
{
    char shown[PATH_SHOW];
    struct stat st;
    int rc;

    if (stat(path, &st) == 0) {
        rc = check_file(path, &st, why);
        if (rc == 0 && faccessat(AT_FDCWD, path, write ? R_OK | W_OK : R_OK, AT_EACCESS) != 0) {
            rc = no_access(path, write ? "write" : "read", why);
        }
        return rc;
    }
    if (errno == ENOTDIR || errno == ENOENT) {
        if (create) {
            rc = check_folder(path, why);
            return rc ? rc : make_file(path, why);
        }
        return errmsg_set(why, ERR_NOT_FOUND, "there is no store %s", path_show(path, shown));
    }
    return no_access(path, "open", why);
}
