/* txn.h - one transaction: records and the numbers that go with them, all or
 * nothing. Internal to store; the writer thread, or whoever comes before it. */
#ifndef FF_STORE_TXN_H
#define FF_STORE_TXN_H

#include "base/strbuf.h"
#include "core/store_port.h"
#include "store/db.h"
#include "store/lost.h"

enum stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_PUT_MESSAGE,
    STMT_PUT_UNACKED,
    STMT_QUEUE,
    STMT_PUT_ID,
    STMT_PUT_LANE,
    STMT_EVICT,
    STMT_FORGET_MESSAGES,
    STMT_FORGET_LANE,
    STMT_RAISE_FLOOR,
    STMT_ACKED,
    STMT_PUT_READ,
    STMT_FORGET_READ,
    STMT_SET_TOP,
    STMT_SET_RESERVED,
    STMT_SET_CLEAN,
    STMT_BEAT,
    STMT_UNDO_MESSAGES,
    STMT_UNDO_UNACKED,
    STMT_UNDO_IDS,
    STMT_OLD_IDS,
    STMT_OLD_MESSAGES,
    STMT_COUNT
};

struct statements {
    sqlite3_stmt *v[STMT_COUNT];
    struct strbuf scratch;
};

/* Returns SQLite's code. */
int statements_prepare(struct statements *s, struct db *db);
void statements_fini(struct statements *s);

/* The records of one transaction. */
struct batch {
    struct record *first, *last; /* NULL: none */
    size_t bytes;
    unsigned messages; /* to be written */
    uint64_t top;      /* highest seq; 0: none */
    bool durable;      /* there is something to write */
};
/* The first of a chain, about so many records and bytes of them. The messages of
 * a publication that is known by its id stay together, or a repetition after a
 * crash would find half of it. */
void batch_cut(struct batch *b, struct record *chain, unsigned max, size_t max_bytes);

struct txn {
    enum db_sync sync;
    struct batch batch;
    uint64_t top;      /* to be noted; 0: not */
    uint64_t reserved; /* likewise */
    bool clean;        /* note that nothing is left unwritten */
    bool beat;         /* write something in any case */
    /* Messages that were given back with an error: a commit that failed may have
     * reached the disk all the same. [undo_from, undo_to]; 0: none. */
    uint64_t undo_from, undo_to;
    const struct lost_set *lost; /* to be noted; NULL: not */
    /* Rows that are too old, a bounded number of them; 0: none are looked for. */
    uint64_t ids_before, expired_at;
};

/* Is there anything to do? */
bool txn_is_needed(const struct txn *t);
/* Returns SQLite's code; on failure it is rolled back. *swept (may be NULL): so
 * many old rows are gone. */
int txn_run(struct db *db, struct statements *s, const struct txn *t, unsigned *swept);

#endif
