/* The set of keys. */
#include "auth/jwt_key.h"

#include "proto/name.h"

#include <stdlib.h>

#define MAX_KEYS 1024

struct jwt_keys {
    struct jwt_key **v;
    unsigned n;
};

int jwt_keys_new(struct jwt_keys **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : ERR_NOMEM;
}

void jwt_keys_free(struct jwt_keys *k)
{
    if (k) {
        for (unsigned i = 0; i < k->n; i++) {
            jwt_key_free(k->v[i]);
        }
        free(k->v);
        free(k);
    }
}

unsigned jwt_keys_count(const struct jwt_keys *k)
{
    return k->n;
}

bool jwt_keys_have(const struct jwt_keys *k, struct str basis)
{
    for (unsigned i = 0; i < k->n; i++) {
        if (str_eq((struct str){(const char *)k->v[i]->id, JWT_KEY_ID}, basis)) {
            return true;
        }
    }
    return false;
}

/* Is there room for it among those that stand here already? */
static int check_place(const struct jwt_keys *k, const struct jwt_key *key, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];
    unsigned nameless = 0;

    if (k->n >= MAX_KEYS) {
        return errmsg_set(why, ERR_LIMIT, "more than %d keys for tokens", MAX_KEYS);
    }
    for (unsigned i = 0; i < k->n; i++) {
        const struct jwt_key *other = k->v[i];

        if (other->alg != key->alg) {
            continue;
        }
        nameless += !other->kid;
        if (key->kid && other->kid && strcmp(key->kid, other->kid) == 0) {
            return errmsg_set(why, ERR_EXISTS, "there are two %s keys with the kid \"%s\"",
                              key->alg->name, name_show(str_of(key->kid), shown));
        }
    }
    /* One more is tried, that with the token's kid. */
    if (!key->kid && nameless >= JWT_MAX_TRIES - 1) {
        return errmsg_set(why, ERR_LIMIT, "more than %d %s keys without a kid", JWT_MAX_TRIES - 1,
                          key->alg->name);
    }
    return 0;
}

int jwt_keys_put(struct jwt_keys *k, struct jwt_key *key, struct errmsg *why)
{
    int rc = check_place(k, key, why);

    if (rc == 0) {
        struct jwt_key **v = realloc(k->v, (k->n + 1) * sizeof(struct jwt_key *));

        if (v) {
            k->v = v;
            k->v[k->n++] = key;
            return 0;
        }
        rc = errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    jwt_key_free(key);
    return rc;
}

unsigned jwt_keys_pick(const struct jwt_keys *k, const struct jwt_alg *alg, const struct str *kid,
                       const struct jwt_key *picked[JWT_MAX_TRIES])
{
    unsigned n = 0;

    for (unsigned i = 0; i < k->n; i++) {
        const struct jwt_key *key = k->v[i];

        if (key->alg != alg || (kid && key->kid && !str_eqz(*kid, key->kid))) {
            continue;
        }
        if (n < JWT_MAX_TRIES) {
            picked[n] = key;
        }
        n++;
    }
    return n;
}
