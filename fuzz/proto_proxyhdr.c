/* proto/proxyhdr: the header of a proxy, however it comes in pieces. Every prefix
 * asks for more, without asking for too much, until the verdict on the whole is
 * there; and that does not change with what follows. */
#include "fuzz.h"

#include "proto/proxyhdr.h"

struct verdict {
    enum proxyhdr_result result;
    struct proxyhdr h;
};

static struct verdict ask(const uint8_t *data, size_t n)
{
    struct str bytes = fuzz_copy(data, n);
    struct verdict v = {.h = {.length = 0}};
    struct errmsg why = {""};

    v.result = proxyhdr_parse(bytes, &v.h, &why);
    switch (v.result) {
    case PROXYHDR_MORE:
        FUZZ_CHECK(v.h.length > n && v.h.length <= PROXYHDR_MAX, "%zu of %zu", v.h.length, n);
        break;
    case PROXYHDR_DONE:
        FUZZ_CHECK(v.h.length > 0 && v.h.length <= n && v.h.length <= PROXYHDR_MAX, "%zu",
                   v.h.length);
        FUZZ_CHECK(!v.h.named || v.h.client.kind != ADDR_UNIX);
        break;
    case PROXYHDR_BAD:
        fuzz_sentence_cut(why.text, sizeof(why.text));
        break;
    }
    fuzz_free(bytes);
    return v;
}

static bool same(const struct verdict *a, const struct verdict *b)
{
    return a->result == b->result && a->h.length == b->h.length && a->h.named == b->h.named &&
           (!a->h.named ||
            (memcmp(a->h.client.addr, b->h.client.addr, 16) == 0 &&
             a->h.client.port == b->h.client.port && a->h.client.kind == b->h.client.kind));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < PROXYHDR_MAX + 8 ? size : PROXYHDR_MAX + 8;
    struct verdict whole = ask(data, n), v, settled = {.result = PROXYHDR_MORE};

    for (size_t i = 0; i <= n; i++) {
        v = ask(data, i);
        if (settled.result == PROXYHDR_MORE) {
            settled = v;
            FUZZ_CHECK(v.result != PROXYHDR_DONE || v.h.length == i, "%zu of %zu", v.h.length, i);
        } else if (settled.result == PROXYHDR_DONE) {
            FUZZ_CHECK(same(&settled, &v), "more bytes changed it at %zu", i);
        } else {
            FUZZ_CHECK(v.result == PROXYHDR_BAD, "bad and then good at %zu", i);
        }
    }
    FUZZ_CHECK(whole.result == settled.result, "%d, not %d", whole.result, settled.result);
    FUZZ_CHECK(whole.result != PROXYHDR_DONE || same(&whole, &settled));

    /* Who reads no more than is asked for comes to the same. */
    for (size_t have = 0;;) {
        v = ask(data, have);
        if (v.result != PROXYHDR_MORE || v.h.length > n) {
            FUZZ_CHECK(v.result == PROXYHDR_MORE || v.result == whole.result);
            FUZZ_CHECK(v.result != PROXYHDR_DONE || (same(&v, &whole) && v.h.length == have));
            return 0;
        }
        have = v.h.length;
    }
}
