/* What has been tried on those who check tokens: RFC 8725, and what libraries got wrong. */
#include "auth/jwt.h"

#include "support_jwt.h"

#define ADA "{\"sub\":\"ada\"}"
#define SECRET STR_LIT(NODE_SECRET)

static struct rig g;

static void start(void)
{
    rig_init(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_header, .init = start, .fini = stop, .timeout = 60);

static enum auth_outcome header(const char *text)
{
    return rig_check(&g, rig_hmac(&g, text, ADA, SECRET));
}

Test(jwt_header, none_is_no_algorithm)
{
    static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "null"};
    char text[64];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(text, sizeof(text), "{\"alg\":\"%s\"}", names[i]);
        cr_assert_eq(header(text), AUTH_MALFORMED, "%s", text);
        /* As it is meant: with no signature. */
        cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, "", 0)), AUTH_MALFORMED);
    }
    /* RFC 7515 A.5 */
    cr_assert_eq(
        rig_check(&g, STR_LIT("eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkz"
                              "ODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.")),
        AUTH_MALFORMED);
}

Test(jwt_header, alg_is_exact)
{
    static const char *const bad[] = {
        "{\"alg\":\"hs256\"}",   "{\"alg\":\"Hs256\"}",
        "{\"alg\":\"HS256 \"}",  "{\"alg\":\"HS\"}",
        "{\"alg\":\"HS2560\"}",  "{\"alg\":\"HS256\\u0000\"}",
        "{\"alg\":[\"HS256\"]}", "{\"alg\":256}",
        "{\"alg\":null}",        "{}",
        "{\"ALG\":\"HS256\"}",   "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}",
        "{\"alg\":\"ES256K\"}",  "{\"alg\":\"RSA-OAEP\"}"};

    cr_assert_eq(header("{\"alg\":\"HS256\"}"), AUTH_OK);
    cr_assert_eq(header(" {\r\n\t\"al\\u0067\" : \"HS\\u003256\" } "), AUTH_OK);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(header(bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
}

/* The attack: everybody has the public key; it is used as HMAC's secret. */
Test(jwt_header, a_public_key_is_no_secret)
{
    static const char *const pem[] = {NODE_RSA, NODE_P256, NODE_ED25519};
    static const char *const alg[] = {"RS256", "ES256", "EdDSA"};

    for (unsigned i = 0; i < 3; i++) {
        rig_clear(&g);
        cr_assert_eq(rig_add(&g, alg[i], pem[i]), 0);
        cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, str_of(pem[i]))), AUTH_UNKNOWN);
        /* Nor without the newline, nor under the name of its own algorithm. */
        struct str chomped = {pem[i], strlen(pem[i]) - 1};
        cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, chomped)), AUTH_UNKNOWN);
        char text[32];
        snprintf(text, sizeof(text), "{\"alg\":\"%s\"}", alg[i]);
        cr_assert_eq(rig_check(&g, rig_hmac(&g, text, ADA, str_of(pem[i]))), AUTH_FORGED);
    }
    /* With a real secret beside it. */
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "RS256", NODE_RSA), 0);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, str_of(NODE_RSA))), AUTH_FORGED);
}

Test(jwt_header, a_wrong_key_is_noticed)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");

    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA,
                                        STR_LIT("another secret that is long enough to be one"))),
                 AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, STR_LIT(""))), AUTH_FORGED);
    cr_assert_eq(rig_add(&g, "ES256", NODE_P256), 0);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"ES256\"}", ADA, "ES256", other)),
                 AUTH_FORGED);
    EVP_PKEY_free(other);
}

Test(jwt_header, without_keys_nothing_passes)
{
    rig_clear(&g);
    cr_assert_eq(jwt_keys_count(g.keys), 0);
    cr_assert_eq(header(HS256), AUTH_UNKNOWN);
    for (size_t i = 0; i < NODE_TOKENS; i++) {
        cr_assert_eq(rig_check(&g, str_of(node_tokens[i].token)), AUTH_UNKNOWN);
    }
}

/* A hash cut short, lengthened, or of another size. */
Test(jwt_header, a_mac_has_its_length)
{
    struct str good = rig_hmac(&g, HS256, ADA, SECRET);
    unsigned char sig[64] = {0};

    cr_assert_eq(rig_check(&g, good), AUTH_OK);
    cr_assert_eq(good.len % 4 == 1, false);
    for (size_t cut = 1; cut < 43; cut++) {
        cr_assert_neq(rig_check(&g, (struct str){good.p, good.len - cut}), AUTH_OK);
    }
    for (size_t n = 1; n <= sizeof(sig); n++) {
        cr_assert_eq(rig_check(&g, rig_join(&g, HS256, ADA, sig, n)), AUTH_FORGED);
    }
}

/* r and s of 32 bytes each, not the DER of it, and no zeroes. */
Test(jwt_header, ecdsa_has_one_form)
{
    static const char text[] = "{\"alg\":\"ES256\"}";
    unsigned char sig[80] = {0};
    EVP_PKEY *pkey = EVP_EC_gen("P-256");

    cr_assert_eq(rig_add_public(&g, "ES256", pkey), 0);
    struct str good = rig_by(&g, text, ADA, "ES256", pkey);
    cr_assert_eq(rig_check(&g, good), AUTH_OK);

    size_t len;
    const char *dot = strrchr(g.token, '.');
    cr_assert_eq(base64url_decode(str_of(dot + 1), sig, &len), 0);
    cr_assert_eq(len, 64);
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, sig, 63)), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, sig, 65)), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, sig, 32)), AUTH_FORGED);
    /* As numbers the same, one byte more each. */
    unsigned char wide[66] = {0};
    memcpy(wide + 1, sig, 32);
    memcpy(wide + 34, sig + 32, 32);
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, wide, 66)), AUTH_FORGED);
    /* CVE-2022-21449 */
    memset(sig, 0, sizeof(sig));
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, sig, 64)), AUTH_FORGED);
    memset(sig, 0xff, sizeof(sig));
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, sig, 64)), AUTH_FORGED);
    /* The DER itself */
    unsigned char der[80];
    size_t der_len = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct str part = rig_join(&g, text, ADA, "", 0);
    cr_assert_eq(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, pkey, NULL), 1);
    cr_assert_eq(EVP_DigestSign(ctx, der, &der_len, (const unsigned char *)part.p, part.len - 1),
                 1);
    EVP_MD_CTX_free(ctx);
    cr_assert_eq(rig_check(&g, rig_join(&g, text, ADA, der, der_len)), AUTH_FORGED);
    EVP_PKEY_free(pkey);
}

/* A signature over another hash, or padded in the other way, by the right key. */
Test(jwt_header, the_algorithm_is_the_keys)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);

    rig_clear(&g);
    cr_assert_eq(rig_add_public(&g, "RS256", rsa), 0);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"RS256\"}", ADA, "RS256", rsa)), AUTH_OK);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"RS256\"}", ADA, "RS384", rsa)), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"RS256\"}", ADA, "PS256", rsa)), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"PS256\"}", ADA, "PS256", rsa)), AUTH_UNKNOWN);
    cr_assert_eq(rig_add_public(&g, "PS256", rsa), 0);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"PS256\"}", ADA, "PS256", rsa)), AUTH_OK);
    cr_assert_eq(rig_check(&g, rig_by(&g, "{\"alg\":\"PS256\"}", ADA, "RS256", rsa)), AUTH_FORGED);
    EVP_PKEY_free(rsa);
}

Test(jwt_header, types)
{
    static const char *const good[] = {"JWT", "jwt", "Jwt", "at+jwt", "AT+JWT"};
    static const char *const bad[] = {"\"JOSE\"", "\"JWT \"", "\"\"",           "\"JWE\"",
                                      "null",     "1",        "[\"JWT\"]",      "\"dpop+jwt\"",
                                      "\"jw\"",   "{}",       "\"JWT\\u0000\"", "\"logout+jwt\""};
    char text[80];

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "{\"alg\":\"HS256\",\"typ\":\"%s\"}", good[i]);
        cr_assert_eq(header(text), AUTH_OK, "%s", text);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "{\"alg\":\"HS256\",\"typ\":%s}", bad[i]);
        cr_assert_eq(header(text), AUTH_MALFORMED, "%s", text);
    }
}

Test(jwt_header, crit_is_refused)
{
    cr_assert_eq(header("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"crit\":[]}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"crit\":null}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"cri\\u0074\":[]}"), AUTH_MALFORMED);
}

Test(jwt_header, members_stand_once)
{
    cr_assert_eq(header("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"none\",\"alg\":\"HS256\"}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"x\":1,\"x\":1}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}"), AUTH_MALFORMED);
}

Test(jwt_header, is_an_object)
{
    static const char *const bad[] = {"[]",
                                      "null",
                                      "\"HS256\"",
                                      "{",
                                      "{}{}",
                                      "{\"alg\":\"HS256\",}",
                                      "\xef\xbb\xbf{\"alg\":\"HS256\"}", /* a byte order mark */
                                      "{\"alg\":\"HS256\"}x",
                                      "{\"alg\":\"HS256\",\"kid\":\"\xff\"}",
                                      "{\"alg\":\"HS256\",\"a\":\"\xc0\xaf\"}",
                                      "{\"alg\":\"HS256\",\"a\":\"\xed\xa0\x80\"}"};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(header(bad[i]), AUTH_MALFORMED, "%s", bad[i]);
    }
}

Test(jwt_header, is_bounded)
{
    char text[2048] = "{\"alg\":\"HS256\",\"a\":";
    size_t n = strlen(text);

    for (unsigned i = 0; i < 40; i++) {
        text[n + i] = '[';
        text[n + 40 + i] = ']';
    }
    memcpy(text + n + 80, "}", 2);
    cr_assert_eq(header(text), AUTH_MALFORMED, "deep");
    n = (size_t)snprintf(text, sizeof(text), "{\"alg\":\"HS256\"");
    for (unsigned i = 0; i < 100; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"a%u\":1", i);
    }
    snprintf(text + n, sizeof(text) - n, "}");
    cr_assert_eq(header(text), AUTH_MALFORMED, "many");
}

/* The attacker brings the key along. */
Test(jwt_header, keys_in_the_token_do_not_count)
{
    EVP_PKEY *mine = EVP_EC_gen("P-256");
    char text[2048];

    cr_assert_eq(rig_add(&g, "ES256", NODE_P256), 0);
    snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"jwk\":%s,\"jku\":\"http://127.0.0.1/\"}",
             NODE_JWK_P256);
    cr_assert_eq(rig_check(&g, rig_by(&g, text, ADA, "ES256", mine)), AUTH_FORGED);
    /* There is no harm in it either. */
    cr_assert_eq(header("{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"},\"x5c\":[],"
                        "\"x5u\":\"file:///etc/passwd\"}"),
                 AUTH_OK);
    EVP_PKEY_free(mine);
}

Test(jwt_header, kids)
{
    struct str other = STR_LIT("a second secret of more than thirty-two bytes");

    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256@a", NODE_SECRET), 0);
    cr_assert_eq(rig_add(&g, "HS256@b", other.p), 0);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"a\"}"), AUTH_OK);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"b\"}"), AUTH_FORGED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"c\"}"), AUTH_UNKNOWN);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"\"}"), AUTH_UNKNOWN);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"a\\u0000\"}"), AUTH_UNKNOWN);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}"), AUTH_UNKNOWN);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":1}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":null}"), AUTH_MALFORMED);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"\\ud800\"}"), AUTH_MALFORMED);
    /* Without one all are tried. */
    cr_assert_eq(header("{\"alg\":\"HS256\"}"), AUTH_OK);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, other)), AUTH_OK);
    /* A key without one is for every kid. */
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
    cr_assert_eq(rig_add(&g, "HS256@b", other.p), 0);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"c\"}"), AUTH_OK);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"b\"}"), AUTH_OK);
    /* A kid of another algorithm's key is none of this one. */
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256@a", NODE_SECRET), 0);
    cr_assert_eq(rig_add(&g, "RS256@r", NODE_RSA), 0);
    cr_assert_eq(header("{\"alg\":\"HS256\",\"kid\":\"r\"}"), AUTH_UNKNOWN);
}

/* For a while both are good; then the old one is taken out. */
Test(jwt_header, rotation)
{
    struct str new = STR_LIT("the new secret, which has more than 32 bytes");
    struct str old_token = rig_hmac(&g, HS256, ADA, SECRET);
    char kept[512];

    snprintf(kept, sizeof(kept), "%s", old_token.p);
    cr_assert_eq(rig_add(&g, "HS256", new.p), 0);
    cr_assert_eq(rig_check(&g, str_of(kept)), AUTH_OK);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, new)), AUTH_OK);
    rig_clear(&g);
    cr_assert_eq(rig_add(&g, "HS256", new.p), 0);
    cr_assert_eq(rig_check(&g, str_of(kept)), AUTH_FORGED);
    cr_assert_eq(rig_check(&g, rig_hmac(&g, HS256, ADA, new)), AUTH_OK);
}

/* A token makes only so much work. */
Test(jwt_header, tries_are_bounded)
{
    char alg[16], secret[64];
    int rc = 0;
    unsigned n = 0;

    rig_clear(&g);
    for (unsigned i = 0; i <= JWT_MAX_TRIES; i++) {
        snprintf(alg, sizeof(alg), "HS256@%u", i);
        snprintf(secret, sizeof(secret), "secret number %u with more than thirty-two bytes", i);
        cr_assert_eq(rig_add(&g, alg, i == JWT_MAX_TRIES - 1 ? NODE_SECRET : secret), 0);
        if (i == JWT_MAX_TRIES - 1) {
            cr_assert_eq(header(HS256), AUTH_OK, "the last of as many as may be");
        }
    }
    cr_assert_eq(header(HS256), AUTH_UNKNOWN, "one too many");
    snprintf(secret, sizeof(secret), "{\"alg\":\"HS256\",\"kid\":\"%d\"}", JWT_MAX_TRIES - 1);
    cr_assert_eq(header(secret), AUTH_OK);
    /* Nor can so many be without a kid. */
    rig_clear(&g);
    for (; n < 100 && rc == 0; n++) {
        snprintf(secret, sizeof(secret), "secret number %u with more than thirty-two bytes", n);
        rc = rig_add(&g, "HS256", secret);
    }
    cr_assert_eq(rc, ERR_LIMIT);
    cr_assert_eq(n, JWT_MAX_TRIES);
}
