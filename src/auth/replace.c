#include "auth/replace.h"

#include "auth/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 50, PAUSE_MS = 100 };

static int failed(const char *path, const char *doing, struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    int error = errno;

    return errmsg_set(why, error == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, "%s: %s: %s",
                      slurp_shown(path, shown), doing, strerror(error));
}

/* The file behind links; the path itself if there is none yet. */
static int resolve(const char *path, bool may_be_new, struct replace *r, struct errmsg *why)
{
    struct stat st;
    size_t len = strlen(path);
    const char *slash;

    if (realpath(path, r->path)) {
        r->exists = true;
    } else if (errno != ENOENT || !may_be_new || lstat(path, &st) == 0 || len >= PATH_MAX) {
        return failed(path, "cannot change the file", why);
    } else {
        memcpy(r->path, path, len + 1);
    }
    slash = strrchr(r->path, '/');
    if (!slash) {
        memcpy(r->folder, ".", 2);
    } else {
        len = slash == r->path ? 1 : (size_t)(slash - r->path);
        memcpy(r->folder, r->path, len);
        r->folder[len] = '\0';
    }
    return 0;
}

static int lock_folder(int dir)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    int rc = -1;

    for (int i = 0; i < TRIES && rc != 0; i++) {
        rc = flock(dir, LOCK_EX | LOCK_NB);
        if (rc != 0 && errno != EWOULDBLOCK && errno != EINTR) {
            return ERR_SYSTEM;
        }
        if (rc != 0) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return rc == 0 ? 0 : ERR_BUSY;
}

int replace_begin(const char *path, bool may_be_new, struct replace *r, struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    int rc;

    r->dir = -1;
    r->exists = false;
    rc = resolve(path, may_be_new, r, why);
    if (rc != 0) {
        return rc;
    }
    r->dir = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir < 0) {
        return failed(r->folder, "cannot open the folder", why);
    }
    rc = lock_folder(r->dir);
    if (rc == ERR_BUSY) {
        (void)errmsg_set(why, rc, "%s: somebody else is changing the file; try again",
                         slurp_shown(path, shown));
    } else if (rc != 0) {
        rc = failed(path, "cannot lock the folder", why);
    }
    if (rc != 0) {
        replace_end(r);
        return rc;
    }
    /* It may have come or gone while we waited. */
    r->exists = access(r->path, F_OK) == 0;
    return 0;
}

static bool write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text.p += n > 0 ? n : 0;
        text.len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* mkostemp made it 0600 and ours. */
static bool take_over_mode(int fd, const char *from)
{
    struct stat old, now;

    if (stat(from, &old) != 0 || fstat(fd, &now) != 0) {
        return false;
    }
    if ((old.st_uid != now.st_uid || old.st_gid != now.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) != 0) {
        return false;
    }
    return fchmod(fd, old.st_mode & 07777) == 0;
}

int replace_commit(struct replace *r, struct str text, struct errmsg *why)
{
    char temp[PATH_MAX + 16];
    int rc = 0;

    (void)snprintf(temp, sizeof temp, "%s.new-XXXXXX", r->path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        return failed(r->path, "cannot write a new file beside it", why);
    }
    if (r->exists && !take_over_mode(fd, r->path)) {
        rc = failed(r->path, "cannot give the new file the owner and mode of the old", why);
    } else if (!write_all(fd, text) || fsync(fd) != 0) {
        rc = failed(r->path, "cannot write the new file", why);
    }
    if (close(fd) != 0 && rc == 0) {
        rc = failed(r->path, "cannot write the new file", why);
    }
    if (rc == 0 && rename(temp, r->path) != 0) {
        rc = failed(r->path, "cannot put the new file in place", why);
    }
    if (rc != 0) {
        (void)unlink(temp);
        return rc;
    }
    return fsync(r->dir) == 0 ? 0 : failed(r->folder, "cannot sync the folder", why);
}

void replace_end(struct replace *r)
{
    if (r->dir >= 0) {
        (void)close(r->dir); /* the lock goes with it */
        r->dir = -1;
    }
}
