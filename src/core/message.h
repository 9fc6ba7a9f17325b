/* message.h - a published message: from its number to the shards. Internal to core. */
#ifndef FF_CORE_MESSAGE_H
#define FF_CORE_MESSAGE_H

#include "core/acks.h"
#include "core/history.h"
#include "core/patterns.h"
#include "core/ports.h"
#include "core/router.h"

struct message {
    struct record rec; /* first; for the store */
    atomic_uint refs;  /* shards that still have to deliver it, and the store */
    enum target_kind kind;
    bool ephemeral;
    bool notice; /* has no number: seq is the top when it was posted. core/notice.h */
    bool lost;   /* memory was short when it was addressed: see core_sink.lost */
    uint64_t seq;
    uint64_t matched;
    uint64_t except;
    uint64_t at_ms, mono_ms, expires_ms;
    struct frame *frame;
    struct lane *lane; /* NULL: nothing is kept of its target */
    struct ack *ack;   /* it is to be acknowledged */
    struct once *once; /* a reference, of the first message of its publication */
    struct publish_ticket *ticket;
    struct topic *topic;      /* channel or user with members, or NULL; counted */
    struct group_set groups;  /* counted */
    uint64_t interested;      /* bit a shard */
    _Alignas(8) char links[]; /* PORT_LINK_SIZE a shard */
};

/* Behind everything that was put before it: a repetition waits with it. */
struct barrier {
    struct record rec; /* first */
    struct publish_ticket *ticket;
};

/* One reference; NULL without memory. */
struct message *message_new(const struct router *r);
void message_unref(struct message *m); /* any thread */
/* Forgets whom it was addressed to. */
void message_unaddress(struct message *m);

/* Waits for no message less. True if `done` is due; the caller calls it, without
 * the lock. */
bool ticket_less(struct publish_ticket *t);

/* ---- with the lock held: release.c ---- */

/* Finds whom the message is for. ERR_NOMEM. */
int message_address(struct router *r, struct message *m, struct str target) FF_USE_RESULT;
/* To the mailboxes of the shards that have somebody: where their order is the log's. */
void message_post(struct router *r, struct message *m);
/* Its turn has come: it is kept, and posted to the shards. Lets go of one reference. */
void message_release(struct router *r, struct message *m);
/* The same, if it is not addressed yet. */
void message_address_and_release(struct router *r, struct message *m);
/* It was not stored and is not sent on: as if it had never been published. */
void message_fail(struct router *r, struct message *m);

#endif
