/* Options: secrets, keys, TLS and proxies: their form, and what belongs together. */
#include "support_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET "0123456789abcdef0123456789ABCDEF" /* 32 */

TestSuite(conf_keys, .init = setup, .fini = teardown);

static void put(const char *name, const char *value)
{
    cr_assert_eq(set(name, value), 0, "%s", why.text);
}

static void fits(void)
{
    cr_expect_eq(options_check(&o, &why), 0, "%s", why.text);
}

static void fails(int code, const char *says)
{
    why.text[0] = '\0';
    cr_expect_eq(options_check(&o, &why), code, "%s", why.text);
    cr_expect(strncmp(why.text, says, strlen(says)) == 0, "%s", why.text);
}

Test(conf_keys, secrets_have_a_length)
{
    static const char *const names[] = {"api-key", "token-secret", "channel-secret"};
    char text[1026];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put(names[i], SECRET);
        put(names[i], "");
        cr_expect_eq(set(names[i], "0123456789abcdef0123456789ABCDE"), ERR_RANGE);
        cr_expect_not_null(strstr(why.text, "has less than 32"), "%s", why.text);
        memset(text, 'a', sizeof text);
        text[1024] = '\0';
        put(names[i], text);
        text[1024] = 'a';
        text[1025] = '\0';
        cr_expect_eq(set(names[i], text), ERR_RANGE);
    }
}

Test(conf_keys, sentences_do_not_show_secrets)
{
    static const char *const values[] = {"hunter2", "hunter2 hunter2 hunter2 hunter2 hunter2",
                                         "hunter2\nhunter2", "hunter2\x7f"};
    static const char *const names[] = {"api-key", "token-secret", "channel-secret"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            if (set(names[i], values[j]) != 0) {
                cr_expect_null(strstr(why.text, "hunter2"), "%s", why.text);
                cr_expect_eq(strncmp(why.text, names[i], strlen(names[i])), 0, "%s", why.text);
            }
        }
    }
    cr_expect_eq(set("api-key", values[1]), ERR_INVALID, "a header has no place for spaces");
    cr_expect_eq(set("api-key", SECRET "\xc3\xa9"), ERR_INVALID);
    cr_expect_eq(set("token-secret", values[1]), 0, "any bytes may sign");
}

Test(conf_keys, one_place_for_a_secret)
{
    put("api-key", SECRET);
    fits();
    put("api-key-file", "/k");
    fails(ERR_INVALID, "api-key: there is api-key-file too; leave one out");
    put("api-key", "");
    put("channel-secret-file", "/k");
    fits();
    put("channel-secret", SECRET);
    fails(ERR_INVALID, "channel-secret: there is channel-secret-file too");
}

Test(conf_keys, token_keys)
{
    static const char *const right[] = {"HS256=/k",     "RS512=relative/k", "PS384@a=/k",
                                        "ES256@a@b=/k", "EdDSA@x=/k=1",     "HS512@2026-01=/k"};
    static const char *const wrong[][2] = {
        {"/k", "there is no \"=\" and file"},
        {"=/k", "the algorithm is not one of"},
        {"none=/k", "the algorithm is not one of"},
        {"hs256=/k", "the algorithm is not one of"},
        {"HS2567=/k", "the algorithm is not one of"},
        {"HS25=/k", "the algorithm is not one of"},
        {"ES256K=/k", "the algorithm is not one of"},
        {"HS256@=/k", "the key id after the \"@\" is missing"},
        {"HS256=", "the file is missing"},
        {"HS256@a=", "the file is missing"},
        {"HS256@a", "there is no \"=\" and file"},
    };

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        put("token-key", right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(set("token-key", wrong[i][0]), ERR_INVALID, "%s", wrong[i][0]);
        cr_expect_not_null(strstr(why.text, wrong[i][1]), "%s", why.text);
    }
    cr_expect_eq(o.token_key.n, sizeof right / sizeof *right);
}

Test(conf_keys, cookies_proxies_and_users)
{
    static const char *const right[][2] = {
        {"token-cookie", "__Host-fanfare"}, {"token-cookie", "a!#$%&'*+-.^_`|~"},
        {"trusted-proxy", "10.0.0.0/8"},    {"trusted-proxy", "192.0.2.1"},
        {"trusted-proxy", "2001:db8::/32"}, {"trusted-proxy", "::1"},
        {"trusted-proxy", "unix"},          {"user", "fanfare"},
        {"user", "fanfare:www-data"},       {"user", ""},
        {"listen-plain", "127.0.0.1:81"},   {"listen-plain", "unix:/run/f.sock"},
    };
    static const char *const wrong[][2] = {
        {"token-cookie", "a b"},
        {"token-cookie", "a=b"},
        {"token-cookie", "a;"},
        {"token-cookie", "\xc3\xa9"},
        {"trusted-proxy", "10.0.0.0/33"},
        {"trusted-proxy", "proxy.example"},
        {"trusted-proxy", "10.0.0/8"},
        {"trusted-proxy", "::/129"},
        {"trusted-proxy", "10.0.0.0/"},
        {"trusted-proxy", "*"},
        {"user", ":group"},
        {"user", "a:"},
        {"user", "a:b:c"},
        {"listen-plain", "8080"},
    };

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        put(right[i][0], right[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(set(wrong[i][0], wrong[i][1]), ERR_INVALID, "%s %s", wrong[i][0], wrong[i][1]);
        cr_expect_eq(strncmp(why.text, wrong[i][0], strlen(wrong[i][0])), 0, "%s", why.text);
    }
}

Test(conf_keys, keys_let_other_machines_in)
{
    put("listen", "0.0.0.0:80");
    fails(ERR_STATE, "listen: other machines can reach 0.0.0.0:80, and there are no keys: "
                     "configure some (keys, api-key-file, token-key), listen on loopback, or let "
                     "anyone publish with insecure-open");
    put("insecure-open", "yes");
    fits();
    put("insecure-open", "no");
    put("tls-cert", "/c");
    put("tls-key", "/k");
    fails(ERR_STATE, "listen: other machines"); /* TLS alone keeps nobody out */
    put("api-key", SECRET);
    fits();
    put("listen-plain", "[::]:81");
    fits();
    put("api-key", "");
    put("listen", "");
    put("listen", "127.0.0.1:80");
    fails(ERR_STATE, "listen-plain: other machines can reach [::]:81");
}

Test(conf_keys, certificates)
{
    put("tls-cert", "/c");
    fails(ERR_INVALID, "tls-key: there are 0 for 1 of tls-cert; give one for each");
    put("tls-key", "/k");
    fits();
    put("tls-key", "/k2");
    fails(ERR_INVALID, "tls-key: there are 2 for 1 of tls-cert");
    put("tls-cert", "/c2");
    fits();
    put("tls-client-ca", "/ca");
    fails(ERR_STATE, "tls-client-ca: without a file of keys no certificate is anybody's");
    put("keys", "/keys");
    fits();
    put("listen-plain", "127.0.0.1:8080");
    fails(ERR_EXISTS, "listen-plain: 127.0.0.1:8080 is given twice");
    put("listen-plain", "");
    put("listen-plain", "127.0.0.1:8081");
    fits();
    put("tls-client-ca", "");
    put("tls-cert", "");
    put("tls-key", "");
    fails(ERR_STATE, "listen-plain: without tls-cert every address is without TLS");
    put("listen-plain", "");
    put("tls-client-ca", "/ca");
    fails(ERR_STATE, "tls-client-ca: without tls-cert nobody can show a certificate");
}

Test(conf_keys, nothing_counts_for_nothing)
{
    static const char *const settings[][2] = {
        {"anonymous", "yes"},        {"channel-secret", SECRET},  {"channel-secret-file", "/k"},
        {"subscribe-for", "a=user"}, {"publish-for", "a=nobody"}, {"token-cookie", "t"},
        {"revocations", "/r"},       {"allow-origin", "*"},
    };

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        put(settings[i][0], settings[i][1]);
        fails(ERR_STATE, settings[i][0]);
        put("token-jwks", "/k");
        fits();
        put("token-jwks", "");
        put(settings[i][0], strcmp(settings[i][0], "anonymous") == 0 ? "no" : "");
        fits();
    }
    put("proxy-protocol", "yes");
    fails(ERR_STATE, "proxy-protocol: no proxy is trusted");
    put("trusted-proxy", "unix");
    fits();
}

Test(conf_keys, one_rule_for_a_prefix)
{
    static const char *const rules[][3] = {
        {"subscribe-for", "a=b=user", "a=b=nobody"},
        {"publish-for", "=granted", "=nobody"},
        {"rate-for", "a=1,2", "a=1"},
        {"max-subscribers-for", "a=1", "a=2"},
    };

    put("api-key", SECRET);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        put(rules[i][0], rules[i][1]);
        put(rules[i][0], rules[i][1]); /* twice the same is no harm */
        fits();
        put(rules[i][0], rules[i][2]);
        fails(ERR_EXISTS, rules[i][0]);
        cr_expect_not_null(strstr(why.text, "second rule for the same prefix"), "%s", why.text);
        put(rules[i][0], "");
    }
    put("subscribe-for", "a=user");
    put("subscribe-for", "a=b=nobody"); /* another prefix, "a=b" */
    fits();
}

Test(conf_keys, a_file_with_secrets_is_nobody_elses)
{
    static const struct {
        mode_t mode;
        int rc;
    } cases[] = {{0600, 0}, {0640, 0}, {0644, ERR_INVALID}, {0602, ERR_INVALID}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[] = "/tmp/fanfare-keys-XXXXXX";
        FILE *f = fdopen(mkstemp(path), "w");
        cr_assert_not_null(f);
        fputs("demo = yes\napi-key =\napi-key = " SECRET "\n", f);
        cr_assert_eq(fchmod(fileno(f), cases[i].mode), 0);
        fclose(f);
        why.text[0] = '\0';
        cr_expect_eq(options_load_file(&o, path, &why), cases[i].rc, "%o: %s",
                     (unsigned)cases[i].mode, why.text);
        if (cases[i].rc != 0) {
            cr_expect_not_null(strstr(why.text, ":3: api-key: every user of this machine can read "
                                                "this file: chmod o= it"),
                               "%s", why.text);
        }
        remove(path);
    }
}

Test(conf_keys, asking_the_application)
{
    static const char *const right[][2] = {
        {"auth-url", "http://127.0.0.1:3000/auth"},
        {"auth-url", "https://app.example"},
        {"auth-url", "https://app.example/a?b=c"},
        {"auth-ask", "connect"},
        {"auth-ask", "subscribe"},
        {"auth-ask", "publish"},
        {"auth-secret", SECRET},
        {"auth-secret", ""},
    };
    static const char *const wrong[][2] = {
        {"auth-url", "app.example"},      {"auth-url", "ftp://app.example"},
        {"auth-url", "http://"},          {"auth-url", "http:///auth"},
        {"auth-url", "http://u:p@host/"}, {"auth-url", "http://host/a b"},
        {"auth-ask", "everything"},       {"auth-ask", "Connect"},
    };

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        put(right[i][0], right[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(set(wrong[i][0], wrong[i][1]), ERR_INVALID, "%s %s", wrong[i][0], wrong[i][1]);
    }
    cr_expect_eq(set("auth-secret", "short"), ERR_RANGE);
    fits();
    put("auth-secret", SECRET);
    put("auth-secret-file", "/k");
    fails(ERR_INVALID, "auth-secret: there is auth-secret-file too");
    put("auth-secret", "");
    put("auth-url", "");
    fails(ERR_STATE, "auth-ask: without auth-url nobody is asked");
    put("auth-ask", "");
    fails(ERR_STATE, "auth-secret-file: without auth-url");
}
