/* topic.h - what a message can be addressed to, and its members, by shard.
 *
 * Internal to core. A topic is a channel, a user, or a group: the set of
 * patterns of a member. Members with the same set share the group, so each
 * member stands in at most one list for any channel.
 *
 * The lists `local[shard]` are changed by their shard under the router's lock;
 * their shard may read them without it. */
#ifndef FF_CORE_TOPIC_H
#define FF_CORE_TOPIC_H

#include "base/err.h"
#include "base/map.h"
#include "core/member.h"

#include <stdatomic.h>
#include <stdbool.h>

enum topic_kind { TOPIC_CHANNEL, TOPIC_USER, TOPIC_GROUP };

struct topic_list {
    struct subscription **v;
    uint32_t n, cap;
};

struct topic {
    UT_hash_handle hh;
    atomic_uint refs; /* the table's one, and one a message on its way */
    enum topic_kind kind;
    uint32_t listed; /* subscriptions, shadowed ones too; 0: out of the table */
    uint32_t total;  /* subscriptions in the lists of all shards */
    uint64_t mark;   /* last match that visited the group */
    struct pattern_ref *refs_to_patterns; /* groups only: one a pattern */
    unsigned nshards;
    uint32_t name_len;
    char *name; /* behind local[]; a group's: its patterns, sorted, by ' ' */
    struct topic_list local[];
};

/* A table of topics of one kind. */
struct topic_table {
    struct topic *head;
    uint64_t seed;
    enum topic_kind kind;
    unsigned nshards;
};

static inline struct str topic_name(const struct topic *t)
{
    return (struct str){t->name, t->name_len};
}

struct topic *topic_find(const struct topic_table *tab, struct str name);
/* Finds or makes; a new one has listed 0. NULL without memory. */
struct topic *topic_obtain(struct topic_table *tab, struct str name);
/* Out of the table and unreferenced if nobody is listed any more. */
void topic_release(struct topic_table *tab, struct topic *t);
void topic_ref(struct topic *t);
void topic_unref(struct topic *t); /* any thread */

/* Makes room for one more, so that topic_add cannot fail. */
int topic_reserve(struct topic *t, unsigned shard) FF_USE_RESULT;
void topic_add(struct topic *t, struct subscription *s);
void topic_remove(struct topic *t, struct subscription *s);

/* The member's subscription to the channel by its name, or NULL. */
struct subscription *member_channel(const struct member *m, struct str channel);

#endif
