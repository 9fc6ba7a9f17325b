/* env.h - what the streams of one shard share. Belongs to the shard's thread. */
#ifndef FF_CONN_ENV_H
#define FF_CONN_ENV_H

#include "base/intern.h"
#include "base/log.h"
#include "base/rng.h"
#include "conf/options.h"
#include "conn/clients.h"
#include "core/router.h"
#include "rt/reactor.h"
#include "rt/wheel.h"
#include "stat/metrics.h"

#include <stdbool.h>

struct stream;

/* Upcalls to the floor that owns the gateway. May publish; must not close the
 * stream they are about (the gateway does that by mail). */
struct conn_hooks {
    void *ctx;
    void (*connected)(void *ctx, const struct stream *s);
    void (*disconnected)(void *ctx, const struct stream *s, const char *reason);
    /* A client's `message` op. Returns true if somebody took it. */
    bool (*received)(void *ctx, const struct stream *s, struct str json);
    /* A connection (not a stream any more) of this network is gone. */
    void (*released)(void *ctx, const struct stream *s);
};

/* Log lines that peers can cause at will. */
enum log_kind {
    LOG_KIND_VIOLATION,
    LOG_KIND_PONG,
    LOG_KIND_TIMEOUT,
    LOG_KIND_HANDSHAKE,
    LOG_KIND_RESOURCE,
    LOG_KINDS
};

struct conn_env {
    unsigned shard;
    uint64_t epoch;
    struct reactor *reactor;
    struct wheel *wheel;
    struct router *router;
    struct metrics *metrics;
    struct log *log;
    const struct options *opt; /* changes on reload, on this thread */
    struct conn_hooks hooks;
    struct rng rng;
    struct intern *agents; /* user agents */
    struct clients clients;
    uint8_t key_secret[32]; /* keys clientKey */
    uint64_t now_ms;        /* monotonic, of this turn of the loop */
    struct log_limit log_limits[LOG_KINDS];
    bool draining;
    uint64_t drain_ms;    /* over which clients are asked to leave */
    struct stream *dirty; /* to be flushed at the end of the turn */
    struct stream **dirty_end;
};

int conn_env_init(struct conn_env *env) FF_USE_RESULT;
/* All streams must be gone. */
void conn_env_fini(struct conn_env *env);

/* May a line of that kind be written now? One a second, and all at level debug. */
bool conn_env_may_log(struct conn_env *env, enum log_kind kind);
/* For router_deliver; its ctx is the env. */
struct core_sink conn_env_sink(struct conn_env *env);
/* Writes what waits, one sendmsg a client, and buries dead streams. */
void conn_env_flush(struct conn_env *env);
/* Spreads the end of all streams over `over_ms`; later ones are refused. */
void conn_env_drain(struct conn_env *env, uint64_t over_ms);
/* Ends all streams in order, now. */
void conn_env_end_all(struct conn_env *env, uint16_t code, const char *reason);
/* Kills all streams at once. */
void conn_env_close_all(struct conn_env *env, const char *reason);

#endif
