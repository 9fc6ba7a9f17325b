/* stress_core_router [publications per publisher [seed]] - shards and
 * publishers as threads, under a sanitizer that does not get on with the test
 * framework. Everything is written down, and afterwards each member must have
 * got exactly what it was subscribed to at each seq, once and in order, and
 * each publication must have matched exactly that. Exit status 0: all was well. */
#include "core/router_private.h"
#include "support_stress.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SHARDS = 4,
    PUBLISHERS = 4,
    SLOTS = 10, /* members at a time, a shard */
    CHANNELS = 12,
    NAMES = 22, /* the channels, and patterns */
    USERS = 4,
    TARGETS = 5,
    BACKLOG = 50,
    EPOCH = 77,
};

static const char *const names[NAMES] = {"a.a",         "a.b",        "b.a", "b.b",  "a",   "a.b.c",
                                         "private-a.b", "presence-x", "c.a", "c.b",  "c",   "d",
                                         "a.*",         "*.b",        ">",   "*.>",  "b.>", "*",
                                         "private-a.*", "*.*",        "c.*", "a.b.*"};
static const char *const users[USERS] = {"u0", "u1", "u2", "u3"};

/* ---- what is written down ---- */

struct change {
    uint64_t top; /* holds for what comes after */
    unsigned name;
    bool add;
};

/* One member from its join to its leave. */
struct life {
    struct member m; /* first */
    struct life *next;
    bool has[NAMES]; /* while it runs; later: again */
    int user;
    uint64_t joined, left; /* the top at these moments */
    uint64_t delivered;    /* at its leave: the shard's newest */
    struct change *changes;
    size_t nchanges, cap;
    struct list got;
};

struct sent {
    enum target_kind kind;
    unsigned to;
    uint64_t except, matched;
    uint64_t number; /* the publication; 0: never published */
    uint64_t found;  /* members that it should have matched */
};

struct node {
    struct node *next;
    struct message *m;
};
_Static_assert(sizeof(struct node) <= PORT_LINK_SIZE, "a link has room");

struct shard {
    struct world *w;
    unsigned index;
    pthread_mutex_t lock; /* of the mailbox */
    struct node *first, **end;
    atomic_uint waiting;
    /* its thread only */
    uint64_t rng, now, next_id;
    const struct core_item *run; /* being delivered */
    unsigned run_n;
    struct life *slots[SLOTS];
    struct life *lives;
    struct list seqs, numbers; /* of every message, in the order of delivery */
    unsigned faults, changes;
};

struct publisher {
    struct world *w;
    unsigned index;
    uint64_t rng;
    unsigned busy, faults;
};

struct world {
    struct router *r;
    pthread_mutex_t lock;
    struct shard shards[SHARDS];
    struct sent *log; /* by seq */
    size_t log_size;
    unsigned publications;
    atomic_uint publishing;
    _Atomic uint64_t recent[SHARDS]; /* ids of members, to be excepted */
};

/* ---- the ports ---- */

/* The top when this thread last gave the lock back. */
static _Thread_local uint64_t unlocked_at;

static void port_lock(void *ctx)
{
    struct world *w = ctx;

    pthread_mutex_lock(&w->lock);
}

static void port_unlock(void *ctx)
{
    struct world *w = ctx;

    unlocked_at = router_top_locked(w->r).seq;
    pthread_mutex_unlock(&w->lock);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct world *w = ctx;
    struct shard *s = &w->shards[shard];
    struct node *n = link;

    *n = (struct node){NULL, size ? m : NULL};
    pthread_mutex_lock(&s->lock);
    *s->end = n;
    s->end = &n->next;
    pthread_mutex_unlock(&s->lock);
    if (atomic_fetch_add(&s->waiting, 1) == 0) {
        sched_yield(); /* so that the shard may be faster than we are */
    }
}

static bool port_full(void *ctx, unsigned shard)
{
    struct world *w = ctx;

    return atomic_load(&w->shards[shard].waiting) >= BACKLOG;
}

static struct message *take(struct shard *s)
{
    struct message *m = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->first) {
        m = s->first->m;
        s->first = s->first->next;
        if (!s->first) {
            s->end = &s->first;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct world *w = ctx;
    struct shard *s = &w->shards[shard];
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->first != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

/* False if the frame is not that of its seq. */
static bool note_frame(struct shard *s, const struct frame *f, uint64_t seq)
{
    const char *id = memmem(f->bytes, f->sse_len, "id: ", 4);
    const char *data = memmem(f->bytes, f->sse_len, "\"data\":", 7);
    const char *dash = id ? memchr(id, '-', 20) : NULL;

    if (!dash || !data || strtoull(dash + 1, NULL, 10) != seq) {
        fault(&s->faults, "a frame is not that of its seq", s->index, seq);
        return false;
    }
    if (s->now >= seq) {
        fault(&s->faults, "a shard is out of order", s->index, seq);
    }
    s->now = seq;
    list_add(&s->seqs, seq);
    list_add(&s->numbers, strtoull(data + 7, NULL, 10));
    return true;
}

static void *sink_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct shard *s = ctx;

    for (unsigned i = 0; i < n; i++) {
        if (!note_frame(s, v[i].frame, v[i].seq)) {
            return NULL;
        }
    }
    s->run = v;
    s->run_n = n;
    return s;
}

static void sink_deliver(void *ctx, void *token, struct member *m)
{
    const struct shard *s = ctx;
    struct life *l = (struct life *)(void *)m;

    (void)token;
    for (unsigned i = 0; i < s->run_n; i++) {
        list_add(&l->got, s->run[i].seq);
    }
}

static void sink_end(void *ctx, void *token)
{
    (void)ctx;
    (void)token;
}

static void drain(struct shard *s, unsigned max)
{
    const struct core_sink sink = {s, sink_begin, sink_deliver, sink_end, NULL};
    struct message *run[CORE_RUN_MAX];
    struct message *m;
    unsigned n = 0;

    while (max-- && (m = take(s))) {
        atomic_fetch_sub(&s->waiting, 1);
        if (n && (n == CORE_RUN_MAX || !router_same_members(run[0], m))) {
            router_deliver(s->w->r, s->index, run, n, &sink);
            n = 0;
        }
        run[n++] = m;
    }
    if (n) {
        router_deliver(s->w->r, s->index, run, n, &sink);
    }
}

static void port_settle(void *ctx, unsigned shard)
{
    struct world *w = ctx;

    drain(&w->shards[shard], ~0u);
}

/* ---- shards ---- */

static void note(struct life *l, uint64_t top, unsigned name, bool add)
{
    if (l->nchanges == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->changes = realloc(l->changes, l->cap * sizeof(*l->changes));
        if (!l->changes) {
            abort();
        }
    }
    l->changes[l->nchanges++] = (struct change){top, name, add};
    l->has[name] = add;
}

static void join(struct shard *s, unsigned slot)
{
    struct life *l = calloc(1, sizeof(*l));
    struct str list[4];
    unsigned pick[4];
    unsigned n = rnd(&s->rng, 5);
    struct cursor top;

    if (!l) {
        abort();
    }
    for (unsigned i = 0; i < n; i++) {
        pick[i] = rnd(&s->rng, NAMES);
        list[i] = str_of(names[pick[i]]);
    }
    l->m.id = (uint64_t)(s->index + 1) << 32 | ++s->next_id;
    l->m.shard = (uint16_t)s->index;
    l->user = (int)rnd(&s->rng, USERS + 1) - 1;
    if (router_join(s->w->r, &l->m, l->user < 0 ? STR_NONE : str_of(users[l->user]), list, n,
                    &top) != 0) {
        abort();
    }
    l->joined = top.seq;
    for (unsigned i = 0; i < n; i++) {
        note(l, top.seq, pick[i], true);
    }
    atomic_store(&s->w->recent[s->index], l->m.id);
    s->slots[slot] = l;
}

static void leave(struct shard *s, unsigned slot)
{
    struct life *l = s->slots[slot];

    router_leave(s->w->r, &l->m);
    l->left = unlocked_at;
    l->delivered = s->now;
    l->next = s->lives;
    s->lives = l;
    s->slots[slot] = NULL;
}

static void change(struct shard *s, struct life *l)
{
    unsigned i = rnd(&s->rng, NAMES);
    struct cursor top;
    int rc;

    s->changes++;
    if (!l->has[i]) {
        rc = router_subscribe(s->w->r, &l->m, str_of(names[i]), &top);
    } else {
        rc = router_unsubscribe(s->w->r, &l->m, str_of(names[i]));
        top.seq = unlocked_at;
    }
    if (rc != 0 || top.seq != unlocked_at) {
        fault(&s->faults, "a change failed", l->m.id, top.seq);
    }
    note(l, top.seq, i, !l->has[i]);
}

static void *run_shard(void *arg)
{
    struct shard *s = arg;

    while (atomic_load(&s->w->publishing)) {
        unsigned slot = rnd(&s->rng, SLOTS);
        unsigned what = rnd(&s->rng, 16);
        if (s->changes > 2 * s->now + 1000) { /* not far ahead of the messages */
            sched_yield();
            drain(s, 20);
        } else if (what < 6) {
            drain(s, rnd(&s->rng, 20));
        } else if (!s->slots[slot]) {
            join(s, slot);
        } else if (what == 6) {
            leave(s, slot);
        } else {
            change(s, s->slots[slot]);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (i == SLOTS / 2) {
            drain(s, ~0u); /* the first half leaves with messages on their way */
        }
        if (s->slots[i]) {
            leave(s, i);
        }
    }
    drain(s, ~0u);
    return NULL;
}

/* ---- publishers and a reader ---- */

static void publish(struct publisher *p, uint64_t number)
{
    struct world *w = p->w;
    char data[24];
    struct str targets[TARGETS];
    unsigned to[TARGETS];
    struct publish_result res[TARGETS];
    struct publish_verdict verdict;
    unsigned mode = rnd(&p->rng, 10);
    struct publication pub = {.envelope = {.type = STR_LIT("t"),
                                           .id = STR_LIT("i"),
                                           .timestamp = STR_LIT("2026-01-01T00:00:00.000Z")},
                              .targets = targets,
                              .count = rnd(&p->rng, 4) ? 1 : 1 + rnd(&p->rng, TARGETS)};
    int rc;

    pub.envelope.data = (struct str){
        data, (size_t)snprintf(data, sizeof(data), "%llu", (unsigned long long)number)};
    pub.envelope.kind = mode == 0 ? TARGET_EVERYONE : mode < 3 ? TARGET_USER : TARGET_CHANNEL;
    pub.except = rnd(&p->rng, 4) ? 0 : atomic_load(&w->recent[rnd(&p->rng, SHARDS)]);
    for (unsigned i = 0; i < pub.count; i++) {
        to[i] = rnd(&p->rng, mode < 3 ? USERS : CHANNELS);
        targets[i] = str_of(mode < 3 ? users[to[i]] : names[to[i]]);
    }
    while ((rc = router_publish(w->r, &pub, res, &verdict)) == ERR_BUSY) {
        p->busy++;
        sched_yield();
    }
    for (unsigned i = 0; i < pub.count; i++) {
        struct sent *e = &w->log[res[i].cursor.seq];
        if (rc || e->number || res[i].cursor.seq != res[0].cursor.seq + i) {
            fault(&p->faults, "bad answer to a publication", number, res[i].cursor.seq);
        }
        *e = (struct sent){pub.envelope.kind, to[i], pub.except, res[i].matched, number, 0};
    }
}

static void *run_publisher(void *arg)
{
    struct publisher *p = arg;

    for (unsigned i = 1; i <= p->w->publications; i++) {
        publish(p, (uint64_t)p->index * 1000000000 + i);
    }
    atomic_fetch_sub(&p->w->publishing, 1);
    return NULL;
}

static void *run_reader(void *arg)
{
    struct world *w = arg;
    uint64_t before = 0;
    unsigned faults = 0;

    while (atomic_load(&w->publishing)) {
        struct channel_info info[CHANNELS + 1];
        struct router_counts counts;
        uint32_t subscribers;
        uint64_t matching;
        uint64_t top = router_top(w->r).seq;
        router_counts(w->r, &counts);
        router_channel(w->r, str_of(names[before % CHANNELS]), &subscribers, &matching);
        if (router_channels(w->r, STR_NONE, STR_NONE, CHANNELS + 1, info) > CHANNELS ||
            router_top_channels(w->r, 3, info) > 3 || counts.members > SHARDS * SLOTS ||
            matching > SHARDS * SLOTS || subscribers > SHARDS * SLOTS || top < before) {
            fault(&faults, "a reader saw what cannot be", 0, top);
        }
        before = top;
        sched_yield();
    }
    return faults ? arg : NULL;
}

/* ---- afterwards ---- */

static bool wanted(const struct life *l, const struct sent *e)
{
    if (e->kind != TARGET_CHANNEL) {
        return e->kind == TARGET_EVERYONE || l->user == (int)e->to;
    }
    for (unsigned i = 0; i < NAMES; i++) {
        if (l->has[i] &&
            (i < CHANNELS ? i == e->to : name_match(str_of(names[i]), str_of(names[e->to])))) {
            return true;
        }
    }
    return false;
}

/* Goes through the log as the member should have seen it. */
static unsigned check_life(struct world *w, struct life *l)
{
    unsigned faults = 0;
    size_t c = 0;
    size_t g = 0;

    memset(l->has, 0, sizeof(l->has));
    for (uint64_t seq = l->joined + 1; seq <= l->left; seq++) {
        struct sent *e = &w->log[seq];
        while (c < l->nchanges && l->changes[c].top < seq) {
            l->has[l->changes[c].name] = l->changes[c].add;
            c++;
        }
        if (!wanted(l, e)) {
            continue;
        }
        e->found++;
        if (e->except == l->m.id || seq > l->delivered) {
            continue;
        }
        while (g < l->got.n && l->got.v[g] < seq) {
            fault(&faults, "a member got what is not its, or twice", l->m.id, l->got.v[g++]);
        }
        if (g < l->got.n && l->got.v[g] == seq) {
            g++;
        } else {
            fault(&faults, "a member missed a message", l->m.id, seq);
        }
    }
    if (g < l->got.n) {
        fault(&faults, "a member got more than there was", l->m.id, l->got.v[g]);
    }
    return faults;
}

static unsigned check_shard(struct world *w, struct shard *s, unsigned *lives, uint64_t *got)
{
    unsigned faults = s->faults;

    for (size_t i = 0; i < s->seqs.n; i++) {
        if (w->log[s->seqs.v[i]].number != s->numbers.v[i]) {
            fault(&faults, "a shard has another message", s->index, s->seqs.v[i]);
        }
    }
    while (s->lives) {
        struct life *l = s->lives;
        s->lives = l->next;
        faults += check_life(w, l);
        ++*lives;
        *got += l->got.n;
        free(l->got.v);
        free(l->changes);
        free(l);
    }
    free(s->seqs.v);
    free(s->numbers.v);
    pthread_mutex_destroy(&s->lock);
    return faults;
}

static unsigned check(struct world *w)
{
    uint64_t top = router_top(w->r).seq;
    unsigned faults = 0;
    unsigned lives = 0;
    unsigned changes = 0;
    uint64_t got = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        changes += w->shards[i].changes;
        faults += check_shard(w, &w->shards[i], &lives, &got);
    }
    for (uint64_t seq = 1; seq < w->log_size; seq++) {
        const struct sent *e = &w->log[seq];
        if ((e->number != 0) != (seq <= top)) {
            fault(&faults, "a hole in the log", e->number, seq);
        } else if (e->found != e->matched) {
            fault(&faults, "matched is wrong", e->matched, seq);
        }
    }
    printf("%llu messages, %u members, %u changes, %llu deliveries, %u faults\n",
           (unsigned long long)top, lives, changes, (unsigned long long)got, faults);
    return faults + (top < w->publications || got == 0 || changes == 0);
}

static void start(pthread_t *t, void *(*run)(void *), void *arg)
{
    if (pthread_create(t, NULL, run, arg) != 0) {
        abort();
    }
}

static void init(struct world *w, uint64_t seed)
{
    const struct core_ports ports = {.ctx = w,
                                     .lock = port_lock,
                                     .unlock = port_unlock,
                                     .post = port_post,
                                     .full = port_full,
                                     .settle = port_settle,
                                     .pending = port_pending};

    w->log_size = (size_t)w->publications * PUBLISHERS * TARGETS + 1;
    w->log = calloc(w->log_size, sizeof(*w->log));
    if (!w->log || router_new(SHARDS, EPOCH, seed, &ports, &w->r) != 0) {
        abort();
    }
    pthread_mutex_init(&w->lock, NULL);
    atomic_init(&w->publishing, PUBLISHERS);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &w->shards[i];
        *s = (struct shard){.w = w, .index = i, .rng = seed * 31 + i + 1, .end = &s->first};
        pthread_mutex_init(&s->lock, NULL);
    }
}

int main(int argc, char **argv)
{
    static struct world w;
    struct publisher publishers[PUBLISHERS];
    pthread_t threads[SHARDS + PUBLISHERS + 1];
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned faults = 0;
    unsigned busy = 0;

    w.publications = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4000;
    init(&w, seed);
    for (unsigned i = 0; i < SHARDS; i++) {
        start(&threads[i], run_shard, &w.shards[i]);
    }
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){&w, i + 1, seed * 77 + i + 1, 0, 0};
        start(&threads[SHARDS + i], run_publisher, &publishers[i]);
    }
    start(&threads[SHARDS + PUBLISHERS], run_reader, &w);
    for (unsigned i = 0; i < SHARDS + PUBLISHERS + 1; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        faults += bad != NULL;
    }
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        faults += publishers[i].faults;
        busy += publishers[i].busy;
    }
    faults += check(&w);
    printf("refused as busy: %u times\n", busy);
    router_free(w.r);
    free(w.log);
    pthread_mutex_destroy(&w.lock);
    return faults ? 1 : 0;
}
