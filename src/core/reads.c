/* How far users have read. */
#include "core/notice.h"
#include "core/people_private.h"

#include "base/clock.h"
#include "proto/json.h"

#include <stdlib.h>

/* Messages that a search for an id looks at. */
#define LOOKS_MAX 10000

int reads_new(struct router *r, struct reads **out)
{
    struct reads *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    positions_init(&t->positions, r->seed, r->people->opt->max_reads, &r->history);
    *out = t;
    return 0;
}

void reads_free(struct reads *t)
{
    if (t) {
        positions_fini(&t->positions);
        free(t);
    }
}

/* ---- as JSON ---- */

/* `"userId":…,"cursor":…,"at":…` */
static void add_read(struct strbuf *sb, struct cursor at, struct str user, uint64_t at_ms)
{
    char cursor[CURSOR_MAX], time[CLOCK_RFC3339_LEN + 1];

    cursor_format(at, cursor);
    clock_rfc3339(at_ms, time);
    strbuf_adds(sb, "\"userId\":");
    json_add_string(sb, user);
    strbuf_addf(sb, ",\"cursor\":\"%s\",\"at\":\"%s\"", cursor, time);
}

static void add_position(struct strbuf *sb, const struct router *r, const struct read_pos *p)
{
    strbuf_addc(sb, '{');
    add_read(sb, router_at(r, p->seq), read_pos_user(p), p->at_ms);
    strbuf_addc(sb, '}');
}

static const struct pair_channel *channel_of(const struct router *r, struct str channel)
{
    return r->people ? pairs_channel(&r->people->reads->positions.pairs, channel) : NULL;
}

int router_reads_snapshot(struct router *r, struct str channel, unsigned limit, struct strbuf *out)
{
    const struct pair_channel *c;
    const struct pair *p;

    strbuf_adds(out, "{\"channel\":");
    json_add_string(out, channel);
    strbuf_adds(out, ",\"reads\":[");
    router_lock(r);
    c = channel_of(r, channel);
    p = c ? c->newest : NULL;
    for (unsigned n = 0; p && n < limit; p = p->ch_older) {
        strbuf_adds(out, n++ ? "," : "");
        add_position(out, r, (const struct read_pos *)(const void *)p);
    }
    router_unlock(r);
    strbuf_adds(out, p ? "],\"more\":true}" : "],\"more\":false}");
    return strbuf_failed(out) ? ERR_NOMEM : 0;
}

int router_reads_page(struct router *r, struct str channel, struct str after, unsigned limit,
                      struct strbuf *out)
{
    const struct pair **v = calloc(limit ? limit : 1, sizeof(*v));
    const struct pair_channel *c;
    unsigned n = 0;
    bool more = false;

    if (!v) {
        return ERR_NOMEM;
    }
    strbuf_adds(out, "\"reads\":[");
    router_lock(r);
    c = channel_of(r, channel);
    if (c) {
        n = pairs_page(c, after, limit, v, &more);
    }
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(out, i ? "," : "");
        add_position(out, r, (const struct read_pos *)(const void *)v[i]);
    }
    strbuf_addc(out, ']');
    if (more) {
        strbuf_adds(out, ",\"next\":");
        json_add_string(out, pair_user(v[n - 1]));
    }
    router_unlock(r);
    free(v);
    return strbuf_failed(out) ? ERR_NOMEM : 0;
}

/* ---- moving ---- */

struct reading {
    struct router *r;
    struct str user, channel;
    struct cursor at;
    uint64_t at_ms;
    uint64_t except;
    struct publish_ticket *ticket;
    struct barrier *barrier; /* NULL: nobody waits */
};

/* Room in the store for the record and for whoever waits for it. */
static int admit(const struct reading *rd)
{
    const struct core_store *store = rd->r->store;

    return store ? store->admit(store->ctx, sizeof(struct read_pos) + sizeof(struct barrier),
                                rd->at.seq)
                 : 0;
}

static int tell_others(const struct reading *rd)
{
    struct strbuf sb = STRBUF_INIT;
    struct frame *f = NULL;
    int rc = ERR_NOMEM;

    if (!notice_has_audience(rd->r, rd->channel)) {
        return 0;
    }
    if (notice_crowded(rd->r)) {
        return ERR_BUSY;
    }
    strbuf_adds(&sb, "{\"channel\":");
    json_add_string(&sb, rd->channel);
    strbuf_addc(&sb, ',');
    add_read(&sb, rd->at, rd->user, rd->at_ms);
    strbuf_addc(&sb, '}');
    if (!strbuf_failed(&sb)) {
        rc = frame_new_notice(STR_LIT("fanfare.read"), strbuf_str(&sb), &f);
    }
    strbuf_fini(&sb);
    return rc ? rc : notice_post(rd->r, rd->channel, f, rd->except);
}

/* The one who waits, if one does; it is taken over. */
static struct barrier *take_barrier(struct reading *rd)
{
    struct barrier *b = rd->barrier;

    if (b) {
        b->ticket = rd->ticket;
        atomic_fetch_add_explicit(&rd->ticket->left, 1, memory_order_relaxed);
        rd->barrier = NULL;
    }
    return b;
}

/* What can fail comes first. */
static int move(struct reading *rd)
{
    struct positions *t = &rd->r->people->reads->positions;
    struct read_pos *p;
    int rc;

    if (t->max == 0 || (!positions_find(t, rd->channel, rd->user) && positions_full(t, rd->user))) {
        return tell_others(rd);
    }
    rc = admit(rd);
    if (rc) {
        return rc;
    }
    p = positions_obtain(t, rd->channel, rd->user);
    if (!p) {
        return ERR_NOMEM;
    }
    rc = tell_others(rd);
    if (rc) {
        positions_cancel(t, p);
        return rc;
    }
    positions_move(t, p, rd->at.seq, rd->at_ms, take_barrier(rd));
    return 0;
}

static int read_locked(struct reading *rd, struct cursor *now, bool *changed)
{
    struct router *r = rd->r;
    struct positions *t = &r->people->reads->positions;
    struct read_pos *p;
    int rc = 0;

    if (!router_knows(r, rd->at, r->top)) {
        return ERR_INVALID;
    }
    rd->at_ms = history_now(&r->history, r->ports.real_ms(r->ports.ctx));
    p = positions_find(t, rd->channel, rd->user);
    *changed = rd->at.seq > (p ? p->seq : 0);
    if (*changed) {
        rc = move(rd);
        p = rc ? NULL : positions_find(t, rd->channel, rd->user);
    } else if (p && p->unsaved && rd->barrier) { /* told to try again, it does */
        rc = admit(rd);
    }
    if (rc) {
        *changed = false;
        return rc;
    }
    if (*changed && r->metrics) {
        metrics_inc(r->metrics, METRIC_READS_MOVED);
    }
    *now = router_at(r, p ? p->seq : rd->at.seq);
    if (p && rd->barrier && read_pos_pending(p)) {
        positions_await(t, p, take_barrier(rd));
    }
    return 0;
}

int router_read(struct router *r, struct str user, struct str channel, struct cursor at,
                uint64_t except, struct publish_ticket *ticket, struct cursor *now, bool *changed)
{
    struct reading rd = {
        .r = r, .user = user, .channel = channel, .at = at, .except = except, .ticket = ticket};
    int rc;

    *changed = false;
    if (!r->people) {
        return ERR_STATE;
    }
    if (ticket && r->store && r->store->waits) {
        rd.barrier = calloc(1, sizeof(*rd.barrier));
        if (!rd.barrier) {
            return ERR_NOMEM;
        }
    }
    router_lock(r);
    rc = read_locked(&rd, now, changed);
    router_unlock_flush(r);
    free(rd.barrier);
    return rc;
}

int router_restore_read(struct router *r, struct str channel, struct str user, uint64_t seq,
                        uint64_t at_ms)
{
    if (seq == 0 || seq > r->top) {
        return ERR_INVALID;
    }
    history_now(&r->history, at_ms);
    return r->people ? positions_restore(&r->people->reads->positions, channel, user, seq, at_ms)
                     : 0;
}

/* ---- against what is kept ---- */

/* What stands behind the target in the envelopes of messages with this id. */
#define ID_ROOM (8 + 6 * NAME_MAX_LEN)

static size_t put_id(char out[ID_ROOM], struct str id)
{
    static const char lead[] = "\",\"id\":";
    size_t n = sizeof(lead) - 1;

    memcpy(out, lead, n);
    return (size_t)(json_put_string(out + n, id) - out);
}

static bool has_id(const struct frame *f, struct str id)
{
    size_t at = (size_t)f->target_at + f->target_len;

    return at + id.len <= f->sse_len && memcmp(f->bytes + at, id.p, id.len) == 0;
}

int router_find_message(struct router *r, struct str channel, struct str id, struct cursor *out)
{
    char text[ID_ROOM];
    struct str member;
    const struct lane *l;
    int rc = ERR_NOT_FOUND;

    if (id.len == 0 || id.len > NAME_MAX_LEN) {
        return ERR_NOT_FOUND;
    }
    member = (struct str){text, put_id(text, id)};
    router_lock(r);
    l = history_find(&r->history, TARGET_CHANNEL, channel);
    for (uint32_t i = l ? l->n : 0, looks = 0; i > 0 && looks < LOOKS_MAX; looks++) {
        const struct history_item *it = lane_item(l, --i);
        if (has_id(it->frame, member)) {
            rc = history_live(&r->history, l, it) ? 0 : ERR_NOT_FOUND;
            *out = router_at(r, it->seq);
            break;
        }
    }
    router_unlock(r);
    return rc;
}

static uint64_t count_live(const struct history *h, const struct lane *l, uint64_t after)
{
    uint32_t i = lane_seek(l, after);
    uint64_t n = 0;

    if (!l->has_ttl) {
        return l->n - i;
    }
    for (; i < l->n; i++) { /* expired ones may stand between the others */
        n += !history_expired(h, lane_item(l, i));
    }
    return n;
}

/* Might messages after it have been lost? */
static bool any_lost(const struct router *r, const struct lane *l, uint64_t after)
{
    if ((l ? l->evicted : r->history.floor) > after) {
        return true;
    }
    return r->nlost && r->lost[r->nlost - 1].to > after;
}

void router_unread(struct router *r, struct str user, struct str channel, uint64_t now_ms,
                   struct unread *out)
{
    const struct read_pos *p;
    struct lane *l;
    uint64_t after;

    router_lock(r);
    history_now(&r->history, now_ms);
    p = r->people ? positions_find(&r->people->reads->positions, channel, user) : NULL;
    after = p ? p->seq : 0;
    l = history_find(&r->history, TARGET_CHANNEL, channel);
    if (l) {
        history_trim(&r->history, l);
    }
    *out = (struct unread){.count = l ? count_live(&r->history, l, after) : 0,
                           .at_least = any_lost(r, l, after),
                           .read = router_at(r, after),
                           .last = router_at(r, l ? l->last : 0)};
    router_unlock_flush(r);
}
