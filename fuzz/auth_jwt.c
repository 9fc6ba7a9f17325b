/* auth/jwt: tokens. Header and claims come from the input and are signed here with
 * the one secret that is configured, so that all of the code behind the signature
 * is reached; then each byte of a good token is changed, and none of that is good.
 * Without the secret nothing is good: neither the input itself, nor one signed
 * with the text of a public key.
 *
 * Input: the header, a line feed, the claims. */
#include "fuzz.h"

#include "auth/base64url.h"
#include "auth/jwt.h"
#include "base/strbuf.h"
#include "fuzz_memfile.h"
#include "proto/json.h"
#include "proto/name.h"

#include <nettle/hmac.h>

#define NOW 1763632800000
#define LEEWAY 5000
#define MAX_NAMES 5
#define MAX_META 60

static const char secret[] = "0123456789abcdef0123456789abcdef";

static const char public_key[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfg/wKzJeNqeGGz0XXEuWF4dxFW/7\n"
    "ksjAWoPnib8MIg2M/fpfUkVsjGEGA8XcJs/sASIQLbOUNnL0tZ3sppauiQ==\n"
    "-----END PUBLIC KEY-----\n";

static struct jwt_keys *keys;
static struct json_doc *doc;
static char issuer[] = "https://id.example";
static char *issuer_items[] = {issuer};
static const struct opt_list issuers = {issuer_items, 1};

static const struct jwt_policy policies[] = {
    {.leeway_ms = LEEWAY, .max_channels = MAX_NAMES, .max_meta = MAX_META},
    {.issuers = &issuers, .leeway_ms = 0, .max_channels = MAX_NAMES, .max_meta = MAX_META},
    {.audiences = &issuers, .leeway_ms = LEEWAY, .max_channels = 0, .max_meta = MAX_META}};

static void start(void)
{
    struct errmsg why = {""};
    char spec[128];

    FUZZ_CHECK(json_doc_new(&doc) == 0 && jwt_keys_new(&keys) == 0);
    FUZZ_CHECK(jwt_keys_add_secret(keys, str_of(secret), &why) == 0, "%s", why.text);
    snprintf(spec, sizeof(spec), "ES256@k1=%s", fuzz_memfile(public_key, sizeof(public_key) - 1));
    FUZZ_CHECK(jwt_keys_add_file(keys, spec, &why) == 0, "%s", why.text);
}

static void add_part(struct strbuf *out, struct str part)
{
    char *text = fuzz_alloc(BASE64URL_DIGITS(part.len) + 1);

    base64url_encode(part.p, part.len, text);
    strbuf_adds(out, text);
    free(text);
}

static void sign(struct strbuf *out, struct str header, struct str claims, struct str with)
{
    struct hmac_sha256_ctx ctx;
    uint8_t mac[SHA256_DIGEST_SIZE];

    add_part(out, header);
    strbuf_addc(out, '.');
    add_part(out, claims);
    hmac_sha256_set_key(&ctx, with.len, (const uint8_t *)with.p);
    hmac_sha256_update(&ctx, out->len, (const uint8_t *)out->data);
    hmac_sha256_digest(&ctx, sizeof(mac), mac);
    strbuf_addc(out, '.');
    add_part(out, (struct str){(const char *)mac, sizeof(mac)});
}

static enum auth_outcome check(const struct jwt_policy *p, struct str token, uint64_t now,
                               struct grant **out)
{
    struct str copy = fuzz_copy(token.p, token.len);
    struct errmsg why = {""};
    enum auth_outcome outcome = jwt_check(keys, p, copy, now, out, &why);

    FUZZ_CHECK((outcome == AUTH_OK) == (*out != NULL));
    FUZZ_CHECK(outcome != AUTH_NOMEM && outcome != AUTH_MISSING && outcome != AUTH_REVOKED);
    if (outcome != AUTH_OK) {
        fuzz_sentence_cut(why.text, sizeof(why.text));
        FUZZ_CHECK(!strstr(why.text, secret));
    }
    fuzz_free(copy);
    return outcome;
}

static bool is_good(const struct jwt_policy *p, struct str token, uint64_t now)
{
    struct grant *g = NULL;
    bool good = check(p, token, now, &g) == AUTH_OK;

    grant_unref(g);
    return good;
}

static void check_json(struct str text, bool object)
{
    const struct json_limits lim = {.max_depth = 80, .tree_depth = 1, .max_nodes = 100};
    const struct json_node *root;
    struct json_error err;

    if (text.len) {
        FUZZ_CHECK(text.len <= MAX_META && json_parse(doc, text, &lim, &root, &err) == 0);
        FUZZ_CHECK(!object || root->type == JSON_OBJECT);
    }
}

static void check_grant(const struct grant_spec *s)
{
    FUZZ_CHECK(s->kind == GRANT_CLIENT && s->rights == 0);
    FUZZ_CHECK(s->user.len == 0 || name_check_user(s->user, NULL) == 0);
    FUZZ_CHECK(s->id.len <= 128 && utf8_printable(s->id));
    FUZZ_CHECK(s->nsubscribe <= MAX_NAMES && s->npublish <= MAX_NAMES);
    FUZZ_CHECK(s->lists_subscribe || s->nsubscribe == 0);
    for (unsigned i = 0; i < s->nsubscribe; i++) {
        FUZZ_CHECK(name_check_subscription(s->subscribe[i], NULL) == 0);
    }
    for (unsigned i = 0; i < s->npublish; i++) {
        FUZZ_CHECK(name_check_subscription(s->publish[i], NULL) == 0);
    }
    check_json(s->meta, true);
    check_json(s->info, false);
    FUZZ_CHECK((s->expires_ms == 0) == (s->until_ms == 0) && s->until_ms >= s->expires_ms);
}

/* Good until the end that its grant names, and no longer. */
static void check_times(const struct jwt_policy *p, struct str token, const struct grant_spec *s)
{
    if (s->until_ms) {
        FUZZ_CHECK(s->until_ms > NOW, "it has expired already");
        FUZZ_CHECK(is_good(p, token, s->until_ms - 1), "it ends before its end");
        FUZZ_CHECK(!is_good(p, token, s->until_ms), "it goes on behind its end");
    } else {
        FUZZ_CHECK(is_good(p, token, NOW * 100), "it ends though it has no end");
    }
}

/* No member may stand twice, in the header or among the claims. */
static void check_members(struct str text)
{
    const struct json_limits lim = {.max_depth = 80, .tree_depth = 1, .max_nodes = 9000};
    const struct json_node *root;
    struct json_error err;

    FUZZ_CHECK(json_parse(doc, text, &lim, &root, &err) == 0, "%s", err.text);
    FUZZ_CHECK(root->type == JSON_OBJECT && !json_duplicate(root), "%.*s", FUZZ_STR(text));
}

static void check_changed(const struct jwt_policy *p, struct strbuf *token, size_t step)
{
    for (size_t i = 0; i < token->len; i += step) {
        char was = token->data[i];
        token->data[i] = was == 'A' ? 'B' : 'A';
        FUZZ_CHECK(!is_good(p, strbuf_str(token), NOW), "byte %zu changed: %s", i, token->data);
        token->data[i] = was;
    }
    FUZZ_CHECK(!is_good(p, (struct str){token->data, token->len - 1}, NOW), "one byte less");
    strbuf_addc(token, 'A');
    FUZZ_CHECK(!is_good(p, strbuf_str(token), NOW), "one byte more");
}

static void check_signed(const struct jwt_policy *p, struct str header, struct str claims)
{
    struct strbuf token = STRBUF_INIT;
    struct grant *g = NULL;

    sign(&token, header, claims, str_of(secret));
    if (check(p, strbuf_str(&token), NOW, &g) == AUTH_OK) {
        check_grant(&g->s);
        check_times(p, strbuf_str(&token), &g->s);
        check_members(header);
        check_members(claims);
        grant_unref(g);
        check_changed(p, &token, 1 + token.len / 40);
    }
    strbuf_fini(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct str header = fuzz_line(&in), claims = fuzz_rest(&in);
    struct strbuf forged = STRBUF_INIT;

    if (!keys) {
        start();
    }
    if (memmem(data, size, secret, sizeof(secret) / 2)) {
        return 0; /* a sentence may quote the claims, but must not have the secret */
    }
    for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        check_signed(&policies[i], header, claims);
    }
    FUZZ_CHECK(!is_good(&policies[0], (struct str){(const char *)data, size}, NOW));
    sign(&forged, header, claims, str_of(public_key));
    FUZZ_CHECK(!is_good(&policies[0], strbuf_str(&forged), NOW), "the public key as a secret");
    strbuf_fini(&forged);
    return 0;
}
