/* Event handlers of the embedding program. */
#include "lib/gateway.h"

#include "base/clock.h"
#include "http/throttle.h"

#include <stdlib.h>

int fanfare_on(struct fanfare *gw, enum fanfare_event_kind kind, fanfare_handler *handler,
               void *user)
{
    struct handler *h;

    if (gw->state != GW_NEW) {
        return FANFARE_ERR_STATE;
    }
    if (!handler || (kind > FANFARE_EVENT_PUBLISHED && kind != FANFARE_EVENT_ALL)) {
        return FANFARE_ERR_INVALID;
    }
    h = calloc(1, sizeof(*h));
    if (!h) {
        return FANFARE_ERR_NOMEM;
    }
    h->kind = kind;
    h->fn = handler;
    h->user = user;
    *gw->handlers_end = h;
    gw->handlers_end = &h->next;
    return 0;
}

/* Returns whether any handler was there. */
static bool dispatch(struct fanfare *gw, const struct fanfare_event *ev)
{
    bool any = false;

    for (const struct handler *h = gw->handlers; h; h = h->next) {
        if (h->kind == ev->kind || h->kind == FANFARE_EVENT_ALL) {
            h->fn(gw, ev, h->user);
            any = true;
        }
    }
    return any;
}

struct about {
    char id[CLIENT_ID_LEN + 1];
    char peer[PEER_TEXT_MAX];
};

/* The topic's name, which a user's is, ends with a NUL. */
static struct fanfare_event about_stream(const struct stream *s, enum fanfare_event_kind kind,
                                         struct about *a)
{
    struct str user = member_user(&s->member);

    client_id_text(s->member.id, a->id);
    return (struct fanfare_event){
        .size = sizeof(struct fanfare_event),
        .kind = kind,
        .client_id = a->id,
        .user = user.len ? user.p : NULL,
        .transport = transport_name(s->ops->transport),
        .peer = peer_text(&s->peer, a->peer),
    };
}

/* With a NUL, which a slice need not have. */
static char *copy_text(struct str s)
{
    char *copy = malloc(s.len + 1);

    if (copy) {
        memcpy(copy, s.p, s.len);
        copy[s.len] = '\0';
    }
    return copy;
}

static void on_connected(void *ctx, const struct stream *s)
{
    struct shard *shard = ctx;
    struct about a;
    struct fanfare_event ev;

    webhooks_connected(shard->gw, s);
    if (shard->gw->handlers) {
        ev = about_stream(s, FANFARE_EVENT_CLIENT_CONNECTED, &a);
        dispatch(shard->gw, &ev);
    }
}

static void on_leaves(void *ctx, const struct stream *s, const char *reason)
{
    const struct shard *shard = ctx;

    webhooks_disconnected(shard->gw, s, reason);
}

static void on_subscribed(void *ctx, const struct stream *s, struct str name)
{
    const struct shard *shard = ctx;

    webhooks_subscribed(shard->gw, s, name);
}

static void on_unsubscribed(void *ctx, const struct stream *s, struct str name, const char *reason)
{
    const struct shard *shard = ctx;

    webhooks_unsubscribed(shard->gw, s, name, reason);
}

static void on_disconnected(void *ctx, const struct stream *s, const char *reason)
{
    struct shard *shard = ctx;
    struct about a;
    struct fanfare_event ev;

    if (shard->gw->handlers) {
        ev = about_stream(s, FANFARE_EVENT_CLIENT_DISCONNECTED, &a);
        ev.reason = reason;
        dispatch(shard->gw, &ev);
    }
}

static bool on_received(void *ctx, const struct stream *s, struct str json)
{
    struct shard *shard = ctx;
    struct about a;
    struct fanfare_event ev;
    char *data;
    bool taken;

    if (!shard->gw->handlers) {
        return false;
    }
    data = copy_text(json);
    if (!data) {
        return false;
    }
    ev = about_stream(s, FANFARE_EVENT_MESSAGE_RECEIVED, &a);
    ev.data = data;
    ev.data_len = json.len;
    taken = dispatch(shard->gw, &ev);
    free(data);
    return taken;
}

static void on_released(void *ctx, const struct stream *s)
{
    struct shard *shard = ctx;

    http_server_released(&shard->http, s);
}

static enum standing standing_of(void *ctx, const struct grant *g)
{
    const struct shard *shard = ctx;

    switch (auth_recheck(shard->gw->auth, g, clock_real_ms())) {
    case AUTH_OK:
        return STANDS;
    case AUTH_REVOKED:
        return IS_REVOKED;
    default:
        return HAS_EXPIRED;
    }
}

static uint64_t token_wait(void *ctx, const struct stream *s)
{
    struct shard *shard = ctx;

    return throttle_token_wait(&shard->http, s);
}

static void token_failed(void *ctx, const struct stream *s)
{
    struct shard *shard = ctx;

    throttle_token_failed(&shard->http, s);
}

struct conn_hooks gateway_hooks(struct shard *s)
{
    return (struct conn_hooks){.ctx = s,
                               .connected = on_connected,
                               .leaves = on_leaves,
                               .disconnected = on_disconnected,
                               .subscribed = on_subscribed,
                               .unsubscribed = on_unsubscribed,
                               .received = on_received,
                               .standing = standing_of,
                               .token_wait = token_wait,
                               .token_failed = token_failed,
                               .released = on_released};
}

static void terminate(char *out, size_t size, struct str s)
{
    size_t n = s.len < size ? s.len : size - 1;

    if (n) {
        memcpy(out, s.p, n);
    }
    out[n] = '\0';
}

void gateway_published(void *ctx, const struct http_published *p)
{
    struct fanfare *gw = ctx;
    char target[NAME_MAX_LEN + 1], type[NAME_MAX_LEN + 1], id[NAME_MAX_LEN + 1];
    char cursor[CURSOR_MAX];
    struct fanfare_event ev = {.size = sizeof(ev), .kind = FANFARE_EVENT_PUBLISHED};
    char *data;

    webhooks_published(gw, p);
    if (!gw->handlers) {
        return;
    }
    data = copy_text(p->publish->data);
    if (!data) {
        log_error(gw->log, "out of memory: handlers miss a publication");
        return;
    }
    terminate(target, sizeof(target), p->target);
    terminate(type, sizeof(type), p->publish->type);
    terminate(id, sizeof(id), p->id);
    cursor_format(p->result.cursor, cursor);
    ev.channel = p->publish->kind == TARGET_CHANNEL ? target : NULL;
    ev.target_user = p->publish->kind == TARGET_USER ? target : NULL;
    ev.type = type;
    ev.id = id;
    ev.cursor = cursor;
    ev.data = data;
    ev.data_len = p->publish->data.len;
    ev.matched = p->result.matched;
    dispatch(gw, &ev);
    free(data);
}
