/* Key sets: what is taken, what is left out, what fails the load. */
#include "auth/jwk.h"

#include "support_jwt.h"

static struct rig g;

static void start(void)
{
    rig_init(&g);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwk, .init = start, .fini = stop, .timeout = 60);

#define EACH(list, i) for (unsigned i = 0; i < sizeof(list) / sizeof((list)[0]); i++)
#define GOOD_EC "{\"kty\":\"EC\",\"kid\":\"good\",\"crv\":\"P-256\"," GOOD_XY "}"
#define GOOD_XY                                              \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED_X "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define K32 "\"k\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\""

/* A set with this key and, before it, a good one. */
static int with(const char *jwk)
{
    static char text[16384];

    rig_clear(&g);
    snprintf(text, sizeof(text), "{\"keys\":[" GOOD_EC ",%s]}", jwk);
    return rig_jwks(&g, text);
}

static int only(const char *jwk)
{
    static char text[16384];

    rig_clear(&g);
    snprintf(text, sizeof(text), "{\"keys\":[%s]}", jwk);
    return rig_jwks(&g, text);
}

Test(jwk, keys_as_node_exports_them)
{
    static const char *const jwks[] = {NODE_JWK_RSA,  NODE_JWK_PS384, NODE_JWK_P256,
                                       NODE_JWK_P384, NODE_JWK_P521,  NODE_JWK_ED25519};
    static const char *const algs[] = {"RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"};
    char all[8192];

    snprintf(all, sizeof(all), "{\"keys\":[%s,%s,%s,%s,%s,%s],\"more\":1}", jwks[0], jwks[1],
             jwks[2], jwks[3], jwks[4], jwks[5]);
    cr_assert_eq(rig_jwks(&g, all), 0, "%s", g.why.text);
    cr_assert_eq(jwt_keys_count(g.keys), 6);
    for (size_t t = 0; t < NODE_TOKENS; t++) {
        bool there = false;
        EACH(algs, i)
        {
            there = there || strcmp(algs[i], node_tokens[t].alg) == 0;
        }
        cr_assert_eq(rig_check(&g, str_of(node_tokens[t].token)), there ? AUTH_OK : AUTH_UNKNOWN,
                     "%s", node_tokens[t].alg);
    }
    /* Each alone. */
    EACH(algs, i)
    {
        cr_assert_eq(only(jwks[i]), 0);
        cr_assert_eq(jwt_keys_count(g.keys), 1);
    }
}

Test(jwk, oct)
{
    char text[512];
    unsigned char raw[] = NODE_SECRET;
    char coded[128];

    base64url_encode(raw, sizeof(raw) - 1, coded);
    snprintf(text, sizeof(text), "{\"kty\":\"oct\",\"kid\":\"k\",\"alg\":\"HS512\",\"k\":\"%s\"}",
             coded);
    cr_assert_eq(only(text), 0, "%s", g.why.text);
    for (size_t t = 0; t < NODE_TOKENS; t++) {
        if (strcmp(node_tokens[t].alg, "HS512") == 0) {
            /* Its kid is another. */
            cr_assert_eq(rig_check(&g, str_of(node_tokens[t].token)), AUTH_UNKNOWN);
        }
    }
    snprintf(text, sizeof(text),
             "{\"kty\":\"oct\",\"kid\":\"node-HS512\",\"alg\":\"HS512\",\"k\":\"%s\"}", coded);
    cr_assert_eq(only(text), 0);
    for (size_t t = 0; t < NODE_TOKENS; t++) {
        if (strcmp(node_tokens[t].alg, "HS512") == 0) {
            cr_assert_eq(rig_check(&g, str_of(node_tokens[t].token)), AUTH_OK);
        }
    }
    /* It must not be readable for everybody, as public keys may. */
    cr_assert_eq(chmod(g.path, 0644), 0);
    rig_clear(&g);
    cr_assert_eq(jwt_keys_add_jwks(g.keys, g.path, &g.why), ERR_INVALID);
    cr_assert_neq(strstr(g.why.text, "chmod o-r"), NULL, "%s", g.why.text);
    cr_assert_eq(only(NODE_JWK_RSA), 0);
    cr_assert_eq(chmod(g.path, 0644), 0);
    rig_clear(&g);
    cr_assert_eq(jwt_keys_add_jwks(g.keys, g.path, &g.why), 0, "%s", g.why.text);
    cr_assert_eq(chmod(g.path, 0646), 0);
    cr_assert_eq(jwt_keys_add_jwks(g.keys, g.path, &g.why), ERR_INVALID, "all may write it");
}

/* For something else, or made later than this program. */
Test(jwk, what_is_left_out)
{
    static const char *const others[] = {
        "{\"kty\":\"new\",\"d\":1}",
        "{\"kty\":\"rsa\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\"," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"enc\"," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"SIG\"," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_ops\":[\"sign\"]," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_ops\":[]," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_ops\":[1,[\"verify\"]]," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"enc\",\"key_ops\":[\"verify\"]," GOOD_XY "}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES\"," GOOD_XY "}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED_X "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\"," ED_X "}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"alg\":\"EdDSA\"," ED_X "}",
        "{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\",\"n\":\"AQ\",\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\",\"alg\":\"A128KW\"," K32 "}",
    };

    EACH(others, i)
    {
        cr_assert_eq(with(others[i]), 0, "%s: %s", others[i], g.why.text);
        cr_assert_eq(jwt_keys_count(g.keys), 1, "%s", others[i]);
        /* A set of these alone checks nothing. */
        cr_assert_eq(only(others[i]), ERR_INVALID, "%s", others[i]);
        cr_assert_neq(strstr(g.why.text, "no key that can check tokens"), NULL, "%s", g.why.text);
    }
}

Test(jwk, what_fails_the_load)
{
    static const struct {
        const char *jwk, *says;
    } bad[] = {
        {"1", "no JSON object"},
        {"null", "no JSON object"},
        {"[]", "no JSON object"},
        {"{}", "no kty"},
        {"{\"kty\":1}", "kty"},
        {"{\"kty\":\"EC\",\"kty\":\"EC\"}", "once"},
        {"{\"kty\":\"oct\"," K32 "}", "no alg"},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\"}", "no k"},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"\"}", "has k that"},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AAAA=\"}", "has k that"},
        {"{\"kty\":\"oct\",\"alg\":\"HS384\"," K32 "}", "32 bytes; HS384 needs at least 48"},
        {"{\"kty\":\"oct\",\"alg\":\"RS256\"," K32 "}", "does not fit"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"HS256\"," GOOD_XY "}", "does not fit"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\"," GOOD_XY "}", "does not fit"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"RS256\"," GOOD_XY "}", "does not fit"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"EdDSA\"," GOOD_XY "}", "does not fit"},
        {"{\"kty\":\"RSA\",\"alg\":\"ES256\",\"n\":\"AQ\",\"e\":\"AQAB\"}", "does not fit"},
        {"{\"kty\":\"RSA\",\"alg\":\"HS256\",\"n\":\"AQ\",\"e\":\"AQAB\"}", "does not fit"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\"," ED_X "}", "does not fit"},
        {"{\"kty\":\"EC\"," GOOD_XY "}", "no crv"},
        {"{\"kty\":\"EC\",\"crv\":256," GOOD_XY "}", "crv"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"}", "no x"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\"," GOOD_XY "}", "32 bytes; P-384 has 48"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
         "3 bytes; P-256 has 32"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1\"}",
         "has y that"}, /* bits of nothing in the last digit */
        {"{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4A\"}",
         "33 bytes"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
         "no point of P-256"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
         "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
         "no point of P-256"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "no x"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "3 bytes; Ed25519 has 32"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
         "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"}",
         "has x that"},
        {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "no n"},
        {"{\"kty\":\"RSA\",\"n\":\"AQ\"}", "no e"},
        {"{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}", ""},
        {"{\"kty\":\"RSA\",\"n\":1,\"e\":\"AQAB\"}", "no n"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":1," GOOD_XY "}", "use"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_ops\":\"verify\"," GOOD_XY "}", "key_ops"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":1," GOOD_XY "}", "kid"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\\u0000\"," GOOD_XY "}", "kid"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":1," GOOD_XY "}", "alg"},
        {GOOD_EC, "two ES256 keys with the kid \"good\""},
    };

    EACH(bad, i)
    {
        cr_assert_lt(with(bad[i].jwk), 0, "%s", bad[i].jwk);
        cr_assert_neq(strstr(g.why.text, bad[i].says), NULL, "%s: %s", bad[i].jwk, g.why.text);
        cr_assert_neq(strstr(g.why.text, "keys[1]"), NULL, "%s", g.why.text);
        cr_assert_neq(strstr(g.why.text, g.path), NULL, "%s", g.why.text);
        cr_assert_eq(ERR_peek_error(), 0ul, "%s", bad[i].jwk);
    }
}

Test(jwk, private_members_are_refused)
{
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    char jwk[512];

    EACH(members, i)
    {
        snprintf(jwk, sizeof(jwk),
                 "{\"kty\":\"EC\",\"crv\":\"P-256\"," GOOD_XY ",\"%s\":\"s3cr3t\"}", members[i]);
        cr_assert_eq(with(jwk), ERR_INVALID);
        cr_assert_neq(strstr(g.why.text, "private member"), NULL, "%s", g.why.text);
        cr_assert_eq(strstr(g.why.text, "s3cr3t"), NULL);
        /* Also of a key that is not used. */
        snprintf(jwk, sizeof(jwk), "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"use\":\"enc\",\"%s\":1}",
                 members[i]);
        cr_assert_eq(with(jwk), ERR_INVALID);
    }
}

/* RSA with few bits, with exponent 1 (every signature would be right), even numbers. */
Test(jwk, rsa_numbers)
{
    static const char *const e[] = {"AQ", "Ag", "AA", "AQAA"};
    char jwk[2048], n[512];
    unsigned char bytes[256];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(0x81 + i * 37);
    }
    bytes[127] |= 1;
    bytes[255] |= 1;
    base64url_encode(bytes, 128, n);
    snprintf(jwk, sizeof(jwk), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    cr_assert_eq(with(jwk), ERR_INVALID);
    cr_assert_neq(strstr(g.why.text, "1024 bits; at least 2048"), NULL, "%s", g.why.text);
    /* The RSA key of the vectors with another e */
    const char *at = strstr(NODE_JWK_RSA, "\"n\":\"") + 5;
    size_t len = (size_t)(strchr(at, '"') - at);
    EACH(e, i)
    {
        snprintf(jwk, sizeof(jwk), "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%s\"}", (int)len, at,
                 e[i]);
        cr_assert_eq(with(jwk), ERR_INVALID, "%s", e[i]);
        cr_assert_eq(ERR_peek_error(), 0ul);
    }
    snprintf(jwk, sizeof(jwk), "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\"}", (int)len, at);
    cr_assert_eq(with(jwk), 0, "%s", g.why.text);
    /* An n that is even */
    bytes[255] &= 0xfe;
    base64url_encode(bytes, 256, n);
    snprintf(jwk, sizeof(jwk), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    cr_assert_eq(with(jwk), ERR_INVALID);
    /* Longer than any */
    char *huge = malloc(9000);
    memset(huge, 'A', 8999);
    huge[8999] = '\0';
    char *text = malloc(10000);
    snprintf(text, 10000, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", huge);
    cr_assert_eq(with(text), ERR_INVALID);
    free(text);
    free(huge);
}

Test(jwk, kids)
{
    /* The same kid for keys of different algorithms, and none twice: good. */
    cr_assert_eq(with("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"good\"," ED_X "}"), 0);
    cr_assert_eq(jwt_keys_count(g.keys), 2);
    cr_assert_eq(with("{\"kty\":\"EC\",\"crv\":\"P-256\"," GOOD_XY "},"
                      "{\"kty\":\"EC\",\"crv\":\"P-256\"," GOOD_XY "}"),
                 0);
    cr_assert_eq(jwt_keys_count(g.keys), 3);
    /* Also across options. */
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "ES256@good", NODE_P256), 0);
    cr_assert_eq(rig_jwks(&g, "{\"keys\":[" GOOD_EC "]}"), ERR_EXISTS);
}

Test(jwk, the_set)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "1",
        "{\"keys\":1}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        GOOD_EC,
        "[" GOOD_EC "]",
        "{\"keys\":[" GOOD_EC "],\"keys\":[]}",
        "{\"keys\":[" GOOD_EC "]}x",
        "{\"keys\":[{\"kty\":\"\xff\"}]}",
    };
    struct errmsg why;

    EACH(bad, i)
    {
        rig_clear(&g);
        cr_assert_eq(rig_jwks(&g, bad[i]), ERR_INVALID, "%s", bad[i]);
        cr_assert_eq(strncmp(g.why.text, g.path, strlen(g.path)), 0, "%s", g.why.text);
    }
    cr_assert_eq(jwt_keys_add_jwks(g.keys, "/nowhere/at/all", &why), ERR_SYSTEM);
    cr_assert_eq(jwt_keys_add_jwks(g.keys, g.dir, &why), ERR_INVALID);
    /* Deep, and long */
    char *text = malloc(1100000);
    memset(text, '[', 1000);
    text[1000] = '\0';
    cr_assert_eq(rig_jwks(&g, text), ERR_INVALID);
    memset(text, ' ', 1099999);
    text[1099999] = '\0';
    cr_assert_eq(rig_jwks(&g, text), ERR_INVALID);
    free(text);
}

/* No part of a secret is told. */
Test(jwk, sentences_keep_secrets)
{
    cr_assert_eq(with("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0c2VjcmV0\"}"),
                 ERR_INVALID);
    cr_assert_eq(strstr(g.why.text, "c2Vj"), NULL, "%s", g.why.text);
    cr_assert_eq(strstr(g.why.text, "secretsecret"), NULL);
    cr_assert_eq(with("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2Vj*mV0c2VjcmV0\"}"),
                 ERR_INVALID);
    cr_assert_eq(strstr(g.why.text, "c2Vj"), NULL, "%s", g.why.text);
}
