#include "rt/busy.h"

/* How many times in a row it may look in vain, after a long run of luck. */
enum { HOTTEST = 8 };

static void warmer(struct busy *b)
{
    if (b->heat < HOTTEST) {
        b->heat++;
    }
}

uint32_t busy_for(const struct busy *b, uint32_t max_us)
{
    return b->heat ? max_us : 0;
}

void busy_looked(struct busy *b, bool found)
{
    if (found) {
        warmer(b);
    } else if (b->heat) {
        b->heat--;
    }
}

void busy_slept(struct busy *b, uint64_t waited_us, uint32_t max_us)
{
    if (waited_us <= max_us) { /* looking would have found it */
        warmer(b);
    }
}
