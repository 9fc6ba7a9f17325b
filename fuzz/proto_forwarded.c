/* proto/forwarded: who a request is from, behind proxies. What a client writes to
 * the left of what proxies added may spoil the walk but never send it elsewhere.
 * Input: lines; the first is what a client puts in front, the others are the
 * header's lines. */
#include "fuzz.h"

#include "base/strbuf.h"
#include "proto/forwarded.h"

#define MAX_LINES 8

static struct cidr_set trusted;

struct walked {
    enum forwarded_end end;
    struct netaddr at;
};

static struct walked walk(enum forwarded_syntax syntax, const struct str *lines, unsigned n)
{
    struct walked w = {.end = FORWARDED_NONE};

    memset(&w.at, 0, sizeof(w.at));
    w.end = forwarded_walk(syntax, lines, n, &trusted, &w.at);
    if (w.end == FORWARDED_CLIENT || w.end == FORWARDED_TRUSTED) {
        FUZZ_CHECK(cidr_set_match(&trusted, &w.at) == (w.end == FORWARDED_TRUSTED));
        FUZZ_CHECK(w.at.kind == ADDR_INET || w.at.kind == ADDR_INET6);
    }
    return w;
}

static bool same(const struct walked *a, const struct walked *b)
{
    return a->end == b->end && a->at.kind == b->at.kind && a->at.port == b->at.port &&
           memcmp(a->at.addr, b->at.addr, 16) == 0;
}

/* The client's own line in front: it is not reached. */
static void check_line_in_front(enum forwarded_syntax syntax, struct str front,
                                const struct str *lines, unsigned n, const struct walked *was)
{
    struct str more[MAX_LINES + 1] = {front};
    struct walked w;

    memcpy(more + 1, lines, n * sizeof(*lines));
    w = walk(syntax, more, n + 1);
    FUZZ_CHECK(was->end != FORWARDED_CLIENT || same(&w, was), "a line in front changed it");
    FUZZ_CHECK(was->end != FORWARDED_BAD || w.end == FORWARDED_BAD);
}

/* The same on the one line that a proxy appended to. */
static void check_text_in_front(enum forwarded_syntax syntax, struct str front,
                                const struct str *lines, unsigned n, const struct walked *was)
{
    struct strbuf sb = STRBUF_INIT;
    struct walked w;

    strbuf_addstr(&sb, front);
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(&sb, ", ");
        strbuf_addstr(&sb, lines[i]);
    }
    struct str all = strbuf_str(&sb);
    w = walk(syntax, &all, 1);
    FUZZ_CHECK(was->end != FORWARDED_CLIENT || same(&w, was) || w.end == FORWARDED_BAD,
               "text in front changed it: %.*s", FUZZ_STR(all));
    strbuf_fini(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char four[] = "10.0.0.0/8", six[] = "2001:db8::/32";
    char *networks[] = {four, six};
    struct fuzz_in in = {data, size};
    struct str line = fuzz_line(&in);
    struct str front = fuzz_copy(line.p, line.len);
    struct str lines[MAX_LINES];
    unsigned n = 0;

    if (!trusted.n) {
        FUZZ_CHECK(cidr_set_make(networks, 2, &trusted) == 0);
    }
    while (in.n && n < MAX_LINES) {
        line = fuzz_line(&in);
        lines[n++] = fuzz_copy(line.p, line.len);
    }
    for (int syntax = FORWARDED_FOR; syntax <= X_FORWARDED_FOR; syntax++) {
        struct walked was = walk((enum forwarded_syntax)syntax, lines, n);
        check_line_in_front((enum forwarded_syntax)syntax, front, lines, n, &was);
        check_text_in_front((enum forwarded_syntax)syntax, front, lines, n, &was);
    }
    for (unsigned i = 0; i < n; i++) {
        fuzz_free(lines[i]);
    }
    fuzz_free(front);
    return 0;
}
