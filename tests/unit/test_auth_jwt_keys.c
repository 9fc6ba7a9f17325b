/* Keys by option: files and secrets, and what is no key. */
#include "support_jwt.h"

#include <openssl/rsa.h>

#define ADA "{\"sub\":\"ada\"}"

static struct rig g;

static void start(void)
{
    rig_init(&g);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_keys, .init = start, .fini = stop, .timeout = 60);

#define EACH(list, i) for (unsigned i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

static bool says(const char *what)
{
    return strstr(g.why.text, what) != NULL;
}

Test(jwt_keys, the_form_of_the_option)
{
    static const char *const bad[] = {
        "",     "HS256",     "=file", "HS256=",   "hs256=f",      "none=f",   "HS256@=f",
        "@k=f", "/etc/file", "RS1=f", "HS256 =f", "HS256@a\nb=f", "ES256K=f", "HS256@\xff=f"};

    EACH(bad, i)
    {
        cr_assert_eq(jwt_keys_add_file(g.keys, bad[i], &g.why), ERR_INVALID, "%s", bad[i]);
    }
    cr_assert_eq(jwt_keys_add_file(g.keys, "HS256=/nowhere/secret", &g.why), ERR_SYSTEM);
    cr_assert(says("/nowhere/secret"));
    /* Only the first '=' and '@' divide. */
    cr_assert_eq(jwt_keys_add_file(g.keys, "RS256@a@b=/no@where/=x", &g.why), ERR_SYSTEM);
    cr_assert(says("/no@where/=x"));
    cr_assert_eq(rig_add(&g, "HS256@a@b", NODE_SECRET), 0);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, "{\"alg\":\"HS256\",\"kid\":\"a@b\"}", ADA,
                                        STR_LIT(NODE_SECRET))),
                 AUTH_OK);
    cr_assert_eq(rig_add(&g, "HS256@a@b", NODE_SECRET), ERR_EXISTS);
    cr_assert_eq(jwt_keys_count(g.keys), 1);
}

Test(jwt_keys, secrets)
{
    struct str shorter = {NODE_SECRET, 31};
    char text[100];

    cr_assert_eq(jwt_keys_add_secret(g.keys, shorter, &g.why), ERR_INVALID);
    cr_assert(says("31 bytes; HS256 needs at least 32"));
    cr_assert_eq(jwt_keys_add_secret(g.keys, STR_NONE, &g.why), ERR_INVALID);
    cr_assert_eq(rig_add(&g, "HS384", "0123456789012345678901234567890123456789012345\n"),
                 ERR_INVALID);
    cr_assert_eq(
        rig_add(&g, "HS512", "012345678901234567890123456789012345678901234567890123456789"),
        ERR_INVALID);
    cr_assert_not(says("0123456789"));
    cr_assert_eq(rig_add(&g, "HS256", ""), ERR_INVALID);
    cr_assert_eq(jwt_keys_count(g.keys), 0);
    cr_assert_eq(jwt_keys_add_secret(g.keys, STR_LIT(NODE_SECRET), &g.why), 0);
    cr_assert_eq(rig_claims(&g, ADA), AUTH_OK);
    /* One newline at the end of the file is the editor's, a second one is not. */
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET "\n"), 0);
    cr_assert_eq(rig_claims(&g, ADA), AUTH_OK);
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET "\n\n"), 0);
    cr_assert_eq(rig_claims(&g, ADA), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, STR_LIT(NODE_SECRET "\n"))), AUTH_OK);
    /* Any bytes, also 0, and longer than the block of the hash. */
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 5);
    }
    rig_clear(&g);
    cr_assert_eq(jwt_keys_add_secret(g.keys, (struct str){text, sizeof(text)}, &g.why), 0);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, (struct str){text, sizeof(text)})),
                 AUTH_OK);
    text[99]++;
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, (struct str){text, sizeof(text)})),
                 AUTH_FORGED);
}

Test(jwt_keys, a_pem_file_is_no_secret)
{
    cr_assert_eq(rig_add(&g, "HS256", NODE_RSA), ERR_INVALID);
    cr_assert(says("PEM"));
    cr_assert_eq(jwt_keys_add_secret(g.keys, str_of(NODE_P256), &g.why), ERR_INVALID);
    cr_assert_eq(rig_add(&g, "HS256", NODE_RSA_CERTIFICATE), ERR_INVALID);
}

Test(jwt_keys, a_secret_is_for_few_eyes)
{
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
    cr_assert_eq(chmod(g.path, 0644), 0);
    cr_assert_eq(jwt_keys_add_file(g.keys, g.spec, &g.why), ERR_INVALID);
    cr_assert_eq(chmod(g.path, 0640), 0);
    cr_assert_eq(jwt_keys_add_file(g.keys, g.spec, &g.why), 0);
    /* A public key may be read by all, but not written. */
    cr_assert_eq(rig_add(&g, "RS256", NODE_RSA), 0);
    cr_assert_eq(chmod(g.path, 0644), 0);
    cr_assert_eq(jwt_keys_add_file(g.keys, g.spec, &g.why), 0);
    cr_assert_eq(chmod(g.path, 0666), 0);
    cr_assert_eq(jwt_keys_add_file(g.keys, g.spec, &g.why), ERR_INVALID);
}

Test(jwt_keys, other_forms_of_a_public_key)
{
    static const char *const forms[] = {NODE_RSA_PKCS1, NODE_RSA_CERTIFICATE};
    char text[8192];

    EACH(forms, i)
    {
        rig_clear(&g);
        cr_assert_eq(rig_add(&g, "PS256", forms[i]), 0, "%s", g.why.text);
        for (size_t t = 0; t < NODE_TOKENS; t++) {
            bool its = strcmp(node_tokens[t].alg, "PS256") == 0;
            cr_assert_eq(rig_check(&g, str_of(node_tokens[t].token)), its ? AUTH_OK : AUTH_UNKNOWN);
        }
    }
    /* Text around it, and a chain: the first certificate counts. */
    rig_clear(&g);
    snprintf(text, sizeof(text), "subject: CN=x\n%s\nissuer:\n%s", NODE_RSA_CERTIFICATE,
             NODE_RSA_CERTIFICATE);
    cr_assert_eq(rig_add(&g, "RS256", text), 0, "%s", g.why.text);
}

Test(jwt_keys, what_is_no_public_key)
{
    char text[8192];

    cr_assert_eq(rig_add(&g, "RS256", ""), ERR_INVALID);
    cr_assert_eq(rig_add(&g, "RS256", "nothing"), ERR_INVALID);
    cr_assert(says("no public key"));
    cr_assert_eq(rig_add(&g, "RS256", NODE_SECRET), ERR_INVALID);
    cr_assert_eq(rig_add(&g, "RS256", "-----BEGIN PUBLIC KEY-----\n"), ERR_INVALID);
    cr_assert_eq(
        rig_add(&g, "RS256", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        ERR_INVALID);
    cr_assert_eq(
        rig_add(&g, "RS256", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ERR_INVALID);
    cr_assert_eq(
        rig_add(&g, "RS256", "-----BEGIN PUBLIC KEY-----\n****\n-----END PUBLIC KEY-----\n"),
        ERR_INVALID);
    cr_assert_eq(rig_add(&g, "RS256",
                         "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                         "-----END EC PARAMETERS-----\n"),
                 ERR_INVALID);
    /* Which of two? */
    snprintf(text, sizeof(text), "%s%s", NODE_P256, NODE_P384);
    cr_assert_eq(rig_add(&g, "ES256", text), ERR_INVALID);
    cr_assert(says("more than one"));
    snprintf(text, sizeof(text), "%s%s", NODE_RSA_CERTIFICATE, NODE_RSA);
    cr_assert_eq(rig_add(&g, "RS256", text), ERR_INVALID);
    cr_assert_eq(jwt_keys_count(g.keys), 0);
    cr_assert_eq(ERR_peek_error(), 0ul);
    /* Too long */
    char *big = malloc(70000);
    memset(big, '\n', 69999);
    big[69999] = '\0';
    cr_assert_eq(rig_add(&g, "RS256", big), ERR_INVALID);
    free(big);
}

Test(jwt_keys, kind_and_curve)
{
    static const struct {
        const char *alg, *pem, *says;
    } bad[] = {
        {"ES256", NODE_RSA, "no EC key"},      {"ES256", NODE_P384, "curve P-256"},
        {"ES384", NODE_P256, "curve P-384"},   {"ES512", NODE_P384, "curve P-521"},
        {"ES256", NODE_ED25519, "no EC key"},  {"RS256", NODE_P256, "no RSA key"},
        {"PS256", NODE_ED25519, "no RSA key"}, {"EdDSA", NODE_P256, "no Ed25519 key"},
        {"EdDSA", NODE_RSA, "no Ed25519 key"},
    };

    EACH(bad, i)
    {
        cr_assert_eq(rig_add(&g, bad[i].alg, bad[i].pem), ERR_INVALID);
        cr_assert(says(bad[i].says), "%s", g.why.text);
        cr_assert(says(g.path), "%s", g.why.text);
    }
    cr_assert_eq(jwt_keys_count(g.keys), 0);
}

static void refuse(const char *alg, EVP_PKEY *pkey, const char *text)
{
    cr_assert(pkey);
    cr_assert_eq(rig_add_public(&g, alg, pkey), ERR_INVALID, "%s", alg);
    cr_assert(says(text), "%s", g.why.text);
    cr_assert_eq(ERR_peek_error(), 0ul);
    EVP_PKEY_free(pkey);
}

Test(jwt_keys, sizes_and_cousins)
{
    refuse("RS256", EVP_RSA_gen(1024), "1024 bits; at least 2048");
    refuse("PS512", EVP_RSA_gen(1536), "1536 bits");
    refuse("ES256", EVP_EC_gen("secp256k1"), "curve P-256");
    refuse("ES256", EVP_EC_gen("brainpoolP256r1"), "curve P-256");
    refuse("EdDSA", EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), "no Ed25519 key");
    refuse("EdDSA", EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "no Ed25519 key");
}

static EVP_PKEY *pss_key(const EVP_MD *md, int salt)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *pkey = NULL;

    cr_assert_eq(EVP_PKEY_keygen_init(ctx), 1);
    cr_assert_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    if (md) {
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_md(ctx, md), 1);
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(ctx, md), 1);
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx, salt), 1);
    }
    cr_assert_eq(EVP_PKEY_generate(ctx, &pkey), 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* RSASSA-PSS keys can be bound to a hash. */
Test(jwt_keys, keys_that_are_for_pss)
{
    EVP_PKEY *any = pss_key(NULL, 0), *sha384 = pss_key(EVP_sha384(), 48);

    cr_assert_eq(rig_add_public(&g, "PS256", any), 0, "%s", g.why.text);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"PS256\"}", ADA, "PS256", any)), AUTH_OK);
    cr_assert_eq(rig_add_public(&g, "RS256", any), ERR_INVALID);
    cr_assert_eq(rig_add_public(&g, "PS384", sha384), 0, "%s", g.why.text);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"PS384\"}", ADA, "PS384", sha384)), AUTH_OK);
    cr_assert_eq(rig_add_public(&g, "PS256", sha384), ERR_INVALID);
    cr_assert(says("cannot be used with PS256"));
    EVP_PKEY_free(any);
    EVP_PKEY_free(sha384);
}

/* A curve by its numbers could be any. */
Test(jwt_keys, explicit_curves)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    char pem[4096];

    cr_assert_eq(EVP_PKEY_keygen_init(ctx), 1);
    cr_assert_eq(EVP_PKEY_CTX_set_group_name(ctx, "P-256"), 1);
    cr_assert_eq(EVP_PKEY_generate(ctx, &pkey), 1);
    cr_assert_eq(EVP_PKEY_set_utf8_string_param(pkey, "encoding", "explicit"), 1);
    /* OpenSSL may know the numbers: then it is the curve. What counts is that a token
     * of another curve never passes. */
    if (rig_add(&g, "ES256", rig_pem(pkey, false, pem)) == 0) {
        cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"ES256\"}", ADA, "ES256", pkey)), AUTH_OK);
    }
    cr_assert_eq(rig_add(&g, "ES384", pem), ERR_INVALID);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
}

Test(jwt_keys, private_keys_are_refused)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    char pem[4096], both[8192];

    cr_assert_eq(rig_add(&g, "ES256", rig_pem(pkey, true, pem)), ERR_INVALID);
    cr_assert(says("private key"), "%s", g.why.text);
    snprintf(both, sizeof(both), "%s%s", NODE_P256, pem);
    cr_assert_eq(rig_add(&g, "ES256", both), ERR_INVALID, "also behind a public one");
    cr_assert_eq(rig_add(&g, "RS256",
                         "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
                 ERR_INVALID);
    cr_assert(says("private key"));
    cr_assert_eq(rig_add(&g, "ES256",
                         "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                         "-----END ENCRYPTED PRIVATE KEY-----\n"),
                 ERR_INVALID);
    cr_assert(says("private key"));
    cr_assert_eq(jwt_keys_count(g.keys), 0);
    EVP_PKEY_free(pkey);
}

Test(jwt_keys, an_empty_set_can_be_freed)
{
    jwt_keys_free(NULL);
    jwt_key_free(NULL);
}
