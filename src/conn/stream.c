#include "conn/stream.h"

#include "conn/slow.h"
#include "proto/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- writing ---- */

void stream_mark_dirty(struct stream *s)
{
    if (!s->is_dirty) {
        s->is_dirty = 1;
        stream_list_add(&s->env->dirty, s);
    }
}

#define IOV_PER_SEND 64

static void sent(struct stream *s, size_t n)
{
    struct conn_env *env = s->env;

    metrics_inc(env->metrics, METRIC_SENDS);
    metrics_add(env->metrics, METRIC_BYTES_SENT, n);
    s->bytes += n;
    s->active_ms = env->now_ms;
}

/* The socket took nothing. False if it never will. */
static bool refused(struct stream *s)
{
    if (errno == EAGAIN) {
        slow_blocked(s);
        return true;
    }
    stream_kill(s, errno == ETIMEDOUT ? "peer does not answer" : "connection lost");
    return false;
}

/* What waits behind TLS is held for a client as much as what is in its queue. */
static void tls_account(struct stream *s)
{
    held_sub(&s->env->held, s->tls->counted);
    held_add(&s->env->held, s->tls->waiting);
    s->tls->counted = s->tls->waiting;
}

/* A record after the other, until something waits for the socket. */
static size_t tls_write(struct stream *s, const char *bytes, size_t n)
{
    size_t done = 0;
    ssize_t did;

    do {
        struct iovec iov = {(char *)(uintptr_t)bytes + done, n - done};
        did = s->tls->ops->send(s->tls, &iov, 1);
        if (did < 0) {
            (void)refused(s);
            break;
        }
        sent(s, (size_t)did);
        done += (size_t)did;
    } while (done < n && !s->tls->waiting);
    tls_account(s);
    if (did >= 0 && s->tls->waiting) {
        slow_blocked(s);
    }
    return done;
}

static bool tls_write_queue(struct stream *s)
{
    struct iovec iov[IOV_PER_SEND];
    ssize_t n = s->tls->ops->flush(s->tls);

    if (n > 0) {
        s->active_ms = s->env->now_ms;
    }
    while (n >= 0 && s->q.n && !s->tls->waiting) {
        n = s->tls->ops->send(s->tls, iov, outq_iov(&s->q, s->ops->transport, iov, IOV_PER_SEND));
        if (n > 0) {
            sent(s, (size_t)n);
            outq_written(&s->q, (size_t)n, s->ops->transport, &s->messages);
        }
    }
    tls_account(s);
    if (n < 0) {
        return refused(s);
    }
    if (s->tls->waiting) {
        slow_blocked(s);
    } else if (s->lagging) {
        slow_caught_up(s);
    }
    return true;
}

size_t stream_write(struct stream *s, const char *bytes, size_t n)
{
    ssize_t did;

    if (s->tls) {
        return tls_write(s, bytes, n);
    }
    do {
        did = send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (did < 0 && errno == EINTR);
    if (did < 0) {
        (void)refused(s);
        return 0;
    }
    sent(s, (size_t)did);
    return (size_t)did;
}

bool stream_write_queue(struct stream *s)
{
    struct iovec iov[IOV_PER_SEND];

    if (s->tls) {
        return tls_write_queue(s);
    }
    while (s->q.n) {
        struct msghdr msg = {.msg_iov = iov};
        ssize_t n;
        msg.msg_iovlen = (size_t)outq_iov(&s->q, s->ops->transport, iov, IOV_PER_SEND);
        n = sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return refused(s);
        }
        sent(s, (size_t)n);
        outq_written(&s->q, (size_t)n, s->ops->transport, &s->messages);
    }
    if (s->lagging) {
        slow_caught_up(s);
    }
    return true;
}

ssize_t stream_read(struct stream *s, void *buf, size_t n)
{
    return s->tls ? s->tls->ops->recv(s->tls, buf, n) : recv(s->fd, buf, n, MSG_DONTWAIT);
}

/* ---- queueing ---- */

static bool has_room(const struct stream *s, uint64_t len)
{
    const struct options *opt = s->env->opt;

    return s->q.n == 0 || (s->q.bytes + len <= opt->queue_bytes && s->q.n < opt->queue_messages);
}

/* Over the bound: makes room, or ends the client. True if there is room now. */
static bool make_room(struct stream *s, struct outbuf *b)
{
    /* What came within one turn has not been offered to the socket yet. */
    if (!s->blocked && (!stream_write_queue(s) || has_room(s, b->len[s->ops->transport]))) {
        return !s->dead;
    }
    if (slow_make_room(s, b)) {
        return true;
    }
    slow_say_closed(s, NULL);
    outq_clear(&s->q, s->ops->transport, true);
    stream_end(s, 4008, "slow client");
    return false;
}

void stream_put(struct stream *s, struct outbuf *b)
{
    enum transport t = s->ops->transport;

    if (s->ending | s->dead | s->lagging) {
        if (s->ending | s->dead) {
            return;
        }
        slow_before_put(s, b);
    }
    if (!has_room(s, b->len[t]) && !make_room(s, b)) {
        return;
    }
    if (outq_put(&s->q, b, t) != 0) {
        stream_kill(s, "out of memory");
        return;
    }
    if (b->frame) {
        s->position = b->seq;
    }
    stream_mark_dirty(s);
}

void stream_put_begun(struct stream *s, struct outbuf *b, size_t sent_bytes)
{
    stream_put(s, b);
    if (s->q.n) { /* it found room: the queue was empty */
        outq_written(&s->q, sent_bytes, s->ops->transport, &s->messages);
    }
}

void stream_put_bytes(struct stream *s, struct str bytes)
{
    struct outbuf *b;

    if (s->dead || (s->ending && s->shut)) {
        return;
    }
    b = outbuf_of_bytes(bytes, &s->env->held);
    if (!b || outq_put(&s->q, b, s->ops->transport) != 0) {
        stream_kill(s, "out of memory");
    }
    if (b) {
        outbuf_unref(b);
    }
    stream_mark_dirty(s);
}

void stream_put_now(struct stream *s, struct str bytes)
{
    size_t n = stream_is_clear(s) ? stream_write(s, bytes.p, bytes.len) : 0;

    if (n < bytes.len) {
        stream_put_bytes(s, bytes);
        if (n && s->q.n) { /* what is begun must be seen to be */
            outq_written(&s->q, n, s->ops->transport, &s->messages);
        }
    }
}

void stream_put_control(struct stream *s, struct str type, struct str data)
{
    struct strbuf sb = STRBUF_INIT;
    char cursor[CURSOR_MAX];
    size_t n = cursor_format((struct cursor){s->env->epoch, s->position}, cursor);

    control_add(&sb, s->ops->transport, type, (struct str){cursor, n}, data);
    if (strbuf_failed(&sb)) {
        stream_kill(s, "out of memory");
    } else {
        stream_put_bytes(s, strbuf_str(&sb));
    }
    strbuf_fini(&sb);
}

bool stream_put_direct(struct stream *s, const struct envelope *e)
{
    struct envelope mine = *e;
    struct frame *f;
    struct outbuf *b;

    mine.epoch = s->env->epoch;
    if (frame_new(&mine, frame_digits(s->position), &f) != 0) {
        return false;
    }
    frame_seal(f, s->position);
    b = outbuf_of_frame(f, s->position, &s->env->held);
    frame_unref(f);
    if (!b) {
        return false;
    }
    b->direct = true;
    stream_put(s, b);
    outbuf_unref(b);
    return true;
}

bool stream_put_again(struct stream *s, const struct frame *f, unsigned attempt)
{
    struct strbuf sb = STRBUF_INIT;
    char cursor[CURSOR_MAX];
    size_t n = cursor_format((struct cursor){s->env->epoch, s->position}, cursor);
    struct outbuf *b = NULL;

    frame_add_again(f, s->ops->transport, (struct str){cursor, n}, attempt > 1 ? attempt : 0, &sb);
    if (!strbuf_failed(&sb)) {
        b = outbuf_of_bytes(strbuf_str(&sb), &s->env->held);
    }
    strbuf_fini(&sb);
    if (b) {
        stream_put(s, b);
        outbuf_unref(b);
    }
    return b != NULL;
}

/* ---- ending ---- */

void stream_kill(struct stream *s, const char *reason)
{
    if (!s->dead) {
        s->dead = 1;
        if (!s->end_reason) {
            s->end_reason = reason;
        }
        stream_mark_dirty(s);
    }
}

void stream_finish(struct stream *s, const char *reason)
{
    struct conn_env *env = s->env;

    if (s->ending | s->dead) {
        return;
    }
    s->ending = 1;
    if (!s->end_reason) {
        s->end_reason = reason;
    }
    s->timer.kind = STREAM_TIMER_LINGER;
    wheel_start(env->wheel, &s->timer, env->now_ms, env->opt->close_timeout);
    stream_mark_dirty(s);
}

void stream_end(struct stream *s, uint16_t code, const char *reason)
{
    if (s->ending | s->dead) {
        return;
    }
    s->ops->farewell(s, code, reason);
    stream_finish(s, reason);
}

/* ---- draining ---- */

void stream_ask_to_leave(struct stream *s)
{
    struct conn_env *env = s->env;
    uint64_t over = env->drain_ms;
    uint64_t wait = rng_below(&env->rng, over + 1);
    uint64_t retry = env->opt->retry + rng_below(&env->rng, env->opt->retry + over + 1);
    char data[64];

    if (s->ending || s->dead || s->timer.kind == STREAM_TIMER_LEAVE) {
        return;
    }
    if (s->ops->transport == TRANSPORT_SSE) {
        struct strbuf sb = STRBUF_INIT;
        sse_add_retry(&sb, (uint32_t)retry);
        stream_put_bytes(s, strbuf_str(&sb));
        strbuf_fini(&sb);
    }
    snprintf(data, sizeof(data), "{\"reconnectAfter\":%llu}", (unsigned long long)retry);
    stream_put_control(s, STR_LIT("fanfare.draining"), str_of(data));
    s->timer.kind = STREAM_TIMER_LEAVE;
    wheel_start(env->wheel, &s->timer, env->now_ms, wait);
}
