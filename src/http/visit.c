#include "http/visit.h"

#include <stdlib.h>

static struct visit *visit_of(struct mail *m)
{
    return (struct visit *)(void *)m;
}

static void visit_home(struct mail *m, void *ctx)
{
    struct visit *v = visit_of(m);

    (void)ctx;
    v->rq->visit = v;
    request_resume(v->rq);
}

static void visit_there(struct mail *m, void *ctx)
{
    struct visit *v = visit_of(m);
    struct http_shared *sh = v->home->shared;

    (void)ctx;
    v->work(v, sh->servers[v->shard]);
    if (v->next && v->next(v)) {
        v->shard++;
        mailbox_push(sh->tasks[v->shard], &v->mail);
        return;
    }
    v->mail.run = visit_home;
    mailbox_push(sh->tasks[v->home->env->shard], &v->mail);
}

void visit_hold(struct visit *v)
{
    v->held = true;
    atomic_fetch_add(&v->home->shared->visits, 1);
}

void visit_release(struct visit *v)
{
    if (v->held) {
        v->held = false;
        atomic_fetch_sub(&v->home->shared->visits, 1);
    }
}

void visit_free(struct visit *v)
{
    if (v) {
        visit_release(v);
        strbuf_fini(&v->out);
        grant_unref(v->grant);
        free(v);
    }
}

struct visit *visit_new(struct request *rq, unsigned shard,
                        void (*work)(struct visit *, struct http_server *))
{
    struct visit *v = calloc(1, sizeof(*v));

    if (v) {
        v->home = rq->srv;
        v->rq = rq;
        v->shard = shard;
        v->work = work;
    }
    return v;
}

enum MHD_Result visit_go(struct visit *v, struct mailbox *const *boxes,
                         enum MHD_Result (*finish)(struct request *rq))
{
    struct mailbox *box = boxes[v->shard];

    v->mail.run = visit_there;
    v->rq->visit = NULL;
    v->rq->woken = false;
    request_suspend(v->rq, finish);
    mailbox_push(box, &v->mail);
    return MHD_YES;
}

struct stream *visit_find(struct visit *v, struct http_server *there)
{
    struct stream *s = clients_find(&there->env->clients, v->id);

    if (s && (s->dead || s->ending)) {
        s = NULL;
    }
    v->found = s != NULL;
    return s;
}
