/* Subscriptions with a position against a naive log: clients that are live take
 * up names from some position, slice by slice, give up half-way, and drop names
 * again, while others publish and little is kept. What a replay brings must be
 * exactly its name's, once and in order, or told to be gone; what comes live
 * exactly that of the names taken up. FANFARE_SEED chooses another run. */
#include "test_core_keep.h"

enum { CLIENTS = 10, CHANNELS = 8, NAMES = 14, STEPS = 6000, MAX_LOG = 1 << 14 };

static const char *const names[NAMES] = {"a.a", "a.b", "b.a", "b.b", "a",   "c", "d.x",
                                         "d.y", "a.*", ">",   "*.a", "d.*", "*", "b.>"};

struct client {
    struct member m; /* first */
    bool has[NAMES];
    int taking; /* the name that is being replayed; -1: none */
    struct str name;
    struct replay rp;
    struct replay_slice s;
    uint64_t from, last;
    bool seen[MAX_LOG]; /* got or told, by the replay */
    uint64_t *want;     /* live, and not yet there */
    size_t first, end;
};

struct model {
    struct keeper k; /* first */
    uint64_t rng, seed, top, next_id;
    unsigned log[MAX_LOG]; /* channel, by seq */
    bool ephemeral[MAX_LOG];
    struct client clients[CLIENTS];
    unsigned replayed, live, gaps, taken, dropped;
};

static unsigned rnd(struct model *w, unsigned n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)(w->rng >> 33) % n;
}

static bool matches(unsigned name, unsigned channel)
{
    return name_match(str_of(names[name]), str_of(names[channel]));
}

static bool wants(const struct client *c, unsigned channel)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (c->has[i] && matches(i, channel)) {
            return true;
        }
    }
    return false;
}

static void on_deliver(void *ctx, struct member *m, uint64_t seq)
{
    struct model *w = ctx;
    struct client *c = (struct client *)(void *)m;

    cr_assert_lt(c->first, c->end, "seed %llu: %llu is not its", (unsigned long long)w->seed,
                 (unsigned long long)seq);
    cr_assert_eq(c->want[c->first], seq, "seed %llu: %llu in place of %llu",
                 (unsigned long long)w->seed, (unsigned long long)seq,
                 (unsigned long long)c->want[c->first]);
    w->live++;
    if (++c->first == c->end) {
        c->first = c->end = 0;
    }
}

static void publish(struct model *w)
{
    unsigned channel = rnd(w, CHANNELS);
    struct str to = str_of(names[channel]);
    struct publication p = k_publication(&w->k, TARGET_CHANNEL, &to);
    uint64_t seq;

    p.ephemeral = rnd(w, 6) == 0;
    seq = k_publish(&w->k, &p);
    cr_assert_lt(seq, MAX_LOG);
    w->top = seq;
    w->log[seq] = channel;
    w->ephemeral[seq] = p.ephemeral;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        c->seen[seq] = false;
        if (wants(c, channel)) {
            c->want[c->end++] = seq;
        }
    }
}

static void before_lock(void *ctx)
{
    struct model *w = ctx;

    if (rnd(w, 3) == 0) {
        publish(w);
    }
}

static void take_up(struct model *w, struct client *c)
{
    struct position pos = {.kind = POSITION_CURSOR, .cursor = {H_EPOCH, w->top}};

    c->taking = (int)rnd(w, NAMES);
    c->name = str_of(names[c->taking]);
    pos.cursor.seq -= pos.cursor.seq ? rnd(w, 60) % pos.cursor.seq : 0;
    c->from = c->last = pos.cursor.seq;
    memset(c->seen, 0, sizeof(c->seen));
    c->rp = (struct replay){
        .names = &c->name, .nnames = 1, .max_items = 1 + rnd(w, 6), .max_bytes = 100000};
    cr_assert_eq(replay_slice_init(&c->s, &c->rp), 0);
    cr_assert_eq(replay_init(w->k.h.r, &c->rp, &pos, w->k.now_ms), 0);
}

static void let_go(struct client *c)
{
    replay_fini(&c->rp);
    replay_slice_fini(&c->s);
    c->taking = -1;
}

static void take_slice(struct model *w, struct client *c)
{
    for (unsigned i = 0; i < c->s.ngaps; i++) {
        const struct replay_gap *g = &c->s.gaps[i];
        w->gaps++;
        cr_assert(str_eq(g->name, c->name));
        cr_assert(matches((unsigned)c->taking, w->log[g->to]) && !c->seen[g->to] &&
                      !w->ephemeral[g->to],
                  "seed %llu: nothing is gone at %llu", (unsigned long long)w->seed,
                  (unsigned long long)g->to);
        for (uint64_t seq = g->from + 1; seq <= g->to; seq++) {
            c->seen[seq] = true;
        }
    }
    for (unsigned i = 0; i < c->s.n; i++) {
        uint64_t seq = c->s.items[i].seq;
        cr_assert_gt(seq, c->last, "seed %llu: %llu is out of order", (unsigned long long)w->seed,
                     (unsigned long long)seq);
        cr_assert(matches((unsigned)c->taking, w->log[seq]) && !w->ephemeral[seq],
                  "seed %llu: %llu is not its", (unsigned long long)w->seed,
                  (unsigned long long)seq);
        c->last = seq;
        c->seen[seq] = true;
        w->replayed++;
    }
}

static void next_slice(struct model *w, struct client *c)
{
    bool had = c->has[c->taking];
    int rc = replay_next(w->k.h.r, &c->m, &c->rp, &c->s, w->k.now_ms);

    cr_assert(rc == 0 || (had && rc == ERR_EXISTS), "seed %llu: %d", (unsigned long long)w->seed,
              rc);
    cr_assert_eq(w->k.h.shards[c->m.shard].waiting, 0u);
    if (rc != 0) {
        cr_assert_eq(c->s.n, 0u);
        let_go(c);
        return;
    }
    take_slice(w, c);
    if (c->s.done) {
        cr_assert_not(had);
        cr_assert_eq(c->s.top.seq, w->top);
        for (uint64_t seq = c->from + 1; seq <= w->top; seq++) {
            cr_assert(
                c->seen[seq] || w->ephemeral[seq] || !matches((unsigned)c->taking, w->log[seq]),
                "seed %llu: %llu is missing", (unsigned long long)w->seed, (unsigned long long)seq);
        }
        c->has[c->taking] = true;
        w->taken++;
        let_go(c);
    }
}

static void drop(struct model *w, struct client *c)
{
    unsigned i = rnd(w, NAMES);

    cr_assert_eq(router_unsubscribe(w->k.h.r, &c->m, str_of(names[i])),
                 c->has[i] ? 0 : ERR_NOT_FOUND);
    w->dropped += c->has[i];
    c->has[i] = false;
}

static void step(struct model *w)
{
    struct client *c = &w->clients[rnd(w, CLIENTS)];
    unsigned what = rnd(w, 100);

    if (what < 30) {
        publish(w);
    } else if (what < 40) {
        h_drain(&w->k.h, rnd(w, H_SHARDS), rnd(w, 5));
    } else if (what < 55) {
        drop(w, c);
    } else if (c->taking < 0) {
        take_up(w, c);
    } else if (what < 97) {
        next_slice(w, c);
    } else {
        let_go(c);
    }
}

static void start(struct model *w)
{
    struct cursor top;

    k_init(&w->k, (const char *const[]){"history", "4", NULL}, NULL);
    w->k.h.ctx = w;
    w->k.h.deliver = on_deliver;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        c->m = (struct member){.id = ++w->next_id, .shard = (uint16_t)(i % H_SHARDS)};
        c->taking = -1;
        c->want = calloc(MAX_LOG, sizeof(uint64_t));
        cr_assert_eq(router_join(w->k.h.r, &c->m, STR_NONE, NULL, 0, &top), 0);
    }
}

static void run(uint64_t seed)
{
    struct model *w = calloc(1, sizeof(*w));

    cr_assert(w);
    w->seed = seed;
    w->rng = (seed + 1) * 0x9E3779B97F4A7C15u;
    start(w);
    for (unsigned i = 0; i < STEPS; i++) {
        w->k.h.before_lock = i % 3 == 0 ? before_lock : NULL;
        step(w);
        w->k.h.before_lock = NULL;
    }
    h_drain_all(&w->k.h);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        cr_assert_eq(c->end, 0u, "seed %llu: client %u misses messages", (unsigned long long)seed,
                     i);
        if (c->taking >= 0) {
            let_go(c);
        }
        router_leave(w->k.h.r, &c->m);
        free(c->want);
    }
    fprintf(stderr,
            "seed %llu: %llu messages, %u taken up, %u dropped, %u replayed, %u live, %u gaps\n",
            (unsigned long long)seed, (unsigned long long)w->top, w->taken, w->dropped, w->replayed,
            w->live, w->gaps);
    cr_assert(w->replayed && w->live && w->gaps && w->taken && w->dropped);
    k_fini(&w->k);
    free(w);
}

Test(subscribe_model, all_or_told)
{
    const char *seed = getenv("FANFARE_SEED");

    for (uint64_t n = 1; n <= 6; n++) {
        run(seed ? strtoull(seed, NULL, 10) + n - 1 : n);
    }
}
