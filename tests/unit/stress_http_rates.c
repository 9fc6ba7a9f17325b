/* stress_http_rates [rounds] - what shards share for limits (rates, loads of users, addresses)
 * under a sanitizer that does not get on with the test framework. Exit status 0: all was well. */
#include "conn/load.h"
#include "http/limits.h"
#include "http/rates.h"

#include "support_stress.h"

enum { THREADS = 4, MAY = 1000, USERS = 7 };

static struct {
    struct rates rates;
    struct loads loads;
    struct limits limits;
    atomic_uint streams[USERS], over;
} all;

struct worker {
    pthread_t thread;
    uint64_t rng;
    unsigned rounds, taken;
};

static void take(struct worker *w)
{
    struct rate_use u = {.kind = RATE_PREFIX,
                         .who = STR_LIT("all"),
                         .limit = {.count = MAY, .window_ms = 1000},
                         .count = 1};
    struct rate_over over;

    w->taken += rates_take(&all.rates, &u, 5000, &over);
}

/* Other names, so that entries come and go; earlier, so that the one above is never full. */
static void churn(struct worker *w)
{
    char name[16];
    struct rate_use u = {.kind = RATE_CONNECT, .limit = {.count = 1, .window_ms = 10}, .count = 1};
    struct rate_over over;

    snprintf(name, sizeof(name), "%u", rnd(&w->rng, 5000));
    u.who = str_of(name);
    (void)!rates_take(&all.rates, &u, 4000 + rnd(&w->rng, 900), &over);
    (void)!rates_may(&all.rates, &u, 5000, &over);
}

/* No user has ever more than three streams. */
static void stream(struct worker *w)
{
    unsigned i = rnd(&w->rng, USERS);
    char name = (char)('a' + i);
    struct str user = {&name, 1};
    struct load_user *counted;

    if (loads_enter(&all.loads, user, 2, 3, 6, &counted) == LOAD_OK && counted) {
        if (atomic_fetch_add(&all.streams[i], 1) >= 3) {
            atomic_fetch_add(&all.over, 1);
        }
        atomic_fetch_sub(&all.streams[i], 1);
        loads_leave(&all.loads, counted, 2);
    }
}

static void connection(struct worker *w)
{
    struct peer p = {.kind = PEER_INET, .addr = {10, 0, 0, (uint8_t)rnd(&w->rng, 20)}};

    if (limits_count_address(&all.limits, &p, 3)) {
        limits_uncount(&all.limits, &p);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < w->rounds; i++) {
        take(w);
        churn(w);
        stream(w);
        connection(w);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct worker w[THREADS] = {0};
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    unsigned sum = 0, faults = 0;

    if (rates_init(&all.rates, 1) || loads_init(&all.loads, 2) || limits_init(&all.limits, 9, 3)) {
        return 2;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.rng = 77 + i, .rounds = rounds};
        if (pthread_create(&w[i].thread, NULL, work, &w[i])) {
            return 2;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        sum += w[i].taken;
    }
    /* An entry is forgotten only when it is full, which this one never is. */
    if (sum != (rounds * THREADS < MAY ? rounds * THREADS : MAY)) {
        fault(&faults, "so many were let through", sum, MAY);
    }
    if (atomic_load(&all.over)) {
        fault(&faults, "a user had too many streams", atomic_load(&all.over), 0);
    }
    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        if (all.loads.part[i].table) {
            fault(&faults, "a user is left", i, 0);
        }
    }
    if (all.limits.table) {
        fault(&faults, "an address is left", 0, 0);
    }
    rates_fini(&all.rates);
    loads_fini(&all.loads);
    limits_fini(&all.limits);
    return faults != 0;
}
