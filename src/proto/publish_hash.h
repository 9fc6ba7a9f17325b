/* publish_hash.h - is this the same publication as before?
 *
 * docs/delivery.md, "Publishing once". */
#ifndef FF_PROTO_PUBLISH_HASH_H
#define FF_PROTO_PUBLISH_HASH_H

#include "proto/publish.h"

#define PUBLISH_HASH_LEN 16

/* A digest of all that a publisher said but `id`: whom it is for (one name, or a
 * list with this name alone, is the same), in order, type, source, key, except,
 * timestamp if given, ephemeral, ttl, requireAck, ifLast, and the data, white
 * space left out. Part of a SHA-256, so that nobody finds two that are equal. It
 * is kept in stores: its input must not change. */
void publish_hash(const struct publish *p, uint8_t out[PUBLISH_HASH_LEN]);

#endif
