/* The thread that tells, and what waits for it. */
#include "hook/webhook.h"

#include "base/clock.h"
#include "base/rng.h"
#include "hook/private.h"

#include <stdlib.h>

/* How often the thread looks at the lag while something waits; how long it sleeps at most. */
#define LOOK_MS 1000
#define SLEEP_MS 60000
/* Retry-After of more is none. */
#define ASKED_MAX_S 86400
/* Letters that are given up in one go with the lock held. */
#define PORTION 256

struct webhook {
    struct webhook_config cfg;
    struct transfer_config to;
    char *gateway;
    pthread_t thread;
    bool joined;
    /* the thread's */
    CURLM *multi;
    struct rng rng;
    struct transfer t;
    bool posting;         /* t is on its way */
    struct letter *batch; /* what is posted, or is to be posted again */
    unsigned failures;    /* in a row */
    uint64_t again_ms;    /* monotonic: not before */
    struct errmsg why;    /* of the last failure */
    struct log_limit limit;
    bool last, over; /* it is to stop: what fails now is the end; it has failed */
    /* everybody's, as are the metrics */
    pthread_mutex_t lock;
    struct outbox box;
    uint64_t unsaid; /* dead letters that no log line has told of */
    bool asleep;     /* nothing waits, and the thread is to be woken when something does */
    bool stop;
    uint64_t until_ms; /* monotonic: the end, if stop */
};

/* ---- adding ---- */

static void count(struct webhook *w, enum metric id, uint64_t n)
{
    metrics_add(w->cfg.metrics, id, n);
}

/* Lock held. */
static void give_up(struct webhook *w, uint64_t n)
{
    count(w, METRIC_WEBHOOK_DEAD, n);
    w->unsaid += n;
}

void webhook_add(struct webhook *w, const char *event, uint64_t at_ms,
                 const struct webhook_cause *by, const struct strbuf *members)
{
    struct letter *l = NULL;
    bool taken, wake;

    if (!strbuf_failed(members)) {
        l = letter_new(event, outbox_by(&w->box, by), at_ms, strbuf_str(members));
    }
    pthread_mutex_lock(&w->lock);
    taken = outbox_put(&w->box, l, clock_mono_ms());
    if (taken) {
        count(w, METRIC_WEBHOOK_QUEUED, 1);
    } else {
        give_up(w, 1);
    }
    wake = w->asleep; /* also to say what is lost */
    w->asleep = false;
    pthread_mutex_unlock(&w->lock);
    if (!taken) {
        letters_free(l);
    }
    if (wake) {
        curl_multi_wakeup(w->multi);
    }
}

/* ---- what became of them ---- */

static uint64_t settle(struct webhook *w, const struct letter *l)
{
    uint64_t n = 0;

    for (; l; l = l->next, n++) {
        outbox_settle(&w->box, l);
    }
    count(w, METRIC_WEBHOOK_QUEUED, 0 - n);
    return n;
}

static void delivered(struct webhook *w)
{
    pthread_mutex_lock(&w->lock);
    count(w, METRIC_WEBHOOK_SENT, settle(w, w->batch));
    pthread_mutex_unlock(&w->lock);
    letters_free(w->batch);
    w->batch = NULL;
    if (w->failures) {
        log_info(w->cfg.log, "the application takes webhooks again");
    }
    w->failures = 0;
    w->again_ms = 0;
    w->why.text[0] = '\0';
}

/* Those that were queued until then: of the batch, */
static void drop_of_batch(struct webhook *w, uint64_t before_ms)
{
    struct letter *first = w->batch, **at = &w->batch;

    while (*at && (*at)->mono_ms <= before_ms) {
        at = &(*at)->next;
    }
    if (at == &w->batch) {
        return;
    }
    w->batch = *at;
    *at = NULL;
    pthread_mutex_lock(&w->lock);
    give_up(w, settle(w, first));
    pthread_mutex_unlock(&w->lock);
    letters_free(first);
}

/* and of those behind it. */
static void drop_of_box(struct webhook *w, uint64_t before_ms)
{
    struct letter *l;
    unsigned n;

    do {
        pthread_mutex_lock(&w->lock);
        l = outbox_take_old(&w->box, before_ms, PORTION, &n);
        give_up(w, settle(w, l));
        pthread_mutex_unlock(&w->lock);
        letters_free(l);
    } while (n == PORTION);
}

static void drop_until(struct webhook *w, uint64_t before_ms)
{
    drop_of_batch(w, before_ms);
    if (!w->batch) {
        drop_of_box(w, before_ms);
    }
}

/* What is lost is lost either way: one line a second says how much. */
static void say_lost(struct webhook *w, bool at_once)
{
    char n[NUM_LEN];
    uint64_t lost;

    pthread_mutex_lock(&w->lock);
    lost = w->unsaid;
    if (lost && (log_limit_pass(&w->limit, clock_mono_ms(), NULL) || at_once)) {
        w->unsaid = 0;
    } else {
        lost = 0;
    }
    pthread_mutex_unlock(&w->lock);
    if (lost) {
        log_error(w->cfg.log, "webhooks: events are lost", "events", num_text(n, lost), "because",
                  w->why.text[0] ? w->why.text : "there was no room for them");
    }
}

/* Half of it to all of it, so that many gateways do not come at the same moment. */
static uint64_t backoff(struct webhook *w, uint64_t asked_ms)
{
    uint64_t ms = w->cfg.wait_ms;

    for (unsigned i = 1; i < w->failures && ms < w->cfg.most_wait_ms; i++) {
        ms *= 2;
    }
    if (ms > w->cfg.most_wait_ms) {
        ms = w->cfg.most_wait_ms;
    }
    ms -= rng_below(&w->rng, ms / 2 + 1);
    if (asked_ms > w->cfg.most_wait_ms) {
        asked_ms = w->cfg.most_wait_ms;
    }
    return asked_ms > ms ? asked_ms : ms;
}

/* `asked_ms`: how long the application wants to be left alone, or 0. */
static void failed(struct webhook *w, uint64_t asked_ms)
{
    uint64_t now = clock_mono_ms();

    pthread_mutex_lock(&w->lock);
    count(w, METRIC_WEBHOOK_FAILED, 1);
    pthread_mutex_unlock(&w->lock);
    if (w->failures == 0) {
        log_warn(w->cfg.log, "the application does not take webhooks", "because", w->why.text);
    }
    w->failures += w->failures < UINT32_MAX;
    w->over = w->last;
    w->again_ms = now + backoff(w, asked_ms);
    if (now >= w->cfg.retry_ms) {
        drop_until(w, now - w->cfg.retry_ms);
    }
}

/* ---- posting ---- */

static void take_batch(struct webhook *w)
{
    unsigned n;

    pthread_mutex_lock(&w->lock);
    w->batch = outbox_take(&w->box, w->cfg.batch, WEBHOOK_BODY, &n);
    pthread_mutex_unlock(&w->lock);
}

static void write_body(struct webhook *w, struct strbuf *out)
{
    char started[CLOCK_RFC3339_LEN + 1];

    clock_rfc3339(w->cfg.started_ms, started);
    strbuf_addf(out, "{\"gateway\":\"%s\",\"started\":\"%s\",\"events\":[", w->gateway, started);
    for (struct letter *l = w->batch; l; l = l->next) {
        if (!*l->id) {
            rng_uuid7(&w->rng, l->at_ms, l->id);
        }
        letter_add(l, out);
        strbuf_addc(out, l->next ? ',' : ']');
    }
    strbuf_addc(out, '}');
}

static void post(struct webhook *w, uint64_t timeout_ms)
{
    w->t = (struct transfer){.body = STRBUF_INIT, .answer = STRBUF_INIT, .deaf = true};
    write_body(w, &w->t.body);
    if (strbuf_failed(&w->t.body) || transfer_begin(&w->t, &w->to, timeout_ms, w) != 0 ||
        curl_multi_add_handle(w->multi, w->t.easy) != CURLM_OK) {
        transfer_fini(&w->t);
        (void)errmsg_set(&w->why, 0, "out of memory");
        failed(w, 0);
        return;
    }
    w->posting = true;
}

static void end_post(struct webhook *w)
{
    curl_multi_remove_handle(w->multi, w->t.easy);
    transfer_fini(&w->t);
    w->posting = false;
}

static void finish(struct webhook *w, CURLcode code)
{
    long status = transfer_status(&w->t, code, &w->why);
    curl_off_t asked_s = 0;

    if (status) {
        (void)curl_easy_getinfo(w->t.easy, CURLINFO_RETRY_AFTER, &asked_s);
        (void)errmsg_set(&w->why, 0, "its answer is %ld", status);
    }
    end_post(w);
    if (status >= 200 && status < 300) {
        delivered(w);
    } else {
        failed(w, asked_s > 0 && asked_s < ASKED_MAX_S ? (uint64_t)asked_s * 1000 : 0);
    }
}

static void take_finished(struct webhook *w)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(w->multi, &left))) {
        if (m->msg == CURLMSG_DONE) {
            finish(w, m->data.result);
        }
    }
}

/* ---- the thread ---- */

/* How long the oldest has waited. */
static void note_lag(struct webhook *w, uint64_t now)
{
    _Atomic uint64_t *lag = &w->cfg.metrics->v[METRIC_WEBHOOK_LAG];
    const struct letter *oldest;

    pthread_mutex_lock(&w->lock);
    oldest = w->batch ? w->batch : w->box.first;
    atomic_store_explicit(lag, oldest && now > oldest->mono_ms ? now - oldest->mono_ms : 0,
                          memory_order_relaxed);
    pthread_mutex_unlock(&w->lock);
}

/* Is it to stop? Then nothing is waited for any more. */
static bool look_for_stop(struct webhook *w, uint64_t *until_ms)
{
    bool stop;

    pthread_mutex_lock(&w->lock);
    stop = w->stop;
    *until_ms = stop ? w->until_ms : UINT64_MAX;
    pthread_mutex_unlock(&w->lock);
    if (stop && !w->last) {
        w->last = true;
        w->again_ms = 0;
    }
    return stop;
}

/* Posts what waits, if its time has come. False: it is the end. */
static bool work(struct webhook *w, uint64_t now)
{
    uint64_t until;
    bool stop = look_for_stop(w, &until);

    if (w->over || now >= until) {
        return false;
    }
    if (!w->posting && !w->batch) {
        take_batch(w);
    }
    if (!w->posting && w->batch && now >= w->again_ms) {
        post(w, until - now < w->cfg.timeout_ms ? until - now : w->cfg.timeout_ms);
    }
    return w->posting || w->batch || !stop;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* For how long nothing is to be done but by libcurl. */
static int rest_ms(struct webhook *w, uint64_t now)
{
    bool busy = w->posting || w->batch;
    uint64_t ms, until;

    pthread_mutex_lock(&w->lock);
    w->asleep = !busy && !w->box.first && !w->stop;
    until = w->stop ? w->until_ms : UINT64_MAX;
    ms = busy || w->unsaid ? LOOK_MS : SLEEP_MS;
    if (!busy && (w->box.first || w->stop)) {
        ms = 0;
    }
    pthread_mutex_unlock(&w->lock);
    if (w->batch && !w->posting) {
        until = least(until, w->over ? 0 : w->again_ms);
    }
    return until <= now ? 0 : (int)least(ms, until - now);
}

static void *run(void *ctx)
{
    struct webhook *w = ctx;
    int running;

    while (work(w, clock_mono_ms())) {
        curl_multi_perform(w->multi, &running);
        take_finished(w);
        say_lost(w, false);
        note_lag(w, clock_mono_ms());
        curl_multi_poll(w->multi, NULL, 0, rest_ms(w, clock_mono_ms()), NULL);
    }
    if (w->posting) {
        end_post(w);
    }
    if (!w->why.text[0]) {
        (void)errmsg_set(&w->why, 0, "the gateway stops");
    }
    drop_until(w, UINT64_MAX);
    say_lost(w, true);
    note_lag(w, clock_mono_ms());
    return NULL;
}

/* ---- life ---- */

static void free_parts(struct webhook *w)
{
    if (w->multi) {
        curl_multi_cleanup(w->multi);
    }
    transfer_config_fini(&w->to);
    free(w->gateway);
    pthread_mutex_destroy(&w->lock);
    free(w);
    curl_global_cleanup();
}

static struct webhook *webhook_alloc(const struct webhook_config *cfg)
{
    struct webhook *w = calloc(1, sizeof(*w));

    if (!w) {
        return NULL;
    }
    w->cfg = *cfg;
    outbox_init(&w->box, cfg->max_events, cfg->max_bytes);
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

int webhook_new(const struct webhook_config *cfg, struct webhook **out, struct errmsg *why)
{
    struct webhook *w;
    int rc = ERR_NOMEM;

    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return errmsg_set(why, ERR_NOMEM, "libcurl could not be started");
    }
    w = webhook_alloc(cfg);
    if (!w) {
        curl_global_cleanup();
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    w->multi = curl_multi_init();
    w->gateway = strdup(cfg->gateway);
    if (w->multi && w->gateway &&
        transfer_config_init(&w->to, cfg->url, cfg->secret, cfg->ca_file) == 0 &&
        rng_init(&w->rng) == 0) {
        w->box.seed = rng_u64(&w->rng);
        rc = worker_start(&w->thread, run, w, "fanfare-webhook");
    }
    if (rc != 0) {
        free_parts(w);
        return errmsg_set(why, rc, "the thread that tells the application could not be started");
    }
    *out = w;
    return 0;
}

void webhook_stop(struct webhook *w, uint64_t within_ms)
{
    if (w->joined) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    w->until_ms = clock_mono_ms() + within_ms;
    w->box.max = 0; /* what comes now has its number, and nothing else */
    pthread_mutex_unlock(&w->lock);
    curl_multi_wakeup(w->multi);
    pthread_join(w->thread, NULL);
    w->joined = true;
}

void webhook_free(struct webhook *w)
{
    if (w) {
        webhook_stop(w, 0);
        free_parts(w);
    }
}
