/* token.h - the op `token`: a new token takes the place of the stream's credential.
 * Internal to ws. */
#ifndef FF_WS_TOKEN_H
#define FF_WS_TOKEN_H

#include "ws/op.h"

void op_token(struct op *op);

#endif
