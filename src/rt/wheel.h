/* wheel.h - a hierarchical timer wheel: O(1) start, stop and expiry.
 *
 * For one thread. Ticks of WHEEL_TICK_MS; a timer fires at or up to one tick
 * after its time, never before. Timers are intrusive and hold no callback: the
 * wheel has one, the embedding object knows what its timer means. */
#ifndef FF_RT_WHEEL_H
#define FF_RT_WHEEL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 16

/* Zero-initialised is "not running". */
struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer **prev; /* NULL: not running */
    uint32_t due;              /* tick, modulo 2^32 */
    uint32_t kind;             /* for the owner */
};

struct wheel;
typedef void wheel_fn(struct wheel_timer *t, void *ctx);

/* `now_ms`: any monotonic clock, the same one in every call. */
int wheel_new(uint64_t now_ms, struct wheel **out) FF_USE_RESULT;
void wheel_free(struct wheel *w); /* running timers are forgotten */
/* (Re)starts the timer to fire at now_ms + delay_ms (at most ~2 years). */
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t now_ms, uint64_t delay_ms);
void wheel_stop(struct wheel_timer *t); /* no-op if not running */
static inline bool wheel_running(const struct wheel_timer *t)
{
    return t->prev != 0;
}
/* Fires what is due; a callback may start and stop any timer, its own and
 * others due in the same call included. A timer started with delay 0 by a
 * callback fires in a later call. */
void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *fire, void *ctx);
/* The same, but fires at most `max` timers. True if some that are due are left:
 * they come first in the next call, and can be stopped until then. */
bool wheel_advance_some(struct wheel *w, uint64_t now_ms, unsigned max, wheel_fn *fire, void *ctx);
/* Milliseconds until wheel_advance may have something to do: exact or earlier
 * than the next expiry, -1 if no timer runs. Cheap. */
int64_t wheel_next_ms(const struct wheel *w, uint64_t now_ms);

#endif
