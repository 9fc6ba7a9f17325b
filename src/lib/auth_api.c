/* The public face of the keys' file and of signed channel names. */
#include <fanfare/fanfare.h>

#include "auth/channel.h"
#include "auth/keyfile.h"
#include "auth/secretfile.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)FANFARE_RIGHT_READ == (int)RIGHT_READ, "same rights");
_Static_assert((int)FANFARE_RIGHT_ADMIN == (int)RIGHT_ADMIN, "same rights");
_Static_assert((int)FANFARE_RIGHT_TICKETS == (int)RIGHT_TICKETS, "same rights");
_Static_assert((int)FANFARE_RIGHT_USERS == (int)RIGHT_USERS, "same rights");
_Static_assert((int)FANFARE_RIGHT_EVERYONE == (int)RIGHT_EVERYONE, "same rights");

#define RIGHTS_PUBLIC                                                                         \
    (FANFARE_RIGHT_READ | FANFARE_RIGHT_ADMIN | FANFARE_RIGHT_TICKETS | FANFARE_RIGHT_USERS | \
     FANFARE_RIGHT_EVERYONE)
#define SECONDS_MAX 253402300799u /* 9999-12-31T23:59:59Z */

static struct errmsg *why_of(struct fanfare_why *why)
{
    return (struct errmsg *)(void *)why;
}

void fanfare_secret_free(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

/* ---- keys ---- */

/* Hands the key's text over, and leaves none behind. */
static int give_secret(int rc, char text[KEYFILE_KEY_MAX], char **out)
{
    if (rc == 0 && *text) {
        /* Not strdup'ed before the file was written: there is no way back from that. */
        memcpy(*out, text, strlen(text) + 1);
    } else {
        free(*out);
        *out = NULL;
    }
    explicit_bzero(text, KEYFILE_KEY_MAX);
    return rc;
}

int fanfare_key_add(const char *path, const struct fanfare_key *key, char **secret,
                    struct fanfare_why *why)
{
    char text[KEYFILE_KEY_MAX] = "";

    *secret = NULL;
    if (key->size != sizeof(*key) || !key->id) {
        return errmsg_set(why_of(why), ERR_INVALID, "the key has no size or no id");
    }
    if (key->secrets > 1) {
        return errmsg_set(why_of(why), ERR_INVALID, "a new key has one secret or none");
    }
    if (key->expires > SECONDS_MAX) {
        return errmsg_set(why_of(why), ERR_RANGE, "the key would expire after the year 9999");
    }
    const struct keyfile_info info = {
        .id = str_of(key->id),
        .publish = str_of(key->publish),
        .rights = key->rights & RIGHTS_PUBLIC,
        .nsecrets = key->secrets,
        .expires_ms = key->expires * 1000,
        .certificate = str_of(key->certificate),
        .peer = str_of(key->peer),
    };
    *secret = malloc(KEYFILE_KEY_MAX);
    if (!*secret) {
        return errmsg_set(why_of(why), ERR_NOMEM, "out of memory");
    }
    return give_secret(keyfile_add(path, &info, text, why_of(why)), text, secret);
}

struct visitor {
    fanfare_key_visit *visit;
    void *user;
    bool failed;
};

/* The texts of one key, NUL-terminated, in one block. */
static void visit(void *ctx, const struct keyfile_info *info)
{
    const struct str parts[] = {info->id, info->publish, info->certificate, info->peer};
    struct visitor *v = ctx;
    const char *texts[4];
    size_t size = 4;

    for (size_t i = 0; i < 4; i++) {
        size += parts[i].len;
    }
    char *block = v->failed ? NULL : malloc(size);
    if (!block) {
        v->failed = true;
        return;
    }
    char *at = block;
    for (size_t i = 0; i < 4; i++) {
        texts[i] = parts[i].len ? at : NULL;
        if (parts[i].len) {
            memcpy(at, parts[i].p, parts[i].len);
        }
        at[parts[i].len] = '\0';
        at += parts[i].len + 1;
    }
    v->visit(&(struct fanfare_key){.size = sizeof(struct fanfare_key),
                                   .id = texts[0],
                                   .publish = texts[1],
                                   .certificate = texts[2],
                                   .peer = texts[3],
                                   .expires = info->expires_ms / 1000,
                                   .rights = info->rights & RIGHTS_PUBLIC,
                                   .secrets = info->nsecrets},
             v->user);
    free(block);
}

int fanfare_key_list(const char *path, fanfare_key_visit *fn, void *user, struct fanfare_why *why)
{
    struct visitor v = {.visit = fn, .user = user};
    int rc = keyfile_list(path, visit, &v, why_of(why));

    return rc == 0 && v.failed ? errmsg_set(why_of(why), ERR_NOMEM, "out of memory") : rc;
}

int fanfare_key_rotate(const char *path, const char *id, char **secret, struct fanfare_why *why)
{
    char text[KEYFILE_KEY_MAX] = "";

    *secret = malloc(KEYFILE_KEY_MAX);
    if (!*secret) {
        return errmsg_set(why_of(why), ERR_NOMEM, "out of memory");
    }
    return give_secret(keyfile_rotate(path, str_of(id), text, why_of(why)), text, secret);
}

int fanfare_key_finish(const char *path, const char *id, unsigned *dropped, struct fanfare_why *why)
{
    return keyfile_finish(path, str_of(id), dropped, why_of(why));
}

int fanfare_key_revoke(const char *path, const char *id, struct fanfare_why *why)
{
    return keyfile_revoke(path, str_of(id), why_of(why));
}

/* ---- signed channel names ---- */

int fanfare_channel_sign(const char *secret_file, const char *channel, uint64_t expires,
                         char **signed_name, struct fanfare_why *why)
{
    char *secret = NULL;
    size_t len = 0;

    *signed_name = NULL;
    int rc = secretfile_read(secret_file, &secret, &len, why_of(why));
    if (rc != 0) {
        return rc;
    }
    rc =
        channel_sign((struct str){secret, len}, str_of(channel), expires, signed_name, why_of(why));
    secretfile_free(secret, len);
    return rc;
}
