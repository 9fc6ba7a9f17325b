/* auth/jwk: a file of public keys. What is accepted has no private member of a key
 * pair, and the same keys again are refused or make as many. */
#include "fuzz.h"

#include "auth/jwt.h"
#include "fuzz_memfile.h"
#include "proto/json.h"

static bool is_pair(const struct json_node *jwk)
{
    const struct json_node *kty = json_get(jwk, "kty");

    return kty &&
           (str_eqz(kty->text, "RSA") || str_eqz(kty->text, "EC") || str_eqz(kty->text, "OKP"));
}

static void check_public(const struct json_node *root)
{
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    const struct json_node *list = json_get(root, "keys");

    FUZZ_CHECK(list && list->type == JSON_ARRAY && list->count > 0);
    for (const struct json_node *n = list->child; n; n = n->next) {
        for (unsigned i = 0; is_pair(n) && i < sizeof(private) / sizeof(private[0]); i++) {
            FUZZ_CHECK(!json_get(n, private[i]), "a private key: %.*s", FUZZ_STR(n->raw));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json_limits lim = {.max_depth = 100, .tree_depth = 4, .max_nodes = 100000};
    const char *path = fuzz_memfile(data, size);
    const struct json_node *root;
    struct json_error jerr;
    struct json_doc *doc;
    struct jwt_keys *keys, *again;
    struct errmsg why = {""};
    int rc;

    FUZZ_CHECK(json_doc_new(&doc) == 0 && jwt_keys_new(&keys) == 0 && jwt_keys_new(&again) == 0);
    rc = jwt_keys_add_jwks(keys, path, &why);
    if (rc == 0) {
        FUZZ_CHECK(jwt_keys_count(keys) > 0);
        /* Whether a damaged RSA modulus passes is, for OpenSSL, a matter of random numbers. */
        if (jwt_keys_add_jwks(again, path, &why) == 0) {
            FUZZ_CHECK(jwt_keys_count(keys) == jwt_keys_count(again));
        } else {
            FUZZ_CHECK(memmem(data, size, "\"RSA\"", 5) || memchr(data, '\\', size), "%s",
                       why.text);
        }
        rc = json_parse(doc, (struct str){(const char *)data, size}, &lim, &root, &jerr);
        FUZZ_CHECK(rc == 0, "%s", jerr.text);
        check_public(root);
    } else {
        FUZZ_CHECK(rc != ERR_NOMEM, "%s", why.text);
        fuzz_sentence_cut(why.text, sizeof(why.text));
    }
    jwt_keys_free(keys);
    jwt_keys_free(again);
    json_doc_free(doc);
    return 0;
}
