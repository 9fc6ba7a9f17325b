/* member.h - the core's part of a client: who it is and what it subscribes to.
 *
 * Embedded in the connection object. Only the shard that owns the client
 * touches it, through the functions of router.h. */
#ifndef FF_CORE_MEMBER_H
#define FF_CORE_MEMBER_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct topic;
struct member;

/* One member in one topic. `at` is its place in the topic's list of the
 * member's shard, or SUB_SHADOWED: a pattern of the same member delivers the
 * channel already, so that nobody gets, or is counted for, a message twice. */
struct subscription {
    struct member *member;
    struct topic *topic;
    struct subscription *next;
    uint32_t at;
};
#define SUB_SHADOWED UINT32_MAX

struct member {
    uint64_t id;
    struct subscription *subs; /* every topic it is in, oldest first */
    struct subscription first; /* room for the first, which is often the only one */
    uint32_t everyone_at;      /* place in the list of all members of the shard */
    uint16_t shard;
    uint16_t first_used : 1;
    uint16_t joined : 1;
    uint32_t names; /* channels and patterns subscribed to */
};

#endif
