/* entry.h - what an accepted connection goes through before HTTP, and, with TLS, beside it:
 *
 *   a PROXY header, if its peer is a proxy that sends one
 *   the TLS handshake
 *   carrying bytes between the session and a socket pair, at whose other end libmicrohttpd
 *   reads and writes plain HTTP, until it becomes a stream (which has the session itself from then
 *   on) or ends
 *
 * A few at a time: handshakes cost much, and everybody else has their turn between them.
 * Internal to src/lib. */
#ifndef FF_LIB_ENTRY_H
#define FF_LIB_ENTRY_H

#include "base/err.h"
#include "rt/wheel.h"

#include <stdbool.h>

struct accepted;
struct entry;
struct entry_room;
struct shard;

#define ENTRY_TIMER 70

struct entry_line {
    struct entry *first, **end;
};

/* One a shard, zero-initialised. */
struct entries {
    struct entry *all;
    struct entry_line busy;    /* with HTTP, or after: have something to carry */
    struct entry_line shaking; /* before: have something to read; or are to be buried */
    struct entry_room *room;
};

/* ERR_NOMEM. */
int entries_init(struct shard *s) FF_USE_RESULT;
/* Takes an accepted and counted connection over. */
void entry_begin(struct shard *s, const struct accepted *a);
/* After the reactor's callbacks: some of the work. */
void entries_run(struct shard *s);
/* Is there any? */
bool entries_wait(const struct shard *s);
void entry_timer_fired(struct wheel_timer *t);
/* Nobody listens any more: those that are not with HTTP yet are closed. */
void entries_stop(struct shard *s);
/* HTTP is gone: writes what can be written at once, closes all. Streams must be gone. */
void entries_fini(struct shard *s);

#endif
