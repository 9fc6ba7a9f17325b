#include "ws/later.h"

#include "rt/mailbox.h"

#include <stdlib.h>

/* Ops of one client that wait to be answered. */
#define LATER_MAX 1024

struct ws_later {
    struct publish_ticket ticket; /* first */
    struct mail mail;
    struct ws_shard *w;
    uint64_t client;
    struct strbuf data;
    size_t ref_len;
    char ref[];
};

static void later_free(struct ws_later *l)
{
    if (l->w->outstanding) {
        atomic_fetch_sub(l->w->outstanding, 1);
    }
    strbuf_fini(&l->data);
    free(l);
}

static void answer(struct ws_later *l, struct op *op)
{
    if (atomic_load(&l->ticket.failed)) {
        metrics_inc(op->s->env->metrics, METRIC_PUBLISH_REFUSED);
        op_reply_later(op, "store_failed",
                       "it was not stored; repeat it, with the same id if it has one", 1000);
    } else if (strbuf_failed(&l->data)) {
        op_out_of_memory(op);
    } else {
        op_reply_ok(op, strbuf_str(&l->data));
    }
}

/* On the shard's thread. */
static void arrived(struct mail *m, void *ctx)
{
    struct ws_later *l = (struct ws_later *)(void *)((char *)m - offsetof(struct ws_later, mail));
    struct stream *s = clients_find(&l->w->env->clients, l->client);

    (void)ctx;
    if (s) {
        s->waiting--;
    }
    if (s && !s->dead && !s->ending) {
        struct op op = {.w = l->w, .s = s, .ref = {l->ref, l->ref_len}};
        answer(l, &op);
    }
    later_free(l);
}

/* On any thread. */
static void done(struct publish_ticket *t)
{
    struct ws_later *l = (struct ws_later *)(void *)t;

    mailbox_push(l->w->tasks, &l->mail);
}

struct ws_later *later_begin(struct op *op)
{
    struct ws_later *l;

    if (op->s->waiting >= LATER_MAX) {
        op_reply_later(op, "rate_limited", "wait for the answers to earlier ops first",
                       op->s->env->opt->retry);
        return NULL;
    }
    l = calloc(1, sizeof(*l) + op->ref.len + 1);
    if (!l) {
        op_out_of_memory(op);
        return NULL;
    }
    atomic_init(&l->ticket.left, 1);
    atomic_init(&l->ticket.failed, false);
    l->ticket.done = done;
    l->mail.run = arrived;
    l->w = op->w;
    l->client = op->s->member.id;
    l->ref_len = op->ref.len;
    if (op->ref.len) {
        memcpy(l->ref, op->ref.p, op->ref.len);
    }
    if (op->w->outstanding) { /* the shard does not end before it is back */
        atomic_fetch_add(op->w->outstanding, 1);
    }
    return l;
}

struct publish_ticket *later_ticket(struct ws_later *l)
{
    return &l->ticket;
}

void later_drop(struct ws_later *l)
{
    later_free(l);
}

void later_reply(struct ws_later *l, struct op *op, struct strbuf *data)
{
    l->data = *data;
    *data = STRBUF_INIT;
    op->s->waiting++;
    if (publish_ticket_close(&l->ticket)) {
        op->s->waiting--;
        answer(l, op);
        later_free(l);
    }
}
