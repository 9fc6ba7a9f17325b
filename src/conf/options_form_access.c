/* options_form_access.c - the form of secrets, tokens' keys, cookies, proxies and users. */
#include "base/cidr.h"
#include "conf/options_form.h"
#include "conf/options_value.h"

#include <string.h>

#define SECRET_MIN 32
#define SECRET_MAX 1024
#define COOKIE_MAX 128

/* Sentences do not show it. A key stands in a header line, so it is visible ASCII. */
int form_check_secret(enum opt_id id, const char *text, struct errmsg *why)
{
    const char *name = options_info(id)->name;
    size_t len = strlen(text);

    if (len == 0) {
        return 0;
    }
    if (len < SECRET_MIN) {
        return errmsg_set(why, ERR_RANGE,
                          "%s: has less than %d %s; `openssl rand -base64 32` makes a good one",
                          name, SECRET_MIN, id == OPT_ID_api_key ? "characters" : "bytes");
    }
    if (len > SECRET_MAX) {
        return errmsg_set(why, ERR_RANGE, "%s: is longer than %d bytes", name, SECRET_MAX);
    }
    for (const char *p = text; id == OPT_ID_api_key && *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return errmsg_set(why, ERR_INVALID,
                              "%s: has a space or another byte that a header cannot carry; use "
                              "letters, digits and punctuation",
                              name);
        }
    }
    return 0;
}

/* ALG[@KID]=FILE; the key id goes up to the first "=". */
static int token_key_check(const char *text, struct errmsg *why)
{
    static const char *const algorithms[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                             "RS512", "PS256", "PS384", "PS512", "ES256",
                                             "ES384", "ES512", "EdDSA"};
    const char *eq = strchr(text, '=');
    size_t len = strcspn(text, "@=");
    const char *reason = NULL;
    char shown[VALUE_SHOWN];
    bool known = false;

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        known = known || (strlen(algorithms[i]) == len && memcmp(algorithms[i], text, len) == 0);
    }
    if (eq == NULL) {
        reason = "there is no \"=\" and file";
    } else if (!known) {
        reason = "the algorithm is not one of HS256/384/512, RS256/384/512, PS256/384/512, "
                 "ES256/384/512 and EdDSA";
    } else if (text[len] == '@' && text + len + 1 == eq) {
        reason = "the key id after the \"@\" is missing";
    } else if (eq[1] == '\0') {
        reason = "the file is missing";
    }
    if (reason == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "token-key: \"%s\": %s; write ALG[@KID]=FILE, such as "
                      "ES256@2026=/etc/fanfare/token.pem",
                      value_shown(text, shown), reason);
}

static int cookie_check(const char *text, struct errmsg *why)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    char shown[VALUE_SHOWN];

    if (text[strspn(text, token)] == '\0' && strlen(text) <= COOKIE_MAX) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "token-cookie: \"%s\" cannot be a cookie's name: use up to %d letters, "
                      "digits and -_.",
                      value_shown(text, shown), COOKIE_MAX);
}

static int proxy_check(const char *text, struct errmsg *why)
{
    struct errmsg inner = {""};
    char shown[VALUE_SHOWN];
    struct cidr cidr;
    int rc = cidr_parse(str_of(text), &cidr, &inner);

    return rc == 0 ? 0
                   : errmsg_set(why, rc, "trusted-proxy: \"%s\": %s", value_shown(text, shown),
                                inner.text);
}

/* Only where to: libcurl has the last word about the rest. */
int form_check_url(enum opt_id id, const char *text, struct errmsg *why)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    char shown[VALUE_SHOWN];

    if (*text == '\0' || (scheme > 0 && text[scheme + strcspn(text + scheme, " @")] == '\0' &&
                          strcspn(text + scheme, "/:?#") > 0)) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "%s: \"%s\" is not of the form http://HOST/PATH or https://HOST/PATH, "
                      "without a user and spaces",
                      options_info(id)->name, value_shown(text, shown));
}

static int ask_check(const char *text, struct errmsg *why)
{
    struct opt_info info = *options_info(OPT_ID_auth_ask);
    unsigned choice;

    info.arg = "connect|subscribe|publish";
    return value_enum(&info, text, &choice, why);
}

static int user_check(const char *text, struct errmsg *why)
{
    size_t len = strcspn(text, ":");
    char shown[VALUE_SHOWN];
    bool group = text[len] == ':';

    if (*text == '\0' ||
        (len > 0 && (!group || (text[len + 1] != '\0' && strchr(text + len + 1, ':') == NULL)))) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID, "user: \"%s\" is not of the form USER or USER:GROUP",
                      value_shown(text, shown));
}

int form_check_access(enum opt_id id, const char *value, struct errmsg *why)
{
    switch (id) {
    case OPT_ID_api_key:
    case OPT_ID_token_secret:
    case OPT_ID_channel_secret:
    case OPT_ID_auth_secret:
        return form_check_secret(id, value, why);
    case OPT_ID_token_key:
        return token_key_check(value, why);
    case OPT_ID_token_cookie:
        return cookie_check(value, why);
    case OPT_ID_trusted_proxy:
        return proxy_check(value, why);
    case OPT_ID_auth_url:
        return form_check_url(id, value, why);
    case OPT_ID_auth_ask:
        return ask_check(value, why);
    case OPT_ID_user:
        return user_check(value, why);
    default:
        return 0;
    }
}
