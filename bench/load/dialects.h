/* dialects.h - what each dialect's file brings. */
#ifndef BENCH_DIALECTS_H
#define BENCH_DIALECTS_H

#include "dialect.h"

extern const struct dialect dialect_raw;
extern const struct dialect dialect_fanfare_sse;
extern const struct dialect dialect_fanfare_ws;
extern const struct dialect dialect_nchan_sse;
extern const struct dialect dialect_nchan_ws;
extern const struct dialect dialect_nats_ws;
extern const struct dialect dialect_centrifuge_ws;
extern const struct dialect dialect_pushpin_sse;
extern const struct dialect dialect_pushpin_ws;
extern const struct dialect dialect_node_ws;
extern const struct dialect dialect_socketio;
extern const struct dialect dialect_better_sse;

#endif
