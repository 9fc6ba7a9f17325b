/* dialects.c - the table of all dialects. */
#include "dialects.h"

#include <stddef.h>

const struct dialect *const dialects[] = {
    &dialect_raw,
    &dialect_fanfare_sse,
    &dialect_fanfare_ws,
    &dialect_nchan_sse,
    &dialect_nchan_ws,
    &dialect_nats_ws,
    &dialect_centrifuge_ws,
    &dialect_pushpin_sse,
    &dialect_pushpin_ws,
    &dialect_node_ws,
    &dialect_socketio,
    &dialect_better_sse,
    NULL,
};
