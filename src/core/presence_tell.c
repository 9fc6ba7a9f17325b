/* When changes are told, and how. */
#include "core/presence_private.h"

#include "core/notice.h"

/* The snapshot of so few is made each time, so that it shows the connections of now; that of more
 * once for each version. */
#define FRESH_MEMBERS 64

/* ---- publishing ---- */

enum telling {
    TELL_CHANGES, /* who came, left, has another info */
    TELL_COUNT,   /* how many are there, since they are too many */
    TELL_ALL      /* everybody, since they are not too many any more */
};

static enum telling next_telling(const struct router *r, const struct presence *pr)
{
    uint64_t max = r->people->opt->presence_max;

    if (pr->counting) {
        return pr->count <= max / 2 ? TELL_ALL : TELL_COUNT;
    }
    return pr->count > max ? TELL_COUNT : TELL_CHANGES;
}

/* How many changes the next event has, and how many users are there with them. */
static unsigned next_changes(const struct presence *pr, uint32_t *users)
{
    struct ring *at = pr->changed.next;
    unsigned n = 0;

    *users = pr->shown;
    for (; at != &pr->changed && n < PRESENCE_CHANGES; at = at->next, n++) {
        const struct attendee *a = RING_OF(at, const struct attendee, changed);
        *users += (uint32_t)(a->here && !a->published);
        *users -= (uint32_t)(!a->here && a->published);
    }
    return n;
}

static int make_frame(int rc, struct strbuf *data, struct frame **out)
{
    if (rc == 0 && strbuf_failed(data)) {
        rc = ERR_NOMEM;
    }
    if (rc == 0) {
        rc = frame_new_notice(STR_LIT("fanfare.presence"), strbuf_str(data), out);
    }
    return rc;
}

/* Tells those who listen, if any, of the next version. On failure nothing has happened. */
static int post(struct router *r, struct presence *pr, enum telling how, uint64_t except)
{
    struct strbuf data = STRBUF_INIT;
    struct frame *f = NULL;
    uint32_t users;
    unsigned n;
    int rc = 0;

    if (!notice_has_audience(r, presence_name(pr))) {
        return 0;
    }
    if (notice_crowded(r)) {
        return ERR_BUSY; /* it is tried again */
    }
    switch (how) {
    case TELL_CHANGES:
        n = next_changes(pr, &users);
        presence_add_changes(&data, pr, n, users);
        break;
    case TELL_COUNT:
        presence_add_count(&data, presence_name(pr), "changes", pr->version + 1, pr->count);
        break;
    case TELL_ALL:
        rc = presence_add_listed(&data, pr, pr->version + 1);
        break;
    }
    rc = make_frame(rc, &data, &f);
    strbuf_fini(&data);
    return rc == 0 ? notice_post(r, presence_name(pr), f, except) : rc;
}

/* Its next event comes after an interval. */
static void cool(struct router *r, struct presence *pr)
{
    struct presences *p = presences_of(r);
    uint64_t wait = r->people->opt->presence_interval;

    pr->cooling = 1;
    pr->next_ms = presence_mono_ms(r) + (pr->counting ? PRESENCE_SLOWER * wait : wait);
    ring_remove(&pr->queue);
    ring_append(pr->counting ? &p->slow : &p->quick, &pr->queue);
    people_due(r, pr->next_ms);
}

static bool is_pending(const struct presence *pr)
{
    return pr->counting ? pr->count != pr->shown : !ring_alone(&pr->changed);
}

/* Something is pending. */
static void publish(struct router *r, struct presence *pr, uint64_t except)
{
    enum telling how = next_telling(r, pr);
    uint32_t users;
    unsigned n = next_changes(pr, &users);

    if (post(r, pr, how, except) == 0) {
        presence_count(r, METRIC_PRESENCE_EVENTS, 1);
        pr->version++;
        presence_drop_snapshot(pr);
        pr->shown = how == TELL_CHANGES ? users : pr->count;
        while (how == TELL_CHANGES ? n-- > 0 : !ring_alone(&pr->changed)) {
            presence_take(r, RING_OF(pr->changed.next, struct attendee, changed));
        }
        pr->counting = how == TELL_COUNT;
    } else {
        presence_count(r, METRIC_PRESENCE_UNTOLD, 1); /* all of it is pending still */
    }
    cool(r, pr);
}

void presence_tell_now(struct router *r, struct presence *pr, uint64_t except)
{
    if (is_pending(pr) && !pr->cooling) {
        publish(r, pr, except);
    }
}

void presence_tell_soon(struct router *r, struct presence *pr)
{
    if (is_pending(pr) && ring_alone(&pr->queue)) {
        ring_append(&presences_of(r)->ready, &pr->queue);
        people_due(r, presence_mono_ms(r));
    }
}

bool presence_take_turn(struct router *r, struct ring *queue, uint64_t now_ms)
{
    struct presence *pr = RING_OF(queue->next, struct presence, queue);

    if (ring_alone(queue) || (pr->cooling && pr->next_ms > now_ms)) {
        return false;
    }
    ring_remove(&pr->queue);
    pr->cooling = 0;
    if (is_pending(pr)) {
        publish(r, pr, 0);
    } else {
        presence_forget_unused(r, pr);
    }
    return true;
}

/* ---- snapshots ---- */

static int make_snapshot(const struct presence *pr, struct frame **out, uint32_t *len)
{
    struct strbuf data = STRBUF_INIT;
    int rc = 0;

    if (pr->counting) {
        presence_add_count(&data, presence_name(pr), "snapshot", pr->version, pr->shown);
    } else {
        rc = presence_add_listed(&data, pr, pr->version);
    }
    rc = make_frame(rc, &data, out);
    *len = (uint32_t)data.len;
    strbuf_fini(&data);
    return rc;
}

struct frame *presence_snapshot(struct router *r, struct presence *pr, uint32_t *len)
{
    bool few = HASH_COUNT(pr->all) <= FRESH_MEMBERS;
    struct frame *f = few ? NULL : pr->snapshot;

    *len = pr->snapshot_len;
    if (!f && make_snapshot(pr, &f, len) != 0) {
        presence_count(r, METRIC_PRESENCE_UNTOLD, 1);
        return NULL;
    }
    if (few) {
        return f;
    }
    pr->snapshot = f;
    pr->snapshot_len = *len;
    return frame_ref(f);
}
