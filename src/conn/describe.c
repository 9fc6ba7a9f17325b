/* What a stream says of itself: the greeting to its client, and the JSON that
 * admins see. */
#include "base/clock.h"
#include "conn/stream.h"
#include "proto/json.h"
#include "proto/sse.h"

struct name_list {
    struct strbuf *out;
    bool any;
};

static void add_name(void *ctx, struct str name)
{
    struct name_list *l = ctx;

    if (l->any) {
        strbuf_addc(l->out, ',');
    }
    l->any = true;
    json_add_string(l->out, name);
}

static void add_names(struct strbuf *out, const struct stream *s)
{
    struct name_list l = {out, false};

    strbuf_addc(out, '[');
    stream_names(s, add_name, &l);
    strbuf_addc(out, ']');
}

/* ---- greeting ---- */

static void add_connected(struct strbuf *out, const struct stream *s, struct str cursor,
                          bool recovered)
{
    struct strbuf data = STRBUF_INIT;
    char id[CLIENT_ID_LEN + 1];
    char key[CLIENT_KEY_LEN + 1];

    client_id_text(s->member.id, id);
    stream_client_key(s, key);
    strbuf_addf(&data, "{\"clientId\":\"%s\",\"clientKey\":\"%s\",\"channels\":", id, key);
    add_names(&data, s);
    strbuf_addf(&data, ",\"recovered\":%s}", recovered ? "true" : "false");
    control_add(out, s->ops->transport, STR_LIT("fanfare.connected"), cursor, strbuf_str(&data));
    out->failed |= strbuf_failed(&data);
    strbuf_fini(&data);
}

void stream_add_greeting(const struct stream *s, struct str position, bool recovered,
                         struct strbuf *out)
{
    if (s->ops->transport == TRANSPORT_SSE) {
        sse_add_retry(out, (uint32_t)s->env->opt->retry);
    }
    add_connected(out, s, position, recovered);
}

/* ---- for admins ---- */

static void add_time(struct strbuf *out, const char *name, uint64_t real_ms)
{
    char text[CLOCK_RFC3339_LEN + 1];

    clock_rfc3339(real_ms, text);
    strbuf_addf(out, ",\"%s\":\"%s\"", name, text);
}

void stream_describe(const struct stream *s, struct strbuf *out)
{
    char id[CLIENT_ID_LEN + 1];
    char peer[PEER_TEXT_MAX];
    struct str user = stream_user(s);
    struct str agent = interned_str(s->agent);

    client_id_text(s->member.id, id);
    strbuf_addf(out, "{\"id\":\"%s\",\"user\":", id);
    if (user.len) {
        json_add_string(out, user);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addf(out, ",\"transport\":\"%s\",\"channels\":", transport_name(s->ops->transport));
    add_names(out, s);
    strbuf_addf(out, ",\"peer\":\"%s\",\"userAgent\":", peer_text(&s->peer, peer));
    if (agent.len) {
        json_add_string(out, agent);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addf(out, ",\"replaying\":%s", s->replays ? "true" : "false");
    add_time(out, "connectedAt", s->connected_at);
    strbuf_addf(out, ",\"messages\":%llu,\"bytes\":%llu,\"queue\":{\"messages\":%u,\"bytes\":%llu}",
                (unsigned long long)s->messages, (unsigned long long)s->bytes, s->q.n,
                (unsigned long long)s->q.bytes);
    add_time(out, "lastActivity", clock_real_ms() - (s->env->now_ms - s->active_ms));
    strbuf_adds(out, ",\"meta\":");
    strbuf_adds(out, s->meta ? s->meta : "null");
    strbuf_addc(out, '}');
}
