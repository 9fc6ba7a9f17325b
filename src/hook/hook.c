/* The thread that asks, and who waits for what. */
#include "hook/hook.h"

#include "base/clock.h"
#include "base/rng.h"
#include "hook/private.h"
#include "proto/name.h"

#include <stdlib.h>

#define REMEMBERED_MAX 10000
#define REMEMBERED_BYTES (16u << 20)
#define POLL_MS 1000
/* So much of all that may wait is for one network. What it asks beyond so much of the connections
 * stands back; such questions have half of them, so that slow ones leave the rest to others. */
#define SHARE 8
#define LATE_CONNECTIONS (HOOK_CONNECTIONS / 2)

/* What tells questions apart, and what their answers are remembered by. */
struct ask_key {
    uint8_t identity[HOOK_DIGEST], digest[HOOK_DIGEST];
    unsigned hash;        /* of the identity */
    unsigned user;        /* cache_user of its user */
    unsigned forgettings; /* as many as there had been when it was asked */
};

/* A question, for all that ask the very same meanwhile. */
struct ask {
    UT_hash_handle hh; /* of those that are not answered */
    struct ask *next;  /* in the line of those that are not on their way */
    struct transfer t;
    struct hook_call *calls;
    enum hook_event event;
    struct ask_key key;
    struct share *share; /* or NULL */
    uint64_t until_ms;   /* monotonic */
    bool trial;          /* of the breaker */
    bool late;           /* stands back: many of its network wait already */
};

struct line {
    struct ask *first, **end;
};

struct hook {
    struct hook_config cfg;
    struct answer_limits limits;
    struct transfer_config to;
    pthread_t thread;
    /* the thread's */
    CURLM *multi;
    unsigned running, running_late; /* on their way */
    struct json_doc *doc;
    struct log_limit complaints;
    /* everybody's, as are the metrics */
    pthread_mutex_t lock;
    struct cache cache;
    struct breaker breaker;
    struct shares shares;
    struct log_limit crowds;
    unsigned forgettings; /* calls of hook_forget_user */
    struct ask *asks;
    struct line line, late; /* of these, those that are not on their way yet */
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
    shares_give(&h->shares, a->share);
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
    /* One that stood back may have had no time left, which tells nothing of the application. */
    changed = (r->works || !a->late) && breaker_tell(&h->breaker, a->trial, r->works, now);
    if (changed) {
        metrics_add(h->cfg.metrics, METRIC_HOOK_PAUSED, r->works ? UINT64_MAX : 1);
    }
    if (r->answer.verdict != HOOK_UNAVAILABLE && ttl && a->key.forgettings == h->forgettings) {
        cache_add(&h->cache, a->key.digest, now + ttl, a->t.answer.len,
                  a->event == HOOK_CONNECT ? 0 : a->key.user, &r->answer);
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

static int begin(struct hook *h, struct ask *a, uint64_t now)
{
    int rc;

    pthread_mutex_lock(&h->lock); /* of the secret */
    rc = transfer_begin(&a->t, &h->to, a->until_ms - now, a);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static void send_off(struct hook *h, struct ask *a, uint64_t now)
{
    if (now >= a->until_ms && a->late) {
        skip(h, a);
    } else if (now >= a->until_ms) {
        fail(h, a, "it is so slow that questions were not even asked in time");
    } else if (begin(h, a, now) != 0 || curl_multi_add_handle(h->multi, a->t.easy) != CURLM_OK) {
        fail(h, a, "out of memory");
    } else {
        h->running++;
        h->running_late += a->late;
    }
}

/* The first, if it must be looked at; of a broken application all but the one that tries it. */
static struct ask *take_first(struct hook *h, struct line *l, bool full, uint64_t now, bool *broken)
{
    struct ask *a = l->first;

    *broken = a && h->breaker.again_ms && !a->trial;
    if (!a || (!*broken && full && now < a->until_ms)) {
        return NULL;
    }
    l->first = a->next;
    if (!l->first) {
        l->end = &l->first;
    }
    return a;
}

static struct ask *next_of_line(struct hook *h, uint64_t now, bool *broken)
{
    bool full = h->running >= HOOK_CONNECTIONS;
    struct ask *a = NULL;

    pthread_mutex_lock(&h->lock);
    if (!h->stop) {
        a = take_first(h, &h->line, full, now, broken);
    }
    if (!h->stop && !a) {
        full = full || h->running_late >= LATE_CONNECTIONS;
        a = take_first(h, &h->late, full, now, broken);
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
        h->running_late -= a->late;
        transfer_read(&a->t, code, h->doc, a->event, &h->limits, &r);
        finish(h, a, &r);
    }
}

/* How long may the thread sleep? Until the first of a line is too late. */
static int rest_ms(struct hook *h)
{
    uint64_t now = clock_mono_ms(), until;

    pthread_mutex_lock(&h->lock);
    until = h->line.first ? h->line.first->until_ms : UINT64_MAX;
    if (h->late.first && h->late.first->until_ms < until) {
        until = h->late.first->until_ms;
    }
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

/* True: in the table and in a line. */
static bool put(struct hook *h, struct ask *a)
{
    struct line *l = a->late ? &h->late : &h->line;

    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->asks, a->key.identity, HOOK_DIGEST, a->key.hash, a);
    if (!a->hh.tbl) {
        transfer_fini(&a->t);
        free(a);
        return false;
    }
    *l->end = a;
    l->end = &a->next;
    return true;
}

/* ERR_LIMIT: too many of its network wait; ERR_CLOSED: it cannot be asked for another reason. */
static int start(struct hook *h, const struct hook_question *q, const struct ask_key *key,
                 struct ask **out)
{
    uint64_t now = clock_mono_ms();
    enum breaker_says may;
    struct share *share;
    struct ask *a;
    int rc;

    if (HASH_COUNT(h->asks) >= h->cfg.max_waiting) {
        return ERR_CLOSED;
    }
    rc = shares_take(&h->shares, q->network, &share);
    if (rc != 0) {
        return rc;
    }
    may = breaker_lets(&h->breaker, now);
    a = may == BREAKER_NO ? NULL : ask_new(h, q, now);
    if (a) {
        a->key = *key;
        a->trial = may == BREAKER_TRY;
        a->share = share;
        a->late = !a->trial && share && share->n > HOOK_CONNECTIONS / SHARE;
    }
    if (!a || !put(h, a)) {
        shares_give(&h->shares, share);
        if (may == BREAKER_TRY) {
            breaker_take_back(&h->breaker);
        }
        return ERR_CLOSED;
    }
    *out = a;
    return 0;
}

/* 0: it is on its way; others as of start(). Lock held. */
static int join_or_start(struct hook *h, const struct hook_question *q, struct ask_key *key,
                         struct hook_call *c)
{
    struct ask *a = NULL;
    int rc = 0;

    question_identity(q, key->digest, key->identity);
    /* Who asks after a user was forgotten does not get the answer to what was asked before. */
    key->user = cache_user(&h->cache, q->user);
    key->forgettings = h->forgettings;
    memcpy(key->identity, &h->forgettings, sizeof(h->forgettings));
    key->hash = map_hash(h->cache.seed, (struct str){(const char *)key->identity, HOOK_DIGEST});
    HASH_FIND_BYHASHVALUE(hh, h->asks, key->identity, HOOK_DIGEST, key->hash, a);
    if (!a) {
        rc = start(h, q, key, &a);
    }
    if (a) {
        c->next = a->calls;
        a->calls = c;
    }
    return rc;
}

/* At once, without the application: true with what is remembered, or that there is no answer. */
static bool answered(struct hook *h, const struct hook_question *q, struct hook_call *c, bool *log)
{
    struct ask_key key;
    int rc = 0;

    question_digest(q, key.digest);
    *log = false;
    pthread_mutex_lock(&h->lock);
    if (cache_find(&h->cache, key.digest, clock_mono_ms(), &c->answer)) {
        count(h, METRIC_HOOK_CACHED);
        pthread_mutex_unlock(&h->lock);
        return true;
    }
    rc = h->stop ? ERR_CLOSED : join_or_start(h, q, &key, c);
    if (rc != 0) {
        count(h, METRIC_HOOK_SKIPPED);
        *log = rc == ERR_LIMIT && log_limit_pass(&h->crowds, clock_mono_ms(), NULL);
    }
    pthread_mutex_unlock(&h->lock);
    return rc != 0;
}

void hook_ask(struct hook *h, const struct hook_question *q, struct hook_call *c)
{
    char network[NAME_SHOW_MAX];
    bool log;

    c->answer = (struct hook_answer){.verdict = HOOK_UNAVAILABLE};
    if (!answered(h, q, c, &log)) {
        curl_multi_wakeup(h->multi);
        return;
    }
    if (log) {
        log_warn(h->cfg.log,
                 "too many questions of one address wait for the application (an eighth of "
                 "auth-waiting)",
                 "address", name_show(q->network, network));
    }
    c->done(c);
}

static void free_secret(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
    }
    free(secret);
}

int hook_set_secret(struct hook *h, const char *secret)
{
    char *copy = secret ? strdup(secret) : NULL;

    if (secret && !copy) {
        return ERR_NOMEM;
    }
    pthread_mutex_lock(&h->lock);
    char *old = h->to.secret;
    h->to.secret = copy;
    pthread_mutex_unlock(&h->lock);
    free_secret(old);
    return 0;
}

void hook_forget_user(struct hook *h, struct str user)
{
    pthread_mutex_lock(&h->lock);
    h->forgettings++;
    cache_forget(&h->cache, cache_user(&h->cache, user));
    pthread_mutex_unlock(&h->lock);
}

/* ---- life ---- */

static void free_parts(struct hook *h)
{
    cache_free(&h->cache);
    if (h->multi) {
        curl_multi_cleanup(h->multi);
    }
    json_doc_free(h->doc);
    transfer_config_fini(&h->to);
    pthread_mutex_destroy(&h->lock);
    free(h);
    curl_global_cleanup();
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
    h->shares.max = cfg->max_waiting < SHARE ? 1 : cfg->max_waiting / SHARE;
    h->line.end = &h->line.first;
    h->late.end = &h->late.first;
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
        transfer_config_init(&h->to, cfg->url, cfg->secret, cfg->ca_file) == 0 &&
        json_doc_new(&h->doc) == 0 && rng_init(&rng) == 0) {
        h->cache.seed = rng_u64(&rng);
        h->shares.seed = rng_u64(&rng);
        rc = worker_start(&h->thread, run, h, "fanfare-hook");
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
