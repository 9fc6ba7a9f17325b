/* GET /channels/{c}/history: pages of what is kept of a channel. */
#include "http/asking.h"
#include "http/lane_json.h"
#include "http/request.h"
#include "http/throttle.h"

#include "base/clock.h"
#include "proto/json.h"
#include "proto/position.h"

#include <stdlib.h>

/* A page ends before its limit rather than grow beyond this, but never without a
 * message. */
#define PAGE_BYTES (4u << 20)

struct history_request {
    struct history_query q;
    struct history_page page;
    struct frame **frames; /* page.n, a reference each */
    unsigned shown;        /* of them */
    struct cursor next;    /* of the last one shown, if there are further ones; or seq 0 */
};

static int refuse(struct request *rq, const char *code, const char *field, const char *detail,
                  enum MHD_Result *result)
{
    struct problem p = {.status = 400, .code = code, .field = field, .detail = detail};

    *result = respond_problem(rq, &p);
    return ERR_INVALID;
}

static int read_order(struct request *rq, struct history_query *q, enum MHD_Result *result)
{
    const struct param *p = target_param(&rq->target, "order");

    if (p && !str_eqz(p->value, "asc") && !str_eqz(p->value, "desc")) {
        return refuse(rq, "bad_parameter", "order", "order must be asc or desc", result);
    }
    q->newest_first = p && str_eqz(p->value, "desc");
    return 0;
}

static int read_after(struct request *rq, struct history_query *q, enum MHD_Result *result)
{
    const struct param *p = target_param(&rq->target, "after");
    struct position pos;

    if (!p || p->value.len == 0) {
        return 0;
    }
    if (position_parse_after(p->value, &pos, &rq->why) != 0) {
        return refuse(rq, "bad_cursor", "after", rq->why.text, result);
    }
    if (pos.kind == POSITION_CURSOR) {
        q->after = pos.cursor;
    }
    if (q->newest_first && q->after.epoch != rq->srv->shared->epoch) {
        return refuse(rq, "bad_cursor", "after",
                      "after is no position of this log; begin with the newest page, without it",
                      result);
    }
    return 0;
}

static int read_query(struct request *rq, struct history_query *q, enum MHD_Result *result)
{
    static const char *const known[] = {"after", "limit", "order", "access_token", "ticket"};

    q->kind = TARGET_CHANNEL;
    q->name = rq->target.segments[1];
    q->now_ms = clock_real_ms();
    if (refuse_unknown_params(rq, known, 5, result) != 0 || read_channel(rq, result) != 0 ||
        read_order(rq, q, result) != 0 || read_after(rq, q, result) != 0) {
        return ERR_INVALID;
    }
    return read_limit(rq, &q->limit, result);
}

static uint64_t seq_of(const struct frame *f)
{
    const char *digits = f->bytes + f->seq_at[0];
    uint64_t seq = 0;

    for (unsigned i = 0; i < f->seq_digits; i++) {
        seq = seq * 10 + (uint64_t)(digits[i] - '0');
    }
    return seq;
}

static void add_messages(struct strbuf *out, struct history_request *h)
{
    size_t bytes = 0;

    strbuf_adds(out, ",\"messages\":[");
    for (unsigned i = 0; i < h->page.n; i++) {
        struct str text = frame_envelope(h->frames[i]);
        bytes += text.len;
        if (i && bytes > PAGE_BYTES) {
            h->page.more = true;
            break;
        }
        strbuf_adds(out, i ? "," : "");
        strbuf_addstr(out, text);
        h->shown++;
    }
    strbuf_addc(out, ']');
    if (h->page.more && h->shown) {
        h->next = (struct cursor){h->page.top.epoch, seq_of(h->frames[h->shown - 1])};
    }
}

static void add_gap(struct strbuf *out, const struct history_request *h)
{
    char from[CURSOR_MAX], to[CURSOR_MAX];

    strbuf_adds(out, ",\"gap\":");
    if (!h->page.gap) {
        strbuf_adds(out, "null");
        return;
    }
    cursor_format(h->q.after, from);
    cursor_format(h->page.gap_to, to);
    strbuf_addf(out, "{\"from\":\"%s\",\"to\":\"%s\",\"reason\":\"%s\"}", from, to,
                gap_reason_text(h->page.reason));
}

/* Of the characters in a channel's name only the slash must be written otherwise. */
static void add_link(struct strbuf *out, const struct history_request *h)
{
    char next[CURSOR_MAX];

    cursor_format(h->next, next);
    strbuf_adds(out, "</channels/");
    for (size_t i = 0; i < h->q.name.len; i++) {
        if (h->q.name.p[i] == '/') {
            strbuf_adds(out, "%2F");
        } else {
            strbuf_addc(out, h->q.name.p[i]);
        }
    }
    strbuf_addf(out, "/history?after=%s&limit=%u&order=%s>; rel=\"next\"", next, h->q.limit,
                h->q.newest_first ? "desc" : "asc");
}

static enum MHD_Result answer(struct request *rq, const struct history_request *h)
{
    struct MHD_Response *r = respond_buffer(&rq->out);
    struct strbuf link = STRBUF_INIT;
    char top[CURSOR_MAX];

    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", "application/json");
    cursor_format(h->page.top, top);
    respond_header(r, "Fanfare-Cursor", top);
    if (h->next.seq) {
        add_link(&link, h);
        if (!strbuf_failed(&link)) {
            respond_header(r, "Link", link.data);
        }
        strbuf_fini(&link);
    }
    return respond_with(rq, 200, r);
}

enum MHD_Result get_history(struct request *rq)
{
    struct history_request h = {0};
    struct strbuf *out = &rq->out;
    enum MHD_Result result;

    if (read_query(rq, &h.q, &result) != 0) {
        return result;
    }
    /* Before the application is asked, and not again with its answer. */
    if (rq->asked == ASKED_NOT && throttle_read(rq, &result) != 0) {
        return result;
    }
    if (asking_readable(rq, h.q.name, get_history, &result) != 0) {
        return result;
    }
    h.frames = calloc(h.q.limit, sizeof(struct frame *));
    if (!h.frames) {
        return respond_nomem(rq);
    }
    router_history(rq->srv->shared->router, &h.q, h.frames, &h.page);
    strbuf_adds(out, "{\"channel\":");
    json_add_string(out, h.q.name);
    add_messages(out, &h);
    strbuf_adds(out, ",\"cursor\":\"");
    {
        char top[CURSOR_MAX];
        strbuf_add(out, top, cursor_format(h.page.top, top));
    }
    strbuf_adds(out, "\",\"next\":");
    add_cursor_or_null(out, h.next);
    add_gap(out, &h);
    strbuf_addc(out, '}');
    for (unsigned i = 0; i < h.page.n; i++) {
        frame_unref(h.frames[i]);
    }
    free(h.frames);
    throttle_was_read(rq, out->len);
    return answer(rq, &h);
}
