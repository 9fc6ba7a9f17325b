/* Resuming against a naive log: clients with random sets of names come, are
 * replayed slice by slice while others publish and history is forgotten, stay
 * for a while, go at any moment, and come back from where they were, or from
 * elsewhere. What a client gets, live and out of history, and what it is told
 * to miss, must together be exactly what was for it: nothing twice, nothing out
 * of order, nothing silently lost, no gap where nothing is gone.
 * FANFARE_SEED chooses another run, FANFARE_STEPS how long each is. */
#include "test_core_replay_model.h"

/* ---- what a client gets ---- */

static void got(struct model *w, struct client *c, uint64_t seq, bool live)
{
    const struct entry *e = &w->log[seq];

    cr_assert_leq(seq, w->top, SAY(w, "case %llu", __LINE__));
    cr_assert(wants(c, e), SAY(w, "%llu is not its", seq));
    cr_assert_not(c->flags[seq] & GOT, SAY(w, "%llu came twice", seq));
    cr_assert(live || (c->flags[seq] & ALLOWED), SAY(w, "%llu was not asked for", seq));
    cr_assert(live || !e->ephemeral, SAY(w, "%llu is ephemeral", seq));
    cr_assert(live || !e->expires_ms || e->expires_ms > w->k.now_ms, SAY(w, "case %llu", __LINE__));
    c->flags[seq] |= GOT;
}

static void on_deliver(void *ctx, struct member *m, uint64_t seq)
{
    struct model *w = ctx;
    struct client *c = (struct client *)(void *)m;

    cr_assert_eq(c->state, LIVE);
    cr_assert_gt(seq, c->joined, SAY(w, "%llu is from before it joined", seq));
    cr_assert_gt(seq, c->last, SAY(w, "%llu is out of order", seq));
    cr_assert_neq(w->log[seq].except, m->id, SAY(w, "case %llu", __LINE__));
    got(w, c, seq, true);
    c->last = c->at = seq;
    w->live++;
}

static unsigned scope_index(const struct client *c, const struct replay_gap *g)
{
    for (unsigned i = 0; i < c->n; i++) {
        if ((g->scope == GAP_CHANNEL || g->scope == GAP_PATTERN) && str_eq(g->name, c->set[i])) {
            return 3 + i;
        }
    }
    cr_assert(g->scope != GAP_CHANNEL && g->scope != GAP_PATTERN, "a gap of another's name");
    return g->scope == GAP_ALL ? 0 : g->scope == GAP_USER ? 1 : 2;
}

static void gap(struct model *w, struct client *c, const struct replay_gap *g)
{
    uint64_t *told = &c->told[scope_index(c, g)];

    w->gaps++;
    if (g->reason == GAP_EPOCH) {
        cr_assert_not(c->epoch_gap || c->position, SAY(w, "case %llu", __LINE__));
        c->epoch_gap = true;
        return;
    }
    cr_assert_lt(g->from, g->to, SAY(w, "case %llu", __LINE__));
    cr_assert_leq(g->to, w->top, SAY(w, "case %llu", __LINE__));
    cr_assert_geq(g->from, *told, SAY(w, "the gap up to %llu is told twice", g->to));
    *told = g->to;
    if (g->reason == GAP_EVICTED) {
        const struct entry *e = &w->log[g->to];
        cr_assert(in_scope(g, e) && !e->ephemeral && !kept(w, g->to) && !(c->flags[g->to] & GOT),
                  SAY(w, "nothing is gone at %llu", g->to));
        cr_assert(!w->strict || g->to <= newest_gone(w, e->kind, e->to),
                  SAY(w, "case %llu", __LINE__));
    } else if (g->reason == GAP_UNKNOWN) {
        cr_assert_gt(k_metric(&w->k, METRIC_FORGOTTEN), 0u);
        cr_assert_not(w->strict);
    }
    for (uint64_t seq = g->from + 1; seq <= g->to; seq++) {
        if (in_scope(g, &w->log[seq])) {
            c->flags[seq] |= GAP;
        }
    }
}

/* All up to `upto` has come, or was told, or need not come. */
static void check_complete(struct model *w, struct client *c, uint64_t upto)
{
    for (uint64_t seq = 1; seq <= upto; seq++) {
        const struct entry *e = &w->log[seq];
        bool live = c->state == LIVE && seq > c->joined;
        bool asked =
            (c->flags[seq] & NEEDED) || (seq > c->begun && (live || e->at_ms >= c->rp.since_ms));
        if (!asked || (c->flags[seq] & (GOT | GAP)) || !wants(c, e)) {
            continue;
        }
        if (live ? e->except == c->m.id
                 : e->ephemeral || (e->expires_ms && e->expires_ms <= w->k.now_ms)) {
            continue;
        }
        cr_assert(false, SAY(w, "%llu is missing", seq));
    }
}

/* ---- publishing ---- */

static uint64_t count_live(const struct model *w, const struct entry *e)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        n += w->clients[i].state == LIVE && wants(&w->clients[i], e);
    }
    return n;
}

/* Its turn has come: who is there gets it, or it waits for the user. */
static void comes_out(struct model *w, uint64_t seq)
{
    const struct entry *e = &w->log[seq];

    w->top = seq;
    if (e->kind == TARGET_USER && !e->ephemeral && count_live(w, e) == 0 && !w->queued[e->to]) {
        w->queued[e->to] = seq;
    }
}

static void note(struct model *w, const struct entry *e, const struct publish_result *res)
{
    uint64_t matched = count_live(w, e);

    cr_assert_eq(res->cursor.seq, w->assigned + 1);
    cr_assert_lt(++w->assigned, MAX_LOG);
    w->log[w->assigned] = *e;
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->clients[i].flags[w->assigned] = 0;
    }
    cr_assert_eq(res->matched, matched, SAY(w, "case %llu", __LINE__));
    if (e->kind != TARGET_USER) {
        cr_assert_eq(res->status, PUBLISH_SENT);
    } else {
        cr_assert_eq(res->status, matched        ? PUBLISH_ONLINE
                                  : e->ephemeral ? PUBLISH_OFFLINE
                                                 : PUBLISH_QUEUED);
    }
    if (w->mode != DELAYED) {
        comes_out(w, w->assigned);
    }
}

/* The store is done with some. */
static void give_back(struct model *w)
{
    unsigned n = 1 + rnd(w, 40);
    int rc = w->mode == DELAYED && !w->hole.to && rnd(w, 15) == 0 ? ERR_STORE : 0;
    const struct record *rec = w->store.first;

    w->store.len = 0;
    for (unsigned i = 0; rec && i < n; i++, rec = rec->next) {
        if (w->mode == DELAYED && rec->kind == RECORD_MESSAGE && rc == 0) {
            comes_out(w, rec->seq);
        } else if (w->mode == DELAYED && rec->kind == RECORD_MESSAGE) {
            w->log[rec->seq].failed = true;
        }
    }
    fake_give(&w->store, w->k.h.r, n, rc);
    cr_assert_eq(router_top(w->k.h.r).seq, w->top, SAY(w, "case %llu", __LINE__));
}

/* The store is given up: numbers go on behind those that it has reserved. */
static void lose_store(struct model *w)
{
    w->k.h.before_lock = NULL;
    w->hole = (struct lost_range){w->assigned, w->assigned + 30};
    router_store_gone(w->k.h.r, w->hole.to + 1);
    while (w->assigned < w->hole.to) {
        w->log[++w->assigned].failed = true;
    }
}

static void publish(struct model *w)
{
    static char data[3000];
    struct entry v[3];
    struct str to[3];
    struct publish_result res[3];
    struct publish_verdict verdict;
    unsigned mode = rnd(w, 12);
    enum target_kind kind = mode == 0 ? TARGET_EVERYONE : mode < 4 ? TARGET_USER : TARGET_CHANNEL;
    struct publication p = k_publication(&w->k, kind, to);

    p.count = kind == TARGET_EVERYONE || rnd(w, 3) ? 1 : 1 + rnd(w, 3);
    p.ephemeral = rnd(w, 8) == 0;
    p.ttl_s = !w->strict && rnd(w, 5) == 0 ? 1 + rnd(w, 20) : 0;
    p.except = rnd(w, 6) ? 0 : w->clients[rnd(w, CLIENTS)].m.id;
    memset(data, '1', sizeof(data));
    p.envelope.data = (struct str){data, 1 + rnd(w, sizeof(data))};
    for (unsigned i = 0; i < p.count; i++) {
        unsigned n = kind == TARGET_USER ? rnd(w, USERS) : rnd(w, rnd(w, 2) ? 4 : CHANNELS);
        v[i] = (struct entry){.kind = kind,
                              .to = kind == TARGET_EVERYONE ? 0 : n,
                              .ephemeral = p.ephemeral,
                              .at_ms = w->k.now_ms,
                              .expires_ms = p.ttl_s ? w->k.now_ms + p.ttl_s * 1000 : 0,
                              .except = p.except};
        to[i] = target_of(&v[i]);
    }
    cr_assert_eq(router_publish(w->k.h.r, &p, res, &verdict), 0);
    for (unsigned i = 0; i < p.count; i++) {
        note(w, &v[i], &res[i]);
    }
}

static void before_lock(void *ctx)
{
    struct model *w = ctx;

    if (rnd(w, 3) == 0) {
        publish(w);
    }
}

/* ---- clients ---- */

static void ask(struct model *w, struct client *c, uint64_t after)
{
    for (uint64_t seq = after + 1; seq <= w->top; seq++) {
        c->flags[seq] |= NEEDED | ALLOWED;
    }
}

/* Of what is kept now: the newest `count`. */
static void ask_kept(struct model *w, struct client *c, unsigned count)
{
    for (uint64_t seq = w->top; seq > 0 && count; seq--) {
        if (wants(c, &w->log[seq]) && kept(w, seq)) {
            c->flags[seq] |= NEEDED | ALLOWED;
            count--;
        }
    }
}

static struct position choose(struct model *w, struct client *c)
{
    struct position p = {.kind = POSITION_CURSOR, .cursor = {H_EPOCH, c->at}};
    unsigned what = rnd(w, 20);

    if (what < 12) { /* where it was */
        ask(w, c, p.cursor.seq);
    } else if (what < 15) {
        p.cursor.seq = rnd(w, (unsigned)w->top + 1);
        ask(w, c, p.cursor.seq);
    } else if (what == 15) {
        p.kind = POSITION_NONE;
    } else if (what == 16) {
        p.kind = POSITION_LOST;
    } else if (what == 17) {
        p.kind = POSITION_EARLIEST;
        ask_kept(w, c, MAX_LOG);
    } else if (what == 18) {
        p.kind = POSITION_NEWEST;
        p.count = 1 + rnd(w, 10);
        ask_kept(w, c, p.count);
    } else {
        p.kind = POSITION_SINCE;
        p.since_ms = w->k.now_ms - rnd(w, 30000);
        for (uint64_t seq = 1; seq <= w->top; seq++) {
            c->flags[seq] |= w->log[seq].at_ms >= p.since_ms ? NEEDED | ALLOWED : 0;
        }
    }
    return p;
}

/* What waits for the user comes, or is told to be gone, whatever is asked for,
 * unless the user was forgotten. */
static void ask_queue(struct model *w, struct client *c)
{
    uint64_t seq = c->user < 0 ? 0 : w->queued[c->user];

    for (; seq && seq <= w->top; seq++) {
        const struct entry *e = &w->log[seq];
        if (e->kind == TARGET_USER && c->user == (int)e->to) {
            w->queue += !(c->flags[seq] & NEEDED);
            c->flags[seq] |= w->forgetful ? ALLOWED : NEEDED | ALLOWED;
        }
    }
}

static void come(struct model *w, struct client *c)
{
    struct position pos;

    w->sessions++;
    c->m = (struct member){.id = ++w->next_id, .shard = (uint16_t)rnd(w, H_SHARDS)};
    c->user = rnd(w, 3) ? (int)rnd(w, USERS) : -1;
    c->n = rnd(w, PICK + 1);
    for (unsigned i = 0; i < c->n; i++) { /* doubles happen */
        c->set[i] = str_of(names[rnd(w, rnd(w, 2) ? NAMES : 8)]);
    }
    memset(c->flags, 0, MAX_LOG);
    memset(c->told, 0, sizeof(c->told));
    c->epoch_gap = false;
    pos = choose(w, c);
    c->position = pos.kind != POSITION_LOST &&
                  (pos.kind != POSITION_CURSOR || pos.cursor.seq <= w->hole.from ||
                   pos.cursor.seq > w->hole.to);
    if (!c->position) {
        memset(c->flags, 0, MAX_LOG); /* live only, and the queue */
    }
    ask_queue(w, c);
    c->begun = w->top;
    c->last = 0;
    c->rp = (struct replay){.whole = true,
                            .user = str_of(c->user < 0 ? NULL : users[c->user]),
                            .names = c->set,
                            .nnames = c->n,
                            .max_items = 1 + rnd(w, rnd(w, 2) ? 4 : 100),
                            .max_bytes = 1000 + rnd(w, 100000)};
    cr_assert_eq(replay_slice_init(&c->s, &c->rp), 0);
    cr_assert_eq(replay_init(w->k.h.r, &c->rp, &pos, w->k.now_ms), 0);
    cr_assert(pos.kind != POSITION_CURSOR || c->rp.start.seq == pos.cursor.seq,
              SAY(w, "case %llu", __LINE__));
    c->at = c->position ? c->rp.start.seq : w->top;
    c->state = REPLAYING;
}

/* What was in a slice waits for nobody any more. */
static void shorten_queue(struct model *w, const struct client *c)
{
    uint64_t *queued = c->user < 0 ? NULL : &w->queued[c->user];

    if (queued && *queued > c->rp.user_after) {
        *queued = c->s.done ? 0 : *queued > c->rp.at ? *queued : c->rp.at + 1;
    }
}

/* One slice. What was published before the lock was taken comes with it. */
static void next_slice(struct model *w, struct client *c)
{
    struct replay_slice *s = &c->s;

    cr_assert_eq(replay_next(w->k.h.r, &c->m, &c->rp, s, w->k.now_ms), 0);
    for (uint64_t seq = c->begun + 1; seq <= w->top; seq++) {
        c->flags[seq] |= ALLOWED;
    }
    for (unsigned i = 0; i < s->ngaps; i++) {
        gap(w, c, &s->gaps[i]);
    }
    for (unsigned i = 0; i < s->n; i++) {
        cr_assert_gt(s->items[i].seq, c->last, SAY(w, "%llu is out of order", s->items[i].seq));
        got(w, c, s->items[i].seq, false);
        c->last = s->items[i].seq;
        c->at = c->at > c->last ? c->at : c->last; /* not back to the queue */
        w->replayed++;
    }
    shorten_queue(w, c);
    if (s->done) {
        cr_assert_eq(s->top.seq, w->top, SAY(w, "case %llu", __LINE__));
        cr_assert_eq(w->k.h.shards[c->m.shard].waiting, 0u);
        cr_assert_eq(c->m.joined, 1u);
        c->joined = w->top;
        c->last = c->at = w->top;
        c->state = LIVE;
        cr_assert_eq(c->epoch_gap, !c->position, SAY(w, "case %llu", __LINE__));
        check_complete(w, c, w->top);
        replay_fini(&c->rp);
        replay_slice_fini(s);
    }
}

static void go(struct model *w, struct client *c)
{
    if (c->state == OFF) {
        return;
    }
    if (c->state == LIVE) {
        uint64_t last = w->k.h.shards[c->m.shard].last_seq;
        if (rnd(w, 2)) {
            h_settle(&w->k.h, c->m.shard);
            last = w->top;
        }
        check_complete(w, c, last > c->joined ? last : c->joined);
        router_leave(w->k.h.r, &c->m);
    } else {
        check_complete(w, c, c->rp.at);
        replay_fini(&c->rp);
        replay_slice_fini(&c->s);
    }
    c->state = OFF;
}

/* ---- the run ---- */

static void step(struct model *w)
{
    struct client *c = &w->clients[rnd(w, CLIENTS)];
    unsigned what = rnd(w, 100);

    if (what < 35) {
        publish(w);
    } else if (what < 40) {
        h_drain(&w->k.h, rnd(w, H_SHARDS), rnd(w, 6));
    } else if (what < 46 && w->store.first) {
        give_back(w);
    } else if (what == 47 && w->mode != NO_STORE && !w->hole.to && rnd(w, 30) == 0) {
        lose_store(w);
    } else if (what < 48 && !w->strict) {
        w->k.now_ms += rnd(w, 3000);
        (void)router_tidy(w->k.h.r, w->k.now_ms);
    } else if (c->state == OFF) {
        w->k.h.before_lock = NULL; /* what is kept at that moment is to be known */
        come(w, c);
    } else if (c->state == REPLAYING && what < 97) {
        next_slice(w, c);
    } else if (what > 80) {
        go(w, c);
    }
}

static void run(uint64_t seed, unsigned steps)
{
    static const char *const by_number[] = {"history", "3", "user-history", "2", NULL};
    static const char *const tight[] = {"history",
                                        "5",
                                        "history-bytes",
                                        "12k",
                                        "history-age",
                                        "9s",
                                        "history-total",
                                        "65536",
                                        "history-channels",
                                        "64",
                                        "user-history",
                                        "4",
                                        "user-history-age",
                                        "7s",
                                        NULL};
    struct model *w = calloc(1, sizeof(*w));

    cr_assert(w);
    w->seed = seed;
    w->rng = (seed + 1) * 0x9E3779B97F4A7C15u;
    w->strict = seed % 2;
    w->log = calloc(MAX_LOG, sizeof(*w->log));
    w->mode = seed % 3 == 1 ? DELAYED : seed % 3 == 2 ? EARLY : NO_STORE;
    fake_init(&w->store, w->mode == DELAYED, true);
    k_init(&w->k, w->strict ? by_number : tight, w->mode == NO_STORE ? NULL : &w->store.port);
    w->forgetful = seed % 4 == 2;
    if (w->forgetful) {
        w->k.opt.history_channels = 16;
    }
    w->k.h.ctx = w;
    w->k.h.deliver = on_deliver;
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->clients[i].flags = calloc(MAX_LOG, 1);
        w->clients[i].m.id = ++w->next_id;
    }
    for (unsigned i = 0; i < steps && w->assigned < MAX_LOG - 100; i++) {
        w->k.h.before_lock = i % 3 == 0 ? before_lock : NULL;
        step(w);
        w->k.h.before_lock = NULL;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        go(w, &w->clients[i]);
        free(w->clients[i].flags);
    }
    fprintf(stderr,
            "seed %llu: %llu messages, %u sessions, %u replayed (%u queued), %u live, %u gaps\n",
            (unsigned long long)seed, (unsigned long long)w->top, w->sessions, w->replayed,
            w->queue, w->live, w->gaps);
    cr_assert(w->replayed && w->live && w->gaps && w->queue);
    w->store.len = 0;
    w->k.h.deliver = NULL;
    fake_give_all(&w->store, w->k.h.r);
    k_fini(&w->k);
    free(w->log);
    free(w);
}

Test(replay_model, all_or_told)
{
    const char *seed = getenv("FANFARE_SEED");
    const char *steps = getenv("FANFARE_STEPS");

    for (uint64_t n = 1; n <= 12; n++) {
        run(seed ? strtoull(seed, NULL, 10) + n - 1 : n,
            steps ? (unsigned)strtoul(steps, NULL, 10) : 2500);
    }
}
