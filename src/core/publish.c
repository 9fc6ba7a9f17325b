/* Publishing: everything that can fail, then the numbers. */
#include "core/message.h"
#include "core/router_private.h"

#include <assert.h>
#include <stdlib.h>

/* Publications to up to this many targets need no memory for the list. */
#define FEW_MESSAGES 8

/* One publication on its way. */
struct publishing {
    struct router *r;
    const struct publication *p;
    struct message **v;
    struct barrier *barrier; /* in case it is a repetition */
    struct publish_result *results;
    struct publish_verdict *verdict;
};

static struct str target_of(const struct publication *p, unsigned i)
{
    return p->targets ? p->targets[i] : STR_NONE;
}

/* ---- before the lock ---- */

static void fill(struct message *m, const struct publication *p)
{
    m->kind = p->envelope.kind;
    m->except = p->except;
    m->at_ms = p->now_ms;
    m->mono_ms = p->mono_ms;
    m->ephemeral = p->ephemeral;
}

/* Encodes the messages, with a guess of how many digits their numbers will have. */
static int encode(struct publishing *pb)
{
    const struct publication *p = pb->p;
    uint64_t guess = router_assigned(pb->r) + 1;

    for (unsigned i = 0; i < p->count; i++) {
        struct envelope e = p->envelope;
        int rc;
        e.epoch = pb->r->epoch;
        e.target = target_of(p, i);
        pb->v[i] = message_new(pb->r);
        if (!pb->v[i]) {
            return ERR_NOMEM;
        }
        fill(pb->v[i], p);
        rc = frame_new(&e, frame_digits(guess + i), &pb->v[i]->frame);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int make_barrier(struct publishing *pb)
{
    if (!pb->p->once || !pb->p->ticket || !pb->r->store) {
        return 0;
    }
    pb->barrier = calloc(1, sizeof(*pb->barrier));
    return pb->barrier ? 0 : ERR_NOMEM;
}

/* ---- with the lock: a repetition ---- */

/* 0: it is none. */
static int look_for_repetition(struct publishing *pb)
{
    const struct publication *p = pb->p;
    struct router *r = pb->r;
    const struct once *o;

    if (!p->once || !r->dedupe || dedupe_off(r->dedupe)) {
        return 0;
    }
    o = dedupe_find(r->dedupe, once_id(p->once), p->now_ms);
    if (!o) {
        return 0;
    }
    if (o->count != p->count || memcmp(o->hash, p->once->hash, ONCE_HASH) != 0) {
        metrics_inc(r->metrics, METRIC_ID_CONFLICTS);
        return ERR_CONFLICT;
    }
    metrics_inc(r->metrics, METRIC_DUPLICATES);
    pb->verdict->duplicate = true;
    for (unsigned i = 0; i < p->count; i++) {
        pb->results[i] = (struct publish_result){router_at(r, o->first + i), o->results[i].matched,
                                                 (enum publish_status)o->results[i].status};
    }
    if (pb->barrier && r->store->waits) { /* the first one may still be on its way */
        pb->barrier->rec.kind = RECORD_BARRIER;
        pb->barrier->ticket = p->ticket;
        atomic_fetch_add_explicit(&p->ticket->left, 1, memory_order_relaxed);
        history_record(&r->history, &pb->barrier->rec, sizeof(*pb->barrier));
        pb->barrier = NULL;
    }
    return 0;
}

/* ---- with the lock: what can fail ---- */

/* The last message that the channel has, or may have had. */
static uint64_t last_of(const struct router *r, const struct lane *l)
{
    uint64_t last = r->history.floor;

    if (l) {
        last = l->assigned > l->vague ? l->assigned : l->vague;
    }
    return r->nlost && r->lost[r->nlost - 1].to > last ? r->lost[r->nlost - 1].to : last;
}

static int check_last(struct publishing *pb, unsigned i)
{
    const struct publication *p = pb->p;
    struct router *r = pb->r;
    struct cursor c = p->if_last;
    uint64_t last;

    if (!p->has_if_last) {
        return 0;
    }
    last = last_of(r, history_find(&r->history, p->envelope.kind, target_of(p, i)));
    if (last > c.seq || (c.epoch != 0 && !router_knows(r, c, router_assigned(r)))) {
        pb->verdict->moved = router_at(r, last);
        pb->verdict->target = i;
        metrics_inc(r->metrics, METRIC_MOVED_ON);
        return ERR_MOVED;
    }
    return 0;
}

/* Where it will be kept, or at least known of. */
static int find_lane(struct publishing *pb, unsigned i)
{
    const struct publication *p = pb->p;
    struct router *r = pb->r;
    struct lane *l;

    if (!history_on(&r->history) || (p->ephemeral && !(r->store && r->store->delayed))) {
        return 0;
    }
    l = history_obtain(&r->history, p->envelope.kind, target_of(p, i));
    if (!l) {
        return ERR_NOMEM;
    }
    l->inflight++; /* so that the next target does not push it out */
    pb->v[i]->lane = l;
    return 0;
}

static int reserve_ack(struct publishing *pb, unsigned i)
{
    const struct publication *p = pb->p;
    int rc;

    if (!p->require_ack || !pb->r->acks) {
        return 0;
    }
    rc = acks_reserve(pb->r->acks, p->targets[i], p->envelope.id, &pb->v[i]->ack);
    pb->verdict->target = i;
    return rc;
}

/* The number has another count of digits than was guessed: others published
 * meanwhile. */
static int encode_again(struct publishing *pb, unsigned i, unsigned digits)
{
    struct message *m = pb->v[i];
    struct envelope e = pb->p->envelope;

    if (m->frame->seq_digits == digits) {
        return 0;
    }
    e.epoch = pb->r->epoch;
    e.target = target_of(pb->p, i);
    frame_unref(m->frame);
    m->frame = NULL;
    return frame_new(&e, digits, &m->frame);
}

/* Room in the store, first of all: what is refused for want of it leaves nothing. */
static int admit(struct publishing *pb, uint64_t last)
{
    const struct core_store *store = pb->r->store;
    size_t bytes = 0;

    if (!store) {
        return 0;
    }
    for (unsigned i = 0; i < pb->p->count; i++) {
        bytes += frame_size(pb->v[i]->frame);
    }
    return store->admit(store->ctx, bytes, last);
}

/* Whom it is for now, and whether their shards have room. With a delayed store
 * that is asked once more when its turn has come. */
static int find_members(struct publishing *pb)
{
    struct router *r = pb->r;
    uint64_t interested = 0;

    for (unsigned i = 0; i < pb->p->count; i++) {
        if (message_address(r, pb->v[i], target_of(pb->p, i)) != 0) {
            return ERR_NOMEM;
        }
        interested |= pb->v[i]->interested;
        if (r->store && r->store->delayed) {
            message_unaddress(pb->v[i]);
        }
    }
    for (unsigned s = 0; s < r->shards; s++) {
        if ((interested >> s & 1) && r->ports.full(r->ports.ctx, s)) {
            return ERR_BUSY;
        }
    }
    return 0;
}

static int prepare_one(struct publishing *pb, unsigned i, uint64_t seq)
{
    int rc = find_lane(pb, i);

    if (rc == 0) {
        rc = encode_again(pb, i, frame_digits(seq));
    }
    return rc ? rc : reserve_ack(pb, i);
}

static enum publish_status status_of(const struct message *m)
{
    if (m->kind != TARGET_USER) {
        return PUBLISH_SENT;
    }
    if (m->matched) {
        return PUBLISH_ONLINE;
    }
    return m->lane && !m->ephemeral && history_would_keep(m->lane, m->frame) ? PUBLISH_QUEUED
                                                                             : PUBLISH_OFFLINE;
}

/* So that a repetition is known. */
static int remember(struct publishing *pb, uint64_t first)
{
    const struct publication *p = pb->p;
    struct once *o = p->once;
    int rc;

    if (!o || !pb->r->dedupe || dedupe_off(pb->r->dedupe)) {
        return 0;
    }
    o->first = first;
    o->at_ms = p->now_ms;
    for (unsigned i = 0; i < p->count; i++) {
        uint64_t matched = pb->v[i]->matched;
        o->results[i] = (struct once_result){matched > UINT32_MAX ? UINT32_MAX : (uint32_t)matched,
                                             (uint32_t)status_of(pb->v[i])};
    }
    rc = dedupe_add(pb->r->dedupe, o);
    if (rc == 0) {
        pb->v[0]->once = once_ref(o);
    }
    return rc;
}

static int prepare(struct publishing *pb)
{
    uint64_t next = router_assigned(pb->r) + 1;
    int rc = admit(pb, next + pb->p->count - 1);

    if (rc == 0) {
        rc = find_members(pb);
    }
    for (unsigned i = 0; rc == 0 && i < pb->p->count; i++) {
        rc = check_last(pb, i);
    }
    for (unsigned i = 0; rc == 0 && i < pb->p->count; i++) {
        rc = prepare_one(pb, i, next + i);
    }
    return rc ? rc : remember(pb, next);
}

static void undo(struct publishing *pb)
{
    for (unsigned i = 0; i < pb->p->count; i++) {
        struct message *m = pb->v[i];
        if (m->lane) {
            m->lane->inflight--;
        }
        if (m->ack) {
            acks_cancel(pb->r->acks, m->ack);
        }
    }
}

/* ---- with the lock: what cannot fail ---- */

static void put_record(struct publishing *pb, struct message *m)
{
    struct router *r = pb->r;

    m->rec = (struct record){.kind = RECORD_MESSAGE,
                             .ephemeral = m->ephemeral,
                             .ack = m->ack != NULL,
                             .queues = status_of(m) == PUBLISH_QUEUED,
                             .seq = m->seq,
                             .at_ms = m->at_ms,
                             .expires_ms = m->expires_ms,
                             .lane = m->lane ? m->lane->id : 0,
                             .target = m->kind,
                             .name = m->lane ? lane_name(m->lane) : STR_NONE,
                             .frame = m->frame,
                             .once = m->once};
    if (m->rec.queues && !m->lane->queueing) {
        m->lane->queueing = m->seq;
    }
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    if (pb->p->ticket && r->store->waits) {
        m->ticket = pb->p->ticket;
        atomic_fetch_add_explicit(&m->ticket->left, 1, memory_order_relaxed);
    }
    history_record(&r->history, &m->rec, frame_size(m->frame));
}

static void commit_one(struct publishing *pb, struct message *m, uint64_t seq,
                       struct publish_result *res)
{
    struct router *r = pb->r;

    m->seq = seq;
    frame_seal(m->frame, seq);
    if (pb->p->ttl_s) {
        m->expires_ms = m->at_ms + (uint64_t)pb->p->ttl_s * 1000;
    }
    *res = (struct publish_result){router_at(r, seq), m->matched, status_of(m)};
    if (m->lane && !m->ephemeral) {
        m->lane->assigned = seq;
    }
    if (r->store) {
        put_record(pb, m);
    }
    if (!r->store || !r->store->delayed) {
        message_release(r, m);
    }
}

static void commit(struct publishing *pb)
{
    uint64_t first = router_assigned(pb->r) + 1;
    uint64_t now = history_now(&pb->r->history, pb->p->now_ms);

    for (unsigned i = 0; i < pb->p->count; i++) {
        struct message *m = pb->v[i];
        atomic_store_explicit(&pb->r->assigned, first + i, memory_order_relaxed);
        m->at_ms = now;
        pb->v[i] = NULL;
        commit_one(pb, m, first + i, &pb->results[i]);
    }
}

static int publish_locked(struct publishing *pb)
{
    int rc = look_for_repetition(pb);

    if (rc != 0 || pb->verdict->duplicate) {
        return rc;
    }
    rc = prepare(pb);
    if (rc == 0) {
        commit(pb);
    } else {
        undo(pb);
    }
    return rc;
}

int router_publish(struct router *r, const struct publication *p, struct publish_result *results,
                   struct publish_verdict *verdict)
{
    struct message *few[FEW_MESSAGES] = {NULL};
    struct publishing pb = {r, p, few, NULL, results, verdict};
    int rc;

    assert(p->count >= 1);
    *verdict = (struct publish_verdict){0};
    if (p->count > FEW_MESSAGES) {
        pb.v = calloc(p->count, sizeof(struct message *));
        if (!pb.v) {
            return ERR_NOMEM;
        }
    }
    rc = encode(&pb);
    if (rc == 0) {
        rc = make_barrier(&pb);
    }
    if (rc == 0) {
        router_lock(r);
        rc = publish_locked(&pb);
        router_unlock_flush(r);
    }
    for (unsigned i = 0; i < p->count; i++) { /* those that were not taken */
        if (pb.v[i]) {
            message_unref(pb.v[i]);
        }
    }
    free(pb.barrier);
    if (pb.v != few) {
        free(pb.v);
    }
    return rc;
}
