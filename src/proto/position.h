/* position.h - where in the log a client wants to begin.
 *
 * docs/protocol.md, "Resuming". One of
 *   after     a cursor ("k3f9-1042"), "0-0" or "earliest": what is kept, from the beginning
 *   since     a time before now ("90s", "10m", "2h", "7d", "500ms") or an RFC 3339 time
 *   history   how many of the newest messages, 1 to POSITION_MAX_HISTORY */
#ifndef FF_PROTO_POSITION_H
#define FF_PROTO_POSITION_H

#include "base/err.h"
#include "proto/cursor.h"

#include <stdint.h>

#define POSITION_MAX_HISTORY 1000

enum position_kind {
    POSITION_NONE,     /* from now on */
    POSITION_CURSOR,   /* cursor */
    POSITION_EARLIEST, /* whatever is kept */
    POSITION_LOST,     /* a position was given that means nothing here */
    POSITION_SINCE,    /* since_ms */
    POSITION_NEWEST    /* count */
};

struct position {
    enum position_kind kind;
    struct cursor cursor;
    uint64_t since_ms; /* real time */
    uint32_t count;
};

/* Each returns 0, or ERR_INVALID with a sentence that says what is expected. A
 * time to come is now. */
int position_parse_after(struct str text, struct position *out, struct errmsg *why) FF_USE_RESULT;
int position_parse_since(struct str text, uint64_t now_ms, struct position *out, struct errmsg *why)
    FF_USE_RESULT;
int position_parse_history(struct str text, struct position *out, struct errmsg *why) FF_USE_RESULT;
/* The Last-Event-ID header of an EventSource, which must never be refused:
 * POSITION_LOST if it is no cursor. */
void position_of_header(struct str text, struct position *out);

#endif
