#include "conn/lanes.h"

#include "base/map.h"

#include <stdlib.h>

enum slow_client lane_policy(struct outbuf *b, const struct options *opt)
{
    if (!b->policy) {
        enum slow_client p = b->frame->kind == TARGET_CHANNEL
                                 ? options_slow_client(opt, frame_target(b->frame))
                                 : (enum slow_client)opt->slow_client;
        b->policy = (uint8_t)(1 + p);
    }
    return (enum slow_client)(b->policy - 1);
}

static uint32_t lane_hash(struct outbuf *b, uint64_t seed)
{
    if (!b->lane) {
        unsigned kind = b->direct ? 3 : b->frame->kind;
        b->lane = map_hash(seed + kind, frame_target(b->frame)) * 31 +
                  map_hash(seed, frame_key(b->frame));
        b->lane += b->lane == 0;
    }
    return b->lane;
}

static bool same_lane(const struct outbuf *a, const struct outbuf *b)
{
    return a->lane == b->lane && a->direct == b->direct && a->frame->kind == b->frame->kind &&
           str_eq(frame_target(a->frame), frame_target(b->frame)) &&
           str_eq(frame_key(a->frame), frame_key(b->frame));
}

/* The lanes seen so far, from the newest message on: open addressing. */
struct seen {
    const struct outbuf **slots;
    uint32_t mask;
};

/* True if a message of its lane was there already. */
static bool see(struct seen *seen, struct outbuf *b, uint64_t seed)
{
    uint32_t i = lane_hash(b, seed) & seen->mask;

    while (seen->slots[i]) {
        if (same_lane(seen->slots[i], b)) {
            return true;
        }
        i = (i + 1) & seen->mask;
    }
    seen->slots[i] = b;
    return false;
}

void lanes_mark(const struct outq *q, uint32_t first, struct outbuf *next,
                const struct options *opt, uint64_t seed, bool *drop)
{
    struct seen seen;
    uint32_t size = 16;

    if (!options_slow_any(opt, SLOW_CONFLATE)) {
        return;
    }
    while (size < 2 * (q->n + 1)) {
        size *= 2;
    }
    seen = (struct seen){calloc(size, sizeof(struct outbuf *)), size - 1};
    if (!seen.slots) {
        return;
    }
    if (next && next->frame && lane_policy(next, opt) == SLOW_CONFLATE) {
        (void)see(&seen, next, seed);
    }
    for (uint32_t i = q->n; i-- > first;) {
        struct outbuf *b = outq_at(q, i);
        if (b->frame && lane_policy(b, opt) == SLOW_CONFLATE) {
            drop[i] = see(&seen, b, seed);
        }
    }
    free(seen.slots);
}
