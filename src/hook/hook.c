/* The thread that asks, and who waits for what. */
#include "hook/hook.h"

#include "base/clock.h"
#include "base/rng.h"
#include "hook/private.h"

#include <signal.h>
#include <stdlib.h>

#define REMEMBERED_MAX 10000
#define REMEMBERED_BYTES (16u << 20)
#define POLL_MS 1000

/* A question, for all that ask the very same meanwhile. */
struct ask {
    UT_hash_handle hh; /* of those that are not answered */
    struct ask *next;  /* in the line of those that are not on their way */
    struct transfer t;
    struct hook_call *calls;
    enum hook_event event;
    uint8_t identity[HOOK_DIGEST], digest[HOOK_DIGEST];
    uint64_t until_ms; /* monotonic */
    bool trial;        /* of the breaker */
};

struct hook {
    struct hook_config cfg;
    char *url, *secret, *ca_file;
    struct answer_limits limits;
    struct transfer_config to;
    pthread_t thread;
    /* the thread's */
    CURLM *multi;
    unsigned running; /* on their way */
    struct json_doc *doc;
    struct log_limit complaints;
    /* everybody's, as are the metrics */
    pthread_mutex_t lock;
    struct cache cache;
    struct breaker breaker;
    struct ask *asks;
    struct ask *line, **line_end; /* of these, those that are not on their way yet */
    bool stop;
};

/* ---- answering ---- */

static void answer_calls(struct hook_call *calls, const struct hook_answer *answer)
{
    while (calls) {
        struct hook_call *c = calls;
        calls = c->next;
        c->answer = *answer;
        if (c->answer.grant) {
            grant_ref(c->answer.grant);
        }
        c->done(c);
    }
}

static void complain(struct hook *h, const char *why)
{
    if (log_limit_pass(&h->complaints, clock_mono_ms(), NULL)) {
        log_warn(h->cfg.log, "the application did not say who may", "because", why);
    }
}

static enum metric metric_of(enum hook_verdict v)
{
    return v == HOOK_ALLOWED  ? METRIC_HOOK_ALLOWED
           : v == HOOK_DENIED ? METRIC_HOOK_DENIED
                              : METRIC_HOOK_FAILED;
}

static void count(struct hook *h, enum metric id)
{
    metrics_inc(h->cfg.metrics, id);
}

/* Takes it out of the table and answers all that wait for it. */
static void end(struct hook *h, struct ask *a, const struct hook_answer *answer)
{
    pthread_mutex_lock(&h->lock);
    HASH_DEL(h->asks, a);
    pthread_mutex_unlock(&h->lock);
    answer_calls(a->calls, answer); /* it is in no table: nobody adds to them */
    transfer_fini(&a->t);
    free(a);
}

/* It was not asked. */
static void skip(struct hook *h, struct ask *a)
{
    static const struct hook_answer none = {.verdict = HOOK_UNAVAILABLE};

    pthread_mutex_lock(&h->lock);
    count(h, METRIC_HOOK_SKIPPED);
    pthread_mutex_unlock(&h->lock);
    end(h, a, &none);
}

static void note(struct hook *h, struct ask *a, const struct reading *r)
{
    uint64_t now = clock_mono_ms();
    uint64_t ttl = r->ttl_ms < h->cfg.cache_ms ? r->ttl_ms : h->cfg.cache_ms;
    bool changed;

    pthread_mutex_lock(&h->lock);
    count(h, metric_of(r->answer.verdict));
    changed = breaker_tell(&h->breaker, a->trial, r->works, now);
    if (changed) {
        metrics_add(h->cfg.metrics, METRIC_HOOK_PAUSED, r->works ? UINT64_MAX : 1);
    }
    if (r->answer.verdict != HOOK_UNAVAILABLE && ttl) {
        cache_add(&h->cache, a->digest, now + ttl, a->t.answer.len, &r->answer);
    }
    pthread_mutex_unlock(&h->lock);
    if (r->answer.verdict == HOOK_UNAVAILABLE) {
        complain(h, r->why.text);
    }
    if (changed) {
        log_warn(h->cfg.log, r->works ? "the application answers again"
                                      : "the application is left alone for a while: it fails");
    }
}

/* An answer has come, or it is clear that none will. */
static void finish(struct hook *h, struct ask *a, const struct reading *r)
{
    note(h, a, r);
    end(h, a, &r->answer);
    grant_unref(r->answer.grant);
}

/* ---- the thread ---- */

static void fail(struct hook *h, struct ask *a, const char *why)
{
    struct reading r = {.answer.verdict = HOOK_UNAVAILABLE};

    (void)errmsg_set(&r.why, 0, "%s", why);
    finish(h, a, &r);
}

static void send_off(struct hook *h, struct ask *a, uint64_t now)
{
    if (now >= a->until_ms) {
        fail(h, a, "it is so slow that questions were not even asked in time");
    } else if (transfer_begin(&a->t, &h->to, a->until_ms - now, a) != 0 ||
               curl_multi_add_handle(h->multi, a->t.easy) != CURLM_OK) {
        fail(h, a, "out of memory");
    } else {
        h->running++;
    }
}

/* The next of the line that must be looked at; NULL: none. With a broken application that is
 * everything but the question that tries it. */
static struct ask *next_of_line(struct hook *h, uint64_t now, bool *broken)
{
    struct ask *a;

    pthread_mutex_lock(&h->lock);
    a = h->stop ? NULL : h->line;
    *broken = a && h->breaker.again_ms && !a->trial;
    if (a && !*broken && h->running >= HOOK_CONNECTIONS && now < a->until_ms) {
        a = NULL;
    }
    if (a) {
        h->line = a->next;
        if (!h->line) {
            h->line_end = &h->line;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return a;
}

static void move_line(struct hook *h)
{
    uint64_t now = clock_mono_ms();
    struct ask *a;
    bool broken;

    while ((a = next_of_line(h, now, &broken))) {
        if (broken) {
            skip(h, a);
        } else {
            send_off(h, a, now);
        }
    }
}

static void take_finished(struct hook *h)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(h->multi, &left))) {
        struct ask *a = transfer_owner(m->easy_handle);
        CURLcode code = m->data.result;
        struct reading r;
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        curl_multi_remove_handle(h->multi, a->t.easy);
        h->running--;
        transfer_read(&a->t, code, h->doc, a->event, &h->limits, &r);
        finish(h, a, &r);
    }
}

/* How long may the thread sleep? Until the first of the line is too late. */
static int rest_ms(struct hook *h)
{
    uint64_t now = clock_mono_ms(), until;

    pthread_mutex_lock(&h->lock);
    until = h->line ? h->line->until_ms : UINT64_MAX;
    pthread_mutex_unlock(&h->lock);
    return until <= now ? 0 : until - now < POLL_MS ? (int)(until - now) : POLL_MS;
}

static bool stopped(struct hook *h)
{
    bool stop;

    pthread_mutex_lock(&h->lock);
    stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    return stop;
}

/* After a stop nobody adds to the table. */
static void drop_all(struct hook *h)
{
    while (h->asks) {
        struct ask *a = h->asks;
        if (a->t.easy) {
            curl_multi_remove_handle(h->multi, a->t.easy);
        }
        skip(h, a);
    }
}

static void *run(void *ctx)
{
    struct hook *h = ctx;
    int running;

    while (!stopped(h)) {
        move_line(h);
        curl_multi_perform(h->multi, &running);
        take_finished(h);
        move_line(h); /* there may be room now */
        curl_multi_poll(h->multi, NULL, 0, rest_ms(h), NULL);
    }
    drop_all(h);
    return NULL;
}

/* ---- asking ---- */

static struct ask *ask_new(const struct hook *h, const struct hook_question *q, uint64_t now)
{
    struct ask *a = calloc(1, sizeof(*a));

    if (!a) {
        return NULL;
    }
    a->event = q->event;
    a->until_ms = now + h->cfg.timeout_ms;
    a->t.body = STRBUF_INIT;
    a->t.answer = STRBUF_INIT;
    /* At once, so that mostly no copies of cookies are left behind as it grows. */
    (void)!strbuf_reserve(&a->t.body, 1024 + q->cookie.len + q->authorization.len);
    question_add(q, &a->t.body);
    if (strbuf_failed(&a->t.body)) {
        transfer_fini(&a->t);
        free(a);
        return NULL;
    }
    return a;
}

/* True: in the table and in the line. */
static bool put(struct hook *h, struct ask *a, unsigned hash)
{
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->asks, a->identity, HOOK_DIGEST, hash, a);
    if (!a->hh.tbl) {
        transfer_fini(&a->t);
        free(a);
        return false;
    }
    *h->line_end = a;
    h->line_end = &a->next;
    return true;
}

static struct ask *start(struct hook *h, const struct hook_question *q,
                         const uint8_t digest[HOOK_DIGEST], const uint8_t identity[HOOK_DIGEST],
                         unsigned hash)
{
    uint64_t now = clock_mono_ms();
    enum breaker_says may =
        HASH_COUNT(h->asks) >= h->cfg.max_waiting ? BREAKER_NO : breaker_lets(&h->breaker, now);
    struct ask *a = may == BREAKER_NO ? NULL : ask_new(h, q, now);

    if (a) {
        memcpy(a->digest, digest, HOOK_DIGEST);
        memcpy(a->identity, identity, HOOK_DIGEST);
        a->trial = may == BREAKER_TRY;
        a = put(h, a, hash) ? a : NULL;
    }
    if (!a && may == BREAKER_TRY) {
        breaker_take_back(&h->breaker);
    }
    return a;
}

/* True: it is on its way. Lock held. */
static bool join_or_start(struct hook *h, const struct hook_question *q,
                          const uint8_t digest[HOOK_DIGEST], struct hook_call *c)
{
    uint8_t identity[HOOK_DIGEST];
    struct ask *a = NULL;
    unsigned hash;

    question_identity(q, digest, identity);
    hash = map_hash(h->cache.seed, (struct str){(const char *)identity, HOOK_DIGEST});
    HASH_FIND_BYHASHVALUE(hh, h->asks, identity, HOOK_DIGEST, hash, a);
    if (!a) {
        a = start(h, q, digest, identity, hash);
    }
    if (a) {
        c->next = a->calls;
        a->calls = c;
    }
    return a != NULL;
}

void hook_ask(struct hook *h, const struct hook_question *q, struct hook_call *c)
{
    uint8_t digest[HOOK_DIGEST];
    bool waits = false;

    c->answer = (struct hook_answer){.verdict = HOOK_UNAVAILABLE};
    question_digest(q, digest);
    pthread_mutex_lock(&h->lock);
    if (cache_find(&h->cache, digest, clock_mono_ms(), &c->answer)) {
        count(h, METRIC_HOOK_CACHED);
    } else {
        waits = !h->stop && join_or_start(h, q, digest, c);
        if (!waits) {
            count(h, METRIC_HOOK_SKIPPED);
        }
    }
    pthread_mutex_unlock(&h->lock);
    if (waits) {
        curl_multi_wakeup(h->multi);
    } else {
        c->done(c);
    }
}

/* ---- life ---- */

static int copy_texts(struct hook *h, const struct hook_config *cfg)
{
    h->url = strdup(cfg->url);
    h->secret = cfg->secret ? strdup(cfg->secret) : NULL;
    h->ca_file = cfg->ca_file ? strdup(cfg->ca_file) : NULL;
    h->to = (struct transfer_config){h->url, h->secret, h->ca_file};
    return h->url && !h->secret == !cfg->secret && !h->ca_file == !cfg->ca_file ? 0 : ERR_NOMEM;
}

static void free_parts(struct hook *h)
{
    cache_free(&h->cache);
    if (h->multi) {
        curl_multi_cleanup(h->multi);
    }
    json_doc_free(h->doc);
    if (h->secret) {
        explicit_bzero(h->secret, strlen(h->secret));
    }
    free(h->secret);
    free(h->url);
    free(h->ca_file);
    pthread_mutex_destroy(&h->lock);
    free(h);
    curl_global_cleanup();
}

static int start_thread(struct hook *h)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return ERR_SYSTEM;
    }
    pthread_setname_np(h->thread, "fanfare-hook");
    return 0;
}

static struct hook *hook_alloc(const struct hook_config *cfg)
{
    struct hook *h = calloc(1, sizeof(*h));

    if (!h) {
        return NULL;
    }
    h->cfg = *cfg;
    h->limits = (struct answer_limits){cfg->max_channels, cfg->max_meta};
    h->breaker = (struct breaker){.max = cfg->failures, .pause_ms = cfg->pause_ms};
    h->cache.max = REMEMBERED_MAX;
    h->cache.max_bytes = REMEMBERED_BYTES;
    h->line_end = &h->line;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

int hook_new(const struct hook_config *cfg, struct hook **out, struct errmsg *why)
{
    struct hook *h;
    struct rng rng;
    int rc = ERR_NOMEM;

    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return errmsg_set(why, ERR_NOMEM, "libcurl could not be started");
    }
    h = hook_alloc(cfg);
    if (!h) {
        curl_global_cleanup();
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    h->multi = curl_multi_init();
    if (h->multi &&
        curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HOOK_CONNECTIONS) == 0 &&
        copy_texts(h, cfg) == 0 && json_doc_new(&h->doc) == 0 && rng_init(&rng) == 0) {
        h->cache.seed = rng_u64(&rng);
        rc = start_thread(h);
    }
    if (rc != 0) {
        free_parts(h);
        return errmsg_set(why, rc, "the thread that asks the application could not be started");
    }
    *out = h;
    return 0;
}

void hook_stop(struct hook *h)
{
    if (h) {
        pthread_mutex_lock(&h->lock);
        h->stop = true;
        pthread_mutex_unlock(&h->lock);
        curl_multi_wakeup(h->multi);
    }
}

void hook_free(struct hook *h)
{
    if (h) {
        hook_stop(h);
        pthread_join(h->thread, NULL);
        free_parts(h);
    }
}
