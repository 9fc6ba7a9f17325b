/* map.h - uthash, set up for hostile keys.
 *
 * Keys come from outside, so every table hashes with a secret seed; use the
 * ..._BYHASHVALUE macros of uthash with map_hash(). Running out of memory
 * leaves the element out of the table (hh.tbl is NULL) instead of exiting. */
#ifndef FF_BASE_MAP_H
#define FF_BASE_MAP_H

#include "base/str.h"

#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) ((void)(elt))
#include <uthash.h>

/* XXH3 of the bytes under the seed, folded to uthash's width. */
unsigned map_hash(uint64_t seed, struct str key);

#endif
