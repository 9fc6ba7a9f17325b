/* stress_core_replay [publications per publisher [seed]] - publishers, a store
 * that gives records back on a thread of its own and sometimes fails, members
 * that come back from where they were and are replayed, and somebody who tidies
 * and reads, all at once, under a sanitizer that does not get on with the test
 * framework. Afterwards each session must have got everything from its position
 * on that was for it and did not fail, once and in order, or have been told of a
 * gap. Exit status 0: all was well. */
#include "test_core_stress.h"

#include <string.h>

enum {
    PUBLISHERS = 3,
    CHANNELS = 8,
    NAMES = 12, /* the channels, and patterns */
    USERS = 3,
};

static const char *const names[NAMES] = {"a.a", "a.b", "b.a", "b.b", "a",   "c",
                                         "d.x", "d.y", "a.*", ">",   "*.a", "d.*"};
static const char *const users[USERS] = {"u0", "u1", "u2"};

struct publisher {
    struct publish_ticket ticket; /* first */
    struct world *w;
    unsigned index, faults, failed, busy;
    uint64_t rng;
    atomic_bool done;
};

/* ---- shards ---- */

static void come(struct shard *s, unsigned slot)
{
    struct session *c = calloc(1, sizeof(*c));
    uint64_t at = s->position[slot];
    const struct position pos = {.kind = POSITION_CURSOR, .cursor = {EPOCH, at}};

    if (!c) {
        abort();
    }
    c->m.id = (uint64_t)(s->index + 1) << 32 | ++s->next_id;
    c->m.shard = (uint16_t)s->index;
    c->user = (int)rnd(&s->rng, USERS + 1) - 1;
    c->n = rnd(&s->rng, PICK + 1);
    for (unsigned i = 0; i < c->n; i++) {
        c->set[i] = str_of(names[(rnd(&s->rng, NAMES / PICK) * PICK + i) % NAMES]);
    }
    c->from = at;
    c->rp = (struct replay){.whole = true,
                            .user = str_of(c->user < 0 ? NULL : users[c->user]),
                            .names = c->set,
                            .nnames = c->n,
                            .max_items = 1 + rnd(&s->rng, 40),
                            .max_bytes = 100000};
    if (replay_init(s->w->r, &c->rp, &pos, 1000) != 0) {
        abort();
    }
    s->slots[slot] = c;
}

static void tell(struct session *c, const struct replay_gap *g)
{
    struct told *t = calloc(1, sizeof(*t));

    if (!t) {
        abort();
    }
    *t = (struct told){c->told, g->scope, g->name, g->from, g->to};
    c->told = t;
}

static void next_slice(struct shard *s, struct session *c)
{
    struct replay_slice *sl = &s->slice;

    if (replay_slice_init(sl, &c->rp) != 0 || replay_next(s->w->r, &c->m, &c->rp, sl, 1000) != 0) {
        abort();
    }
    for (unsigned i = 0; i < sl->ngaps; i++) {
        tell(c, &sl->gaps[i]);
    }
    for (unsigned i = 0; i < sl->n; i++) {
        list_add(&c->got, sl->items[i].seq);
    }
    if (sl->done) {
        c->live = true;
        c->joined = sl->top.seq;
    }
    replay_slice_fini(sl);
}

static void leave(struct shard *s, unsigned slot)
{
    struct session *c = s->slots[slot];
    uint64_t last = c->got.n ? c->got.v[c->got.n - 1] : 0;

    router_leave(s->w->r, &c->m);
    c->end = !c->live ? c->rp.at : s->now > c->joined ? s->now : c->joined;
    replay_fini(&c->rp);
    /* Back to where it was, or to some earlier place. */
    s->position[slot] = last > c->from ? last : c->from;
    if (c->live && rnd(&s->rng, 2)) {
        s->position[slot] = c->end;
    }
    if (rnd(&s->rng, 4) == 0) {
        s->position[slot] -= s->position[slot] / 10;
    }
    c->next = s->sessions;
    s->sessions = c;
    s->slots[slot] = NULL;
}

static void turn(struct shard *s, unsigned slot)
{
    struct session *c = s->slots[slot];
    unsigned what = rnd(&s->rng, 30);

    if (what < 10) {
        drain(s, rnd(&s->rng, 20));
    } else if (!c) {
        come(s, slot);
    } else if (what >= 27) {
        leave(s, slot);
    } else if (!c->live) {
        next_slice(s, c);
    } else if (what == 11 && c->user >= 0) {
        struct again v[4];
        uint64_t after = 0;
        unsigned n = router_unacked(s->w->r, &c->m, c->from, 1000, &after, v, 4, SIZE_MAX);
        while (n) {
            frame_unref(v[--n].frame);
        }
    } else {
        sched_yield();
    }
}

static void *run_shard(void *arg)
{
    struct shard *s = arg;

    while (atomic_load(&s->w->publishing)) {
        turn(s, rnd(&s->rng, SLOTS));
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        struct session *c = s->slots[i];
        while (c && !c->live && i % 2) {
            next_slice(s, c);
        }
        drain(s, ~0u);
        if (c) {
            leave(s, i);
        }
    }
    return NULL;
}

/* ---- publishers, and who reads ---- */

static void ticket_done(struct publish_ticket *t)
{
    atomic_store(&((struct publisher *)(void *)t)->done, true);
}

static void publish(struct publisher *p, unsigned number)
{
    static const uint8_t hash[ONCE_HASH] = {0};
    struct world *w = p->w;
    char id[32];
    unsigned mode = rnd(&p->rng, 10);
    unsigned to = rnd(&p->rng, mode < 4 ? USERS : CHANNELS);
    struct str target = str_of(mode < 4 ? users[to] : names[to]);
    struct publication pub = {.envelope = {.type = STR_LIT("t"),
                                           .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                                           .data = STR_LIT("null")},
                              .targets = &target,
                              .count = 1,
                              .now_ms = 1000,
                              .mono_ms = 1000,
                              .ephemeral = rnd(&p->rng, 8) == 0,
                              .ticket = &p->ticket};
    struct publish_result res;
    struct publish_verdict verdict;

    pub.envelope.id = (struct str){id, (size_t)snprintf(id, sizeof(id), "%u-%u", p->index, number)};
    pub.envelope.kind = mode == 0 ? TARGET_EVERYONE : mode < 4 ? TARGET_USER : TARGET_CHANNEL;
    pub.targets = mode == 0 ? NULL : &target;
    pub.require_ack = mode == 1 && !pub.ephemeral;
    pub.once = once_new(pub.envelope.id, hash, 1);
    p->ticket = (struct publish_ticket){.done = ticket_done};
    atomic_init(&p->ticket.left, 1);
    atomic_init(&p->ticket.failed, false);
    atomic_store(&p->done, false);
    if (!pub.once || router_publish(w->r, &pub, &res, &verdict) != 0 || verdict.duplicate) {
        fault(&p->faults, "a publication was refused", p->index, number);
        once_unref(pub.once);
        return;
    }
    w->log[res.cursor.seq] =
        (struct entry){pub.envelope.kind, mode == 0 ? 0 : to, true, pub.ephemeral};
    if (rnd(&p->rng, 4) == 0) { /* a repetition, which may wait for the first */
        uint64_t first = res.cursor.seq;
        if (router_publish(w->r, &pub, &res, &verdict) != 0 ||
            (verdict.duplicate && res.cursor.seq != first)) {
            fault(&p->faults, "a repetition was refused", p->index, number);
        } else if (!verdict.duplicate) { /* the first one has failed in between */
            w->log[res.cursor.seq] = w->log[first];
        }
    }
    once_unref(pub.once);
    if (!publish_ticket_close(&p->ticket)) {
        while (!atomic_load(&p->done)) {
            sched_yield();
        }
    }
    p->failed += atomic_load(&p->ticket.failed);
    if (pub.require_ack && rnd(&p->rng, 2)) {
        int rc = router_ack(w->r, target, pub.envelope.id);
        p->busy += rc != 0;
    }
}

static void *run_publisher(void *arg)
{
    struct publisher *p = arg;

    for (unsigned i = 1; i <= p->w->publications; i++) {
        publish(p, i);
    }
    atomic_fetch_sub(&p->w->publishing, 1);
    return NULL;
}

static void *run_reader(void *arg)
{
    struct world *w = arg;
    uint64_t rng = 999;
    unsigned faults = 0;

    while (atomic_load(&w->publishing)) {
        struct frame *v[8];
        struct again again[4];
        struct history_page page;
        struct lane_info info;
        const struct history_query q = {
            TARGET_CHANNEL, str_of(names[rnd(&rng, CHANNELS)]), rnd(&rng, 2), {0, 0}, 8, 1000};
        unsigned n;
        router_history(w->r, &q, v, &page);
        for (unsigned i = 0; i < page.n; i++) {
            frame_unref(v[i]);
        }
        if (router_lane(w->r, TARGET_USER, str_of(users[0]), &info) && info.messages > 5) {
            fault(&faults, "more is kept than may be", 0, info.messages);
        }
        n = router_acks_due(w->r, 40000, again, 4);
        while (n) {
            frame_unref(again[--n].frame);
        }
        (void)router_tidy(w->r, 1000);
        sched_yield();
    }
    return faults ? arg : NULL;
}

/* ---- afterwards ---- */

static bool wanted(const struct session *c, const struct entry *e)
{
    if (e->kind != TARGET_CHANNEL) {
        return e->kind == TARGET_EVERYONE || c->user == (int)e->to;
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (name_match(c->set[i], str_of(names[e->to]))) {
            return true;
        }
    }
    return false;
}

static bool was_told(const struct session *c, const struct entry *e, uint64_t seq)
{
    for (const struct told *t = c->told; t; t = t->next) {
        bool scope = t->scope == GAP_ALL || (t->scope == GAP_USER && e->kind == TARGET_USER) ||
                     (t->scope == GAP_EVERYONE && e->kind == TARGET_EVERYONE) ||
                     ((t->scope == GAP_CHANNEL || t->scope == GAP_PATTERN) &&
                      e->kind == TARGET_CHANNEL && name_match(t->name, str_of(names[e->to])));
        if (scope && seq > t->from && seq <= t->to) {
            return true;
        }
    }
    return false;
}

static unsigned check_session(const struct world *w, struct session *c)
{
    unsigned faults = 0;
    size_t g = 0;

    for (uint64_t seq = 1; seq <= c->end && seq < w->log_size; seq++) {
        const struct entry *e = &w->log[seq];
        bool here = g < c->got.n && c->got.v[g] == seq;
        bool live = c->live && seq > c->joined;
        g += here;
        if (here && (!e->there || w->failed[seq] || !wanted(c, e) ||
                     (seq <= c->from && e->kind != TARGET_USER) || (e->ephemeral && !live))) {
            fault(&faults, "a session got what is not its", c->m.id, seq);
        }
        if (!here && e->there && seq > c->from && wanted(c, e) && !w->failed[seq] &&
            (live || !e->ephemeral) && !was_told(c, e, seq)) {
            fault(&faults, "a session missed a message", c->m.id, seq);
        }
    }
    if (g < c->got.n) {
        fault(&faults, "a session is out of order, or got something twice", c->m.id, c->got.v[g]);
    }
    return faults;
}

static unsigned check(struct world *w, unsigned *all_gaps)
{
    unsigned faults = 0, sessions = 0, gaps = 0, failed = 0;
    uint64_t got = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &w->shards[i];
        faults += s->faults;
        while (s->sessions) {
            struct session *c = s->sessions;
            s->sessions = c->next;
            faults += check_session(w, c);
            sessions++;
            got += c->got.n;
            while (c->told) {
                struct told *t = c->told;
                c->told = t->next;
                gaps++;
                free(t);
            }
            free(c->got.v);
            free(c);
        }
        pthread_mutex_destroy(&s->lock);
    }
    for (size_t i = 0; i < w->log_size; i++) {
        failed += w->failed[i];
    }
    printf("%llu messages (%u failed), %u sessions, %llu deliveries, %u gaps, %u faults\n",
           (unsigned long long)router_top(w->r).seq, failed, sessions, (unsigned long long)got,
           gaps, faults);
    *all_gaps += gaps;
    return faults + (got == 0 || sessions < SHARDS);
}

static void set(struct options *o, const char *name, const char *value)
{
    if (options_set(o, name, value, OPT_FROM_SET, NULL) != 0) {
        abort();
    }
}

static void init(struct world *w, uint64_t seed, bool delayed, bool waits)
{
    const struct core_ports ports = {.ctx = w,
                                     .lock = port_lock,
                                     .unlock = port_unlock,
                                     .post = port_post,
                                     .full = port_full,
                                     .settle = port_settle,
                                     .pending = port_pending};
    const struct router_keep keep = {&w->opt, &w->port, &w->metrics};

    w->log_size = (size_t)w->publications * PUBLISHERS * 2 + 1;
    w->log = calloc(w->log_size, sizeof(*w->log));
    w->failed = calloc(w->log_size, sizeof(*w->failed));
    w->end = &w->first;
    w->port = (struct core_store){
        .ctx = w, .delayed = delayed, .waits = waits, .admit = store_admit, .put = store_put};
    if (!w->log || !w->failed || options_init(&w->opt) != 0) {
        abort();
    }
    set(&w->opt, "history", "5");
    set(&w->opt, "user-history", "5");
    set(&w->opt, "max-unacked", "1000000");
    if (router_new(SHARDS, EPOCH, seed, &ports, &w->r) != 0 || router_keep(w->r, &keep) != 0) {
        abort();
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->store_lock, NULL);
    atomic_init(&w->publishing, PUBLISHERS);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &w->shards[i];
        *s = (struct shard){.w = w, .index = i, .rng = seed * 31 + i + 1, .end = &s->first};
        pthread_mutex_init(&s->lock, NULL);
    }
}

static unsigned run(unsigned publications, uint64_t seed, bool delayed, bool waits, unsigned *gaps)
{
    static struct world w;
    static struct publisher publishers[PUBLISHERS];
    pthread_t threads[SHARDS + PUBLISHERS + 1], store;
    unsigned faults = 0;

    memset(&w, 0, sizeof(w));
    w.publications = publications;
    init(&w, seed, delayed, waits);
    stress_start(&store, run_store, &w);
    for (unsigned i = 0; i < SHARDS; i++) {
        stress_start(&threads[i], run_shard, &w.shards[i]);
    }
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){.w = &w, .index = i + 1, .rng = seed * 77 + i + 1};
        stress_start(&threads[SHARDS + i], run_publisher, &publishers[i]);
    }
    stress_start(&threads[SHARDS + PUBLISHERS], run_reader, &w);
    for (unsigned i = 0; i < SHARDS + PUBLISHERS + 1; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        faults += bad != NULL;
    }
    atomic_store(&w.stop, true);
    pthread_join(store, NULL);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        faults += publishers[i].faults;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        drain(&w.shards[i], ~0u);
    }
    faults += check(&w, gaps);
    router_free(w.r);
    options_fini(&w.opt);
    free(w.log);
    free(w.failed);
    pthread_mutex_destroy(&w.lock);
    pthread_mutex_destroy(&w.store_lock);
    return faults;
}

int main(int argc, char **argv)
{
    unsigned publications = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1500;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned gaps = 0;
    unsigned faults = run(publications, seed, true, true, &gaps);

    faults += run(publications, seed, false, true, &gaps);
    faults += run(publications, seed, false, false, &gaps);
    return faults || gaps == 0 ? 1 : 0;
}
