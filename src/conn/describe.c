/* What admins see of a stream. */
#include "base/clock.h"
#include "conn/access.h"
#include "conn/stream.h"
#include "proto/json.h"

static void add_time(struct strbuf *out, const char *name, uint64_t real_ms)
{
    char text[CLOCK_RFC3339_LEN + 1];

    clock_rfc3339(real_ms, text);
    strbuf_addf(out, ",\"%s\":\"%s\"", name, text);
}

static const char *kind_text(const struct grant_spec *spec)
{
    switch (spec->kind) {
    case GRANT_KEY:
        return "key";
    case GRANT_CLIENT:
        return "token";
    case GRANT_ANONYMOUS:
    case GRANT_OPEN: /* has no record */
        break;
    }
    return "anonymous";
}

/* What it is known by, never the credential itself. */
static void add_credential(struct strbuf *out, const struct grant *g)
{
    strbuf_addf(out, ",\"credential\":{\"kind\":\"%s\"", kind_text(&g->s));
    if (g->s.id.len) {
        strbuf_adds(out, ",\"id\":");
        json_add_string(out, g->s.id);
    }
    strbuf_addc(out, '}');
    if (g->s.expires_ms) {
        add_time(out, "expiresAt", g->s.expires_ms);
    }
}

void stream_describe(const struct stream *s, struct strbuf *out)
{
    char id[CLIENT_ID_LEN + 1];
    char peer[PEER_TEXT_MAX];
    struct str user = stream_user(s);
    struct str agent = interned_str(s->agent);
    const struct grant *g = access_grant(s);

    client_id_text(s->member.id, id);
    strbuf_addf(out, "{\"id\":\"%s\",\"user\":", id);
    if (user.len) {
        json_add_string(out, user);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addf(out, ",\"transport\":\"%s\",\"channels\":", transport_name(s->ops->transport));
    stream_add_names(s, out);
    strbuf_addf(out, ",\"peer\":\"%s\",\"userAgent\":", peer_text(&s->peer, peer));
    if (agent.len) {
        json_add_string(out, agent);
    } else {
        strbuf_adds(out, "null");
    }
    strbuf_addf(out, ",\"replaying\":%s", s->replays ? "true" : "false");
    if (g) {
        add_credential(out, g);
    }
    add_time(out, "connectedAt", s->connected_at);
    strbuf_addf(out, ",\"messages\":%llu,\"bytes\":%llu,\"queue\":{\"messages\":%u,\"bytes\":%llu}",
                (unsigned long long)s->messages, (unsigned long long)s->bytes, s->q.n,
                (unsigned long long)s->q.bytes);
    add_time(out, "lastActivity", clock_real_ms() - (s->env->now_ms - s->active_ms));
    strbuf_adds(out, ",\"meta\":");
    strbuf_adds(out, s->meta ? s->meta : "null");
    strbuf_addc(out, '}');
}
