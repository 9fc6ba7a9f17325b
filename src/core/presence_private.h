/* presence_private.h - who is in the channels with presence: the state that presence.c changes,
 * and the other parts read. Internal to core; all of it with the router's lock held.
 *
 * Of each user there are two states: as it is, and as it was published last. What subscribers are
 * shown is always the published one, so that a snapshot and the changes after it fit together.
 * docs/protocol.md, "Presence". */
#ifndef FF_CORE_PRESENCE_PRIVATE_H
#define FF_CORE_PRESENCE_PRIVATE_H

#include "core/people_private.h"

#include "base/map.h"

#include <stddef.h>

/* Changes that one event has, at most. */
#define PRESENCE_CHANGES 256
/* A channel of more members than presence-max is told of in so many intervals once. */
#define PRESENCE_SLOWER 4

/* A place in a list that goes round; a head is one, too. Alone it points to itself. */
struct ring {
    struct ring *prev, *next;
};

static inline void ring_init(struct ring *r)
{
    r->prev = r->next = r;
}
static inline bool ring_alone(const struct ring *r)
{
    return r->next == r;
}
static inline void ring_remove(struct ring *r)
{
    r->prev->next = r->next;
    r->next->prev = r->prev;
    ring_init(r);
}
static inline void ring_append(struct ring *head, struct ring *r)
{
    r->prev = head->prev;
    r->next = head;
    head->prev->next = r;
    head->prev = r;
}
#define RING_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A user in a channel: 136 bytes, the name, and a share of 4 to 8 bytes of the table's buckets;
 * its info is counted, and one for all channels that the connection is in. */
struct attendee {
    UT_hash_handle hh; /* in the channel, and in the order of arrival */
    struct presence *in;
    struct ring changed; /* in presence.changed, if the two states differ */
    struct ring grace;   /* in presences.grace, while here without a connection */
    struct info *info;   /* as it is */
    struct info *shown;  /* as it was published */
    uint64_t since_ms;   /* real time */
    uint64_t until_ms;   /* monotonic: when the grace ends */
    uint32_t connections;
    uint8_t here : 1;      /* has a connection, or is in grace */
    uint8_t published : 1; /* subscribers were told that it is here */
    uint8_t user_len;
    char user[];
};
_Static_assert(offsetof(struct attendee, user) <= 136, "small: there are many");
_Static_assert(NAME_MAX_LEN <= UINT8_MAX, "a user's length fits");

/* A channel with presence: kept while it has members or subscribers by name. */
struct presence {
    UT_hash_handle hh;
    struct attendee *all;
    struct ring changed; /* attendees */
    struct ring queue;   /* in one of the queues of struct presences, or alone */
    uint64_t version;
    uint64_t next_ms;       /* monotonic: while cooling, the end of that */
    struct frame *snapshot; /* of this version; NULL: not asked for, or of few */
    uint32_t snapshot_len;  /* of the event's data in it */
    uint32_t count;         /* attendees that are here */
    uint32_t shown;         /* the same as published */
    uint8_t counting : 1;   /* only the number is told, and published is what is */
    uint8_t cooling : 1;    /* in quick or slow: something was published just now */
    uint8_t is_users : 1;   /* USERS_CHANNEL */
    uint8_t name_len;
    char name[];
};

/* When a user that is not online was there last. */
struct seen;

struct presences {
    struct presence *channels;
    /* Each in the order of time, since what is appended waits equally long. */
    struct ring grace;       /* attendees */
    struct ring quick, slow; /* channels that are cooling */
    struct ring ready;       /* channels of which something is to be published soon */
    uint64_t floor;          /* versions of channels that are forgotten do not come again */
    uint64_t attendees;
    struct seen *seen; /* the longest ago first */
};

static inline struct str attendee_user(const struct attendee *a)
{
    return (struct str){a->user, a->user_len};
}
static inline struct str presence_name(const struct presence *pr)
{
    return (struct str){pr->name, pr->name_len};
}

static inline struct presences *presences_of(const struct router *r)
{
    return r->people->presences;
}
static inline uint64_t presence_mono_ms(const struct router *r)
{
    return r->ports.mono_ms(r->ports.ctx);
}
static inline void presence_count(const struct router *r, enum metric id, uint64_t n)
{
    if (r->metrics) {
        metrics_add(r->metrics, id, n);
    }
}

/* ---- presence_state.c: channels and their users ---- */

/* NULL if nobody is there, nor subscribed. */
struct presence *presence_find(const struct router *r, struct str channel);
/* Finds or makes. NULL without memory. */
struct presence *presence_obtain(struct router *r, struct str channel);
/* It has no users and no subscribers by name: gone, unless it is in a queue; then its turn comes,
 * and looks again. */
void presence_forget_unused(struct router *r, struct presence *pr);
void presence_drop_snapshot(struct presence *pr);
/* NULL if it is not there, nor known to have been. */
struct attendee *presence_user(const struct router *r, const struct presence *pr, struct str user);
/* Finds or makes; a new one is not here. NULL without memory, or if there are too many. */
struct attendee *presence_add_user(struct router *r, struct presence *pr, struct str user);
/* Its published state is what it is. It may be gone by that. */
void presence_take(struct router *r, struct attendee *a);
/* It has changed, perhaps back. It may be gone by that. */
void presence_compare(struct router *r, struct attendee *a);
/* Frees all of them, at the end. */
void presence_clear(struct presences *p);

/* ---- presence_tell.c: what is published, and when ---- */

/* If something is to be told of the channel and its interval is over: now. Member `except` is not
 * told (0: all are). */
void presence_tell_now(struct router *r, struct presence *pr, uint64_t except);
/* The same by the next call of presences_run: one member's end may change a hundred channels. */
void presence_tell_soon(struct router *r, struct presence *pr);
/* The turn of the queue's first channel. False if there is none that is due. */
bool presence_take_turn(struct router *r, struct ring *queue, uint64_t now_ms);
/* The snapshot as published: a reference, and the length of its data. NULL without memory. */
struct frame *presence_snapshot(struct router *r, struct presence *pr, uint32_t *len);

/* ---- presence_json.c: the data of events ---- */

/* The snapshot with everybody, as published. ERR_NOMEM. */
int presence_add_listed(struct strbuf *out, const struct presence *pr, uint64_t version)
    FF_USE_RESULT;
/* The first `n` that have changed; `count` users are there with them. */
void presence_add_changes(struct strbuf *out, const struct presence *pr, unsigned n,
                          uint32_t count);
/* `event` with the number alone. */
void presence_add_count(struct strbuf *out, struct str channel, const char *event, uint64_t version,
                        uint32_t count);
/* The snapshot of a channel of which nothing is known. */
void presence_add_nobody(struct strbuf *out, struct str channel, uint64_t version);
/* {"userId":…} of an attendee as published. */
void presence_add_member(struct strbuf *out, const struct attendee *a);

/* ---- presence_seen.c ---- */

/* The user was online until `ms` of real time; without memory that is not known. */
void seen_add(struct router *r, struct str user, uint64_t ms);
/* It is online. */
void seen_remove(struct router *r, struct str user);
/* 0: not known. */
uint64_t seen_last(const struct router *r, struct str user);
void seen_free(struct presences *p);

#endif
