/* acks.h - messages to users that wait to be acknowledged.
 *
 * Internal to core; guarded by the router's lock. A message waits from its
 * publication until a client of the user acknowledges its id, its ttl is over,
 * or it was delivered --ack-attempts times in vain. docs/delivery.md,
 * "Acknowledgements". */
#ifndef FF_CORE_ACKS_H
#define FF_CORE_ACKS_H

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct acks;
struct ack_user;

struct ack {
    UT_hash_handle hh; /* by user and id */
    struct ack_user *user;
    struct ack *prev, *next;         /* of the user, in the order of seq */
    struct ack *due_prev, *due_next; /* of all that are under way, in the order of due_ms */
    uint64_t seq, at_ms;
    uint64_t expires_ms; /* real time; 0: never */
    uint64_t due_ms;     /* monotonic: when it is to be delivered again; 0: not under way */
    uint64_t member;     /* client that it was delivered to last; 0: none */
    uint32_t attempts;   /* deliveries so far */
    struct frame *frame; /* NULL until acks_commit */
    uint16_t id_len;
    char id[];
};

struct acks_limits {
    uint64_t timeout_ms; /* of one delivery */
    uint32_t attempts;   /* deliveries, at most */
    uint32_t per_user, total;
};

int acks_new(uint64_t seed, const struct acks_limits *limits, struct acks **out) FF_USE_RESULT;
void acks_free(struct acks *a); /* lets go of everything; NULL is fine */

/* A place for a message that is about to be published. ERR_EXISTS (a message of
 * this id waits for the user already), ERR_LIMIT (per_user or total), ERR_NOMEM,
 * ERR_INVALID (user or id are empty or longer than NAME_MAX_LEN). */
int acks_reserve(struct acks *a, struct str user, struct str id, struct ack **out) FF_USE_RESULT;
/* The same for one that was taken before, when the limits may have been others. */
int acks_reserve_anyway(struct acks *a, struct str user, struct str id, struct ack **out)
    FF_USE_RESULT;
/* It was not published after all: the place is freed. */
void acks_cancel(struct acks *a, struct ack *k);
/* It is published: takes a reference of the frame. Never fails. seq rises. */
void acks_commit(struct acks *a, struct ack *k, uint64_t seq, uint64_t at_ms, uint64_t expires_ms,
                 struct frame *frame);
/* Borrowed, or NULL; only those that are committed. */
struct ack *acks_find(const struct acks *a, struct str user, struct str id);
/* Acknowledged, given up or over its ttl: frees it. */
void acks_drop(struct acks *a, struct ack *k);

/* It was delivered to `member`: one attempt more, due again after the timeout. */
void acks_sent(struct acks *a, struct ack *k, uint64_t member, uint64_t mono_ms);
/* Not under way any more (nobody of the user is connected): never due. */
void acks_rest(struct acks *a, struct ack *k);
/* The first that is due at mono_ms, or NULL. It stays first until it is dropped,
 * sent or put to rest. */
struct ack *acks_due(const struct acks *a, uint64_t mono_ms);
/* When the first one is due, UINT64_MAX if none is under way. */
uint64_t acks_next_due(const struct acks *a);
/* Those of a user, committed, in the order of seq; NULL at the end. */
struct ack *acks_first(const struct acks *a, struct str user);
struct ack *acks_after(const struct ack *k);
struct str acks_user_name(const struct ack *k);
/* All that are committed, from any to the next, for looking at ttls: `at` NULL
 * begins. No order. */
struct ack *acks_walk(const struct acks *a, struct ack *at);
uint32_t acks_count(const struct acks *a); /* reserved ones included */
uint32_t acks_user_count(const struct acks *a, struct str user);
/* Messages given up, by user, since the start (kept while the user has any that
 * wait, and for a bounded number of users beyond). */
void acks_gave_up(struct acks *a, struct str user);
uint64_t acks_user_given_up(const struct acks *a, struct str user);
static inline struct str ack_id(const struct ack *k)
{
    return (struct str){k->id, k->id_len};
}

#endif
