/* lost.h - ranges of numbers whose messages a process took with it when it ended
 * without warning. Internal to store. */
#ifndef FF_STORE_LOST_H
#define FF_STORE_LOST_H

#include "core/store_port.h"
#include "store/db.h"

struct lost_set {
    struct lost_range v[LOST_RANGES_MAX]; /* ascending, apart from each other */
    unsigned n;
};

/* Adds (from, to]; ranges that touch become one. If there are too many, the two
 * with the least between them become one: that claims too much to be lost, never
 * too little. */
void lost_add(struct lost_set *set, uint64_t from, uint64_t to);
/* Each returns SQLite's code. */
int lost_read(struct db *db, struct lost_set *out);
int lost_write(struct db *db, const struct lost_set *set); /* in place of what is there */

#endif
