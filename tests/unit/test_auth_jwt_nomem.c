/* Every allocation fails once, those of OpenSSL too: the answer is that memory was
 * missing (or, where OpenSSL does not say why, a refusal), never that a token is good; nothing
 * leaks, and the same call succeeds afterwards. */
#include "support_jwt.h"
/* Seen by the C library and OpenSSL too. */
#pragma GCC visibility push(default)
#include "test_core_nomem.h"
#pragma GCC visibility pop

static struct rig g;
static const char *spec, *jwks;
static struct str token;

/* OpenSSL keeps its list of errors for each thread, and the texts in its places. */
static void fill_list_of_errors(void)
{
    for (int i = 0; i < 2 * ERR_NUM_ERRORS; i++) {
        ERR_raise_data(ERR_LIB_USER, 1, "%0200d", i);
    }
    ERR_clear_error();
}

static void start(void)
{
    nomem_ready();
    rig_init(&g);
    fill_list_of_errors();
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_nomem, .init = start, .fini = stop, .timeout = 120);

/* Runs `what` with each of its allocations failing; at last with none. */
static void sweep(const char *name, int (*what)(void), int least)
{
    int n = 0, rc = 1;
    bool failed = true;

    cr_assert_eq(what(), 0, "%s: %s", name, g.why.text); /* what OpenSSL keeps for ever is there */
    /* A curve's arithmetic has thousands. */
    for (; failed; n += n < 100 ? 1 : n / 32) {
        long before = live;

        g.why.text[0] = '\0';
        left = n;
        rc = what();
        failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || g.why.text[0] != '\0', "%s: %d: %d", name, n, rc);
        cr_assert_eq(live, before, "%s: %d: %ld blocks are left", name, n, live - before);
        cr_assert_eq(ERR_peek_error(), 0ul, "%s: %d", name, n);
    }
    cr_assert_eq(rc, 0, "%s: %s", name, g.why.text);
    cr_assert_geq(n, least);
}

static int check(void)
{
    struct grant *grant = NULL;
    enum auth_outcome outcome = jwt_check(g.keys, &g.policy, token, RIG_NOW, &grant, &g.why);

    cr_assert_eq(outcome == AUTH_OK, grant != NULL);
    cr_assert(outcome == AUTH_OK || outcome == AUTH_NOMEM || outcome == AUTH_FORGED, "%d", outcome);
    grant_unref(grant);
    return outcome == AUTH_OK ? 0 : ERR_NOMEM;
}

Test(jwt_nomem, checking)
{
    static const char *const pem[] = {NODE_RSA, NODE_RSA, NODE_P256, NODE_ED25519};
    static const char *const algs[] = {"RS256", "PS256", "ES256", "EdDSA"};

    for (unsigned a = 0; a < 4; a++) {
        rig_clear(&g);
        cr_assert_eq(rig_add(&g, algs[a], pem[a]), 0);
        for (size_t t = 0; t < NODE_TOKENS; t++) {
            if (strcmp(node_tokens[t].alg, algs[a]) == 0) {
                token = str_of(node_tokens[t].token);
            }
        }
        sweep(algs[a], check, 5);
    }
}

Test(jwt_nomem, checking_all_claims)
{
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
    token = rig_hmac(&g, HS256,
                     "{\"sub\":\"ada\",\"jti\":\"1\",\"exp\":1900000000,\"channels\":[\"a\",\"b\"],"
                     "\"publish\":[\"c\"],\"meta\":{\"a\":1},\"info\":[1,2]}",
                     STR_LIT(NODE_SECRET));
    sweep("claims", check, 8);
}

static int add(void)
{
    struct jwt_keys *k = NULL;
    int rc = jwt_keys_new(&k);

    if (rc) {
        return errmsg_set(&g.why, rc, "out of memory");
    }
    rc = jwks ? jwt_keys_add_jwks(k, jwks, &g.why) : jwt_keys_add_file(k, spec, &g.why);
    cr_assert_eq(rc == 0, jwt_keys_count(k) > 0);
    jwt_keys_free(k);
    return rc;
}

Test(jwt_nomem, adding_keys)
{
    static const char *const pem[] = {NODE_RSA,  NODE_RSA_CERTIFICATE, NODE_RSA_PKCS1,
                                      NODE_P256, NODE_ED25519,         NODE_SECRET};
    static const char *const algs[] = {"RS256@k", "PS256", "RS512", "ES256", "EdDSA", "HS256@k"};

    for (unsigned a = 0; a < 6; a++) {
        spec = rig_spec(&g, algs[a], pem[a]);
        sweep(algs[a], add, 5);
    }
}

Test(jwt_nomem, adding_a_key_set)
{
    static const char *const set[] = {
        NODE_JWK_RSA, NODE_JWK_P256, NODE_JWK_ED25519,
        "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"MDEyMzQ1Njc4OTAxMjM0"
        "NTY3ODkwMTIzNDU2Nzg5MDE\"}"};
    char text[4096];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(text, sizeof(text), "{\"keys\":[%s]}", set[i]);
        jwks = rig_file(&g, text, strlen(text));
        sweep(set[i], add, 5);
    }
    jwks = NULL;
}

static int sign(void)
{
    char *header, *claims, *text = NULL;
    int rc = jwt_sign(spec, STR_LIT("{\"sub\":\"ada\"}"), &text, &g.why);

    if (rc == 0) {
        rc = jwt_parts(str_of(text), &header, &claims, &g.why);
        free(text);
    }
    if (rc == 0) {
        free(header);
        free(claims);
    }
    return rc;
}

Test(jwt_nomem, signing)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    char pem[4096];

    spec = rig_spec(&g, "HS256@k", NODE_SECRET);
    sweep("HS256", sign, 10);
    spec = rig_spec(&g, "ES256", rig_pem(pkey, true, pem));
    EVP_PKEY_free(pkey);
    sweep("ES256", sign, 10);
}
