/* support_webhook.h - a webhook and an application that is told, for the tests of src/hook: all
 * events that it took, by number and id, in the order in which they came. */
#ifndef FF_TESTS_SUPPORT_WEBHOOK_H
#define FF_TESTS_SUPPORT_WEBHOOK_H

#define APP_REQUEST_MAX (3u << 20)

#include "base/clock.h"
#include "hook/webhook.h"
#include "support_hook.h"

#include <criterion/criterion.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define MAX_TOLD 4096

struct told {
    unsigned long seq;
    char id[37];
};

static struct app app;
static struct webhook *w;
static struct metrics metrics;
static struct log *logs;
static char log_path[64];
/* Under the application's lock: */
static struct told told[MAX_TOLD];
static unsigned ntold, requests, sizes[MAX_TOLD]; /* events of each request */

static inline void took(struct app *a, const char *request)
{
    unsigned n = 0;

    (void)a;
    for (const char *p = request; (p = strstr(p, "{\"seq\":")) && ntold < MAX_TOLD; n++) {
        char *end;
        told[ntold].seq = strtoul(p + 7, &end, 10);
        p = end + strlen(",\"id\":\"");
        memcpy(told[ntold].id, p, 36);
        ntold++;
    }
    sizes[requests++ % MAX_TOLD] = n;
}

static inline struct webhook_config config(void)
{
    return (struct webhook_config){.url = app.url,
                                   .secret = SECRET,
                                   .gateway = "b7ul4qit",
                                   .started_ms = 1763632799999,
                                   .timeout_ms = 20000,
                                   .retry_ms = 300000,
                                   .wait_ms = 5,
                                   .most_wait_ms = 20,
                                   .batch = 10,
                                   .max_events = 1000,
                                   .max_bytes = 1 << 20,
                                   .log = logs,
                                   .metrics = &metrics};
}

static inline void start_with(const struct webhook_config *cfg)
{
    struct errmsg why = {""};

    cr_assert_eq(webhook_new(cfg, &w, &why), 0, "%s", why.text);
}

static inline void start(void)
{
    struct webhook_config cfg = config();

    start_with(&cfg);
}

static inline void setup(void)
{
    int fd;

    strcpy(log_path, "/tmp/fanfare-webhook-XXXXXX");
    fd = mkstemp(log_path);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(log_new(LOG_DEBUG_LVL, LOG_TEXT, log_path, &logs, NULL), 0);
    memset(&metrics, 0, sizeof metrics);
    ntold = requests = 0;
    app_start(&app);
    app.took = took;
    app_says(&app, APP_ANSWERS, 204, "");
}

static inline char *logged(void)
{
    static char text[65536];
    FILE *f = fopen(log_path, "re");
    size_t n;

    cr_assert(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static inline void teardown(void)
{
    webhook_free(w);
    app_stop(&app);
    log_free(logs);
    cr_assert(!strstr(logged(), SECRET), "%s", logged());
    unlink(log_path);
}

static inline uint64_t metric(enum metric id)
{
    return atomic_load(&metrics.v[id]);
}

static const struct webhook_cause nobody;

static inline void add_by(const struct webhook_cause *by, const char *members)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, members);
    webhook_add(w, "user.online", 1763632800000, by, &sb);
    strbuf_fini(&sb);
}

static inline void add_text(const char *members)
{
    add_by(&nobody, members);
}

static inline void add(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        add_text(",\"userId\":\"ann\"");
    }
}

static inline void await_metric(enum metric id, uint64_t n)
{
    uint64_t until = clock_mono_ms() + 60000;

    while (metric(id) < n) {
        cr_assert_lt(clock_mono_ms(), until, "only %llu", (unsigned long long)metric(id));
        usleep(1000);
    }
}

static inline void await_asked(unsigned n)
{
    uint64_t until = clock_mono_ms() + 60000;

    while (atomic_load(&app.asked) < n) {
        cr_assert_lt(clock_mono_ms(), until, "only %u", atomic_load(&app.asked));
        usleep(1000);
    }
}

static inline void await_queued(uint64_t n)
{
    uint64_t until = clock_mono_ms() + 60000;

    while (metric(METRIC_WEBHOOK_QUEUED) != n) {
        cr_assert_lt(clock_mono_ms(), until, "%llu wait",
                     (unsigned long long)metric(METRIC_WEBHOOK_QUEUED));
        usleep(1000);
    }
}

/* What has come is `n` events from number `first` on, each once, in their order. */
static inline void expect_told(unsigned long first, unsigned n)
{
    pthread_mutex_lock(&app.lock);
    cr_expect_eq(ntold, n, "%u events", ntold);
    for (unsigned i = 0; i < ntold && i < n; i++) {
        cr_assert_eq(told[i].seq, first + i, "%u: %lu", i, told[i].seq);
    }
    pthread_mutex_unlock(&app.lock);
}

#endif
