/* Who a stream is: in log lines, and to itself. */
#include "conn/slow.h"
#include "conn/stream.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>

#define SECRET_LEN (CLIENT_KEY_LEN - CLIENT_ID_LEN - 1)

static void make_key(const struct conn_env *env, uint64_t id, char out[CLIENT_KEY_LEN + 1])
{
    struct hmac_sha256_ctx ctx;
    uint8_t digest[16];
    char text[BASE64_ENCODE_RAW_LENGTH(16)];

    _Static_assert(SECRET_LEN <= sizeof(text), "128 bits are 22 digits");
    hmac_sha256_set_key(&ctx, sizeof(env->key_secret), env->key_secret);
    hmac_sha256_update(&ctx, sizeof(id), (const uint8_t *)&id);
    hmac_sha256_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(text, sizeof(digest), digest);
    client_id_text(id, out);
    out[CLIENT_ID_LEN] = '.';
    for (size_t i = 0; i < SECRET_LEN; i++) { /* the URL-safe alphabet */
        out[CLIENT_ID_LEN + 1 + i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    out[CLIENT_KEY_LEN] = '\0';
}

void stream_client_key(const struct stream *s, char out[CLIENT_KEY_LEN + 1])
{
    make_key(s->env, s->member.id, out);
}

bool client_key_ok(const struct conn_env *env, struct str key, uint64_t *id)
{
    char good[CLIENT_KEY_LEN + 1];

    if (key.len != CLIENT_KEY_LEN || client_id_parse((struct str){key.p, CLIENT_ID_LEN}, id) != 0) {
        return false;
    }
    make_key(env, *id, good);
    return memeql_sec(good, key.p, CLIENT_KEY_LEN) != 0;
}

bool conn_env_may_log(struct conn_env *env, enum log_kind kind)
{
    return log_enabled(env->log, LOG_DEBUG_LVL) ||
           log_limit_pass(&env->log_limits[kind], env->now_ms, NULL);
}

struct who {
    char id[CLIENT_ID_LEN + 1];
    char peer[PEER_TEXT_MAX];
    char user[NAME_MAX_LEN + 1]; /* empty: anonymous */
};

static void who_is(const struct stream *s, struct who *w)
{
    struct str user = stream_user(s);

    client_id_text(s->member.id, w->id);
    (void)peer_text(&s->peer, w->peer);
    if (user.len) {
        memcpy(w->user, user.p, user.len);
    }
    w->user[user.len] = '\0';
}

#define WHO(s, w)                                                         \
    "client", (w).id, "user", (w).user[0] ? (w).user : NULL, "transport", \
        transport_name((s)->ops->transport), "peer", (w).peer

void stream_log(const struct stream *s, enum log_level level, const char *msg, const char *key,
                const char *value)
{
    struct who w;

    if (log_enabled(s->env->log, level)) {
        who_is(s, &w);
        log_write(s->env->log, level, msg, WHO(s, w), key ? key : "", value, (char *)NULL);
    }
}

void stream_note_limit(const struct stream *s, enum metric metric, const char *option)
{
    metrics_inc(s->env->metrics, metric);
    if (conn_env_may_log(s->env, log_kind_of_limit(metric))) {
        stream_log(s, LOG_WARN_LVL, "client over a limit", "limit", option);
    }
}

void stream_log_lag(const struct stream *s, enum log_level level, const char *msg,
                    const char *because)
{
    char bytes[NUM_LEN], messages[NUM_LEN], seconds[NUM_LEN];
    uint64_t since = s->slow ? s->slow->since_ms : s->env->now_ms;
    struct who w;

    if (log_enabled(s->env->log, level)) {
        who_is(s, &w);
        log_write(s->env->log, level, msg, WHO(s, w), "lag_bytes", num_text(bytes, s->q.bytes),
                  "lag_messages", num_text(messages, s->q.n), "lag_seconds",
                  num_text(seconds, (s->env->now_ms - since) / 1000), "because", because,
                  (char *)NULL);
    }
}
