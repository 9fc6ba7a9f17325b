#include "conn/pace.h"

#include "base/bucket.h"
#include "conn/stream.h"

#include <stdlib.h>
#include <sys/ioctl.h>

/* Of one that is limited: a few messages, or a part of a large one. */
#define LIMITED_CHUNK 2048

struct pace {
    struct wheel_timer timer; /* first */
    struct stream *s;
    struct bucket messages, bytes;
    uint64_t since_ms; /* monotonic: it has been held back since; 0: it is not */
};

static bool is_on(const struct stream *s)
{
    return s->env->opt->op_rate || s->env->opt->op_bytes;
}

static struct pace *obtain(struct stream *s, struct pace **p)
{
    if (!*p && is_on(s)) {
        *p = calloc(1, sizeof(**p));
        if (*p) {
            (*p)->s = s;
            (*p)->timer.kind = STREAM_TIMER_PACE;
        }
    }
    return *p;
}

void pace_free(struct pace *p)
{
    if (p) {
        wheel_stop(&p->timer);
        free(p);
    }
}

static struct bucket_rate message_rate(const struct stream *s)
{
    return (struct bucket_rate){s->env->opt->op_rate, s->env->opt->rate_window};
}

static struct bucket_rate byte_rate(const struct stream *s)
{
    return (struct bucket_rate){s->env->opt->op_bytes, s->env->opt->rate_window};
}

size_t pace_chunk(const struct stream *s, size_t most)
{
    return is_on(s) && most > LIMITED_CHUNK ? LIMITED_CHUNK : most;
}

void pace_bytes(struct stream *s, struct pace **p, size_t n)
{
    struct bucket_rate r = byte_rate(s);

    if (obtain(s, p)) {
        bucket_charge(&(*p)->bytes, &r, n, s->env->now_ms);
    }
}

void pace_message(struct stream *s, struct pace **p)
{
    struct bucket_rate r = message_rate(s);

    if (obtain(s, p)) {
        bucket_charge(&(*p)->messages, &r, 1, s->env->now_ms);
    }
}

void pace_drained(struct pace *p)
{
    if (p) {
        p->since_ms = 0;
    }
}

/* With TLS nobody but the session knows. */
static bool nothing_waits(const struct stream *s)
{
    int n = 0;

    return !s->tls && ioctl(s->fd, FIONREAD, &n) == 0 && n == 0;
}

static void note(struct pace *p, enum metric metric, const char *what)
{
    struct stream *s = p->s;
    struct bucket_rate r = message_rate(s);
    bool messages = bucket_wait(&p->messages, &r, 1, s->env->now_ms) > 0;

    metrics_inc(s->env->metrics, metric);
    if (conn_env_may_log(s->env, LOG_KIND_LIMIT)) {
        stream_log(s, LOG_WARN_LVL, what, "limit", messages ? "op-rate" : "op-bytes");
    }
}

static void hold_back(struct pace *p, uint64_t wait)
{
    struct conn_env *env = p->s->env;
    uint64_t held, left;

    if (!p->since_ms) {
        p->since_ms = env->now_ms ? env->now_ms : 1;
        note(p, METRIC_LIMITED_OPS, "client is read more slowly");
    }
    held = env->now_ms - p->since_ms;
    if (held >= env->opt->rate_window) {
        note(p, METRIC_FLOODS_CLOSED, "client closed: it sends too much");
        stream_end(p->s, CLOSE_FLOODING, "sends too much");
        return;
    }
    left = env->opt->rate_window - held;
    wait = wait < left ? wait : left;
    /* It must be seen meanwhile that the peer lives: its pongs are not read. */
    if (wait > env->opt->pong_timeout / 2) {
        wait = env->opt->pong_timeout / 2;
    }
    wheel_start(env->wheel, &p->timer, env->now_ms, wait);
}

bool pace_may_read(struct stream *s, struct pace **pp)
{
    struct bucket_rate messages = message_rate(s), bytes = byte_rate(s);
    struct pace *p = is_on(s) ? *pp : NULL;
    uint64_t a, b;

    if (!p) { /* it has sent nothing yet */
        return true;
    }
    a = bucket_wait(&p->messages, &messages, 1, s->env->now_ms);
    b = bucket_wait(&p->bytes, &bytes, 1, s->env->now_ms);
    if (!a && !b) {
        return true;
    }
    if (nothing_waits(s)) {
        p->since_ms = 0;
    } else {
        hold_back(p, a > b ? a : b);
    }
    return false;
}

void pace_timer_fired(struct wheel_timer *t)
{
    struct pace *p = (struct pace *)(void *)t;

    if (!p->s->dead && !p->s->ending) {
        p->s->ops->resume(p->s);
    }
}
