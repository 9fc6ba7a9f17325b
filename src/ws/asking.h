/* asking.h - subscriptions about which the application is asked (hook/hook.h). The op is
 * answered when the application has; meanwhile others go on. */
#ifndef FF_WS_ASKING_H
#define FF_WS_ASKING_H

#include "proto/position.h"
#include "ws/op.h"

/* Could the application permit the channel or pattern to this client? */
bool asking_may_help(const struct op *op, struct str name);
/* Asks; `run` is called with an op of the same client and ref when it is permitted. In any
 * other case, also of too many questions of one client, the op is answered here. */
void asking_begin(struct op *op, struct str name, const struct position *pos,
                  void (*run)(struct op *op, struct str name, const struct position *pos));
/* The client wants the name no more: false if nothing is being asked about it. */
bool asking_cancel(struct op *op, struct str name);

#endif
