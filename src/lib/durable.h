/* durable.h - the gateway's log and its store: opening, closing, and what is due
 * by and by. Internal to src/lib. */
#ifndef FF_LIB_DURABLE_H
#define FF_LIB_DURABLE_H

#include "base/err.h"
#include "rt/wheel.h"

struct fanfare;
struct shard;

#define LOG_TIMER 66

/* Opens the store, if there is to be one, and says the epoch. */
int durable_open(struct fanfare *gw, struct errmsg *why) FF_USE_RESULT;
/* Makes the router, which learns what to keep and is filled from the store. */
int durable_load(struct fanfare *gw, struct errmsg *why) FF_USE_RESULT;
/* All shards have ended: what was not written is. */
void durable_stop(struct fanfare *gw);
void durable_free(struct fanfare *gw);

/* On the first shard: what is too old goes, what was not acknowledged is sent
 * again. */
void durable_start_timer(struct shard *s);
void durable_timer_fired(struct wheel_timer *t);

#endif
