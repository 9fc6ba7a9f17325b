/* The examples of RFC 7515, appendix A, and of RFC 8037, appendix A. */
#include "support_jwt.h"

#include "auth/jwk.h"
#include "auth/jwt_text.h"

/* {"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true} */
#define CLAIMS                                                                                 \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
    "cnVlfQ"
#define BEFORE ((uint64_t)1300819379999)

static struct rig g;

static void start(void)
{
    rig_init(&g);
    g.policy.leeway_ms = 0;
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_rfc, .init = start, .fini = stop, .timeout = 60);

static void joe(const char *jwks, const char *token)
{
    cr_assert_eq(rig_jwks(&g, jwks), 0, "%s", g.why.text);
    cr_assert_eq(jwt_check(g.keys, &g.policy, str_of(token), BEFORE, &g.grant, &g.why), AUTH_OK,
                 "%s", g.why.text);
    cr_assert_eq(g.grant->s.expires_ms, BEFORE + 1);
    grant_unref(g.grant);
    cr_assert_eq(jwt_check(g.keys, &g.policy, str_of(token), BEFORE + 1, &g.grant, &g.why),
                 AUTH_EXPIRED);
}

Test(jwt_rfc, rfc7515_a1_hs256)
{
    joe("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
        "Est"
        "JQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

Test(jwt_rfc, rfc7515_a2_rs256)
{
    joe("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
        "wWJcyQoTbji9k0l8W26mPd"
        "dxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
        "YpRPEwOWvG6b32690r2jZ47soMZo"
        "9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
        "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"
        "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
        "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
        "4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
        "eyJhbGciOiJSUzI1NiJ9." CLAIMS
        ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
        "O8W2Fp5"
        "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
        "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
        "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
        "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
        "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
}

Test(jwt_rfc, rfc7515_a3_es256)
{
    joe("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHv"
        "RVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
        "eyJhbGciOiJFUzI1NiJ9." CLAIMS
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
}

/* Those that sign something else than claims. */
static int signature(const char *jwk, const char *token, const char *payload)
{
    static const struct json_limits limits = {.max_depth = 4, .tree_depth = 2, .max_nodes = 16};
    const struct json_node *root;
    struct json_error error;
    struct json_doc *doc;
    struct jwt_text t;
    struct jwt_key *key;

    cr_assert_eq(json_doc_new(&doc), 0);
    cr_assert_eq(json_parse(doc, str_of(jwk), &limits, &root, &error), 0);
    cr_assert_eq(jwk_read(root, &key, &g.why), 0, "%s", g.why.text);
    cr_assert_eq(jwt_text_read(str_of(token), &t, &g.why), 0, "%s", g.why.text);
    cr_assert(str_eqz(t.claims, payload));
    int rc = jwt_key_verify(key, t.signed_part, t.sig);
    jwt_key_free(key);
    json_doc_free(doc);
    return rc;
}

Test(jwt_rfc, rfc7515_a4_es512)
{
    cr_assert_eq(
        signature(
            "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":"
            "\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcB"
            "pXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQ"
            "yyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_"
            "UxMi70cwnZOYaRI1bKP"
            "WROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO"
            "7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
            "Payload"),
        0);
}

Test(jwt_rfc, rfc8037_a4_eddsa)
{
    static const char jwk[] =
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcv"
        "PapiMlrwIaaPcHURo\"}";

    cr_assert_eq(
        signature(jwk,
                  "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0Jzl"
                  "nLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
                  "Example of Ed25519 signing"),
        0);
    cr_assert_eq(
        signature(jwk,
                  "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0Jzl"
                  "nLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAw",
                  "Example of Ed25519 signing"),
        ERR_INVALID);
}
