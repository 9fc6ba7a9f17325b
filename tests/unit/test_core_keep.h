/* test_core_keep.h - a router that keeps history, on the harness's single
 * thread, and readers whose whole view is one line of text:
 *
 *   5 6               messages, replayed or live, by seq
 *   [channel a 1-3 evicted]   a gap: scope, name, from, to, reason
 *   =7                joined, the top being 7; what follows is live
 */
#ifndef FF_TEST_CORE_KEEP_H
#define FF_TEST_CORE_KEEP_H

#include "core/replay.h"
#include "test_core_harness.h"

#include <stdarg.h>

enum { K_TEXT = 1 << 16 };

struct keeper {
    struct harness h; /* first */
    struct options opt;
    struct metrics metrics;
    uint64_t now_ms;
    uint64_t mono_ms;
};

/* `settings`: pairs of name and value, ended by NULL. */
static inline void k_init(struct keeper *k, const char *const *settings, struct core_store *store)
{
    struct router_keep keep = {&k->opt, store, &k->metrics};
    struct errmsg why = {""};

    cr_assert_eq(options_init(&k->opt), 0);
    for (; settings && *settings; settings += 2) {
        cr_assert_eq(options_set(&k->opt, settings[0], settings[1], OPT_FROM_SET, &why), 0, "%s",
                     why.text);
    }
    memset(&k->metrics, 0, sizeof(k->metrics));
    cr_assert_eq(h_init(&k->h), 0);
    cr_assert_eq(router_keep(k->h.r, &keep), 0);
    k->now_ms = 1000000;
    k->mono_ms = 1000;
}

static inline void k_fini(struct keeper *k)
{
    h_fini(&k->h);
    options_fini(&k->opt);
    cr_assert_eq(k->metrics.v[METRIC_HISTORY_MESSAGES], 0u);
    cr_assert_eq(k->metrics.v[METRIC_HISTORY_BYTES], 0u);
    cr_assert_eq(k->metrics.v[METRIC_HISTORY_CHANNELS], 0u);
}

static inline uint64_t k_metric(const struct keeper *k, enum metric id)
{
    return k->metrics.v[id];
}

/* One message of `data` to one target; to be changed before it is published. */
static inline struct publication k_publication(const struct keeper *k, enum target_kind kind,
                                               const struct str *target)
{
    return (struct publication){.envelope = {.kind = kind,
                                             .type = STR_LIT("t"),
                                             .id = STR_LIT("i"),
                                             .timestamp = STR_LIT("2026-01-01T00:00:00.000Z"),
                                             .data = STR_LIT("null")},
                                .targets = kind == TARGET_EVERYONE ? NULL : target,
                                .count = 1,
                                .now_ms = k->now_ms,
                                .mono_ms = k->mono_ms};
}

/* Each returns the seq. */
static inline uint64_t k_publish(struct keeper *k, const struct publication *p)
{
    struct publish_result res;
    struct publish_verdict verdict;

    cr_assert_eq(router_publish(k->h.r, p, &res, &verdict), 0);
    return res.cursor.seq;
}

static inline uint64_t k_send(struct keeper *k, enum target_kind kind, const char *target)
{
    struct str to = str_of(target);
    struct publication p = k_publication(k, kind, &to);

    return k_publish(k, &p);
}

static inline uint64_t k_channel(struct keeper *k, const char *name)
{
    return k_send(k, TARGET_CHANNEL, name);
}

static inline uint64_t k_user(struct keeper *k, const char *name)
{
    return k_send(k, TARGET_USER, name);
}

static inline uint64_t k_everyone(struct keeper *k)
{
    return k_send(k, TARGET_EVERYONE, NULL);
}

/* ---- readers ---- */

struct reader {
    struct member m; /* first */
    struct keeper *k;
    struct str user;
    struct str names[8];
    unsigned nnames;
    struct replay rp;
    struct replay_slice *s;
    bool done;
    unsigned max_items; /* of a slice; 0: as many as can be */
    unsigned slices;
    size_t len;
    char text[K_TEXT];
};

static inline void reader_add(struct reader *b, const char *fmt, ...) FF_PRINTF(2, 3);
static inline void reader_add(struct reader *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (b->len) {
        b->text[b->len++] = ' ';
    }
    va_start(ap, fmt);
    n = vsnprintf(b->text + b->len, sizeof(b->text) - b->len, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    cr_assert_lt(b->len, sizeof(b->text) - 1);
}

static inline void reader_deliver(void *ctx, struct member *m, uint64_t seq)
{
    (void)ctx;
    reader_add((struct reader *)(void *)m, "%llu", (unsigned long long)seq);
}

static inline const char *gap_scope_text(enum gap_scope scope)
{
    static const char *const text[] = {"all", "channel", "pattern", "user", "everyone"};

    return text[scope];
}

static inline void reader_gap(struct reader *b, const struct replay_gap *g)
{
    reader_add(b, "[%s%s%.*s %llu-%llu %s]", gap_scope_text(g->scope), g->name.len ? " " : "",
               (int)g->name.len, g->name.p ? g->name.p : "", (unsigned long long)g->from,
               (unsigned long long)g->to, gap_reason_text(g->reason));
}

/* Not yet begun: a reader of space-separated names for a user, or none. */
static inline void reader_init(struct reader *b, struct keeper *k, unsigned shard, const char *user,
                               const char *names)
{
    static uint64_t ids;

    memset(b, 0, sizeof(*b));
    b->k = k;
    b->m.id = ++ids;
    b->m.shard = (uint16_t)shard;
    b->user = str_of(user);
    while (names && *names) {
        size_t n = strcspn(names, " ");
        cr_assert_lt(b->nnames, 8u);
        b->names[b->nnames++] = (struct str){names, n};
        names += n + (names[n] == ' ');
    }
    k->h.deliver = reader_deliver;
}

/* What is asked for: "5" a position, "now", "earliest", "lost", "newest:3",
 * "since:1000" (real ms), "7:5" seq 5 of epoch 7. */
static inline struct position position_of(const char *text)
{
    struct position p = {.kind = POSITION_CURSOR, .cursor = {H_EPOCH, 0}};
    const char *colon = strchr(text, ':');

    if (strcmp(text, "now") == 0) {
        p.kind = POSITION_NONE;
    } else if (strcmp(text, "earliest") == 0) {
        p.kind = POSITION_EARLIEST;
    } else if (strcmp(text, "lost") == 0) {
        p.kind = POSITION_LOST;
    } else if (str_starts(str_of(text), STR_LIT("newest:"))) {
        p.kind = POSITION_NEWEST;
        p.count = (uint32_t)strtoul(colon + 1, NULL, 10);
    } else if (str_starts(str_of(text), STR_LIT("since:"))) {
        p.kind = POSITION_SINCE;
        p.since_ms = strtoull(colon + 1, NULL, 10);
    } else {
        p.cursor.seq = strtoull(colon ? colon + 1 : text, NULL, 10);
        p.cursor.epoch = colon ? strtoull(text, NULL, 10) : H_EPOCH;
    }
    return p;
}

/* For the whole stream, or, with a member that is joined, for its first name. */
static inline void reader_begin(struct reader *b, bool whole, const char *position)
{
    struct position pos = position_of(position);

    b->rp = (struct replay){.whole = whole,
                            .user = b->user,
                            .names = b->names,
                            .nnames = b->nnames,
                            .max_items = b->max_items ? b->max_items : REPLAY_SLICE,
                            .max_bytes = REPLAY_SLICE_BYTES};
    b->s = calloc(1, sizeof(*b->s));
    cr_assert(b->s);
    b->done = false;
    b->slices = 0;
    cr_assert_eq(replay_slice_init(b->s, &b->rp), 0);
    cr_assert_eq(replay_init(b->k->h.r, &b->rp, &pos, b->k->now_ms), 0);
}

static inline void reader_end(struct reader *b)
{
    replay_slice_fini(b->s);
    free(b->s);
    b->s = NULL;
    replay_fini(&b->rp);
}

static inline void reader_slice_text(struct reader *b)
{
    struct replay_slice *s = b->s;

    for (unsigned i = 0; i < s->ngaps; i++) {
        reader_gap(b, &s->gaps[i]);
    }
    for (unsigned i = 0; i < s->n; i++) {
        reader_add(b, "%llu", (unsigned long long)s->items[i].seq);
        frame_unref(s->items[i].frame);
        s->items[i].frame = NULL;
    }
    if (s->done) {
        reader_add(b, "=%llu", (unsigned long long)s->top.seq);
        cr_assert_eq(s->top.epoch, (uint64_t)H_EPOCH);
    }
}

/* One slice. */
static inline int reader_next(struct reader *b)
{
    int rc = replay_next(b->k->h.r, &b->m, &b->rp, b->s, b->k->now_ms);

    if (rc == 0) {
        b->slices++;
        reader_slice_text(b);
        b->done = b->s->done;
    }
    return rc;
}

/* A stream from its position to live delivery. */
static inline void reader_resume(struct reader *b, const char *position)
{
    reader_begin(b, true, position);
    while (!b->done) {
        cr_assert_eq(reader_next(b), 0);
        cr_assert_lt(b->slices, 10000u, "it never ends");
    }
    reader_end(b);
}

static inline void reader_open(struct reader *b, struct keeper *k, unsigned shard, const char *user,
                               const char *names, const char *position)
{
    reader_init(b, k, shard, user, names);
    reader_resume(b, position);
}

static inline void reader_leave(struct reader *b)
{
    router_leave(b->k->h.r, &b->m);
}

/* Everything seen since the last time. */
static inline void reader_expect(struct reader *b, const char *text)
{
    cr_assert_str_eq(b->text, text);
    b->len = 0;
    b->text[0] = '\0';
}

#endif
