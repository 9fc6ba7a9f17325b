/* member.h - the core's part of a client: who it is and what it subscribes to.
 *
 * Embedded in the connection object. Only the shard that owns the client
 * touches it, through the functions of router.h. */
#ifndef FF_CORE_MEMBER_H
#define FF_CORE_MEMBER_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct info;
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
    bool present; /* it counts for its user in the channel (presence.c) */
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
    uint16_t leaves : 1;  /* for good: its end is told at once, without presence-grace */
    uint16_t present : 1; /* it counts for its user among all users (presence.c) */
    uint8_t typing;       /* channels in which its user types and it said so last */
    uint32_t names;       /* channels and patterns subscribed to */
    struct info *info;    /* what others see of it; NULL: nothing (router_set_info) */
};

#endif
