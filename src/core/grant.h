/* grant.h - what somebody may do: the outcome of a credential, whatever it was.
 *
 * A grant is made once, never changed, counted, and read by any thread. */
#ifndef FF_CORE_GRANT_H
#define FF_CORE_GRANT_H

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum grant_kind {
    GRANT_OPEN,      /* no keys are configured: everything is permitted */
    GRANT_ANONYMOUS, /* no credential was presented, and --anonymous permits that */
    GRANT_KEY,       /* a backend */
    GRANT_CLIENT     /* a token or a ticket */
};

/* What a backend may do besides publishing to the channels it lists. */
enum grant_right {
    RIGHT_READ = 1,         /* read endpoints; subscribe to anything, as anybody */
    RIGHT_ADMIN = 2,        /* disconnect, revoke */
    RIGHT_TICKETS = 4,      /* make tickets */
    RIGHT_USERS = 8,        /* publish to users, and send to single clients */
    RIGHT_EVERYONE = 16,    /* publish to everyone */
    RIGHT_ALL_CHANNELS = 32 /* publish to every channel, private ones included */
};
#define RIGHT_ALL 63u

/* Everything borrowed. Names are checked channels and patterns. */
struct grant_spec {
    enum grant_kind kind;
    unsigned rights; /* of enum grant_right, GRANT_KEY only */
    struct str id;   /* the key's id, the token's jti, or empty */
    struct str
        basis; /* what in the configuration it stands on (a key, a token's key); opaque, or empty */
    struct str user;      /* empty: nobody */
    bool lists_subscribe; /* `subscribe` is all that may be subscribed to; else every public
                             channel may be, and nothing else */
    const struct str *subscribe;
    unsigned nsubscribe;
    const struct str *publish;
    unsigned npublish;
    struct str meta;     /* JSON object, minified; or empty */
    struct str info;     /* JSON value, minified; or empty */
    uint64_t expires_ms; /* real ms since 1970, without leeway; 0: never */
    uint64_t until_ms;   /* the same with leeway: from then on it is worth nothing; 0: never */
    uint64_t issued_ms;  /* iat; 0: unknown */
};

struct grant {
    atomic_uint refs;
    struct grant_spec s; /* read only; its memory belongs to the grant */
};

/* Copies what `spec` borrows. ERR_NOMEM. */
int grant_new(const struct grant_spec *spec, struct grant **out) FF_USE_RESULT;
/* Static, needs no unref (but takes it): everything is permitted. */
struct grant *grant_open(void);
struct grant *grant_ref(struct grant *g);
void grant_unref(struct grant *g); /* NULL is fine */

/* Is every channel that `name` (a channel, or a pattern) stands for matched by one
 * of the patterns? As in proto/name.h, private and presence channels are only
 * matched by patterns that begin with their literal prefix. */
bool grant_covers(const struct str *patterns, unsigned n, struct str name);

#endif
