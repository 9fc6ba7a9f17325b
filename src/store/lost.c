#include "store/lost.h"

/* Takes in the ranges from `at` on that touch the one at `at`. */
static void join_next(struct lost_set *set, unsigned at)
{
    while (at + 1 < set->n && set->v[at + 1].from <= set->v[at].to) {
        if (set->v[at + 1].to > set->v[at].to) {
            set->v[at].to = set->v[at + 1].to;
        }
        for (unsigned i = at + 1; i + 1 < set->n; i++) {
            set->v[i] = set->v[i + 1];
        }
        set->n--;
    }
}

/* One place becomes free. */
static void join_nearest(struct lost_set *set)
{
    unsigned best = 0;

    for (unsigned i = 1; i + 1 < set->n; i++) {
        if (set->v[i + 1].from - set->v[i].to < set->v[best + 1].from - set->v[best].to) {
            best = i;
        }
    }
    set->v[best].to = set->v[best + 1].from;
    join_next(set, best);
}

void lost_add(struct lost_set *set, uint64_t from, uint64_t to)
{
    unsigned at = 0;

    if (from >= to) {
        return;
    }
    while (at < set->n && set->v[at].to < from) {
        at++;
    }
    if (at < set->n && set->v[at].from <= to) { /* they touch */
        set->v[at].from = from < set->v[at].from ? from : set->v[at].from;
        set->v[at].to = to > set->v[at].to ? to : set->v[at].to;
        join_next(set, at);
        return;
    }
    if (set->n == LOST_RANGES_MAX) {
        join_nearest(set);
        lost_add(set, from, to);
        return;
    }
    for (unsigned i = set->n; i > at; i--) {
        set->v[i] = set->v[i - 1];
    }
    set->v[at] = (struct lost_range){from, to};
    set->n++;
}

int lost_read(struct db *db, struct lost_set *out)
{
    sqlite3_stmt *s = NULL;
    int rc = db_prepare(db, "SELECT past, upto FROM lost ORDER BY past", &s);

    out->n = 0;
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            lost_add(out, db_u64(s, 0), db_u64(s, 1));
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    (void)sqlite3_finalize(s);
    return rc;
}

int lost_write(struct db *db, const struct lost_set *set)
{
    sqlite3_stmt *s = NULL;
    int rc = db_exec(db, "DELETE FROM lost");

    if (rc == SQLITE_OK) {
        rc = db_prepare(db, "INSERT INTO lost VALUES(?, ?)", &s);
    }
    for (unsigned i = 0; i < set->n && rc == SQLITE_OK; i++) {
        db_bind_u64(s, 1, set->v[i].from);
        db_bind_u64(s, 2, set->v[i].to);
        rc = db_run(s);
    }
    (void)sqlite3_finalize(s);
    return rc;
}
