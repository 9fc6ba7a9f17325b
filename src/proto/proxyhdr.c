#include "proto/proxyhdr.h"

/* With its CR LF, of version 1. */
#define LINE_MAX_LEN 107

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum proxyhdr_result bad(struct errmsg *why, const char *text)
{
    (void)errmsg_set(why, 0, "%s", text);
    return PROXYHDR_BAD;
}

static enum proxyhdr_result more(struct proxyhdr *out, size_t length)
{
    out->length = length;
    return PROXYHDR_MORE;
}

/* Are the bytes, as far as they go, the beginning of `whole`, or do they begin with it? */
static bool begins(struct str bytes, struct str whole)
{
    return memcmp(bytes.p, whole.p, bytes.len < whole.len ? bytes.len : whole.len) == 0;
}

/* ---- version 1 ---- */

/* Up to the next space, which is taken away, or the end; what is left must not end with
 * a space, so that every space stands between two words. */
static struct str word(struct str *rest)
{
    const char *space = rest->len ? memchr(rest->p, ' ', rest->len) : NULL;
    struct str w = {rest->p, space ? (size_t)(space - rest->p) : rest->len};

    rest->p += w.len + (space != NULL);
    rest->len -= w.len + (space != NULL);
    return w;
}

static bool port(struct str s, uint16_t *out)
{
    unsigned v = 0;

    if (s.len == 0 || s.len > 5 || (s.len > 1 && s.p[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= 65535;
}

/* The family is the one announced, not the one that a mapped address becomes. */
static bool address(struct str s, bool v6, struct netaddr *out)
{
    return s.len && (memchr(s.p, ':', s.len) != NULL) == v6 && netaddr_parse(s, out) == 0;
}

/* What stands between "PROXY " and CR LF. */
static enum proxyhdr_result parse_line(struct str rest, struct proxyhdr *out, struct errmsg *why)
{
    struct str family = word(&rest);
    bool v6 = str_eqz(family, "TCP6");
    struct netaddr destination;
    struct str ports[2];
    uint16_t p[2];

    if (str_eqz(family, "UNKNOWN")) {
        return PROXYHDR_DONE; /* whatever follows is to be ignored */
    }
    if (!v6 && !str_eqz(family, "TCP4")) {
        return bad(why, "the family is neither TCP4 nor TCP6 nor UNKNOWN");
    }
    if (!address(word(&rest), v6, &out->client) || !address(word(&rest), v6, &destination)) {
        return bad(why, "an address is malformed, or of another family");
    }
    ports[0] = word(&rest);
    ports[1] = rest;
    if (!port(ports[0], &p[0]) || !port(ports[1], &p[1])) {
        return bad(why, "a port is malformed");
    }
    out->client.port = p[0];
    out->named = true;
    return PROXYHDR_DONE;
}

static enum proxyhdr_result parse_v1(struct str bytes, struct proxyhdr *out, struct errmsg *why)
{
    size_t n = bytes.len < LINE_MAX_LEN ? bytes.len : LINE_MAX_LEN;

    for (size_t i = sizeof("PROXY ") - 1; i < n; i++) {
        if (bytes.p[i] == '\n') {
            if (bytes.p[i - 1] != '\r') {
                return bad(why, "the line does not end with CR LF");
            }
            out->length = i + 1;
            return parse_line((struct str){bytes.p + 6, i - 7}, out, why);
        }
        if (bytes.p[i - 1] == '\r') {
            return bad(why, "the line does not end with CR LF");
        }
    }
    return n == LINE_MAX_LEN ? bad(why, "the line is too long")
                             : more(out, n < 15 ? 15 : n + 1); /* "PROXY UNKNOWN" CR LF is 15 */
}

/* ---- version 2 ---- */

enum { CMD_LOCAL, CMD_PROXY };
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };

static unsigned u16(const char *p)
{
    return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* What follows the addresses is skipped, but must be whole. */
static bool extras_ok(struct str rest)
{
    while (rest.len) {
        size_t n = rest.len < 3 ? SIZE_MAX : 3 + (size_t)u16(rest.p + 1);
        if (n > rest.len) {
            return false;
        }
        rest.p += n;
        rest.len -= n;
    }
    return true;
}

/* `body` is what the header announced after its 16 bytes. */
static enum proxyhdr_result parse_addresses(unsigned family, struct str body, struct proxyhdr *out,
                                            struct errmsg *why)
{
    static const size_t sizes[] = {0, 12, 36, 216};
    size_t size = sizes[family];

    if (family == FAMILY_UNSPEC) {
        return PROXYHDR_DONE;
    }
    if (body.len < size) {
        return bad(why, "the addresses do not fit in the announced length");
    }
    if (!extras_ok((struct str){body.p + size, body.len - size})) {
        return bad(why, "an extension does not fit in the announced length");
    }
    /* A client of the proxy's own unix socket is none of ours: it must not have what
     * unix peers have here. */
    if (family == FAMILY_UNIX) {
        return PROXYHDR_DONE;
    }
    out->client = family == FAMILY_INET
                      ? netaddr_of(ADDR_INET, body.p, (uint16_t)u16(body.p + 8))
                      : netaddr_of(ADDR_INET6, body.p, (uint16_t)u16(body.p + 32));
    out->named = true;
    return PROXYHDR_DONE;
}

static enum proxyhdr_result parse_v2(struct str bytes, struct proxyhdr *out, struct errmsg *why)
{
    unsigned command, family, transport;
    size_t length;

    if (bytes.len > 12 && (unsigned char)bytes.p[12] >> 4 != 2) {
        return bad(why, "the version is not 2");
    }
    if (bytes.len > 12 && (bytes.p[12] & 0x0f) > CMD_PROXY) {
        return bad(why, "the command is neither LOCAL nor PROXY");
    }
    if (bytes.len < 16) {
        return more(out, 16);
    }
    command = bytes.p[12] & 0x0f;
    family = (unsigned char)bytes.p[13] >> 4;
    transport = bytes.p[13] & 0x0f;
    length = 16 + (size_t)u16(bytes.p + 14);
    if (command == CMD_PROXY && (family > FAMILY_UNIX || transport > 2)) {
        return bad(why, "the address family or transport is unknown");
    }
    if (length > PROXYHDR_MAX) {
        return bad(why, "the header is too long");
    }
    if (bytes.len < length) {
        return more(out, length);
    }
    out->length = length;
    if (command == CMD_LOCAL) {
        return PROXYHDR_DONE;
    }
    return parse_addresses(family, (struct str){bytes.p + 16, length - 16}, out, why);
}

enum proxyhdr_result proxyhdr_parse(struct str bytes, struct proxyhdr *out, struct errmsg *why)
{
    *out = (struct proxyhdr){0};
    if (bytes.len == 0) {
        return more(out, 15);
    }
    if (begins(bytes, STR_LIT("PROXY "))) {
        return parse_v1(bytes, out, why);
    }
    if (begins(bytes, (struct str){signature, sizeof(signature)})) {
        return parse_v2(bytes, out, why);
    }
    return bad(why, "the connection does not begin with a PROXY protocol header");
}
