/* options_check_access.c - what no single value shows of keys, TLS and proxies. */
#include "conf/options_form.h"

#include <string.h>

int form_check_twice(const char *value, const char *file, const char *name, struct errmsg *why)
{
    return *value != '\0' && *file != '\0'
               ? errmsg_set(why, ERR_INVALID, "%s: there is %s-file too; leave one out", name, name)
               : 0;
}

/* A setting that somebody relies on must not silently count for nothing. */
static int check_useless(const struct options *o, struct errmsg *why)
{
    const char *name = o->anonymous               ? "anonymous"
                       : *o->channel_secret       ? "channel-secret"
                       : *o->channel_secret_file  ? "channel-secret-file"
                       : o->subscribe_for.n > 0   ? "subscribe-for"
                       : o->publish_for.n > 0     ? "publish-for"
                       : *o->token_cookie != '\0' ? "token-cookie"
                       : *o->revocations != '\0'  ? "revocations"
                                                  : NULL;

    if (options_have_keys(o) || name == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_STATE,
                      "%s: counts for nothing without keys, anyone may do anything: configure "
                      "some (keys, api-key-file, token-key), or leave it out",
                      name);
}

static int check_asking(const struct options *o, struct errmsg *why)
{
    const char *name = o->auth_ask.n > 0      ? "auth-ask"
                       : *o->auth_secret      ? "auth-secret"
                       : *o->auth_secret_file ? "auth-secret-file"
                       : *o->auth_ca          ? "auth-ca"
                                              : NULL;

    if (*o->auth_url != '\0' || name == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_STATE,
                      "%s: without auth-url nobody is asked; add it, or leave this out", name);
}

static int check_origins(const struct options *o, struct errmsg *why)
{
    for (unsigned i = 0; i < o->allow_origin.n && !options_have_keys(o); i++) {
        if (strcmp(o->allow_origin.items[i], FORM_ANY_ORIGIN) == 0) {
            return errmsg_set(why, ERR_STATE,
                              "allow-origin: without keys * would let every web page that is "
                              "visited from here publish; name the origins");
        }
    }
    return 0;
}

static int check_tls(const struct options *o, struct errmsg *why)
{
    if (o->tls_cert.n != o->tls_key.n) {
        return errmsg_set(why, ERR_INVALID,
                          "tls-key: there are %u for %u of tls-cert; give one for each, in the "
                          "same order",
                          o->tls_key.n, o->tls_cert.n);
    }
    if (o->tls_cert.n == 0 && o->listen_plain.n > 0) {
        return errmsg_set(why, ERR_STATE,
                          "listen-plain: without tls-cert every address is without TLS; use "
                          "listen");
    }
    if (o->tls_cert.n == 0 && *o->tls_client_ca != '\0') {
        return errmsg_set(why, ERR_STATE,
                          "tls-client-ca: without tls-cert nobody can show a certificate; give "
                          "tls-cert and tls-key, or leave it out");
    }
    if (*o->tls_client_ca != '\0' && *o->keys == '\0') {
        return errmsg_set(why, ERR_STATE,
                          "tls-client-ca: without a file of keys no certificate is anybody's; "
                          "name it with keys");
    }
    return 0;
}

int access_check(const struct options *o, struct errmsg *why)
{
    int rc = form_check_twice(o->api_key, o->api_key_file, "api-key", why);
    if (rc == 0) {
        rc = form_check_twice(o->channel_secret, o->channel_secret_file, "channel-secret", why);
    }
    if (rc == 0) {
        rc = form_check_twice(o->auth_secret, o->auth_secret_file, "auth-secret", why);
    }
    if (rc == 0) {
        rc = check_asking(o, why);
    }
    if (rc == 0) {
        rc = check_useless(o, why);
    }
    if (rc == 0) {
        rc = check_origins(o, why);
    }
    if (rc == 0) {
        rc = check_tls(o, why);
    }
    if (rc == 0 && o->proxy_protocol && o->trusted_proxy.n == 0) {
        rc = errmsg_set(why, ERR_STATE,
                        "proxy-protocol: no proxy is trusted; name those in front with "
                        "trusted-proxy");
    }
    return rc;
}
