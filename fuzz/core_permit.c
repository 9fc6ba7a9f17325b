/* core/grant, core/permit, conf's rules by prefix: what a credential permits for a
 * pattern it permits for every channel of it, tried out on the channels that can
 * tell patterns apart. A single pattern that covers another one's channels all is
 * found to cover it.
 *
 * Input: lines. The first is the name asked for; "rule PREFIX=WHO" is a
 * subscribe-for rule; all others are patterns that the credential lists. */
#include "fuzz.h"

#include "core/permit.h"
#include "proto/name.h"

#define MAX_PATTERNS 4
#define MAX_SYMBOLS 7
#define MAX_SEGMENTS 4

struct asked {
    struct str name;
    struct str patterns[MAX_PATTERNS];
    unsigned n;
    struct options opt;
    struct grant *listed, *plain;
};

/* The segments that channels to try are made of: those of all names, and two that
 * stand for anything else. */
struct symbols {
    struct str v[MAX_SYMBOLS];
    unsigned n;
};

static void add_symbol(struct symbols *y, struct str s)
{
    for (unsigned i = 0; i < y->n; i++) {
        if (str_eq(y->v[i], s)) {
            return;
        }
    }
    if (y->n < MAX_SYMBOLS && !str_eqz(s, "*") && !str_eqz(s, ">")) {
        y->v[y->n++] = s;
    }
}

static unsigned add_symbols(struct symbols *y, struct str s)
{
    unsigned n = 0;

    for (;;) {
        const char *dot = s.len ? memchr(s.p, '.', s.len) : NULL;
        size_t len = dot ? (size_t)(dot - s.p) : s.len;
        add_symbol(y, (struct str){s.p, len});
        n++;
        if (!dot) {
            return n;
        }
        s.p += len + 1;
        s.len -= len + 1;
    }
}

static bool any_match(const struct asked *a, struct str channel)
{
    bool found = false;

    for (unsigned i = 0; i < a->n && !found; i++) {
        found = name_match(a->patterns[i], channel);
    }
    return found;
}

struct verdict {
    bool covered;            /* grant_covers */
    bool listed, plain;      /* permit_subscribe */
    unsigned tried, outside; /* channels of the name; of these, that no pattern matches */
};

static void try_channel(const struct asked *a, struct str channel, struct verdict *v)
{
    if (name_check_channel(channel, NULL) != 0 || !name_match(a->name, channel)) {
        return;
    }
    bool matches = any_match(a, channel);

    v->tried++;
    v->outside += !matches;
    FUZZ_CHECK(matches == grant_covers(a->patterns, a->n, channel), "%.*s", FUZZ_STR(channel));
    FUZZ_CHECK(!v->covered || matches, "%.*s is covered, %.*s is not", FUZZ_STR(a->name),
               FUZZ_STR(channel));
    FUZZ_CHECK(!v->listed || permit_subscribe(&a->opt, a->listed, channel),
               "%.*s is permitted, %.*s is not", FUZZ_STR(a->name), FUZZ_STR(channel));
    FUZZ_CHECK(!v->plain || permit_subscribe(&a->opt, a->plain, channel),
               "%.*s is permitted without a list, %.*s is not", FUZZ_STR(a->name),
               FUZZ_STR(channel));
    FUZZ_CHECK(!permit_subscribe(&a->opt, a->listed, channel) || matches);
}

/* All channels of up to `depth` more segments. */
static void try_all(const struct asked *a, const struct symbols *y, char *text, size_t len,
                    unsigned depth, struct verdict *v)
{
    for (unsigned i = 0; i < y->n; i++) {
        size_t end = len;
        if (len + 1 + y->v[i].len > NAME_MAX_LEN) {
            continue;
        }
        if (depth != MAX_SEGMENTS) {
            text[end++] = '.';
        }
        memcpy(text + end, y->v[i].p, y->v[i].len);
        end += y->v[i].len;
        try_channel(a, (struct str){text, end}, v);
        if (depth > 1) {
            try_all(a, y, text, end, depth - 1, v);
        }
    }
}

static void make_grants(struct asked *a)
{
    struct grant_spec spec = {.kind = GRANT_CLIENT, .user = STR_LIT("ann")};

    FUZZ_CHECK(grant_new(&spec, &a->plain) == 0);
    spec.lists_subscribe = true;
    spec.subscribe = spec.publish = a->patterns;
    spec.nsubscribe = spec.npublish = a->n;
    FUZZ_CHECK(grant_new(&spec, &a->listed) == 0);
    for (unsigned i = 0; i < a->n; i++) {
        FUZZ_CHECK(str_eq(a->listed->s.subscribe[i], a->patterns[i]));
        FUZZ_CHECK(str_eq(a->listed->s.publish[i], a->patterns[i]));
        FUZZ_CHECK(grant_covers(a->patterns, a->n, a->patterns[i]), "not even itself: %.*s",
                   FUZZ_STR(a->patterns[i]));
    }
}

static void read_line(struct asked *a, struct str line)
{
    if (str_starts(line, STR_LIT("rule "))) {
        char *value = fuzz_cstr((struct str){line.p + 5, line.len - 5});
        struct errmsg why = {""};
        int rc = options_set(&a->opt, "subscribe-for", value, OPT_FROM_SET, &why);
        FUZZ_CHECK(rc == 0 || why.text[0]);
        free(value);
    } else if (a->n < MAX_PATTERNS && name_check_subscription(line, NULL) == 0) {
        a->patterns[a->n++] = line;
    }
}

/* Does a pattern have the segments that are to stand for any others? */
static bool uses_fresh(const struct asked *a)
{
    char *first = fuzz_cstr(a->patterns[0]);
    bool uses = strstr(first, "zz9") != NULL;

    free(first);
    return uses;
}

static void check(struct asked *a)
{
    struct symbols y = {.n = 0};
    struct verdict v = {.tried = 0};
    char text[NAME_MAX_LEN + 1];
    unsigned most = 0;

    make_grants(a);
    add_symbol(&y, STR_LIT("zz9"));
    add_symbol(&y, STR_LIT("private-zz9"));
    most = add_symbols(&y, a->name);
    for (unsigned i = 0; i < a->n; i++) {
        unsigned n = add_symbols(&y, a->patterns[i]);
        most = n > most ? n : most;
    }
    v.covered = grant_covers(a->patterns, a->n, a->name);
    v.listed = permit_subscribe(&a->opt, a->listed, a->name);
    v.plain = permit_subscribe(&a->opt, a->plain, a->name);
    if (str_eqz(a->name, USERS_CHANNEL)) { /* no pattern stands for it, and no rule gives it away */
        FUZZ_CHECK(!v.plain && v.covered == str_among(a->name, a->patterns, a->n));
        FUZZ_CHECK(!v.listed || v.covered);
    }
    try_all(a, &y, text, 0, MAX_SEGMENTS, &v);
    if (a->n == 1 && most < MAX_SEGMENTS && y.n < MAX_SYMBOLS && v.tried > 0 &&
        a->name.len < NAME_MAX_LEN / 2 && !uses_fresh(a)) {
        FUZZ_CHECK(v.covered == (v.outside == 0), "%.*s and %.*s: %u of %u outside",
                   FUZZ_STR(a->patterns[0]), FUZZ_STR(a->name), v.outside, v.tried);
    }
    grant_unref(a->listed);
    grant_unref(a->plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct asked a = {.name = fuzz_line(&in)};

    FUZZ_CHECK(options_init(&a.opt) == 0);
    for (unsigned i = 0; in.n && i < 16; i++) {
        read_line(&a, fuzz_line(&in));
    }
    if (name_check_subscription(a.name, NULL) == 0) {
        check(&a);
    }
    options_fini(&a.opt);
    return 0;
}
