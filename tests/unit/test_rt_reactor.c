#include "rt/reactor.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct reactor *reactor;
static char trace[64];

static void start(void)
{
    struct errmsg why;
    cr_assert_eq(reactor_new(&reactor, &why), 0);
}

static void stop(void)
{
    reactor_free(reactor);
}

TestSuite(reactor, .init = start, .fini = stop);

static void note(char c)
{
    size_t n = strlen(trace);
    if (n + 1 < sizeof trace) {
        trace[n] = c;
    }
}

struct watch {
    struct rt_source src; /* first */
    int fd;
    uint32_t events;
    unsigned calls;
};

static void on_event(struct rt_source *src, uint32_t events)
{
    struct watch *w = (struct watch *)src;
    w->events = events;
    w->calls++;
    note('e');
}

static void write_one(int fd)
{
    uint64_t one = 1;
    cr_assert_eq(write(fd, &one, sizeof one), (ssize_t)sizeof one);
}

static struct watch watch_eventfd(void)
{
    struct watch w = {.src = {on_event}, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    cr_assert_geq(w.fd, 0);
    return w;
}

Test(reactor, nothing_ready)
{
    cr_assert_eq(reactor_wait(reactor, 0), 0);
    cr_assert_eq(reactor_wait(reactor, 1), 0);
}

Test(reactor, add_mod_del)
{
    struct watch w = watch_eventfd();
    cr_assert_eq(reactor_add(reactor, w.fd, EPOLLIN, &w.src), 0);
    cr_assert_eq(reactor_add(reactor, w.fd, EPOLLIN, &w.src), ERR_SYSTEM);
    cr_assert_eq(reactor_wait(reactor, 0), 0);
    write_one(w.fd);
    cr_assert_eq(reactor_wait(reactor, -1), 1);
    cr_assert_eq(w.events, (uint32_t)EPOLLIN);
    cr_assert_eq(reactor_wait(reactor, -1), 1); /* level-triggered */
    cr_assert_eq(reactor_mod(reactor, w.fd, EPOLLIN | EPOLLET, &w.src), 0);
    cr_assert_eq(reactor_wait(reactor, -1), 1);
    cr_assert_eq(reactor_wait(reactor, 0), 0); /* edge-triggered */
    write_one(w.fd);
    cr_assert_eq(reactor_wait(reactor, -1), 1);
    cr_assert_eq(reactor_mod(reactor, w.fd, EPOLLOUT, &w.src), 0);
    cr_assert_eq(reactor_wait(reactor, -1), 1);
    cr_assert_eq(w.events, (uint32_t)EPOLLOUT);
    reactor_del(reactor, w.fd);
    reactor_del(reactor, w.fd); /* harmless */
    cr_assert_eq(reactor_wait(reactor, 0), 0);
    cr_assert_eq(reactor_mod(reactor, w.fd, EPOLLIN, &w.src), ERR_SYSTEM);
    cr_assert_eq(w.calls, 5);
    close(w.fd);
    reactor_del(reactor, w.fd);
    cr_assert_eq(reactor_add(reactor, w.fd, EPOLLIN, &w.src), ERR_SYSTEM);
}

Test(reactor, peer_close_is_reported)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct watch w = {.src = {on_event}, .fd = pair[0]};
    cr_assert_eq(reactor_add(reactor, pair[0], EPOLLIN | EPOLLRDHUP | EPOLLET, &w.src), 0);
    close(pair[1]);
    cr_assert_eq(reactor_wait(reactor, -1), 1);
    cr_assert(w.events & EPOLLRDHUP);
    close(pair[0]);
}

Test(reactor, many_ready_at_once_all_get_their_turn)
{
    enum { N = 600 }; /* more than one batch */
    static struct watch w[N];
    for (unsigned i = 0; i < N; i++) {
        w[i] = watch_eventfd();
        cr_assert_eq(reactor_add(reactor, w[i].fd, EPOLLIN | EPOLLET, &w[i].src), 0);
        w[i].src.on_event = on_event;
        write_one(w[i].fd);
    }
    int total = 0;
    for (int n; (n = reactor_wait(reactor, 0)) > 0;) {
        total += n;
    }
    cr_assert_eq(total, N);
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(w[i].calls, 1);
        close(w[i].fd);
    }
}

static void on_alarm(int sig)
{
    (void)sig;
}

Test(reactor, interrupted_counts_as_none)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    cr_assert_eq(sigaction(SIGALRM, &sa, NULL), 0);
    struct itimerval soon = {.it_value = {.tv_usec = 1000}, .it_interval = {.tv_usec = 1000}};
    cr_assert_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    cr_assert_eq(reactor_wait(reactor, 30000), 0);
    struct itimerval off = {0};
    cr_assert_eq(setitimer(ITIMER_REAL, &off, NULL), 0);
}

Test(reactor, free_of_nothing)
{
    reactor_free(NULL);
}
