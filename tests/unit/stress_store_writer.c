/* Many publishers, one writer, a disk that fails now and then: for the thread
 * sanitizer. Every record must come back once, and what was said to be stored
 * must be there in the end. */
#include "core/store_port.h"
#include "store/store.h"
#include "support_store_vfs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUBLISHERS = 4, MESSAGES = 3000, EPOCH = 99 };

struct item {
    struct record rec; /* first */
    int back, rc;
};

struct router {
    pthread_mutex_t log;
    uint64_t seq;
    unsigned stored, refused, faults;
};

static struct router router;
static struct store *store;
static struct item items[PUBLISHERS * MESSAGES + 1];

void router_stored(struct router *r, struct record *first, int rc)
{
    struct record *next;

    pthread_mutex_lock(&r->log);
    for (struct record *rec = first; rec; rec = next) {
        struct item *i = (struct item *)(void *)rec;
        next = rec->next;
        r->faults += i->back++ != 0;
        i->rc = rc;
        r->stored += rc == 0;
        r->refused += rc != 0;
    }
    pthread_mutex_unlock(&r->log);
}

/* ---- nothing is loaded ---- */

void router_store_gone(struct router *r, uint64_t next_seq)
{
    (void)next_seq;
    r->faults++;
}
void router_restore_log(struct router *r, const struct restored_log *log)
{
    r->faults += log->top != 0;
}
int router_restore_lane(struct router *r, uint64_t lane, enum target_kind target, struct str name,
                        uint64_t evicted, uint64_t queued)
{
    (void)target, (void)name, (void)evicted, (void)queued;
    r->faults += lane != 0;
    return 0;
}
int router_restore_message(struct router *r, uint64_t lane, uint64_t seq, uint64_t at_ms,
                           uint64_t expires_ms, struct frame *frame)
{
    (void)lane, (void)at_ms, (void)expires_ms, (void)frame;
    r->faults += seq != 0;
    return 0;
}
int router_restore_unacked(struct router *r, struct str user, struct str id, uint64_t seq,
                           uint64_t at_ms, uint64_t expires_ms, struct frame *frame)
{
    (void)user, (void)id, (void)at_ms, (void)expires_ms, (void)frame;
    r->faults += seq != 0;
    return 0;
}
int router_restore_once(struct router *r, struct once *o)
{
    r->faults++;
    once_unref(o);
    return 0;
}
int router_restore_read(struct router *r, struct str channel, struct str user, uint64_t seq,
                        uint64_t at_ms)
{
    (void)channel;
    (void)user;
    (void)seq;
    (void)at_ms;
    r->faults++;
    return 0;
}
void router_restored(struct router *r, uint64_t now_ms)
{
    (void)r, (void)now_ms;
}

/* ---- publishers ---- */

static struct frame *new_frame(uint64_t seq)
{
    struct envelope e = {.kind = TARGET_CHANNEL,
                         .target = STR_LIT("news"),
                         .type = STR_LIT("t"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
                         .data = STR_LIT("1"),
                         .epoch = EPOCH};
    struct frame *f = NULL;

    if (frame_new(&e, frame_digits(seq), &f) != 0) {
        abort();
    }
    frame_seal(f, seq);
    return f;
}

static bool publish(struct core_store *port)
{
    pthread_mutex_lock(&router.log);
    uint64_t seq = router.seq + 1;
    bool admitted = port->admit(port->ctx, 300, seq) == 0;
    if (admitted) {
        struct item *i = &items[seq];
        router.seq = seq;
        i->rec = (struct record){
            .kind = RECORD_MESSAGE, .seq = seq, .at_ms = 1, .lane = 1, .frame = new_frame(seq)};
        port->put(port->ctx, &i->rec, &i->rec, frame_size(i->rec.frame));
    }
    pthread_mutex_unlock(&router.log);
    return admitted;
}

static void *publisher(void *arg)
{
    struct core_store *port = arg;
    struct errmsg why;
    unsigned n = 0;

    while (n < MESSAGES) {
        if (publish(port)) {
            n++;
        } else {
            (void)store_failed(store, &why);
            usleep(1000); /* what a client does that is told to come back */
        }
    }
    return NULL;
}

static void *disk(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 12; i++) {
        shim_break(i % 3 == 0   ? FAULT_FULL
                   : i % 3 == 1 ? FAULT_SYNC
                                : FAULT_SHORT_WRITE,
                   20, i % 2);
        usleep(15000);
        shim_mend();
        usleep(15000);
    }
    return NULL;
}

/* ---- afterwards ---- */

static unsigned rows(const char *path)
{
    sqlite3 *h = NULL;
    sqlite3_stmt *s = NULL;
    unsigned n = 0;

    if (sqlite3_open(path, &h) == SQLITE_OK &&
        sqlite3_prepare_v2(h, "SELECT seq FROM messages", -1, &s, NULL) == SQLITE_OK) {
        while (sqlite3_step(s) == SQLITE_ROW) {
            uint64_t seq = (uint64_t)sqlite3_column_int64(s, 0);
            router.faults += items[seq].rc != 0;
            n++;
        }
    }
    sqlite3_finalize(s);
    sqlite3_close(h);
    return n;
}

static int run(const char *path, struct metrics *metrics)
{
    struct store_config cfg = {.path = path,
                               .sync = SYNC_ALWAYS,
                               .queue_bytes = 100000,
                               .new_epoch = EPOCH,
                               .now_ms = 1,
                               .metrics = metrics,
                               .vfs = shim_register()};
    pthread_t threads[PUBLISHERS], breaker;
    struct errmsg why;

    if (store_open(&cfg, &store, &why) != 0 || store_load(store, &router, &why) != 0 ||
        store_start(store, &router, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        pthread_create(&threads[i], NULL, publisher, store_port(store));
    }
    pthread_create(&breaker, NULL, disk, NULL);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(breaker, NULL);
    bool clean = store_stop(store, 10000);
    store_free(store);
    unsigned kept = rows(path);
    for (unsigned i = 1; i <= PUBLISHERS * MESSAGES; i++) {
        router.faults += items[i].back != 1;
        frame_unref(items[i].rec.frame);
    }
    printf("published %u, stored %u, refused %u, found %u, clean %d, faults %u\n",
           PUBLISHERS * MESSAGES, router.stored, router.refused, kept, clean, router.faults);
    return !clean || router.faults || kept != router.stored ||
           router.stored + router.refused != PUBLISHERS * MESSAGES;
}

int main(void)
{
    char dir[] = "/tmp/fanfare-store-XXXXXX", path[64];
    static struct metrics metrics;

    if (!mkdtemp(dir)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/x.db", dir);
    pthread_mutex_init(&router.log, NULL);
    int rc = run(path, &metrics);
    (void)unlink(path);
    (void)rmdir(dir);
    return rc;
}
