#include "http/commit.h"

#include <stddef.h>

static void commit_home(struct mail *m, void *ctx)
{
    (void)ctx;
    request_resume((struct request *)(void *)((char *)m - offsetof(struct request, commit_mail)));
}

/* On any thread: the request lives on, since it is suspended, or will be before
 * its shard looks at its mail. */
static void commit_done(struct publish_ticket *t)
{
    struct request *rq = (struct request *)(void *)((char *)t - offsetof(struct request, ticket));

    mailbox_push(rq->srv->shared->tasks[rq->srv->env->shard], &rq->commit_mail);
}

void commit_begin(struct request *rq)
{
    atomic_init(&rq->ticket.left, 1);
    atomic_init(&rq->ticket.failed, false);
    rq->ticket.done = commit_done;
    rq->commit_mail.run = commit_home;
}

static enum MHD_Result commit_finish(struct request *rq)
{
    struct problem p;

    if (!atomic_load(&rq->ticket.failed)) {
        return respond_json(rq, 200);
    }
    metrics_inc(rq->srv->env->metrics, METRIC_PUBLISH_REFUSED);
    p = problem_not_stored(rq->srv, &rq->why);
    return respond_problem(rq, &p);
}

enum MHD_Result commit_answer(struct request *rq)
{
    if (publish_ticket_close(&rq->ticket)) {
        return commit_finish(rq);
    }
    request_suspend(rq, commit_finish);
    return MHD_YES;
}

bool store_refuses(const struct http_server *srv, struct errmsg *why)
{
    const struct http_shared *sh = srv->shared;

    return sh->store_failed && srv->env->opt->store_failure == STORE_FAILURE_REFUSE &&
           sh->store_failed(sh->ctx, why);
}

struct problem problem_of_store(const struct http_server *srv, struct errmsg *text)
{
    const struct http_shared *sh = srv->shared;

    if (!sh->store_failed || !sh->store_failed(sh->ctx, text)) {
        (void)errmsg_set(text, 0, "the store failed a moment ago");
    }
    return (struct problem){
        .status = 503, .code = "store_failed", .retry_after_s = 1, .detail = text->text};
}

struct problem problem_not_stored(const struct http_server *srv, struct errmsg *why)
{
    struct errmsg reason;
    struct problem p = problem_of_store(srv, &reason);

    (void)errmsg_set(why, 0,
                     "not all of it was stored; repeat it, with the same id if it has one: %s",
                     reason.text);
    p.detail = why->text;
    return p;
}
