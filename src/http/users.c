/* GET /users/{id}: is the user there, what is kept for it, what waits to be acknowledged? */
#include "http/lane_json.h"
#include "http/request.h"

#include "base/clock.h"
#include "core/people.h"
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

static void add_time(struct strbuf *out, const char *name, uint64_t ms)
{
    char time[CLOCK_RFC3339_LEN + 1];

    strbuf_addf(out, ",\"%s\":", name);
    if (ms) {
        clock_rfc3339(ms, time);
        strbuf_addf(out, "\"%s\"", time);
    } else {
        strbuf_adds(out, "null");
    }
}

static void add_online(struct strbuf *out, struct router *router, struct str user)
{
    struct user_presence p;

    router_user_presence(router, user, &p);
    strbuf_addf(out, ",\"online\":%s", p.online ? "true" : "false");
    add_time(out, "since", p.online ? p.since_ms : 0);
    add_time(out, "lastSeen", p.last_seen_ms);
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
    strbuf_addf(out, ",\"connections\":%u", router_user_connections(router, user));
    add_online(out, router, user);
    strbuf_adds(out, ",\"history\":");
    add_lane(out, router, TARGET_USER, user, &queued);
    strbuf_addf(out, ",\"queued\":%llu", (unsigned long long)queued);
    add_pending(out, pending, n);
    strbuf_addf(out, ",\"pendingCount\":%llu,\"givenUp\":%llu}", (unsigned long long)count,
                (unsigned long long)given_up);
    free(pending);
    return respond_json(rq, 200);
}
