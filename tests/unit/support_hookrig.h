/* support_hookrig.h - a hook and an application to be asked, for the tests of src/hook. */
#ifndef FF_TESTS_SUPPORT_HOOKRIG_H
#define FF_TESTS_SUPPORT_HOOKRIG_H

#include "base/clock.h"
#include "support_hook.h"

#include <criterion/criterion.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define S(text) STR_LIT(text)

static struct app app;
static struct hook *h;
static struct metrics metrics;
static struct log *logs;
static char log_path[64];

static inline struct hook_config config(void)
{
    return (struct hook_config){.url = app.url,
                                .secret = SECRET,
                                .timeout_ms = 20000,
                                .cache_ms = 3600000,
                                .max_waiting = 1000,
                                .failures = 3,
                                .pause_ms = 300000,
                                .max_meta = 1000,
                                .max_channels = 10,
                                .log = logs,
                                .metrics = &metrics};
}

static inline void start_with(const struct hook_config *cfg)
{
    struct errmsg why = {""};

    cr_assert_eq(hook_new(cfg, &h, &why), 0, "%s", why.text);
}

static inline void start(void)
{
    struct hook_config cfg = config();

    start_with(&cfg);
}

static inline void setup(void)
{
    int fd;

    strcpy(log_path, "/tmp/fanfare-hook-XXXXXX");
    fd = mkstemp(log_path);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(log_new(LOG_DEBUG_LVL, LOG_TEXT, log_path, &logs, NULL), 0);
    memset(&metrics, 0, sizeof metrics);
    app_start(&app);
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
    hook_free(h);
    app_stop(&app);
    log_free(logs);
    cr_assert(!strstr(logged(), SECRET) && !strstr(logged(), "sid="), "%s", logged());
    unlink(log_path);
}

static inline uint64_t metric(enum metric id)
{
    return atomic_load(&metrics.v[id]);
}

static inline struct hook_answer ask(const struct hook_question *q)
{
    struct asker a;

    asker_ask(&a, h, q);
    return asker_wait(&a);
}

static inline struct hook_question connects(const char *cookie)
{
    return (struct hook_question){.event = HOOK_CONNECT, .cookie = str_of(cookie)};
}

/* Each of them with a cookie of its own. */
static inline void ask_many(struct asker *a, unsigned n)
{
    char cookie[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(cookie, sizeof cookie, "sid=%u", i);
        struct hook_question q = connects(cookie);
        asker_ask(&a[i], h, &q);
    }
}

static inline enum hook_verdict verdict_of(const char *cookie)
{
    struct hook_question q = connects(cookie);
    struct hook_answer a = ask(&q);

    grant_unref(a.grant);
    return a.verdict;
}

static inline void await(atomic_uint *counter, unsigned n)
{
    uint64_t until = clock_mono_ms() + 60000;

    while (atomic_load(counter) < n) {
        cr_assert_lt(clock_mono_ms(), until, "only %u", atomic_load(counter));
        usleep(1000);
    }
}

#endif
