/* patterns.h - which groups have a pattern that matches a channel.
 *
 * Internal to core. A tree over the dot-separated segments: matching visits
 * only nodes that lie on the channel's way, however many patterns there are. */
#ifndef FF_CORE_PATTERNS_H
#define FF_CORE_PATTERNS_H

#include "base/err.h"
#include "base/str.h"
#include "core/topic.h"

struct pattern_node;

struct patterns {
    struct pattern_node *root;
    uint64_t seed;
    uint64_t mark; /* stamp of the latest match */
};

/* One pattern of one group, in the list of the pattern's node. */
struct pattern_ref {
    struct topic *group;
    struct pattern_node *node;
    struct pattern_ref *next, **prev;
};

/* The groups of a match: a few in place, more on the heap. */
struct group_set {
    struct topic **v;
    unsigned n, cap;
    struct topic *few[4];
};

int patterns_init(struct patterns *ps, uint64_t seed) FF_USE_RESULT;
void patterns_fini(struct patterns *ps);
/* Enters all patterns in the group's name. On failure nothing is entered. */
int patterns_enter(struct patterns *ps, struct topic *group) FF_USE_RESULT;
void patterns_remove(struct patterns *ps, struct topic *group);
/* Every group with a matching pattern, each once. `set` is zeroed first;
 * group_set_fini it. ERR_NOMEM. */
int patterns_match(struct patterns *ps, struct str channel, struct group_set *set) FF_USE_RESULT;
void group_set_fini(struct group_set *set);

/* The patterns in a group's name, one after the other: `rest` starts as the
 * name; false when there is none left. */
bool patterns_next(struct str *rest, struct str *pattern);

#endif
