/* client.c */
#include "client.h"

#include "bench.h"
#include "clock.h"
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 256 << 10 };

void client_init(struct client *c, uint32_t index)
{
    *c = (struct client){
        .sub = {.plan = &bench.plan, .index = index},
        .fd = -1,
        .place = NOWHERE,
    };
    if (bench.room == NULL) {
        /* Before what is received there is room for a unit's beginning. */
        bench.room = malloc(MOST_UNIT + ROOM);
        if (bench.room == NULL) {
            fail("out of memory");
        }
        bench.room += MOST_UNIT;
    }
}

const char *client_peer(const struct client *c, char *to, size_t size)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    if (c->fd < 0 || getsockname(c->fd, (struct sockaddr *)&a, &len) != 0) {
        snprintf(to, size, "closed");
    } else {
        char host[INET_ADDRSTRLEN];
        snprintf(to, size, "%s:%u", inet_ntop(AF_INET, &a.sin_addr, host, sizeof(host)),
                 ntohs(a.sin_port));
    }
    return to;
}

/* ---- beginning and end ---- */

static void set_phase(struct client *c, enum phase phase)
{
    bool was = c->phase != PHASE_CLOSED && c->phase != PHASE_READY;
    bool is = phase != PHASE_CLOSED && phase != PHASE_READY;
    bench.changing += (uint32_t)is - (uint32_t)was;
    bool member = c->sub.index < bench.args.clients && !c->stalled;
    bench.live +=
        (uint32_t)(member && phase == PHASE_READY) - (uint32_t)(member && c->phase == PHASE_READY);
    bench.activity++;
    c->phase = (uint8_t)phase;
}

/* From 127.0.0.1, 127.0.0.2, ... in turn, so that there are ports enough. */
static void bind_source(const struct client *c)
{
    const int on = 1;
    uint32_t source = c->sub.index % bench.args.sources;
    if (bench.args.sources == 1 || ntohl(bench.args.connect.sin_addr.s_addr) >> 24 != 127) {
        return;
    }
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source),
    };
    /* The port is chosen by connect, when the other end is known. */
    if (setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
        bind(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        fail("cannot bind to source address %u: %s", source, strerror(errno));
    }
}

static void set_options(const struct client *c)
{
    const int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bench.args.stall_rcvbuf > 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bench.args.stall_rcvbuf, sizeof(int));
    }
}

void client_open(struct client *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        fail("no socket for subscriber %u: %s", c->sub.index, strerror(errno));
    }
    set_options(c);
    bind_source(c);
    const struct sockaddr_in *to = &bench.args.connect;
    if (connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS) {
        fail("subscriber %u cannot connect: %s", c->sub.index, strerror(errno));
    }
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = c,
    };
    if (epoll_ctl(bench.epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
    c->since = clock_now();
    c->place = NOWHERE;
    c->held_len = 0;
    c->out.len = 0;
    c->unsent = c->gap = false;
    c->stalled = STALL_NONE;
    c->sub.state = 0;
    c->sub.scratch = 0;
    set_phase(c, PHASE_CONNECTING);
}

void client_close(struct client *c, bool reset)
{
    if (c->fd < 0) {
        return;
    }
    if (c->phase == PHASE_READY) {
        check_forget(c);
    }
    if (reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(c->fd);
    c->fd = -1;
    set_phase(c, PHASE_CLOSED);
    bench.changing -= c->stalled == STALL_CATCHES_UP;
    c->stalled = STALL_NONE;
    free(c->held);
    c->held = NULL;
    c->held_len = c->held_cap = 0;
    buf_free(&c->out);
}

void client_leave(struct client *c)
{
    if (c->phase == PHASE_READY) {
        check_forget(c);
    }
    set_phase(c, PHASE_LEAVING);
    if (shutdown(c->fd, SHUT_WR) != 0) {
        fail("shutdown of subscriber %u: %s", c->sub.index, strerror(errno));
    }
}

/* The server's end, or an error. */
static void ended(struct client *c, const char *why)
{
    enum phase was = c->phase;
    bool stalled = c->stalled != STALL_NONE;
    if (!stalled && bench.hooks.ended == NULL) {
        sub_fail(&c->sub, "%s", why);
    }
    client_close(c, false);
    if (stalled) {
        bench.stalled_ended++;
    } else {
        bench.hooks.ended(c, was, why);
    }
}

/* ---- what dialects report and ask for ---- */

void sub_ready(struct sub *s)
{
    struct client *c = (struct client *)s;
    if (c->phase != PHASE_OPENING) {
        return;
    }
    set_phase(c, PHASE_READY);
    if (bench.plan.after != NULL) {
        check_came_back(c);
    }
    c->next = bench.messages.published;
    c->place = messages_place(c->next);
    c->got = c->missed = c->gaps = 0;
    if (bench.hooks.ready != NULL) {
        bench.hooks.ready(c);
    }
}

void sub_refused(struct sub *s, const char *text, size_t len)
{
    struct client *c = (struct client *)s;
    if (c->phase == PHASE_LEAVING || c->stalled != STALL_NONE) {
        return;
    }
    if (bench.hooks.refused != NULL) {
        bench.hooks.refused(c, text, len);
    } else {
        sub_fail(s, "refused or closed by the server: %.*s", (int)(len < 300 ? len : 300), text);
    }
}

static void send_out(struct client *c)
{
    ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
        buf_drop(&c->out, (size_t)n);
    }
    c->unsent = c->out.len > 0;
}

void sub_send(struct sub *s, const char *bytes, size_t n)
{
    struct client *c = (struct client *)s;
    if (c->fd >= 0 && c->phase != PHASE_LEAVING) {
        buf_add(&c->out, bytes, n);
        send_out(c);
    }
}

/* ---- events ---- */

static void connected(struct client *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        ended(c, strerror(error));
        return;
    }
    set_phase(c, PHASE_OPENING);
    bench.plan.dialect->open(&c->sub);
}

/* Edge-triggered: less than was asked for means that there is no more, unless the
 * end has come too. */
static void read_all(struct client *c, bool end)
{
    for (;;) {
        ssize_t n = recv(c->fd, bench.room, ROOM, 0);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            ended(c, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        bench.bytes += (uint64_t)n;
        if (bench.latency != NULL) {
            bench.now = clock_now();
        }
        if (c->phase != PHASE_LEAVING) {
            check_bytes(c, bench.room, (size_t)n);
        }
        if (c->fd < 0 || (n < ROOM && !end)) {
            return;
        }
    }
}

void client_event(struct client *c, uint32_t events)
{
    if (c->fd < 0) {
        return;
    }
    bool end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (c->phase == PHASE_CONNECTING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) {
            return;
        }
        connected(c);
        if (c->fd < 0) {
            return;
        }
    }
    if (c->stalled == STALL_DEAF) {
        /* What it has not read stays readable after a FIN, and is lost with an RST. */
        if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
            ended(c, "closed by the server");
        }
        return;
    }
    if (c->unsent) {
        send_out(c);
    }
    if ((events & EPOLLIN) != 0 || end) {
        read_all(c, end);
    }
}

void client_stall(struct client *c, enum stall stall)
{
    struct epoll_event ev = {
        .events = stall == STALL_DEAF ? EPOLLET : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = c,
    };
    if (epoll_ctl(bench.epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
    bench.live += (uint32_t)(stall == STALL_NONE) - (uint32_t)(c->stalled == STALL_NONE);
    bench.changing +=
        (uint32_t)(stall == STALL_CATCHES_UP) - (uint32_t)(c->stalled == STALL_CATCHES_UP);
    if (stall == STALL_DEAF) {
        c->got = c->missed = c->gaps = 0;
        c->place = NOWHERE;
    }
    c->stalled = (uint8_t)stall;
}

void clients_align(void)
{
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        struct client *c = &bench.clients[i];
        if (c->phase == PHASE_READY && !c->stalled) {
            c->next = bench.messages.published;
            c->place = c->held_len > 0 ? NOWHERE : messages_place(c->next);
        }
    }
}
