/* support_access.h - streams with a credential, and a wall clock that a test sets. */
#ifndef FF_TESTS_SUPPORT_ACCESS_H
#define FF_TESTS_SUPPORT_ACCESS_H

#include "support_stream.h"

#include "conn/access.h"

#include <sys/syscall.h>
#include <time.h>

/* ---- the wall clock ---- */

#define WALL_START 1800000000000u /* 2027-01-15T08:00:00.000Z */

static uint64_t wall = WALL_START;
static unsigned wall_reads;

/* The program's own comes before that of the C library. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_REALTIME) {
        return (int)syscall(SYS_clock_gettime, id, ts);
    }
    wall_reads++;
    *ts = (struct timespec){(time_t)(wall / 1000), (long)(wall % 1000) * 1000000};
    return 0;
}

/* Both clocks go on, in steps of at most a second, and not beyond a tick of the wheel where it
 * matters. */
static inline void pass(struct rig *rig, uint64_t ms)
{
    uint64_t end = rig->now + ms;

    while (rig->now < end) {
        uint64_t left_ms = end - rig->now;
        uint64_t step = left_ms > 2000 ? 1000 : left_ms < WHEEL_TICK_MS ? left_ms : WHEEL_TICK_MS;
        rig->now += step;
        wall += step;
        rig_turn(rig);
    }
}

/* ---- grants ---- */

/* A token of the user, if not empty; `channels` divided by spaces, NULL: not listed. Expires in
 * `seconds`, 0: never; is good for five more. `meta` is its info, too. */
static inline struct grant *token_with(const char *user, const char *channels, unsigned seconds,
                                       const char *meta)
{
    struct str list[16];
    struct grant_spec spec = {.kind = GRANT_CLIENT,
                              .id = STR_LIT("jti-1"),
                              .user = str_of(user),
                              .meta = str_of(meta),
                              .info = str_of(meta),
                              .lists_subscribe = channels != NULL,
                              .subscribe = list};
    struct grant *g = NULL;

    for (const char *p = channels; p && *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        list[spec.nsubscribe++] = (struct str){p, n};
        p += n;
    }
    if (seconds) {
        spec.expires_ms = wall + seconds * 1000u;
        spec.until_ms = spec.expires_ms + 5000;
    }
    cr_assert_eq(grant_new(&spec, &g), 0);
    return g;
}

static inline struct grant *token(const char *user, const char *channels, unsigned seconds)
{
    return token_with(user, channels, seconds, "");
}

static inline struct grant *grant_of(enum grant_kind kind, unsigned rights)
{
    struct grant_spec spec = {.kind = kind, .rights = rights, .id = STR_LIT("shop")};
    struct grant *g = NULL;

    cr_assert_eq(grant_new(&spec, &g), 0);
    return g;
}

/* ---- streams ---- */

/* What a stream is opened with; the rest of it is said by `names`, divided by spaces. */
static inline struct plain_stream *open_granted(struct rig *rig, const struct stream_ops *ops,
                                                struct stream_intro intro, const char *names,
                                                int *peer)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct str list[16];

    intro.fd = p.ours;
    intro.names = list;
    for (const char *n = names; *n; n += *n == ' ') {
        size_t len = strcspn(n, " ");
        list[intro.nnames++] = (struct str){n, len};
        n += len;
    }
    cr_assert_eq(stream_open(&c->s, &rig->env, ops, &intro), 0);
    *peer = p.peer;
    return c;
}

/* What stands in the text, by the beginnings of what is looked for and with the cursors: "C0 S0
 * W0 1" is connected, synced, the warning, message 1; U4:a unsubscribed from a, X4:expired the
 * closing event, G a gap, bye the transport's farewell. */
static inline const char *gist(const char *text)
{
    static const struct {
        const char *type, *mark;
    } known[] = {{"fanfare.connected", "C"}, {"fanfare.synced", "S"},
                 {"fanfare.gap", "G"},       {"fanfare.auth_expiring", "W"},
                 {"fanfare.closing", "X"},   {"fanfare.unsubscribed", "U"}};
    static char out[8192];
    size_t n = 0;
    const char *p = text;

    out[0] = '\0';
    while ((p = strpbrk(p, "{f")) != NULL) {
        const char *type = p + strlen("{\"type\":\"");
        const char *mark = "";
        const char *cursor, *data;
        if (strncmp(p, "farewell", 8) == 0) {
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%sbye", n ? " " : "");
        }
        if (strncmp(p, "{\"type\":\"", 9) != 0) {
            p++;
            continue;
        }
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strncmp(type, known[i].type, strlen(known[i].type)) == 0) {
                mark = known[i].mark;
            }
        }
        cursor = strstr(p, "\"cursor\":\"" RIG_EPOCH_TEXT "-");
        n +=
            (size_t)snprintf(out + n, sizeof(out) - n, "%s%s%lu", n ? " " : "", mark,
                             cursor ? strtoul(cursor + strlen("\"cursor\":\"2n9c-"), NULL, 10) : 0);
        data = strstr(p, *mark == 'U' ? "\"channel\":\"" : "\"code\":\"");
        if (*mark == 'U' || *mark == 'X') {
            data += *mark == 'U' ? 11 : 8;
            n +=
                (size_t)snprintf(out + n, sizeof(out) - n, ":%.*s", (int)strcspn(data, "\""), data);
        }
        p = type;
    }
    return out;
}

/* What has arrived, without the zeros of frames' heads; the caller frees it. */
static inline char *told(struct rig *rig, int peer)
{
    struct strbuf sb = STRBUF_INIT;

    rig_turn(rig);
    strbuf_adds(&sb, "");
    (void)rig_read_all(rig, peer, &sb);
    for (size_t i = 0; i < sb.len; i++) {
        sb.data[i] = sb.data[i] ? sb.data[i] : ' ';
    }
    strbuf_addc(&sb, '\0');
    return strbuf_steal(&sb, NULL);
}

static inline void expect_gist(struct rig *rig, int peer, const char *want)
{
    char *text = told(rig, peer);
    const char *got = gist(text);

    cr_assert_str_eq(got, want, "%s instead of %s:\n%s", got, want, text);
    free(text);
}

/* Nothing was said. */
static inline void expect_silence(struct rig *rig, int peer)
{
    struct strbuf sb = STRBUF_INIT;

    rig_turn(rig);
    (void)rig_read_all(rig, peer, &sb);
    cr_assert_eq(sb.len, 0, "%.*s", (int)sb.len, sb.data);
    strbuf_fini(&sb);
}

#endif
