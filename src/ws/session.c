#include "ws/session.h"

#include "conn/pace.h"
#include "proto/wsframe.h"
#include "ws/ops.h"
#include "ws/rx.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define CHUNK 16384
/* One client reads at most this much in a turn of the loop. */
#define CHUNKS_PER_TURN 16
#define MAX_SPARE 8

struct ws_stream {
    struct stream s; /* first */
    struct ws_shard *shard;
    struct ws_rx *rx;  /* only while a frame or message is incomplete */
    struct pace *pace; /* only with op-rate or op-bytes */
    bool awaits_pong;
};

static struct ws_stream *ws_of(struct stream *s)
{
    return (struct ws_stream *)(void *)s;
}

/* ---- contexts ---- */

static struct ws_rx *rx_take(struct ws_stream *c)
{
    struct ws_shard *w = c->shard;
    struct ws_rx *rx = c->rx;

    if (rx) {
        c->rx = NULL;
        return rx;
    }
    if (w->spare) {
        rx = w->spare;
        w->spare = ws_rx_next(rx);
        w->nspare--;
        return rx;
    }
    return ws_rx_new(&rx) == 0 ? rx : NULL;
}

static void rx_give_back(struct ws_stream *c, struct ws_rx *rx)
{
    struct ws_shard *w = c->shard;

    if (!ws_rx_clean(rx)) {
        c->rx = rx;
    } else if (w->nspare < MAX_SPARE) {
        ws_rx_set_next(rx, w->spare);
        w->spare = rx;
        w->nspare++;
    } else {
        ws_rx_free(rx);
    }
}

/* ---- receiving ---- */

static void echo(struct stream *s, bool binary, struct str data)
{
    struct strbuf sb = STRBUF_INIT;

    wsframe_add(&sb, binary ? WS_BINARY : WS_TEXT, data);
    if (strbuf_failed(&sb)) {
        stream_kill(s, "out of memory");
    } else {
        stream_put_bytes(s, strbuf_str(&sb));
    }
    strbuf_fini(&sb);
}

/* One feed: control frames gather in `out` and must keep their place. */
struct feeding {
    struct ws_stream *c;
    struct strbuf out;
};

static void put_control_frames(struct feeding *f)
{
    if (f->out.len && !f->c->s.ending) { /* nothing after a Close of ours */
        stream_put_bytes(&f->c->s, strbuf_str(&f->out));
    }
    f->out.len = 0;
}

static void on_message(void *ctx, bool binary, struct str data)
{
    struct feeding *f = ctx;
    struct ws_stream *c = f->c;

    put_control_frames(f);
    metrics_inc(c->s.env->metrics, METRIC_WS_RECEIVED);
    if (c->s.ending || c->s.dead) {
        return;
    }
    pace_message(&c->s, &c->pace);
    if (c->s.env->opt->test_ws_echo) {
        echo(&c->s, binary, data);
    } else if (binary) {
        if (conn_env_may_log(c->s.env, LOG_KIND_VIOLATION)) {
            stream_log(&c->s, LOG_INFO_LVL, "binary WebSocket message refused", NULL, NULL);
        }
        stream_end(&c->s, 1003, "binary message");
    } else {
        ws_op(c->shard, &c->s, data);
    }
}

static void on_pong(void *ctx)
{
    (void)ctx; /* any bytes show that the peer is alive: see came_alive */
}

static const struct ws_rx_handler rx_handler = {on_message, on_pong};

static void violation(struct ws_stream *c, uint16_t code)
{
    char text[NUM_LEN];

    metrics_inc(c->s.env->metrics, METRIC_WS_VIOLATIONS);
    if (code == 1009) {
        stream_note_limit(&c->s, METRIC_LIMITED_SIZES, "max-message");
    }
    if (conn_env_may_log(c->s.env, LOG_KIND_VIOLATION)) {
        stream_log(&c->s, LOG_INFO_LVL, "WebSocket protocol violation", "code",
                   num_text(text, code));
    }
    stream_finish(&c->s, "protocol violation");
}

static void feed(struct ws_stream *c, struct str in)
{
    struct ws_rx *rx = rx_take(c);
    struct feeding f = {c, STRBUF_INIT};
    enum ws_rx_state state;
    uint16_t code = 0;

    if (!rx) {
        stream_end(&c->s, 1011, "out of memory");
        return;
    }
    state = ws_rx_feed(rx, &rx_handler, &f, c->s.env->opt->max_message, in, &f.out, &code);
    put_control_frames(&f);
    switch (strbuf_failed(&f.out) ? WS_RX_NOMEM : state) {
    case WS_RX_OPEN:
        rx_give_back(c, rx);
        rx = NULL;
        break;
    case WS_RX_CLOSED:
        stream_finish(&c->s, "closed by client");
        break;
    case WS_RX_VIOLATION:
        violation(c, code);
        break;
    case WS_RX_NOMEM:
        stream_end(&c->s, 1011, "out of memory");
        break;
    }
    strbuf_fini(&f.out);
    ws_rx_free(rx);
}

static void came_alive(struct ws_stream *c)
{
    c->s.active_ms = c->s.env->now_ms;
    if (c->awaits_pong && !c->s.ending) {
        c->awaits_pong = false;
        if (c->s.timer.kind == STREAM_TIMER_PONG) {
            stream_start_beat(&c->s);
        }
    }
}

static void at_end(struct stream *s, ssize_t n)
{
    if (s->ending) {
        stream_kill(s, "closed");
    } else {
        stream_log(s, LOG_DEBUG_LVL, "client vanished without a Close", NULL, NULL);
        stream_kill(s, n == 0 ? "closed without a Close" : "connection lost");
    }
}

/* What arrived meanwhile raised no new edge: ask epoll again. */
static void ws_resume(struct stream *s)
{
    if (reactor_mod(s->env->reactor, s->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &s->src) !=
        0) {
        stream_kill(s, "epoll failed");
    }
}

static void ws_readable(struct stream *s, uint32_t events)
{
    struct ws_stream *c = ws_of(s);

    for (int i = 0; i < CHUNKS_PER_TURN && !s->dead; i++) {
        ssize_t n;
        if (!s->ending && s->q.bytes > STREAM_REPLY_BACKLOG && !(events & EPOLLHUP)) {
            s->read_paused = 1; /* ws_resume goes on */
            return;
        }
        if (!s->ending && !(events & EPOLLHUP) && !pace_may_read(s, &c->pace)) {
            came_alive(c);
            return;
        }
        n = stream_read(s, c->shard->chunk, pace_chunk(s, CHUNK));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            pace_drained(c->pace);
            return;
        }
        if (n <= 0) {
            at_end(s, n);
            return;
        }
        if (!s->ending) {
            came_alive(c);
            pace_bytes(s, &c->pace, (size_t)n);
            feed(c, (struct str){c->shard->chunk, (size_t)n});
        }
    }
    /* There may be more: ask epoll again after the others had their turn. */
    if (!s->dead) {
        ws_resume(s);
    }
}

/* ---- sending ---- */

static void ws_beat(struct stream *s)
{
    struct ws_stream *c = ws_of(s);

    stream_put_now(s, STR_LIT("\x89\x00"));
    c->awaits_pong = true;
    s->timer.kind = STREAM_TIMER_PONG;
    wheel_start(s->env->wheel, &s->timer, s->env->now_ms, s->env->opt->pong_timeout);
}

static void ws_farewell(struct stream *s, uint16_t code, const char *reason)
{
    struct strbuf sb = STRBUF_INIT;

    wsframe_add_close(&sb, code, str_of(reason));
    if (!strbuf_failed(&sb)) {
        stream_put_bytes(s, strbuf_str(&sb));
    }
    strbuf_fini(&sb);
}

static void ws_free(struct stream *s)
{
    struct ws_stream *c = ws_of(s);

    ws_rx_free(c->rx);
    pace_free(c->pace);
    free(c);
}

static const struct stream_ops ws_stream_ops = {
    .transport = TRANSPORT_WS,
    .readable = ws_readable,
    .beat = ws_beat,
    .farewell = ws_farewell,
    .resume = ws_resume,
    .free = ws_free,
};

/* ---- life ---- */

int ws_shard_init(struct ws_shard *w, struct conn_env *env)
{
    *w = (struct ws_shard){.env = env};
    w->chunk = malloc(CHUNK);
    return w->chunk ? json_doc_new(&w->doc) : ERR_NOMEM;
}

void ws_shard_fini(struct ws_shard *w)
{
    while (w->spare) {
        struct ws_rx *rx = w->spare;
        w->spare = ws_rx_next(rx);
        ws_rx_free(rx);
    }
    json_doc_free(w->doc);
    free(w->chunk);
    *w = (struct ws_shard){0};
}

int ws_open(struct ws_shard *w, const struct stream_intro *intro, struct str early)
{
    struct ws_stream *c = calloc(1, sizeof(*c));
    int rc;

    if (!c) {
        stream_intro_drop(intro);
        return ERR_NOMEM;
    }
    c->shard = w;
    rc = stream_open(&c->s, w->env, &ws_stream_ops, intro);
    if (rc != 0) {
        free(c);
        return rc;
    }
    if (early.len) {
        feed(c, early);
    }
    return 0;
}
