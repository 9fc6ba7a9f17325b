/* GET /channels/{c}/presence, /channels/{c}/reads, /users/{id}/unread: who is there, and how far
 * they have read. */
#include "http/asking.h"
#include "http/lane_json.h"
#include "http/throttle.h"

#include "base/clock.h"
#include "core/people.h"
#include "proto/json.h"
#include "proto/name.h"

/* ---- pages of a channel, by user ---- */

struct page {
    struct str channel, after;
    unsigned limit;
};

static int refuse(struct request *rq, const char *code, const char *field, enum MHD_Result *result)
{
    struct problem p = {.status = 400, .code = code, .field = field, .detail = rq->why.text};

    *result = respond_problem(rq, &p);
    return ERR_INVALID;
}

static int read_page(struct request *rq, struct page *page, enum MHD_Result *result)
{
    static const char *const known[] = {"limit", "after", "access_token", "ticket"};
    const struct param *after = target_param(&rq->target, "after");

    page->channel = rq->target.segments[1];
    if (refuse_unknown_params(rq, known, 4, result) != 0) {
        return ERR_INVALID;
    }
    if (!str_eqz(page->channel, USERS_CHANNEL) && read_channel(rq, result) != 0) {
        return ERR_INVALID;
    }
    if (after && after->value.len) {
        page->after = after->value;
        if (name_check_user(page->after, &rq->why) != 0) {
            return refuse(rq, "bad_parameter", "after", result);
        }
    }
    return read_limit(rq, &page->limit, result);
}

static enum MHD_Result answer_page(struct request *rq, const struct page *page,
                                   int (*add)(struct router *, struct str, struct str, unsigned,
                                              struct strbuf *))
{
    struct problem none = {.status = 404,
                           .code = "no_presence",
                           .field = "channel",
                           .detail =
                               "the channel does not tell who is there: it does not begin with "
                               "presence- or a prefix of presence-for, or user-presence is "
                               "off"};
    struct strbuf *out = &rq->out;
    int rc;

    strbuf_reset(out);
    strbuf_adds(out, "{\"channel\":");
    json_add_string(out, page->channel);
    strbuf_addc(out, ',');
    rc = add(rq->srv->shared->router, page->channel, page->after, page->limit, out);
    if (rc == ERR_NOT_FOUND) {
        strbuf_reset(out);
        return respond_problem(rq, &none);
    }
    if (rc != 0) {
        strbuf_reset(out);
        return respond_nomem(rq);
    }
    strbuf_addc(out, '}');
    throttle_was_read(rq, out->len);
    return respond_json(rq, 200);
}

/* Before the application is asked, and not again with its answer. */
static int may_read(struct request *rq, enum MHD_Result *result)
{
    return rq->asked == ASKED_NOT ? throttle_read(rq, result) : 0;
}

enum MHD_Result get_presence(struct request *rq)
{
    struct page page = {0};
    enum MHD_Result result;

    if (read_page(rq, &page, &result) != 0 || may_read(rq, &result) != 0 ||
        asking_readable(rq, page.channel, get_presence, &result) != 0) {
        return result;
    }
    return answer_page(rq, &page, router_presence_page);
}

enum MHD_Result get_reads(struct request *rq)
{
    struct page page = {0};
    enum MHD_Result result;

    if (read_page(rq, &page, &result) != 0) {
        return result;
    }
    if (str_eqz(page.channel, USERS_CHANNEL)) { /* nobody publishes there */
        (void)!read_channel(rq, &result);
        return result;
    }
    if (may_read(rq, &result) != 0 || asking_readable(rq, page.channel, get_reads, &result) != 0) {
        return result;
    }
    return answer_page(rq, &page, router_reads_page);
}

/* ---- what a user has not read ---- */

static void add_unread(struct request *rq, struct str user, struct str channel)
{
    struct strbuf *out = &rq->out;
    struct unread u;

    router_unread(rq->srv->shared->router, user, channel, clock_real_ms(), &u);
    strbuf_adds(out, "{\"channel\":");
    json_add_string(out, channel);
    strbuf_addf(out, ",\"unread\":%llu,\"atLeast\":%s,\"read\":", (unsigned long long)u.count,
                u.at_least ? "true" : "false");
    add_cursor_or_null(out, u.read);
    strbuf_adds(out, ",\"last\":");
    add_cursor_or_null(out, u.last);
    strbuf_addc(out, '}');
}

/* Of one channel of the query. */
static int check_channel(struct request *rq, struct str name, enum MHD_Result *result)
{
    char shown[NAME_SHOW_MAX];
    int rc = name_check_channel(name, &rq->why);

    if (rc != 0) {
        return refuse(rq, rc == ERR_RESERVED ? "reserved_channel" : "bad_channel", "channel",
                      result);
    }
    if (permit_subscribe(rq->srv->env->opt, rq->grant, name)) {
        return 0;
    }
    switch (asking_result(rq, name)) {
    case ASKED_YES:
        return 0;
    case ASKED_NO:
    case ASKED_IN_VAIN:
        *result = respond_asked(rq, "channel");
        return ERR_STATE;
    case ASKED_NOT:
        break;
    }
    (void)errmsg_set(&rq->why, 0, "this credential does not permit to read \"%s\"",
                     name_show(name, shown));
    *result = respond_forbidden(rq, "forbidden_channel", "channel", rq->why.text);
    return ERR_STATE;
}

static int check_channels(struct request *rq, enum MHD_Result *result)
{
    unsigned n = 0, max = rq->srv->env->opt->max_channels;

    for (const struct param *p = target_param(&rq->target, "channel"); p;
         p = target_next(&rq->target, p)) {
        if (++n > max) {
            (void)errmsg_set(&rq->why, 0, "at most %u channels at a time (max-channels-per-client)",
                             max);
            return refuse(rq, "too_many_channels", "channel", result);
        }
        if (check_channel(rq, p->value, result) != 0) {
            return ERR_INVALID;
        }
    }
    if (n == 0) {
        (void)errmsg_set(&rq->why, 0, "at least one channel is needed");
        return refuse(rq, "bad_parameter", "channel", result);
    }
    return 0;
}

static int check_user(struct request *rq, struct str user, enum MHD_Result *result)
{
    static const char *const known[] = {"channel", "access_token", "ticket"};

    if (refuse_unknown_params(rq, known, 3, result) != 0) {
        return ERR_INVALID;
    }
    if (name_check_user(user, &rq->why) != 0) {
        return refuse(rq, "bad_user", "user", result);
    }
    if (!permit_right(rq->grant, RIGHT_READ) && !str_eq(user, rq->grant->s.user)) {
        *result = respond_forbidden(rq, "forbidden_user", "user",
                                    "a client is told only what its own user has not read");
        return ERR_STATE;
    }
    return 0;
}

enum MHD_Result get_unread(struct request *rq)
{
    struct str user = rq->target.segments[1];
    struct strbuf *out = &rq->out;
    enum MHD_Result result;
    bool first = true;

    if (check_user(rq, user, &result) != 0 || may_read(rq, &result) != 0 ||
        !asking_channels(rq, &result) || check_channels(rq, &result) != 0) {
        return result;
    }
    strbuf_reset(out);
    strbuf_adds(out, "{\"userId\":");
    json_add_string(out, user);
    strbuf_adds(out, ",\"channels\":[");
    for (const struct param *p = target_param(&rq->target, "channel"); p;
         p = target_next(&rq->target, p)) {
        strbuf_adds(out, first ? "" : ",");
        add_unread(rq, user, p->value);
        first = false;
    }
    strbuf_adds(out, "]}");
    throttle_was_read(rq, out->len);
    return respond_json(rq, 200);
}
