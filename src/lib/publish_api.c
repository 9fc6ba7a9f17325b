/* Publishing, sending and statistics from the embedding program. */
#include "lib/gateway.h"

#include "base/clock.h"
#include "http/publishing.h"
#include "proto/name.h"

#include <stdlib.h>

static int check_running(const struct fanfare *gw)
{
    if (gw->state == GW_STOPPED) {
        return FANFARE_ERR_CLOSED;
    }
    return gw->state == GW_RUNNING ? 0 : FANFARE_ERR_STATE;
}

static int check_json(struct str json, uint64_t max)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 0, .max_nodes = 2};
    const struct json_node *root;
    struct json_error err;
    struct json_doc *doc;
    int rc;

    if (json.len > max) {
        return FANFARE_ERR_RANGE;
    }
    rc = json_doc_new(&doc);
    if (rc == 0) {
        rc = json_parse(doc, json, &limits, &root, &err);
        json_doc_free(doc);
    }
    return rc;
}

/* Type and data, checked. */
static int read_message(const struct fanfare *gw, const char *type, const char *json,
                        struct publish *p)
{
    int rc = check_running(gw);

    p->type = type ? str_of(type) : STR_LIT("message");
    p->data = json ? str_of(json) : STR_LIT("null");
    if (rc == 0) {
        rc = name_check_type(p->type, NULL);
    }
    if (rc == 0) {
        rc = check_json(p->data, atomic_load(&gw->max_message));
    }
    return rc;
}

/* A call that waits for its publication to be durable. */
struct waiting {
    struct publish_ticket ticket;
    struct fanfare *gw;
    bool done;
};

static void wake(struct publish_ticket *t)
{
    struct waiting *w = (struct waiting *)(void *)t;
    struct fanfare *gw = w->gw;

    pthread_mutex_lock(&gw->durable);
    w->done = true;
    pthread_cond_broadcast(&gw->durable_cond);
    pthread_mutex_unlock(&gw->durable);
}

/* Shards never wait: an event handler that publishes is answered at once. */
static bool may_wait(const struct fanfare *gw)
{
    for (unsigned i = 0; i < gw->nshards; i++) {
        if (pthread_equal(gw->shards[i].thread, pthread_self())) {
            return false;
        }
    }
    return true;
}

static int wait_durable(struct waiting *w)
{
    struct fanfare *gw = w->gw;

    if (!publish_ticket_close(&w->ticket)) {
        pthread_mutex_lock(&gw->durable);
        while (!w->done) {
            pthread_cond_wait(&gw->durable_cond, &gw->durable);
        }
        pthread_mutex_unlock(&gw->durable);
    }
    return atomic_load(&w->ticket.failed) ? FANFARE_ERR_STORE : 0;
}

static int run(struct fanfare *gw, const struct publish *p, struct publish_outcome *outcome)
{
    struct waiting w = {.ticket = {.left = 1, .done = wake}, .gw = gw};
    struct publishing_from from = {.scope = STR_NONE};
    bool waits = may_wait(gw);
    int rc = publishing_run(&gw->shared, NULL, p, &from, waits ? &w.ticket : NULL, outcome);

    if (rc == 0 && waits) {
        rc = wait_durable(&w);
        if (rc != 0) {
            publish_outcome_fini(outcome);
        }
    }
    pthread_mutex_lock(&gw->api);
    metrics_inc(&gw->metrics, rc == 0 ? METRIC_PUBLISHED : METRIC_PUBLISH_REFUSED);
    pthread_mutex_unlock(&gw->api);
    return rc;
}

static int broadcast(struct fanfare *gw, enum target_kind kind, struct str target, const char *type,
                     const char *json, struct fanfare_receipt *receipt)
{
    struct publish p = {.kind = kind, .one = target, .count = 1};
    struct publish_outcome outcome;
    int rc = read_message(gw, type, json, &p);

    if (rc != 0) {
        return rc;
    }
    pthread_mutex_lock(&gw->api);
    rng_uuid7(&gw->rng, clock_real_ms(), outcome.id);
    pthread_mutex_unlock(&gw->api);
    rc = run(gw, &p, &outcome);
    if (rc != 0) {
        return rc;
    }
    if (receipt) {
        memcpy(receipt->id, outcome.id, UUID_LEN + 1);
        cursor_format(outcome.results[0].cursor, receipt->cursor);
        receipt->matched = outcome.results[0].matched;
    }
    publish_outcome_fini(&outcome);
    return 0;
}

int fanfare_broadcast_channel(struct fanfare *gw, const char *channel, const char *type,
                              const char *json, struct fanfare_receipt *receipt)
{
    int rc = name_check_channel(str_of(channel), NULL);

    return rc ? rc : broadcast(gw, TARGET_CHANNEL, str_of(channel), type, json, receipt);
}

int fanfare_broadcast_user(struct fanfare *gw, const char *user, const char *type, const char *json,
                           struct fanfare_receipt *receipt)
{
    int rc = name_check_user(str_of(user), NULL);

    return rc ? rc : broadcast(gw, TARGET_USER, str_of(user), type, json, receipt);
}

int fanfare_broadcast_everyone(struct fanfare *gw, const char *type, const char *json,
                               struct fanfare_receipt *receipt)
{
    return broadcast(gw, TARGET_EVERYONE, STR_NONE, type, json, receipt);
}

/* ---- one client ---- */

struct direct_mail {
    struct mail mail;
    uint64_t id;
    struct envelope envelope;
    const char *reason;
    char message_id[UUID_LEN + 1];
    char timestamp[CLOCK_RFC3339_LEN + 1];
    char text[]; /* type and data, or the reason */
};

static struct direct_mail *direct_new(struct fanfare *gw, const char *client_id, size_t text_len,
                                      int *rc)
{
    struct direct_mail *d = NULL;
    uint64_t id;

    *rc = check_running(gw);
    if (*rc == 0 &&
        (client_id_parse(str_of(client_id), &id) != 0 || client_id_shard(id) >= gw->nshards)) {
        *rc = FANFARE_ERR_NOT_FOUND;
    }
    if (*rc == 0) {
        d = calloc(1, sizeof(*d) + text_len + 1);
        *rc = d ? 0 : FANFARE_ERR_NOMEM;
    }
    if (d) {
        d->id = id;
    }
    return d;
}

static void run_direct(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct direct_mail *d = (struct direct_mail *)(void *)m;
    struct stream *st = clients_find(&s->env.clients, d->id);

    deliveries_flush(s); /* what was published before comes before */
    if (st && !stream_put_direct(st, &d->envelope)) {
        stream_kill(st, "out of memory");
    }
    free(d);
}

int fanfare_send_client(struct fanfare *gw, const char *client_id, const char *type,
                        const char *json)
{
    struct publish p = {0};
    struct direct_mail *d;
    int rc = read_message(gw, type, json, &p);

    if (rc != 0) {
        return rc;
    }
    d = direct_new(gw, client_id, p.type.len + p.data.len, &rc);
    if (!d) {
        return rc;
    }
    d->mail.run = run_direct;
    memcpy(d->text, p.type.p, p.type.len);
    memcpy(d->text + p.type.len, p.data.p, p.data.len);
    pthread_mutex_lock(&gw->api);
    rng_uuid7(&gw->rng, clock_real_ms(), d->message_id);
    pthread_mutex_unlock(&gw->api);
    clock_rfc3339(clock_real_ms(), d->timestamp);
    d->envelope = (struct envelope){
        .kind = TARGET_EVERYONE,
        .type = {d->text, p.type.len},
        .data = {d->text + p.type.len, p.data.len},
        .id = str_of(d->message_id),
        .timestamp = str_of(d->timestamp),
    };
    mailbox_push(gw->deliveries[client_id_shard(d->id)], &d->mail);
    return 0;
}

static void run_disconnect(struct mail *m, void *ctx)
{
    struct shard *s = ctx;
    struct direct_mail *d = (struct direct_mail *)(void *)m;
    struct stream *st = clients_find(&s->env.clients, d->id);

    if (st && !st->ending && !st->dead) {
        st->member.leaves = 1; /* at once, for those who see who is there */
        st->ops->farewell(st, 4001, d->text);
        stream_finish(st, "disconnected by the application");
    }
    free(d);
}

int fanfare_disconnect(struct fanfare *gw, const char *client_id, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;
    struct direct_mail *d;
    int rc;

    d = direct_new(gw, client_id, len, &rc);
    if (!d) {
        return rc;
    }
    if (len) {
        memcpy(d->text, reason, len);
    }
    d->mail.run = run_disconnect;
    mailbox_push(gw->tasks[client_id_shard(d->id)], &d->mail);
    return 0;
}

/* ---- statistics ---- */

static uint64_t sum(const struct fanfare *gw, enum metric id)
{
    return metrics_sum(gw->all_metrics, gw->shared.nmetrics, id);
}

int fanfare_get_stats(const struct fanfare *gw, struct fanfare_stats *out)
{
    struct fanfare_stats st = {.size = sizeof(st)};
    struct router_counts counts = {0};
    size_t size = out->size;

    if (size < sizeof(size)) {
        return FANFARE_ERR_INVALID;
    }
    if (check_running(gw) == 0) {
        router_counts(gw->router, &counts);
        st.uptime_ms = clock_mono_ms() - gw->shared.started_ms;
        st.clients_sse = sum(gw, METRIC_CLIENTS_SSE);
        st.clients_websocket = sum(gw, METRIC_CLIENTS_WS);
        st.http_connections = sum(gw, METRIC_HTTP_OPEN);
        st.published = sum(gw, METRIC_PUBLISHED);
        st.delivered = sum(gw, METRIC_DELIVERED);
        st.dropped = sum(gw, METRIC_DROPPED);
        st.bytes_sent = sum(gw, METRIC_BYTES_SENT);
        st.channels = counts.channels;
        st.users = counts.users;
        st.shards = gw->nshards;
    }
    memcpy(out, &st, size < sizeof(st) ? size : sizeof(st));
    out->size = size < sizeof(st) ? size : sizeof(st);
    return 0;
}
