/* GET /users/{id}: what is kept for a user, and what waits to be acknowledged. */
#include "http/lane_json.h"
#include "http/request.h"

#include "base/clock.h"
#include "proto/json.h"
#include "proto/name.h"

#include <stdlib.h>

#define PENDING_SHOWN 100

static void add_pending(struct strbuf *out, const struct user_unacked *v, unsigned n)
{
    char time[CLOCK_RFC3339_LEN + 1];

    strbuf_adds(out, ",\"pending\":[");
    for (unsigned i = 0; i < n; i++) {
        strbuf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        json_add_cstring(out, v[i].id);
        strbuf_adds(out, ",\"cursor\":");
        add_cursor_or_null(out, v[i].cursor);
        clock_rfc3339(v[i].at_ms, time);
        strbuf_addf(out, ",\"attempts\":%u,\"publishedAt\":\"%s\"}", v[i].attempts, time);
    }
    strbuf_addc(out, ']');
}

enum MHD_Result get_user(struct request *rq)
{
    struct str user = rq->target.segments[1];
    struct router *router = rq->srv->shared->router;
    struct problem p = {.status = 400, .code = "bad_user", .field = "user", .detail = rq->why.text};
    struct strbuf *out = &rq->out;
    struct user_unacked *pending;
    uint64_t queued, count = 0, given_up = 0;
    enum MHD_Result result;
    unsigned n;

    if (refuse_unknown_params(rq, NULL, 0, &result) != 0) {
        return result;
    }
    if (name_check_user(user, &rq->why) != 0) {
        return respond_problem(rq, &p);
    }
    pending = calloc(PENDING_SHOWN, sizeof(*pending));
    if (!pending) {
        return respond_nomem(rq);
    }
    n = router_user_unacked(router, user, pending, PENDING_SHOWN, &count, &given_up);
    strbuf_adds(out, "{\"user\":");
    json_add_string(out, user);
    strbuf_addf(out, ",\"connections\":%u,\"history\":", router_user_connections(router, user));
    add_lane(out, router, TARGET_USER, user, &queued);
    strbuf_addf(out, ",\"queued\":%llu", (unsigned long long)queued);
    add_pending(out, pending, n);
    strbuf_addf(out, ",\"pendingCount\":%llu,\"givenUp\":%llu}", (unsigned long long)count,
                (unsigned long long)given_up);
    free(pending);
    return respond_json(rq, 200);
}
