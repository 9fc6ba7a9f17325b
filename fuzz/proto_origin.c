/* proto/origin: Origin and Host headers. Parts written together again and parsed
 * are the same parts; what counts as loopback is what the C library's parser of
 * addresses says. Input: lines, one header each. */
#include "fuzz.h"

#include "base/strbuf.h"
#include "proto/origin.h"

#include <arpa/inet.h>
#include <strings.h>

/* With the brackets that an IPv6 address has in both headers. */
static void write_back(struct strbuf *out, const struct origin *o, bool port)
{
    bool six = o->host.len && memchr(o->host.p, ':', o->host.len);

    if (o->scheme.len) {
        strbuf_addf(out, "%.*s://", FUZZ_STR(o->scheme));
    }
    strbuf_addf(out, six ? "[%.*s]" : "%.*s", FUZZ_STR(o->host));
    if (port) {
        strbuf_addf(out, ":%u", o->port);
    }
}

static bool loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    size_t n = strlen(host);
    const char *last = n > 10 ? host + n - 10 : "";

    return strcasecmp(host, "localhost") == 0 || strcasecmp(last, ".localhost") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127) ||
           (inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six));
}

static void check_parts(struct str s, const struct origin *o)
{
    FUZZ_CHECK(o->host.len > 0 && o->host.p >= s.p && o->host.p + o->host.len <= s.p + s.len);
    for (size_t i = 0; i < o->host.len; i++) {
        unsigned char c = (unsigned char)o->host.p[i];
        FUZZ_CHECK(c > 0x20 && c < 0x7f && !strchr("/?#@[]\\\"<>", c), "%.*s", FUZZ_STR(s));
    }
    char *host = fuzz_cstr(o->host);
    /* Anything that loopback() takes and the gateway does not is only refused. */
    FUZZ_CHECK(!origin_is_loopback(o->host) || loopback(host), "%s is no loopback", host);
    free(host);
}

static void check(struct str s, bool is_origin)
{
    struct origin o, again;
    struct strbuf sb = STRBUF_INIT;

    int rc = is_origin ? origin_parse(s, &o) : origin_parse_host(s, &o);
    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID, "%d", rc);
    if (rc != 0) {
        return;
    }
    FUZZ_CHECK(is_origin ? o.scheme.len > 0 : o.scheme.len == 0);
    check_parts(s, &o);
    write_back(&sb, &o, o.port != 0);
    rc = is_origin ? origin_parse(strbuf_str(&sb), &again)
                   : origin_parse_host(strbuf_str(&sb), &again);
    FUZZ_CHECK(rc == 0, "%s", sb.data);
    FUZZ_CHECK(origin_same(&o, &again) && origin_same(&again, &o), "%s", sb.data);
    FUZZ_CHECK(str_eq(o.host, again.host) && o.port == again.port, "%s", sb.data);
    strbuf_fini(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};

    while (in.n) {
        struct str line = fuzz_line(&in);
        struct str s = fuzz_copy(line.p, line.len);
        check(s, true);
        check(s, false);
        (void)origin_is_loopback(s);
        fuzz_free(s);
    }
    return 0;
}
