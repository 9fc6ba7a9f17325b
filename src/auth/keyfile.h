/* keyfile.h - the file of backend keys (fanfare-key(8)): reading it, finding a key in it, and
 * changing it.
 *
 *     [shop]                        the key's id: 1-40 of A-Za-z0-9-
 *     secret = sha256:<64 hex>      of the whole text of the key; up to 8, for rotation
 *     publish = orders.>, a.b       or `all`: every channel, private ones included
 *     read = yes                    likewise users, everyone, admin, tickets
 *     expires = 2027-01-01T00:00:00Z
 *     certificate = billing.internal
 *     peer = www-data               a user's name or number
 *
 * A line is empty, a comment (# or ; is its first character), [id] or `name = value`. There are
 * no comments behind a value and no continued lines. Patterns are divided by white space, with
 * or without a comma before it, and `publish` may stand several times; other members stand once.
 * What is not named is not permitted. A key has a secret, a certificate or a peer. Every fault is
 * ERR_INVALID, and its sentence begins with file and line.
 *
 * The text of a key is `ffk_<id>_<43 digits of base64url>`. The file has no secret, only hashes of
 * 256 random bits; but who may write it may do anything, so a file that everybody may write is
 * refused. */
#ifndef FF_AUTH_KEYFILE_H
#define FF_AUTH_KEYFILE_H

#include "base/err.h"
#include "base/str.h"
#include "core/grant.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEYFILE_ID_MAX 40
#define KEYFILE_SECRETS 8  /* of one key */
#define KEYFILE_KEYS 10000 /* in a file */
#define KEYFILE_KEY_MAX 96 /* room for a key's text with its NUL */
#define KEYFILE_PREFIX "ffk_"

/* ---- finding a key; what was read is immutable, for any thread ---- */

struct keyfile;

/* ERR_INVALID, ERR_SYSTEM, ERR_NOMEM. A file without keys is fine. */
int keyfile_load(const char *path, struct keyfile **out, struct errmsg *why) FF_USE_RESULT;
void keyfile_free(struct keyfile *f); /* NULL is fine */
unsigned keyfile_count(const struct keyfile *f);

/* Each of these gives the key's grant (GRANT_KEY; borrowed from the file) or NULL. Whether it has
 * expired is for the caller to see. Text that has no key's form gives NULL; the time that it takes
 * does not tell whether the id is there nor how much of the secret was right. */
struct grant *keyfile_by_text(const struct keyfile *f, struct str text);
struct grant *keyfile_by_uid(const struct keyfile *f, uid_t uid);
struct grant *keyfile_by_certificate(const struct keyfile *f, struct str name);
/* Whether the grant's key is still there with what it was found by, and permits the same. */
enum keyfile_still {
    KEYFILE_SAME,
    KEYFILE_CHANGED, /* it permits something else */
    KEYFILE_GONE
};
enum keyfile_still keyfile_still(const struct keyfile *f, const struct grant *g);

/* ---- changing the file: for `fanfare key` ---- */

/* What the file says of a key; borrowed. */
struct keyfile_info {
    struct str id;
    unsigned rights;    /* of enum grant_right; RIGHT_ALL_CHANNELS is publish = all */
    struct str publish; /* "all", or patterns, ", " between them; or empty */
    unsigned nsecrets;
    uint64_t expires_ms;          /* 0: never */
    struct str certificate, peer; /* or empty */
};

/* All of these read and check the whole file first (a file that the gateway would refuse is
 * refused), hold a lock against each other, and put the new file in place of the old in one step,
 * synced, with its mode and owner, and everything else in it byte for byte. On failure the file is
 * as it was. Where the path is a symbolic link, the file behind it changes. */

/* A new key, behind the others. Makes the file (0600) if there is none. With nsecrets 1 a secret
 * is made, and `key` is its text; with 0, which needs a certificate or a peer, `key` is "".
 * Of `publish` and RIGHT_ALL_CHANNELS either says all. ERR_EXISTS: the id is there. ERR_INVALID. */
int keyfile_add(const char *path, const struct keyfile_info *info, char key[KEYFILE_KEY_MAX],
                struct errmsg *why) FF_USE_RESULT;
/* In the order of the file. */
int keyfile_list(const char *path, void (*each)(void *ctx, const struct keyfile_info *info),
                 void *ctx, struct errmsg *why) FF_USE_RESULT;
/* One secret more: the key has two texts until keyfile_finish. ERR_NOT_FOUND, ERR_LIMIT. */
int keyfile_rotate(const char *path, struct str id, char key[KEYFILE_KEY_MAX], struct errmsg *why)
    FF_USE_RESULT;
/* Only the newest secret stays. ERR_NOT_FOUND. */
int keyfile_finish(const char *path, struct str id, unsigned *dropped, struct errmsg *why)
    FF_USE_RESULT;
/* The key goes, with the comments between its lines. ERR_NOT_FOUND. */
int keyfile_revoke(const char *path, struct str id, struct errmsg *why) FF_USE_RESULT;

/* "2027-01-01T00:00:00Z", with a fraction or an offset (+01:00) too, as ms since 1970. */
int keyfile_parse_time(struct str text, uint64_t *ms, struct errmsg *why) FF_USE_RESULT;

#endif
