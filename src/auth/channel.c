#include "auth/channel.h"

#include "auth/base64url.h"
#include "base/strbuf.h"
#include "proto/name.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>

_Static_assert(CHANNEL_SIGNATURE_LEN == BASE64URL_DIGITS(SHA256_DIGEST_SIZE), "SHA-256");

/* The seconds that fit, as digits: up to the year 9999. */
#define EXPIRY_DIGITS 12

static void sign(struct str secret, struct str name, struct str expiry,
                 char out[CHANNEL_SIGNATURE_LEN + 1])
{
    static const char label[] = "fanfare channel\n";
    uint8_t mac[SHA256_DIGEST_SIZE];
    struct hmac_sha256_ctx h;

    hmac_sha256_set_key(&h, secret.len, (const uint8_t *)secret.p);
    hmac_sha256_update(&h, sizeof label - 1, (const uint8_t *)label);
    hmac_sha256_update(&h, name.len, (const uint8_t *)name.p);
    hmac_sha256_update(&h, 1, (const uint8_t *)"\n");
    hmac_sha256_update(&h, expiry.len, (const uint8_t *)expiry.p);
    hmac_sha256_digest(&h, sizeof mac, mac);
    explicit_bzero(&h, sizeof h);
    base64url_encode(mac, sizeof mac, out);
}

int channel_sign(struct str secret, struct str name, uint64_t expiry_s, char **out,
                 struct errmsg *why)
{
    struct strbuf text = STRBUF_INIT;
    char digits[24] = "";
    char signature[CHANNEL_SIGNATURE_LEN + 1];
    int rc;

    *out = NULL;
    if (secret.len < CHANNEL_SECRET_MIN) {
        return errmsg_set(why, ERR_INVALID, "the secret that signs channels has at least %d bytes",
                          CHANNEL_SECRET_MIN);
    }
    rc = name_check_channel(name, why);
    if (rc != 0) {
        return rc;
    }
    if (expiry_s > 0) {
        (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)expiry_s);
    }
    if (strlen(digits) > EXPIRY_DIGITS) {
        return errmsg_set(why, ERR_INVALID, "the expiry is seconds since 1970");
    }
    sign(secret, name, str_of(digits), signature);
    strbuf_addstr(&text, name);
    strbuf_addf(&text, "~%s~%s", digits, signature);
    *out = strbuf_steal(&text, NULL);
    return *out ? 0 : errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

/* What stands between the two '~', and behind them. */
static bool take_apart(struct str text, struct str *name, struct str *expiry, struct str *signature)
{
    const char *first = memchr(text.p, '~', text.len);
    const char *end = text.p + text.len;
    const char *second = memchr(first + 1, '~', (size_t)(end - first) - 1);

    *name = (struct str){text.p, (size_t)(first - text.p)};
    if (!second) {
        return false;
    }
    *expiry = (struct str){first + 1, (size_t)(second - first) - 1};
    *signature = (struct str){second + 1, (size_t)(end - second) - 1};
    return true;
}

/* Empty is never: UINT64_MAX. No leading zero, so that one time has one text. */
static bool read_expiry(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(s.p[i] - '0');
        if (i == EXPIRY_DIGITS) {
            return false;
        }
    }
    *out = s.len > 0 ? v : UINT64_MAX;
    return s.len == 0 || *s.p != '0';
}

enum auth_outcome channel_check(struct str secret, struct str text, uint64_t now_ms,
                                struct str *name, bool *is_signed, struct errmsg *why)
{
    char expected[CHANNEL_SIGNATURE_LEN + 1];
    struct str expiry, signature;
    uint64_t until_s = 0;

    *name = text;
    *is_signed = text.len > 0 && memchr(text.p, '~', text.len) != NULL;
    if (!*is_signed) {
        return AUTH_OK;
    }
    if (!take_apart(text, name, &expiry, &signature) || !read_expiry(expiry, &until_s) ||
        signature.len != CHANNEL_SIGNATURE_LEN || name_check_channel(*name, NULL) != 0) {
        (void)errmsg_set(why, ERR_INVALID,
                         "a signed channel is name~expiry~signature, with the expiry in seconds "
                         "since 1970 or empty, and 43 digits of base64url");
        return AUTH_MALFORMED;
    }
    if (secret.len == 0) {
        (void)errmsg_set(why, ERR_INVALID, "signed channel names are not configured here");
        return AUTH_UNKNOWN;
    }
    sign(secret, *name, expiry, expected);
    bool same = memeql_sec(expected, signature.p, CHANNEL_SIGNATURE_LEN) != 0;
    explicit_bzero(expected, sizeof expected);
    if (!same) {
        (void)errmsg_set(why, ERR_INVALID, "the signature of the channel's name is wrong");
        return AUTH_FORGED;
    }
    if (now_ms / 1000 >= until_s) {
        (void)errmsg_set(why, ERR_INVALID, "the signature of the channel's name has expired");
        return AUTH_EXPIRED;
    }
    return AUTH_OK;
}
