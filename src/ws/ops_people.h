/* ops_people.h - the ops `presence`, `info`, `typing` and `read`. Internal to ws. */
#ifndef FF_WS_OPS_PEOPLE_H
#define FF_WS_OPS_PEOPLE_H

#include "ws/op.h"

void op_presence(struct op *op);
void op_info(struct op *op);
void op_typing(struct op *op);
void op_read(struct op *op);

#endif
