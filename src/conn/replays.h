/* replays.h - streams that are being sent messages from history.
 *
 * A stream has a list of replays: its own (from its start to where it is live),
 * and those of later subscriptions; they run one after the other, a slice
 * whenever nothing waits in the stream's queue. */
#ifndef FF_CONN_REPLAYS_H
#define FF_CONN_REPLAYS_H

#include "core/replay.h"

struct stream;
struct stream_intro;

struct stream_replay {
    struct stream_replay *next; /* of the stream */
    struct stream *s;
    struct stream_replay *next_ready, **link; /* in env->replays: the first of its stream */
    struct replay rp;
    struct str ref; /* of the op, or empty */
    bool reads;     /* wants the read positions then */
    bool synced;    /* it has joined; what is not acknowledged is left to be sent */
    uint64_t unacked_after;
    struct str *names;
    char text[]; /* user, names, ref */
};

/* The first slice, with the greeting before it. The member is joined, or a
 * replay goes on. ERR_NOMEM: nothing was joined. */
int replays_begin(struct stream *s, const struct stream_intro *intro) FF_USE_RESULT;
/* Nothing waits for the stream any more: its next slice may come. */
void replays_ready(struct stream *s);
/* The read positions of the channel are wanted as soon as it is subscribed to. False: no replay
 * has it, so it is already, or never. */
bool replays_want_reads(struct stream *s, struct str name);
/* The stream ends. */
void replays_free(struct stream *s);

#endif
