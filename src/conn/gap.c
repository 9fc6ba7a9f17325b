#include "conn/gap.h"

#include <stdlib.h>

struct stream_gap {
    struct outbuf *marker; /* our reference beside the queue's */
    uint64_t first, last;  /* seq of the messages it stands for */
    uint64_t dropped;
};

/* The marker of an earlier drop, if it is still unsent in the queue: later
 * drops widen it. Otherwise forgets it. */
static struct stream_gap *live_gap(struct stream *s)
{
    struct stream_gap *g = s->gap;

    if (g && (g->marker->refs == 1 || (outq_at(&s->q, 0) == g->marker && s->q.sent))) {
        gap_forget(s);
        g = NULL;
    }
    return g;
}

void gap_forget(struct stream *s)
{
    if (s->gap) {
        outbuf_unref(s->gap->marker);
        free(s->gap);
        s->gap = NULL;
    }
}

static struct outbuf *marker_new(const struct stream *s, const struct stream_gap *g)
{
    struct strbuf data = STRBUF_INIT;
    struct strbuf frame = STRBUF_INIT;
    struct outbuf *b = NULL;
    char from[CURSOR_MAX], to[CURSOR_MAX];
    uint64_t epoch = s->env->epoch;

    cursor_format((struct cursor){epoch, g->first ? g->first - 1 : 0}, from);
    cursor_format((struct cursor){epoch, g->last}, to);
    strbuf_addf(&data, "{\"scope\":\"all\",\"from\":\"%s\",\"to\":\"%s\",\"reason\":\"slow\"}",
                from, to);
    control_add(&frame, s->ops->transport, STR_LIT("fanfare.gap"), str_of(to), strbuf_str(&data));
    if (!strbuf_failed(&data) && !strbuf_failed(&frame)) {
        b = outbuf_of_bytes(strbuf_str(&frame));
    }
    strbuf_fini(&data);
    strbuf_fini(&frame);
    return b;
}

/* Takes published messages (and the old marker) out from the front until the
 * queue is at most three quarters full with `len` more. Returns the place of
 * the first one taken out, or UINT32_MAX. */
static uint32_t drop_oldest(struct stream *s, struct stream_gap *g, uint64_t len)
{
    const struct options *opt = s->env->opt;
    enum transport t = s->ops->transport;
    uint64_t max_bytes = opt->queue_bytes / 4 * 3;
    uint32_t max_n = opt->queue_messages / 4 * 3;
    uint32_t place = UINT32_MAX;
    uint32_t i = s->q.sent ? 1 : 0;

    while (i < s->q.n && (s->q.bytes + len > max_bytes || s->q.n + 1 > max_n)) {
        struct outbuf *b = outq_at(&s->q, i);
        if (b != g->marker && !b->frame) {
            i++;
            continue;
        }
        if (b->frame) {
            g->first = g->dropped ? g->first : b->seq;
            g->last = b->seq;
            g->dropped++;
            metrics_inc(s->env->metrics, METRIC_DROPPED);
        }
        place = place == UINT32_MAX ? i : place;
        outq_remove(&s->q, i, t);
    }
    return place;
}

bool gap_make_room(struct stream *s, uint64_t len)
{
    struct stream_gap *g = live_gap(s);
    struct outbuf *marker;
    uint64_t waiting = s->q.bytes;
    uint32_t place;
    char lag[NUM_LEN];
    bool had = g != NULL;

    if (!g) {
        g = calloc(1, sizeof(*g));
        if (!g) {
            return false;
        }
    }
    place = drop_oldest(s, g, len);
    if (place == UINT32_MAX) {
        if (!had) {
            free(g);
        }
        return false;
    }
    if (!had) {
        stream_log(s, LOG_WARN_LVL, "slow client: dropping its oldest messages", "lag",
                   num_text(lag, waiting));
    }
    marker = marker_new(s, g);
    if (!marker || outq_insert(&s->q, place, marker, s->ops->transport) != 0) {
        if (marker) {
            outbuf_unref(marker);
        }
        s->gap = had ? g : NULL;
        if (!had) {
            free(g);
        }
        return false; /* the caller ends the client: nothing is lost unsaid */
    }
    if (g->marker) {
        outbuf_unref(g->marker);
    }
    marker->refs++;
    g->marker = marker;
    s->gap = g;
    return true;
}
