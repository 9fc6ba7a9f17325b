#include "auth/setup.h"

#include "auth/channel.h"
#include "auth/secretfile.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>

#define API_ID "api-key"
#define API_BASIS "api-key:" /* and the digest: no entry of a file of keys has that */

_Static_assert(SETUP_DIGEST == SHA256_DIGEST_SIZE, "SHA-256");

static void digest_of(struct str text, uint8_t out[SETUP_DIGEST])
{
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.p);
    sha256_digest(&sha, SETUP_DIGEST, out);
    explicit_bzero(&sha, sizeof sha);
}

/* ---- --api-key ---- */

/* What can stand behind "Bearer ". */
static int check_api_key(const char *option, struct str text, struct errmsg *why)
{
    if (text.len < SETUP_API_MIN || text.len > SETUP_API_MAX) {
        return errmsg_set(why, ERR_INVALID,
                          "%s: the secret must have %d to %d characters; openssl rand -hex 32 "
                          "makes a good one",
                          option, SETUP_API_MIN, SETUP_API_MAX);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f) {
            return errmsg_set(why, ERR_INVALID,
                              "%s: the secret may have no spaces, and only printable ASCII",
                              option);
        }
    }
    return 0;
}

static int add_api_key(struct setup *s, const char *option, struct str text, struct errmsg *why)
{
    char basis[sizeof API_BASIS - 1 + SETUP_DIGEST];
    struct grant_spec spec = {.kind = GRANT_KEY,
                              .rights = RIGHT_ALL,
                              .id = STR_LIT(API_ID),
                              .basis = {basis, sizeof basis},
                              .lists_subscribe = true};
    int rc = check_api_key(option, text, why);

    if (rc != 0) {
        return rc;
    }
    digest_of(text, s->api[s->napi]);
    memcpy(basis, API_BASIS, sizeof API_BASIS - 1);
    memcpy(basis + sizeof API_BASIS - 1, s->api[s->napi], SETUP_DIGEST);
    rc = grant_new(&spec, &s->api_grants[s->napi]);
    if (rc != 0) {
        return errmsg_set(why, rc, "%s: %s", option, err_text(rc));
    }
    s->napi++;
    return 0;
}

/* ---- --channel-secret ---- */

static int add_channel_secret(struct setup *s, const char *option, struct str text,
                              struct errmsg *why)
{
    struct setup_secret *to = &s->channel[s->nchannel];

    if (text.len < CHANNEL_SECRET_MIN) {
        return errmsg_set(why, ERR_INVALID, "%s: the secret must have at least %d bytes", option,
                          CHANNEL_SECRET_MIN);
    }
    to->p = malloc(text.len);
    if (!to->p) {
        return errmsg_set(why, ERR_NOMEM, "%s: %s", option, err_text(ERR_NOMEM));
    }
    memcpy(to->p, text.p, text.len);
    to->len = text.len;
    s->nchannel++;
    return 0;
}

/* The value of an option, and the secret in the file that the other one names. */
static int add_secrets(struct setup *s, const char *option, const char *value, const char *path,
                       int (*add)(struct setup *s, const char *option, struct str text,
                                  struct errmsg *why),
                       struct errmsg *why)
{
    char *text = NULL;
    size_t len = 0;
    int rc = 0;

    if (*value != '\0') {
        rc = add(s, option, str_of(value), why);
    }
    if (rc == 0 && *path != '\0') {
        rc = secretfile_read(path, &text, &len, why);
        if (rc == 0) {
            rc = add(s, path, (struct str){text, len}, why);
        }
        secretfile_free(text, len);
    }
    return rc;
}

/* ---- all of it ---- */

static int add_tokens(struct setup *s, struct errmsg *why)
{
    const struct options *o = &s->opt;
    int rc = jwt_keys_new(&s->tokens);

    if (rc != 0) {
        return errmsg_set(why, rc, "%s", err_text(rc));
    }
    for (unsigned i = 0; i < o->token_key.n && rc == 0; i++) {
        rc = jwt_keys_add_file(s->tokens, o->token_key.items[i], why);
    }
    if (rc == 0 && *o->token_secret != '\0') {
        rc = jwt_keys_add_secret(s->tokens, str_of(o->token_secret), why);
    }
    if (rc == 0 && *o->token_jwks != '\0') {
        rc = jwt_keys_add_jwks(s->tokens, o->token_jwks, why);
    }
    s->policy = (struct jwt_policy){.issuers = &o->token_issuer,
                                    .audiences = &o->token_audience,
                                    .leeway_ms = o->token_leeway,
                                    .max_channels = o->max_channels,
                                    .max_meta = o->max_meta};
    return rc;
}

static int add_all(struct setup *s, struct errmsg *why)
{
    const struct options *o = &s->opt;
    const struct grant_spec nobody = {.kind = GRANT_ANONYMOUS};
    int rc = 0;

    if (*o->keys != '\0') {
        rc = keyfile_load(o->keys, &s->keys, why);
    }
    if (rc == 0) {
        rc = add_secrets(s, "api-key", o->api_key, o->api_key_file, add_api_key, why);
    }
    if (rc == 0) {
        rc = add_secrets(s, "channel-secret", o->channel_secret, o->channel_secret_file,
                         add_channel_secret, why);
    }
    rc = rc ? rc : add_tokens(s, why);
    if (rc == 0 && o->anonymous) {
        rc = grant_new(&nobody, &s->anonymous);
        rc = rc ? errmsg_set(why, rc, "%s", err_text(rc)) : 0;
    }
    return rc;
}

int setup_new(const struct options *o, struct setup **out, struct errmsg *why)
{
    struct setup *s = calloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s) {
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    atomic_init(&s->refs, 1);
    rc = options_copy(&s->opt, o);
    if (rc != 0) {
        (void)errmsg_set(why, rc, "%s", err_text(rc));
    } else {
        s->open = !options_have_keys(o);
        rc = add_all(s, why);
    }
    if (rc != 0) {
        setup_unref(s);
        return rc;
    }
    *out = s;
    return 0;
}

struct setup *setup_ref(struct setup *s)
{
    (void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void setup_unref(struct setup *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < s->napi; i++) {
        grant_unref(s->api_grants[i]);
    }
    for (unsigned i = 0; i < s->nchannel; i++) {
        secretfile_free(s->channel[i].p, s->channel[i].len);
    }
    grant_unref(s->anonymous);
    keyfile_free(s->keys);
    jwt_keys_free(s->tokens);
    options_fini(&s->opt);
    explicit_bzero(s->api, sizeof s->api);
    free(s);
}

struct grant *setup_api_key(const struct setup *s, struct str text)
{
    uint8_t digest[SETUP_DIGEST];
    struct grant *found = NULL;

    if (s->napi == 0) {
        return NULL;
    }
    digest_of(text, digest);
    for (unsigned i = 0; i < s->napi; i++) {
        if (memeql_sec(digest, s->api[i], sizeof digest)) {
            found = s->api_grants[i];
        }
    }
    explicit_bzero(digest, sizeof digest);
    return found;
}

bool setup_has_api_key(const struct setup *s, const struct grant *g)
{
    for (unsigned i = 0; i < s->napi; i++) {
        if (str_eq(s->api_grants[i]->s.basis, g->s.basis)) {
            return true;
        }
    }
    return false;
}
