/* base/cidr: networks and addresses, held against the C library's parser and a
 * comparison bit by bit. Input: lines; the first an address, the others networks. */
#include "fuzz.h"

#include "base/cidr.h"

#include <arpa/inet.h>

/* 16 bytes, IPv4 as IPv4-mapped; false if it is no address. */
static bool ref_address(struct str s, uint8_t out[16], bool *six)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char *text = fuzz_cstr(s);
    bool ok = strlen(text) == s.len;

    *six = false;
    memcpy(out, mapped, 12);
    if (ok && inet_pton(AF_INET, text, out + 12) != 1) {
        ok = *six = inet_pton(AF_INET6, text, out) == 1;
        *six = ok && memcmp(out, mapped, 12) != 0;
    }
    free(text);
    return ok;
}

static bool ref_match(const uint8_t a[16], const uint8_t net[16], unsigned bits)
{
    bool same = true;

    for (unsigned i = 0; i < bits && same; i++) {
        same = ((a[i / 8] ^ net[i / 8]) >> (7 - i % 8) & 1) == 0;
    }
    return same;
}

static void check_address(struct str s, struct netaddr *out, bool *ok)
{
    uint8_t want[16];
    bool six;

    *ok = netaddr_parse(s, out) == 0;
    FUZZ_CHECK(*ok == ref_address(s, want, &six), "%.*s", FUZZ_STR(s));
    if (*ok) {
        FUZZ_CHECK(out->kind == (six ? ADDR_INET6 : ADDR_INET), "%.*s", FUZZ_STR(s));
        FUZZ_CHECK(memcmp(out->addr, six ? want : want + 12, six ? 16 : 4) == 0);
    }
}

static void check_network(struct str s, struct str address, const struct netaddr *a)
{
    const char *slash = s.len ? memchr(s.p, '/', s.len) : NULL;
    struct str host = {s.p, slash ? (size_t)(slash - s.p) : s.len};
    struct errmsg why = {""};
    struct cidr c;
    uint8_t net[16], addr[16];
    bool six, asix;

    if (cidr_parse(s, &c, &why) != 0) {
        fuzz_sentence_cut(why.text, sizeof(why.text));
        FUZZ_CHECK(cidr_parse(s, &c, NULL) == ERR_INVALID);
        return;
    }
    if (str_eqz(s, "unix")) {
        FUZZ_CHECK(!a || !cidr_match(&c, a));
        return;
    }
    FUZZ_CHECK(ref_address(host, net, &six), "%.*s", FUZZ_STR(s));
    FUZZ_CHECK(c.bits <= (six ? 128 : 32), "%.*s", FUZZ_STR(s));
    if (!a || !ref_address(address, addr, &asix)) {
        return;
    }
    bool want = six == asix && ref_match(addr, net, c.bits + (six ? 0u : 96u));
    FUZZ_CHECK(cidr_match(&c, a) == want, "%.*s and %.*s", FUZZ_STR(s), FUZZ_STR(address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct str line = fuzz_line(&in);
    struct str address = fuzz_copy(line.p, line.len);
    struct netaddr a;
    bool ok;

    check_address(address, &a, &ok);
    for (unsigned i = 0; in.n && i < 20; i++) {
        line = fuzz_line(&in);
        struct str net = fuzz_copy(line.p, line.len);
        check_network(net, address, ok ? &a : NULL);
        fuzz_free(net);
    }
    fuzz_free(address);
    return 0;
}
