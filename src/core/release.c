/* From a number to the shards: what happens to a message when its turn has come,
 * at once or, with a store that messages wait for, after its commit. */
#include "core/message.h"
#include "core/people_private.h"
#include "core/unacked.h"

#include <stddef.h>
#include <stdlib.h>

/* Messages that are sent on in one critical section. */
#define RELEASE_MAX 64

/* ---- whom it is for ---- */

static uint64_t topic_shards(const struct topic *t)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < t->nshards; i++) {
        mask |= (uint64_t)(t->local[i].n != 0) << i;
    }
    return mask;
}

static uint64_t everyone_shards(const struct router *r)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < r->shards; i++) {
        mask |= (uint64_t)(r->all[i].n != 0) << i;
    }
    return mask;
}

static void address_topic(struct message *m, struct topic *t)
{
    if (t && t->total) {
        topic_ref(t);
        m->topic = t;
        m->matched += t->total;
        m->interested |= topic_shards(t);
    }
}

int message_address(struct router *r, struct message *m, struct str target)
{
    m->matched = 0;
    switch (m->kind) {
    case TARGET_EVERYONE:
        m->matched = r->members;
        m->interested = everyone_shards(r);
        return 0;
    case TARGET_USER:
        address_topic(m, topic_find(&r->users, target));
        return 0;
    case TARGET_CHANNEL:
        break;
    }
    address_topic(m, topic_find(&r->channels, target));
    if (!r->groups.head) {
        return 0;
    }
    if (patterns_match(&r->patterns, target, &m->groups) != 0) {
        group_set_fini(&m->groups);
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < m->groups.n; i++) {
        struct topic *g = m->groups.v[i];
        topic_ref(g);
        m->matched += g->total;
        m->interested |= topic_shards(g);
    }
    return 0;
}

/* ---- its turn ---- */

static void keep(struct router *r, struct message *m)
{
    struct lane *l = m->lane;
    struct history_item item = {m->seq, m->at_ms, m->expires_ms, m->frame};

    l->inflight--;
    if (l->queueing == m->seq) {
        l->queueing = 0;
    }
    if (m->ephemeral) {
        return;
    }
    if (history_append(&r->history, l, &item) && m->kind == TARGET_USER && m->matched == 0) {
        metrics_inc(r->metrics, METRIC_QUEUED);
        if (!l->queued) {
            l->queued = m->seq;
            history_changed(&r->history, l);
        }
    } else if (m->rec.queues) { /* somebody has come meanwhile */
        history_changed(&r->history, l);
    }
}

static void await_ack(struct router *r, struct message *m)
{
    acks_commit(r->acks, m->ack, m->seq, m->at_ms, m->expires_ms, m->frame);
    metrics_inc(r->metrics, METRIC_UNACKED);
    if (m->matched) {
        acks_sent(r->acks, m->ack, 0, m->mono_ms);
    }
}

void message_post(struct router *r, struct message *m)
{
    unsigned posts = (unsigned)__builtin_popcountll(m->interested);
    size_t size = (size_t)m->frame->sse_len + m->frame->ws_len;

    atomic_fetch_add_explicit(&m->refs, posts, memory_order_relaxed);
    for (unsigned s = 0; posts; s++) {
        if (m->interested >> s & 1) {
            posts--;
            r->ports.post(r->ports.ctx, s, m, m->links + s * PORT_LINK_SIZE, size);
        }
    }
}

void message_release(struct router *r, struct message *m)
{
    r->top = m->seq;
    if (m->lane) {
        keep(r, m);
    } else if (!history_on(&r->history)) {
        r->history.floor = m->seq;
    }
    if (m->ack) {
        await_ack(r, m);
    }
    if (r->metrics) {
        metrics_add(r->metrics, METRIC_MATCHED, m->matched);
    }
    message_post(r, m);
    message_unref(m);
}

void message_address_and_release(struct router *r, struct message *m)
{
    if (message_address(r, m, lane_name(m->lane)) != 0) {
        message_unaddress(m);
        m->lost = true;
        m->interested = everyone_shards(r);
    }
    message_release(r, m);
}

void message_fail(struct router *r, struct message *m)
{
    struct lane *l = m->lane;

    l->inflight--;
    if (l->assigned == m->seq) {
        l->assigned = l->last;
    }
    if (l->queueing == m->seq) {
        l->queueing = 0;
    }
    if (m->rec.queues) { /* a failed commit may be on disk all the same */
        history_changed(&r->history, l);
    }
    if (m->ack) {
        acks_cancel(r->acks, m->ack);
    }
    if (m->once) {
        dedupe_remove(r->dedupe, m->once);
    }
    message_unref(m);
}

/* ---- what the store gives back ---- */

static struct message *message_of(struct record *rec)
{
    return (struct message *)(void *)rec;
}
_Static_assert(offsetof(struct message, rec) == 0, "a message begins with its record");
_Static_assert(offsetof(struct barrier, rec) == 0, "a barrier begins with its record");

/* It is sent on but not stored, and its publisher is told to try again. */
static void take_back_sent(struct router *r, const struct message *m)
{
    if (m->once) {
        dedupe_remove(r->dedupe, m->once);
    }
    if (m->rec.ack) {
        unacked_forget(r, lane_name(m->lane), m->seq);
    }
}

/* Lock held. Returns a chain of records of which more is to be done without the lock. */
static struct record *take_back(struct router *r, struct record *rec, int rc)
{
    rec->next = NULL;
    switch (rec->kind) {
    case RECORD_MESSAGE:
        if (!r->store->delayed) {
            if (rc != 0) {
                take_back_sent(r, message_of(rec));
            }
            return rec;
        }
        if (rc == 0) {
            message_address_and_release(r, message_of(rec));
        } else {
            message_fail(r, message_of(rec));
        }
        return rec;
    case RECORD_BARRIER:
    case RECORD_ACKED:
        return rec;
    case RECORD_READ:
    case RECORD_UNREAD:
        return positions_stored(&r->people->reads->positions, rec, rc);
    case RECORD_LANE:
    case RECORD_FORGET:
        break;
    }
    history_lane_stored(&r->history, rec);
    return NULL;
}

static void tell(struct publish_ticket *t, int rc)
{
    if (t) {
        if (rc != 0) {
            atomic_store(&t->failed, true);
        }
        if (ticket_less(t)) {
            t->done(t);
        }
    }
}

/* Without the lock. */
static void finish(struct record *rec, int rc)
{
    struct publish_ticket *t;

    switch (rec->kind) {
    case RECORD_MESSAGE:
        t = message_of(rec)->ticket;
        message_unref(message_of(rec)); /* before: its publisher may end the gateway */
        tell(t, rc);
        break;
    case RECORD_BARRIER:
        t = ((struct barrier *)(void *)rec)->ticket;
        free(rec);
        tell(t, rc);
        break;
    case RECORD_ACKED:
        free(rec);
        break;
    case RECORD_LANE:
    case RECORD_FORGET:
    case RECORD_READ:
    case RECORD_UNREAD:
        break;
    }
}

void router_stored(struct router *r, struct record *first, int rc)
{
    while (first) {
        struct record *done = NULL;
        struct record **end = &done;

        router_lock(r);
        for (unsigned n = 0; first && n < RELEASE_MAX; n++) {
            struct record *rec = first;
            first = rec->next;
            *end = take_back(r, rec, rc);
            while (*end) {
                end = &(*end)->next;
            }
        }
        router_unlock_flush(r);
        while (done) {
            struct record *next = done->next;
            finish(done, rc);
            done = next;
        }
    }
}

void router_store_gone(struct router *r, uint64_t next_seq)
{
    router_lock(r);
    if (next_seq > router_assigned(r) + 1) {
        r->hole = (struct lost_range){router_assigned(r), next_seq - 1};
        atomic_store_explicit(&r->assigned, next_seq - 1, memory_order_relaxed);
    }
    router_unlock(r);
}
