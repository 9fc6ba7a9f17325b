/* POST /tickets: a backend gets a ticket, good for one stream, to be put into its URL. */
#include "base/clock.h"
#include "core/grant_json.h"
#include "http/body.h"

/* They are kept until they are spent. */
#define TICKET_MAX 8192

static enum MHD_Result answer(struct request *rq, const char *ticket, uint64_t expires)
{
    char time[CLOCK_RFC3339_LEN + 1];

    clock_rfc3339(expires, time);
    strbuf_addf(&rq->out, "{\"ticket\":\"%s\",\"expiresAt\":\"%s\"}", ticket, time);
    return respond_json(rq, 201);
}

static enum MHD_Result make_ticket(struct request *rq, const struct grant_spec *spec, uint64_t now)
{
    struct problem full = {.status = 503,
                           .code = "too_many_tickets",
                           .retry_after_s = 1,
                           .detail = "as many tickets are out as may be (max-tickets)"};
    char ticket[AUTH_TICKET_LEN + 1];
    enum MHD_Result result;
    struct grant *g = NULL;
    uint64_t expires = 0;
    int rc = grant_new(spec, &g);

    if (rc == 0) {
        rc = auth_ticket_new(rq->srv->shared->auth, g, now, ticket, &expires);
    }
    grant_unref(g);
    if (rc == ERR_LIMIT) {
        note_overload(rq->srv, &rq->client, "max-tickets");
        return respond_problem(rq, &full);
    }
    result = rc == 0 ? answer(rq, ticket, expires) : respond_nomem(rq);
    explicit_bzero(ticket, sizeof(ticket));
    return result;
}

static enum MHD_Result refuse(struct request *rq, const struct grant_fault *f)
{
    struct problem p = {.status = 400,
                        .code = f->code,
                        .field = f->field,
                        .has_offset = true,
                        .offset = f->offset,
                        .detail = f->why.text};

    return f->code ? respond_problem(rq, &p) : respond_nomem(rq);
}

enum MHD_Result post_ticket(struct request *rq)
{
    static const char *const members[] = {"userId", "channels", "publish",
                                          "meta",   "info",     "expiresIn"};
    static const struct body_form form = {"a ticket's request", members, 6, NULL};
    struct problem open = {.status = 409,
                           .code = "open_mode",
                           .detail =
                               "without keys everybody is let in, so a ticket would say nothing"};
    const struct options *opt = rq->srv->env->opt;
    const struct grant_limits lim = {opt->max_channels, opt->max_meta};
    char basis[AUTH_BASIS_ROOM];
    struct grant_draft draft;
    struct grant_fault fault;
    const struct json_node *root;
    uint64_t now = clock_real_ms();
    enum MHD_Result result;
    struct problem p;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (rq->grant->s.kind == GRANT_OPEN) {
        return respond_problem(rq, &open);
    }
    if (rq->body.len > TICKET_MAX) {
        p = (struct problem){.status = 413,
                             .code = "message_too_large",
                             .detail = "what a ticket says may have 8192 bytes, as a token"};
        return respond_problem(rq, &p);
    }
    if (body_read(rq, &form, &root, &p) != 0) {
        return respond_problem(rq, &p);
    }
    if (grant_draft_read(root, &lim, now, &draft, &fault) == 0) {
        draft.s.basis = auth_ticket_basis(rq->grant, basis);
        result = make_ticket(rq, &draft.s, now);
    } else {
        result = refuse(rq, &fault);
    }
    grant_draft_fini(&draft);
    return result;
}
