/* frame.h - a message encoded once, for every subscriber of both transports.
 *
 * One reference-counted block holds the SSE frame and, behind it, the
 * WebSocket frame of the same envelope (docs/protocol.md, "Envelope"). It is
 * encoded before its place in the log is known; frame_seal() then writes the
 * sequence number into the three places where it stands. Whom it is for can be
 * read from it, and the publisher's `key`, which stands in neither frame.
 *
 * After frame_seal() a frame is immutable and may be read by any thread. */
#ifndef FF_PROTO_FRAME_H
#define FF_PROTO_FRAME_H

#include "base/err.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "proto/control.h"
#include "proto/cursor.h"
#include "proto/publish.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct frame {
    atomic_uint refs;
    atomic_uint holders; /* shards in whose queues it waits; see conn/outbuf.h */
    uint32_t sse_len;    /* bytes[0 .. sse_len) */
    uint32_t ws_len;     /* bytes[sse_len .. sse_len + ws_len), then the key */
    uint32_t seq_at[3];  /* where the decimal digits of seq stand */
    uint32_t target_at;  /* where the target stands, as JSON has it */
    uint16_t target_len;
    uint8_t seq_digits;
    uint8_t kind; /* enum target_kind */
    uint8_t key_len;
    bool notice; /* has no place in the log: see frame_new_notice */
    char bytes[];
};

struct envelope {
    enum target_kind kind;
    struct str target; /* channel or user id; unused for everyone */
    struct str type, id, timestamp;
    struct str source;        /* empty: left out */
    struct str sender_user;   /* the client that published it, as the gateway knows it: its user, */
    struct str sender_client; /* and its id (16 hexadecimal digits); each left out if empty */
    struct str data;          /* valid JSON; minified here */
    struct str key;           /* stands in no frame; empty: none */
    uint64_t epoch;
};

/* Encodes with room for exactly `seq_digits` digits (1..20). One reference.
 * ERR_NOMEM, ERR_RANGE if a frame would exceed 2^31 bytes. */
int frame_new(const struct envelope *e, unsigned seq_digits, struct frame **out) FF_USE_RESULT;
/* A control event for all of a channel's subscribers, without a cursor and without a place in the
 * log (docs/protocol.md, "Notices"): {"type":…,"data":…}. Needs no sealing; its target is empty.
 * `data` is minified JSON. One reference. ERR_NOMEM. */
int frame_new_notice(struct str type, struct str data, struct frame **out) FF_USE_RESULT;
/* The number of decimal digits of `seq` (1..20). */
unsigned frame_digits(uint64_t seq);
/* Writes `seq`, whose number of digits must be the one given to frame_new. */
void frame_seal(struct frame *f, uint64_t seq);
struct frame *frame_ref(struct frame *f);
void frame_unref(struct frame *f); /* NULL is fine */

static inline struct str frame_sse(const struct frame *f)
{
    return (struct str){f->bytes, f->sse_len};
}
static inline struct str frame_ws(const struct frame *f)
{
    return (struct str){f->bytes + f->sse_len, f->ws_len};
}
/* The channel or user, without its quotes; a channel's name needs no escapes.
 * Empty for everyone. */
static inline struct str frame_target(const struct frame *f)
{
    return (struct str){f->bytes + f->target_at, f->target_len};
}
static inline struct str frame_key(const struct frame *f)
{
    return (struct str){f->bytes + f->sse_len + f->ws_len, f->key_len};
}
/* The JSON text of the envelope, after sealing. */
struct str frame_envelope(const struct frame *f);
/* The message's type. Borrowed from the SSE frame; "message" if it has no line. */
struct str frame_type(const struct frame *f);

/* A sealed frame out of what was kept of one: `envelope` is frame_envelope()'s
 * text, made by frame_new; type, key, kind as they were. One reference.
 * ERR_NOMEM; ERR_INVALID if the envelope is not of this form. */
int frame_restore(enum target_kind kind, struct str type, struct str key, struct str cursor,
                  struct str envelope, struct frame **out) FF_USE_RESULT;
/* The message once more, for one client whose position stays where it is: an
 * event of the same type with `position` as its SSE id, and the same envelope,
 * its own cursor included, with "attempt" added unless that is 0. */
void frame_add_again(const struct frame *f, enum transport t, struct str position, unsigned attempt,
                     struct strbuf *out);
/* All the memory of it. */
static inline size_t frame_size(const struct frame *f)
{
    return sizeof(*f) + f->sse_len + f->ws_len + f->key_len;
}

#endif
