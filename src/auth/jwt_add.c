/* Keys by option. */
#include "auth/jwt_spec.h"

int jwt_keys_add_file(struct jwt_keys *k, const char *spec, struct errmsg *why)
{
    struct jwt_spec s;
    struct jwt_key *key;
    int rc = jwt_spec_read(spec, &s, why);

    if (rc == 0) {
        rc = jwt_spec_key(&s, false, &key, why);
    }
    return rc ? rc : jwt_keys_put(k, key, why);
}

int jwt_keys_add_secret(struct jwt_keys *k, struct str secret, struct errmsg *why)
{
    struct jwt_key *key;
    int rc = jwt_key_new_secret(jwt_alg_find(STR_LIT("HS256")), STR_NONE, secret, &key, why);

    return rc ? rc : jwt_keys_put(k, key, why);
}
