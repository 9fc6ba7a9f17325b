#include "conn/env.h"

#include "base/clock.h"
#include "conn/stream.h"

#include <assert.h>

int conn_env_init(struct conn_env *env)
{
    int rc;

    env->dirty.end = &env->dirty.first;
    env->dead.end = &env->dead.first;
    env->replay_end = &env->replays;
    rc = rng_init(&env->rng);
    if (rc == 0) {
        env->lane_seed = rng_u64(&env->rng);
        rc = intern_new(rng_u64(&env->rng), &env->agents);
    }
    return rc;
}

void conn_env_fini(struct conn_env *env)
{
    assert(env->clients.count == 0);
    clients_fini(&env->clients);
    burst_fini(&env->burst);
    if (env->agents) {
        intern_free(env->agents);
        env->agents = NULL;
    }
}

/* ---- delivery ---- */

/* Not one that is just joining: whoever opens it finds out. */
static void close_members(struct conn_env *env)
{
    for (uint32_t i = 0; i < env->clients.nslots; i++) {
        struct stream *s = env->clients.slots[i];
        if (s && s->member.joined) {
            stream_kill(s, "out of memory");
        }
    }
}

static void sink_lost(void *ctx)
{
    struct conn_env *env = ctx;

    log_error(env->log, "out of memory: closing the clients of this shard");
    close_members(env);
}

static void *sink_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct conn_env *env = ctx;

    if (!burst_begin(&env->burst, v, n, &env->held, env->write_through)) {
        /* Losing it silently would be a lie: everyone here starts anew. */
        sink_lost(env);
        return NULL;
    }
    return &env->burst;
}

static void sink_deliver(void *ctx, void *token, struct member *m)
{
    (void)ctx;
    burst_put(token, STREAM_OF(m, member));
}

static void sink_end(void *ctx, void *token)
{
    (void)ctx;
    burst_end(token);
}

struct core_sink conn_env_sink(struct conn_env *env)
{
    return (struct core_sink){env, sink_begin, sink_deliver, sink_end, sink_lost};
}

/* ---- the end of all ---- */

void conn_env_end_all(struct conn_env *env, uint16_t code, const char *reason)
{
    for (uint32_t i = 0; i < env->clients.nslots; i++) {
        if (env->clients.slots[i]) {
            stream_end(env->clients.slots[i], code, reason);
        }
    }
}

void conn_env_close_all(struct conn_env *env, const char *reason)
{
    for (uint32_t i = 0; i < env->clients.nslots; i++) {
        if (env->clients.slots[i]) {
            stream_kill(env->clients.slots[i], reason);
        }
    }
}
