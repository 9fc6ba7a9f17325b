/* Who a stream is: in log lines, and to itself. */
#include "conn/stream.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>

void stream_client_key(const struct stream *s, char out[CLIENT_KEY_LEN + 1])
{
    struct hmac_sha256_ctx ctx;
    uint8_t digest[16];
    char text[BASE64_ENCODE_RAW_LENGTH(16)];

    hmac_sha256_set_key(&ctx, sizeof(s->env->key_secret), s->env->key_secret);
    hmac_sha256_update(&ctx, sizeof(s->member.id), (const uint8_t *)&s->member.id);
    hmac_sha256_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(text, sizeof(digest), digest);
    for (size_t i = 0; i < CLIENT_KEY_LEN; i++) { /* the URL-safe alphabet */
        out[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    out[CLIENT_KEY_LEN] = '\0';
}

bool conn_env_may_log(struct conn_env *env, enum log_kind kind)
{
    return log_enabled(env->log, LOG_DEBUG_LVL) ||
           log_limit_pass(&env->log_limits[kind], env->now_ms, NULL);
}

void stream_log(const struct stream *s, enum log_level level, const char *msg, const char *key,
                const char *value)
{
    char id[CLIENT_ID_LEN + 1];
    char peer[PEER_TEXT_MAX];
    struct str user;
    char name[NAME_MAX_LEN + 1] = "";

    if (!log_enabled(s->env->log, level)) {
        return;
    }
    client_id_text(s->member.id, id);
    user = member_user(&s->member);
    if (user.len) {
        memcpy(name, user.p, user.len);
        name[user.len] = '\0';
    }
    log_write(s->env->log, level, msg, "client", id, "user", user.len ? name : NULL, "transport",
              transport_name(s->ops->transport), "peer", peer_text(&s->peer, peer), key ? key : "",
              value, (char *)NULL);
}
