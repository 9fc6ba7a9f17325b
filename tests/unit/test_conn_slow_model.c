/* Slow clients against a simple model: random publications under mixed
 * policies, a client that reads in random pieces, and what it must find. */
#include "support_stream.h"

#include "conn/slow.h"

#include <string.h>

#define MAX_MESSAGES 4000

/* ---- memory that runs out ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define OTHER_MALLOC 1
#endif

/* How many allocations succeed before one fails; negative: none fails. */
static int left = -1;

#ifndef OTHER_MALLOC

static unsigned failed;

/* The program's own definitions come before those of the C library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool fails(void)
{
    if (left < 0 || left-- > 0) {
        return false;
    }
    failed++;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

#endif

/* What was published, in order. */
struct sent {
    uint64_t seq; /* of a direct message the position it repeats */
    bool direct, got, told, told_lost;
    unsigned lane; /* which newest value it is */
    enum slow_client policy;
};

struct model {
    struct rig *r;
    struct plain_stream *c;
    int peer;
    uint64_t random;
    struct strbuf in; /* all that the client has read */
    struct sent sent[MAX_MESSAGES];
    unsigned n;
    unsigned controls;
    enum slow_client all; /* the policy for all */
    const struct stream_ops *ops;
    bool freed;
};

static bool is_open(const struct model *m)
{
    return !m->freed && !m->c->s.ending;
}

/* A sequence that the seed repeats. */
static unsigned below(struct model *m, unsigned bound)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 20) % bound);
}

/* ---- publishing ---- */

static const struct {
    const char *name;
    int policy; /* by the rules in model_open; -1: the one for all */
} channels[] = {
    {"d.orders", SLOW_DISCONNECT},
    {"o.news", SLOW_DROP_OLDEST},
    {"o.log", SLOW_DROP_OLDEST},
    {"c.ticks", SLOW_CONFLATE},
    {"c.gauge", SLOW_CONFLATE},
    {"c.keep.all", SLOW_DISCONNECT},
    {"other", -1},
};
#define CHANNELS (sizeof(channels) / sizeof(channels[0]))

static void note(struct model *m, uint64_t seq, unsigned lane, int policy, bool direct)
{
    m->sent[m->n++] = (struct sent){.seq = seq,
                                    .direct = direct,
                                    .lane = lane,
                                    .policy = policy < 0 ? m->all : (enum slow_client)policy};
}

static const char *body(struct model *m, char *buf, size_t size)
{
    int n = snprintf(buf, size, "{\"n\":%u,\"fill\":\"", m->n);
    size_t fill = below(m, below(m, 10) ? 60 : 900);

    memset(buf + n, 'x', fill);
    strcpy(buf + n + fill, "\"}");
    return buf;
}

static void publish_one(struct model *m, unsigned which)
{
    static const char *const keys[] = {"", "eur", "usd"};
    unsigned key = below(m, 3);
    char buf[1100];
    struct envelope e = rig_envelope(TARGET_EVERYONE, body(m, buf, sizeof(buf)));
    struct str target = STR_LIT("ann");
    struct publication p = {.envelope = e, .targets = &target, .count = 1};
    struct publish_result res;
    struct publish_verdict verdict;
    int policy = -1;

    if (which == CHANNELS + 2) {
        cr_assert(stream_put_direct(&m->c->s, &e));
        note(m, m->c->s.position, 1000, -1, true);
        return;
    }
    if (which < CHANNELS) {
        p.envelope.kind = TARGET_CHANNEL;
        target = str_of(channels[which].name);
        policy = channels[which].policy;
    } else if (which == CHANNELS) {
        p.envelope.kind = TARGET_USER;
    }
    p.envelope.key = str_of(keys[key]);
    cr_assert_eq(router_publish(m->r->env.router, &p, &res, &verdict), 0);
    note(m, res.cursor.seq, which * 3 + key, policy, false);
}

/* ---- the client ---- */

static void model_open(struct model *m, uint64_t seed, const struct stream_ops *ops, int all)
{
    static const char *const policies[] = {"disconnect", "drop-oldest", "conflate"};
    struct rig_pair pair = rig_socketpair();
    struct str names[CHANNELS];
    struct stream_intro intro = {
        .fd = pair.ours, .names = names, .nnames = CHANNELS, .user = STR_LIT("ann")};

    memset(m, 0, sizeof(*m));
    m->r = rig_new();
    m->peer = pair.peer;
    m->random = seed * 0x9e3779b97f4a7c15 + 1;
    m->all = (enum slow_client)all;
    m->ops = ops;
    rig_set(m->r, "slow-client", policies[all]);
    rig_set(m->r, "slow-client-for", "d.=disconnect");
    rig_set(m->r, "slow-client-for", "o.=drop-oldest");
    rig_set(m->r, "slow-client-for", "c.=conflate");
    rig_set(m->r, "slow-client-for", "c.keep.=disconnect");
    rig_set(m->r, "send-buffer", "2k");
    for (unsigned i = 0; i < CHANNELS; i++) {
        names[i] = str_of(channels[i].name);
    }
    m->c = calloc(1, sizeof(*m->c));
    m->c->freed = &m->freed;
    cr_assert_eq(stream_open(&m->c->s, &m->r->env, ops, &intro), 0);
    rig_drop(m->r, m->peer); /* the greeting */
}

static void model_close(struct model *m)
{
    strbuf_fini(&m->in);
    close(m->peer);
    rig_free(m->r);
}

static void read_some(struct model *m, size_t most)
{
    char buf[4096];
    ssize_t n = recv(m->peer, buf, most < sizeof(buf) ? most : sizeof(buf), MSG_DONTWAIT);

    if (n > 0) {
        strbuf_add(&m->in, buf, (size_t)n);
    }
}

static void check_bounds(const struct model *m)
{
    const struct options *opt = m->r->env.opt;
    const struct outq *q = &m->c->s.q;
    uint64_t most = opt->queue_bytes + 300 + m->controls * 200;

    if (!m->freed) {
        cr_assert_leq(q->n, opt->queue_messages + m->controls + 1);
        cr_assert(q->bytes <= most || q->n <= 2, "%llu bytes in %u entries",
                  (unsigned long long)q->bytes, q->n);
    }
}

/* ---- what the client finds ---- */

struct check {
    struct model *m;
    uint64_t cursor;
    unsigned upto;  /* sent[0 .. upto) are got or told, or after the cursor */
    unsigned after; /* the next message is at least this one */
    unsigned gaps;
};

static uint64_t number_after(const char *at, const char *what)
{
    const char *p = strstr(at, what);

    cr_assert_not_null(p, "%s is missing in %.200s", what, at);
    return strtoull(p + strlen(what), NULL, 10);
}

static void check_gap(struct check *k, const char *text)
{
    struct model *m = k->m;
    uint64_t from = number_after(text, "\"from\":\"" RIG_EPOCH_TEXT "-");
    uint64_t to = number_after(text, "\"to\":\"" RIG_EPOCH_TEXT "-");
    bool slow = strstr(text, "\"reason\":\"slow\"}}") != NULL;
    bool first = false, last = false, lost = false, any = false;

    k->gaps++;
    cr_assert(slow || strstr(text, "\"reason\":\"conflated\"}}"));
    cr_assert_leq(from, to);
    for (unsigned i = 0; i < m->n; i++) {
        struct sent *s = &m->sent[i];
        if (s->direct ? s->seq >= from && s->seq <= to : s->seq > from && s->seq <= to) {
            s->told = true;
            s->told_lost |= slow;
            if (i < k->after) {
                /* It was there before: the gap must not reach back over it. */
                cr_assert(!s->got || s->direct, "message %u, then a gap over it", i);
            }
            any = true;
            lost |= !s->got && s->policy == SLOW_DROP_OLDEST;
        }
        if (!s->got) {
            first |= s->direct ? s->seq == from : s->seq == from + 1;
            last |= s->seq == to;
        }
    }
    cr_assert(any && first && last, "from %llu to %llu: these are not what was dropped",
              (unsigned long long)from, (unsigned long long)to);
    cr_assert(lost || !slow, "from %llu to %llu: nothing was lost there", (unsigned long long)from,
              (unsigned long long)to);
}

/* One event: `text` is its envelope. */
static void check_event(struct check *k, const char *text)
{
    struct model *m = k->m;
    uint64_t cursor = number_after(text, "\"cursor\":\"" RIG_EPOCH_TEXT "-");

    cr_assert_geq(cursor, k->cursor, "the cursor moves backwards: %.300s", text);
    k->cursor = cursor;
    if (strncmp(text, "{\"type\":\"fanfare.gap\"", 21) == 0) {
        check_gap(k, text);
    } else if (strncmp(text, "{\"type\":\"message\"", 17) == 0) {
        unsigned n = (unsigned)number_after(text, "\"data\":{\"n\":");
        cr_assert_geq(n, k->after, "message %u again, or out of order", n);
        cr_assert_eq(m->sent[n].seq, cursor);
        k->after = n + 1;
    }
    /* Whoever comes back with this cursor has missed nothing without a word. */
    for (; k->upto < m->n && m->sent[k->upto].seq <= cursor; k->upto++) {
        struct sent *s = &m->sent[k->upto];
        cr_assert(s->direct || s->told || (s->got && k->upto < k->after),
                  "cursor %llu, but message %u was neither got nor told",
                  (unsigned long long)cursor, k->upto);
    }
}

/* Calls `f` for every complete event in what the client has read. */
static void each_event(struct model *m, struct check *k, void (*f)(struct check *, const char *))
{
    char *text = strbuf_failed(&m->in) ? NULL : strndup(m->in.data ? m->in.data : "", m->in.len);
    bool ws = m->ops == &plain_ws;

    cr_assert_not_null(text);
    for (size_t at = 0; at < m->in.len;) {
        const unsigned char *p = (const unsigned char *)m->in.data + at;
        size_t len, head = 2;
        if (!ws) {
            const char *end = strstr(text + at, "\n\n");
            const char *data = strstr(text + at, "data: ");
            if (!end) {
                break;
            }
            len = (size_t)(end - text) + 2 - at;
            text[at + len - 1] = '\0';
            cr_assert(data && data < end);
            f(k, data + 6);
            at += len;
            continue;
        }
        if (m->in.len - at < 4 || p[0] == 'f') { /* the plain transport's farewell */
            break;
        }
        cr_assert_eq(p[0], 0x81);
        len = p[1];
        if (len == 126) {
            len = (size_t)p[2] << 8 | p[3];
            head = 4;
        }
        if (m->in.len - at < head + len) {
            break;
        }
        char *one = strndup((const char *)p + head, len);
        f(k, one);
        free(one);
        at += head + len;
    }
    free(text);
}

static void mark_got(struct check *k, const char *text)
{
    if (strncmp(text, "{\"type\":\"message\"", 17) == 0) {
        struct sent *s = &k->m->sent[number_after(text, "\"data\":{\"n\":")];
        cr_assert_not(s->got, "twice");
        s->got = true;
    }
}

static bool has_newer(const struct model *m, unsigned i)
{
    for (unsigned k = i + 1; k < m->n; k++) {
        if (m->sent[k].lane == m->sent[i].lane) {
            return true;
        }
    }
    return false;
}

/* For a client that was not closed and has read everything. */
static void check_whole(struct model *m, const struct check *k)
{
    uint64_t dropped = 0, conflated = 0;

    for (unsigned i = 0; i < m->n; i++) {
        const struct sent *s = &m->sent[i];
        if (s->got) {
            continue;
        }
        cr_assert(s->told, "message %u was lost without a word", i);
        cr_assert_neq(s->policy, SLOW_DISCONNECT, "message %u must not be dropped", i);
        if (s->policy == SLOW_CONFLATE) {
            cr_assert(has_newer(m, i), "message %u was the newest value", i);
            conflated++;
        } else {
            cr_assert(s->told_lost, "message %u was lost, not replaced", i);
            dropped++;
        }
    }
    cr_assert_eq(k->upto, m->n);
    cr_assert_eq(dropped, rig_metric(m->r, METRIC_DROPPED));
    cr_assert_eq(conflated, rig_metric(m->r, METRIC_CONFLATED));
    cr_assert_eq(rig_metric(m->r, METRIC_CLIENTS_SLOW), 0);
    cr_assert_eq(rig_metric(m->r, METRIC_SLOW_BYTES), 0);
}

static struct check check_all(struct model *m)
{
    struct check k = {.m = m};

    each_event(m, &k, mark_got);
    each_event(m, &k, check_event);
    if (is_open(m)) {
        check_whole(m, &k);
    }
    return k;
}

/* ---- the tests ---- */

struct mix {
    const char *queue_messages, *queue_bytes;
    unsigned skip;     /* bit a kind of message that is not published */
    unsigned appetite; /* of the reader: bytes at most at a time */
    bool nomem;        /* allocations fail now and then */
};

#define KINDS (CHANNELS + 3) /* user, everyone, direct */

static void turn(struct model *m, const struct mix *mix)
{
    left = mix->nomem && below(m, 20) == 0 ? (int)below(m, 30) : -1;
    rig_turn(m->r);
    left = -1;
}

static void run(struct model *m, const struct mix *mix)
{
    rig_set(m->r, "client-queue-messages", mix->queue_messages);
    rig_set(m->r, "client-queue-bytes", mix->queue_bytes);
    while (m->n < 1500 && is_open(m)) {
        unsigned burst = below(m, 12);
        m->r->env.write_through = below(m, 2);
        for (unsigned i = 0; i < burst && is_open(m); i++) {
            unsigned which = below(m, KINDS);
            if (!(mix->skip >> which & 1)) {
                publish_one(m, which);
                if (!mix->nomem) {
                    /* Direct messages overtake what is in the mailbox. */
                    mailbox_drain(m->r->deliveries, 0);
                }
            }
        }
        if (below(m, 40) == 0 && is_open(m)) {
            stream_put_control(&m->c->s, STR_LIT("fanfare.x"), STR_LIT("{}"));
            m->controls++;
        }
        turn(m, mix);
        check_bounds(m);
        if (below(m, 3) == 0) {
            read_some(m, below(m, mix->appetite) + 1);
        }
    }
    do {
        rig_turn(m->r);
        (void)rig_read_all(m->r, m->peer, &m->in);
    } while (!m->freed && m->c->s.q.n);
}

/* Bits of the kinds. */
#define DISCONNECTING (1u << 0 | 1u << 5)
#define CONFLATING (1u << 3 | 1u << 4)
#define FOR_ALL (1u << 6 | 7u << CHANNELS)

static unsigned sweep(const struct mix *mix, int all, unsigned seeds)
{
    static struct model m;
    unsigned closed = 0, gaps = 0;

    for (unsigned seed = 0; seed < seeds; seed++) {
        model_open(&m, seed * 7919 + (unsigned)all, seed % 2 ? &plain_ws : &plain_sse, all);
        run(&m, mix);
        gaps += check_all(&m).gaps;
        closed += !is_open(&m);
        model_close(&m);
    }
    cr_log_info("closed %u of %u, %u gaps", closed, seeds, gaps);
    cr_assert_gt(gaps, seeds / 2, "hardly any gaps: this tests nothing");
    return closed;
}

/* Nothing published is under `disconnect`, and the newest values fit: the
 * client is never closed, however it reads. */
Test(slow_model, mixed_policies_never_close_what_can_give_way)
{
    struct mix mix = {"64", "64k", DISCONNECTING, 3000, false};

    cr_assert_eq(sweep(&mix, SLOW_DROP_OLDEST, 24), 0);
    cr_assert_eq(sweep(&mix, SLOW_CONFLATE, 24), 0);
    mix.skip |= FOR_ALL;
    cr_assert_eq(sweep(&mix, SLOW_DISCONNECT, 24), 0);
}

/* Small and odd bounds, where the bytes or the messages are what is over. */
Test(slow_model, small_bounds)
{
    static const struct mix mixes[] = {
        {"4", "64k", DISCONNECTING | CONFLATING, 3000, false},
        {"5", "4k", DISCONNECTING | CONFLATING, 3000, false},
        {"1000", "4k", DISCONNECTING | CONFLATING, 3000, false},
        {"17", "1m", DISCONNECTING, 500, false},
        {"300", "20k", DISCONNECTING, 4000, false},
    };

    for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
        (void)sweep(&mixes[i], SLOW_DROP_OLDEST, 12);
    }
}

/* All kinds together: clients are closed now and then; until then nothing of
 * the channels that may not lose anything is missing. */
Test(slow_model, with_channels_that_may_lose_nothing)
{
    struct mix mix = {"128", "32k", 0, 4000, false};
    unsigned closed = 0;

    closed += sweep(&mix, SLOW_DISCONNECT, 16);
    closed += sweep(&mix, SLOW_DROP_OLDEST, 16);
    closed += sweep(&mix, SLOW_CONFLATE, 16);
    cr_assert_gt(closed, 0);
}

Test(slow_model, conflating_alone)
{
    struct mix mix = {"256", "256k", ~(1u << 3 | 1u << 4), 1500, false};

    cr_assert_eq(sweep(&mix, SLOW_DISCONNECT, 24), 0);
}

#ifndef OTHER_MALLOC

/* Without memory a client is closed, or messages wait longer than they need
 * to; nothing is lost without a word. */
Test(slow_model, without_memory)
{
    struct mix mix = {"64", "32k", DISCONNECTING | 1u << (CHANNELS + 2), 1500, true};
    unsigned closed = 0;

    for (int all = SLOW_DROP_OLDEST; all <= SLOW_CONFLATE; all++) {
        closed += sweep(&mix, all, 80);
    }
    cr_assert_gt(failed, 60);
    cr_assert_gt(closed, 0);
}

#endif
