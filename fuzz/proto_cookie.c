/* proto/cookie: one cookie out of a header. Found when it is put in front or behind
 * of anything, and what is found stands in the header. Input: lines: a name, the
 * header. */
#include "fuzz.h"

#include "base/strbuf.h"
#include "proto/cookie.h"

static unsigned find(struct str header, struct str name, struct str *value)
{
    unsigned n;

    *value = STR_NONE;
    n = cookie_find(header, name, value);
    if (n) {
        FUZZ_CHECK(value->len == 0 ||
                   (value->p >= header.p && value->p + value->len <= header.p + header.len));
        FUZZ_CHECK(!value->len || !memchr(value->p, ';', value->len), "%.*s", FUZZ_STR(*value));
    }
    return n;
}

/* `name=x` in front of the header is one more, and the first. */
static void check_front(struct str header, struct str name, unsigned was)
{
    struct strbuf sb = STRBUF_INIT;
    struct str value;

    strbuf_addstr(&sb, name);
    strbuf_adds(&sb, "=x-1; ");
    strbuf_addstr(&sb, header);
    FUZZ_CHECK(find(strbuf_str(&sb), name, &value) == was + 1, "%s", sb.data);
    FUZZ_CHECK(str_eqz(value, "x-1"), "%.*s", FUZZ_STR(value));
    strbuf_fini(&sb);
}

static bool token(struct str s)
{
    bool ok = s.len > 0;

    for (size_t i = 0; ok && i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        ok = c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
    }
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct str line = fuzz_line(&in);
    struct str name = fuzz_copy(line.p, line.len);
    struct str rest = fuzz_rest(&in);
    struct str header = fuzz_copy(rest.p, rest.len);
    struct str value;

    FUZZ_CHECK(cookie_name_ok(name) == token(name), "%.*s", FUZZ_STR(name));
    if (cookie_name_ok(name)) {
        unsigned n = find(header, name, &value);
        check_front(header, name, n);
        FUZZ_CHECK(n == 0 || memmem(header.p, header.len, name.p, name.len));
    }
    fuzz_free(name);
    fuzz_free(header);
    return 0;
}
