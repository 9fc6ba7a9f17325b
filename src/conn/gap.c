#include "conn/gap.h"

#include "conn/lanes.h"
#include "conn/slow.h"
#include "conn/stream.h"

#include <stdlib.h>

/* Looking through a queue costs as much as it is long. So that it is not done
 * for each message, an eighth of the entries must go, unless these are few. */
#define FEW 64

static uint32_t least_gone(const struct stream *s)
{
    return s->q.n < FEW ? 1 : s->q.n / 8;
}

/* One look at the queue: what goes, and what is left. */
struct look {
    struct stream *s;
    bool *drop;      /* an entry each: it goes */
    uint32_t first;  /* 1 if the first entry is partly written, and stays */
    uint32_t n;      /* entries that stay, without the marker */
    uint64_t bytes;  /* their bytes */
    uint32_t gone;   /* messages that go */
    uint32_t oldest; /* of these, not superseded */
};

/* ---- the marker ---- */

void gap_forget(struct gap *g)
{
    if (g->marker) {
        outbuf_unref(g->marker);
        *g = (struct gap){0};
    }
}

/* The marker of an earlier drop, or NULL if it is sent, partly or whole. */
static const struct outbuf *live_marker(struct stream *s)
{
    struct gap *g = &s->slow->gap;

    if (g->marker && (g->marker->refs == 1 || (outq_at(&s->q, 0) == g->marker && s->q.sent))) {
        gap_forget(g);
    }
    return g->marker;
}

/* Up to which message a client has got or been told of everything, when it has
 * read the marker. No more than that may be the cursor of the marker: what is
 * kept comes after it, and so does, on a reconnection, what follows the cursor. */
static uint64_t told_up_to(const struct look *l)
{
    const struct outq *q = &l->s->q;
    uint64_t seq = 0;
    uint32_t i = 0;

    while (!l->drop[i]) {
        i++;
    }
    for (; i < q->n && l->drop[i]; i++) {
        seq = outq_at(q, i)->seq;
    }
    return seq;
}

/* `g` with what goes now. */
static struct gap widened(const struct look *l, const struct gap *g)
{
    struct gap wide = *g;
    bool any = g->marker != NULL;

    wide.lost |= l->oldest > 0;
    for (uint32_t i = 0; i < l->s->q.n; i++) {
        const struct outbuf *b = outq_at(&l->s->q, i);
        uint64_t before = b->seq - !b->direct;
        if (!l->drop[i] || b == g->marker) {
            continue;
        }
        if (!any || before < wide.from) {
            wide.from = before;
        }
        if (!any || b->seq > wide.to) {
            wide.to = b->seq;
        }
        any = true;
    }
    return wide;
}

static struct outbuf *marker_new(const struct stream *s, const struct gap *g, uint64_t seq)
{
    struct strbuf data = STRBUF_INIT;
    struct strbuf frame = STRBUF_INIT;
    struct outbuf *b = NULL;
    char from[CURSOR_MAX], to[CURSOR_MAX], at[CURSOR_MAX];
    uint64_t epoch = s->env->epoch;

    cursor_format((struct cursor){epoch, g->from}, from);
    cursor_format((struct cursor){epoch, g->to}, to);
    cursor_format((struct cursor){epoch, seq}, at);
    strbuf_addf(&data, "{\"scope\":\"all\",\"from\":\"%s\",\"to\":\"%s\",\"reason\":\"%s\"}", from,
                to, g->lost ? "slow" : "conflated");
    control_add(&frame, s->ops->transport, STR_LIT("fanfare.gap"), str_of(at), strbuf_str(&data));
    if (!strbuf_failed(&data) && !strbuf_failed(&frame)) {
        b = outbuf_of_bytes(strbuf_str(&frame), &s->env->held);
    }
    if (b) {
        b->seq = seq;
    }
    strbuf_fini(&data);
    strbuf_fini(&frame);
    return b;
}

/* ---- what goes ---- */

static void take_out(struct look *l, uint32_t i)
{
    const struct outbuf *b = outq_at(&l->s->q, i);

    l->drop[i] = true;
    l->n--;
    l->bytes -= b->len[l->s->ops->transport];
}

/* Marks what is superseded, and the marker, which is made anew. False without
 * memory. */
static bool look_begin(struct look *l, struct stream *s, struct outbuf *next)
{
    const struct outbuf *marker = live_marker(s);

    *l = (struct look){.s = s, .first = s->q.sent ? 1 : 0, .n = s->q.n, .bytes = s->q.bytes};
    l->drop = calloc(s->q.n + 1, sizeof(bool));
    if (!l->drop) {
        return false;
    }
    lanes_mark(&s->q, l->first, next, s->env->opt, s->env->lane_seed, l->drop);
    for (uint32_t i = l->first; i < s->q.n; i++) {
        if (outq_at(&s->q, i) == marker) {
            take_out(l, i);
        } else if (l->drop[i]) {
            take_out(l, i);
            l->gone++;
        }
    }
    return true;
}

/* Marks the oldest messages that may go, until the queue is at most three
 * quarters full with `len` more. */
static void look_for_oldest(struct look *l, uint64_t len)
{
    struct stream *s = l->s;
    const struct options *opt = s->env->opt;
    uint64_t max_bytes = opt->queue_bytes / 4 * 3;
    uint32_t max_n = opt->queue_messages / 4 * 3;

    for (uint32_t i = l->first; i < s->q.n; i++) {
        struct outbuf *b = outq_at(&s->q, i);
        if (l->bytes + len <= max_bytes && l->n + 1 <= max_n && l->gone >= least_gone(s)) {
            break;
        }
        if (b->frame && !l->drop[i] && lane_policy(b, opt) == SLOW_DROP_OLDEST) {
            take_out(l, i);
            l->gone++;
            l->oldest++;
        }
    }
}

static void say_dropping(const struct stream *s)
{
    if (conn_env_may_log(s->env, LOG_KIND_GAP)) {
        stream_log_lag(s, LOG_WARN_LVL, "slow client: dropping its oldest messages", NULL);
    }
}

/* Does it. False without memory: then nothing has changed. */
static bool look_apply(struct look *l)
{
    struct stream *s = l->s;
    struct gap *g = &s->slow->gap;
    struct gap wide = widened(l, g);
    struct outbuf *marker = marker_new(s, &wide, told_up_to(l));

    if (!marker) {
        return false;
    }
    if (l->oldest && !g->lost) {
        say_dropping(s);
    }
    metrics_add(s->env->metrics, METRIC_DROPPED, l->oldest);
    metrics_add(s->env->metrics, METRIC_CONFLATED, l->gone - l->oldest);
    marker->refs++; /* ours; the other one is the queue's */
    outq_replace(&s->q, l->drop, marker, s->ops->transport);
    gap_forget(g);
    *g = wide;
    g->marker = marker;
    return true;
}

/* ---- both occasions ---- */

static void next_look(struct stream *s)
{
    s->slow->compact_at = s->q.n < SLOW_COMPACT_MIN / 2 ? SLOW_COMPACT_MIN : s->q.n * 2;
}

void gap_conflate(struct stream *s, struct outbuf *next)
{
    struct look l;

    if (options_slow_any(s->env->opt, SLOW_CONFLATE) && look_begin(&l, s, next)) {
        if (l.gone) {
            (void)look_apply(&l);
        }
        free(l.drop);
    }
    next_look(s);
}

static bool over(const struct look *l, uint64_t len)
{
    const struct options *opt = l->s->env->opt;

    return l->bytes + len > opt->queue_bytes ||
           l->n + 2 > opt->queue_messages; /* the marker and the next one */
}

/* Is that enough? A message always finds room behind one that is partly
 * written, unless the client is to be closed rather. */
static bool is_enough(const struct look *l, struct outbuf *next, uint64_t len)
{
    const struct options *opt = l->s->env->opt;

    if (over(l, len)) {
        return l->n == l->first && next->frame && lane_policy(next, opt) != SLOW_DISCONNECT;
    }
    return l->gone >= least_gone(l->s);
}

bool gap_make_room(struct stream *s, struct outbuf *next)
{
    const struct options *opt = s->env->opt;
    uint64_t len = next->len[s->ops->transport];
    struct look l;
    bool done;

    if (!options_slow_any(opt, SLOW_CONFLATE) && !options_slow_any(opt, SLOW_DROP_OLDEST)) {
        return false; /* nothing ever goes */
    }
    if (!look_begin(&l, s, next)) {
        return false;
    }
    if (l.gone < least_gone(s) || over(&l, len)) {
        look_for_oldest(&l, len);
    }
    done = is_enough(&l, next, len) && (!l.gone || look_apply(&l));
    free(l.drop);
    if (done) {
        next_look(s);
    }
    return done;
}
