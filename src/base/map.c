#include "base/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

unsigned map_hash(uint64_t seed, struct str key)
{
    uint64_t h = XXH3_64bits_withSeed(key.len ? key.p : "", key.len, seed);
    return (unsigned)(h ^ (h >> 32));
}
