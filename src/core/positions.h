/* positions.h - how far users have read, and the records of it for the store. Knows nothing of
 * members: core/reads.c tells them.
 *
 * Internal to core; guarded by the router's lock. As with lanes, a position has one record, which
 * the store has once at a time: what changes meanwhile is put when it comes back. Unlike a lane's,
 * it is given back with an error by a store that publishers wait for, and whoever waited for it
 * is told, as for a message. */
#ifndef FF_CORE_POSITIONS_H
#define FF_CORE_POSITIONS_H

#include "core/history.h"
#include "core/message.h"
#include "core/pairs.h"
#include "core/store_port.h"

struct read_pos {
    struct pair pair; /* first */
    uint64_t seq;
    uint64_t at_ms; /* real time when it moved last */
    struct record rec;
    struct barrier *waits; /* for the record that is out, or that is put when it comes back */
    bool rec_out;          /* the store has it */
    bool changed;          /* since it was put */
    bool unsaved;          /* what is here could not be stored, and is not on its way */
    bool gone;             /* forgotten; freed when the store knows it too */
};

/* Users are told apart by so many counters, for what one of them may have of all. */
#define POSITIONS_SHARES 1024

struct positions {
    struct pairs pairs;
    uint32_t share[POSITIONS_SHARES];
    struct history *history; /* where records are chained */
    uint32_t max;
    uint32_t counted; /* as it was told to the metrics */
};

static inline struct str read_pos_user(const struct read_pos *p)
{
    return pair_user(&p->pair);
}
static inline struct read_pos *read_pos_of(struct pair *p)
{
    return (struct read_pos *)(void *)p;
}

void positions_init(struct positions *t, uint64_t seed, uint32_t max, struct history *history);
void positions_fini(struct positions *t); /* the store has given everything back */
/* NULL: nothing is known. */
struct read_pos *positions_find(const struct positions *t, struct str channel, struct str user);
/* The same, or one at 0, not in the store yet: to be moved or dropped before anything else
 * happens to it. NULL without memory. */
struct read_pos *positions_obtain(struct positions *t, struct str channel, struct str user);
/* Has the user as many as one may: an eighth of all, so that nobody pushes out what the others
 * have? Then no new one is to be made. */
bool positions_full(const struct positions *t, struct str user);
/* Forgets what positions_obtain has made, if it was not moved. */
void positions_cancel(struct positions *t, struct read_pos *p);
/* It is there now; the oldest gives way if they are too many. There is a store if `b` is not NULL:
 * as positions_await. */
void positions_move(struct positions *t, struct read_pos *p, uint64_t seq, uint64_t at_ms,
                    struct barrier *b);
/* Does the store not have it yet? */
bool read_pos_pending(const struct read_pos *p);
/* `b` (its ticket is counted) comes back when what is here now is durable, or cannot be; what is
 * not on its way to the store is sent there. To be called only if it is pending. */
void positions_await(struct positions *t, struct read_pos *p, struct barrier *b);
/* From the store, oldest first. ERR_NOMEM. */
int positions_restore(struct positions *t, struct str channel, struct str user, uint64_t seq,
                      uint64_t at_ms) FF_USE_RESULT;
/* The store has given back a record of a position. Returns a chain of barriers that are to be
 * finished with the same result, or NULL. */
struct record *positions_stored(struct positions *t, struct record *rec, int rc);

#endif
