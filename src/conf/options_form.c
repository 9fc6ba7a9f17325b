/* options_form.c - the form of listen addresses, origins, paths and modes. */
#include "conf/options_form.h"

#include "conf/options_value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define DIGITS "0123456789"
/* What a path may hold unescaped (RFC 3986 pchar, and the slash). */
#define PATH_BYTES ALNUM "-._~!$&'()*+,;=:@/"

static bool all_of(const char *text, const char *set)
{
    return text[strspn(text, set)] == '\0';
}

static bool port_parse(const char *text, uint16_t *out)
{
    size_t len = strlen(text);
    if (len == 0 || len > 5 || !all_of(text, DIGITS)) {
        return false;
    }
    unsigned v = 0;
    for (; *text != '\0'; text++) {
        v = v * 10 + (unsigned)(*text - '0');
    }
    *out = (uint16_t)v;
    return v <= UINT16_MAX;
}

/* An IPv6 address, perhaps with a zone (fe80::1%eth0). */
static bool host_is_v6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    if (len >= sizeof address || (host[len] == '%' && host[len + 1] == '\0')) {
        return false;
    }
    memcpy(address, host, len);
    address[len] = '\0';
    struct in6_addr bin;
    return inet_pton(AF_INET6, address, &bin) == 1 && all_of(host + len, ALNUM "%-._");
}

/* An IPv4 address or a host name; digits and dots alone must be an address. */
static bool host_is_name_or_v4(const char *host)
{
    struct in_addr bin;
    if (*host == '\0' || *host == '-' || *host == '.' || !all_of(host, ALNUM "-._")) {
        return false;
    }
    return all_of(host, DIGITS ".") ? inet_pton(AF_INET, host, &bin) == 1
                                    : strstr(host, "..") == NULL;
}

/* Copies the host out of HOST[:PORT] or [IPV6][:PORT]; *rest is what follows
 * it. NULL, or what is wrong. */
static const char *host_split(const char *text, char host[256], const char **rest)
{
    bool v6 = *text == '[';
    size_t len = strcspn(text + v6, v6 ? "]" : ":/");
    if (len >= 256) {
        return "the host is too long";
    }
    memcpy(host, text + v6, len);
    host[len] = '\0';
    *rest = text + v6 + len;
    if (v6) {
        if (**rest != ']' || !host_is_v6(host)) {
            return "there is no IPv6 address in the brackets";
        }
        (*rest)++;
        return NULL;
    }
    return host_is_name_or_v4(host) ? NULL : "the host is not an address or a name";
}

/* What is wrong, or NULL. */
static const char *listen_unix(const char *text, struct listen_addr *out)
{
    const char *path = text + 5;
    if (*path != '/') {
        return "the socket's path must begin with /";
    }
    size_t len = strlen(path);
    if (len >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        return "the socket's path is longer than 107 bytes";
    }
    if (path[len - 1] == '/') {
        return "the path names a directory";
    }
    out->is_unix = true;
    memcpy(out->host, path, len + 1);
    return NULL;
}

static const char *listen_fault(const char *text, struct listen_addr *out)
{
    if (strncmp(text, "unix:", 5) == 0) {
        return listen_unix(text, out);
    }
    if (*text != '[' && host_is_v6(text)) {
        return "an IPv6 address needs brackets and a port";
    }
    if (all_of(text, DIGITS)) {
        return "the host is missing";
    }
    const char *rest;
    if (*text == ':' || *text == '*') {
        return "for every address write 0.0.0.0:PORT or [::]:PORT";
    }
    const char *wrong = host_split(text, out->host, &rest);
    if (wrong != NULL) {
        return wrong;
    }
    if (*rest != ':') {
        return "the port is missing";
    }
    return port_parse(rest + 1, &out->port) ? NULL : "the port is not a number from 0 to 65535";
}

int form_parse_listen(enum opt_id id, const char *text, struct listen_addr *out, struct errmsg *why)
{
    char shown[VALUE_SHOWN];
    memset(out, 0, sizeof *out);
    const char *wrong = listen_fault(text, out);
    if (wrong == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "%s: \"%s\": %s; write HOST:PORT, [IPV6]:PORT or unix:/PATH",
                      options_info(id)->name, value_shown(text, shown), wrong);
}

int options_parse_listen(const char *text, struct listen_addr *out, struct errmsg *why)
{
    return form_parse_listen(OPT_ID_listen, text, out, why);
}

bool form_is_local(const struct listen_addr *a)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (a->is_unix || strcasecmp(a->host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, a->host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int origin_check(const char *text, struct errmsg *why)
{
    char shown[VALUE_SHOWN], host[256];
    const char *rest;
    uint16_t port = 1;
    const char *wrong = NULL;
    if (strcmp(text, FORM_ANY_ORIGIN) == 0) {
        return 0; /* whether it may be is seen when all options are known */
    }
    size_t scheme = strspn(text, ALNUM "+-.");
    if (scheme == 0 || (*text >= '0' && *text <= '9') || strncmp(text + scheme, "://", 3) != 0) {
        wrong = "it does not begin with a scheme";
    } else {
        wrong = host_split(text + scheme + 3, host, &rest);
        if (wrong == NULL && *rest == ':') {
            size_t digits = strspn(rest + 1, DIGITS);
            if (rest[1 + digits] == '\0' && (!port_parse(rest + 1, &port) || port == 0)) {
                wrong = "the port is not a number from 1 to 65535";
            }
            rest += 1 + digits;
        }
        if (wrong == NULL && *rest != '\0') {
            wrong = "nothing may follow the host and port";
        }
    }
    if (wrong == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "allow-origin: \"%s\": %s; write SCHEME://HOST or SCHEME://HOST:PORT, or *",
                      value_shown(text, shown), wrong);
}

/* True if `path` is `route` or lies below it. */
static bool path_under(const char *path, const char *route)
{
    size_t len = strlen(route);
    return strncmp(path, route, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int ws_path_check(const char *text, struct errmsg *why)
{
    static const char *const taken[] = {"/events",  "/broadcast", "/health",   "/ready",
                                        "/stats",   "/metrics",   "/channels", "/clients",
                                        "/users",   "/ack",       "/tickets",  "/revocations",
                                        "/publish", "/info",      "/typing",   "/read"};
    char shown[VALUE_SHOWN];
    if (*text != '/') {
        return errmsg_set(why, ERR_INVALID, "ws-path: \"%s\" does not begin with /",
                          value_shown(text, shown));
    }
    if (!all_of(text, PATH_BYTES)) {
        return errmsg_set(why, ERR_INVALID,
                          "ws-path: \"%s\" has a query, an escape or another byte that a plain "
                          "path may not hold",
                          value_shown(text, shown));
    }
    bool clash = strcmp(text, "/") == 0;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        clash = clash || path_under(text, taken[i]);
    }
    if (clash) {
        return errmsg_set(why, ERR_INVALID,
                          "ws-path: \"%s\" is taken by another endpoint; use another path, "
                          "such as /ws",
                          value_shown(text, shown));
    }
    return 0;
}

static int unix_mode_check(const char *text, struct errmsg *why)
{
    char shown[VALUE_SHOWN];
    size_t len = strlen(text);
    if (len == 0 || !all_of(text, "01234567")) {
        return errmsg_set(why, ERR_INVALID, "unix-mode: \"%s\" is not an octal number such as 660",
                          value_shown(text, shown));
    }
    if (len > 4 || (len == 4 && *text != '0')) {
        return errmsg_set(why, ERR_RANGE, "unix-mode: %s is outside its limits, 0 to 777",
                          value_shown(text, shown));
    }
    return 0;
}

static int store_check(const char *text, struct errmsg *why)
{
    size_t scheme = sizeof FORM_SQLITE - 1;
    char shown[VALUE_SHOWN];
    const char *reason = NULL;

    if (strcmp(text, "memory") == 0) {
        return 0;
    }
    if (strncmp(text, FORM_SQLITE, scheme) != 0) {
        reason = "there is no such kind of store";
    } else if (text[scheme] == '\0') {
        reason = "the path is missing";
    } else if (text[strlen(text) - 1] == '/') {
        reason = "the path names a directory";
    } else if (strcmp(text + scheme, ":memory:") == 0) {
        reason = "there is no path";
    }
    if (reason == NULL) {
        return 0;
    }
    return errmsg_set(why, ERR_INVALID,
                      "store: \"%s\": %s; write memory, or sqlite: and the path of the database, "
                      "such as sqlite:/var/lib/fanfare/log.db",
                      value_shown(text, shown), reason);
}

static int plain_check(const struct opt_info *info, const char *text, struct errmsg *why)
{
    char shown[VALUE_SHOWN];
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x20 && *p != 0x7f) {
            continue;
        }
        if ((info->flags & OPT_SECRET) != 0) { /* nobody else's business */
            return errmsg_set(why, ERR_INVALID, "%s: has a control character", info->name);
        }
        return errmsg_set(why, ERR_INVALID, "%s: \"%s\" has a control character", info->name,
                          value_shown(text, shown));
    }
    return 0;
}

int form_check(enum opt_id id, const char *value, struct errmsg *why)
{
    static const struct options nothing; /* of what a rule leaves out */
    struct listen_addr addr;
    struct slow_rule rule;
    struct history_rule history;
    struct permit_rule permit;
    struct rate_rule rate;
    struct count_rule count;
    struct str prefix;
    int rc = plain_check(options_info(id), value, why);
    if (rc != 0) {
        return rc;
    }
    switch (id) {
    case OPT_ID_listen:
    case OPT_ID_listen_plain:
        return form_parse_listen(id, value, &addr, why);
    case OPT_ID_allow_origin:
        return origin_check(value, why);
    case OPT_ID_slow_client_for:
        return options_parse_slow_rule(value, &rule, why);
    case OPT_ID_history_for:
        return options_parse_history_rule(&nothing, value, &prefix, &history, why);
    case OPT_ID_subscribe_for:
    case OPT_ID_publish_for:
        return options_parse_permit_rule(id, value, &permit, why);
    case OPT_ID_rate_for:
        return options_parse_rate_rule(value, &rate, why);
    case OPT_ID_max_subscribers_for:
        return options_parse_count_rule(value, &count, why);
    case OPT_ID_store:
        return store_check(value, why);
    case OPT_ID_ws_path:
        return ws_path_check(value, why);
    case OPT_ID_unix_mode:
        return unix_mode_check(value, why);
    case OPT_ID_log_file:
        return *value != '\0'
                   ? 0
                   : errmsg_set(why, ERR_INVALID, "log-file: is empty; - is standard error");
    case OPT_ID_webhook_url:
    case OPT_ID_webhook_events:
    case OPT_ID_webhook_secret:
        return form_check_webhook(id, value, why);
    default:
        return form_check_access(id, value, why);
    }
}
