/* user.c - giving root's rights up. */
#include "fanfare/user.h"

#include "fanfare/args.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int fail(struct fanfare_why *why, int status,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return status;
}

/* ---- who ---- */

/* All digits, and not (uid_t)-1, which means "leave it" to the kernel. */
static bool number_of(const char *text, unsigned *out)
{
    unsigned long v;

    if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    v = strtoul(text, NULL, 10);
    *out = (unsigned)v;
    return errno == 0 && v < 0xffffffffUL;
}

static int find_group(const char *text, gid_t *out, struct fanfare_why *why)
{
    const struct group *g = getgrnam(text);
    unsigned number;

    if (g != NULL) {
        *out = g->gr_gid;
    } else if (number_of(text, &number)) {
        *out = number;
    } else {
        return fail(why, STATUS_USAGE, "user: there is no group \"%.60s\"", text);
    }
    return 0;
}

int user_find(const char *text, struct user *out, struct fanfare_why *why)
{
    const char *colon = strchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    char name[sizeof out->name];
    unsigned number = 0;

    *out = (struct user){0};
    if (*text == '\0') {
        return 0;
    }
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), text);
    const struct passwd *pw = len < sizeof name ? getpwnam(name) : NULL;
    if (pw == NULL && len < sizeof name && number_of(name, &number)) {
        pw = getpwuid(number);
        if (pw == NULL && colon == NULL) {
            return fail(why, STATUS_USAGE, "user: nobody is known by the number %s; write %s:GROUP",
                        name, name);
        }
    } else if (pw == NULL) {
        return fail(why, STATUS_USAGE, "user: there is no user \"%s\"", name);
    }
    out->wanted = true;
    out->uid = pw != NULL ? pw->pw_uid : number;
    out->gid = pw != NULL ? pw->pw_gid : 0;
    snprintf(out->name, sizeof out->name, "%s", pw != NULL ? pw->pw_name : "");
    if (out->uid == 0) {
        return fail(why, STATUS_USAGE,
                    "user: root's rights cannot be given up by being root; "
                    "name another user");
    }
    out->group_given = colon != NULL;
    return colon != NULL ? find_group(colon + 1, &out->gid, why) : 0;
}

int user_may(const struct user *u, struct fanfare_why *why)
{
    if (!u->wanted || geteuid() == 0) {
        return 0;
    }
    if (geteuid() != u->uid || getuid() != u->uid || (u->group_given && getegid() != u->gid)) {
        return fail(why, STATUS_FAILED,
                    "user: only root can go on as another user, and this process runs as user %u, "
                    "group %u; start it as root, or as that user, or leave --user out",
                    (unsigned)geteuid(), (unsigned)getegid());
    }
    return 0;
}

/* ---- for a while ---- */

static int failed(const struct user *u, const char *what, struct fanfare_why *why)
{
    return fail(why, STATUS_FAILED, "user: cannot %s (user %u, group %u): %s", what,
                (unsigned)u->uid, (unsigned)u->gid, strerror(errno));
}

/* The groups of the user, and none of root's. */
static int take_groups(const struct user *u)
{
    return u->name[0] != '\0' ? initgroups(u->name, u->gid) : setgroups(1, &u->gid);
}

int user_borrow(const struct user *u, struct fanfare_why *why)
{
    if (!u->wanted || geteuid() != 0) {
        return 0;
    }
    if (take_groups(u) != 0) {
        return failed(u, "take the groups of the user", why);
    }
    if (setegid(u->gid) != 0 || seteuid(u->uid) != 0) {
        return failed(u, "act as the user", why);
    }
    return 0;
}

int user_give_back(const struct user *u, struct fanfare_why *why)
{
    /* The groups stay the user's: root has no need of any. */
    if (u->wanted && getuid() == 0 && (seteuid(0) != 0 || setegid(getgid()) != 0)) {
        return failed(u, "be root again", why);
    }
    return 0;
}

/* ---- for good ---- */

int user_own_socket(const struct user *u, const char *path, struct fanfare_why *why)
{
    struct stat st;

    if (!u->wanted || geteuid() != 0) {
        return 0;
    }
    /* By a descriptor: what somebody may have put in its place is not given away. */
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool done = fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
                fchownat(fd, "", u->uid, u->gid, AT_EMPTY_PATH) == 0;
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    return done ? 0
                : fail(why, STATUS_FAILED, "user: cannot hand the socket %.150s over: %s", path,
                       strerror(saved));
}

static bool is_only(const struct user *u)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;

    return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == u->uid &&
           e == u->uid && s == u->uid && rg == u->gid && eg == u->gid && sg == u->gid;
}

static int change(const struct user *u, struct fanfare_why *why)
{
    if (take_groups(u) != 0) {
        return failed(u, "take the groups of the user", why);
    }
    if (setresgid(u->gid, u->gid, u->gid) != 0) {
        return failed(u, "change the group", why);
    }
    if (setresuid(u->uid, u->uid, u->uid) != 0) {
        return failed(u, "change the user", why);
    }
    if (!is_only(u) || setuid(0) == 0 || seteuid(0) == 0 || (u->gid != 0 && setgid(0) == 0)) {
        return fail(why, STATUS_FAILED, "user: root's rights were not given up for good");
    }
    return 0;
}

int user_become(const struct user *u, struct fanfare_why *why)
{
    if (!u->wanted) {
        return 0;
    }
    int status = geteuid() == 0 ? change(u, why) : 0;
    if (status == 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)) {
        status = failed(u, "set no_new_privs", why);
    }
    return status;
}
