/* The router against a naive model: random members, names, publications and
 * turns of delivery; who gets what, in which order, and every count. */
#include "test_core_harness.h"

enum { CLIENTS = 40, NAMES = 48, USERS = 6, STEPS = 3000, MAX_LOG = 1 << 15, TARGETS = 12 };

struct client {
    struct member m; /* first */
    bool in;
    bool has[NAMES];
    int user; /* -1: anonymous */
    /* What it must get and has not got yet; starts again when empty. */
    uint64_t *want;
    size_t first, end;
};

/* What a message was for. */
struct entry {
    enum target_kind kind;
    unsigned to;
};

struct model {
    struct harness h;
    uint64_t rng;
    char names[NAMES][32];
    bool pattern[NAMES];
    char users[USERS][16];
    struct client clients[CLIENTS];
    uint64_t top;
    uint64_t next_id;
    unsigned posted[H_SHARDS];
    struct entry *log; /* by seq */
    unsigned busy, sent;
};

static unsigned rnd(struct model *w, unsigned n)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)(w->rng >> 33) % n;
}

static struct str name_of(const struct model *w, unsigned i)
{
    return str_of(w->names[i]);
}

static void make_name(struct model *w, unsigned i)
{
    static const char *const segments[] = {"a", "b", "c", "", "private-a", "presence-b", "fanfare"};
    char *out = w->names[i];
    bool wild = i >= NAMES / 2;

    do {
        unsigned n = 1 + rnd(w, 3);
        size_t len = 0;
        for (unsigned k = 0; k < n; k++) {
            const char *seg = segments[rnd(w, k || wild ? 4 : 7)];
            if (wild && rnd(w, 2)) {
                seg = k + 1 == n && rnd(w, 2) ? ">" : "*";
            } else if (wild && k == 0 && rnd(w, 3) == 0) {
                seg = segments[4 + rnd(w, 3)];
            }
            len += (size_t)snprintf(out + len, 32 - len, k ? ".%s" : "%s", seg);
        }
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(out, w->names[k]) == 0) {
                out[0] = '\0';
            }
        }
    } while (out[0] == '\0' || name_is_pattern(name_of(w, i)) != wild);
    w->pattern[i] = wild;
}

/* ---- the model ---- */

static bool gets_channel(const struct model *w, const struct client *c, unsigned channel)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (c->has[i] &&
            (w->pattern[i] ? name_match(name_of(w, i), name_of(w, channel)) : i == channel)) {
            return true;
        }
    }
    return false;
}

static bool gets(const struct model *w, const struct client *c, enum target_kind kind, unsigned to)
{
    if (!c->in) {
        return false;
    }
    switch (kind) {
    case TARGET_EVERYONE:
        return true;
    case TARGET_USER:
        return c->user == (int)to;
    case TARGET_CHANNEL:
        break;
    }
    return gets_channel(w, c, to);
}

static void on_deliver(void *ctx, struct member *m, uint64_t seq)
{
    struct client *c = (struct client *)(void *)m;

    (void)ctx;
    cr_assert(c->in);
    cr_assert_lt(c->first, c->end, "member %lu got %lu, which is not its", (unsigned long)m->id,
                 (unsigned long)seq);
    cr_assert_eq(c->want[c->first], seq, "member %lu got %lu in place of %lu", (unsigned long)m->id,
                 (unsigned long)seq, (unsigned long)c->want[c->first]);
    if (++c->first == c->end) {
        c->first = c->end = 0;
    }
}

static struct str target_of(const struct model *w, enum target_kind kind, unsigned to)
{
    return kind == TARGET_EVERYONE ? STR_NONE
                                   : str_of(kind == TARGET_USER ? w->users[to] : w->names[to]);
}

static void on_frame(void *ctx, const struct frame *f, uint64_t seq)
{
    const struct model *w = ctx;
    struct entry e = w->log[seq];
    struct str to = target_of(w, e.kind, e.to);
    char part[80] = "{\"type\":\"t\",\"id\"";

    if (e.kind != TARGET_EVERYONE) {
        snprintf(part, sizeof(part), "{\"type\":\"t\",\"%s\":\"%s\",",
                 e.kind == TARGET_USER ? "userId" : "channel", to.p);
    }
    cr_assert(memmem(f->bytes, f->sse_len, part, strlen(part)), "%lu is not for %s",
              (unsigned long)seq, part);
}

/* ---- publishing ---- */

static void shards_concerned(const struct model *w, struct entry e, bool out[H_SHARDS])
{
    memset(out, 0, H_SHARDS * sizeof(bool));
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *c = &w->clients[i];
        out[c->m.shard] |= gets(w, c, e.kind, e.to);
    }
}

static bool must_refuse(const struct model *w, const struct entry *v, unsigned count)
{
    bool shards[H_SHARDS];

    for (unsigned k = 0; k < count; k++) {
        shards_concerned(w, v[k], shards);
        for (unsigned s = 0; s < H_SHARDS; s++) {
            if (shards[s] && w->h.shards[s].full) {
                return true;
            }
        }
    }
    return false;
}

/* One message that the router took. */
static void expect(struct model *w, struct entry e, uint64_t except,
                   const struct publish_result *res)
{
    bool shards[H_SHARDS];
    uint64_t matched = 0;

    cr_assert_eq(res->cursor.epoch, (uint64_t)H_EPOCH);
    cr_assert_eq(res->cursor.seq, w->top + 1, "consecutive");
    cr_assert_lt(++w->top, MAX_LOG);
    w->log[w->top] = e;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (gets(w, c, e.kind, e.to)) {
            matched++;
            if (c->m.id != except) {
                c->want[c->end++] = w->top;
            }
        }
    }
    cr_assert_eq(res->matched, matched, "%lu for %.*s: matched %lu, not %lu", (unsigned long)w->top,
                 (int)target_of(w, e.kind, e.to).len, target_of(w, e.kind, e.to).p,
                 (unsigned long)res->matched, (unsigned long)matched);
    shards_concerned(w, e, shards);
    for (unsigned s = 0; s < H_SHARDS; s++) {
        w->posted[s] += shards[s];
    }
}

static void publish(struct model *w)
{
    struct entry v[TARGETS];
    struct str names[TARGETS];
    struct publish_result res[TARGETS];
    unsigned mode = rnd(w, 10);
    enum target_kind kind = mode == 0 ? TARGET_EVERYONE : mode < 3 ? TARGET_USER : TARGET_CHANNEL;
    unsigned count = kind == TARGET_EVERYONE || rnd(w, 4) ? 1 : 1 + rnd(w, TARGETS);
    uint64_t except = rnd(w, 3) ? 0 : w->clients[rnd(w, CLIENTS)].m.id;

    for (unsigned k = 0; k < count; k++) {
        v[k] = (struct entry){kind, rnd(w, kind == TARGET_USER ? USERS : NAMES / 2)};
        names[k] = target_of(w, kind, v[k].to);
    }
    int rc = h_publish(&w->h, kind, kind == TARGET_EVERYONE ? NULL : names, count, except, res);
    if (must_refuse(w, v, count)) {
        cr_assert_eq(rc, ERR_BUSY);
        w->busy++;
    } else {
        cr_assert_eq(rc, 0);
        w->sent += count;
        for (unsigned k = 0; k < count; k++) {
            expect(w, v[k], except, &res[k]);
        }
    }
    for (unsigned s = 0; s < H_SHARDS; s++) {
        cr_assert_eq(w->h.shards[s].posted, w->posted[s], "only shards concerned hear of it");
    }
}

/* Between the settling and the lock others publish. */
static void before_lock(void *ctx)
{
    struct model *w = ctx;

    if (rnd(w, 2)) {
        publish(w);
    }
}

/* ---- members ---- */

static void check_settled(const struct model *w, const struct client *c, struct cursor top)
{
    cr_assert_eq(top.epoch, (uint64_t)H_EPOCH);
    cr_assert_eq(top.seq, w->top);
    cr_assert_eq(w->h.shards[c->m.shard].waiting, 0);
}

static void join(struct model *w, struct client *c)
{
    struct str names[8];
    unsigned n = rnd(w, 8);
    unsigned pick[8];
    struct cursor top;
    int user = rnd(w, 2) ? (int)rnd(w, USERS) : -1;

    for (unsigned k = 0; k < n; k++) {
        pick[k] = rnd(w, NAMES); /* doubles happen */
        names[k] = name_of(w, pick[k]);
    }
    c->first = c->end = 0;
    c->m = (struct member){.id = ++w->next_id, .shard = (uint16_t)rnd(w, H_SHARDS)};
    cr_assert_eq(
        router_join(w->h.r, &c->m, user < 0 ? STR_NONE : str_of(w->users[user]), names, n, &top),
        0);
    check_settled(w, c, top);
    c->in = true;
    c->user = user;
    memset(c->has, 0, sizeof(c->has));
    for (unsigned k = 0; k < n; k++) {
        c->has[pick[k]] = true;
    }
}

static void leave(struct model *w, struct client *c)
{
    router_leave(w->h.r, &c->m);
    /* What is still on its way is all that it misses. */
    if (c->first < c->end) {
        cr_assert_gt(c->want[c->first], w->h.shards[c->m.shard].last_seq);
    }
    c->first = c->end = 0;
    c->in = false;
}

static void subscribe(struct model *w, struct client *c)
{
    unsigned i = rnd(w, NAMES);
    struct cursor top;
    int rc = router_subscribe(w->h.r, &c->m, name_of(w, i), &top);

    cr_assert_eq(rc, c->has[i] ? ERR_EXISTS : 0);
    check_settled(w, c, top);
    c->has[i] = true;
}

static void unsubscribe(struct model *w, struct client *c)
{
    unsigned i = rnd(w, NAMES);
    int rc = router_unsubscribe(w->h.r, &c->m, name_of(w, i));

    cr_assert_eq(rc, c->has[i] ? 0 : ERR_NOT_FOUND);
    cr_assert_eq(w->h.shards[c->m.shard].waiting, 0);
    c->has[i] = false;
}

/* ---- looking ---- */

struct visit {
    const struct model *w;
    bool has[NAMES];
};

static void visit_name(void *ctx, struct str name)
{
    struct visit *v = ctx;

    for (unsigned i = 0; i < NAMES; i++) {
        if (str_eq(name, name_of(v->w, i))) {
            cr_assert_not(v->has[i], "visited twice");
            v->has[i] = true;
            return;
        }
    }
    cr_assert_fail("visited a name that nobody has");
}

static void check_client(const struct model *w, const struct client *c)
{
    struct visit v = {w, {false}};
    unsigned n = 0;

    member_names(&c->m, visit_name, &v);
    for (unsigned i = 0; i < NAMES; i++) {
        cr_assert_eq(v.has[i], c->has[i]);
        cr_assert_eq(member_has_name(&c->m, name_of(w, i)), c->has[i]);
        n += c->has[i];
    }
    cr_assert_eq(c->m.names, n);
    cr_assert(str_eq(member_user(&c->m), c->user < 0 ? STR_NONE : str_of(w->users[c->user])));
}

static unsigned subscribers_of(const struct model *w, unsigned name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        n += w->clients[i].in && w->clients[i].has[name];
    }
    return n;
}

static void check_channel(struct model *w, unsigned i)
{
    uint32_t subscribers;
    uint64_t matching;
    uint64_t want = 0;

    for (unsigned k = 0; k < CLIENTS; k++) {
        want += gets(w, &w->clients[k], TARGET_CHANNEL, i);
    }
    router_channel(w->h.r, name_of(w, i), &subscribers, &matching);
    cr_assert_eq(subscribers, subscribers_of(w, i));
    cr_assert_eq(matching, want);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct channel_info *)a)->name, ((const struct channel_info *)b)->name);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = ((const struct channel_info *)a)->subscribers;
    uint32_t y = ((const struct channel_info *)b)->subscribers;

    return x != y ? (x < y) - (x > y) : by_name(a, b);
}

static void same_channels(const struct channel_info *a, const struct channel_info *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        cr_assert_str_eq(a[i].name, b[i].name);
        cr_assert_eq(a[i].subscribers, b[i].subscribers);
    }
}

/* Page by page, of a random size, with a random prefix. */
static void check_pages(struct model *w, struct channel_info *all, unsigned n)
{
    static const char *const prefixes[] = {"", "a", "a.", "private-", "zz"};
    struct str prefix = str_of(prefixes[rnd(w, 5)]);
    struct channel_info page[NAMES];
    unsigned limit = 1 + rnd(w, 7);
    unsigned kept = 0;
    unsigned at = 0;
    unsigned got;
    struct str after = STR_NONE;

    qsort(all, n, sizeof(*all), by_name);
    for (unsigned i = 0; i < n; i++) {
        if (str_starts(str_of(all[i].name), prefix)) {
            all[kept++] = all[i];
        }
    }
    do {
        got = router_channels(w->h.r, prefix, after, limit, page);
        cr_assert_eq(got, kept - at < limit ? kept - at : limit);
        same_channels(page, all + at, got);
        at += got;
        after = at ? str_of(all[at - 1].name) : STR_NONE;
    } while (got == limit);
    cr_assert_eq(at, kept);
    cr_assert_eq(router_channels(w->h.r, prefix, STR_NONE, 0, page), 0);
}

static void check_all(struct model *w)
{
    struct channel_info all[NAMES];
    struct channel_info top[NAMES];
    struct router_counts counts;
    unsigned n = 0;
    uint64_t members = 0;
    unsigned users = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        members += w->clients[i].in;
        if (w->clients[i].in) {
            check_client(w, &w->clients[i]);
        }
    }
    for (unsigned i = 0; i < NAMES / 2; i++) {
        check_channel(w, i);
        all[n] = (struct channel_info){.subscribers = subscribers_of(w, i)};
        memcpy(all[n].name, w->names[i], sizeof(w->names[i]));
        n += all[n].subscribers != 0;
    }
    for (unsigned u = 0; u < USERS; u++) {
        uint32_t connections = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            connections += w->clients[i].in && w->clients[i].user == (int)u;
        }
        cr_assert_eq(router_user_connections(w->h.r, str_of(w->users[u])), connections);
        users += connections != 0;
    }
    router_counts(w->h.r, &counts);
    cr_assert_eq(counts.members, members);
    cr_assert_eq(counts.channels, n);
    cr_assert_eq(counts.users, users);
    cr_assert_eq(router_top(w->h.r).seq, w->top);
    unsigned limit = 1 + rnd(w, NAMES);
    qsort(all, n, sizeof(*all), by_size);
    cr_assert_eq(router_top_channels(w->h.r, limit, top), n < limit ? n : limit);
    same_channels(top, all, n < limit ? n : limit);
    check_pages(w, all, n);
}

/* ---- the run ---- */

static void step(struct model *w)
{
    struct client *c = &w->clients[rnd(w, CLIENTS)];
    unsigned what = rnd(w, 100);

    if (what < 40) {
        publish(w);
    } else if (what < 55) {
        h_drain(&w->h, rnd(w, H_SHARDS), rnd(w, 4));
    } else if (what < 59) {
        struct h_shard *s = &w->h.shards[rnd(w, H_SHARDS)];
        s->full = !s->full && rnd(w, 5) == 0;
    } else if (!c->in) {
        join(w, c);
    } else if (what < 66) {
        leave(w, c);
    } else if (what < 84) {
        subscribe(w, c);
    } else {
        unsubscribe(w, c);
    }
}

static void run(uint64_t seed)
{
    struct model *w = calloc(1, sizeof(*w));

    cr_assert(w);
    w->rng = seed * 0x9E3779B97F4A7C15u;
    w->log = calloc(MAX_LOG, sizeof(*w->log));
    cr_assert_eq(h_init(&w->h), 0);
    for (unsigned i = 0; i < NAMES; i++) {
        make_name(w, i);
    }
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(w->users[i], sizeof(w->users[i]), i ? "u%u" : "a", i); /* as a channel's name */
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->clients[i].want = calloc(MAX_LOG, sizeof(uint64_t));
    }
    w->h.ctx = w;
    w->h.deliver = on_deliver;
    w->h.frame = on_frame;
    for (unsigned i = 0; i < STEPS; i++) {
        w->h.before_lock = i % 2 ? before_lock : NULL;
        step(w);
        w->h.before_lock = NULL;
        if (i % 50 == 0) {
            check_all(w);
        }
    }
    cr_assert_gt(w->sent, (unsigned)STEPS / 4);
    cr_assert_gt(w->busy, 0);
    h_drain_all(&w->h);
    for (unsigned i = 0; i < CLIENTS; i++) {
        cr_assert_eq(w->clients[i].end, 0, "client %u misses messages", i);
        if (w->clients[i].in) {
            router_leave(w->h.r, &w->clients[i].m);
        }
        free(w->clients[i].want);
    }
    h_fini(&w->h);
    free(w->log);
    free(w);
}

Test(model, everyone_gets_exactly_what_is_theirs)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run(seed);
    }
}
