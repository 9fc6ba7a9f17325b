#include "lib/webhooks.h"

#include "auth/secretfile.h"
#include "base/clock.h"
#include "lib/gateway.h"
#include "lib/remote.h"
#include "proto/json.h"

/* Beside --webhook-queue; and how long the application is left alone when a request fails. */
#define QUEUE_BYTES (16u << 20)
#define WAIT_MS 1000
#define MOST_WAIT_MS 60000
/* What waits at the end has at least so long. */
#define STOP_MS 1000

/* ---- events ---- */

static bool is_told(const struct fanfare *gw, enum webhook_event e)
{
    return gw->webhook && (gw->webhook_events >> e & 1);
}

static void add(struct strbuf *out, const char *name, struct str value)
{
    if (value.len) {
        strbuf_addf(out, ",\"%s\":", name);
        json_add_string(out, value);
    }
}

static void tell(struct fanfare *gw, enum webhook_event e, uint64_t at_ms,
                 const struct webhook_cause *by, struct strbuf *members)
{
    webhook_add(gw->webhook, options_webhook_name(e), at_ms, by, members);
    strbuf_fini(members);
}

/* What a stream tells counts for its user, or for itself. */
static void tell_of(struct fanfare *gw, enum webhook_event e, const struct stream *s,
                    uint64_t at_ms, struct strbuf *members)
{
    const struct webhook_cause by = {.user = stream_user(s), .client = s->member.id};

    tell(gw, e, at_ms, &by, members);
}

static void add_client(struct strbuf *out, uint64_t id, struct str user)
{
    char text[CLIENT_ID_LEN + 1];

    client_id_text(id, text);
    add(out, "clientId", str_of(text));
    add(out, "userId", user);
}

/* ---- clients ---- */

static void tell_name(struct fanfare *gw, enum webhook_event e, const struct stream *s,
                      struct str name, const char *reason)
{
    struct strbuf m = STRBUF_INIT;

    if (is_told(gw, e)) {
        add_client(&m, s->member.id, stream_user(s));
        add(&m, "channel", name);
        add(&m, "reason", str_of(reason));
        tell_of(gw, e, s, clock_real_ms(), &m);
    }
}

/* One of all the names that a stream begins or ends with. */
struct each_name {
    struct fanfare *gw;
    const struct stream *s;
    enum webhook_event event;
    const char *reason;
};

static void tell_each(void *ctx, struct str name)
{
    const struct each_name *each = ctx;

    tell_name(each->gw, each->event, each->s, name, each->reason);
}

static void tell_names(struct fanfare *gw, enum webhook_event e, const struct stream *s,
                       const char *reason)
{
    struct each_name each = {gw, s, e, reason};

    if (is_told(gw, e)) {
        stream_names(s, tell_each, &each);
    }
}

void webhooks_connected(struct fanfare *gw, const struct stream *s)
{
    struct strbuf m = STRBUF_INIT;
    char peer[PEER_TEXT_MAX];

    if (is_told(gw, WEBHOOK_CLIENT_CONNECTED)) {
        add_client(&m, s->member.id, stream_user(s));
        add(&m, "transport", str_of(transport_name(s->ops->transport)));
        add(&m, "peer", str_of(peer_text(&s->peer, peer)));
        strbuf_adds(&m, ",\"channels\":");
        stream_add_names(s, &m);
        tell_of(gw, WEBHOOK_CLIENT_CONNECTED, s, s->connected_at, &m);
    }
    tell_names(gw, WEBHOOK_CLIENT_SUBSCRIBED, s, NULL);
}

void webhooks_disconnected(struct fanfare *gw, const struct stream *s, const char *reason)
{
    struct strbuf m = STRBUF_INIT;

    tell_names(gw, WEBHOOK_CLIENT_UNSUBSCRIBED, s, "disconnected");
    if (is_told(gw, WEBHOOK_CLIENT_DISCONNECTED)) {
        add_client(&m, s->member.id, stream_user(s));
        add(&m, "transport", str_of(transport_name(s->ops->transport)));
        add(&m, "reason", str_of(reason));
        tell_of(gw, WEBHOOK_CLIENT_DISCONNECTED, s, clock_real_ms(), &m);
    }
}

void webhooks_subscribed(struct fanfare *gw, const struct stream *s, struct str name)
{
    tell_name(gw, WEBHOOK_CLIENT_SUBSCRIBED, s, name, NULL);
}

void webhooks_unsubscribed(struct fanfare *gw, const struct stream *s, struct str name,
                           const char *reason)
{
    tell_name(gw, WEBHOOK_CLIENT_UNSUBSCRIBED, s, name, reason);
}

void webhooks_published(struct fanfare *gw, const struct http_published *p)
{
    const struct webhook_cause by = {p->sender_user, p->sender_client, p->target};
    struct strbuf m = STRBUF_INIT;
    char cursor[CURSOR_MAX];

    if (!p->by_client || p->publish->kind != TARGET_CHANNEL ||
        !is_told(gw, WEBHOOK_MESSAGE_RECEIVED)) {
        return;
    }
    cursor_format(p->result.cursor, cursor);
    if (p->sender_client) {
        add_client(&m, p->sender_client, p->sender_user);
    } else {
        add(&m, "userId", p->sender_user);
    }
    add(&m, "channel", p->target);
    add(&m, "messageId", p->id); /* each event has an id of its own */
    add(&m, "cursor", str_of(cursor));
    add(&m, "type", p->publish->type);
    strbuf_adds(&m, ",\"data\":");
    json_minify(&m, p->publish->data);
    tell(gw, WEBHOOK_MESSAGE_RECEIVED, clock_real_ms(), &by, &m);
}

/* ---- channels, members and users ---- */

static enum webhook_event event_of(enum core_event_kind kind)
{
    static const enum webhook_event events[] = {
        [CORE_OCCUPIED] = WEBHOOK_CHANNEL_OCCUPIED, [CORE_VACATED] = WEBHOOK_CHANNEL_VACATED,
        [CORE_JOINED] = WEBHOOK_MEMBER_JOINED,      [CORE_LEFT] = WEBHOOK_MEMBER_LEFT,
        [CORE_UPDATED] = WEBHOOK_MEMBER_UPDATED,    [CORE_ONLINE] = WEBHOOK_USER_ONLINE,
        [CORE_OFFLINE] = WEBHOOK_USER_OFFLINE,
    };

    return events[kind];
}

/* With the log's lock held, so their numbers have the order in which they happen. */
static void port_happened(void *ctx, const struct core_event *ev)
{
    struct fanfare *gw = ctx;
    enum webhook_event e = event_of(ev->kind);
    const struct webhook_cause by = {ev->user.len ? ev->user : ev->cause_user, ev->cause,
                                     ev->channel};
    struct strbuf m = STRBUF_INIT;

    if (!is_told(gw, e)) {
        return;
    }
    add(&m, "channel", ev->channel);
    add(&m, "userId", ev->user);
    if (ev->info.len && (e == WEBHOOK_MEMBER_JOINED || e == WEBHOOK_MEMBER_UPDATED)) {
        strbuf_adds(&m, ",\"info\":");
        strbuf_addstr(&m, ev->info);
    }
    tell(gw, e, ev->at_ms, &by, &m);
}

void webhooks_ports(struct fanfare *gw, struct core_ports *ports)
{
    (void)gw;
    ports->happened = port_happened;
}

/* ---- life ---- */

static int open_with(struct fanfare *gw, const char *secret, struct errmsg *why)
{
    const struct options *o = &gw->opt->o;
    char epoch[CURSOR_MAX];
    const struct webhook_config cfg = {.url = o->webhook_url,
                                       .secret = secret,
                                       .ca_file = *o->webhook_ca ? o->webhook_ca : NULL,
                                       .gateway = epoch,
                                       .started_ms = clock_real_ms(),
                                       .timeout_ms = o->webhook_timeout,
                                       .retry_ms = o->webhook_retry,
                                       .wait_ms = WAIT_MS,
                                       .most_wait_ms = MOST_WAIT_MS,
                                       .batch = o->webhook_batch,
                                       .max_events = o->webhook_queue,
                                       .max_bytes = QUEUE_BYTES,
                                       .log = gw->log,
                                       .metrics = &gw->webhook_metrics};

    cursor_format_epoch(gw->shared.epoch, epoch);
    return webhook_new(&cfg, &gw->webhook, why);
}

int webhooks_open(struct fanfare *gw, struct errmsg *why)
{
    const struct options *o = &gw->opt->o;
    char *secret = NULL;
    size_t len = 0;
    int rc;

    gw->webhook_events = options_webhook_events(o);
    if (gw->webhook_events == 0) {
        return 0;
    }
    rc = remote_ca("webhook-ca", o->webhook_ca, why);
    if (rc == 0) {
        rc = remote_secret("webhook-secret-file", o->webhook_secret_file, &secret, &len, why);
    }
    if (rc == 0) {
        rc = open_with(gw, *o->webhook_secret ? o->webhook_secret : secret, why);
    }
    secretfile_free(secret, len);
    if (rc != 0) {
        return rc;
    }
    if (remote_is_open(o->webhook_url)) {
        log_warn(gw->log, "webhook-url is not https: what happens crosses the network for all to "
                          "read");
    }
    if (!*o->webhook_secret && !*o->webhook_secret_file) {
        log_warn(gw->log, "without webhook-secret the application cannot tell who tells it");
    }
    gw->shared.wants_published |= is_told(gw, WEBHOOK_MESSAGE_RECEIVED);
    gw->shared.webhooks = true;
    return 0;
}

static uint64_t time_left(struct fanfare *gw)
{
    uint64_t until = atomic_load(&gw->drain_until), now = clock_mono_ms();
    uint64_t left = until > now ? until - now : 0;

    pthread_mutex_lock(&gw->api);
    if (until == 0) { /* it was not drained */
        left = gw->opt->o.drain;
    }
    if (left > gw->opt->o.webhook_timeout) {
        left = gw->opt->o.webhook_timeout;
    }
    pthread_mutex_unlock(&gw->api);
    return left < STOP_MS ? STOP_MS : left;
}

void webhooks_close(struct fanfare *gw)
{
    if (gw->webhook) {
        webhook_stop(gw->webhook, time_left(gw));
        webhook_free(gw->webhook);
        gw->webhook = NULL;
    }
}
