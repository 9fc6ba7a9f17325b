#include "core/unacked.h"

#include <assert.h>
#include <stdlib.h>

/* ---- one goes ---- */

/* Lock held. Without memory for the record the store keeps it: then it is
 * delivered once more after a restart, as at-least-once allows. */
static void drop(struct router *r, struct ack *k, enum metric why)
{
    struct record *rec = r->store ? calloc(1, sizeof(*rec)) : NULL;

    if (rec) {
        rec->kind = RECORD_ACKED;
        rec->seq = k->seq;
        history_record(&r->history, rec, sizeof(*rec));
    }
    if (r->acks_at == k) {
        r->acks_at = NULL;
    }
    if (why == METRIC_GIVEN_UP) {
        acks_gave_up(r->acks, acks_user_name(k));
    }
    metrics_inc(r->metrics, why);
    metrics_dec(r->metrics, METRIC_UNACKED);
    acks_drop(r->acks, k);
}

static bool is_expired(const struct router *r, const struct ack *k)
{
    return k->expires_ms && k->expires_ms <= r->history.now_ms;
}

static bool is_tried(const struct router *r, const struct ack *k)
{
    return k->attempts >= r->history.opt->ack_attempts;
}

int router_ack(struct router *r, struct str user, struct str id)
{
    struct ack *k;

    if (!r->acks) {
        return ERR_NOT_FOUND;
    }
    router_lock(r);
    k = acks_find(r->acks, user, id);
    if (k) {
        drop(r, k, METRIC_ACKED);
    }
    router_unlock_flush(r);
    return k ? 0 : ERR_NOT_FOUND;
}

void unacked_forget(struct router *r, struct str user, uint64_t seq)
{
    for (struct ack *k = acks_first(r->acks, user); k; k = acks_after(k)) {
        if (k->seq == seq) {
            drop(r, k, METRIC_GIVEN_UP);
            return;
        }
    }
}

bool unacked_tidy(struct router *r, unsigned max)
{
    struct ack *k = acks_walk(r->acks, r->acks_at);

    for (; k && max; max--) {
        struct ack *next = acks_walk(r->acks, k);
        if (is_expired(r, k)) {
            drop(r, k, METRIC_GIVEN_UP);
        } else {
            r->acks_at = k;
        }
        k = next;
    }
    if (!k) {
        r->acks_at = NULL;
    }
    return k != NULL;
}

/* ---- once more ---- */

/* The connection of the user whose id comes next after that of the last one. */
static const struct member *next_member(const struct topic *t, uint64_t after)
{
    const struct member *next = NULL, *lowest = NULL;

    for (unsigned s = 0; s < t->nshards; s++) {
        for (uint32_t i = 0; i < t->local[s].n; i++) {
            const struct member *m = t->local[s].v[i]->member;
            if (m->id > after && (!next || m->id < next->id)) {
                next = m;
            }
            if (!lowest || m->id < lowest->id) {
                lowest = m;
            }
        }
    }
    return next ? next : lowest;
}

static struct again send_again(struct router *r, struct ack *k, const struct member *m,
                               uint64_t mono_ms)
{
    acks_sent(r->acks, k, m->id, mono_ms);
    metrics_inc(r->metrics, METRIC_REDELIVERED);
    return (struct again){frame_ref(k->frame), k->attempts, m->shard, m->id};
}

unsigned router_acks_due(struct router *r, uint64_t mono_ms, struct again *out, unsigned max)
{
    unsigned n = 0;
    struct ack *k;

    if (!r->acks) {
        return 0;
    }
    router_lock(r);
    for (unsigned looked = 0; n < max && looked < 4 * max; looked++) {
        const struct topic *t;
        k = acks_due(r->acks, mono_ms);
        if (!k) {
            break;
        }
        t = topic_find(&r->users, acks_user_name(k));
        if (is_tried(r, k) || is_expired(r, k)) {
            drop(r, k, METRIC_GIVEN_UP);
        } else if (t && t->total) {
            out[n++] = send_again(r, k, next_member(t, k->member), mono_ms);
        } else {
            acks_rest(r->acks, k);
        }
    }
    router_unlock_flush(r);
    return n;
}

static bool is_kept(const struct router *r, const struct ack *k)
{
    const struct lane *l = history_find(&r->history, TARGET_USER, acks_user_name(k));
    uint32_t i = l ? lane_seek(l, k->seq - 1) : 0;

    return l && i < l->n && lane_item(l, i)->seq == k->seq;
}

unsigned router_unacked(struct router *r, struct member *m, uint64_t upto, uint64_t mono_ms,
                        uint64_t *after, struct again *out, unsigned max, size_t max_bytes)
{
    struct str user = member_user(m);
    struct ack *next;
    size_t bytes = 0;
    unsigned n = 0;

    if (!r->acks || user.len == 0) {
        return 0;
    }
    router_lock(r);
    for (struct ack *k = acks_first(r->acks, user); k && n < max && bytes < max_bytes; k = next) {
        next = acks_after(k);
        if (k->seq <= *after) {
            continue;
        }
        *after = k->seq;
        if (k->seq > upto && is_kept(r, k)) { /* it has just come out of history */
            if (k->due_ms == 0) {
                acks_sent(r->acks, k, m->id, mono_ms);
            }
        } else if (is_expired(r, k) || (is_tried(r, k) && k->due_ms == 0)) {
            drop(r, k, METRIC_GIVEN_UP);
        } else if (!is_tried(r, k)) { /* else the last one's time runs yet */
            bytes += frame_size(k->frame);
            out[n++] = send_again(r, k, m, mono_ms);
        }
    }
    router_unlock_flush(r);
    return n;
}

/* ---- reading ---- */

unsigned router_user_unacked(struct router *r, struct str user, struct user_unacked *out,
                             unsigned max, uint64_t *total, uint64_t *given_up)
{
    unsigned n = 0;

    *total = *given_up = 0;
    if (!r->acks) {
        return 0;
    }
    router_lock(r);
    for (struct ack *k = acks_first(r->acks, user); k; k = acks_after(k)) {
        ++*total;
        if (n < max) {
            struct str id = ack_id(k);
            out[n] = (struct user_unacked){
                .cursor = router_at(r, k->seq), .at_ms = k->at_ms, .attempts = k->attempts};
            memcpy(out[n].id, id.p, id.len);
            out[n++].id[id.len] = '\0';
        }
    }
    *given_up = acks_user_given_up(r->acks, user);
    router_unlock(r);
    return n;
}
