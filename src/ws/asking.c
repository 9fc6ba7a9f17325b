#include "ws/asking.h"

#include "conn/access.h"
#include "core/permit.h"
#include "hook/hook.h"
#include "rt/mailbox.h"
#include "ws/reply.h"

#include <stdlib.h>

/* Questions of one client on their way. */
#define ASKING_MAX 16

struct ws_asking {
    struct hook_call call; /* first */
    struct mail mail;
    struct ws_asking *prev, *next;
    struct ws_shard *w;
    uint64_t client;
    bool cancelled;
    bool reads;
    struct position pos;
    void (*run)(struct op *op, struct str name, const struct position *pos);
    struct str ref;
    size_t name_len;
    char name[]; /* and the ref behind it */
};

bool asking_may_help(const struct op *op, struct str name)
{
    const struct grant *g = access_grant(op->s);

    return op->w->hook && g && permit_ask_subscribe(op->s->env->opt, g, name);
}

static struct ws_asking *of_mail(struct mail *m)
{
    return (struct ws_asking *)(void *)((char *)m - offsetof(struct ws_asking, mail));
}

static void unlink_asking(struct ws_asking *a)
{
    if (a->prev) {
        a->prev->next = a->next;
    } else {
        a->w->asking = a->next;
    }
    if (a->next) {
        a->next->prev = a->prev;
    }
}

static void answer(struct ws_asking *a, struct op *op)
{
    const struct hook_answer *ans = &a->call.answer;
    struct str name = {a->name, a->name_len};

    if (a->cancelled) {
        op_reply_error(op, "cancelled", "the client unsubscribed before the answer was there");
    } else if (ans->verdict == HOOK_ALLOWED) {
        a->run(op, name, &a->pos);
    } else if (ans->verdict == HOOK_DENIED) {
        op_reply_error(op, "forbidden",
                       ans->reason[0] ? ans->reason : "the application does not permit this");
    } else {
        op_reply_later(op, "auth_unavailable",
                       "whether this is permitted cannot be said now; try again later",
                       op->s->env->opt->retry);
    }
}

/* On the shard's thread. */
static void arrived(struct mail *m, void *ctx)
{
    struct ws_asking *a = of_mail(m);
    struct stream *s = clients_find(&a->w->env->clients, a->client);

    (void)ctx;
    unlink_asking(a);
    if (s && !s->dead && !s->ending) {
        struct op op = {.w = a->w, .s = s, .ref = a->ref, .reads = a->reads};
        answer(a, &op);
    }
    atomic_fetch_sub(a->w->outstanding, 1);
    free(a);
}

/* On the hook's thread, or in asking_begin. */
static void done(struct hook_call *c)
{
    struct ws_asking *a = (struct ws_asking *)(void *)c;

    mailbox_push(a->w->tasks, &a->mail);
}

static unsigned asked_by(const struct op *op)
{
    unsigned n = 0;

    for (const struct ws_asking *a = op->w->asking; a; a = a->next) {
        n += a->client == op->s->member.id;
    }
    return n;
}

static struct ws_asking *asking_new(const struct op *op, struct str name)
{
    struct ws_asking *a = calloc(1, sizeof(*a) + name.len + op->ref.len + 1);

    if (!a) {
        return NULL;
    }
    memcpy(a->name, name.p, name.len);
    if (op->ref.len) {
        memcpy(a->name + name.len, op->ref.p, op->ref.len);
    }
    a->name_len = name.len;
    a->ref = (struct str){a->name + name.len, op->ref.len};
    a->w = op->w;
    a->client = op->s->member.id;
    a->reads = op->reads;
    a->call.done = done;
    a->mail.run = arrived;
    return a;
}

void asking_begin(struct op *op, struct str name, const struct position *pos,
                  void (*run)(struct op *op, struct str name, const struct position *pos))
{
    struct hook_question q = {.event = HOOK_SUBSCRIBE, .channels = &name, .nchannels = 1};
    struct ws_asker memory;
    struct ws_asking *a;

    if (asked_by(op) >= ASKING_MAX) {
        op_reply_later(op, "rate_limited", "wait for the answers to earlier subscriptions first",
                       op->s->env->opt->retry);
        return;
    }
    a = asking_new(op, name);
    if (!a) {
        op_out_of_memory(op);
        return;
    }
    a->pos = *pos;
    a->run = run;
    a->next = op->w->asking;
    if (a->next) {
        a->next->prev = a;
    }
    op->w->asking = a;
    atomic_fetch_add(op->w->outstanding, 1);
    ws_ask_for(op->s, &q, &memory);
    hook_ask(op->w->hook, &q, &a->call);
}

bool asking_cancel(struct op *op, struct str name)
{
    bool found = false;

    for (struct ws_asking *a = op->w->asking; a; a = a->next) {
        if (a->client == op->s->member.id && str_eq((struct str){a->name, a->name_len}, name)) {
            found |= !a->cancelled;
            a->cancelled = true;
        }
    }
    return found;
}
