/* Many threads have something to tell while the application takes it, fails and hangs, for the
 * thread sanitizer; the webhook is stopped under them. What was told, was told in its order, and
 * told, lost and waiting make up what was added. */
#include "hook/webhook.h"
#include "support_hook.h"
#include "support_stress.h"

enum { TELLERS = 6, EVENTS = 2000, ROUNDS = 3 };

static struct app app;
static struct webhook *w;
static struct metrics metrics;
static atomic_uint faults;
static atomic_bool over;
/* Under the application's lock. */
static unsigned long last, newest, again;

static void wrong(const char *what)
{
    if (atomic_fetch_add(&faults, 1) < 5) {
        fprintf(stderr, "%s\n", what);
    }
}

/* A request begins where the one before did, or behind it. */
static void took(struct app *a, const char *request)
{
    unsigned long before = 0, first = 0;

    (void)a;
    for (const char *p = request; (p = strstr(p, "{\"seq\":")); p++) {
        unsigned long seq = strtoul(p + 7, NULL, 10);
        if (seq <= before) {
            wrong("a request is out of order");
        }
        first = first ? first : seq;
        before = seq;
    }
    if (first < last) {
        wrong("a request goes back behind the one before");
    }
    again += first <= newest;
    last = first;
    newest = before > newest ? before : newest;
}

static void *telling(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    for (unsigned i = 0; i < EVENTS; i++) {
        struct strbuf sb = STRBUF_INIT;
        const struct webhook_cause by = {.client = rnd(&rng, 40)};
        strbuf_addf(&sb, ",\"userId\":\"%u\"", (unsigned)by.client);
        webhook_add(w, "user.online", i, &by, &sb);
        strbuf_fini(&sb);
        if (rnd(&rng, 8) == 0) {
            usleep(rnd(&rng, 1000));
        }
    }
    return NULL;
}

static void *moody(void *arg)
{
    uint64_t rng = 7;

    (void)arg;
    while (!atomic_load(&over)) {
        switch (rnd(&rng, 5)) {
        case 0:
            app_says(&app, APP_ANSWERS, 500, "");
            break;
        case 1:
            app_says(&app, APP_HANGS, 200, "");
            break;
        case 2:
            app_says(&app, APP_CLOSES, 0, "");
            break;
        default:
            app_says(&app, APP_ANSWERS, 204, "");
        }
        usleep(20000);
    }
    return NULL;
}

static uint64_t metric(enum metric id)
{
    return atomic_load(&metrics.v[id]);
}

static void round_of(unsigned n)
{
    const struct webhook_config cfg = {.url = app.url,
                                       .secret = "0123456789abcdef0123456789abcdef",
                                       .gateway = "b7ul4qit",
                                       .timeout_ms = 100,
                                       .retry_ms = 200,
                                       .wait_ms = 2,
                                       .most_wait_ms = 10,
                                       .batch = 50,
                                       .max_events = 300,
                                       .max_bytes = 1 << 20,
                                       .metrics = &metrics};
    pthread_t threads[TELLERS + 1];
    struct errmsg why;

    memset(&metrics, 0, sizeof metrics);
    last = newest = 0;
    atomic_store(&over, false);
    if (webhook_new(&cfg, &w, &why) != 0) {
        abort();
    }
    pthread_create(&threads[TELLERS], NULL, moody, NULL);
    for (unsigned i = 0; i < TELLERS; i++) {
        pthread_create(&threads[i], NULL, telling, (void *)(uintptr_t)(i + 1 + n * 100));
    }
    while (n > 0 && metric(METRIC_WEBHOOK_SENT) < n * 100) { /* the first round runs through */
        usleep(1000);
    }
    if (n > 0) {
        webhook_stop(w, 20);
    }
    for (unsigned i = 0; i < TELLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&over, true);
    pthread_join(threads[TELLERS], NULL);
    app_says(&app, APP_ANSWERS, 204, "");
    webhook_stop(w, 10000);
    webhook_free(w);
    printf("told %llu, lost %llu, failed requests %llu\n",
           (unsigned long long)metric(METRIC_WEBHOOK_SENT),
           (unsigned long long)metric(METRIC_WEBHOOK_DEAD),
           (unsigned long long)metric(METRIC_WEBHOOK_FAILED));
    if (metric(METRIC_WEBHOOK_SENT) + metric(METRIC_WEBHOOK_DEAD) != TELLERS * EVENTS ||
        metric(METRIC_WEBHOOK_QUEUED) != 0 || metric(METRIC_WEBHOOK_SENT) == 0) {
        wrong("events are not accounted for");
    }
}

int main(void)
{
    app_start(&app);
    app.took = took;
    for (unsigned i = 0; i < ROUNDS; i++) {
        round_of(i);
    }
    app_stop(&app);
    printf("told again %lu, faults %u\n", again, atomic_load(&faults));
    return atomic_load(&faults) != 0;
}
