/* loop.c */
#include "loop.h"

#include "bench.h"
#include "clock.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EVENTS = 512 };
/* After everything came: how long it is watched that nothing more does. */
#define SETTLE (SECOND / 50)

void loop_init(void)
{
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bench.epoll < 0) {
        fail("epoll_create1: %s", strerror(errno));
    }
    /* Publications at fixed times are not to be late by the timers' slack. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(bench.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0) {
        /* A file: can be read at any time. */
        bench.input_plain = true;
    }
    bench.now = bench.seen_at = clock_now();
}

/* ---- nothing gets on ---- */

static _Noreturn void stuck(void)
{
    const struct messages *m = &bench.messages;
    unsigned seconds = bench.args.timeout_s;
    if (bench.changing > 0) {
        fail("nothing happened for %u seconds: %u connections are not ready or not closed", seconds,
             bench.changing);
    }
    if (under_way() == 0) {
        fail("nothing happened for %u seconds: %llu publications have no answer", seconds,
             (unsigned long long)bench.publisher.unanswered);
    }
    for (uint32_t i = 0; i < bench.args.clients; i++) {
        const struct client *c = &bench.clients[i];
        bool waits =
            bench.expected != NULL ? bench.expected[i].head != NOWHERE : c->next < m->published;
        if (c->phase != PHASE_READY || c->stalled || !waits) {
            continue;
        }
        uint64_t n = bench.expected != NULL ? bench.expected[i].head : c->next;
        char peer[32];
        struct fault f = {
            .kind = "lost",
            .subscriber = i,
            .peer = client_peer(c, peer, sizeof(peer)),
            .expected = (int64_t)n,
            .seen = -1,
        };
        fail_with(&f,
                  "lost: subscriber %u (%s) waits for message %llu of %llu since %u seconds "
                  "(%llu publications without answer)",
                  i, peer, (unsigned long long)n, (unsigned long long)m->published, seconds,
                  (unsigned long long)bench.publisher.unanswered);
    }
    fail("nothing happened for %u seconds", seconds);
}

static bool awaiting(void)
{
    return under_way() > 0 || bench.publisher.unanswered > 0 || bench.changing > 0;
}

static void watch_progress(void)
{
    uint64_t activity =
        bench.activity + bench.deliveries + bench.publisher.accepted + bench.publisher.refused;
    if (activity != bench.seen_activity || !awaiting()) {
        bench.seen_activity = activity;
        bench.seen_at = bench.now;
    } else if (bench.now - bench.seen_at > bench.args.timeout_s * SECOND) {
        stuck();
    }
}

/* ---- turns ---- */

static void read_input(void)
{
    char text[4096];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));
    if (n > 0) {
        buf_add(&bench.input, text, (size_t)n);
        return;
    }
    if (n < 0 && errno == EINTR) {
        return;
    }
    bench.input_ended = true;
    if (!bench.input_plain) {
        epoll_ctl(bench.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    }
}

void loop_turn(int64_t until)
{
    struct epoll_event events[EVENTS];
    int64_t wait = SECOND;
    if (until > 0) {
        int64_t left = until - clock_now();
        wait = left < 0 ? 0 : left < wait ? left : wait;
    }
    const struct timespec limit = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
    int n = epoll_pwait2(bench.epoll, events, EVENTS, &limit, NULL);
    if (n < 0 && errno != EINTR) {
        fail("epoll: %s", strerror(errno));
    }
    bench.now = clock_now();
    for (int i = 0; i < n; i++) {
        if (i + 2 < n) {
            __builtin_prefetch(events[i + 2].data.ptr);
        }
        if (events[i].data.ptr == NULL) {
            read_input();
        } else if (events[i].data.ptr == &bench.publisher) {
            publisher_event(events[i].events);
        } else {
            client_event(events[i].data.ptr, events[i].events);
        }
    }
    watch_progress();
}

void loop_drain(void)
{
    while (under_way() > 0 || bench.publisher.unanswered > 0) {
        loop_turn(0);
    }
    int64_t end = clock_now() + SETTLE;
    do {
        loop_turn(end);
    } while (clock_now() < end);
}

char *loop_line(void)
{
    for (;;) {
        struct buf *in = &bench.input;
        char *end = in->len > 0 ? memchr(in->p, '\n', in->len) : NULL;
        if (end != NULL) {
            size_t n = (size_t)(end - in->p);
            char *line = strndup(in->p, n);
            if (line == NULL) {
                fail("out of memory");
            }
            buf_drop(in, n + 1);
            return line;
        }
        if (bench.input_ended) {
            return NULL;
        }
        if (bench.input_plain) {
            read_input();
        } else {
            loop_turn(0);
        }
    }
}
