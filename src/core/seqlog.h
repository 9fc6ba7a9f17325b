/* seqlog.h - the kept messages of all lanes in the order of the log.
 *
 * Internal to core; guarded by the router's lock. Chunks of entries in a
 * directory: a position is found by bisection, any entry can be taken out, and
 * chunks that become sparse are merged, so that the memory follows the number
 * of entries and not the range of their numbers. */
#ifndef FF_CORE_SEQLOG_H
#define FF_CORE_SEQLOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct lane;
struct seqlog_chunk;

struct seqlog {
    struct seqlog_chunk **dir; /* dir[head .. head + n) */
    uint32_t head, n, cap;
};

struct seqlog_entry {
    uint64_t seq;
    struct lane *lane;
};

/* A place between entries; good until the next change. */
struct seqlog_pos {
    uint32_t chunk, at;
};

/* Zero-initialised is empty. */
void seqlog_fini(struct seqlog *l);
/* `seq` is higher than all before. ERR_NOMEM. */
int seqlog_append(struct seqlog *l, uint64_t seq, struct lane *lane) FF_USE_RESULT;
/* It is there. */
void seqlog_remove(struct seqlog *l, uint64_t seq);
/* Before the first entry with a seq over `after`. */
struct seqlog_pos seqlog_seek(const struct seqlog *l, uint64_t after);
/* Over the next one; NULL at the end. */
const struct seqlog_entry *seqlog_next(const struct seqlog *l, struct seqlog_pos *pos);
/* Back over the one before; NULL at the beginning. */
const struct seqlog_entry *seqlog_prev(const struct seqlog *l, struct seqlog_pos *pos);

#endif
