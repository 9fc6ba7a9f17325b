/* pairs.h - what is known of users in channels: a table by channel and user, and lists in the
 * order in which they were touched, of all and of each channel.
 *
 * Internal to core; guarded by the router's lock. */
#ifndef FF_CORE_PAIRS_H
#define FF_CORE_PAIRS_H

#include "base/map.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct pair_channel;

/* Embedded, as the first, in what is known. */
struct pair {
    UT_hash_handle hh;
    struct pair_channel *channel;
    struct pair *older, *newer;       /* of all that are listed */
    struct pair *ch_older, *ch_newer; /* of the channel's */
    bool listed;
    uint16_t user_len;
    char *key; /* behind the element: the channel's address, then the user */
};

struct pair_channel {
    UT_hash_handle hh;
    struct pair *oldest, *newest;
    uint32_t pairs;  /* in the table */
    uint32_t listed; /* of them */
    uint16_t name_len;
    char name[];
};

struct pairs {
    struct pair *table;
    struct pair_channel *channels;
    struct pair *oldest, *newest;
    uint32_t listed;
    uint64_t seed;
};

static inline struct str pair_user(const struct pair *p)
{
    return (struct str){p->key + sizeof(struct pair_channel *), p->user_len};
}
static inline struct str pair_channel_name(const struct pair_channel *c)
{
    return (struct str){c->name, c->name_len};
}

/* Zeroed but for the seed is empty. */
struct pair_channel *pairs_channel(const struct pairs *t, struct str channel); /* NULL: none */
struct pair *pairs_find(const struct pairs *t, struct str channel, struct str user);
/* A new element of `size` bytes that begins with a pair, zeroed, in the table and listed as the
 * newest. There is none of the two names, which are checked. NULL without memory. */
void *pairs_add(struct pairs *t, size_t size, struct str channel, struct str user);
/* It is the newest now, and listed. */
void pairs_touch(struct pairs *t, struct pair *p);
/* It stays in the table, but in no list. */
void pairs_unlist(struct pairs *t, struct pair *p);
/* Out of the table, and freed. */
void pairs_drop(struct pairs *t, struct pair *p);
/* Up to `limit` of the channel's listed that come after user `after` (empty: all), by user, into
 * `out`; walks all of the channel's. Returns how many; *more: there are others behind them. */
unsigned pairs_page(const struct pair_channel *c, struct str after, unsigned limit,
                    const struct pair **out, bool *more);

#endif
