/* Requests that wait for something else than their connection. */
#include "http/request.h"

void request_suspend(struct request *rq, enum MHD_Result (*finish)(struct request *rq))
{
    rq->state = REQ_WAITING;
    rq->finish = finish;
    MHD_suspend_connection(rq->mhd);
    atomic_fetch_add(&rq->srv->shared->visits, 1);
}

void request_resume(struct request *rq)
{
    rq->woken = true;
    rq->srv->again = true;
    MHD_resume_connection(rq->mhd);
    atomic_fetch_sub(&rq->srv->shared->visits, 1);
}
