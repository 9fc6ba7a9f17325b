/* setup.h - what the options and the files they name say about credentials: made whole, never
 * changed, replaced at a reload. Inside src/auth. */
#ifndef FF_AUTH_SETUP_H
#define FF_AUTH_SETUP_H

#include "auth/jwt.h"
#include "auth/keyfile.h"

#include <stdatomic.h>

#define SETUP_API_MIN 32   /* characters of an api-key */
#define SETUP_API_MAX 1024 /* likewise */
#define SETUP_DIGEST 32

/* An option and its -file: both count. */
#define SETUP_EACH 2

struct setup_secret {
    char *p;
    size_t len;
};

struct setup {
    atomic_uint refs;
    struct options opt;
    bool open;
    struct keyfile *keys; /* or NULL */
    uint8_t api[SETUP_EACH][SETUP_DIGEST];
    struct grant *api_grants[SETUP_EACH];
    unsigned napi;
    struct jwt_keys *tokens;
    struct jwt_policy policy;
    struct setup_secret channel[SETUP_EACH];
    unsigned nchannel;
    struct grant *anonymous; /* NULL: they are not taken */
};

/* The sentence names the file or the option. */
int setup_new(const struct options *o, struct setup **out, struct errmsg *why) FF_USE_RESULT;
struct setup *setup_ref(struct setup *s);
void setup_unref(struct setup *s); /* NULL is fine */

/* The grant of an --api-key with that text; borrowed; NULL. In constant time. */
struct grant *setup_api_key(const struct setup *s, struct str text);
/* Is the grant one of an --api-key that is still configured? */
bool setup_has_api_key(const struct setup *s, const struct grant *g);

#endif
