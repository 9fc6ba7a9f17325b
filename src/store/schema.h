/* schema.h - the tables of a store and how older ones become it.
 *
 * Internal to store. docs/delivery.md, "The store". The table `meta` holds, by
 * key:
 *   schema    number of the steps that made the tables
 *   epoch     of the log, base 36
 *   top       highest seq that has been written; after a clean stop the highest
 *             that was given out
 *   reserved  no higher seq has been given out; committed before any is
 *   floor     highest seq of any forgotten lane
 *   clean     1: nothing was left unwritten at the last stop
 *   delayed   1: in the last run no client saw anything before it was durable
 *   beat      changes with commits that must reach the disk though they may
 *             change nothing else: SQLite does not write what is as it was */
#ifndef FF_STORE_SCHEMA_H
#define FF_STORE_SCHEMA_H

#include "store/db.h"

/* Step n makes schema n + 1 out of schema n; step 0 begins with nothing. */
struct schema {
    const char *const *steps;
    unsigned version; /* number of steps */
};

/* This program's. */
const struct schema *schema_current(void);
/* Brings the database up to it, all steps in one transaction. A new one gets this
 * epoch, and counts as stopped cleanly. ERR_RANGE: it is newer. `from` (may be
 * NULL) gets the version that was found, 0 for a new one. Nothing is changed on
 * failure. */
int schema_bring_up(struct db *db, const struct schema *schema, uint64_t new_epoch, unsigned *from,
                    struct errmsg *why) FF_USE_RESULT;
/* Refuses any version but this program's: ERR_RANGE, ERR_INVALID if there is
 * nothing in it. Changes nothing. */
int schema_expect(struct db *db, const struct schema *schema, struct errmsg *why) FF_USE_RESULT;

enum meta_key {
    META_TOP,
    META_RESERVED,
    META_FLOOR,
    META_CLEAN,
    META_DELAYED,
    META_BEAT,
    META_COUNT
};
struct meta {
    uint64_t epoch; /* 0: none, or no epoch */
    uint64_t v[META_COUNT];
};
const char *meta_name(enum meta_key key);
/* An epoch as it is written; 0: it is none. */
uint64_t meta_parse_epoch(struct str s);
/* Each returns SQLite's code. What is missing is 0. */
int meta_read(struct db *db, struct meta *out);
int meta_write(struct db *db, const struct meta *meta);

#endif
