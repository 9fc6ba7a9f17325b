#include "auth/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *slurp_shown(const char *path, char out[SLURP_SHOWN])
{
    size_t len = strlen(path);

    if (len < SLURP_SHOWN) {
        memcpy(out, path, len + 1);
    } else {
        (void)snprintf(out, SLURP_SHOWN, "...%s", path + len - (SLURP_SHOWN - 4));
    }
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    return out;
}

static int check_file(int fd, const struct slurp_rules *rules, const char *shown, size_t *size,
                      struct errmsg *why)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "%s: %s", shown, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return errmsg_set(why, ERR_INVALID, "%s: %s must be a regular file", shown, rules->what);
    }
    if ((st.st_mode & rules->forbidden) != 0) {
        return errmsg_set(why, ERR_INVALID,
                          "%s: everybody may %s this file (mode %04o), and %s is not for "
                          "everybody; chmod o-rw, better 600, and let the gateway's user own it",
                          shown, st.st_mode & rules->forbidden & S_IROTH ? "read" : "write",
                          (unsigned)st.st_mode & 07777, rules->what);
    }
    if ((uintmax_t)st.st_size > rules->max) {
        return errmsg_set(why, ERR_INVALID, "%s: %s has at most %zu bytes, this has %ju", shown,
                          rules->what, rules->max, (uintmax_t)st.st_size);
    }
    *size = (size_t)st.st_size;
    return 0;
}

/* As much as there is, at most `size` bytes: it may have been cut meanwhile. */
static ssize_t read_up_to(int fd, char *to, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, to + have, size - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int slurp(const char *path, const struct slurp_rules *rules, char **out, size_t *len,
          struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    size_t size = 0;
    ssize_t got;
    int rc;

    *out = NULL;
    *len = 0;
    slurp_shown(path, shown);
    if (fd < 0) {
        return errmsg_set(why, ERR_SYSTEM, "%s: %s", shown, strerror(errno));
    }
    rc = check_file(fd, rules, shown, &size, why);
    if (rc != 0) {
        goto out;
    }
    text = malloc(size + 1);
    if (!text) {
        rc = errmsg_set(why, ERR_NOMEM, "%s: %s", shown, err_text(ERR_NOMEM));
        goto out;
    }
    got = read_up_to(fd, text, size);
    if (got < 0) {
        rc = errmsg_set(why, ERR_SYSTEM, "%s: %s", shown, strerror(errno));
        slurp_free(text, size);
        goto out;
    }
    text[got] = '\0';
    *out = text;
    *len = (size_t)got;
out:
    close(fd);
    return rc;
}

void slurp_free(char *text, size_t len)
{
    if (text) {
        explicit_bzero(text, len);
        free(text);
    }
}
