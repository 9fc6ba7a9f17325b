/* Random reads, restarts and failing commits against a simple model: what is known, what the
 * store's table has, and what a later run makes of it. */
#include "test_core_people.h"

enum { USERS = 12, CHANNELS = 3, PAIRS = USERS * CHANNELS, STEPS = 20000, BOUND = 20, TOP = 40 };

static struct people_keeper pk;
static struct fake f;
static uint64_t rng;

static unsigned dice(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % n;
}

/* The model: by pair the position and when it moved; 0: nothing. */
struct known {
    uint64_t seq, moved;
};
static struct known model[PAIRS];
/* The table as the records that came back have made it. */
static struct known table[PAIRS];
static uint64_t clock_now;

static void names(unsigned i, char user[16], char channel[16])
{
    snprintf(user, 16, "u%u", i % USERS);
    snprintf(channel, 16, "c%u", i / USERS);
}

static unsigned pair_no(struct str user, struct str channel)
{
    unsigned n = 0;

    for (size_t i = 1; i < user.len; i++) { /* there is no NUL behind it */
        n = n * 10 + (unsigned)(user.p[i] - '0');
    }
    return n + (unsigned)(channel.p[1] - '0') * USERS;
}

static void model_bound(void)
{
    for (;;) {
        unsigned n = 0, oldest = 0;
        for (unsigned i = 0; i < PAIRS; i++) {
            n += model[i].seq != 0;
            if (model[i].seq && (!model[oldest].seq || model[i].moved < model[oldest].moved)) {
                oldest = i;
            }
        }
        if (n <= BOUND) {
            return;
        }
        model[oldest] = (struct known){0, 0};
    }
}

/* As the store does: the records in their order, with what they say now. */
static void commit(unsigned n)
{
    const struct record *rec = f.first;

    for (unsigned i = 0; rec && i < n; i++, rec = rec->next) {
        if (rec->kind == RECORD_READ) {
            table[pair_no(rec->user, rec->name)] = (struct known){rec->seq, rec->at_ms};
        } else if (rec->kind == RECORD_UNREAD) {
            table[pair_no(rec->user, rec->name)] = (struct known){0, 0};
        }
    }
    fake_give(&f, pk.k.h.r, n, 0);
    f.len = 0;
    f.text[0] = '\0';
}

static void check(bool settled)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        char user[16], channel[16];
        struct unread u;
        names(i, user, channel);
        router_unread(pk.k.h.r, str_of(user), str_of(channel), pk.k.now_ms, &u);
        cr_assert_eq(u.read.seq, model[i].seq, "%s in %s", user, channel);
        if (settled) {
            cr_assert_eq(table[i].seq, model[i].seq, "%s in %s in the table", user, channel);
            cr_assert_eq(table[i].moved, model[i].moved);
        }
    }
}

static void settle(void)
{
    while (f.first) {
        commit(f.waiting);
    }
}

static void begin(bool waits)
{
    static const char *const settings[] = {"max-reads", "20", NULL};
    struct restored_log log = {.top = TOP};

    fake_init(&f, waits, waits);
    pk_init(&pk, settings, &f.port);
    pk.k.now_ms = clock_now;
    router_restore_log(pk.k.h.r, &log);
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = table[*(const unsigned *)a].moved, y = table[*(const unsigned *)b].moved;

    return (x > y) - (x < y);
}

/* A new run, from the table: what was not committed is gone. */
static void restart(bool waits)
{
    unsigned order[PAIRS];

    while (f.first) { /* the process is killed: what waits never comes to be */
        fake_give(&f, pk.k.h.r, f.waiting, 0);
    }
    pk_fini(&pk);
    begin(waits);
    for (unsigned i = 0; i < PAIRS; i++) {
        order[i] = i;
    }
    qsort(order, PAIRS, sizeof *order, by_time);
    for (unsigned i = 0; i < PAIRS; i++) {
        const struct known *k = &table[order[i]];
        char user[16], channel[16];
        names(order[i], user, channel);
        if (k->seq) {
            cr_assert_eq(
                router_restore_read(pk.k.h.r, str_of(channel), str_of(user), k->seq, k->moved), 0);
        }
    }
    router_restored(pk.k.h.r, pk.k.now_ms);
    memcpy(model, table, sizeof model);
    model_bound();
}

static void one_read(struct wait *w)
{
    unsigned i = dice(PAIRS);
    char user[16], channel[16];
    struct cursor at = {H_EPOCH, 1 + dice(TOP)}, now;
    uint64_t before = model[i].seq;
    bool changed;

    names(i, user, channel);
    pk.k.now_ms = ++clock_now;
    wait_init(w);
    cr_assert_eq(router_read(pk.k.h.r, str_of(user), str_of(channel), at, 0, &w->t, &now, &changed),
                 0);
    cr_assert_eq(changed, at.seq > before);
    if (changed) {
        model[i] = (struct known){at.seq, clock_now};
        model_bound();
    }
    cr_assert_eq(now.seq, at.seq > before ? at.seq : before);
    if (publish_ticket_close(&w->t)) {
        w->done++;
    }
}

static void run(bool waits, uint64_t seed)
{
    static struct wait waiting[STEPS];
    unsigned asked = 0;

    rng = seed;
    clock_now = 1000000;
    memset(model, 0, sizeof model);
    memset(table, 0, sizeof table);
    begin(waits);
    for (unsigned step = 0; step < STEPS; step++) {
        switch (dice(12)) {
        case 0:
            commit(1 + dice(5));
            break;
        case 1:
            if (waits && dice(4) == 0) { /* the commit fails: told, and not repeated */
                fake_give(&f, pk.k.h.r, ~0u, ERR_STORE);
            }
            break;
        case 2:
            if (dice(20) == 0) {
                settle();
                check(!waits);
            }
            break;
        case 3:
            if (dice(60) == 0) {
                restart(waits);
                check(false);
            }
            break;
        default:
            one_read(&waiting[asked++]);
        }
        if (step % 97 == 0) {
            check(false);
        }
        f.len = 0;
        f.text[0] = '\0';
    }
    settle();
    check(!waits);
    for (unsigned i = 0; i < asked; i++) {
        cr_assert_eq(waiting[i].done, 1, "question %u: %u", i, waiting[i].done);
    }
    pk_fini(&pk);
}

Test(reads_model, a_store_that_nobody_waits_for)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run(false, seed);
    }
}

Test(reads_model, a_store_that_is_waited_for)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run(true, seed);
    }
}

/* What was answered with success is there after a kill, or something further. */
Test(reads_model, answered_is_kept)
{
    unsigned kept = 0;

    rng = 99;
    clock_now = 1000000;
    begin(true);
    for (unsigned step = 0; step < 3000; step++) {
        unsigned i = dice(BOUND); /* within the bound: nothing gives way */
        char user[16], channel[16];
        struct cursor at = {H_EPOCH, 1 + dice(TOP)}, now;
        struct wait w;
        bool changed;
        names(i, user, channel);
        pk.k.now_ms = ++clock_now;
        wait_init(&w);
        cr_assert_eq(
            router_read(pk.k.h.r, str_of(user), str_of(channel), at, 0, &w.t, &now, &changed), 0);
        bool ready = publish_ticket_close(&w.t);
        while (!ready && !w.done) {
            if (dice(10) == 0) {
                fake_give(&f, pk.k.h.r, ~0u, ERR_STORE);
            } else {
                commit(1);
            }
        }
        if (!atomic_load(&w.t.failed)) {
            cr_assert_geq(table[i].seq, now.seq);
            kept++;
        }
        if (dice(50) == 0) {
            restart(true);
        }
    }
    cr_assert_gt(kept, 2000u);
    settle();
    pk_fini(&pk);
}
