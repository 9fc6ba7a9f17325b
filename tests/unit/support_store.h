/* support_store.h - a store on a folder of its own, with a router that only
 * remembers what the store told it. */
#ifndef FF_TESTS_SUPPORT_STORE_H
#define FF_TESTS_SUPPORT_STORE_H

#include "base/clock.h"
#include "core/store_port.h"
#include "store/store.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RIG_EPOCH = 4711, RIG_NOW = 1000000 };

/* One record; what became of it. */
struct item {
    struct record rec; /* first */
    struct item *next; /* all of them, newest first */
    unsigned serial;
    unsigned back; /* how often it was given back */
    int rc;
    struct item *follow; /* is put when this one comes back: what the log may do */
    struct core_store *port;
};

struct kept_row {
    uint64_t lane, seq, at_ms, expires_ms, evicted, queued;
    enum target_kind kind;
    char name[201], id[201], envelope[400], key[40];
    uint8_t hash[ONCE_HASH];
    struct once_result results[4];
    uint32_t count;
};

struct kept {
    struct kept_row v[600];
    unsigned n;
};

struct router {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned out; /* records in the store's hands */
    unsigned errors, turns;
    unsigned faults; /* given back twice, or in the wrong order */
    unsigned last_ok;
    bool gone;
    uint64_t gone_next;
    bool restored;
    struct restored_log log;
    struct kept lanes, messages, unacked, ids, reads;
    unsigned fail_after; /* restoring: so many calls succeed; 0: all */
    int fail_with;
};

struct rig {
    char dir[64], path[128], log_path[96];
    struct store_config cfg;
    struct store *st;
    struct router r;
    struct metrics metrics;
    struct errmsg why;
    struct item *items;
    unsigned serial;
    uint64_t seq;
};

/* ---- the router ---- */

void router_stored(struct router *r, struct record *first, int rc)
{
    struct record *next, *follow = NULL;
    struct core_store *port = NULL;

    pthread_mutex_lock(&r->lock);
    r->turns++;
    for (struct record *rec = first; rec; rec = next) {
        struct item *i = (struct item *)(void *)rec;
        next = rec->next;
        r->faults += ++i->back != 1;
        i->rc = rc;
        r->errors += rc != 0;
        if (rc == 0 && (rec->kind == RECORD_MESSAGE || rec->kind == RECORD_BARRIER)) {
            r->faults += i->serial <= r->last_ok;
            r->last_ok = i->serial;
        }
        r->out--;
        if (i->follow) {
            follow = &i->follow->rec;
            port = i->port;
            r->out++;
        }
    }
    if (follow) {
        port->put(port->ctx, follow, follow, 100);
    }
    pthread_cond_broadcast(&r->change);
    pthread_mutex_unlock(&r->lock);
}

void router_store_gone(struct router *r, uint64_t next_seq)
{
    pthread_mutex_lock(&r->lock);
    r->faults += r->gone;
    r->gone = true;
    r->gone_next = next_seq;
    pthread_mutex_unlock(&r->lock);
}

void router_restore_log(struct router *r, const struct restored_log *log)
{
    r->log = *log;
}

static int restore_refused(struct router *r)
{
    return r->fail_after && --r->fail_after == 0 ? r->fail_with : 0;
}

static struct kept_row *kept_add(struct kept *k)
{
    cr_assert_lt(k->n, sizeof k->v / sizeof *k->v);
    memset(&k->v[k->n], 0, sizeof k->v[0]);
    return &k->v[k->n++];
}

static void copy_str(char *to, size_t size, struct str s)
{
    snprintf(to, size, "%.*s", (int)s.len, s.p ? s.p : "");
}

int router_restore_lane(struct router *r, uint64_t lane, enum target_kind target, struct str name,
                        uint64_t evicted, uint64_t queued)
{
    struct kept_row *row = kept_add(&r->lanes);

    row->lane = lane;
    row->kind = target;
    copy_str(row->name, sizeof row->name, name);
    row->evicted = evicted;
    row->queued = queued;
    return restore_refused(r);
}

static void kept_frame(struct kept_row *row, uint64_t seq, uint64_t at_ms, uint64_t expires_ms,
                       const struct frame *frame)
{
    row->seq = seq;
    row->at_ms = at_ms;
    row->expires_ms = expires_ms;
    row->kind = (enum target_kind)frame->kind;
    copy_str(row->envelope, sizeof row->envelope, frame_envelope(frame));
    copy_str(row->key, sizeof row->key, frame_key(frame));
}

int router_restore_message(struct router *r, uint64_t lane, uint64_t seq, uint64_t at_ms,
                           uint64_t expires_ms, struct frame *frame)
{
    struct kept_row *row = kept_add(&r->messages);

    row->lane = lane;
    kept_frame(row, seq, at_ms, expires_ms, frame);
    return restore_refused(r);
}

int router_restore_unacked(struct router *r, struct str user, struct str id, uint64_t seq,
                           uint64_t at_ms, uint64_t expires_ms, struct frame *frame)
{
    struct kept_row *row = kept_add(&r->unacked);

    kept_frame(row, seq, at_ms, expires_ms, frame);
    copy_str(row->name, sizeof row->name, user);
    copy_str(row->id, sizeof row->id, id);
    return restore_refused(r);
}

int router_restore_once(struct router *r, struct once *o)
{
    struct kept_row *row = kept_add(&r->ids);

    copy_str(row->id, sizeof row->id, once_id(o));
    row->seq = o->first;
    row->at_ms = o->at_ms;
    row->count = o->count;
    memcpy(row->hash, o->hash, ONCE_HASH);
    for (uint32_t i = 0; i < o->count && i < 4; i++) {
        row->results[i] = o->results[i];
    }
    once_unref(o);
    return restore_refused(r);
}

/* The user stands where a message has its id. */
int router_restore_read(struct router *r, struct str channel, struct str user, uint64_t seq,
                        uint64_t at_ms)
{
    struct kept_row *row = kept_add(&r->reads);

    copy_str(row->name, sizeof row->name, channel);
    copy_str(row->id, sizeof row->id, user);
    row->seq = seq;
    row->at_ms = at_ms;
    return restore_refused(r);
}

void router_restored(struct router *r, uint64_t now_ms)
{
    cr_assert_eq(now_ms, RIG_NOW);
    r->restored = true;
}

static inline const struct kept_row *kept_seq(const struct kept *k, uint64_t seq)
{
    for (unsigned i = 0; i < k->n; i++) {
        if (k->v[i].seq == seq) {
            return &k->v[i];
        }
    }
    return NULL;
}

/* ---- the rig ---- */

static inline void rig_init(struct rig *g)
{
    pthread_condattr_t attr;

    *g = (struct rig){0};
    snprintf(g->dir, sizeof g->dir, "/tmp/fanfare-store-XXXXXX");
    cr_assert_not_null(mkdtemp(g->dir));
    snprintf(g->path, sizeof g->path, "%s/fanfare.db", g->dir);
    snprintf(g->log_path, sizeof g->log_path, "%s/log", g->dir);
    g->cfg = (struct store_config){.path = g->path,
                                   .sync = SYNC_ALWAYS,
                                   .interval_ms = 50,
                                   .failure = STORE_FAILURE_REFUSE,
                                   .queue_bytes = 1 << 20,
                                   .id_window_ms = 600000,
                                   .new_epoch = RIG_EPOCH,
                                   .now_ms = RIG_NOW,
                                   .metrics = &g->metrics};
    cr_assert_eq(log_new(LOG_DEBUG_LVL, LOG_TEXT, g->log_path, &g->cfg.log, NULL), 0);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->r.lock, NULL);
    pthread_cond_init(&g->r.change, &attr);
    pthread_condattr_destroy(&attr);
}

static inline void rig_free_items(struct rig *g)
{
    while (g->items) {
        struct item *i = g->items;
        g->items = i->next;
        frame_unref(i->rec.frame);
        once_unref(i->rec.once);
        free(i);
    }
}

static inline void rig_fini(struct rig *g)
{
    char command[128];

    store_free(g->st);
    g->st = NULL;
    cr_assert_eq(g->r.faults, 0, "records were given back twice or out of order");
    rig_free_items(g);
    log_free(g->cfg.log);
    snprintf(command, sizeof command, "rm -rf '%s'", g->dir);
    cr_assert_eq(system(command), 0);
}

/* Forgets what an earlier run restored. */
static inline void rig_forget(struct rig *g)
{
    g->r.lanes.n = g->r.messages.n = g->r.unacked.n = g->r.ids.n = g->r.reads.n = 0;
    g->r.restored = g->r.gone = false;
    g->r.errors = g->r.turns = 0;
}

static inline int rig_try_open(struct rig *g)
{
    rig_forget(g);
    g->why.text[0] = '\0';
    int rc = store_open(&g->cfg, &g->st, &g->why);
    if (rc) {
        g->st = NULL;
        return rc;
    }
    rc = store_load(g->st, &g->r, &g->why);
    if (rc == 0) {
        rc = store_start(g->st, &g->r, &g->why);
    }
    g->seq = g->r.log.top;
    return rc;
}

static inline void rig_open(struct rig *g)
{
    int rc = rig_try_open(g);

    cr_assert_eq(rc, 0, "%s", g->why.text);
    cr_assert(g->r.restored);
}

/* Returns whether it was clean; everything must be back. */
static inline bool rig_stop(struct rig *g, uint64_t ms)
{
    bool clean = store_stop(g->st, ms);

    store_free(g->st);
    g->st = NULL;
    cr_assert_eq(g->r.out, 0, "%u records were not given back", g->r.out);
    return clean;
}

static inline struct item *rig_item(struct rig *g, enum record_kind kind)
{
    struct item *i = calloc(1, sizeof *i);

    cr_assert_not_null(i);
    i->rec.kind = kind;
    i->serial = ++g->serial;
    i->next = g->items;
    g->items = i;
    return i;
}

static inline void rig_put_chain(struct rig *g, struct item *first, struct item *last, unsigned n,
                                 size_t bytes)
{
    struct core_store *port = store_port(g->st);

    pthread_mutex_lock(&g->r.lock);
    g->r.out += n;
    pthread_mutex_unlock(&g->r.lock);
    port->put(port->ctx, &first->rec, &last->rec, bytes);
}

static inline struct item *rig_put(struct rig *g, struct item *i)
{
    rig_put_chain(g, i, i, 1, i->rec.frame ? frame_size(i->rec.frame) : sizeof *i);
    return i;
}

/* A message that is not put yet; takes the next number. */
static inline struct item *rig_new_message(struct rig *g, enum target_kind kind, const char *target,
                                           uint64_t lane, const char *data)
{
    struct item *i = rig_item(g, RECORD_MESSAGE);
    char id[32];
    struct envelope e = {.kind = kind,
                         .target = str_of(target),
                         .type = STR_LIT("test.type"),
                         .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
                         .data = str_of(data),
                         .key = STR_LIT("k1"),
                         .epoch = store_epoch(g->st)};

    i->rec.seq = ++g->seq;
    snprintf(id, sizeof id, "id-%llu", (unsigned long long)i->rec.seq);
    e.id = str_of(id);
    cr_assert_eq(frame_new(&e, frame_digits(i->rec.seq), &i->rec.frame), 0);
    frame_seal(i->rec.frame, i->rec.seq);
    i->rec.at_ms = RIG_NOW + i->rec.seq;
    i->rec.lane = lane;
    i->rec.target = kind;
    i->rec.name = STR_LIT("not looked at");
    return i;
}

static inline struct item *rig_message(struct rig *g, uint64_t lane, const char *data)
{
    return rig_put(g, rig_new_message(g, TARGET_CHANNEL, "news", lane, data));
}

static inline struct item *rig_new_lane(struct rig *g, uint64_t lane, enum target_kind kind,
                                        const char *name, uint64_t evicted, uint64_t queued)
{
    struct item *i = rig_item(g, RECORD_LANE);

    i->rec.lane = lane;
    i->rec.target = kind;
    i->rec.name = str_of(name);
    i->rec.evicted = evicted;
    i->rec.queued = queued;
    return i;
}

static inline struct item *rig_lane(struct rig *g, uint64_t lane, enum target_kind kind,
                                    const char *name, uint64_t evicted, uint64_t queued)
{
    return rig_put(g, rig_new_lane(g, lane, kind, name, evicted, queued));
}

/* A read position; the names must outlive it. */
static inline struct item *rig_read(struct rig *g, const char *channel, const char *user,
                                    uint64_t seq, uint64_t at_ms)
{
    struct item *i = rig_item(g, RECORD_READ);

    i->rec.name = str_of(channel);
    i->rec.user = str_of(user);
    i->rec.seq = seq;
    i->rec.at_ms = at_ms;
    return rig_put(g, i);
}

static inline struct item *rig_unread(struct rig *g, const char *channel, const char *user)
{
    struct item *i = rig_item(g, RECORD_UNREAD);

    i->rec.name = str_of(channel);
    i->rec.user = str_of(user);
    return rig_put(g, i);
}

/* Until no more than `left` records are out; false after ten seconds. */
static inline bool rig_settle(struct rig *g, unsigned left)
{
    uint64_t end = clock_mono_ms() + 10000;
    struct timespec until = {(time_t)(end / 1000), (long)(end % 1000) * 1000000};
    int rc = 0;

    pthread_mutex_lock(&g->r.lock);
    while (g->r.out > left && rc == 0) {
        rc = pthread_cond_timedwait(&g->r.change, &g->r.lock, &until);
    }
    bool settled = g->r.out <= left;
    pthread_mutex_unlock(&g->r.lock);
    return settled;
}

/* Waits for something that only the store's thread knows. */
#define RIG_UNTIL(condition)                                              \
    do {                                                                  \
        uint64_t until_end = clock_mono_ms() + 10000;                     \
        while (!(condition) && clock_mono_ms() < until_end) {             \
            usleep(1000); /* polls; the end of the time is a failure */   \
        }                                                                 \
        cr_assert((condition), "not within ten seconds: %s", #condition); \
    } while (0)

static inline uint64_t rig_metric(const struct rig *g, enum metric id)
{
    return atomic_load(&g->metrics.v[id]);
}

static inline int rig_admit(struct rig *g, size_t bytes, uint64_t seq)
{
    struct core_store *port = store_port(g->st);

    return port->admit(port->ctx, bytes, seq);
}

static inline bool rig_log_has(const struct rig *g, const char *text)
{
    static char content[1 << 20];
    FILE *f = fopen(g->log_path, "r");
    size_t n = f ? fread(content, 1, sizeof content - 1, f) : 0;

    content[n] = '\0';
    if (f) {
        fclose(f);
    }
    return strstr(content, text) != NULL;
}

/* The files as they are now, as if the process had been killed, become the
 * database of `to`. */
static inline void rig_copy_files(const struct rig *from, struct rig *to)
{
    char command[800];

    snprintf(command, sizeof command, "rm -f '%s'* && cp '%s' '%s' && cp '%s-wal' '%s-wal'",
             to->path, from->path, to->path, from->path, to->path);
    cr_assert_eq(system(command), 0);
}

/* Runs SQL on a database that nobody uses. */
static inline void rig_sql(const struct rig *g, const char *sql)
{
    sqlite3 *h = NULL;
    char *error = NULL;

    cr_assert_eq(sqlite3_open(g->path, &h), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(h, sql, NULL, NULL, &error), SQLITE_OK, "%s", error);
    sqlite3_close(h);
}

static inline uint64_t rig_query(const struct rig *g, const char *sql)
{
    sqlite3 *h = NULL;
    sqlite3_stmt *s = NULL;

    cr_assert_eq(sqlite3_open(g->path, &h), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(h, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(h));
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
    uint64_t v = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(h);
    return v;
}

#endif
