#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct netaddr netaddr_of(enum addr_kind kind, const void *bytes, uint16_t port)
{
    struct netaddr a = {.port = port, .kind = (uint8_t)kind};

    if (kind == ADDR_INET) {
        memcpy(a.addr, bytes, 4);
    } else if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        a.kind = ADDR_INET;
        memcpy(a.addr, (const uint8_t *)bytes + sizeof(mapped), 4);
    } else {
        memcpy(a.addr, bytes, 16);
    }
    return a;
}

int netaddr_parse(struct str text, struct netaddr *out)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.p, '\0', text.len)) {
        return ERR_INVALID;
    }
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *out = netaddr_of(ADDR_INET, bytes, 0);
    } else if (inet_pton(AF_INET6, copy, bytes) == 1) {
        *out = netaddr_of(ADDR_INET6, bytes, 0);
    } else {
        return ERR_INVALID;
    }
    return 0;
}

/* ---- networks ---- */

static int parse_bits(struct str s, unsigned max, unsigned *out)
{
    unsigned v = 0;

    if (s.len == 0 || s.len > 3 || (s.len > 1 && s.p[0] == '0')) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return ERR_INVALID;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *out = v;
    return v <= max ? 0 : ERR_INVALID;
}

/* Clears what lies behind the first `bits`; true if something did. */
static bool clear_rest(uint8_t addr[16], unsigned bits)
{
    bool any = false;

    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits >= (i + 1) * 8 ? 8 : bits > i * 8 ? bits - i * 8 : 0;
        uint8_t mask = (uint8_t)(0xff00u >> keep);
        any |= (addr[i] & ~mask & 0xff) != 0;
        addr[i] &= mask;
    }
    return any;
}

static int refuse_rest(const struct cidr *c, struct errmsg *why)
{
    char net[INET6_ADDRSTRLEN] = "";

    inet_ntop(c->net.kind == ADDR_INET ? AF_INET : AF_INET6, c->net.addr, net, sizeof(net));
    return errmsg_set(why, ERR_INVALID,
                      "the address has bits outside its network; write %s/%u, or the address alone",
                      net, (unsigned)c->bits);
}

int cidr_parse(struct str text, struct cidr *out, struct errmsg *why)
{
    const char *slash = text.len ? memchr(text.p, '/', text.len) : NULL;
    struct str ip = {text.p, slash ? (size_t)(slash - text.p) : text.len};
    struct cidr c = {.net = {.kind = ADDR_UNIX}};
    unsigned written, full, bits;

    if (str_eqz(text, "unix")) {
        *out = c;
        return 0;
    }
    if (netaddr_parse(ip, &c.net) != 0) {
        return errmsg_set(why, ERR_INVALID,
                          "not an address; write 10.0.0.0/8, 2001:db8::/32, an address or unix");
    }
    full = c.net.kind == ADDR_INET ? 32 : 128;
    written = memchr(ip.p, ':', ip.len) ? 128 : 32; /* an IPv4-mapped one counts 96 more */
    bits = written;
    if (slash) {
        struct str rest = {slash + 1, text.len - ip.len - 1};
        if (parse_bits(rest, written, &bits) != 0 || bits < written - full) {
            return errmsg_set(why, ERR_INVALID, "after the / stands a number from %u to %u",
                              written - full, written);
        }
    }
    c.bits = (uint8_t)(bits - (written - full));
    if (clear_rest(c.net.addr, c.bits)) {
        return refuse_rest(&c, why);
    }
    *out = c;
    return 0;
}

bool cidr_match(const struct cidr *c, const struct netaddr *a)
{
    unsigned whole = c->bits / 8;
    unsigned rest = c->bits % 8;

    if (c->net.kind != a->kind || memcmp(c->net.addr, a->addr, whole) != 0) {
        return false;
    }
    return rest == 0 || (c->net.addr[whole] ^ a->addr[whole]) >> (8 - rest) == 0;
}

/* ---- sets ---- */

int cidr_set_make(char *const *items, unsigned n, struct cidr_set *out)
{
    *out = (struct cidr_set){0};
    if (n == 0) {
        return 0;
    }
    out->v = calloc(n, sizeof(*out->v));
    if (!out->v) {
        return ERR_NOMEM;
    }
    for (; out->n < n; out->n++) {
        int rc = cidr_parse(str_of(items[out->n]), &out->v[out->n], NULL);
        if (rc != 0) {
            cidr_set_fini(out);
            return rc;
        }
    }
    return 0;
}

void cidr_set_fini(struct cidr_set *s)
{
    free(s->v);
    *s = (struct cidr_set){0};
}

bool cidr_set_match(const struct cidr_set *s, const struct netaddr *a)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (cidr_match(&s->v[i], a)) {
            return true;
        }
    }
    return false;
}
