/* people.h - what a router knows of the people behind its members: presence, typing, read
 * positions. The part that publishes by itself, in its own time. docs/protocol.md, "People".
 *
 * All of it is guarded by the router's lock, like the log. */
#ifndef FF_CORE_PEOPLE_H
#define FF_CORE_PEOPLE_H

#include "core/router.h"

#include "base/strbuf.h"

/* Before the first member, after router_keep (if that is called); the ports must have mono_ms,
 * real_ms and due. `opt` outlives the router. ERR_NOMEM. */
int router_people(struct router *r, const struct options *opt) FF_USE_RESULT;

/* ---- members (on their shard's thread) ---- */

/* What others see of the member from now on (a reference is taken; NULL: nothing more is said of
 * it, which changes nothing for a user that is shown already). Before it joins, or later: then
 * every channel with presence that it is in by name has an update, unless its user is shown with
 * the same text already. */
void router_set_info(struct router *r, struct member *m, struct info *info);
/* What it is to be sent for the names that it has just joined or subscribed to, before anything
 * else of them is delivered: snapshots. Calls `put` for each, which takes no reference; to be
 * called after every join and subscription, on the same turn. */
void router_notes(struct router *r, struct member *m, void (*put)(void *ctx, struct frame *f),
                  void *ctx);

/* ---- in time ---- */

/* Publishes what is due, ends graces and typing. Bounded work. Returns when it is to be called
 * again (monotonic ms), UINT64_MAX: not before ports.due says so. One thread at a time. */
uint64_t router_people_run(struct router *r);

/* ---- presence (core/presence.c) ---- */

/* Has the channel presence by its name? */
bool presence_wanted(const struct options *opt, struct str channel);

/* On a shard's thread: the snapshot as it is between two messages of that shard's, so that a
 * stream of this shard that is sent it now can apply to it whatever it is sent later. Appends the
 * event's data. ERR_NOT_FOUND: the channel has no presence by its name; ERR_NOMEM. */
int router_presence_snapshot(struct router *r, unsigned shard, struct str channel,
                             struct strbuf *out) FF_USE_RESULT;
/* Any thread: one page, by user: `"version":…,"count":…,"listed":…,"members":[…]` and, if there
 * are more, `,"next":"…"`, without braces. Also the members of a channel that lists none to its
 * subscribers. ERR_NOT_FOUND as above, ERR_NOMEM. */
int router_presence_page(struct router *r, struct str channel, struct str after, unsigned limit,
                         struct strbuf *out) FF_USE_RESULT;

struct user_presence {
    bool online;           /* has a connection, or had one less than presence-grace ago */
    uint64_t since_ms;     /* real time, if online; 0: not known */
    uint64_t last_seen_ms; /* real time when its last connection ended; 0: has one, or not known */
};
void router_user_presence(struct router *r, struct str user, struct user_presence *out);
/* Any thread: the user is not coming back, so that nobody need wait for it: where it has no
 * connection any more, it has left. (Connections that end now: see member.leaves.) */
void router_dismiss_user(struct router *r, struct str user);

/* ---- typing (core/typing.c) ---- */

/* On the member's thread. The member's user types in the channel, or does not any more.
 * ERR_STATE: it has no user; ERR_NOT_FOUND: it is not subscribed to the channel by name;
 * ERR_LIMIT: too many do, or this member in too many channels; ERR_BUSY: a shard has too much to
 * deliver; ERR_NOMEM. */
int router_typing(struct router *r, struct member *m, struct str channel, bool on) FF_USE_RESULT;

/* ---- read positions (core/reads.c) ---- */

/* Any thread. The user has read everything of the channel up to `at`, a position of this log not
 * beyond its top (ERR_INVALID). The furthest counts: *now is it, *changed whether that was this
 * one. In a channel without a lane nothing is noted. Others are told, but not member `except` (0: all are). `ticket` (NULL: nobody waits) as in
 * struct publication. ERR_BUSY, ERR_STORE: as for a publication; ERR_NOMEM. */
int router_read(struct router *r, struct str user, struct str channel, struct cursor at,
                uint64_t except, struct publish_ticket *ticket, struct cursor *now, bool *changed)
    FF_USE_RESULT;
/* The position of a message of the channel that is kept, by its id. ERR_NOT_FOUND. */
int router_find_message(struct router *r, struct str channel, struct str id, struct cursor *out)
    FF_USE_RESULT;
/* The newest `limit` positions of a channel, as fanfare.reads has them: appends the event's data. */
int router_reads_snapshot(struct router *r, struct str channel, unsigned limit, struct strbuf *out)
    FF_USE_RESULT;
/* One page, by user: `"reads":[…]` and, if there are more, `,"next":"…"`, without braces. */
int router_reads_page(struct router *r, struct str channel, struct str after, unsigned limit,
                      struct strbuf *out) FF_USE_RESULT;

struct unread {
    uint64_t count;
    bool at_least;      /* there were more that are not kept any more */
    struct cursor read; /* seq 0: nothing is known */
    struct cursor last; /* the newest message of the channel; seq 0: none is known */
};
void router_unread(struct router *r, struct str user, struct str channel, uint64_t now_ms,
                   struct unread *out);

#endif
