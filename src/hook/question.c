#include "hook/private.h"

#include <nettle/hmac.h>
#include <nettle/sha2.h>

static const char *const events[] = {
    [HOOK_CONNECT] = "connect", [HOOK_SUBSCRIBE] = "subscribe", [HOOK_PUBLISH] = "publish"};

static void add_member(struct strbuf *out, const char *name, struct str value)
{
    if (value.len) {
        strbuf_addf(out, ",\"%s\":", name);
        json_add_lossy(out, value);
    }
}

static void add_headers(struct strbuf *out, const struct hook_question *q)
{
    const char *comma = "";

    strbuf_adds(out, ",\"headers\":{");
    if (q->cookie.len) {
        strbuf_adds(out, "\"cookie\":");
        json_add_lossy(out, q->cookie);
        comma = ",";
    }
    if (q->authorization.len) {
        strbuf_addf(out, "%s\"authorization\":", comma);
        json_add_lossy(out, q->authorization);
    }
    strbuf_addc(out, '}');
}

void question_add(const struct hook_question *q, struct strbuf *out)
{
    strbuf_addf(out, "{\"event\":\"%s\"", events[q->event]);
    add_member(out, "userId", q->user);
    add_member(out, "clientId", q->client_id);
    if (q->nchannels) {
        strbuf_adds(out, ",\"channels\":[");
        for (unsigned i = 0; i < q->nchannels; i++) {
            strbuf_adds(out, i ? "," : "");
            json_add_lossy(out, q->channels[i]);
        }
        strbuf_addc(out, ']');
    }
    add_member(out, "address", q->address);
    add_member(out, "origin", q->origin);
    if (q->event == HOOK_CONNECT) {
        add_headers(out, q);
    }
    strbuf_addc(out, '}');
}

/* Its length first, so that no two questions give the same bytes. */
static void hash_part(struct sha256_ctx *ctx, struct str s)
{
    uint64_t n = s.len;

    sha256_update(ctx, sizeof(n), (const uint8_t *)&n);
    sha256_update(ctx, s.len, (const uint8_t *)s.p);
}

void question_digest(const struct hook_question *q, uint8_t out[HOOK_DIGEST])
{
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    hash_part(&ctx, str_of(events[q->event]));
    hash_part(&ctx, q->user);
    hash_part(&ctx, q->origin);
    hash_part(&ctx, q->cookie);
    hash_part(&ctx, q->authorization);
    for (unsigned i = 0; i < q->nchannels; i++) {
        hash_part(&ctx, q->channels[i]);
    }
    if (q->user.len == 0) { /* nothing may tell it from others but where it comes from */
        hash_part(&ctx, q->client_id);
        hash_part(&ctx, q->address);
    }
    sha256_digest(&ctx, HOOK_DIGEST, out);
}

void question_identity(const struct hook_question *q, const uint8_t digest[HOOK_DIGEST],
                       uint8_t out[HOOK_DIGEST])
{
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, HOOK_DIGEST, digest);
    hash_part(&ctx, q->client_id);
    hash_part(&ctx, q->address);
    sha256_digest(&ctx, HOOK_DIGEST, out);
}

void question_sign(const char *secret, uint64_t now_s, struct str body, struct strbuf *out)
{
    struct hmac_sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct strbuf time = STRBUF_INIT;

    strbuf_add_u64(&time, now_s);
    strbuf_addc(&time, '.');
    hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
    hmac_sha256_update(&ctx, time.len, (const uint8_t *)time.data);
    hmac_sha256_update(&ctx, body.len, (const uint8_t *)body.p);
    hmac_sha256_digest(&ctx, sizeof(digest), digest);
    explicit_bzero(&ctx, sizeof(ctx));
    strbuf_fini(&time);
    strbuf_addf(out, "t=%llu,v1=", (unsigned long long)now_s);
    for (size_t i = 0; i < sizeof(digest); i++) {
        strbuf_addf(out, "%02x", digest[i]);
    }
}
