/* A connection that is still HTTP: its place in the limits, its deadline. */
#include "http/request_private.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* libmicrohttpd misses the end of a peer that came together with its last bytes
 * (one edge of epoll for both): so it is looked for, at growing intervals. */
#define FIRST_LOOK_MS 50

/* Others wait for the place of a connection over a limit. */
#define OVER_LIMIT_MS 1000

static void conn_tick(struct http_conn *hc)
{
    uint64_t now = hc->srv->env->now_ms;
    uint64_t left = hc->deadline > now ? hc->deadline - now : 0;

    wheel_start(hc->srv->env->wheel, &hc->timer, now, left < hc->look ? left : hc->look);
    hc->look *= 2;
}

void conn_deadline(struct http_conn *hc, enum http_timer kind, uint64_t ms)
{
    if (hc->over != LIMIT_NONE && ms > OVER_LIMIT_MS) {
        ms = OVER_LIMIT_MS;
    }
    hc->timer.kind = kind;
    hc->deadline = hc->srv->env->now_ms + ms;
    hc->look = FIRST_LOOK_MS;
    conn_tick(hc);
}

/* With keys, who has shown none is a stranger; a trusted proxy keeps its connections for
 * others. */
static bool is_stranger(const struct http_conn *hc)
{
    const struct auth *auth = hc->srv->shared->auth;

    return auth && !auth_is_open(auth) && !hc->known && !http_server_trusts(hc->srv, &hc->peer);
}

static bool is_cut_short(const struct http_conn *hc)
{
    const struct options *opt = hc->srv->env->opt;

    return opt->idle_unauthenticated < opt->idle_timeout && is_stranger(hc);
}

void conn_idle(struct http_conn *hc)
{
    const struct options *opt = hc->srv->env->opt;

    conn_deadline(hc, HTTP_TIMER_IDLE,
                  is_cut_short(hc) ? opt->idle_unauthenticated : opt->idle_timeout);
}

/* Shutting our reading side down is an edge that libmicrohttpd sees; what was
 * received stays readable before the end. */
static void look_at_peer(const struct http_conn *hc)
{
    struct pollfd p = {.fd = hc->fd, .events = POLLRDHUP};

    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR))) {
        (void)shutdown(hc->fd, SHUT_RD);
        hc->srv->again = true;
    }
}

void conn_ending(struct http_conn *hc)
{
    if (!hc->ending) {
        hc->ending = true;
        hc->srv->ending++;
    }
}

void conn_free(struct http_conn *hc)
{
    struct http_server *srv = hc->srv;

    wheel_stop(&hc->timer);
    if (!hc->detached) {
        limits_leave(&srv->shared->limits, &hc->peer, hc->over);
    }
    if (srv->conns[hc->fd] == hc) {
        srv->conns[hc->fd] = NULL;
    }
    srv->open_conns--;
    srv->ending -= hc->ending;
    metrics_dec(srv->env->metrics, METRIC_HTTP_OPEN);
    if (hc->secure) {
        hc->secure->closed(hc->secure);
    }
    free(hc);
}

/* An answer that libmicrohttpd cannot be asked for: the request never ended. */
static void send_timeout(const struct http_conn *hc)
{
    static const char body[] =
        "{\"type\":\"urn:fanfare:problem:timeout\",\"title\":\"Request Timeout\",\"status\":408,"
        "\"code\":\"timeout\",\"detail\":\"the request was not finished in time\"}\n";
    char text[400];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/problem+json\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof(body) - 1, body);

    (void)!send(hc->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void http_timer_fired(struct wheel_timer *t)
{
    struct http_conn *hc =
        (struct http_conn *)(void *)((char *)t - offsetof(struct http_conn, timer));
    char peer[PEER_TEXT_MAX];

    if (hc->srv->env->now_ms < hc->deadline) {
        look_at_peer(hc);
        conn_tick(hc);
        return;
    }
    if (t->kind == HTTP_TIMER_IDLE) {
        metrics_add(hc->srv->env->metrics, METRIC_UNKNOWN_CLOSED, is_cut_short(hc));
    } else {
        metrics_inc(hc->srv->env->metrics, METRIC_HTTP_TIMEOUTS);
        if (conn_env_may_log(hc->srv->env, LOG_KIND_TIMEOUT)) {
            log_info(hc->srv->env->log,
                     t->kind == HTTP_TIMER_HEADER ? "request headers not finished in time"
                     : t->kind == HTTP_TIMER_BODY ? "request body not finished in time"
                                                  : "answer not taken in time",
                     "limit", t->kind == HTTP_TIMER_HEADER ? "header-timeout" : "body-timeout",
                     "peer", peer_text(&hc->peer, peer));
        }
        if (!hc->answered) {
            send_timeout(hc);
        }
    }
    shutdown(hc->fd, SHUT_RDWR); /* libmicrohttpd sees the end and cleans up */
    hc->srv->again = true;
}
