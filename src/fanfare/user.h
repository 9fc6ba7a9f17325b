/* user.h - giving root's rights up: --user.
 *
 * Needed as root: to bind ports below 1024, and to read certificates. So the gateway
 * listens, then the process becomes the user for good, and only then are threads started,
 * is the store opened and is anybody served. */
#ifndef FF_FANFARE_USER_H
#define FF_FANFARE_USER_H

#include <fanfare/fanfare.h>

#include <stdbool.h>
#include <sys/types.h>

struct user {
    bool wanted; /* --user is given */
    bool group_given;
    uid_t uid;
    gid_t gid;
    char name[64]; /* "" if the number has none */
};

/* Looks USER[:GROUP], names or numbers, up; "" is nobody in particular. Returns 0 or
 * STATUS_USAGE with a sentence. */
int user_find(const char *text, struct user *out, struct fanfare_why *why) FANFARE_CHECK;
/* May this process become the user? 0 or STATUS_FAILED with a sentence. */
int user_may(const struct user *u, struct fanfare_why *why) FANFARE_CHECK;

/* Root takes the user's effective ids and gets its own back: the log file is opened in
 * between, so that it belongs to the user, who has to open it again at SIGHUP. Nothing if
 * the process is not root. 0 or STATUS_FAILED. */
int user_borrow(const struct user *u, struct fanfare_why *why) FANFARE_CHECK;
int user_give_back(const struct user *u, struct fanfare_why *why) FANFARE_CHECK;

/* Hands the unix socket at the path, made by root, to the user. */
int user_own_socket(const struct user *u, const char *path, struct fanfare_why *why) FANFARE_CHECK;
/* Becomes the user, with the groups that it belongs to and no others, makes sure that
 * there is no way back, and that neither programs that it starts can have more rights
 * (no_new_privs) nor others of the same user look into its memory, where keys are.
 * Before any thread is started. 0 or STATUS_FAILED, when the process must end. */
int user_become(const struct user *u, struct fanfare_why *why) FANFARE_CHECK;

#endif
