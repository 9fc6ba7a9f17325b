/* listener.h - listening sockets: one a shard and TCP address (SO_REUSEPORT),
 * one for all shards a unix path; and accepting from them. Internal to src/lib. */
#ifndef FF_LIB_LISTENER_H
#define FF_LIB_LISTENER_H

#include "base/err.h"
#include "conf/options.h"
#include "http/limits.h"
#include "rt/reactor.h"
#include "rt/wheel.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct shard;

#define URL_MAX 160
#define HOST_MAX 64

/* One `listen` or `listen-plain` value, bound. */
struct listen_point {
    int *fds; /* one a shard; unix: the same in each */
    bool is_unix;
    bool tls;
    char url[URL_MAX];
    char host[HOST_MAX]; /* "127.0.0.1:8080", as a Host header says it */
};

struct listen_set {
    struct listen_point *points;
    unsigned n;
    unsigned shards;
};

enum listener_state { ACCEPTS, WAITS_FOR_PLACE, WAITS_FOR_DESCRIPTOR, WAITS_FOR_TIME };

/* A point as one shard serves it. */
struct listener {
    struct rt_source src; /* first */
    struct shard *shard;
    int fd;
    bool is_unix;
    bool tls;
    enum listener_state state;
    struct wheel_timer timer; /* while it waits: tries again in any case */
};

/* A connection that is counted and waits for its turn with HTTP. */
struct accepted {
    int fd;
    enum limit_kind over;
    bool tls;      /* it begins with a handshake */
    bool proxied;  /* before that, with a PROXY header */
    bool nameless; /* which named nobody */
    struct peer peer;
    socklen_t len;
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } from;
};

struct accept_queue {
    struct accepted *v; /* a ring of `cap`, a power of two */
    size_t cap, head, n;
};

#define LISTENER_TIMER 64

/* Binds and listens. ERR_IN_USE, ERR_INVALID, ERR_SYSTEM, ERR_NOMEM. On
 * failure too, listen_close and listen_free clean up. */
int listen_open(struct listen_set *set, const struct options *opt, unsigned shards,
                struct errmsg *why) FF_USE_RESULT;
/* Closes the sockets and removes unix paths; names stay. Idempotent. */
void listen_close(struct listen_set *set);
void listen_free(struct listen_set *set);
/* The longest queue of connections that the kernel keeps for a socket, whatever
 * listen() asks for; 0: it does not say. */
unsigned listen_kernel_backlog(void);
/* The shard takes its sockets into its reactor. */
int listeners_start(struct shard *s, struct errmsg *why) FF_USE_RESULT;
void listeners_stop(struct shard *s);
void listener_timer_fired(struct wheel_timer *t);
/* Accepts without having been told by epoll that there is anything. */
void listeners_look(struct shard *s);
/* Hands some of the accepted connections to HTTP, and lets listeners that
 * waited go on. */
void listeners_run(struct shard *s);
/* Has listeners_run anything to do? */
bool listeners_wait(const struct shard *s);

#endif
