/* stress_core_people [rounds [seed]] - members that come, type and go, readers that read, the timer
 * and the store, each on threads of their own. Every question is answered once, a position never
 * goes back, what was answered is in the store, nobody is left typing, and in the end the store has
 * what is known. Exit status 0: all was well. */
#include "core/people.h"
#include "support_stress.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 3, READERS = 3, SLOTS = 8, CHANNELS = 4, USERS = 6, EPOCH = 77, TOP = 1 << 30 };

static const char *const channels[CHANNELS] = {"a", "b", "presence-c", "d"};
static const char *const users[USERS] = {"u0", "u1", "u2", "u3", "u4", "u5"};

struct node {
    struct node *next;
    struct message *m;
};

struct shard {
    struct world *w;
    unsigned index;
    pthread_mutex_t lock;
    struct node *first, **end;
    uint64_t rng, now, next_id;
    unsigned faults;
    struct member slots[SLOTS];
};

struct reader {
    struct world *w;
    unsigned index, faults;
    uint64_t rng;
};

struct world {
    struct router *r;
    struct options opt;
    struct metrics metrics;
    struct core_store port;
    pthread_mutex_t lock, store_lock;
    struct record *first, **end;
    struct shard shards[SHARDS];
    unsigned rounds;
    atomic_uint busy;
    atomic_bool stop;
    _Atomic uint64_t table[CHANNELS][USERS]; /* what the store has */
    atomic_ulong asked, answered, failed;
};

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* ---- ports ---- */

static void port_lock(void *ctx)
{
    pthread_mutex_lock(&((struct world *)ctx)->lock);
}

static void port_unlock(void *ctx)
{
    pthread_mutex_unlock(&((struct world *)ctx)->lock);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    struct node *n = link;

    *n = (struct node){NULL, size ? m : NULL};
    pthread_mutex_lock(&s->lock);
    *s->end = n;
    s->end = &n->next;
    pthread_mutex_unlock(&s->lock);
}

static bool port_full(void *ctx, unsigned shard)
{
    (void)ctx;
    (void)shard;
    return false;
}

static struct message *take(struct shard *s)
{
    struct message *m = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->first) {
        m = s->first->m;
        s->first = s->first->next;
        s->end = s->first ? s->end : &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->first != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

static void *sink_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct shard *s = ctx;

    for (unsigned i = 0; i < n; i++) {
        if (v[i].seq < s->now) {
            fault(&s->faults, "a shard is out of order", s->index, v[i].seq);
        }
        s->now = v[i].seq;
    }
    return s;
}

static void sink_deliver(void *ctx, void *token, struct member *m)
{
    struct shard *s = ctx;

    if (token != s || m->shard != s->index || !m->joined) {
        fault(&s->faults, "delivered to a stranger", s->index, m->id);
    }
}

static void sink_end(void *ctx, void *token)
{
    (void)ctx;
    (void)token;
}

static void port_settle(void *ctx, unsigned shard)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    const struct core_sink sink = {s, sink_begin, sink_deliver, sink_end, NULL};
    struct message *m;

    while ((m = take(s))) {
        router_deliver(s->w->r, shard, &m, 1, &sink);
    }
}

static uint64_t port_ms(void *ctx)
{
    (void)ctx;
    return clock_real_ms();
}

static void port_due(void *ctx, uint64_t due_ms)
{
    (void)ctx;
    (void)due_ms;
}

/* ---- the store ---- */

static int store_admit(void *ctx, size_t bytes, uint64_t seq)
{
    (void)ctx;
    return bytes && seq ? 0 : ERR_STORE;
}

static void store_put(void *ctx, struct record *first, struct record *last, size_t bytes)
{
    struct world *w = ctx;

    (void)bytes;
    pthread_mutex_lock(&w->store_lock);
    *w->end = first;
    w->end = &last->next;
    pthread_mutex_unlock(&w->store_lock);
}

static void write_down(struct world *w, const struct record *rec)
{
    unsigned c = 0, u;

    while (rec->name.len && !str_eqz(rec->name, channels[c])) {
        c++;
    }
    u = rec->user.len ? (unsigned)(rec->user.p[1] - '0') : 0;
    if (rec->kind == RECORD_READ) {
        atomic_store(&w->table[c][u], rec->seq);
    } else if (rec->kind == RECORD_UNREAD) {
        atomic_store(&w->table[c][u], 0);
    }
}

/* A failed commit: what is waited for goes back, the rest is written later. */
static struct record *split(struct record **chain, struct record **rest_last)
{
    struct record *rest = NULL, **rest_end = &rest, *back = NULL, **back_end = &back;

    *rest_last = NULL;
    for (struct record *rec = *chain, *next; rec; rec = next) {
        next = rec->next;
        rec->next = NULL;
        if (rec->kind == RECORD_UNREAD || rec->kind == RECORD_LANE) {
            *rest_end = *rest_last = rec;
            rest_end = &rec->next;
        } else {
            *back_end = rec;
            back_end = &rec->next;
        }
    }
    *chain = back;
    return rest;
}

static void *run_store(void *arg)
{
    struct world *w = arg;
    uint64_t rng = 5;

    for (;;) {
        bool stop = atomic_load(&w->stop), fails = !stop && rnd(&rng, 20) == 0;
        struct record *chain, *rest = NULL, *last;
        pthread_mutex_lock(&w->store_lock);
        chain = w->first;
        w->first = NULL;
        w->end = &w->first;
        if (fails) {
            rest = split(&chain, &last);
            if (rest) {
                w->first = rest;
                w->end = &last->next;
            }
        }
        pthread_mutex_unlock(&w->store_lock);
        if (!chain && !rest && stop) {
            return NULL;
        }
        for (const struct record *rec = chain; rec && !fails; rec = rec->next) {
            write_down(w, rec);
        }
        if (chain) {
            router_stored(w->r, chain, fails ? ERR_STORE : 0);
        }
        sched_yield();
    }
}

/* ---- readers ---- */

struct question {
    struct publish_ticket t; /* first */
    struct world *w;
    unsigned c, u;
    uint64_t seq;
    bool bounded;
};

static void on_done(struct publish_ticket *t)
{
    struct question *q = (struct question *)(void *)t;
    struct world *w = q->w;

    if (atomic_load(&t->failed)) {
        atomic_fetch_add(&w->failed, 1);
    } else if (!q->bounded && atomic_load(&w->table[q->c][q->u]) < q->seq) {
        fprintf(stderr, "answered, but not stored: %s of %s\n", users[q->u], channels[q->c]);
        abort();
    }
    atomic_fetch_add(&w->answered, 1);
    free(q);
}

static void look(struct reader *rd, unsigned c)
{
    struct strbuf sb = STRBUF_INIT;
    struct unread u;

    if (router_reads_page(rd->w->r, str_of(channels[c]), STR_NONE, 3, &sb) != 0 ||
        router_reads_snapshot(rd->w->r, str_of(channels[c]), 3, &sb) != 0) {
        fault(&rd->faults, "no page", rd->index, c);
    }
    router_unread(rd->w->r, str_of(users[0]), str_of(channels[c]), clock_real_ms(), &u);
    strbuf_fini(&sb);
}

static void *run_reader(void *arg)
{
    struct reader *rd = arg;
    struct world *w = rd->w;
    bool bounded = w->opt.max_reads < CHANNELS * USERS;
    uint64_t known[CHANNELS][USERS] = {{0}};

    for (unsigned i = 0; i < w->rounds; i++) {
        struct question *q = calloc(1, sizeof(*q));
        struct cursor now;
        bool changed;
        *q = (struct question){
            .w = w, .c = rnd(&rd->rng, CHANNELS), .u = rnd(&rd->rng, USERS), .bounded = bounded};
        q->t.done = on_done;
        atomic_init(&q->t.left, 1);
        atomic_fetch_add(&w->asked, 1);
        if (router_read(w->r, str_of(users[q->u]), str_of(channels[q->c]),
                        (struct cursor){EPOCH, 1 + 10 * i + rnd(&rd->rng, 100)}, 0, &q->t, &now,
                        &changed) != 0) {
            fault(&rd->faults, "refused", rd->index, i);
        }
        if (!bounded && now.seq < known[q->c][q->u]) {
            fault(&rd->faults, "a position went back", rd->index, i);
        }
        known[q->c][q->u] = now.seq;
        q->seq = now.seq;
        if (publish_ticket_close(&q->t)) {
            on_done(&q->t);
        }
        if (i % 16 == 0) {
            look(rd, rnd(&rd->rng, CHANNELS));
        }
    }
    atomic_fetch_sub(&w->busy, 1);
    return NULL;
}

/* ---- shards ---- */

static void ignore(void *ctx, struct frame *f)
{
    (void)ctx;
    (void)f;
}

static void come(struct shard *s, struct member *m)
{
    struct str names[CHANNELS];
    struct cursor top;
    unsigned n = 0;

    *m = (struct member){.id = ++s->next_id * SHARDS + s->index, .shard = (uint16_t)s->index};
    for (unsigned c = 0; c < CHANNELS; c++) {
        if (rnd(&s->rng, 2)) {
            names[n++] = str_of(channels[c]);
        }
    }
    if (router_join(s->w->r, m, str_of(users[rnd(&s->rng, USERS)]), names, n, &top) != 0) {
        fault(&s->faults, "did not join", s->index, m->id);
    }
    router_notes(s->w->r, m, ignore, NULL);
}

static void *run_shard(void *arg)
{
    struct shard *s = arg;
    struct router *r = s->w->r;

    for (unsigned i = 0; i < s->w->rounds; i++) {
        struct member *m = &s->slots[rnd(&s->rng, SLOTS)];
        struct str name = str_of(channels[rnd(&s->rng, CHANNELS)]);
        struct cursor top;
        port_settle(s->w, s->index);
        switch (m->joined ? rnd(&s->rng, 8) : 9) {
        case 9:
            come(s, m);
            break;
        case 0:
            router_leave(r, m);
            break;
        case 1:
            (void)!router_unsubscribe(r, m, name);
            break;
        case 2:
            (void)!router_subscribe(r, m, name, &top);
            router_notes(r, m, ignore, NULL);
            break;
        default:
            (void)!router_typing(r, m, name, rnd(&s->rng, 3) != 0);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (s->slots[i].joined) {
            router_leave(r, &s->slots[i]);
        }
        if (s->slots[i].typing) {
            fault(&s->faults, "still typing", s->index, i);
        }
    }
    atomic_fetch_sub(&s->w->busy, 1);
    return NULL;
}

static void *run_timer(void *arg)
{
    struct world *w = arg;

    while (atomic_load(&w->busy)) {
        (void)router_people_run(w->r);
        sched_yield();
    }
    return NULL;
}

/* ---- */

static void set_up(struct world *w, unsigned max_reads)
{
    const struct core_ports ports = {.ctx = w,
                                     .lock = port_lock,
                                     .unlock = port_unlock,
                                     .post = port_post,
                                     .full = port_full,
                                     .settle = port_settle,
                                     .pending = port_pending,
                                     .mono_ms = port_ms,
                                     .real_ms = port_ms,
                                     .due = port_due};
    const struct router_keep keep = {&w->opt, &w->port, &w->metrics};
    struct restored_log log = {.top = TOP};

    must(options_init(&w->opt) == 0);
    w->opt.max_reads = max_reads;
    w->opt.typing_timeout = 1;
    w->opt.presence_grace = 1;
    w->opt.presence_interval = 1;
    w->end = &w->first;
    w->port = (struct core_store){
        .ctx = w, .delayed = true, .waits = true, .admit = store_admit, .put = store_put};
    atomic_init(&w->port.reserved, UINT64_MAX);
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->store_lock, NULL);
    must(router_new(SHARDS, EPOCH, 99, &ports, &w->r) == 0);
    must(router_keep(w->r, &keep) == 0);
    must(router_people(w->r, &w->opt) == 0);
    router_restore_log(w->r, &log);
    router_restored(w->r, clock_real_ms());
}

static unsigned compare(struct world *w)
{
    unsigned wrong = 0;

    for (unsigned c = 0; c < CHANNELS; c++) {
        for (unsigned u = 0; u < USERS; u++) {
            struct unread out;
            router_unread(w->r, str_of(users[u]), str_of(channels[c]), clock_real_ms(), &out);
            /* What could not be stored, and was not said again, is further. */
            wrong += out.read.seq < w->table[c][u];
        }
    }
    return wrong;
}

static unsigned run(unsigned rounds, uint64_t seed, unsigned max_reads)
{
    static struct world w;
    struct reader readers[READERS];
    pthread_t threads[SHARDS + READERS], store, timer;
    unsigned faults = 0, n = 0;

    w = (struct world){.rounds = rounds};
    set_up(&w, max_reads);
    atomic_store(&w.busy, SHARDS + READERS);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &w.shards[i];
        *s = (struct shard){.w = &w, .index = i, .rng = seed + i};
        s->end = &s->first;
        pthread_mutex_init(&s->lock, NULL);
    }
    must(pthread_create(&store, NULL, run_store, &w) == 0);
    must(pthread_create(&timer, NULL, run_timer, &w) == 0);
    for (unsigned i = 0; i < SHARDS; i++) {
        must(pthread_create(&threads[n++], NULL, run_shard, &w.shards[i]) == 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.w = &w, .index = i, .rng = seed + 100 + i};
        must(pthread_create(&threads[n++], NULL, run_reader, &readers[i]) == 0);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(timer, NULL);
    atomic_store(&w.stop, true);
    pthread_join(store, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        port_settle(&w, i);
        faults += w.shards[i].faults;
    }
    for (unsigned i = 0; i < READERS; i++) {
        faults += readers[i].faults;
    }
    faults += compare(&w) + (w.metrics.v[METRIC_TYPING] != 0) + (w.asked != w.answered);
    printf("max-reads %u: %lu reads, %lu answered, %lu of them not stored; %lu moved, %lu "
           "forgotten; %u faults\n",
           max_reads, w.asked, w.answered, w.failed, (unsigned long)w.metrics.v[METRIC_READS_MOVED],
           (unsigned long)w.metrics.v[METRIC_READS_FORGOTTEN], faults);
    router_free(w.r);
    options_fini(&w.opt);
    return faults;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned faults = run(rounds, seed, 1000);

    faults += run(rounds, seed, 5);
    return faults != 0;
}
