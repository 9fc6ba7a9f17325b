/* proto/name: channels, patterns, users, types; a grammar of its own here says
 * what is a name, and a matcher of its own what matches. Input: lines, the first
 * a pattern, the second a channel. */
#include "fuzz.h"

#include "proto/name.h"

static bool is_channel_byte(char c)
{
    return c &&
           strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@=,;/", c);
}

static bool grammar_channel(struct str s)
{
    bool ok = s.len >= 1 && s.len <= NAME_MAX_LEN && !str_starts(s, STR_LIT("fanfare."));

    for (size_t i = 0; ok && i < s.len; i++) {
        ok = is_channel_byte(s.p[i]);
    }
    return ok;
}

struct segments {
    struct str v[NAME_MAX_LEN + 1];
    size_t n;
};

static void split(struct str s, struct segments *out)
{
    out->n = 0;
    for (;;) {
        const char *dot = s.len ? memchr(s.p, '.', s.len) : NULL;
        size_t len = dot ? (size_t)(dot - s.p) : s.len;
        out->v[out->n++] = (struct str){s.p, len};
        if (!dot) {
            return;
        }
        s.p += len + 1;
        s.len -= len + 1;
    }
}

static bool grammar_subscription(struct str s)
{
    struct segments g;
    bool ok = s.len >= 1 && s.len <= NAME_MAX_LEN &&
              (str_eqz(s, "fanfare.users") || !str_starts(s, STR_LIT("fanfare.")));

    if (!ok) {
        return false;
    }
    split(s, &g);
    for (size_t i = 0; i < g.n; i++) {
        if (str_eqz(g.v[i], "*") || (str_eqz(g.v[i], ">") && i + 1 == g.n)) {
            continue;
        }
        for (size_t k = 0; k < g.v[i].len; k++) {
            if (!is_channel_byte(g.v[i].p[k])) {
                return false;
            }
        }
    }
    return true;
}

static bool grammar_matches(struct str pattern, struct str channel)
{
    static const char *const closed[] = {"private-", "presence-", "fanfare."};
    struct segments p, c;
    size_t i = 0;

    for (unsigned k = 0; k < 3; k++) {
        if (str_starts(channel, str_of(closed[k])) && !str_starts(pattern, str_of(closed[k]))) {
            return false;
        }
    }
    split(pattern, &p);
    split(channel, &c);
    for (; i < p.n; i++) {
        if (str_eqz(p.v[i], ">")) {
            return i < c.n;
        }
        if (i >= c.n || (!str_eqz(p.v[i], "*") && !str_eq(p.v[i], c.v[i]))) {
            return false;
        }
    }
    return i == c.n;
}

static void check_shown(struct str s)
{
    char shown[NAME_SHOW_MAX];

    FUZZ_CHECK(name_show(s, shown) == shown && memchr(shown, '\0', sizeof(shown)));
    FUZZ_CHECK(utf8_printable(str_of(shown)), "%s", shown);
}

static void check_rc(int rc, bool ok, const struct errmsg *why, struct str s)
{
    FUZZ_CHECK((rc == 0) == ok, "%d, %s: %.*s", rc, why->text, FUZZ_STR(s));
    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID || rc == ERR_RESERVED, "%d", rc);
    if (rc != 0) {
        fuzz_sentence(why->text);
    }
}

static void check_name(struct str s)
{
    struct errmsg why = {""};
    bool text = s.len >= 1 && s.len <= NAME_MAX_LEN && utf8_printable(s);
    bool kept = str_eqz(s, "open") || str_eqz(s, "error") || str_starts(s, STR_LIT("fanfare."));

    check_rc(name_check_channel(s, &why), grammar_channel(s), &why, s);
    check_rc(name_check_subscription(s, &why), grammar_subscription(s), &why, s);
    check_rc(name_check_user(s, &why), text, &why, s);
    check_rc(name_check_type(s, &why), text && !kept, &why, s);
    check_rc(name_check_text("id", s, &why), text, &why, s);
    check_shown(s);
    if (grammar_channel(s)) {
        FUZZ_CHECK(!name_is_pattern(s) && name_match(s, s));
    } else if (grammar_subscription(s)) {
        FUZZ_CHECK(name_is_pattern(s) || str_eqz(s, "fanfare.users"), "%.*s", FUZZ_STR(s));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct str line = fuzz_line(&in);
    struct str pattern = fuzz_copy(line.p, line.len);
    line = fuzz_rest(&in);
    struct str channel = fuzz_copy(line.p, line.len);

    check_name(pattern);
    check_name(channel);
    if (grammar_subscription(pattern) && grammar_channel(channel)) {
        FUZZ_CHECK(name_match(pattern, channel) == grammar_matches(pattern, channel),
                   "%.*s and %.*s", FUZZ_STR(pattern), FUZZ_STR(channel));
    }
    fuzz_free(pattern);
    fuzz_free(channel);
    return 0;
}
