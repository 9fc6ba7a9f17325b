/* ops_channel.h - the ops `subscribe` and `unsubscribe`. Internal to ws. */
#ifndef FF_WS_OPS_CHANNEL_H
#define FF_WS_OPS_CHANNEL_H

#include "ws/op.h"

void op_subscribe(struct op *op);
void op_unsubscribe(struct op *op);

#endif
