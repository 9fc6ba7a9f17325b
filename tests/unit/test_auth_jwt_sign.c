/* What `fanfare token` does: new keys, signing, looking inside. */
#include "support_jwt.h"

static struct rig g;

static void start(void)
{
    rig_init(&g);
    snprintf(g.path, sizeof(g.path), "%s/key", g.dir);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_sign, .init = start, .fini = stop, .timeout = 60);

#define EACH(list, i) for (unsigned i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

static const char *spec(const char *alg, const char *suffix)
{
    snprintf(g.spec, sizeof(g.spec), "%s=%s%s", alg, g.path, suffix);
    return g.spec;
}

static mode_t mode(const char *suffix)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s", g.path, suffix);
    return stat(path, &st) == 0 ? st.st_mode & 0777 : 0;
}

/* The whole way, with each algorithm: make, sign, check. */
Test(jwt_sign, there_and_back)
{
    char alg[32], public[160];
    char *token;

    for (size_t i = 0; i < NODE_TOKENS; i++) {
        bool hmac = node_tokens[i].alg[0] == 'H';

        snprintf(public, sizeof(public), "%s.pub", g.path);
        unlink(g.path);
        unlink(public);
        cr_assert_eq(jwt_keygen(node_tokens[i].alg, g.path, &g.why), 0, "%s", g.why.text);
        cr_assert_eq(mode(""), 0600);
        cr_assert_eq(mode(".pub") != 0, !hmac);
        snprintf(alg, sizeof(alg), "%s@k \"1", node_tokens[i].alg);
        cr_assert_eq(jwt_sign(spec(alg, ""), STR_LIT(" { \"sub\" : \"ada\" }\n"), &token, &g.why),
                     0, "%s", g.why.text);
        rig_clear(&g);
        cr_assert_eq(jwt_keys_add_file(g.keys, spec(alg, hmac ? "" : ".pub"), &g.why), 0, "%s",
                     g.why.text);
        cr_assert_eq(rig_check(&g, str_of(token)), AUTH_OK, "%s: %s", alg, g.why.text);
        cr_assert(str_eqz(g.grant->s.user, "ada"));
        free(token);
    }
}

Test(jwt_sign, nothing_is_overwritten)
{
    char public[160];

    cr_assert_eq(jwt_keygen("HS256", g.path, &g.why), 0);
    cr_assert_eq(jwt_keygen("HS256", g.path, &g.why), ERR_EXISTS);
    cr_assert_eq(jwt_keygen("ES256", g.path, &g.why), ERR_EXISTS);
    cr_assert_eq(mode(".pub"), 0);
    unlink(g.path);
    snprintf(public, sizeof(public), "%s.pub", g.path);
    cr_assert_eq(symlink("/nowhere/else", public), 0);
    cr_assert_eq(jwt_keygen("EdDSA", g.path, &g.why), ERR_EXISTS);
    cr_assert_eq(mode(""), 0, "half a pair is left");
    unlink(public);
    cr_assert_eq(jwt_keygen("none", g.path, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_keygen("es256", g.path, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_keygen("EdDSA", "/nowhere/at/all", &g.why), ERR_SYSTEM);
    cr_assert_eq(mode(""), 0);
}

Test(jwt_sign, two_keys_differ)
{
    char *one, *two;

    cr_assert_eq(jwt_keygen("HS512", g.path, &g.why), 0);
    cr_assert_eq(jwt_sign(spec("HS512", ""), STR_LIT("{}"), &one, &g.why), 0);
    unlink(g.path);
    cr_assert_eq(jwt_keygen("HS512", g.path, &g.why), 0);
    cr_assert_eq(jwt_sign(spec("HS512", ""), STR_LIT("{}"), &two, &g.why), 0);
    cr_assert_str_neq(one, two);
    free(one);
    free(two);
}

Test(jwt_sign, header_and_claims)
{
    char *token, *header, *claims;

    rig_file(&g, NODE_SECRET, strlen(NODE_SECRET));
    cr_assert_eq(jwt_sign(spec("HS256@\"\\", ""), STR_LIT("{\"a\": 1.0, \"b\":\"\\u0041 \"}"),
                          &token, &g.why),
                 0);
    cr_assert_eq(jwt_parts(str_of(token), &header, &claims, &g.why), 0);
    cr_assert_str_eq(header, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"\\\"\\\\\"}");
    cr_assert_str_eq(claims, "{\"a\":1.0,\"b\":\"\\u0041 \"}");
    free(header);
    free(claims);
    free(token);
}

Test(jwt_sign, what_cannot_be_signed)
{
    static const char *const bad[] = {"", "[]", "null", "{", "{}x", "{\"a\":\"\xff\"}", "\"a\""};
    char *token = NULL;
    char *big = malloc(7000);

    rig_file(&g, NODE_SECRET, strlen(NODE_SECRET));
    EACH(bad, i)
    {
        cr_assert_eq(jwt_sign(spec("HS256", ""), str_of(bad[i]), &token, &g.why), ERR_INVALID, "%s",
                     bad[i]);
    }
    memset(big, 'x', 7000);
    memcpy(big, "{\"x\":\"", 6);
    memcpy(big + 6997, "\"}", 3);
    cr_assert_eq(jwt_sign(spec("HS256", ""), str_of(big), &token, &g.why), ERR_LIMIT);
    free(big);
    cr_assert_eq(jwt_sign(spec("RS256", ""), STR_LIT("{}"), &token, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_sign(spec("none", ""), STR_LIT("{}"), &token, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_sign("HS256=/nowhere", STR_LIT("{}"), &token, &g.why), ERR_SYSTEM);
    /* A public key signs nothing, nor does one of another kind or a short one. */
    rig_file(&g, NODE_RSA, strlen(NODE_RSA));
    cr_assert_eq(jwt_sign(spec("RS256", ""), STR_LIT("{}"), &token, &g.why), ERR_INVALID);
    cr_assert_neq(strstr(g.why.text, "no private key"), NULL, "%s", g.why.text);
    cr_assert_null(token);
}

static void refuse(const char *alg, EVP_PKEY *pkey)
{
    char pem[4096];
    char *token = NULL;

    rig_pem(pkey, true, pem);
    rig_file(&g, pem, strlen(pem));
    cr_assert_eq(jwt_sign(spec(alg, ""), STR_LIT("{}"), &token, &g.why), ERR_INVALID);
    cr_assert_null(token);
    EVP_PKEY_free(pkey);
}

Test(jwt_sign, private_keys_are_checked_too)
{
    refuse("RS256", EVP_RSA_gen(1024));
    refuse("ES256", EVP_EC_gen("P-384"));
    refuse("ES384", EVP_EC_gen("P-256"));
    refuse("EdDSA", EVP_EC_gen("P-256"));
}

/* There is nobody at a terminal to ask. */
Test(jwt_sign, encrypted_keys_are_refused)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes, *token;
    char password[] = "sesame";
    long len;

    cr_assert_eq(
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_128_cbc(), password, 6, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &bytes);
    rig_file(&g, bytes, (size_t)len);
    cr_assert_eq(jwt_sign(spec("ES256", ""), STR_LIT("{}"), &token, &g.why), ERR_INVALID);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

Test(jwt_sign, parts_of_anything)
{
    char *header, *claims;

    /* Not verified: RFC 7515 A.5 has no signature, which is refused; A.1 has another key's. */
    cr_assert_eq(
        jwt_parts(STR_LIT("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.AA"),
                  &header, &claims, &g.why),
        0, "%s", g.why.text);
    cr_assert_str_eq(header, "{\"typ\":\"JWT\",\"alg\":\"HS256\"}");
    cr_assert_str_eq(claims, "{\"iss\":\"joe\"}");
    free(header);
    free(claims);
    cr_assert_eq(jwt_parts(STR_LIT(""), &header, &claims, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_parts(STR_LIT("AA.AA.AA"), &header, &claims, &g.why), ERR_INVALID);
    cr_assert_eq(jwt_parts(STR_LIT("eyJhIjoxfQ.AA.AA"), &header, &claims, &g.why), ERR_INVALID);
    cr_assert_null(header);
    /* What would move a terminal's cursor is no JSON. */
    char token[64];
    strcpy(token, "e30.");
    base64url_encode("{\"a\":\"\x1b[2J\"}", 12, token + 4);
    strcat(token, ".AA");
    cr_assert_eq(jwt_parts(str_of(token), &header, &claims, &g.why), ERR_INVALID);
}
