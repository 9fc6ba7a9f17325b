#include "hook/private.h"

enum breaker_says breaker_lets(struct breaker *b, uint64_t now_ms)
{
    if (!b->again_ms) {
        return BREAKER_YES;
    }
    if (now_ms < b->again_ms || b->trying) {
        return BREAKER_NO;
    }
    b->trying = true;
    return BREAKER_TRY;
}

bool breaker_tell(struct breaker *b, bool trial, bool works, uint64_t now_ms)
{
    bool was_open = b->again_ms != 0;

    if (trial) {
        b->trying = false;
    }
    if (works) {
        b->failures = 0;
        b->again_ms = 0;
        return was_open;
    }
    b->failures += b->failures < b->max;
    if (b->failures < b->max) {
        return false;
    }
    if (trial || !was_open) { /* others that were under way tell nothing new */
        b->again_ms = now_ms + b->pause_ms;
    }
    return !was_open;
}

void breaker_take_back(struct breaker *b)
{
    b->trying = false;
}
