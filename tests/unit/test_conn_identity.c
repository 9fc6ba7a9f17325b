/* The secret that names its client and proves to be it. */
#include "support_rig.h"

#include <string.h>

static struct conn_env env;

static void start(void)
{
    memset(&env, 0, sizeof(env));
    memcpy(env.key_secret, "a secret of 32 bytes, as it were", sizeof(env.key_secret));
}

TestSuite(identity, .init = start);

static struct stream stream_of(uint64_t id)
{
    struct stream s;

    memset(&s, 0, sizeof(s));
    s.env = &env;
    s.member.id = id;
    return s;
}

Test(identity, a_key_names_its_client)
{
    struct stream s = stream_of(0x0100000200abcdefu);
    char key[CLIENT_KEY_LEN + 1];
    uint64_t id = 0;

    stream_client_key(&s, key);
    cr_assert_eq(strlen(key), 39);
    cr_assert(str_starts(str_of(key), STR_LIT("0100000200abcdef.")), "%s", key);
    cr_assert_eq(strspn(key + 17, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_"),
                 22, "%s", key);
    cr_assert(client_key_ok(&env, str_of(key), &id));
    cr_assert_eq(id, s.member.id);
}

Test(identity, every_character_counts)
{
    struct stream s = stream_of(1);
    char key[CLIENT_KEY_LEN + 1];
    uint64_t id;

    stream_client_key(&s, key);
    for (size_t i = 0; i < CLIENT_KEY_LEN; i++) {
        char was = key[i];
        for (int c = 0; c < 256; c++) {
            key[i] = (char)c;
            cr_assert_eq(client_key_ok(&env, (struct str){key, CLIENT_KEY_LEN}, &id), key[i] == was,
                         "%zu: %d", i, c);
        }
        key[i] = was;
    }
}

Test(identity, lengths)
{
    struct stream s = stream_of(1);
    char key[CLIENT_KEY_LEN + 2];
    uint64_t id;

    stream_client_key(&s, key);
    key[CLIENT_KEY_LEN] = 'A';
    for (size_t n = 0; n <= CLIENT_KEY_LEN + 1; n++) {
        cr_assert_eq(client_key_ok(&env, (struct str){key, n}, &id), n == CLIENT_KEY_LEN, "%zu", n);
    }
    cr_assert_not(client_key_ok(&env, STR_NONE, &id));
}

Test(identity, keys_are_of_one_client_and_one_run)
{
    struct stream a = stream_of(1), b = stream_of(2);
    char ka[CLIENT_KEY_LEN + 1], kb[CLIENT_KEY_LEN + 1];
    uint64_t id;

    stream_client_key(&a, ka);
    stream_client_key(&b, kb);
    cr_assert_str_neq(ka + 17, kb + 17);
    memcpy(kb + 17, ka + 17, 22);
    cr_assert_not(client_key_ok(&env, str_of(kb), &id));
    env.key_secret[31] ^= 1;
    cr_assert_not(client_key_ok(&env, str_of(ka), &id));
}
