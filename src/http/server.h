/* server.h - one shard's HTTP: a libmicrohttpd daemon in external-epoll mode,
 * nested in the shard's reactor, fed with connections that the shard accepts.
 * src/http is the only user of <microhttpd.h>.
 *
 * A connection that becomes a stream is taken away from libmicrohttpd (see
 * detach.h); what stays there is plain request and answer. */
#ifndef FF_HTTP_SERVER_H
#define FF_HTTP_SERVER_H

#include "base/err.h"
#include "base/strbuf.h"
#include "conn/stream.h"
#include "http/limits.h"
#include "http/rates.h"
#include "proto/json.h"
#include "proto/publish.h"
#include "rt/mailbox.h"
#include "ws/session.h"

#include <stdatomic.h>
#include <stdbool.h>

struct MHD_Daemon;
struct auth;
struct hook;
struct http_conn;
struct http_server;
struct posting;

/* What a publication became, for the event handlers. */
struct http_published {
    const struct publish *publish;
    struct str target; /* channel or user */
    struct str id;
    struct publish_result result;
    bool by_client;         /* and not by a backend or the embedding program */
    struct str sender_user; /* as the envelope's `sender` tells them: empty and 0 if not known */
    uint64_t sender_client;
};

/* What the servers of all shards share; outlives them. */
struct http_shared {
    struct router *router;
    struct log *log;
    struct auth *auth; /* NULL: open mode */
    struct hook *hook; /* NULL: no application is asked */
    unsigned asks;     /* what it is asked: http/asking.h */
    struct limits limits;
    struct rates rates;
    struct http_server **servers;         /* by shard */
    struct mailbox **tasks;               /* by shard; may use the router */
    struct mailbox **deliveries;          /* by shard; in the order of the log */
    const struct metrics *const *metrics; /* by shard, and one for other threads */
    unsigned shards, nmetrics;
    uint64_t epoch;
    uint64_t started_ms; /* monotonic */
    const char *version;
    struct opt_list hosts;       /* further names that are ours ("host:port") */
    _Atomic uint64_t max_bodies; /* option max-bodies */
    _Atomic uint64_t bodies;     /* bytes of request bodies held now */
    void *ctx;
    /* On the shard's thread: gives out the messages taken from its mailbox of
     * deliveries so far; for a mail among them that concerns a client. */
    void (*give_out)(void *ctx, unsigned shard);
    void (*published)(void *ctx, const struct http_published *p);
    /* Why the durable store cannot be written now; false if it can. Any thread.
     * NULL: there is no store. */
    bool (*store_failed)(void *ctx, struct errmsg *why);
    const char *store_kind; /* "memory" or "sqlite" */
    const char *store_sync; /* the option sync; NULL without a store */
    atomic_uint visits;     /* requests that wait for other shards or the store */
    atomic_bool draining;
    atomic_uint starved;          /* servers that are out of descriptors */
    _Atomic uint64_t overload_ms; /* monotonic: when a publication was last refused; 0: never */
    bool open_hosts;              /* --insecure-open: any Host will do */
    bool detach;                  /* the self-test passed */
    bool wants_published;
    bool webhooks; /* the application is told what happens */
};

/* What stands between libmicrohttpd, which sees a socket pair, and a connection with TLS. */
struct http_secure {
    char *certificate;        /* the name in the client's verified certificate; NULL: none */
    uint64_t certificate_end; /* real ms */
    /* The connection becomes a stream. What libmicrohttpd has written is with the session, what
     * the client sent and libmicrohttpd was not given yet is added to `early` (NULL: dropped), and
     * *fd and *tls are the caller's. False: it is broken; nothing is taken. */
    bool (*take)(struct http_secure *sec, struct strbuf *early, int *fd, struct rt_transport **tls);
    /* libmicrohttpd has closed its end. The last call. */
    void (*closed)(struct http_secure *sec);
};

/* A connection that was accepted. */
struct http_arrival {
    int fd; /* non-blocking */
    const struct sockaddr *addr;
    socklen_t addr_len;
    struct peer peer;
    enum limit_kind over; /* which limit it exceeds (it will be told and closed), or LIMIT_NONE */
    bool nameless;        /* its PROXY header named nobody: the peer's own headers do not either */
};

/* Kept by each server for when the process has no descriptor left. */
#define HTTP_SPARES 8

struct request;

struct http_server {
    struct http_shared *shared;
    struct conn_env *env;
    struct ws_shard ws;
    struct json_doc *doc;                     /* of one publication */
    struct json_doc *batch;                   /* of an array around them */
    struct cidr_set proxies;                  /* trusted-proxy */
    struct posting *postings, **postings_end; /* http/op_publish.h */
    struct MHD_Daemon *mhd;
    struct rt_source mhd_src;
    int mhd_fd;
    bool again;             /* MHD_run has work that epoll does not tell */
    unsigned ending;        /* connections that it must still bury */
    int dummy;              /* what libmicrohttpd closes instead of a stream's socket */
    int spare[HTTP_SPARES]; /* descriptors to be given up when there are no others */
    unsigned nspare;
    unsigned starts;                  /* streams that may yet begin in this turn */
    struct request *line, **line_end; /* requests that wait to become a stream */
    bool starved;             /* some were given up, and there are none to take their place */
    struct http_conn **conns; /* by descriptor */
    size_t nconns;
    unsigned open_conns;
};

/* Timers of connections that are still HTTP. */
enum http_timer {
    HTTP_TIMER_HEADER = STREAM_TIMER_KINDS,
    HTTP_TIMER_BODY,
    HTTP_TIMER_ANSWER,
    HTTP_TIMER_IDLE
};

int http_server_init(struct http_server *srv, struct errmsg *why) FF_USE_RESULT;
/* env->opt is another one (SIGHUP). */
void http_server_options(struct http_server *srv);
/* Is the connection's peer one of trusted-proxy? */
bool http_server_trusts(const struct http_server *srv, const struct peer *peer);
/* All streams must be gone. */
void http_server_fini(struct http_server *srv);
/* Takes the socket over. */
void http_server_add(struct http_server *srv, const struct http_arrival *a);
/* The same with TLS: a->fd is one end of a socket pair behind which `secure` stands, and its
 * address is not looked at. On failure too, secure->closed is called. */
void http_server_add_secure(struct http_server *srv, const struct http_arrival *a,
                            struct http_secure *secure);
/* Runs libmicrohttpd as long as it has something to do, bounded: then
 * http_server_timeout() is still 0. */
void http_server_run(struct http_server *srv);
/* Milliseconds until libmicrohttpd wants to run by itself; -1: it does not. */
int http_server_timeout(struct http_server *srv);
/* The next http_server_run looks for events, though epoll has told of none. */
void http_server_look(struct http_server *srv);
void http_timer_fired(struct wheel_timer *t);
/* A stream that was detached is gone: see conn_hooks.released. */
void http_server_released(struct http_server *srv, const struct stream *s);

/* Proves that a response's connection can be taken from this libmicrohttpd as
 * detach.h does it. On failure `why` says what was seen. */
int http_selftest(struct errmsg *why) FF_USE_RESULT;

#endif
