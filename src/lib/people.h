/* people.h - what the router does in its own time for presence and typing: the first shard's timer
 * asks for it. Internal to src/lib. */
#ifndef FF_LIB_PEOPLE_H
#define FF_LIB_PEOPLE_H

#include "core/ports.h"
#include "rt/wheel.h"

struct fanfare;
struct shard;

/* Kinds of timers above those of streams; see lib/tidy.h and others. */
#define PEOPLE_TIMER 71

/* Adds what router_people needs to the router's ports. */
void people_ports(struct fanfare *gw, struct core_ports *ports);
/* Before the shards run. */
void people_init(struct fanfare *gw);
/* On the first shard. */
void people_timer_fired(struct wheel_timer *t);

#endif
