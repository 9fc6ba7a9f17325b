#include "support_stream.h"

#include <sys/socket.h>

enum { MAX = CORE_RUN_MAX };

static struct rig *r;

static void start(void)
{
    r = rig_new();
}

static void stop(void)
{
    rig_free(r);
}

TestSuite(burst, .init = start, .fini = stop);

/* A client on the channel whose greeting is out of the way. */
static struct plain_stream *open_ready(const struct stream_ops *ops, int *peer)
{
    struct plain_stream *c = plain_open(r, ops, "c", peer);
    char *text = rig_text(r, *peer);

    cr_assert(stream_is_clear(&c->s));
    free(text);
    return c;
}

struct made {
    struct core_item items[MAX];
    unsigned n;
};

/* Messages number first .. first+n-1, with `size` bytes of data each. */
static struct made make(uint64_t first, unsigned n, size_t size)
{
    struct made m = {.n = n};
    char *data = malloc(size + 3);
    char text[32];

    for (unsigned i = 0; i < n; i++) {
        struct envelope e =
            rig_envelope(TARGET_EVERYONE, plain_data(data, size, (unsigned)(first + i)));
        snprintf(text, sizeof(text), "id-%u", (unsigned)(first + i));
        e.id = str_of(text);
        e.epoch = RIG_EPOCH;
        cr_assert_eq(frame_new(&e, frame_digits(first + i), &m.items[i].frame), 0);
        frame_seal(m.items[i].frame, first + i);
        m.items[i].seq = first + i;
    }
    free(data);
    return m;
}

static void drop(struct made *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        cr_assert_eq(m->items[i].frame->refs, 1, "message %u is still held", i);
        frame_unref(m->items[i].frame);
    }
}

static void give(const struct made *m, bool through, struct plain_stream *const *v, unsigned n)
{
    void *token;

    r->env.write_through = through;
    token = r->sink.begin(r->sink.ctx, m->items, m->n);
    cr_assert_not_null(token);
    for (unsigned i = 0; i < n; i++) {
        r->sink.deliver(r->sink.ctx, token, &v[i]->s.member);
    }
    r->sink.end(r->sink.ctx, token);
}

/* Appends what the transport's clients must get. */
static void expect(const struct made *m, enum transport t, struct strbuf *out)
{
    for (unsigned i = 0; i < m->n; i++) {
        strbuf_addstr(out, t == TRANSPORT_SSE ? frame_sse(m->items[i].frame)
                                              : frame_ws(m->items[i].frame));
    }
}

static void check_read(int peer, const struct strbuf *want)
{
    struct strbuf got = STRBUF_INIT;

    rig_turn(r);
    rig_read_all(r, peer, &got);
    cr_assert_eq(got.len, want->len, "%zu bytes, not %zu", got.len, want->len);
    cr_assert(memcmp(got.data, want->data, want->len) == 0);
    strbuf_fini(&got);
}

Test(burst, one_write_before_any_flush)
{
    int peers[2];
    struct plain_stream *c[2] = {open_ready(&plain_sse, &peers[0]),
                                 open_ready(&plain_ws, &peers[1])};
    struct made m = make(7, 3, 20);
    uint64_t sends = rig_metric(r, METRIC_SENDS);

    give(&m, true, c, 2);
    cr_assert_eq(rig_metric(r, METRIC_SENDS) - sends, 2);
    for (int i = 0; i < 2; i++) {
        struct strbuf want = STRBUF_INIT;
        cr_assert(stream_is_clear(&c[i]->s));
        cr_assert_not(c[i]->s.is_dirty);
        cr_assert_eq(c[i]->s.position, 9);
        cr_assert_eq(c[i]->s.messages, 3);
        expect(&m, i ? TRANSPORT_WS : TRANSPORT_SSE, &want);
        check_read(peers[i], &want);
        strbuf_fini(&want);
        close(peers[i]);
    }
    drop(&m);
}

Test(burst, not_through_is_queued)
{
    int peer;
    struct plain_stream *c = open_ready(&plain_sse, &peer);
    struct made m = make(1, MAX, 20);
    struct strbuf want = STRBUF_INIT;

    give(&m, false, &c, 1);
    cr_assert_eq(c->s.q.n, MAX);
    cr_assert(c->s.is_dirty);
    expect(&m, TRANSPORT_SSE, &want);
    check_read(peer, &want);
    cr_assert_eq(c->s.messages, MAX);
    strbuf_fini(&want);
    close(peer);
    drop(&m);
}

Test(burst, comes_behind_what_waits)
{
    int peer;
    struct plain_stream *c = open_ready(&plain_sse, &peer);
    struct made m = make(1, 2, 20);
    struct strbuf want = STRBUF_INIT;

    stream_put_bytes(&c->s, STR_LIT(": first\n"));
    give(&m, true, &c, 1);
    cr_assert_eq(c->s.q.n, 3);
    strbuf_adds(&want, ": first\n");
    expect(&m, TRANSPORT_SSE, &want);
    check_read(peer, &want);
    strbuf_fini(&want);
    close(peer);
    drop(&m);
}

/* Whatever the socket takes of the burst: the bytes stay whole and in order,
 * and what follows comes behind them. */
static void check_partly(const struct stream_ops *ops)
{
    int peer, small = 4096;
    struct plain_stream *c = open_ready(ops, &peer);
    struct made m = make(1, 16, 3000), more = make(17, 3, 10);
    struct strbuf want = STRBUF_INIT;

    cr_assert_eq(setsockopt(c->s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    give(&m, true, &c, 1);
    cr_assert_gt(c->s.q.n, 0);
    cr_assert_lt(c->s.q.n, 16, "some were written");
    cr_assert_gt(c->s.messages, 0);
    cr_assert_eq(c->s.messages + c->s.q.n, 16);
    cr_assert_eq(c->s.position, 16);
    give(&more, true, &c, 1);
    cr_assert_eq(c->s.messages + c->s.q.n, 19);
    expect(&m, ops->transport, &want);
    expect(&more, ops->transport, &want);
    check_read(peer, &want);
    cr_assert_eq(c->s.messages, 19);
    cr_assert_gt(c->s.bytes, want.len, "with the greeting");
    strbuf_fini(&want);
    close(peer);
    drop(&m);
    drop(&more);
}

Test(burst, partly_taken_sse)
{
    check_partly(&plain_sse);
}

Test(burst, partly_taken_websocket)
{
    check_partly(&plain_ws);
}

/* One larger than the socket's buffer: its end goes into the queue. */
Test(burst, a_message_cut_in_the_middle)
{
    int peer, small = 4096;
    struct plain_stream *c = open_ready(&plain_sse, &peer);
    struct made m = make(1, 1, 200000);
    struct strbuf want = STRBUF_INIT;

    cr_assert_eq(setsockopt(c->s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    give(&m, true, &c, 1);
    cr_assert_eq(c->s.q.n, 1);
    cr_assert_gt(c->s.q.sent, 0);
    cr_assert_eq(c->s.q.bytes + c->s.q.sent, m.items[0].frame->sse_len);
    cr_assert_eq(c->s.messages, 0);
    expect(&m, TRANSPORT_SSE, &want);
    check_read(peer, &want);
    cr_assert_eq(c->s.messages, 1);
    strbuf_fini(&want);
    close(peer);
    drop(&m);
}

Test(burst, a_broken_peer_disturbs_nobody)
{
    int peers[2];
    bool freed = false;
    struct plain_stream *c[2] = {open_ready(&plain_sse, &peers[0]),
                                 open_ready(&plain_sse, &peers[1])};
    struct made m = make(1, 2, 20);
    struct strbuf want = STRBUF_INIT;

    c[0]->freed = &freed;
    close(peers[0]);
    give(&m, true, c, 2);
    cr_assert(c[0]->s.dead);
    cr_assert_not(freed, "never within a delivery");
    conn_env_flush(&r->env);
    cr_assert(freed);
    expect(&m, TRANSPORT_SSE, &want);
    check_read(peers[1], &want);
    strbuf_fini(&want);
    close(peers[1]);
    drop(&m);
}

Test(burst, one_that_is_ending_gets_nothing)
{
    int peer;
    struct plain_stream *c = open_ready(&plain_sse, &peer);
    struct made m = make(1, 2, 20);
    struct strbuf got = STRBUF_INIT;

    stream_end(&c->s, 1001, "over");
    give(&m, true, &c, 1);
    rig_turn(r);
    cr_assert(rig_read_all(r, peer, &got));
    cr_assert(str_eq(strbuf_str(&got), STR_LIT("farewell\n")));
    strbuf_fini(&got);
    close(peer);
    drop(&m);
}
