/* histogram.c */
#include "histogram.h"

int64_t histogram_at(const struct histogram *h, double share)
{
    if (h->total == 0) {
        return 0;
    }
    uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++) {
        seen += h->count[i];
        if (h->count[i] > 0 && seen > wanted) {
            unsigned shift = i >> HISTOGRAM_BITS;
            if (shift > 0) {
                shift--;
            }
            /* The class's upper end. */
            uint64_t low = (uint64_t)(i - (shift << HISTOGRAM_BITS)) << shift;
            int64_t high = (int64_t)(low + (1ULL << shift) - 1);
            return high < h->max ? high : h->max;
        }
    }
    return h->max;
}
