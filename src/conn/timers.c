/* What streams do by time: heartbeats, deadlines, the end of a credential. */
#include "conn/access.h"
#include "conn/pace.h"
#include "conn/slow.h"
#include "conn/stream.h"

/* Heartbeats come at the latest after `heartbeat` of silence, and up to a
 * quarter of it earlier, at random: clients that connected or got a message at
 * the same moment do not stay in step. */
static uint64_t beat_delay(struct conn_env *env, uint64_t idle)
{
    uint64_t period = env->opt->heartbeat;
    uint64_t least = period / 4 * 3;

    if (least <= idle) {
        return 0;
    }
    return least - idle + rng_below(&env->rng, period - least + 1);
}

void stream_start_beat(struct stream *s)
{
    struct conn_env *env = s->env;

    if (s->ending | s->dead) {
        return;
    }
    s->timer.kind = STREAM_TIMER_BEAT;
    wheel_start(env->wheel, &s->timer, env->now_ms, beat_delay(env, 0));
}

/* While a stream lags: on SSE a comment would only wait behind other bytes. And
 * a peer that has taken nothing for --user-timeout is given up: TCP notices by
 * itself, a unix socket does not. */
static bool beat_is_vain(struct stream *s)
{
    if (s->env->now_ms - s->active_ms >= s->env->opt->user_timeout) {
        slow_say_closed(s, "user-timeout");
        stream_kill(s, "peer does not answer");
        return true;
    }
    if (s->ops->transport == TRANSPORT_SSE) {
        stream_start_beat(s);
        return true;
    }
    return false;
}

static void beat_due(struct stream *s)
{
    struct conn_env *env = s->env;
    uint64_t delay = beat_delay(env, env->now_ms - s->active_ms);

    if (delay) { /* something was sent or received meanwhile */
        wheel_start(env->wheel, &s->timer, env->now_ms, delay);
        return;
    }
    if (s->lagging && beat_is_vain(s)) {
        return;
    }
    metrics_inc(env->metrics, METRIC_HEARTBEATS);
    stream_start_beat(s);
    s->ops->beat(s); /* may set another timer */
}

void stream_timer_fired(struct wheel_timer *t)
{
    struct stream *s;

    if (t->kind == STREAM_TIMER_ACCESS) { /* it stands in a record of its own */
        access_timer_fired(t);
        return;
    }
    if (t->kind == STREAM_TIMER_PACE) {
        pace_timer_fired(t);
        return;
    }
    s = STREAM_OF(t, timer);
    if (s->dead) {
        return;
    }
    switch ((enum stream_timer)t->kind) {
    case STREAM_TIMER_BEAT:
        beat_due(s);
        break;
    case STREAM_TIMER_PONG:
        metrics_inc(s->env->metrics, METRIC_PING_TIMEOUTS);
        if (conn_env_may_log(s->env, LOG_KIND_PONG)) {
            stream_log(s, LOG_INFO_LVL, "no pong in time", NULL, NULL);
        }
        stream_end(s, 1001, "no pong in time");
        break;
    case STREAM_TIMER_LEAVE:
        stream_end(s, 1012, "draining");
        break;
    case STREAM_TIMER_LINGER:
        stream_kill(s, "close timed out");
        break;
    case STREAM_TIMER_ACCESS:
    case STREAM_TIMER_PACE:
        break;
    }
}
