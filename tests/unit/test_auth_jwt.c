/* Tokens of others, and all that has been tried on those who check them. */
#include "auth/jwt.h"

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

TestSuite(jwt, .init = start, .fini = stop, .timeout = 60);

static const char *public_of(const char *alg)
{
    if (strncmp(alg, "ES", 2) == 0) {
        return alg[2] == '2' ? NODE_P256 : alg[2] == '3' ? NODE_P384 : NODE_P521;
    }
    return alg[0] == 'H' ? NODE_SECRET : alg[0] == 'E' ? NODE_ED25519 : NODE_RSA;
}

static const char *node_token(const char *alg)
{
    for (size_t i = 0; i < NODE_TOKENS; i++) {
        if (strcmp(node_tokens[i].alg, alg) == 0) {
            return node_tokens[i].token;
        }
    }
    cr_assert_fail("%s", alg);
    return NULL;
}

Test(jwt, takes_every_algorithm_as_node_signs_it)
{
    for (size_t i = 0; i < NODE_TOKENS; i++) {
        const char *alg = node_tokens[i].alg;

        rig_clear(&g);
        cr_assert_eq(rig_add(&g, alg, public_of(alg)), 0, "%s: %s", alg, g.why.text);
        cr_assert_eq(rig_check(&g, str_of(node_tokens[i].token)), AUTH_OK, "%s: %s", alg,
                     g.why.text);
        cr_assert(str_eqz(g.grant->s.user, "ada"));
        cr_assert_eq(g.grant->s.kind, GRANT_CLIENT);
        cr_assert_eq(g.grant->s.issued_ms, (uint64_t)1700000000000);
        cr_assert_eq(g.grant->s.expires_ms, (uint64_t)4102444800000);
        cr_assert_eq(g.grant->s.until_ms, (uint64_t)4102444830000);
    }
}

/* Each token against each key: only its own algorithm's takes it. */
Test(jwt, a_key_is_for_one_algorithm)
{
    for (size_t k = 0; k < NODE_TOKENS; k++) {
        rig_clear(&g);
        cr_assert_eq(rig_add(&g, node_tokens[k].alg, public_of(node_tokens[k].alg)), 0);
        for (size_t t = 0; t < NODE_TOKENS; t++) {
            cr_assert_eq(rig_check(&g, str_of(node_tokens[t].token)),
                         t == k ? AUTH_OK : AUTH_UNKNOWN, "%s with %s", node_tokens[t].alg,
                         node_tokens[k].alg);
        }
    }
}

/* ... and no bit of it can be changed. */
Test(jwt, every_changed_digit_is_noticed)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const char *const algs[] = {"HS256", "PS256", "ES256", "EdDSA"};

    for (unsigned a = 0; a < 4; a++) {
        const char *token = node_token(algs[a]);
        size_t len = strlen(token);

        rig_clear(&g);
        cr_assert_eq(rig_add(&g, algs[a], public_of(algs[a])), 0);
        for (size_t i = 0; i < len; i++) {
            strcpy(g.token, token);
            if (token[i] == '.') {
                continue;
            }
            const char *at = strchr(digits, token[i]);
            g.token[i] = digits[(at - digits + 1) % 64];
            cr_assert_neq(rig_check(&g, str_of(g.token)), AUTH_OK, "%s: digit %zu", algs[a], i);
        }
    }
}
