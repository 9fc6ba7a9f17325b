/* dedupe.h - publications by the id that their publisher gave them, so that a
 * repetition gets the first answer instead of being published again.
 *
 * Guarded by the router's lock, except that a `struct once` may be made and
 * read by anyone who holds a reference; after dedupe_add it only changes under
 * the lock. docs/delivery.md, "Publishing once". */
#ifndef FF_CORE_DEDUPE_H
#define FF_CORE_DEDUPE_H

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "proto/name.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ONCE_HASH 16
/* Longest id: the publisher's own, behind the publisher's name. */
#define ONCE_ID_MAX (2 * NAME_MAX_LEN + 4)

/* What one target of a publication became. */
struct once_result {
    uint32_t matched; /* clamped */
    uint32_t status;  /* enum publish_status */
};

struct once {
    UT_hash_handle hh;
    struct once *prev, *next; /* from the oldest to the newest */
    atomic_uint refs;
    uint32_t count;          /* targets */
    uint64_t first;          /* seq of the first; the others follow it */
    uint64_t at_ms;          /* real time of the publication */
    uint8_t hash[ONCE_HASH]; /* of everything else in the publication */
    uint16_t id_len;
    char *id; /* behind results[] */
    struct once_result results[];
};

static inline struct str once_id(const struct once *o)
{
    return (struct str){o->id, o->id_len};
}

/* One reference; `first`, at_ms and results are zero. NULL without memory. */
struct once *once_new(struct str id, const uint8_t hash[ONCE_HASH], uint32_t count);
struct once *once_ref(struct once *o);
void once_unref(struct once *o); /* any thread; NULL is fine */

struct dedupe;

/* Remembers for `window_ms` (0: nothing is ever added), `max` at most, where one of
 * n targets counts as n; one that alone counts for more is remembered alone. */
int dedupe_new(uint64_t seed, uint64_t window_ms, uint32_t max, struct dedupe **out) FF_USE_RESULT;
void dedupe_free(struct dedupe *d); /* NULL is fine */
/* Borrowed, or NULL; one that is over the window at now_ms is forgotten, and a
 * few of the oldest are, if they are. */
struct once *dedupe_find(struct dedupe *d, struct str id, uint64_t now_ms);
/* Takes a reference of its own; there is none of that id. The oldest makes room.
 * at_ms may go backwards a little (clock): it counts as the newest all the same.
 * ERR_NOMEM: not added. */
int dedupe_add(struct dedupe *d, struct once *o) FF_USE_RESULT;
/* Out of the table if it is in it (and not another one of the same id). */
void dedupe_remove(struct dedupe *d, struct once *o);
/* Forgets up to `max` of those that are over the window. */
void dedupe_expire(struct dedupe *d, uint64_t now_ms, unsigned max);
uint32_t dedupe_count(const struct dedupe *d);
/* Nothing is remembered. */
bool dedupe_off(const struct dedupe *d);

#endif
