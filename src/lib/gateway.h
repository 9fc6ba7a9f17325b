/* gateway.h - the gateway's parts and how they belong together. Internal to
 * src/lib. */
#ifndef FF_LIB_GATEWAY_H
#define FF_LIB_GATEWAY_H

#include <fanfare/fanfare.h>

#include "auth/auth.h"
#include "base/log.h"
#include "conf/options.h"
#include "conn/load.h"
#include "conn/slow.h"
#include "conn/stream.h"
#include "core/people.h"
#include "core/router.h"
#include "hook/hook.h"
#include "hook/webhook.h"
#include "http/server.h"
#include "lib/entry.h"
#include "lib/listener.h"
#include "lib/people.h"
#include "lib/tidy.h"
#include "lib/webhooks.h"
#include "rt/busy.h"
#include "rt/mailbox.h"
#include "store/store.h"
#include "tls/ctx.h"

#include <pthread.h>
#include <stdatomic.h>

/* One version of the options; every shard holds a reference to the one it uses. */
struct opt_version {
    atomic_uint refs;
    struct options o;
    struct tls_ctx *tls; /* NULL: no TLS */
};

struct handler {
    struct handler *next;
    enum fanfare_event_kind kind;
    fanfare_handler *fn;
    void *user;
};

/* Consecutive messages for the same members, to be delivered together. */
struct run {
    struct message *v[CORE_RUN_MAX];
    unsigned n;
    bool mixed; /* this turn has messages for others too */
    size_t bytes;
};

struct shard {
    struct fanfare *gw;
    unsigned index;
    pthread_t thread;
    bool running; /* the thread was started */
    bool stopping;
    bool behind; /* clients are left to be written to since the last turn */
    struct opt_version *opt;
    struct reactor *reactor;
    struct wheel *wheel;
    struct mailbox *deliveries, *tasks;
    struct rt_source deliveries_src, tasks_src;
    struct busy busy;
    struct tidy tidy;
    struct core_sink sink;
    struct run run;
    struct conn_env env;
    struct http_server http;
    struct metrics metrics;
    struct listener *listeners; /* one a listen address */
    struct accept_queue accepted;
    struct entries entries;
    _Atomic size_t backlog_bytes; /* of messages in `deliveries` */
    struct mail stop_mail;
    struct mail slow_mail; /* wakes it: too much waits for slow clients */
    atomic_bool slow_asked;
    struct log_limit refusals;
    struct bucket told;              /* over a limit of their address, by TLS: admit.c */
    struct wheel_timer log_timer;    /* durable.h; runs on the first shard */
    bool log_behind;                 /* tidying the log is not through */
    struct wheel_timer people_timer; /* people.h; likewise */
};

enum gateway_state { GW_NEW, GW_LISTENING, GW_RUNNING, GW_FAILED, GW_STOPPED };

struct fanfare {
    _Atomic uint64_t trimmed_ms; /* monotonic: tidy.h */
    struct opt_version *opt;
    struct log *log;
    struct handler *handlers, **handlers_end;
    struct listen_set listen;
    unsigned nshards;
    struct shard *shards;
    struct router *router;
    pthread_mutex_t log_order; /* the router's lock */
    pthread_mutex_t api;       /* rng and metrics of calls from outside */
    pthread_mutex_t durable;   /* calls that wait for the store */
    pthread_cond_t durable_cond;
    struct rng rng;
    struct metrics metrics;
    struct metrics log_metrics;   /* the router's: under its lock */
    struct metrics store_metrics; /* the store's thread's */
    const struct metrics *all_metrics[ROUTER_MAX_SHARDS + 5];
    struct auth *auth;
    struct hook *hook;           /* NULL: no application is asked */
    struct metrics hook_metrics; /* its thread's */
    struct webhook *webhook;     /* NULL: no application is told */
    struct metrics webhook_metrics;
    uint32_t webhook_events;  /* it is told of these: options_webhook_events */
    struct opt_version *kept; /* the options that the log was started with */
    struct store *store;      /* NULL: memory only */
    struct http_server *servers[ROUTER_MAX_SHARDS];
    struct mailbox *tasks[ROUTER_MAX_SHARDS];
    struct mailbox *deliveries[ROUTER_MAX_SHARDS];
    struct http_shared shared;
    struct slow_total slow_total;
    struct loads loads;
    unsigned running;        /* shards with a thread; set before the stop */
    atomic_uint stopping;    /* of those, shards that serve no HTTP any more */
    atomic_uint max_backlog; /* options that other threads read */
    _Atomic uint64_t max_backlog_bytes;
    _Atomic uint64_t max_message;
    bool limits_ready;
    struct mail people_mail; /* to the first shard: people.h */
    atomic_bool people_asked;
    _Atomic uint64_t drain_until; /* monotonic ms; 0: not draining */
    _Atomic(enum gateway_state) state;
};

struct opt_version *opt_version_new(const struct options *from);
struct opt_version *opt_version_ref(struct opt_version *v);
void opt_version_unref(struct opt_version *v);

/* Everything but the thread. On failure shard_fini cleans up. */
int shard_init(struct shard *s, struct fanfare *gw, unsigned index, struct errmsg *why)
    FF_USE_RESULT;
int shard_start(struct shard *s, struct errmsg *why) FF_USE_RESULT;
/* Any thread: asks the shard to end, once; shard_join waits for it. */
void shard_ask_stop(struct shard *s);
void shard_join(struct shard *s);
/* Starts what asks the application, if there is one to be asked. */
int application_open(struct fanfare *gw, struct errmsg *why) FF_USE_RESULT;
/* Reads --auth-secret-file again. */
int application_reload(struct fanfare *gw, struct errmsg *why) FF_USE_RESULT;
/* After a reload: ends streams whose credentials, and subscriptions whose permissions,
 * are gone. */
void shard_recheck(struct shard *s);
/* Drops what is left in the mailboxes: all shards must have ended. */
void shard_empty(struct shard *s);
void shard_fini(struct shard *s);

struct core_ports deliveries_ports(struct fanfare *gw);
/* Gives out up to `max` (0: all) of the messages that wait for the shard. */
void deliveries_run(struct shard *s, unsigned max);
/* Gives out what deliveries_run has taken so far, for a mail among them that
 * concerns a client. */
void deliveries_flush(struct shard *s);

/* What streams and publications tell the handlers. */
struct conn_hooks gateway_hooks(struct shard *s);
void gateway_published(void *ctx, const struct http_published *p);

/* options behind the public type */
struct fanfare_options {
    struct options o;
};

#endif
