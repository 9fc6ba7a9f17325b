/* Many threads ask while the application answers, fails and hangs, for the thread sanitizer; the
 * hook is stopped under them. Every question is answered once, and none but with what the
 * application says. */
#include "support_hook.h"
#include "support_stress.h"

enum { ASKERS = 6, QUESTIONS = 1500, ROUNDS = 3 };

static struct app app;
static struct hook *h;
static struct metrics metrics;
static atomic_uint verdicts[3], faults, finished;
static atomic_bool over;

static void wrong(const char *what)
{
    if (atomic_fetch_add(&faults, 1) < 5) {
        fprintf(stderr, "%s\n", what);
    }
}

static void *asking(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    for (unsigned i = 0; i < QUESTIONS; i++) {
        char cookie[16];
        struct hook_question q = {.event = HOOK_CONNECT};
        struct asker a;
        struct hook_answer answer;
        q.cookie =
            (struct str){cookie, (size_t)snprintf(cookie, sizeof cookie, "sid=%u", rnd(&rng, 40))};
        q.address = rnd(&rng, 2) ? STR_LIT("192.0.2.1") : STR_LIT("192.0.2.2");
        q.network = rnd(&rng, 4) ? STR_NONE : q.address;
        asker_ask(&a, h, &q);
        answer = asker_wait(&a);
        if ((answer.verdict == HOOK_ALLOWED) != (answer.grant != NULL) ||
            (answer.grant && !str_eqz(answer.grant->s.user, "ann"))) {
            wrong("an answer that the application did not give");
        }
        grant_unref(answer.grant);
        atomic_fetch_add(&verdicts[answer.verdict], 1);
        usleep(rnd(&rng, 1000)); /* the application is to have its moods meanwhile */
    }
    atomic_fetch_add(&finished, 1);
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
            app_says(&app, APP_HANGS, 200, "{\"allow\":true,\"userId\":\"ann\"}");
            break;
        case 2:
            app_says(&app, APP_ANSWERS, 200, "{\"allow\":false,\"ttl\":1}");
            break;
        case 3:
            app_says(&app, APP_CLOSES, 0, "");
            break;
        default:
            app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"userId\":\"ann\",\"ttl\":1}");
        }
        usleep(20000);
    }
    return NULL;
}

static void round_of(unsigned n)
{
    const struct hook_config cfg = {.url = app.url,
                                    .secret = "0123456789abcdef0123456789abcdef",
                                    .timeout_ms = 30,
                                    .cache_ms = 20,
                                    .max_waiting = 20,
                                    .failures = 5,
                                    .pause_ms = 10,
                                    .max_meta = 100,
                                    .max_channels = 10,
                                    .metrics = &metrics};
    pthread_t threads[ASKERS + 1];
    struct errmsg why;

    atomic_store(&over, false);
    atomic_store(&finished, 0);
    if (hook_new(&cfg, &h, &why) != 0) {
        abort();
    }
    pthread_create(&threads[ASKERS], NULL, moody, NULL);
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_create(&threads[i], NULL, asking, (void *)(uintptr_t)(i + 1 + n * 100));
    }
    while (n > 0 && atomic_load(&finished) == 0) { /* the first round runs through */
        usleep(1000);
        if (atomic_load(&verdicts[HOOK_ALLOWED]) > n * 100) {
            break;
        }
    }
    if (n > 0) {
        hook_stop(h);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&over, true);
    pthread_join(threads[ASKERS], NULL);
    hook_free(h);
}

int main(void)
{
    unsigned total = 0;

    app_start(&app);
    for (unsigned i = 0; i < ROUNDS; i++) {
        round_of(i);
    }
    app_stop(&app);
    for (unsigned i = 0; i < 3; i++) {
        total += atomic_load(&verdicts[i]);
    }
    printf("allowed %u, denied %u, unavailable %u, of these in the application %u, faults %u\n",
           atomic_load(&verdicts[HOOK_ALLOWED]), atomic_load(&verdicts[HOOK_DENIED]),
           atomic_load(&verdicts[HOOK_UNAVAILABLE]), atomic_load(&app.asked), atomic_load(&faults));
    return atomic_load(&faults) != 0 || total != ASKERS * QUESTIONS * ROUNDS ||
           atomic_load(&verdicts[HOOK_ALLOWED]) == 0 || atomic_load(&verdicts[HOOK_DENIED]) == 0;
}
