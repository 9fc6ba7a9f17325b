/* busy.h - when to look for work a little longer before sleeping.
 *
 * Waking a thread that sleeps takes longer than most requests do. A thread
 * whose work keeps coming within `max_us` of the last looks again for that long
 * before it sleeps; one whose looking was in vain more often than not sleeps at
 * once. This is the decision alone; the loop is the caller's. */
#ifndef FF_RT_BUSY_H
#define FF_RT_BUSY_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised: sleeps at once. */
struct busy {
    uint32_t heat;
};

/* For how many microseconds to look before sleeping. */
uint32_t busy_for(const struct busy *b, uint32_t max_us);
/* Work came while it looked, or it did not. */
void busy_looked(struct busy *b, bool found);
/* Work came after it had slept, and after so long a wait. */
void busy_slept(struct busy *b, uint64_t waited_us, uint32_t max_us);

#endif
