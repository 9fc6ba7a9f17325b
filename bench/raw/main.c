/* main.c - bench-raw: the most that plain sockets give.
 *
 * Subscribers connect to one port and send nothing; whoever connects to the other
 * port sends frames that end with an empty line. In each turn all whole frames
 * that have come go to every subscriber with one send() each. Nothing is parsed,
 * nothing is copied for a subscriber. One that takes no more is remembered by its
 * place and goes on when its socket can be written.
 *
 * --fault makes a mistake with one frame in a thousand to the last subscriber, to
 * prove that the reader notices. */
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    LOG_SIZE = 32 << 20, /* what may wait for subscribers */
};

static const char greeting[] = ":raw\n";

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench-raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct raw *r, int fd, void *who, uint32_t events)
{
    struct epoll_event ev = {.events = events | EPOLLET, .data.ptr = who};
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("epoll_ctl");
    }
}

/* ---- subscribers ---- */

static void drop(struct raw *r, struct reader *s)
{
    close(s->fd);
    r->blocked -= s->blocked;
    struct reader *last = r->readers[--r->n_readers];
    r->readers[s->place] = last;
    last->place = s->place;
    /* Freed at the end of the turn, for there may be an event for it. */
    s->fd = -1;
    s->next_gone = r->gone;
    r->gone = s;
}

static void bury(struct raw *r)
{
    while (r->gone != NULL) {
        struct reader *s = r->gone;
        r->gone = s->next_gone;
        free(s);
    }
}

static void take_reader(struct raw *r, int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct reader *s = calloc(1, sizeof(*s));
    struct reader **more = reallocarray(r->readers, r->n_readers + 1, sizeof(*more));
    if (s == NULL || more == NULL) {
        die("no memory for a subscriber");
    }
    *s = (struct reader){.fd = fd, .place = r->n_readers, .sent = r->gone_by + r->whole};
    r->readers = more;
    r->readers[r->n_readers++] = s;
    watch(r, fd, s, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    if (send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL) < 0) {
        drop(r, s);
    }
}

/* Sends what it has not got yet. */
static void send_rest(struct raw *r, struct reader *s)
{
    uint64_t whole = r->gone_by + r->whole;
    while (s->sent < whole) {
        const char *from = r->log + (s->sent - r->gone_by);
        ssize_t n = send(s->fd, from, (size_t)(whole - s->sent), MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            r->blocked += !s->blocked;
            s->blocked = true;
            return;
        }
        if (n < 0) {
            drop(r, s);
            return;
        }
        s->sent += (size_t)n;
    }
    r->blocked -= s->blocked;
    s->blocked = false;
}

/* What it sends is thrown away; its end ends it. */
static void reader_event(struct raw *r, struct reader *s, uint32_t events)
{
    char waste[4096];
    if (s->fd < 0) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        ssize_t n;
        do {
            n = recv(s->fd, waste, sizeof(waste), 0);
        } while (n > 0);
        if (n == 0 || errno != EAGAIN) {
            drop(r, s);
            return;
        }
    }
    if (s->blocked && (events & EPOLLOUT) != 0) {
        send_rest(r, s);
    }
}

/* ---- frames ---- */

/* The end of the last whole frame, found from behind. */
static size_t whole_frames(const char *p, size_t from, size_t len)
{
    for (size_t i = len; i > from + 1; i--) {
        if (p[i - 1] == '\n' && p[i - 2] == '\n') {
            return i;
        }
    }
    return from;
}

static void to_all(struct raw *r)
{
    unsigned n = r->n_readers;
    if (r->fault != FAULT_NONE && n > 0) {
        fault_send(r, r->readers[n - 1], r->log + r->spread, r->whole - r->spread);
        r->readers[n - 1]->sent = r->gone_by + r->whole;
        n--;
    }
    r->spread = r->whole;
    for (unsigned i = n; i-- > 0;) {
        if (!r->readers[i]->blocked) {
            send_rest(r, r->readers[i]);
        }
    }
}

/* Everybody has everything: the log begins anew. */
static void rewind_log(struct raw *r)
{
    if (r->blocked > 0 || r->whole == 0) {
        return;
    }
    memmove(r->log, r->log + r->whole, r->len - r->whole);
    r->len -= r->whole;
    r->gone_by += r->whole;
    r->whole = r->spread = 0;
}

/* Reads all that has come, or as much as the log has room for. */
static void control_event(struct raw *r)
{
    bool end = false;
    while (r->control >= 0 && r->len < LOG_SIZE) {
        ssize_t n = recv(r->control, r->log + r->len, LOG_SIZE - r->len, 0);
        if (n > 0) {
            r->len += (size_t)n;
            continue;
        }
        end = n == 0 || errno != EAGAIN;
        break;
    }
    r->whole = whole_frames(r->log, r->whole, r->len);
    if (r->whole > r->spread) {
        to_all(r);
    }
    if (end) {
        close(r->control);
        r->control = -1;
        r->len = r->whole;
    }
}

/* ---- the program ---- */

static int listen_on(uint16_t *port)
{
    const int on = 1;
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(*port),
    };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        die("cannot listen");
    }
    *port = ntohs(a.sin_port);
    return fd;
}

static void accept_all(struct raw *r, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (listener == r->reader_port) {
            take_reader(r, fd);
            continue;
        }
        if (r->control >= 0) {
            fputs("bench-raw: a second control connection takes the first one's place\n", stderr);
            close(r->control);
        }
        r->control = fd;
        watch(r, fd, &r->control, EPOLLIN | EPOLLRDHUP);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) {
        die("accept");
    }
}

static void run(struct raw *r)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(r->epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR) {
            die("epoll_wait");
        }
        bool control = r->len == LOG_SIZE;
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (who == &r->control) {
                control = true;
            } else if (who == &r->reader_port || who == &r->control_port) {
                accept_all(r, *(int *)who);
            } else {
                reader_event(r, who, events[i].events);
            }
        }
        if (control) {
            control_event(r);
        }
        rewind_log(r);
        bury(r);
    }
}

static void usage(void)
{
    fputs("usage: bench-raw [--fault lose|duplicate|reorder|damage] [--fault-every N]\n", stderr);
    exit(2);
}

static void arguments(struct raw *r, int argc, char **argv)
{
    static const char *const faults[] = {"", "lose", "duplicate", "reorder", "damage"};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--fault") == 0) {
            for (unsigned k = 1; k < 5; k++) {
                r->fault = strcmp(value, faults[k]) == 0 ? (enum fault)k : r->fault;
            }
        } else if (strcmp(argv[i], "--fault-every") == 0) {
            r->fault_every = (unsigned)strtoul(value, NULL, 10);
        } else {
            usage();
        }
        if (*value == '\0' || r->fault_every == 0) {
            usage();
        }
    }
}

int main(int argc, char **argv)
{
    struct raw r = {.control = -1, .fault_every = 1000};
    uint16_t reader_port = 0, control_port = 0;
    struct rlimit limit;
    arguments(&r, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    r.log = calloc(1, LOG_SIZE);
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r.log == NULL || r.epoll < 0) {
        die("start");
    }
    r.reader_port = listen_on(&reader_port);
    r.control_port = listen_on(&control_port);
    watch(&r, r.reader_port, &r.reader_port, EPOLLIN);
    watch(&r, r.control_port, &r.control_port, EPOLLIN);
    printf("READY %u %u\n", reader_port, control_port);
    fflush(stdout);
    run(&r);
    return 0;
}
