/* people_private.h - people's parts among each other, and what the router tells them. Internal to
 * core. Everything here is called with the router's lock held. */
#ifndef FF_CORE_PEOPLE_PRIVATE_H
#define FF_CORE_PEOPLE_PRIVATE_H

#include "core/info.h"
#include "core/people.h"
#include "core/positions.h"
#include "core/router_private.h"

struct presences; /* core/presence.c */
struct typists;   /* core/typing.c */

/* How far users have read. */
struct reads {
    struct positions positions;
};

struct note {
    struct note *next;
    struct member *member;
    struct frame *frame;
};

struct notes {
    struct note *first, **end; /* end NULL: there never was one */
};

struct people {
    const struct options *opt;
    struct presences *presences;
    struct typists *typists;
    struct reads *reads;
    uint64_t due_ms;      /* what ports.due was told last; UINT64_MAX: nothing */
    struct notes notes[]; /* by shard; touched by its thread only, oldest first */
};

/* ---- from router.c; each does nothing without people ---- */

/* The member has subscribed to the channel by name, and is in its list. */
void people_entered(struct router *r, struct member *m, const struct topic *t);
/* It is about to leave it. `at_once`: of its own accord. */
void people_leaving(struct router *r, struct member *m, const struct topic *t, bool at_once);
/* The member has joined, or is about to leave. */
void people_arrived(struct router *r, struct member *m);
void people_departing(struct router *r, struct member *m);
/* It is not sent anything any more. */
void people_forget_notes(struct router *r, struct member *m);
void people_free(struct router *r);

/* ---- for its parts: people_tell.c ---- */

/* Something is to be done at `ms`. */
void people_due(struct router *r, uint64_t ms);
/* For ports.happened; at_ms is filled in. */
void people_tell(struct router *r, struct core_event *ev);
/* A frame that the member is to be sent now. Takes the reference. False without memory. */
bool people_note(struct router *r, struct member *m, struct frame *f);

/* ---- parts ---- */

int presences_new(struct router *r, struct presences **out) FF_USE_RESULT;
void presences_free(struct presences *p);
/* The member counts for its user in the channel, which may be USERS_CHANNEL, or does not any
 * more. */
void presence_enter(struct router *r, struct member *m, struct str channel, struct str user);
void presence_leave(struct router *r, struct member *m, struct str channel, struct str user,
                    bool at_once);
/* The channel has its last subscriber by name, who is about to leave it. */
void presence_vacated(struct router *r, struct str channel);
/* m->info is new. */
void presence_inform(struct router *r, struct member *m);
/* The note for a member, with a user or without, that has subscribed to the channel, which has
 * presence. */
void presence_greet(struct router *r, struct member *m, struct str channel);
/* When it is to be called again. */
uint64_t presences_run(struct router *r, uint64_t now_ms);

int typists_new(struct router *r, struct typists **out) FF_USE_RESULT;
void typists_free(struct typists *t);
/* It unsubscribes from the channel, or ends. */
void typing_leave(struct router *r, struct member *m, struct str channel);
/* The notes for a member that has subscribed to the channel. */
void typing_greet(struct router *r, struct member *m, struct str channel);
uint64_t typing_run(struct router *r, uint64_t now_ms);

int reads_new(struct router *r, struct reads **out) FF_USE_RESULT;
void reads_free(struct reads *t);

#endif
