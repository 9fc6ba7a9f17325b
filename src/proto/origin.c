#include "proto/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

/* The address in the form that inet_pton reads; false if it is none. */
static bool address(int family, struct str s, void *out)
{
    char text[INET6_ADDRSTRLEN];

    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, '\0', s.len)) {
        return false;
    }
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, out) == 1;
}

static int parse_port(struct str s, uint16_t *out)
{
    unsigned v = 0;

    if (s.len == 0 || s.len > 5) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i])) {
            return ERR_INVALID;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    if (v == 0 || v > 65535) {
        return ERR_INVALID;
    }
    *out = (uint16_t)v;
    return 0;
}

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 255;
}

/* host [":" port]; leaves the port alone if there is none. */
static int parse_authority(struct str s, struct origin *out)
{
    struct in6_addr v6;
    const char *end = s.p + s.len;
    const char *rest;

    if (s.len == 0) {
        return ERR_INVALID;
    }
    if (s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.len);
        if (!close) {
            return ERR_INVALID;
        }
        out->host = (struct str){s.p + 1, (size_t)(close - s.p) - 1};
        if (!address(AF_INET6, out->host, &v6)) {
            return ERR_INVALID;
        }
        rest = close + 1;
    } else {
        const char *colon = memchr(s.p, ':', s.len);
        rest = colon ? colon : end;
        out->host = (struct str){s.p, (size_t)(rest - s.p)};
        if (!name_ok(out->host)) {
            return ERR_INVALID;
        }
    }
    if (rest == end) {
        return 0;
    }
    if (*rest != ':') {
        return ERR_INVALID;
    }
    return parse_port((struct str){rest + 1, (size_t)(end - rest) - 1}, &out->port);
}

static bool scheme_ok(struct str s)
{
    if (s.len == 0 || !is_alpha(s.p[0])) {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        char c = s.p[i];
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') {
            return false;
        }
    }
    return true;
}

int origin_parse(struct str s, struct origin *out)
{
    const char *colon = s.len ? memchr(s.p, ':', s.len) : NULL;
    struct origin o = {STR_NONE, STR_NONE, 0};

    if (!colon || s.len - (size_t)(colon - s.p) < 3 || memcmp(colon, "://", 3) != 0) {
        return ERR_INVALID;
    }
    o.scheme = (struct str){s.p, (size_t)(colon - s.p)};
    if (!scheme_ok(o.scheme)) {
        return ERR_INVALID;
    }
    if (equal_nocase(o.scheme, STR_LIT("http"))) {
        o.port = 80;
    } else if (equal_nocase(o.scheme, STR_LIT("https"))) {
        o.port = 443;
    }
    colon += 3;
    if (parse_authority((struct str){colon, s.len - (size_t)(colon - s.p)}, &o)) {
        return ERR_INVALID;
    }
    *out = o;
    return 0;
}

int origin_parse_host(struct str s, struct origin *out)
{
    struct origin o = {STR_NONE, STR_NONE, 0};

    if (parse_authority(s, &o)) {
        return ERR_INVALID;
    }
    *out = o;
    return 0;
}

bool origin_is_loopback(struct str host)
{
    static const char suffix[] = ".localhost";
    size_t n = sizeof(suffix) - 1;
    struct in_addr v4;
    struct in6_addr v6;

    if (address(AF_INET, host, &v4)) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (address(AF_INET6, host, &v6)) {
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    if (equal_nocase(host, STR_LIT("localhost"))) {
        return true;
    }
    return host.len > n && host.p[host.len - n - 1] != '.' && name_ok(host) &&
           equal_nocase((struct str){host.p + host.len - n, n}, (struct str){suffix, n});
}

bool origin_same(const struct origin *a, const struct origin *b)
{
    return a->port == b->port && equal_nocase(a->scheme, b->scheme) &&
           equal_nocase(a->host, b->host);
}
