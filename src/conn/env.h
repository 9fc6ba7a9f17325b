/* env.h - what the streams of one shard share. Belongs to the shard's thread. */
#ifndef FF_CONN_ENV_H
#define FF_CONN_ENV_H

#include "base/intern.h"
#include "base/log.h"
#include "base/rng.h"
#include "conf/options.h"
#include "conn/burst.h"
#include "conn/clients.h"
#include "conn/outbuf.h"
#include "core/router.h"
#include "rt/reactor.h"
#include "rt/wheel.h"
#include "stat/metrics.h"

#include <stdbool.h>

struct grant;
struct stream;
struct stream_slow;
struct stream_replay;
struct slow_total;
struct loads;

/* What a credential is worth that was good when it was checked. */
enum standing { STANDS, HAS_EXPIRED, IS_REVOKED };

/* Upcalls to the floor that owns the gateway. May publish; must not close the
 * stream they are about (the gateway does that by mail). */
struct conn_hooks {
    void *ctx;
    void (*connected)(void *ctx, const struct stream *s);
    /* It is about to leave the router: user and names are still known. Once for each that has
     * connected, some time before `disconnected`. NULL: nobody asks. */
    void (*leaves)(void *ctx, const struct stream *s, const char *reason);
    void (*disconnected)(void *ctx, const struct stream *s, const char *reason);
    /* It has subscribed to a name after it connected, or does not any more while it goes on: of its
     * own accord if `reason` is NULL. NULL: nobody asks. */
    void (*subscribed)(void *ctx, const struct stream *s, struct str name);
    void (*unsubscribed)(void *ctx, const struct stream *s, struct str name, const char *reason);
    /* A client's `message` op. Returns true if somebody took it. */
    bool (*received)(void *ctx, const struct stream *s, struct str json);
    /* What is the credential worth now? NULL: as much as ever. */
    enum standing (*standing)(void *ctx, const struct grant *g);
    /* So many bad tokens came from the stream's address that it may show another only after so
     * many milliseconds; 0: it may now. And: it showed a bad one. NULL both: it always may. */
    uint64_t (*token_wait)(void *ctx, const struct stream *s);
    void (*token_failed)(void *ctx, const struct stream *s);
    /* A connection (not a stream any more) of this network is gone. */
    void (*released)(void *ctx, const struct stream *s);
};

/* Log lines that peers can cause at will. */
enum log_kind {
    LOG_KIND_VIOLATION,
    LOG_KIND_PONG,
    LOG_KIND_TIMEOUT,
    LOG_KIND_HANDSHAKE,
    LOG_KIND_TLS,
    LOG_KIND_PROXY,
    LOG_KIND_RESOURCE,
    LOG_KIND_OVERLOAD,
    LOG_KIND_SLOW,
    LOG_KIND_GAP,
    LOG_KIND_LIMIT,
    LOG_KIND_SIZE, /* a limit too: METRIC_LIMITED_SIZES */
    LOG_KIND_FORWARDED,
    LOG_KIND_AUTH,
    LOG_KINDS
};

/* Linked by next_dirty. */
struct stream_list {
    struct stream *first, **end;
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
    uint64_t drain_ms;        /* over which clients are asked to leave */
    uint32_t drain_next;      /* slot of the client to be asked next */
    struct held held;         /* what waits, in memory */
    int64_t held_told;        /* held.share, as it is in the total */
    struct slow_total *total; /* over all shards; NULL: there is only this one */
    struct stream_slow *slow; /* clients that lag */
    struct loads *loads;      /* of users, over all shards; NULL: no stream counts */
    uint64_t lane_seed;
    struct burst burst;
    bool write_through;       /* of the next delivery: nothing is gained by waiting for the flush */
    struct stream_list dirty; /* to be flushed at the end of the turn */
    struct stream_list dead;  /* to be buried */
    struct stream_replay *replays, **replay_end; /* ready for a slice from history */
};

int conn_env_init(struct conn_env *env) FF_USE_RESULT;
/* All streams must be gone. */
void conn_env_fini(struct conn_env *env);

/* The kind of a line about a limit that has that counter. */
static inline enum log_kind log_kind_of_limit(enum metric metric)
{
    return metric == METRIC_LIMITED_SIZES ? LOG_KIND_SIZE : LOG_KIND_LIMIT;
}
/* May a line of that kind be written now? One a second, and all at level debug. */
bool conn_env_may_log(struct conn_env *env, enum log_kind kind);
/* For router_deliver; its ctx is the env. */
struct core_sink conn_env_sink(struct conn_env *env);
/* Writes what waits, one sendmsg a client, keeps to --client-queues-total, and
 * buries dead streams. */
void conn_env_flush(struct conn_env *env);
/* The same, but at most so many of each. True if some are left. */
bool conn_env_flush_some(struct conn_env *env, unsigned writes, unsigned burials);
/* Slices from history, for about a millisecond. True if some streams are left. */
bool conn_env_replay_some(struct conn_env *env);
/* Is there anything for conn_env_flush or conn_env_replay_some to do? */
static inline bool conn_env_waits(const struct conn_env *env)
{
    return env->dirty.first || env->dead.first || env->replays ||
           (env->draining && env->drain_next < env->clients.nslots);
}
/* Spreads the end of all streams over `over_ms`; later ones are refused. They
 * are told by and by: with each conn_env_flush_some. */
void conn_env_drain(struct conn_env *env, uint64_t over_ms);
/* Ends all streams in order, now. */
void conn_env_end_all(struct conn_env *env, uint16_t code, const char *reason);
/* Kills all streams at once. */
void conn_env_close_all(struct conn_env *env, const char *reason);

#endif
