/* tidy.h - gives memory back to the system after many connections came or went.
 *
 * A connection needs far more memory while it is HTTP than as an idle stream,
 * and the streams that were made meanwhile keep the allocator from giving it
 * back by itself. Belongs to a shard, zero-initialised. */
#ifndef FF_LIB_TIDY_H
#define FF_LIB_TIDY_H

#include "rt/wheel.h"

struct shard;

#define TIDY_TIMER 65

struct tidy {
    struct wheel_timer timer;
    struct shard *shard;
    uint64_t changes; /* when the timer was last looked at */
    uint64_t done;    /* when memory was last given back */
};

/* At the end of a turn. */
void tidy_look(struct shard *s);
void tidy_timer_fired(struct wheel_timer *t);

#endif
