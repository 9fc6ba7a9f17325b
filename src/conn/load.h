/* load.h - how many streams each user has, and how many subscriptions they have together.
 * Who has no user counts by the key or the token that it showed.
 * Shared by all shards; any thread. Only what is limited is counted. */
#ifndef FF_CONN_LOAD_H
#define FF_CONN_LOAD_H

#include "base/err.h"
#include "base/str.h"
#include "core/grant.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct conn_env;
struct stream;
struct stream_intro;
struct load_user;

#define LOAD_PARTS 16

struct loads {
    struct {
        pthread_mutex_t lock;
        struct load_user *table;
    } part[LOAD_PARTS];
    uint64_t seed;
};

enum load_verdict {
    LOAD_OK,
    LOAD_STREAMS, /* the user has max_streams already */
    LOAD_NAMES    /* its streams would have more than max_names subscriptions */
};

int loads_init(struct loads *l, uint64_t seed) FF_USE_RESULT;
void loads_fini(struct loads *l);

/* For whom a stream of this user and grant counts: the user, else "\x01key:ID" or "\x01jti:ID",
 * which are no users' names; empty: for nobody. In `room`, or borrowed. */
#define LOAD_NAME_ROOM 160
struct str load_name(struct str user, const struct grant *g, char room[LOAD_NAME_ROOM]);

/* A stream of the user with so many subscriptions begins; 0 is no limit. It counts if the
 * answer is LOAD_OK and *counted is not NULL, as it is without memory. */
enum load_verdict loads_enter(struct loads *l, struct str user, unsigned names,
                              unsigned max_streams, unsigned max_names, struct load_user **counted)
    FF_USE_RESULT;
/* One that counted for `u`, with as many subscriptions as it has now, is gone. */
void loads_leave(struct loads *l, struct load_user *u, unsigned names);

/* ---- of a stream, on its shard's thread ---- */

/* Its places, counted before (intro->loaded), are its own from now on: stream_open succeeded. */
void load_adopt(struct stream *s, const struct stream_intro *intro);
/* May it subscribe to the name, for max-channels-per-user? If so one more counts, which
 * stream_subscribe puts right. Else it is noted. */
bool load_grow(struct stream *s, struct str name) FF_USE_RESULT;
/* What it subscribes to has changed, or not. */
void load_sync(struct stream *s);
/* It ends: before its user is forgotten. */
void load_drop(struct stream *s);
/* Has the channel as many subscribers as max-subscribers-for allows? Patterns are neither
 * counted nor refused. */
bool load_is_full(const struct conn_env *env, struct str name);
/* The same, for a stream that asks for it; then it is noted. */
bool load_refuses(struct stream *s, struct str name);

#endif
